/* binary16 and bfloat16 conversions for the compiler: the kernels' own, so that both round alike. */
#include "kernels/half.h"
