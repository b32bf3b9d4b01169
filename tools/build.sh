#!/usr/bin/env bash
# Configures and builds one preset and installs the Python package into .venv, pointing at this tree.
#   tools/build.sh release [--tests]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?preset}
tests=OFF
[ "${2:-}" = --tests ] && tests=ON
benchmarks=$tests
log=build/$preset.log
mkdir -p build
run() {
  # Quiet while all is well; whole when it is not.
  "$@" >"$log" 2>&1 || { cat "$log" >&2; echo "build: failed: $*" >&2; exit 1; }
}
echo "build: $preset"
run cmake --preset "$preset" -DWEFT_TESTS=$tests -DWEFT_BENCHMARKS=$benchmarks
run cmake --build "build/$preset" -- -k 0
run cmake --install "build/$preset" --component python --prefix "$PWD/python"
# The package is imported from this tree; its console script is made here, as pip would make it.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$PWD/python" >"$site/weft-dev.pth"
printf '#!%s\nimport sys\n\nfrom weft.cli import main\n\nsys.exit(main())\n' "$PWD/.venv/bin/python" >.venv/bin/weft
chmod +x .venv/bin/weft
