#!/bin/sh
# compare_build.sh REFERENCE-PROGRAM COMPILER RUNNER [FLAGS...]
# Builds the kernels and their test in the one-line way of a bundle, free of warnings, runs it on every
# instruction set, and compares its digest of all results with that of the reference program. RUNNER is
# "native" or an emulator. Exits 77 where the compiler or the emulator is missing.
set -eu
reference=$1 compiler=$2 runner=$3
shift 3
test_folder=$(cd "$(dirname "$0")" && pwd)
kernels=$(cd "$test_folder/../../kernels" && pwd)
command -v "$compiler" >/dev/null || { echo "skipped: no compiler $compiler"; exit 77; }
emulate=
if [ "$runner" != native ]; then
  command -v "$runner" >/dev/null || { echo "skipped: no emulator $runner"; exit 77; }
  emulate="$runner -L /usr/aarch64-linux-gnu"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$compiler" -std=c11 -O3 -Wall -Wextra -Werror "$@" -pthread -I"$kernels" \
  "$test_folder/kernels.c" "$test_folder/data.c" "$test_folder/reference.c" "$kernels"/*.c -lm \
  -o "$folder/kernels"
expected=$("$reference" | grep '^digest')
sets=portable
[ "$runner" = native ] && sets="portable x86-64-v3 x86-64-v4"
for set in $sets; do
  status=0
  output=$(MAMBA_ISA=$set $emulate "$folder/kernels") || status=$?
  [ $status -eq 77 ] && continue
  echo "$output"
  [ $status -eq 0 ] || exit 1
  case "$output" in
  *"$expected"*) ;;
  *) echo "$compiler $* ($set): expected $expected"; exit 1 ;;
  esac
done
