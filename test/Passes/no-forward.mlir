// Every pass says so when there is nothing for it to work on.
// RUN: mamba-opt %s --verify-diagnostics --mamba-fold-norm
// RUN: mamba-opt %s --verify-diagnostics --mamba-rotate
// RUN: mamba-opt %s --verify-diagnostics --mamba-fold-hadamard
// RUN: mamba-opt %s --verify-diagnostics --mamba-clamp-scan
// RUN: mamba-opt %s --verify-diagnostics --mamba-insert-qdq
// RUN: mamba-opt %s --verify-diagnostics --mamba-fuse-kernels
// RUN: mamba-opt %s --verify-diagnostics --mamba-materialize=output=%t
// RUN: mamba-opt %s --verify-diagnostics --mamba-plan

// expected-error@below {{expected a function @forward with one block}}
module {
}
