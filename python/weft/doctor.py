"""``weft doctor``: what is built, what this host is, whether two ranks can talk, and how each link of a rank is."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from weft import _core, launchers, settings
from weft.starting import MPI_ENVIRONMENT, start_command

__all__ = ["peers", "ping", "report", "show_links"]

#: Seconds that all pings together may take.
LIMIT = 60.0
#: Seconds in which a rank that waits has heard from its peers.
HEARTBEATS = 1.5


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
    print(f"  hot loops: {_core.cpu_level()} of {', '.join(_core.cpu_levels())}")
    print(f"  {settings.cores()} cores for this process, {_memory()} memory")
    print("backends")
    for backend in _core.backends():
        state = "built" if backend["built"] else "not built"
        trust = ", trusts its fabric" if backend["built"] and backend["name"] not in ("local", "tcp") else ""
        detail = f", {backend['detail']}" if backend["detail"] else ""
        print(f"  {backend['name']}: {state}{detail}{_here(backend)}{trust}")
    print("launcher")
    print(f"  {launchers.describe()}")
    print("stores")
    print(f"  rendezvous: {'built' if _core.have_rendezvous else 'not built: it needs Asio and OpenSSL'}")
    print("  file: built")
    redis = Path(_core.__file__).with_name("libweft_redis.so").exists()
    print(f"  redis: {'built' if redis else 'not built: it needs libhiredis-dev'}")
    if not _core.have_rendezvous:
        return 0
    print("two ranks on this host", flush=True)
    return _ping_all([str(backend["name"]) for backend in _core.backends() if backend["built"]])


def _ping_all(backends: Sequence[str]) -> int:
    """All at once, so that one which hangs costs no more than the bound; 1 where one failed."""
    started: dict[str, subprocess.Popen[str]] = {}
    for name in backends:
        if name == "local":
            continue
        command = start_command(name, 2, ["-m", "weft.doctor"])
        if command is None:
            print(f"  {name}: not tried, there is no mpirun")
            continue
        started[name] = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**_clean(), **MPI_ENVIRONMENT, "WEFT_BACKEND": name},
        )
    failed = 0
    end = time.monotonic() + LIMIT
    for name, process in started.items():
        try:
            out, err = process.communicate(timeout=max(1.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate()
            err += f"\ndid not come to an end within {LIMIT:.0f} s"
        failed += process.returncode != 0
        for line in (out + (err if process.returncode else "")).strip().splitlines():
            print(f"  {name}: {line}")
        if process.returncode:
            print(f"  {name}: failed with exit code {process.returncode}")
    return 1 if failed else 0


def ping() -> None:
    """What each of the two ranks does: meets the other, sends it bytes, and says over which path and how fast."""
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
            how = link["cipher"] if link is not None and link["encrypted"] else "in the clear"
            if link is not None and link["shared_memory"]:
                how += f", through {link['shared_memory'] >> 20} MiB of shared memory"
            print(f"path {path}, {how}, linked in {env.stats()['open_seconds'] * 1e3:.0f} ms")
            print(f"barrier {min(trips) * 1e6:.0f} us, {size >> 20} MiB in {seconds * 1e3:.1f} ms")


def _started_as_a_rank() -> bool:
    """A launcher, `weft run` among them, or a person has said who this process is among others."""
    return launchers.find() is not None or int(os.environ.get("WEFT_WORLD_SIZE", "1")) > 1


def peers() -> int:
    """Links up and prints how each link is: as one of the ranks of a launch, else with two ranks on this host."""
    if _started_as_a_rank():
        show_links()
        return 0
    if not _core.have_rendezvous:
        print("two ranks on this host need a build with the rendezvous server: it needs Asio and OpenSSL")
        return 1
    command = start_command("tcp", 2, ["-m", "weft.doctor", "--peers"])
    assert command is not None  # tcp needs no launcher of others
    return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=LIMIT, check=False).returncode


def _line(rank: int, link: dict[str, Any]) -> str:
    trip = link["round_trip_seconds"]
    parts = [
        f"rank {rank} to {link['peer']}: {link['path']} {link['remote_address']}".strip(),
        f"linked in {link['link_seconds'] * 1e3:.1f} ms",
        f"tries {link['tries']}",
        f"errors {link['errors']}",
        f"made again {link['remade']}",
        "round trip unknown" if trip is None else f"round trip {trip * 1e6:.0f} us",
        f"sent {link['bytes_sent']} bytes",
        f"received {link['bytes_received']} bytes",
    ]
    if link["shared_memory"]:
        parts.append(f"{link['shared_memory'] >> 20} MiB shared")
    if link["last_error"]:
        parts.append(f"last error: {link['last_error']}")
    return ", ".join(parts)


def show_links() -> None:
    """What each rank does: sends 64 KiB to each peer, waits long enough for round trips to be measured, and has rank 0
    print what each has to say of each of its links. Collective."""
    import weft

    with weft.init() as env:
        for peer in range(env.world_size):
            if peer != env.rank:
                env.send(bytes(64 << 10), peer, tag=1)
        for peer in range(env.world_size):
            if peer != env.rank:
                env.recv(peer, tag=1)
        # Heartbeats measure: they go while a rank waits.
        if env.rank == 0:
            time.sleep(HEARTBEATS)
        env.barrier()
        if env.rank != 0:
            time.sleep(HEARTBEATS)
        env.barrier()
        mine = [_line(env.rank, link) for link in env.links() if link["peer"] != env.rank]
        for lines in env.gather("\n".join(mine), root=0) or []:
            if lines:
                print(lines, flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--peers"]:
        sys.exit(peers())
    ping()
