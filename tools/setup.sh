#!/usr/bin/env bash
# Installs what Weft needs on Debian 12 or Ubuntu 24.04: apt packages (root or sudo) and a .venv with pinned Python packages.
#   tools/setup.sh demo        the least that builds and runs the demo
#   tools/setup.sh serverless  also what runs functions, S3 and a state machine on this machine
#   tools/setup.sh all         also what the tests, peers and linters need
#   tools/setup.sh soak        also what builds and runs container images, and a compiler for aarch64
# A second call finds everything there and takes no time.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?demo, serverless, all or soak}
soak=
if [ "$what" = soak ]; then
  what=all soak=1
fi

packages=(ca-certificates g++ cmake ninja-build ccache libssl-dev libasio-dev python3-venv python3-dev)
requirements=(tools/requirements-demo.txt)
if [ "$what" != demo ]; then
  requirements+=(tools/requirements-serverless.txt)
  # With these each function gets a NAT of its own, which needs root anyway.
  [ "$what" != all ] && [ "$(id -u)" != 0 ] || packages+=(iproute2 nftables procps)
  command -v go >/dev/null || packages+=(golang-go)
fi
if [ "$what" = all ]; then
  packages+=(libgtest-dev libbenchmark-dev clang libclang-rt-dev git pkg-config libopenmpi-dev openmpi-bin libucx-dev libgloo-dev libfabric-dev)
  # Stores and hosts: the Redis store and what its tests start, and an sshd of the tests' own.
  packages+=(libhiredis-dev redis-server openssl openssh-client openssh-server)
  # PyTorch: PyPI's comes with gigabytes for GPUs. What it is needed for is skipped where there is none.
  ! grep -q '^ID=debian' /etc/os-release || packages+=(python3-torch)
  # A Slurm of the tests' own.
  packages+=(slurm-wlm munge)
  # Wall clocks that jump.
  packages+=(faketime)
  # A browser that opens the scaling study's report; Ubuntu has it as a snap alone.
  ! grep -q '^ID=debian' /etc/os-release || packages+=(chromium)
  requirements+=(tools/requirements-all.txt)
  command -v npm >/dev/null || packages+=(nodejs npm)
fi
[ -z "$soak" ] || packages+=(buildah podman runc debootstrap g++-aarch64-linux-gnu)

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
  # The servers that the tests start are their own: nothing of the host's is started by installing them.
  if [ "$what" = all ] && [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
    "${root[@]}" chmod +x /usr/sbin/policy-rc.d
    trap '"${root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
  fi
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

[ "$what" != demo ] || exit 0
tools=build/tools
mkdir -p "$tools"

# The S3 server. A Go of 1.21 or newer fetches the version that the module asks for; an older one fetches such a Go first.
gateway=v1.8.0
if [ ! -e "$tools/.versitygw-$gateway" ]; then
  echo "setup: building versitygw"
  go=go
  if ! go version | grep -Eq 'go(1\.(2[1-9]|[3-9][0-9])|[2-9])'; then
    GOBIN="$PWD/$tools" go install golang.org/dl/go1.26.8@latest
    go=$PWD/$tools/go1.26.8
    "$go" download >/dev/null
  fi
  GOBIN="$PWD/$tools" nice "$go" install "github.com/versity/versitygw/cmd/versitygw@$gateway"
  touch "$tools/.versitygw-$gateway"
fi

[ "$what" = all ] || exit 0
# AWS' command line for templates, with the functions' emulator, in an environment of its own: it pins what others need newer.
sam=1.170.0
if [ ! -e "$tools/.sam-$sam" ]; then
  echo "setup: installing the SAM command line"
  "$python" -m venv "$tools/sam"
  "$tools/sam/bin/pip" install -q --disable-pip-version-check "aws-sam-cli==$sam"
  touch "$tools/.sam-$sam"
fi
# The state machine's validator.
if [ ! -e "$tools/npm/node_modules/.bin/asl-validator" ]; then
  echo "setup: installing asl-validator"
  mkdir -p "$tools/npm"
  npm install --silent --no-audit --no-fund --prefix "$tools/npm" asl-validator@4.0.0
fi
