#!/usr/bin/env bash
# Installs what Weft needs on Debian 12 or Ubuntu 24.04: apt packages (root or sudo) and a .venv with pinned Python packages.
#   tools/setup.sh demo   the least that builds and runs the demo
#   tools/setup.sh all    also what the tests, peers and linters need
# A second call finds everything there and takes no time.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?demo or all}

packages=(ca-certificates g++ cmake ninja-build ccache libssl-dev libasio-dev python3-venv python3-dev)
requirements=(tools/requirements-demo.txt)
if [ "$what" = all ]; then
  packages+=(libgtest-dev libbenchmark-dev git pkg-config libfabric-dev libgloo-dev)
  requirements+=(tools/requirements-all.txt)
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "setup: these packages are missing and need root: ${missing[*]}" >&2; exit 1; }
    root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: Python 3.11 or newer is needed; set PYTHON" >&2; exit 1; }
[ -x .venv/bin/python ] || "$python" -m venv .venv
stamp=.venv/.weft-$what-$(cat "${requirements[@]}" | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
  echo "setup: installing Python packages"
  args=()
  for file in "${requirements[@]}"; do args+=(-r "$file"); done
  .venv/bin/pip install -q --disable-pip-version-check --use-pep517 "${args[@]}"
  touch "$stamp"
fi
