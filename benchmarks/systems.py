"""The same join by other distributed systems, and what ours takes in memory; each in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from figures import BENCH_PYTHON, HERE, Missing, Row
from system_join import MARK


def _found(command: list[str], *arguments: object) -> dict[str, Any]:
    """What system_join.py, started by a command, tells."""
    whole = [*command, str(HERE / "system_join.py"), *map(str, arguments)]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=1800, check=False)
    lines = [line.split(MARK, 1)[1] for line in done.stdout.splitlines() if MARK in line]
    if done.returncode != 0 or not lines:
        raise Missing(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def dask_seconds(rows: int, repeat: int) -> list[float]:
    """Two workers, one thread each."""
    seconds: list[float] = _found([sys.executable], "dask", rows, repeat, 1)["seconds"]
    return seconds


def bodo_seconds(rows: int, repeat: int) -> list[float]:
    """Two MPI ranks."""
    mpirun = BENCH_PYTHON.parent / "mpiexec"
    if not mpirun.exists():
        raise Missing("it is not set up: make bench-setup")
    os.environ.setdefault("HYDRA_LAUNCHER", "fork")  # no ssh to this very host
    seconds: list[float] = _found([str(mpirun), "-n", "2", str(BENCH_PYTHON)], "bodo", rows, repeat, 1)["seconds"]
    return seconds


SYSTEMS: dict[str, Callable[[int, int], list[float]]] = {"dask, 2 workers": dask_seconds, "bodo, 2 ranks": bodo_seconds}


def join_memory(rows: int, threads: int) -> Row:
    """What the join takes beside its inputs, in MB; the limit is the output and one copy of the smaller side."""
    found = _found([sys.executable], "memory", rows, 1, threads)
    bound = found["output"] + min(found["inputs"])
    return Row(
        "memory of the join, MB",
        {"weft": [found["pool"] / 1e6], "weft, process": [found["process"] / 1e6]},
        limit=bound / 1e6,
        beside_limit=True,
        aim=1,
        notes=[
            f"beside inputs of {sum(found['inputs']) / 1e6:.0f} MB; the limit: output and one copy of the smaller side"
        ],
    )
