/* mamba_cuda_layer_problem: what the three kernels of a layer can take. */
#include "layer.cuh"
#include "limits.h"

static_assert(sizeof(mamba_cuda_layer) == MAMBA_CUDA_LAYER_BYTES, "the compiler plans with it");

static bool is_stored(const mamba_cuda_tensor *t) {
  return t->data && (t->type == MAMBA_I8 || t->type == MAMBA_F16 || t->type == MAMBA_F32);
}

static bool is_value(const mamba_cuda_tensor *t) {
  return t->type == MAMBA_I8 || t->type == MAMBA_F16 || t->type == MAMBA_F32;
}

/* Four are read at once. */
static bool are_factors(const mamba_cuda_matrix *m) {
  return mamba::is_aligned(m->multiplier, 16) && mamba::is_aligned(m->bias, 16);
}

const char *mamba_cuda_layer_problem(const mamba_cuda_layer *l, int32_t rows) {
  if (rows < 1 || rows > MAMBA_CUDA_LAYER_ROWS)
    return "the fused kernels take 1 to 64 rows";
  if (!mambaCudaTakesWidth(l->d))
    return "the width of the residual is not a multiple of 128 up to 4096";
  if (!mambaCudaTakesInner(l->inner))
    return "the inner width is not a multiple of 128 up to 8192";
  if (!mambaCudaTakesRank(l->rank))
    return "the rank of dt is not a multiple of 16 up to 256";
  if (!l->residual || !mamba::is_aligned(l->residual, 16) || (l->gamma && !mamba::is_aligned(l->gamma, 16)))
    return "the residual or the norm's weight is not at a multiple of 16 bytes";
  if (!mamba::is_matrix(l->in_proj) || !mamba::is_matrix(l->x_proj) || !mamba::is_matrix(l->dt_proj) ||
      !mamba::is_matrix(l->out_proj))
    return "a weight or its multipliers are missing, or not at a multiple of 16 bytes";
  if (l->in.type != MAMBA_I8 || l->u_i8.type != MAMBA_I8 || l->dt.type != MAMBA_I8)
    return "the input of in_proj, x_proj or dt_proj is not int8";
  if (!is_value(&l->x) || !is_stored(&l->z) || !is_stored(&l->u) || !is_value(&l->b) || !is_value(&l->c))
    return "x, z, u, B or C is neither int8, f16 nor f32, or has no place";
  if (l->z.type != l->x.type || l->u.type != l->x.type)
    return "x, z and u are not of one type";
  if (!l->conv_w || !l->conv_state || (l->x.type == MAMBA_I8 && !l->conv_multiplier) ||
      l->conv_w_type != (l->x.type == MAMBA_I8 ? MAMBA_I8 : MAMBA_F32))
    return "the convolution's weight is neither int8 with an int8 input and multipliers nor f32 with another";
  if (!l->sums || !l->a || !l->ssm_state)
    return "the sums, the decays or the scan's state have no place";
  if (!l->y.data || l->y.type != (l->rotate ? MAMBA_F32 : MAMBA_I8) || !mamba::is_aligned(l->y.data, 16))
    return "y is neither f32 with a Hadamard transform nor int8 without, or not at a multiple of 16 bytes";
  if (l->rotate && !mambaCudaTakesTransform(l->inner))
    return "the Hadamard transform has no inner block of 16 to 256 values";
  if (l->rotate && l->rotated.type != MAMBA_I8)
    return "the transformed y is not int8";
  if (rows > 1 && (!l->in.data || !l->u_i8.data || !mamba::is_aligned(l->in.data, 16) ||
                   !mamba::is_aligned(l->u_i8.data, 16) || (l->in_per_row && !l->in_scale) ||
                   (l->rotate && (!l->rotated.data || !mamba::is_aligned(l->rotated.data, 16))) ||
                   (l->rotate && l->rotated_per_row && !l->out_scale)))
    return "several rows need a place for the inputs of in_proj, x_proj and out_proj and for their scales";
  if (rows > 1 && (!l->out_sums || !mamba::is_aligned(l->out_sums, 16) || !are_factors(&l->out_proj) ||
                   (l->before.multiplier && !are_factors(&l->before))))
    return "several rows need a place for out_proj's sums, and factors at multiples of 16 bytes";
  return NULL;
}
