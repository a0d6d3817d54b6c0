/* `run stream`: the model for another program that is at the other end of two pipes. */
#ifndef MAMBA_STREAM_H
#define MAMBA_STREAM_H

#include "model.h"

#include <stdio.h>

/* Writes the vocabulary as an int32, then answers lines of `in` until it ends. All numbers are in the machine's byte
 * order.
 *   an empty line      back to the start of the sequence; no answer
 *   "1 2 3"            these ids go on with it: f32 [3, vocabulary], the logits after each
 *   "- 1 2 3"          the same without an answer
 *   "+ 1 2 3"          the same, answered by what layers put out (mamba_model_observe), for each chunk and layer
 *                      int32 length of its name, name, int32 rows, int32 channels, f32 [rows, channels],
 *                      and int32 0 at the end; or only int32 -1 by a program that does not show its layers
 */
mamba_code mamba_stream(mamba_model *model, FILE *in, FILE *out, mamba_error *error);

#endif
