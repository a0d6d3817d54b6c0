// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=sites=q=f16 2>&1 | FileCheck %s --check-prefix=SITE
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=sites=x=token 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=sites=ux 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=sites=y.rotate=no 2>&1 | FileCheck %s --check-prefix=PROPERTY
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=99.9 --mamba-insert-qdq=sites=u=fitted 2>&1 | FileCheck %s --check-prefix=CLAMPED
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=sites=y=p101 2>&1 | FileCheck %s --check-prefix=PERCENT
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=weights=column 2>&1 | FileCheck %s --check-prefix=WEIGHTS
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq --mamba-insert-qdq 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: sed 's/{mamba.stats = {absmax = 381.0}}//' %S/Inputs/block.mlir | not mamba-opt --mamba-insert-qdq 2>&1 | FileCheck %s --check-prefix=STATS

// SITE: mamba-insert-qdq: sites: expected in, x, z, u, ux, dt, B, C, y or head, found 'q'
// KIND: mamba-insert-qdq: sites: expected x=tensor, fitted, pNN, f16, f32, found 'token'
// EMPTY: mamba-insert-qdq: sites: expected ux=tensor, fitted, pNN, token, channel, w8, f32, found ''
// PROPERTY: mamba-insert-qdq: sites: expected site=kind, found 'y.rotate=no'
// CLAMPED: a clamped value has its limit: expected kind tensor for it, found fitted
// PERCENT: expected y=tensor, fitted, pNN, token, w8, f32, found 'p101'
// WEIGHTS: mamba-insert-qdq: weights: expected row or tensor, found 'column'
// TWICE: the input 'in.dq' is quantized already
// STATS: no statistics of 'z': run mamba-calibrate first
