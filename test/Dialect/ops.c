/* The op table of mamba/ops.def says what the dialect says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "mamba/ir.h"
#include "mamba/shim.h"

static void kindsAreRegistered(void **state) {
  (void)state;
  const MlirContext context = mlirContextCreate();
  mambaRegisterAll(context);
  for (int kind = 1; kind < MAMBA_OP_COUNT; kind++) {
    char name[64];
    snprintf(name, sizeof name, "mamba.%s", mambaOpMnemonic((MambaOp)kind));
    assert_true(mlirContextIsRegisteredOperation(context, mambaRef(name)));
  }
  mlirContextDestroy(context);
}

/* A kernel op with some optional operands absent gives each operand by name. */
static void operandsByName(void **state) {
  (void)state;
  static const char text[] =
      "func.func @forward(%q: tensor<?x?x8xi8>, %w: tensor<6x8xi8>, %m: tensor<6x1xf32>, %b: tensor<6xf32>,\n"
      "                   %s: tensor<f32>) -> tensor<?x?x2xi8> {\n"
      "  %0:3 = mamba.linear_i8 %q, %w multiplier %m bias %b inv_scales %s, %s : (tensor<?x?x8xi8>, tensor<6x8xi8>,\n"
      "      tensor<6x1xf32>, tensor<6xf32>, tensor<f32>, tensor<f32>) ->\n"
      "      (tensor<?x?x2xi8>, tensor<?x?x2xi8>, tensor<?x?x2xf32>) loc(fused[\"a\", \"b\", \"c\"])\n"
      "  return %0#0 : tensor<?x?x2xi8>\n"
      "}\n";
  const MlirContext context = mlirContextCreate();
  mambaRegisterAll(context);
  const MlirModule module = mlirModuleCreateParse(context, mambaRef(text));
  assert_false(mlirModuleIsNull(module));
  const MlirBlock body = mambaForwardBody(mlirModuleGetOperation(module));
  const MlirOperation op = mlirBlockGetFirstOperation(body);
  assert_int_equal(mambaOpKind(op), MAMBA_OP_LINEAR_I8);
  assert_int_equal(mambaOperandIndex(op, "input"), 0);
  assert_int_equal(mambaOperandIndex(op, "multiplier"), 2);
  assert_int_equal(mambaOperandIndex(op, "row_scale"), -1);
  assert_true(mlirValueIsNull(mambaOperand(op, "row_scale")));
  assert_int_equal(mambaOperandIndex(op, "bias"), 3);
  assert_int_equal(mambaOperandIndex(op, "inv_scales"), 4);
  assert_int_equal(mambaOperandCount(op, "inv_scales"), 2);
  assert_int_equal(mambaOperandIndex(op, "no such operand"), -1);
  assert_true(mambaRefIs(mambaValueName(mlirOperationGetResult(op, 2)), "c"));
  assert_int_equal(mambaChannels(mambaOperand(op, "input")), 8);
  assert_int_equal(mambaDim(mambaOperand(op, "input"), 0), MAMBA_DYNAMIC);
  assert_int_equal(mambaElementOf(mambaOperand(op, "weight")), MAMBA_ELEMENT_I8);
  mlirModuleDestroy(module);
  mlirContextDestroy(context);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kindsAreRegistered),
      cmocka_unit_test(operandsByName),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
