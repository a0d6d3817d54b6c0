/* Lines of source in what exporters record. */
#ifndef MAMBA_LIB_GRAPH_SOURCE_LINE_H
#define MAMBA_LIB_GRAPH_SOURCE_LINE_H

#include <stddef.h>

/* Writes " at modeling_mamba.py:378 'A = -torch.exp(self.A_log)'", from the last entry of a Python stack
 * trace; nothing where there is none. The stack has `stack_size` bytes. */
void describeSourceLine(const char *stack, size_t stack_size, char *text, size_t size);

#endif
