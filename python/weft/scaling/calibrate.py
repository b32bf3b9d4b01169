"""``weft bench calibrate``: measures what the model of `model.py` needs, on this host.

Small cells of the study itself, on worlds of one, of as many ranks as there are cores, and of twice as many, so that
what is fitted is small and what is predicted from it (larger worlds, other numbers of rows) was never seen.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weft import settings
from weft.scaling.launching import Launching, start_ranks
from weft.scaling.model import SMALL
from weft.scaling.phases import GROUPS, grouped
from weft.scaling.rank import machine, versions
from weft.scaling.study import Cell, Settings
from weft.starting import start_command

__all__ = ["MEASURED", "Calibration", "run"]

#: By the names that a plan has: operations and, of the join, algorithms.
MEASURED = {
    "join sort": ("join", "sort"),
    "join hash": ("join", "hash"),
    "sort": ("sort", "default"),
    "groupby": ("groupby", "default"),
    "shuffle": ("shuffle", "default"),
}
#: Columns of wide rows.
WIDE = 8


@dataclass
class Calibration:
    """`operations` are names in `MEASURED`; `rows` are a rank's, of each side. `backend`: over which ranks talk."""

    operations: Sequence[str] = tuple(MEASURED)
    rows: Sequence[int] = (1 << 17, 1 << 19, 1 << 21)
    iterations: int = 3
    backend: str = "tcp"
    unique: float = 0.9


def _cell(what: tuple[str, str], world: int, plan: Settings, backend: str) -> dict[str, float]:
    """One cell's figures: medians over ranks and iterations; the time is the slowest rank's."""
    cell = Cell(what[0], what[1], "weak", "local", backend, world, 0)
    lines = [line for line in Launching(plan).run(cell) if not line["warmup"]]
    groups = [grouped(line) for line in lines]
    by_iteration: dict[int, list[float]] = {}
    for line in lines:
        by_iteration.setdefault(line["iteration"], []).append(line["seconds"])
    return {
        "rows": plan.rows,
        "row_bytes": lines[0]["row_bytes"],
        "seconds": statistics.median(max(times) for times in by_iteration.values()),
        **{name: statistics.median(group[name] for group in groups) for name in GROUPS},
        "cpu_seconds": statistics.median(line["cpu_user"] + line["cpu_system"] for line in lines),
        "bytes": statistics.fmean(line["bytes_sent"] for line in lines),
        "peak_rss": max(line["peak_rss"] for line in lines),
    }


def _operation(name: str, options: Calibration, cores: int) -> dict[str, Any]:
    plan = Settings(0, 2, options.unique, 1, options.iterations, 1)

    def cell(world: int, rows: int, columns: int = 2, threads: int = 1) -> dict[str, float]:
        print(f"weft bench: {name}, {world} ranks, {rows} rows of {columns} columns, {threads} threads",
              file=sys.stderr, flush=True)  # fmt: skip
        return _cell(MEASURED[name], world, replace(plan, rows=rows, columns=columns, threads=threads), options.backend)

    middle, most = options.rows[len(options.rows) // 2], options.rows[-1]
    together = max(2, cores)
    return {
        "alone": [cell(1, rows) for rows in options.rows],
        "together": [cell(together, rows) for rows in options.rows],
        "wide": {"alone": cell(1, middle, WIDE), "together": cell(together, middle, WIDE)},
        "threads": cell(1, most, threads=cores) if cores > 1 else None,
        "small": {str(world): cell(world, SMALL)["seconds"] for world in (together, 2 * together)},
    }


def _links(backend: str) -> dict[str, float]:
    """Seconds that a short message takes, and bytes a second of a long one, one at a time, between two ranks."""
    said: list[str] = []
    plan = {"contender": "weft", "collectives": ["pingpong"], "sizes": [8, 1 << 23], "seconds": 0.5, "repetitions": 9}
    command = start_command(backend, 2, ["-m", "weft.bench_ranks"])
    assert command is not None
    start_ranks(command, [json.dumps(plan)], {"WEFT_THREADS": "1"}, 2, said.append)
    line = next(line for line in said if line.startswith("results "))
    short, long = json.loads(line.removeprefix("results "))
    return {"latency": short["seconds"], "rate": long["bytes"] / long["seconds"]}


def run(options: Calibration, out: Path) -> dict[str, Any]:
    """Measures all, writes it to `out` and returns it."""
    cores = settings.cores()
    value = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(),
        "backend": options.backend,
        "cores": cores,
        "together": max(2, cores),
        "links": _links(options.backend),
        "operations": {name: _operation(name, options, cores) for name in options.operations},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return value
