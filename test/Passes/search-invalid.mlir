// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-search='budget=1.2ms' 2>&1 | FileCheck %s --check-prefix=CPU
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-search='budget=12parsecs target=orin' 2>&1 | FileCheck %s --check-prefix=UNIT
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-search='budget=1.2ms target=orinn' 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-search='budgte=1.2ms' 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-search='head=tokn' 2>&1 | FileCheck %s --check-prefix=HEAD

// HEAD: error: mamba-search: head: expected search, token, w8 or 16, found 'tokn' (did you mean token?)
// CPU: error: mamba-search: budget: expected bytes, such as 120MiB, for target cpu, whose memory's speed is not known, found the time '1.2ms'
// UNIT: error: mamba-search: budget: expected bytes, such as 120MiB or 90MB, or the time of a token, such as 1.2ms or 800us, found '12parsecs'
// TARGET: error: mamba-search: target: expected cpu, orin,{{.*}} found 'orinn' (did you mean orin?)
// OPTION: no option 'budgte'; did you mean 'budget'?
