#!/usr/bin/env bash
# Builds the fuzz targets (clang, libFuzzer, AddressSanitizer, UndefinedBehaviorSanitizer) and runs each for so many seconds,
# from the inputs in tests/fuzz/corpus. Fails on any report, and where an input takes more memory than it may.
#   tools/fuzz.sh [seconds] [target ...]     20 seconds each of all targets
#   tools/fuzz.sh --grow seconds             runs, and keeps the inputs that reach something new in tests/fuzz/corpus
# What breaks a target is left in build/fuzz/findings: run build/fuzz/tests/fuzz/fuzz_<target> <file>, mend, and keep the file in the corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
grow=
[ "${1:-}" != --grow ] || { grow=1; shift; }
seconds=${1:-20}
shift || true
command -v clang++ >/dev/null || { echo "fuzz: clang is missing: tools/setup.sh all" >&2; exit 1; }
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -- -j"$(nproc)" >build/fuzz/build.log 2>&1 || { tail -50 build/fuzz/build.log >&2; exit 1; }
binaries=build/fuzz/tests/fuzz
if [ $# = 0 ]; then
  for file in tests/fuzz/*_fuzz.cc; do set -- "$@" "$(basename "$file" _fuzz.cc)"; done
fi

# Arrow's library is not instrumented: what it puts in containers looks foreign.
export ASAN_OPTIONS=detect_container_overflow=0:allocator_may_return_null=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
mkdir -p build/fuzz/findings
run() {
  local target=$1 found=build/fuzz/corpus/$1
  mkdir -p "$found" "tests/fuzz/corpus/$target"
  "$binaries/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=64 -max_len=8192 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$target-" "$found" "tests/fuzz/corpus/$target" \
    >"build/fuzz/$target.log" 2>&1 || { tail -60 "build/fuzz/$target.log" >&2; echo "fuzz: $target failed" >&2; return 1; }
  grep -E 'stat::number_of_executed_units|stat::peak_rss_mb' "build/fuzz/$target.log" | tr '\n' ' ' | sed "s/^/fuzz: $target: /; s/stat:://g; s/$/\n/"
}
export -f run
export binaries seconds
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'run {}'

if [ -n "$grow" ]; then
  for target in "$@"; do
    rm -rf build/fuzz/merged && mkdir build/fuzz/merged
    "$binaries/fuzz_$target" -merge=1 -max_len=8192 build/fuzz/merged "tests/fuzz/corpus/$target" "build/fuzz/corpus/$target" >/dev/null 2>&1
    # The smallest say most a byte; named ones are written by fuzz_make_seeds.
    find build/fuzz/merged -type f -size -2k -printf '%s %p\n' | sort -n | head -40 | cut -d' ' -f2 | xargs -r cp -t "tests/fuzz/corpus/$target"
  done
fi
