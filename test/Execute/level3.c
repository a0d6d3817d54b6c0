#include "level3.h"

#include <math.h>
#include <stdlib.h>

static uint64_t seed;

static void fillFloats(float *values, size_t count, float middle, float range) {
  for (size_t i = 0; i < count; i++)
    values[i] = middle + range * nextUniform(&seed);
}

static void fillIntegers(int8_t *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    values[i] = (int8_t)(127 * nextUniform(&seed));
}

#define FLOATS(member, middle, range)                                                                        \
  fillFloats(model->member, sizeof model->member / sizeof(float), middle, range)
#define INTEGERS(member) fillIntegers(model->member, sizeof model->member)

void level3Fill(Level3 *model) {
  seed = 42;
  FLOATS(table, 0, 2);
  FLOATS(gamma, 1, 0.5f);
  INTEGERS(in_proj);
  FLOATS(in_multiplier, 2e-4f, 1e-4f);
  INTEGERS(conv);
  FLOATS(conv_multiplier, 3e-4f, 1e-4f);
  FLOATS(conv_bias, 0, 1);
  FLOATS(ux_inverse, 40, 10);
  INTEGERS(x_proj);
  FLOATS(x_multiplier, 1e-4f, 5e-5f);
  INTEGERS(dt_proj);
  FLOATS(dt_multiplier, 4e-4f, 1e-4f);
  FLOATS(dt_bias, -2, 1);
  FLOATS(a, -2, 1.5f);
  FLOATS(d, 1, 0.5f);
  INTEGERS(out_proj);
  FLOATS(out_multiplier, 5e-3f, 1e-3f);
  INTEGERS(head);
  FLOATS(head_multiplier, 5e-3f, 1e-3f);
}

static const char kText[] =
    "mamba.state @conv : tensor<2x16xi8>\n"
    "mamba.state @ssm : tensor<3x16xf32>\n"
    "func.func @forward(%ids: tensor<?x?xi32>) -> tensor<?x?x9xf32> {\n"
    "  %table = mamba.weight @w::@table : tensor<9x8xf32>\n"
    "  %gamma = mamba.weight @w::@gamma : tensor<8xf32>\n"
    "  %in_proj = mamba.weight @w::@in_proj : tensor<32x8xi8>\n"
    "  %in_multiplier = mamba.weight @w::@in_multiplier : tensor<32x1xf32>\n"
    "  %conv = mamba.weight @w::@conv : tensor<3x16xi8>\n"
    "  %conv_multiplier = mamba.weight @w::@conv_multiplier : tensor<16xf32>\n"
    "  %conv_bias = mamba.weight @w::@conv_bias : tensor<16xf32>\n"
    "  %ux_inverse = mamba.weight @w::@ux_inverse : tensor<16xf32>\n"
    "  %x_proj = mamba.weight @w::@x_proj : tensor<8x16xi8>\n"
    "  %x_multiplier = mamba.weight @w::@x_multiplier : tensor<8x1xf32>\n"
    "  %dt_proj = mamba.weight @w::@dt_proj : tensor<16x2xi8>\n"
    "  %dt_multiplier = mamba.weight @w::@dt_multiplier : tensor<16x1xf32>\n"
    "  %dt_bias = mamba.weight @w::@dt_bias : tensor<16xf32>\n"
    "  %a = mamba.weight @w::@a : tensor<3x16xf32>\n"
    "  %d = mamba.weight @w::@d : tensor<16xf32>\n"
    "  %out_proj = mamba.weight @w::@out_proj : tensor<8x16xi8>\n"
    "  %out_multiplier = mamba.weight @w::@out_multiplier : tensor<8x1xf32>\n"
    "  %head = mamba.weight @w::@head : tensor<9x8xi8>\n"
    "  %head_multiplier = mamba.weight @w::@head_multiplier : tensor<9x1xf32>\n"
    "  %in_scale = mamba.scale 0.03 : tensor<f32>\n"
    "  %in_inverse = mamba.reciprocal %in_scale : tensor<f32>\n"
    "  %x_inverse = mamba.scale 20.0 : tensor<f32>\n"
    "  %u_inverse = mamba.scale 30.0 : tensor<f32>\n"
    "  %u_scale = mamba.reciprocal %u_inverse : tensor<f32>\n"
    "  %dt_inverse = mamba.scale 25.0 : tensor<f32>\n"
    "  %h = mamba.embedding %ids, %table : (tensor<?x?xi32>, tensor<9x8xf32>) -> tensor<?x?x8xf32>\n"
    "  %in = mamba.rms_norm_quant %h gamma %gamma inv_scale %in_inverse epsilon 1.0e-5 : "
    "(tensor<?x?x8xf32>,\n"
    "    tensor<8xf32>, tensor<f32>) -> tensor<?x?x8xi8> loc(\"in\")\n"
    "  %x, %z = mamba.linear_i8 %in, %in_proj multiplier %in_multiplier inv_scales %x_inverse : "
    "(tensor<?x?x8xi8>,\n"
    "    tensor<32x8xi8>, tensor<32x1xf32>, tensor<f32>) -> (tensor<?x?x16xi8>, tensor<?x?x16xf16>)\n"
    "    loc(fused[\"x\", \"z\"])\n"
    "  %u, %ux = mamba.conv1d_silu_quant %x, %conv multiplier %conv_multiplier bias %conv_bias\n"
    "    inv_scales %u_inverse, %ux_inverse state @conv : (tensor<?x?x16xi8>, tensor<3x16xi8>, "
    "tensor<16xf32>,\n"
    "    tensor<16xf32>, tensor<f32>, tensor<16xf32>) -> (tensor<?x?x16xi8>, tensor<?x?x16xi8>)\n"
    "    loc(fused[\"u\", \"ux\"])\n"
    "  %dt, %b, %c = mamba.linear_i8 %ux, %x_proj multiplier %x_multiplier inv_scales %dt_inverse :\n"
    "    (tensor<?x?x16xi8>, tensor<8x16xi8>, tensor<8x1xf32>, tensor<f32>) -> (tensor<?x?x2xi8>,\n"
    "    tensor<?x?x3xf32>, tensor<?x?x3xf16>) loc(fused[\"dt\", \"B\", \"C\"])\n"
    "  %delta = mamba.linear_i8 %dt, %dt_proj multiplier %dt_multiplier bias %dt_bias : (tensor<?x?x2xi8>,\n"
    "    tensor<16x2xi8>, tensor<16x1xf32>, tensor<16xf32>) -> tensor<?x?x16xf32> loc(\"delta\")\n"
    "  %y = mamba.selective_scan_quant %u dt %delta a %a b %b c %c d %d gate %z u_scale %u_scale state @ssm "
    ":\n"
    "    (tensor<?x?x16xi8>, tensor<?x?x16xf32>, tensor<3x16xf32>, tensor<?x?x3xf32>, tensor<?x?x3xf16>,\n"
    "    tensor<16xf32>, tensor<?x?x16xf16>, tensor<f32>) -> tensor<?x?x16xf32> loc(\"y\")\n"
    "  %r, %rs = mamba.hadamard_quant %y : (tensor<?x?x16xf32>) -> (tensor<?x?x16xi8>, tensor<?x?x1xf32>)\n"
    "    loc(fused[\"r\", \"rs\"])\n"
    "  %o = mamba.linear_i8 %r, %out_proj multiplier %out_multiplier row_scale %rs : (tensor<?x?x16xi8>,\n"
    "    tensor<8x16xi8>, tensor<8x1xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32> loc(\"o\")\n"
    "  %s, %n = mamba.add_rms_norm_quant %h, %o gamma %gamma epsilon 1.0e-5 : (tensor<?x?x8xf32>,\n"
    "    tensor<?x?x8xf32>, tensor<8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf16>) loc(fused[\"s\", "
    "\"n\"])\n"
    "  %q, %qs = mamba.quantize_rows %n : (tensor<?x?x8xf16>) -> (tensor<?x?x8xi8>, tensor<?x?x1xf32>)\n"
    "    loc(fused[\"q\", \"qs\"])\n"
    "  %logits = mamba.linear_i8 %q, %head multiplier %head_multiplier row_scale %qs : (tensor<?x?x8xi8>,\n"
    "    tensor<9x8xi8>, tensor<9x1xf32>, tensor<?x?x1xf32>) -> tensor<?x?x9xf32> loc(\"logits\")\n"
    "  return %logits : tensor<?x?x9xf32>\n"
    "}";

