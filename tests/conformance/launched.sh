#!/bin/sh
# Runs a conformance test as processes that a launcher starts: launched.sh BACKEND RANKS PROGRAM
# A world that hangs ends itself; a rank that fails makes the launcher fail.
set -eu
backend=$1
ranks=$2
program=$3
# By default 2, 3 and 4 ranks are enough.
case $ranks in 1 | 5 | 8) [ -n "${WEFT_SOAK:-}" ] || exit 77 ;; esac
shared=$(mktemp)
trap 'rm -f "$shared"' EXIT
export WEFT_TEST_SHARED="$shared" WEFT_TEST_LAUNCHED="$backend"
mpirun --allow-run-as-root --oversubscribe -n "$ranks" "$program" --gtest_filter="*/${backend}_${ranks}" --gtest_brief=1
