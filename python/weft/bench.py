"""``weft bench collectives``: latency and bandwidth of each collective on each built backend, beside yardsticks.

All contenders are run one after the other in one call, on one host, by the same code (`weft.bench_ranks`): Weft over
each backend; OpenMPI by mpi4py, as it is and held to TCP; and plain sockets, for the two things that they can do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft import _core, settings
from weft.bench_ranks import COLLECTIVES
from weft.starting import MPI_ENVIRONMENT, mpirun

__all__ = ["Collectives", "collectives"]

#: Against these a ratio is printed, where they were run.
YARDSTICKS = ("openmpi-tcp", "socket")
SIZES = (8, 1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 23, 1 << 26)
#: One contender's whole plan on one world must end within this.
LIMIT = 1800.0


@dataclass
class Collectives:
    """What to measure. `seconds` is the time for one collective at one size."""

    ranks: Sequence[int] = (2, 4, 8, 16)
    sizes: Sequence[int] = SIZES
    collectives: Sequence[str] = COLLECTIVES
    contenders: Sequence[str] | None = None
    seconds: float = 0.5
    repetitions: int = 9
    json_file: Path | None = None


@dataclass
class _Contender:
    name: str
    kind: str  # of bench_ranks
    environment: dict[str, str] = field(default_factory=dict)
    mpirun: list[str] | None = None  # how it is started, else by weft run


def _contenders() -> tuple[list[_Contender], list[str]]:
    """All that can be run here, and why others cannot."""
    found, missing = [], []
    start = list(mpirun() or ()) or None
    for backend in _core.backends():
        name = str(backend["name"])
        if name == "local":
            continue
        if not backend["built"]:
            missing.append(f"{name}: not built, {backend['detail']}")
        elif name == "mpi" and start is None:
            missing.append("mpi: there is no OpenMPI mpirun")
        else:
            environment = {"WEFT_BACKEND": name, **({"WEFT_ENCRYPTION": "off"} if name == "tcp" else {})}
            found.append(_Contender(name, "weft", environment, start if name == "mpi" else None))
            if name == "tcp":
                found.append(_Contender("tcp-tls", "weft", {"WEFT_BACKEND": "tcp", "WEFT_ENCRYPTION": "on"}))
    if start is None or importlib.util.find_spec("mpi4py") is None:
        missing.append("openmpi: needs mpirun (openmpi-bin) and mpi4py")
    else:
        found.append(_Contender("openmpi", "mpi", mpirun=start))
        found.append(
            _Contender("openmpi-tcp", "mpi", mpirun=[*start, "--mca", "btl", "tcp,self", "--mca", "pml", "ob1"])
        )
    found.append(_Contender("socket", "socket"))
    return found, missing


def _meet(ranks: int, listener: socket.socket) -> None:
    """Tells plain sockets' ranks each other's ports."""
    listener.settimeout(60)
    ports = [0] * ranks
    lines = []
    for _ in range(ranks):
        accepted = listener.accept()[0]
        line = accepted.makefile("rw")
        rank, port = line.readline().split()
        ports[int(rank)] = int(port)
        lines.append((accepted, line))
    for accepted, line in lines:
        print(*ports, file=line, flush=True)
        line.close()
        accepted.close()


def _run(contender: _Contender, ranks: int, options: Collectives) -> list[dict[str, Any]]:
    plan = json.dumps(
        {
            "contender": contender.kind,
            "collectives": list(options.collectives),
            "sizes": list(options.sizes),
            "seconds": options.seconds,
            "repetitions": options.repetitions,
        }
    )
    environment = {**os.environ, **contender.environment, "WEFT_THREADS": "1", "OMP_NUM_THREADS": "1"}
    program = ["-m", "weft.bench_ranks", plan]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if contender.mpirun is not None:
            environment.update(MPI_ENVIRONMENT)
            command = [*contender.mpirun, "-n", str(ranks), sys.executable, *program]
        else:
            environment["WEFT_BENCH_MEET"] = f"127.0.0.1:{listener.getsockname()[1]}"
            command = [sys.executable, "-m", "weft.cli", "run", "-n", str(ranks), *program]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        try:
            if contender.kind == "socket":
                _meet(ranks, listener)
            out, err = process.communicate(timeout=LIMIT)
        except (subprocess.TimeoutExpired, OSError):
            process.terminate()
            out, err = process.communicate()
            raise RuntimeError(f"{contender.name} on {ranks} ranks did not come to its end\n{err}") from None
    line = next((line for line in out.splitlines() if line.startswith("results ")), None)
    if process.returncode != 0 or line is None:
        raise RuntimeError(f"{contender.name} on {ranks} ranks ended with exit code {process.returncode}\n{err}")
    found = [{"contender": contender.name, "ranks": ranks, **one} for one in json.loads(line.removeprefix("results "))]
    for one in found:
        one["oversubscribed"] = ranks > settings.cores()
    return found


def _size(number: int) -> str:
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= scale:
            return f"{number / scale:g} {unit}"
    return f"{number} B" if number else ""


def _time(seconds: float) -> str:
    return (
        f"{seconds * 1e6:.1f} us"
        if seconds < 1e-3
        else f"{seconds * 1e3:.2f} ms"
        if seconds < 1
        else f"{seconds:.2f} s"
    )


def _rate(one: dict[str, Any]) -> str:
    """Bytes that one rank sends in a second."""
    blocks = one["ranks"] - 1 if one["collective"] == "alltoall" else 1
    return f"{one['bytes'] * blocks / one['seconds'] / 1e9:.2f}" if one["bytes"] >= 1 << 14 else ""


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """One line a collective, size, world and contender, with ratios of time to the yardsticks': above 1 is slower."""
    by_key: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for one in results:
        by_key.setdefault((one["ranks"], one["collective"], one["bytes"]), {})[one["contender"]] = one
    yardsticks = [name for name in YARDSTICKS if any(name in row for row in by_key.values())]
    head = ["ranks", "collective", "bytes", "contender", "median", "+-", "GB/s", *(f"x {name}" for name in yardsticks)]
    rows = [head]
    for (ranks, collective, size), row in by_key.items():
        for name, one in row.items():
            ratios = [
                f"{one['seconds'] / row[other]['seconds']:.2f}" if other in row and other != name else ""
                for other in yardsticks
            ]
            mark = "*" if one["oversubscribed"] else ""
            share = f"{one['deviation'] / one['seconds']:.0%}"
            rows.append(
                [f"{ranks}{mark}", collective, _size(size), name, _time(one["seconds"]), share, _rate(one), *ratios]
            )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for cells_of in rows:
        cells = [
            cell.ljust(w) if i in (1, 3) else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(cells_of, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if any(one["oversubscribed"] for one in results):
        lines.append(
            f"* more ranks than the {settings.cores()} cores of this process: what is measured is also the scheduler"
        )
    return lines


def collectives(options: Collectives) -> int:
    """Runs all and prints the table; 1 where a contender failed."""
    contenders, missing = _contenders()
    if options.contenders is not None:
        names = [contender.name for contender in contenders]
        for name in options.contenders:
            if name not in names:
                why = next((text for text in missing if text.startswith(name)), f"there are {', '.join(names)}")
                raise ValueError(f"--contenders {name!r} cannot be run: {why}")
        contenders = [contender for contender in contenders if contender.name in options.contenders]
    results: list[dict[str, Any]] = []
    failed = 0
    for ranks in options.ranks:
        for contender in contenders:
            print(f"weft bench: {contender.name} on {ranks} ranks", file=sys.stderr, flush=True)
            try:
                results += _run(contender, ranks, options)
            except RuntimeError as problem:
                failed += 1
                print(f"weft bench: {problem}", file=sys.stderr, flush=True)
    print("\n".join(table(results)))
    for text in missing if options.contenders is None else []:
        print(f"left out: {text}")
    if options.json_file is not None:
        host = {"platform": platform.platform(), "cores": settings.cores(), "weft": _core.__version__}
        options.json_file.write_text(
            json.dumps({"host": host, "missing": missing, "results": results}, indent=1) + "\n"
        )
    return 1 if failed else 0
