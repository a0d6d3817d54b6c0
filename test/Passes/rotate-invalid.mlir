// RUN: mamba-opt %s --split-input-file --verify-diagnostics --mamba-rotate=sites=head
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rotate=sites=y,z 2>&1 | FileCheck %s --check-prefix=SITE
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rotate --mamba-rotate 2>&1 | FileCheck %s --check-prefix=TWICE

// SITE: mamba-rotate: sites: expected y, in, head or residual, found 'z'
// TWICE: 'y_restored' is rotated already

mamba.checkpoint @ckpt "model" hash "xxh3:0"
func.func @forward(%ids: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
  %table = mamba.weight @ckpt::@table : tensor<4x22xf32>
  // expected-error@below {{no Hadamard matrix for the 22 channels of '': expected 2^k times 1, 12, 20, 28 or 40}}
  %h = mamba.embedding %ids, %table : (tensor<?x?xi32>, tensor<4x22xf32>) -> tensor<?x?x22xf32>
  %l = mamba.linear %h, %table : (tensor<?x?x22xf32>, tensor<4x22xf32>) -> tensor<?x?x4xf32>
  return %l : tensor<?x?x4xf32>
}

// -----

// expected-error@below {{expected a model at level 1 or 2: @forward has neither a `selective_scan` nor a `linear` that it returns}}
module {
func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  return %x : tensor<?x?x4xf32>
}
}
