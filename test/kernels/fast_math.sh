#!/bin/sh
# fast_math.sh COMPILER
# Kernels built with -ffast-math, in all files or only in the kernels', break the contract:
# mamba_kernels_check_contract must say so on every instruction set. Exits 77 without the compiler.
set -eu
compiler=$1
test_folder=$(cd "$(dirname "$0")" && pwd)
kernels=$(cd "$test_folder/../../kernels" && pwd)
command -v "$compiler" >/dev/null || { echo "skipped: no compiler $compiler"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$compiler" -std=c11 -O2 -ffast-math -w -c "$kernels"/*.c
"$compiler" -std=c11 -O2 -I"$kernels" "$test_folder"/check_contract.c *.o -pthread -lm -o kernels_only
"$compiler" -std=c11 -O2 -ffast-math -I"$kernels" "$test_folder"/check_contract.c *.o -pthread -lm -o everything
for program in kernels_only everything; do
  for set in portable x86-64-v3 avx-vnni x86-64-v4 avx512-vnni amx-int8; do
    status=0
    MAMBA_ISA=$set ./$program || status=$?
    [ $status -eq 1 ] || { echo "$program on $set: expected exit 1, found $status"; exit 1; }
  done
done
