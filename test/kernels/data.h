/* Random inputs, guarded outputs and comparison of bytes, without any library: the same program runs
 * under qemu for another architecture. */
#ifndef MAMBA_TEST_DATA_H
#define MAMBA_TEST_DATA_H

#include "mamba_kernels.h"

#include <stddef.h>

/* The next number of the program's one random sequence. Take one per full expression: C leaves the order of
 * evaluation inside an expression open. */
uint64_t random_bits(void);
/* Uniform in [0, bound). */
int32_t random_below(int32_t bound);
bool random_bool(void);

/* What random values look like: DATA_PLAIN is uniform in (-4, 4); DATA_EXTREME has any exponent, and
 * zeros, infinities, NaN, subnormals and halves between integers; DATA_ZERO is zero in most rows. */
typedef enum data_kind { DATA_PLAIN, DATA_EXTREME, DATA_ZERO, DATA_KINDS } data_kind;

size_t type_size(mamba_type type);

/* `count` random values of the type, which the caller frees. Integers are in [-127, 127]. */
void *random_values(mamba_type type, int64_t count, data_kind kind);
float *random_floats(int64_t count, data_kind kind);
/* Positive factors near 1 / 32. */
float *random_scales(int64_t count);
/* A copy, which the caller frees. */
void *copy_values(mamba_type type, int64_t count, const void *values);
/* Memory full of a pattern that no kernel writes, which the caller frees. */
void *unset_values(mamba_type type, int64_t count);

/* An input or output of `count` values over `channels` channels, with random scales. release_* frees. */
mamba_input random_input(mamba_type type, int64_t count, int32_t channels, data_kind kind);
mamba_output unset_output(mamba_type type, int64_t count, int32_t channels);
/* An output like `other` with memory of its own but the same scales. */
mamba_output similar_output(mamba_output other, int64_t count);
void release_input(mamba_input input);
void release_output(mamba_output output);

/* The name of what is compared now, for messages: printf style. */
void begin_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Compares bytes, except that all NaN are equal: which NaN an operation gives is the machine's choice.
 * A difference is printed and counted. The digest takes `actual`. */
void expect_equal(const char *what, mamba_type type, int64_t count, const void *actual, const void *expected);
/* Prints the digest; 1 when something differed, else 0. */
int finish(void);

#endif
