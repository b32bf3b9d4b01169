#!/usr/bin/env bash
# Builds the fuzz targets (clang, libFuzzer, AddressSanitizer, UndefinedBehaviorSanitizer) and runs each for so many seconds,
# from the inputs in tests/fuzz/corpus. Fails on any report, and where an input takes more memory than it may.
#   tools/fuzz.sh [seconds] [target ...]               20 seconds each of all targets
#   tools/fuzz.sh --runs number seconds [target ...]   so many inputs a target; where the seconds are over before, says so
#   tools/fuzz.sh --grow seconds                       runs, and keeps the inputs that reach something new in tests/fuzz/corpus
# tests/fuzz/*_fuzz.cc are programs, tests/fuzz/*_fuzz.py run under atheris, which is libFuzzer too.
# What breaks a target is left in build/fuzz/findings: run build/fuzz/tests/fuzz/fuzz_<target> <file>, mend, and keep the file in the corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
grow= runs=-1
[ "${1:-}" != --grow ] || { grow=1; shift; }
[ "${1:-}" != --runs ] || { runs=$2; shift 2; }
seconds=${1:-20}
shift || true
command -v clang++ >/dev/null || { echo "fuzz: clang is missing: tools/setup.sh all" >&2; exit 1; }
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -- -j"$(nproc)" >build/fuzz/build.log 2>&1 || { tail -50 build/fuzz/build.log >&2; exit 1; }
binaries=build/fuzz/tests/fuzz
if [ $# = 0 ]; then
  for file in tests/fuzz/*_fuzz.cc tests/fuzz/*_fuzz.py; do
    name=$(basename "${file%.*}")
    set -- "$@" "${name%_fuzz}"
  done
fi

# Arrow's library is not instrumented: what it puts in containers looks foreign. What was freed is not kept for long: fresh memory for
# each input costs more than the input. A finding is looked at again by hand, with all of the sanitizer's defaults.
export ASAN_OPTIONS=detect_container_overflow=0:allocator_may_return_null=1:quarantine_size_mb=4:thread_local_quarantine_size_kb=64:malloc_context_size=0:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
export PYTHONPATH=$PWD/python PYTHONDONTWRITEBYTECODE=1
mkdir -p build/fuzz/findings
# The longest input: what is longer does more of the same.
longest() {
  case $1 in
    rendezvous_server | link) echo 1024 ;;
    *) echo 4096 ;;
  esac
}
run() {
  local target=$1 found=build/fuzz/corpus/$1 begin program limits figures
  mkdir -p "$found" "tests/fuzz/corpus/$target"
  program=("$binaries/fuzz_$target") limits=(-malloc_limit_mb=64)
  [ -e "tests/fuzz/${target}_fuzz.cc" ] || { program=(.venv/bin/python "tests/fuzz/${target}_fuzz.py"); limits=(); }
  begin=$(date +%s)
  # Entropy as the guide costs more here than it finds.
  "${program[@]}" -runs="$runs" -max_total_time="$seconds" -entropic=0 -timeout=20 -rss_limit_mb=1024 "${limits[@]}" \
    -max_len="$(longest "$target")" -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$target-" "$found" "tests/fuzz/corpus/$target" \
    >"build/fuzz/$target.log" 2>&1 || { tail -60 "build/fuzz/$target.log" >&2; echo "fuzz: $target failed" >&2; return 1; }
  figures=$(grep -E 'stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "build/fuzz/$target.log" | tr -s '\n ' ' ')
  echo "fuzz: $target: ${figures//stat::/}seconds: $(($(date +%s) - begin))"
  local done_runs
  done_runs=$(sed -n 's/.*number_of_executed_units: *//p' "build/fuzz/$target.log")
  if [ "$runs" -gt 0 ] && [ "${done_runs:-0}" -lt "$runs" ]; then
    echo "fuzz: $target: STOPPED by its $seconds seconds at ${done_runs:-0} of $runs inputs"
  fi
}
export -f run longest
export binaries seconds runs
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'run {}'

if [ -n "$grow" ]; then
  for target in "$@"; do
    [ -e "tests/fuzz/${target}_fuzz.cc" ] || continue
    rm -rf build/fuzz/merged && mkdir build/fuzz/merged
    "$binaries/fuzz_$target" -merge=1 -max_len=8192 build/fuzz/merged "tests/fuzz/corpus/$target" "build/fuzz/corpus/$target" >/dev/null 2>&1
    # The smallest say most a byte; named ones are written by fuzz_make_seeds.
    find build/fuzz/merged -type f -size -2k -printf '%s %p\n' | sort -n | head -40 | cut -d' ' -f2 | xargs -r cp -t "tests/fuzz/corpus/$target"
  done
fi
