/* The products of packed weights on any machine. */
#include "dispatch.h"

#include <math.h>
#include <string.h>

#include "contract.h"

#include "portable/linear_i8_packed.c"
#include "portable/linear_i4.c"
