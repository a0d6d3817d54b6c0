/* Prints what mamba_kernels_check_contract says: exit 0 when the contract holds, 1 when not. */
#include "mamba_kernels.h"

#include <stdio.h>

int main(void) {
  const char *broken = mamba_kernels_check_contract();
  printf("%s: %s\n", mamba_kernels_instruction_set(), broken ? broken : "keeps the contract");
  return broken != NULL;
}
