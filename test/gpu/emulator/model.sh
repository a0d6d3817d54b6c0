#!/bin/bash
# model.sh CLANG++ LIBRARY MAMBA-COMPILE EXECUTOR: CUDA bundles of the sample model on the emulated GPU. Their logits are the
# reference executor's, at once, in pieces and token by token, as graphs and launch by launch; so are the states, batches and
# errors of test/Codegen/library.c and the bundle's own selftest.
set -euo pipefail
cxx=$1 library=$2 compile=$3 executor=$4
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
includes="-I$here/include -I$here"

# build BUNDLE: its program, and the test of its library.
build() {
  local bundle=$1 source objects
  {
    for source in "$bundle"/*.c "$PWD/test/Codegen/library.c"; do
      echo "-x c -std=c11 -O2 -I\"$bundle\" $includes -D_POSIX_C_SOURCE=200809L -c \"$source\" -o \"$bundle/$(basename "$source").o\""
    done
    echo "-std=c++17 -O2 -I\"$bundle\" $includes -ffp-contract=off -fno-pie -include \"$here/device.h\" -x c++ -c \"$bundle/model.cu\"" \
      "-o \"$bundle/model.cu.o\""
    echo "-std=c++17 -O2 -I\"$bundle\" $includes -c \"$here/bandwidth.cpp\" -o \"$bundle/bandwidth.o\""
  } | xargs -P "$(nproc)" -L 1 "$cxx"
  objects=$(ls "$bundle"/*.o | grep -v -e /main.c.o -e /library.c.o)
  "$cxx" -no-pie $objects "$bundle/main.c.o" "$library" -lm -o "$bundle/run"
  "$cxx" -no-pie $objects "$bundle/library.c.o" "$library" -lm -o "$bundle/library"
}

# same WHAT [NAME=VALUE...] OPTION...
same() {
  env "${@:2:$#-2}" "$bundle/run" logits --weights "$bundle/weights.bin" --ids "$ids" --out "$bundle/logits.bin" "${@: -1}"
  cmp "$bundle/logits.bin" "$bundle/expected.bin"
  echo "  $1: equal"
}

# bundle MODEL RECIPE IDS: compiled and built, with what the executor gives.
bundle() {
  bundle=$folder/$(basename "$(dirname "$1")")-$2
  ids=$3
  "$compile" "$1" --target=orin --recipe=$2 --samples=1 --length=32 -o "$bundle" --quiet
  "$executor" "$bundle/model.mlir" "$ids" "$bundle/expected.bin"
  build "$bundle"
  echo "$1, $2:"
}

for recipe in per-token quamba float; do
  bundle models/tiny $recipe 5,600,7,4095,0
  same "at once, copies late" MAMBA_EMULATOR_COPIES=late --split=0
  same "token by token, backward" MAMBA_EMULATOR_ORDER=backward --split=1
  same "token by token, three kernels a layer" MAMBA_CUDA_PERSISTENT=0 --split=1
done
bundle test/Import/falcon/model per-token 5,6,7,250,0,1,2,3,4
same "seven at a time, large GPU" MAMBA_EMULATOR_GPU=h200 --split=7
same "token by token, no graph" MAMBA_CUDA_GRAPH=0 --split=1
"$bundle/run" selftest --weights "$bundle/weights.bin" | tail -n 1
"$bundle/library" "$bundle/weights.bin"
echo "library: ok"
