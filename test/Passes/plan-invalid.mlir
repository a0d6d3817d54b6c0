// RUN: mamba-opt %s --verify-diagnostics --mamba-plan

func.func @forward(%x: tensor<?x?x?xf32>) -> tensor<?x?x?xi8> {
  // expected-error@below {{expected a static number of channels, at most 2^31}}
  %q, %s = mamba.quantize_rows %x : (tensor<?x?x?xf32>) -> (tensor<?x?x?xi8>, tensor<?x?x1xf32>)
  return %q : tensor<?x?x?xi8>
}
