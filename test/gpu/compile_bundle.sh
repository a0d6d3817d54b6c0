#!/bin/sh
# compile_bundle.sh MAMBA-COMPILE: the generated program and the runtime of CUDA bundles compile without a warning,
# as C and as CUDA, for a Jetson Orin and a Hopper; one bundle builds by the command in its README to the letter, and
# its program runs, or says in one line why it cannot. Exits 77 without nvcc.
set -eu
compile=$1
here=$(cd "$(dirname "$0")" && pwd)
command -v nvcc >/dev/null || { echo "skipped: no nvcc (CUDA toolkit)"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$here/../.."
"$compile" models/tiny --target=orin --recipe=per-token --samples=1 --length=16 -o "$folder/orin" --quiet
"$compile" test/Import/falcon/model --target=orin --recipe=quamba --samples=1 --length=16 -o "$folder/falcon" --quiet
"$compile" models/tiny --target=cuda-sm90 --recipe=float -o "$folder/hopper" --quiet

# arguments BUNDLE ARCHITECTURE: lines of arguments for nvcc.
arguments() {
  for source in "$folder/$1"/*.cu; do
    echo "$("$here/flags") -arch=sm_$2 -I\"$folder/$1\" -c \"$source\" -o \"$source.o\""
  done
  for source in "$folder/$1"/*.c; do
    echo "-O1 -Xcompiler -std=c11,-Wall,-Wextra,-Wpedantic,-Wshadow,-Wstrict-prototypes,-Wmissing-prototypes,-Werror" \
      "-c \"$source\" -o \"$source.o\""
  done
}
{
  arguments orin 87
  arguments hopper 90
  arguments falcon 87 | grep -e /model.cu -e /program.c # the rest is the same
} | xargs -P "$(nproc)" -L 1 nvcc
echo "the generated sources compile for 87 and 90"

cd "$folder/orin"
rm -f ./*.o
command=$(sed -n 's/^    \(nvcc .*\)/\1/p' README.md)
sh -c "$command"
if message=$(./run selftest 2>&1); then
  echo "$command: $message"
else
  [ "$(echo "$message" | wc -l)" -eq 1 ]
  echo "$message" | grep -q "^run: this program was built "
  echo "$command: $message"
fi
