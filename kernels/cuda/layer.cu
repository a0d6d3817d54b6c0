/* mamba_cuda_layer_problem: what the three kernels of a layer can take. */
#include "../hadamard_matrices.h"
#include "layer.cuh"

static bool is_stored(const mamba_cuda_tensor *t) {
  return t->data && (t->type == MAMBA_I8 || t->type == MAMBA_F16 || t->type == MAMBA_F32);
}

static bool is_value(const mamba_cuda_tensor *t) {
  return t->type == MAMBA_I8 || t->type == MAMBA_F16 || t->type == MAMBA_F32;
}

static bool is_matrix(const mamba_cuda_matrix *m) {
  return m->w && m->multiplier && mamba::is_aligned(m->w, 16);
}

const char *mamba_cuda_layer_problem(const mamba_cuda_layer *l, int32_t rows) {
  if (rows < 1 || rows > MAMBA_CUDA_LAYER_ROWS)
    return "the fused kernels take one row";
  if (l->d < 128 || l->d > 4096 || l->d % 128 != 0)
    return "the width of the residual is not a multiple of 128 up to 4096";
  if (l->inner < 128 || l->inner > 8192 || l->inner % 128 != 0)
    return "the inner width is not a multiple of 128 up to 8192";
  if (l->rank < 16 || l->rank > 256 || l->rank % 16 != 0)
    return "the rank of dt is not a multiple of 16 up to 256";
  if (!l->residual || !mamba::is_aligned(l->residual, 16) || (l->gamma && !mamba::is_aligned(l->gamma, 16)))
    return "the residual or the norm's weight is not at a multiple of 16 bytes";
  if (!is_matrix(&l->in_proj) || !is_matrix(&l->x_proj) || !is_matrix(&l->dt_proj) ||
      !is_matrix(&l->out_proj))
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
  if (l->rotate) {
    const int32_t order = mambaHadamardOrder(l->inner);
    const int32_t block = order ? l->inner / order : 0;
    if (block < mamba::SCAN_CHANNELS || (order > 1 && block > 256))
      return "the Hadamard transform has no inner block of 16 to 256 values";
    if (l->rotated.type != MAMBA_I8)
      return "the transformed y is not int8";
  }
  return NULL;
}
