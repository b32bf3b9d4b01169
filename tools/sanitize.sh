#!/usr/bin/env bash
# The C++ tests under a sanitizer: tools/sanitize.sh asan-ubsan | tsan [what ctest is to be told more]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?asan-ubsan or tsan}
cmake --preset "$preset" >/dev/null
cmake --build "build/$preset"
# The sanitizers watch the C library's allocator; those inside libarrow.so they cannot see.
export ARROW_DEFAULT_MEMORY_POOL=system
export ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:abort_on_error=0
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=suppressions=$PWD/tools/tsan.supp:second_deadlock_stack=1
# UCX hooks madvise, which a thread that ends calls when ThreadSanitizer has already forgotten it.
[ "$preset" != tsan ] || export UCX_MEM_EVENTS=n
ctest --test-dir "build/$preset" --output-on-failure -j "$(nproc)" --timeout 1200 "${@:2}"
