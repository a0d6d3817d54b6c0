#!/bin/sh
# Compiles every CUDA source for each architecture; a warning is an error. Exits 77 without nvcc.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../kernels
command -v nvcc >/dev/null || { echo "skipped: no nvcc (CUDA toolkit)"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
targets=
for architecture in 80 86 87 89 90 90a; do
  targets="$targets -gencode arch=compute_$architecture,code=sm_$architecture"
done
flags=$("$here/flags")
for source in "$kernels"/cuda/*.cu "$here"/*.cu; do
  echo "$flags $targets \"-I$kernels\" \"-I$here/../kernels\" -c \"$source\" -o \"$folder/$(basename "$source").o\""
done | xargs -P "$(nproc)" -L 1 nvcc
echo "every CUDA source compiles for 80, 86, 87, 89, 90 and 90a"
