#!/usr/bin/env bash
# Every test: C++ (ctest), Python (pytest), style. Runs all of them even when one fails; fails if any did.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()
# Most tests wait more than they compute: more of them than cores run at once. While soaking, figures are taken: fewer.
jobs=$(($(nproc) * 2)) workers=$(($(nproc) < 7 ? $(nproc) + 1 : 8)) labs=2 limit=300
[ -z "${WEFT_SOAK:-}" ] || { jobs=$(nproc) workers=0 labs=0 limit=3600; }
# A test that hangs is ended; while soaking one may take an hour.
ctest --test-dir build/release --output-on-failure -j "$jobs" --timeout "$limit" || failed+=(ctest)
# The tests of a file stay in one process, since they share servers; the files begin in the order that conftest.py gives.
.venv/bin/python -m pytest -q -n "$workers" --dist loadfile --no-loadscope-reorder tests/python || failed+=(pytest)
# In processes of their own: the fixtures are others. Needs root and network namespaces, and says so where they are missing.
.venv/bin/python -m pytest -q -rs -n "$labs" --dist loadfile tests/netlab || failed+=(netlab)
# Likewise: one rank of a job is killed, in each phase and on each backend; a thousand times while soaking.
.venv/bin/python -m pytest -q -rs tests/faults || failed+=(faults)
# Likewise: a Slurm of four nodes; while soaking also the container images.
.venv/bin/python -m pytest -q -rs tests/hosts || failed+=(hosts)
# Bytes of strangers: each fuzz target for a while; while soaking ten million inputs each, for two hours at most.
if [ -n "${WEFT_SOAK:-}" ]; then
  tools/fuzz.sh --runs 10000000 7200 || failed+=(fuzz)
else
  tools/fuzz.sh 20 || failed+=(fuzz)
fi
tools/lint.sh || failed+=(lint)
if [ ${#failed[@]} -gt 0 ]; then
  echo "test: failed: ${failed[*]}" >&2
  exit 1
fi