void level3Parse(Fixture *fixture, const Level3 *m) {
  const Weight weights[] = {
      {"table", MAMBA_DTYPE_F32, 2, {L3_IDS, L3_D}, m->table},
      {"gamma", MAMBA_DTYPE_F32, 1, {L3_D}, m->gamma},
      {"in_proj", MAMBA_DTYPE_I8, 2, {2 * L3_INNER, L3_D}, m->in_proj},
      {"in_multiplier", MAMBA_DTYPE_F32, 2, {2 * L3_INNER, 1}, m->in_multiplier},
      {"conv", MAMBA_DTYPE_I8, 2, {L3_WIDTH, L3_INNER}, m->conv},
      {"conv_multiplier", MAMBA_DTYPE_F32, 1, {L3_INNER}, m->conv_multiplier},
      {"conv_bias", MAMBA_DTYPE_F32, 1, {L3_INNER}, m->conv_bias},
      {"ux_inverse", MAMBA_DTYPE_F32, 1, {L3_INNER}, m->ux_inverse},
      {"x_proj", MAMBA_DTYPE_I8, 2, {L3_RANK + 2 * L3_STATES, L3_INNER}, m->x_proj},
      {"x_multiplier", MAMBA_DTYPE_F32, 2, {L3_RANK + 2 * L3_STATES, 1}, m->x_multiplier},
      {"dt_proj", MAMBA_DTYPE_I8, 2, {L3_INNER, L3_RANK}, m->dt_proj},
      {"dt_multiplier", MAMBA_DTYPE_F32, 2, {L3_INNER, 1}, m->dt_multiplier},
      {"dt_bias", MAMBA_DTYPE_F32, 1, {L3_INNER}, m->dt_bias},
      {"a", MAMBA_DTYPE_F32, 2, {L3_STATES, L3_INNER}, m->a},
      {"d", MAMBA_DTYPE_F32, 1, {L3_INNER}, m->d},
      {"out_proj", MAMBA_DTYPE_I8, 2, {L3_D, L3_INNER}, m->out_proj},
      {"out_multiplier", MAMBA_DTYPE_F32, 2, {L3_D, 1}, m->out_multiplier},
      {"head", MAMBA_DTYPE_I8, 2, {L3_IDS, L3_D}, m->head},
      {"head_multiplier", MAMBA_DTYPE_F32, 2, {L3_IDS, 1}, m->head_multiplier},
  };
  char *checkpoint =
      fixtureWriteWeights(fixture, "w.safetensors", "w", weights, sizeof weights / sizeof *weights);
  fixtureParse(fixture, checkpoint, kText);
  free(checkpoint);
}
