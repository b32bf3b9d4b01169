"""``weft bench memory``: how many rows of the join a rank can have in so much memory."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.scaling import memory_rank
from weft.scaling.launching import CellFailed, start_ranks
from weft.scaling.rank import Plan, machine, versions
from weft.starting import start_command

__all__ = ["Memory", "run"]

#: The search ends when what fits and what does not are this close.
CLOSE = 1.05
#: Rows of a first try: what a join of two sides takes a row of one, at least.
FIRST_BYTES_A_ROW = 400


@dataclass
class Memory:
    """What to measure. `bounds` are bytes of a rank; rows are of each side, of 16 bytes, and a rank's."""

    bounds: Sequence[int]
    algorithms: Sequence[str] = ("sort", "hash")
    ranks: int = 2
    unique: float = 0.9


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _sweep(group: Path | None) -> None:
    """Takes away the groups of ranks that have ended."""
    for folder in group.glob("weft-*-*") if group is not None else ():
        try:
            if not (folder / "cgroup.procs").read_text().strip():
                folder.rmdir()
        except OSError:
            pass


def _try(rows: int, size: int, algorithm: str, options: Memory, group: Path | None) -> list[dict[str, Any]] | None:
    """The records of a join of so many rows a rank; None where it does not fit."""
    with tempfile.TemporaryDirectory(prefix="weft-memory-") as folder:
        plan: Plan = {
            "operation": "join", "algorithm": algorithm, "scaling": "weak", "rows": rows, "columns": 2,
            "unique": options.unique, "seed": 0, "warmups": 0, "iterations": 1, "out": folder, "tags": {},
        }  # fmt: skip
        command = start_command("tcp", options.ranks, ["-m", "weft.scaling.memory_rank"])
        assert command is not None
        how = "rlimit" if group is None else str(group)
        try:
            start_ranks(
                command, [str(size), how, json.dumps(plan)],
                {"WEFT_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, options.ranks,
                lambda line: None,
            )  # fmt: skip
        except CellFailed as failure:
            if not _out_of_memory(str(failure)):
                raise
            return None
        finally:
            _sweep(group)
        return [json.loads(line) for line in (Path(folder) / "records.jsonl").read_text().splitlines()]


def _out_of_memory(text: str) -> bool:
    words = ("MemoryError", "bad_alloc", "memory", "SIGKILL", "exit code 137")
    return any(word in text for word in words)


def _search(size: int, algorithm: str, options: Memory, group: Path | None) -> dict[str, Any]:
    """The most rows that fit, within `CLOSE`."""
    rows, low, high, kept = size // FIRST_BYTES_A_ROW, 0, 0, None
    while not (low and high and high / low <= CLOSE):
        found = _try(rows, size, algorithm, options, group)
        print(f"weft bench: {size / 1e9:g} GB, {algorithm}: {rows} rows {'fit' if found else 'do not fit'}",
              file=sys.stderr, flush=True)  # fmt: skip
        if found:
            low, kept = rows, found
        else:
            high = rows
        if rows < 1000 and not found:
            raise ValueError(f"--bounds {size}: not even {rows} rows fit; the interpreter alone takes about 150 MB")
        rows = (low + high) // 2 if low and high else rows * 2 if low else rows // 2
    assert kept is not None
    return {
        "bound": size, "algorithm": algorithm, "ranks": options.ranks, "rows": low, "too_many": high,
        "peak_rss": max(record["peak_rss"] for record in kept), "seconds": max(record["seconds"] for record in kept),
        "row_bytes": kept[0]["row_bytes"], "rows_out": max(record["rows_out"] for record in kept),
    }  # fmt: skip


def run(options: Memory, out: Path) -> int:
    """Measures all, and writes ``memory.json`` into `out`; 1 where this host has too little for a bound."""
    group = memory_rank.groups()
    results, without = [], []
    for size in options.bounds:
        if size * options.ranks > _available():
            without.append(
                f"{options.ranks} ranks of {size / 1e9:g} GB: this host has {_available() / 1e9:.1f} GB left"
            )
            print(f"weft bench: left out: {without[-1]}", file=sys.stderr, flush=True)
            continue
        results += [_search(size, algorithm, options, group) for algorithm in options.algorithms]
    value = {
        "bounded_by": "RLIMIT_DATA" if group is None else "control group", "results": results, "left_out": without,
        "machine": machine(), "versions": versions(),
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / "memory.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    from weft.scaling.micro_findings import micro_tables

    for table in micro_tables("memory", value):
        print(table.markdown())
    return 1 if without else 0
