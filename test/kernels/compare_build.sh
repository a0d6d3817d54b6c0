#!/bin/sh
# compare_build.sh FOLDER COMPILER RUNNER [FLAGS...]
# Builds the kernels and their tests with a compiler's default options, free of warnings, runs the tests on every
# instruction set, and compares the digest of all results with that of the same test in FOLDER. RUNNER is
# "native" or an emulator. Exits 77 where the compiler or the emulator is missing.
set -eu
references=$1 compiler=$2 runner=$3
shift 3
test_folder=$(cd "$(dirname "$0")" && pwd)
kernels=$(cd "$test_folder/../../kernels" && pwd)
command -v "$compiler" >/dev/null || { echo "skipped: no compiler $compiler"; exit 77; }
sets="portable x86-64-v3 avx-vnni x86-64-v4 avx512-vnni amx-int8"
if [ "$runner" != native ]; then
  command -v "$runner" >/dev/null || { echo "skipped: no emulator $runner"; exit 77; }
  sets="portable neon neon-dotprod"
fi

# run SET PROGRAM; NEON without the dot product on a processor that lacks it.
run() {
  if [ "$runner" = native ]; then
    MAMBA_ISA=$1 "$2"
  else
    cpu=cortex-a72
    [ "$1" = neon-dotprod ] && cpu=max
    MAMBA_ISA=$1 "$runner" -cpu $cpu -L /usr/aarch64-linux-gnu "$2"
  fi
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$compiler" -std=c11 -O3 -Wall -Wextra -Werror "$@" -I"$kernels" -c "$kernels"/*.c "$test_folder/data.c" \
  "$test_folder/reference.c"
for test in kernels packed integer_weights scan_i8; do
  "$compiler" -std=c11 -O3 -Wall -Wextra -Werror "$@" -I"$kernels" "$test_folder/$test.c" ./*.o -pthread -lm \
    -o $test
  expected=$("$references/${test}_test" | grep '^digest')
  for set in $sets; do
    status=0
    output=$(run "$set" ./$test) || status=$?
    [ $status -eq 77 ] && continue
    echo "$test, $output"
    [ $status -eq 0 ] || exit 1
    case "$output" in
    *"$expected"*) ;;
    *) echo "$compiler $* ($test, $set): expected $expected"; exit 1 ;;
    esac
  done
done
