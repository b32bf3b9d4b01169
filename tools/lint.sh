#!/usr/bin/env bash
# Format, style and types, without changing anything.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
git ls-files '*.h' '*.cc' | xargs "$bin/clang-format" --dry-run -Werror
"$bin/ruff" format --check -q python tests tools examples benchmarks
"$bin/ruff" check -q python tests tools examples benchmarks
"$bin/mypy" python/weft
"$bin/python" tools/check_layers.py
