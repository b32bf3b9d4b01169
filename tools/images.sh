#!/usr/bin/env bash
# Builds the images of deploy/docker/Dockerfile without a registry and without a daemon: on a Debian base made by debootstrap, by
# buildah in a chroot. Root is needed, and tools/setup.sh soak. Everything lies in build/images: TARGET.tar is an OCI archive.
#   tools/images.sh [lambda] [worker] [rendezvous]      default: all three
# DEBIAN_MIRROR names another mirror than the first of this host's apt; STORAGE_DRIVER=overlay is quicker than vfs, where it works.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "images: this needs root" >&2; exit 1; }
for program in debootstrap buildah; do
  command -v "$program" >/dev/null || { echo "images: $program is not installed: tools/setup.sh soak" >&2; exit 1; }
done
targets=("$@")
[ $# -gt 0 ] || targets=(rendezvous worker lambda)
work=$PWD/build/images
mkdir -p "$work"
export BUILDAH_ISOLATION=chroot TMPDIR=$work
buildah() { command buildah --root "$work/storage" --runroot "$work/run" --storage-driver "${STORAGE_DRIVER:-vfs}" "$@"; }

if [ ! -e "$work/base.made" ]; then
  mirror=${DEBIAN_MIRROR:-$(sed -nE 's/^(URIs:|deb) *(\[[^]]*\] *)?(https?:[^ ]+).*/\3/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null | head -1 || true)}
  rm -rf "$work/base"
  echo "images: debootstrap"
  debootstrap --variant=minbase bookworm "$work/base" "${mirror:-http://deb.debian.org/debian}" >"$work/base.log" 2>&1 ||
    { tail "$work/base.log" >&2; exit 1; }
  # Certificates that this host trusts beside the usual ones, for networks whose registries have such.
  mkdir -p "$work/base/etc/ssl/certs" "$work/base/usr/local/share/ca-certificates"
  cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
  cp /usr/local/share/ca-certificates/*.crt "$work/base/usr/local/share/ca-certificates/" 2>/dev/null || true
  rm -rf "$work/base"/var/cache/apt/archives/*.deb "$work/base"/var/lib/apt/lists/*
  tar -C "$work/base" --one-file-system --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf "$work/base.tar" .
  rm -rf "$work/base"
  printf 'FROM scratch\nADD base.tar /\nCMD ["/bin/bash"]\n' >"$work/base.Dockerfile"
  buildah bud --quiet --format docker --tag localhost/weft-base:bookworm --file "$work/base.Dockerfile" "$work" >/dev/null
  rm "$work/base.tar"
  touch "$work/base.made"
fi

for target in "${targets[@]}"; do
  echo "images: $target"
  buildah bud --quiet --format docker --layers --build-arg BASE=localhost/weft-base:bookworm --target "$target" \
    --tag "localhost/weft-$target" --file deploy/docker/Dockerfile . >"$work/$target.log" 2>&1 ||
    { tail -30 "$work/$target.log" >&2; exit 1; }
  rm -f "$work/$target.tar"
  buildah push --quiet "localhost/weft-$target" "oci-archive:$work/$target.tar:weft-$target"
  size=$(stat -c %s "$work/$target.tar")
  echo "images: $target: $((size / 1000000)) MB compressed, $work/$target.tar"
  [ "$size" -lt 400000000 ] || { echo "images: $target is above 400 MB" >&2; exit 1; }
done
