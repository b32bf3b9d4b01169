"""``weft doctor``: what is built, what this host is, and whether two ranks can talk."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from typing import Any

from weft import _core, launchers, settings

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


def _here(backend: dict[str, Any]) -> str:
    """The version of a backend's library as it is loaded on this host."""
    if not backend["built"]:
        return ""
    try:
        version = _core.backend_version(backend["name"])
    except OSError as problem:
        return f"; it cannot be loaded: {problem}"
    return f"; here {version}" if version else ""


def _ping(command: list[str], environment: dict[str, str]) -> int:
    """Runs two ranks and prints what they say; their exit code, or 1 where they do not end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    except subprocess.TimeoutExpired:
        print("  did not come to an end within 60 s")
        return 1
    for line in (done.stdout + (done.stderr if done.returncode else "")).splitlines():
        print(f"  {line}")
    if done.returncode:
        print(f"  {command[0]} failed with exit code {done.returncode}")
    return done.returncode


def _clean() -> dict[str, str]:
    """This process' environment without what a launcher or a person has said about its own world."""
    strange = ("WEFT_", "OMPI_", "PMI_", "PMIX_", "RANK", "WORLD_SIZE")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)}


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
        print(f"  {backend['name']}: {state}{', ' if backend['detail'] else ''}{backend['detail']}{_here(backend)}")
    print("launcher")
    print(f"  {launchers.describe()}")
    print("rendezvous server")
    print(f"  {'built' if _core.have_rendezvous else 'not built: it needs Asio and OpenSSL'}")
    if not _core.have_rendezvous:
        return 0
    print("two ranks on this host", flush=True)
    failed = _ping([sys.executable, "-m", "weft.cli", "run", "-n", "2", "-m", "weft.doctor"], _clean())
    if any(backend["name"] == "mpi" and backend["built"] for backend in _core.backends()):
        mpirun = shutil.which("mpirun")
        if mpirun is None:
            print("  mpi: there is no mpirun here")
        else:
            # Open MPI asks for these two where a container's root runs two ranks on one core.
            allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
            environment = {**_clean(), **allowed, "OMPI_MCA_rmaps_base_oversubscribe": "1"}
            failed = _ping([mpirun, "-n", "2", sys.executable, "-m", "weft.doctor"], environment) or failed
    return 1 if failed else 0


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
