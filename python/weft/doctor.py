"""``weft doctor``: what is built, what this host is, and whether two ranks can talk."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata

from weft import _core, settings

__all__ = ["ping", "report"]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    except (OSError, ValueError):
        return "unknown"


def report() -> int:
    """Prints the report; 1 where two ranks cannot talk."""
    print(f"weft {_core.__version__}")
    print(f"  Arrow C++ {_core.arrow_version} at build, pyarrow {_version('pyarrow')} here")
    print(f"  Python {platform.python_version()}, NumPy {_version('numpy')}, pandas {_version('pandas')}")
    print("host")
    print(f"  {platform.platform()}, {platform.machine()}")
    print(f"  {settings.cores()} cores for this process, {_memory()} memory")
    print("backends")
    for backend in _core.backends():
        state = "built" if backend["built"] else "not built"
        print(f"  {backend['name']}: {state}{', ' if backend['detail'] else ''}{backend['detail']}")
    print("rendezvous server")
    print(f"  {'built' if _core.have_rendezvous else 'not built: it needs Asio and OpenSSL'}")
    if not _core.have_rendezvous:
        return 0
    print("two ranks on this host", flush=True)
    command = [sys.executable, "-m", "weft.cli", "run", "-n", "2", "-m", "weft.doctor"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        print("  did not come to an end within 60 s")
        return 1
    for line in (done.stdout + (done.stderr if done.returncode else "")).splitlines():
        print(f"  {line}")
    if done.returncode:
        print(f"  failed with exit code {done.returncode}")
    return 1 if done.returncode else 0


def ping() -> None:
    """What each of the two ranks does: meets the other, sends it bytes, and says over which path and how fast."""
    import time

    import weft

    size = 16 << 20
    with weft.init(connect_timeout=30) as env:
        peer = 1 - env.rank
        env.barrier()
        trips = []
        for _ in range(20):
            start = time.perf_counter()
            env.barrier()
            trips.append(time.perf_counter() - start)
        data = bytes(size)
        start = time.perf_counter()
        env.broadcast(data, root=0)
        env.barrier()
        seconds = time.perf_counter() - start
        if env.rank == 0:
            link = next((link for link in env.links() if link["peer"] == peer), None)
            path = "unknown" if link is None else f"{link['path']} {link['remote_address']}".strip()
            print(f"{env.backend}, path {path}, linked in {env.stats()['open_seconds'] * 1e3:.0f} ms")
            print(f"barrier {min(trips) * 1e6:.0f} us, {size >> 20} MiB in {seconds * 1e3:.1f} ms")


if __name__ == "__main__":
    ping()
