#!/usr/bin/env bash
# Every test: C++ (ctest), Python (pytest), style. Runs all of them even when one fails; fails if any did.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()
# A test that hangs is ended; while soaking one may take an hour.
ctest --test-dir build/release --output-on-failure -j "$(nproc)" --timeout "$([ -n "${WEFT_SOAK:-}" ] && echo 3600 || echo 300)" || failed+=(ctest)
.venv/bin/python -m pytest -q tests/python || failed+=(pytest)
# In a process of its own: its fixtures are others. Needs root and network namespaces, and says so where they are missing.
.venv/bin/python -m pytest -q -rs tests/netlab || failed+=(netlab)
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
