/* One layer at level 3 with small random weights, in which every kernel op occurs. */
#ifndef MAMBA_TEST_EXECUTE_LEVEL3_H
#define MAMBA_TEST_EXECUTE_LEVEL3_H

#include "support.h"

enum { L3_IDS = 9, L3_D = 8, L3_INNER = 16, L3_STATES = 3, L3_RANK = 2, L3_WIDTH = 3 };

typedef struct Level3 {
  float table[L3_IDS * L3_D], gamma[L3_D];
  int8_t in_proj[2 * L3_INNER * L3_D];
  float in_multiplier[2 * L3_INNER];
  int8_t conv[L3_WIDTH * L3_INNER];
  float conv_multiplier[L3_INNER], conv_bias[L3_INNER], ux_inverse[L3_INNER];
  int8_t x_proj[(L3_RANK + 2 * L3_STATES) * L3_INNER];
  float x_multiplier[L3_RANK + 2 * L3_STATES];
  int8_t dt_proj[L3_INNER * L3_RANK];
  float dt_multiplier[L3_INNER], dt_bias[L3_INNER];
  float a[L3_STATES * L3_INNER], d[L3_INNER];
  int8_t out_proj[L3_D * L3_INNER];
  float out_multiplier[L3_D];
  int8_t head[L3_IDS * L3_D];
  float head_multiplier[L3_IDS];
} Level3;

/* The scales of the IR. */
#define L3_IN_SCALE 0.03f
#define L3_X_INVERSE 20.0f
#define L3_U_INVERSE 30.0f
#define L3_DT_INVERSE 25.0f

void level3Fill(Level3 *model);
/* Makes it the fixture's module. */
void level3Parse(Fixture *fixture, const Level3 *model);

#endif
