#!/bin/sh
# Compiles every CUDA source for each architecture; a warning is an error. Exits 77 without nvcc. Before that, what
# older toolkits do not know has to be left out for them: instructions of PTX 8.0 in CUDA 11 (wgmma.cuh is for sm_90a
# alone, which it does not know either), and __grid_constant__ in 11.4 to 11.6.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../kernels
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bulk_copies() {
  cpp -P -x c++ -D__CUDA_ARCH__=900 -D__CUDACC_VER_MAJOR__="$1" "$kernels/cuda/instructions.cuh" | grep -c 'cp\.async\.bulk' || :
}
[ "$(bulk_copies 11)" = 0 ] || { echo "instructions.cuh: CUDA 11 does not know cp.async.bulk"; exit 1; }
[ "$(bulk_copies 12)" != 0 ] || { echo "instructions.cuh: no cp.async.bulk for CUDA 12 either: the check sees nothing"; exit 1; }
mkdir "$folder/old"
: >"$folder/old/cuda_runtime.h"
printf '#include "launch.h"\n__grid_constant__\n' >"$folder/old/user.cu"
if cpp -P -x c++ -I"$folder/old" -I"$kernels/cuda" "$folder/old/user.cu" | grep -q __grid_constant__; then
  echo "launch.h: CUDA 11.4 does not know __grid_constant__"
  exit 1
fi
command -v nvcc >/dev/null || { echo "skipped: no nvcc (CUDA toolkit)"; exit 77; }
targets=
for architecture in 80 86 87 89 90 90a; do
  targets="$targets -gencode arch=compute_$architecture,code=sm_$architecture"
done
flags=$("$here/flags")
for source in "$kernels"/cuda/*.cu "$here"/*.cu; do
  echo "$flags $targets \"-I$kernels\" \"-I$here/../kernels\" -c \"$source\" -o \"$folder/$(basename "$source").o\""
done | xargs -P "$(nproc)" -L 1 nvcc
echo "every CUDA source compiles for 80, 86, 87, 89, 90 and 90a"
