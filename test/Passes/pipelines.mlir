// Every recipe runs from the checkpoint to a plan; every value keeps its name on the way.
// RUN: mamba-opt %tiny --mamba-static='samples=1 length=32' --mamba-plan | FileCheck %s --check-prefixes=CHECK,STATIC,HEAD16
// RUN: mamba-opt %tiny --mamba-quamba='samples=1 length=32' --mamba-plan | FileCheck %s --check-prefixes=CHECK,ROTATED,HEAD16
// RUN: mamba-opt %tiny --mamba-quamba-paper='samples=1 length=32' --mamba-plan | FileCheck %s --check-prefixes=CHECK,ROTATED,HEAD16,PAPER
// RUN: mamba-opt %tiny --mamba-per-token='samples=1 length=32 statistics=%t.json' --mamba-plan | FileCheck %s --check-prefixes=CHECK,ROTATED,HEAD8
// RUN: mamba-opt %tiny --mamba-dynamic --mamba-plan | FileCheck %s --check-prefixes=CHECK,DYNAMIC
// RUN: mamba-opt %tiny --mamba-rotate-all='samples=1 length=32 statistics=%t.rotated.json' --mamba-plan | FileCheck %s --check-prefixes=CHECK,ROTATED,RESIDUAL
// RUN: rm -f %t.best.json
// RUN: mamba-opt %tiny --mamba-best='samples=1 length=8 statistics=%t.best.json' --mamba-plan | FileCheck %s
// RUN: not mamba-opt %tiny --mamba-per-token 2>&1 | FileCheck %s --check-prefix=STATISTICS

// Every recipe that quantizes takes either head. One statistics file serves both.
// RUN: mamba-opt %tiny --mamba-static='samples=1 length=32 head=token' --mamba-plan | FileCheck %s --check-prefixes=CHECK,STATIC,HEAD8
// RUN: mamba-opt %tiny --mamba-quamba='samples=1 length=32 head=token' --mamba-plan | FileCheck %s --check-prefixes=CHECK,ROTATED,HEAD8
// RUN: mamba-opt %tiny --mamba-per-token='samples=1 length=32 statistics=%t.json head=16' --mamba-plan | FileCheck %s --check-prefixes=CHECK,ROTATED,HEAD16
// RUN: not mamba-opt %tiny --mamba-quamba=head=8 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: not mamba-opt %tiny --mamba-float=head=token 2>&1 | FileCheck %s --check-prefix=FLOAT

// CHECK: func.func @forward{{.*}}mamba.arena =
// CHECK: mamba.linear_i8 {{.*}} loc(fused["layers.3.mixer.x", "layers.3.mixer.z"])
// PAPER-NOT: f16{{.*}} loc("layers.3.mixer.{{[uyz]}}")
// STATIC: %layers.3.mixer.y = mamba.selective_scan_quant {{.*}} -> tensor<?x?x512xi8>
// ROTATED: mamba.hadamard_quant %layers.3.mixer.y
// CHECK: %layers.3.mixer.out_proj = mamba.linear_i8
// DYNAMIC-NOT: mamba.hadamard
// DYNAMIC-NOT: mamba.scale
// RESIDUAL: mamba.add_rms_norm_quant %layers.10, %layers.11.mixer.out_proj epsilon {{.*}} -> (tensor<?x?x256xf32>, tensor<?x?x256xi8>, tensor<?x?x1xf32>)
// RESIDUAL-NOT: mamba.hadamard_quant
// HEAD16: %lm_head = mamba.linear %{{norm_f|layers.11_[0-9]+}}, %backbone.embeddings.weight {

// The embedding's rows stay as they are; the head has a form of its own.
// HEAD8: %norm_f_rotated, %[[SCALE:.*]] = mamba.hadamard_quant
// HEAD8: %lm_head.weight = mamba.hadamard %backbone.embeddings.weight axis 1
// HEAD8: %lm_head = mamba.linear_i8 %norm_f_rotated, %lm_head.weight.packed multiplier %lm_head.{{(weight.scale|multiplier)}} row_scale %[[SCALE]]

// STATISTICS: recipe per-token keeps what it finds in calibration in files: expected statistics=FILE
// KIND: head: expected token, w8 or 16, found '8'
// FLOAT: recipe float quantizes nothing: expected no head, found 'token'

// Cut in the middle, written to a file and resumed: the same text and the same weights. Names of files may have spaces.
// RUN: rm -rf %t && mkdir -p "%t/two words"
// RUN: mamba-opt %tiny --mamba-rotate --mamba-fold-hadamard --mamba-calibrate='samples=1 length=32' -o %t/cut.mlir
// RUN: mamba-opt %t/cut.mlir --mamba-clamp-scan --mamba-insert-qdq --cse --mamba-fuse-kernels --canonicalize --cse --mamba-materialize=output=%t/resumed.safetensors -o %t/resumed.mlir
// RUN: mamba-opt %tiny --mamba-quamba="samples=1 length=32 output='%t/two words/w.safetensors'" -o %t/straight.mlir
// RUN: cmp %t/resumed.safetensors "%t/two words/w.safetensors"
// RUN: sed s/resumed/X/ %t/resumed.mlir > %t/a
// RUN: sed "s#two words/w#X#" %t/straight.mlir > %t/b
// RUN: diff %t/a %t/b
