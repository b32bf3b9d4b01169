"""Weft beside what a user would pick instead, in one run on one machine.

    python benchmarks/peers.py                                     # the inner join of 4.5 million rows a side
    python benchmarks/peers.py --work join sort groupby joins --rows 10000000 --ranks 2

``join``: two tables of two int64 columns, keys uniform below 0.9 N, joined on one, all columns made. ``sort``: by an
int64 key, another column along. ``groupby``, ``joins``: the H2O questions (h2o.py). ``tpch``: the 22 queries of TPC-H
at ``--scale`` (tpch.py; the others have ``--rows``). Every engine has the same number of
threads, starts from tables in its own form in memory, and ends when all columns of the result are in memory in its own
form. One warm-up, whose results must agree, then the median of the repeats. ``--ranks`` adds Weft by ``weft run -n``
with the threads shared out, each rank holding its share of the rows.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h2o
import tpch
from engines import ENGINES, Engine, Summary, Tables, Work, limit_threads, summarize

# Where a worker under `weft run` puts its line.
MARK = "weft-peers-result "


@cache
def join_sides(rows: int) -> Tables:
    """Two tables of two int64 columns, uniform below 0.9 N."""
    import numpy
    import pyarrow

    def side(seed: int) -> Any:
        values = numpy.random.default_rng(seed).integers(0, max(1, rows * 9 // 10), size=(2, rows))
        return pyarrow.table({"col0": values[0], "col1": values[1]})

    return {"l": side(1), "r": side(2)}


def join_work(rows: int) -> list[Work]:
    return [
        Work(
            "join",
            lambda: join_sides(rows),
            sql="SELECT l.col0, l.col1, r.col1 AS col1_y FROM l JOIN r ON l.col0 = r.col0",
            polars=lambda tables: tables["l"].join(tables["r"], on="col0", how="inner"),
            pandas=lambda tables: tables["l"].merge(tables["r"], on="col0"),
            pyarrow=lambda tables: tables["l"].join(tables["r"], "col0", join_type="inner", right_suffix="_y"),
            weft=lambda tables: tables["l"].merge(tables["r"], on=["col0"]),
        )
    ]


def sort_work(rows: int) -> list[Work]:
    def tables() -> Tables:
        return {"l": join_sides(rows)["l"]}

    return [
        Work(
            "sort",
            tables,
            sql="SELECT * FROM l ORDER BY col0",
            polars=lambda tables: tables["l"].sort("col0"),
            pandas=lambda tables: tables["l"].sort_values("col0"),
            pyarrow=lambda tables: tables["l"].sort_by("col0"),
            weft=lambda tables: tables["l"].sort_values("col0"),
        )
    ]


KINDS: dict[str, Callable[[int], list[Work]]] = {
    "join": join_work,
    "sort": sort_work,
    "groupby": h2o.groupby_works,
    "joins": h2o.join_works,
}
#: By scale, not by rows.
SCALED: dict[str, Callable[[float], list[Work]]] = {"tpch": tpch.tpch_works}


def works(kinds: list[str], rows: int, scale: float) -> list[Work]:
    return [work for kind in kinds for work in (SCALED[kind](scale) if kind in SCALED else KINDS[kind](rows))]


def timed(ask: Callable[[], Any], repeat: int) -> list[float]:
    """Seconds of each repeat; what was made is gone before the next."""
    seconds = []
    for _ in range(repeat):
        gc.collect()
        begin = time.perf_counter()
        made = ask()
        seconds.append(time.perf_counter() - begin)
        del made
    return seconds


def measure(work: Work, engines: list[Engine], repeat: int) -> dict[str, list[float]]:
    """Seconds by engine. All must give the same."""
    tables = work.tables()
    found: dict[str, list[float]] = {}
    expected: tuple[str, Summary] | None = None
    for engine in engines:
        engine.load(tables)
        ask = engine.question(work)
        if ask is None:
            continue
        summary = engine.summary(ask())
        if expected is None:
            expected = engine.name, summary
        elif not summary.agrees(expected[1]):
            raise SystemExit(f"{work.name}: {engine.name} gives {summary}, {expected[0]} {expected[1]}")
        found[engine.name] = timed(ask, repeat)
    return found


def run_worker(asked: list[Work], repeat: int) -> None:
    """One rank of `weft run`: works on its share of every table; rank 0 prints the times of the slowest rank."""
    import weft

    env = weft.init()
    for work in asked:
        frames = {}
        for name, table in work.tables().items():
            begin, end = (table.num_rows * rank // env.world_size for rank in (env.rank, env.rank + 1))
            frames[name] = weft.DataFrame(table.slice(begin, end - begin), env=env)
        assert work.weft is not None
        seconds = []
        for _ in range(repeat + 1):
            gc.collect()
            env.barrier()
            begin_time = time.perf_counter()
            made = work.weft(frames)
            env.barrier()
            seconds.append(float(env.allreduce(time.perf_counter() - begin_time, "max")))
            whole = summarize(made.to_arrow()) if len(seconds) == 1 else None
            del made
            if whole is not None:
                count = int(env.allreduce(whole.rows, "sum"))
        if env.rank == 0:
            line = {"work": work.name, "seconds": seconds[1:], "rows": count}
            print(MARK + json.dumps(line), flush=True)
    env.close()


def run_ranks(options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds by name of the work, by `weft run -n ranks` with the threads shared out."""
    ranks, threads = options.ranks, options.threads
    found = shutil.which("weft", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    entry = "import sys; from weft.cli import main; sys.exit(main())"
    command = [found] if found else [sys.executable, "-c", entry]
    command += ["run", "-n", str(ranks), "--threads", str(max(1, threads // ranks)), str(Path(__file__).resolve())]
    command += ["--worker", "--rows", str(options.rows), "--scale", str(options.scale)]
    command += ["--repeat", str(options.repeat), "--work", *options.work]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode != 0:
        raise SystemExit(f"weft run failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    lines = [json.loads(line.split(MARK, 1)[1]) for line in done.stdout.splitlines() if MARK in line]
    return {line["work"]: line["seconds"] for line in lines}


def print_table(results: dict[str, dict[str, list[float]]]) -> None:
    """A row a work: medians in seconds, and how many times the fastest peer's speed Weft has."""
    engines = list(dict.fromkeys(name for found in results.values() for name in found))
    ours = [name for name in engines if name.startswith("weft")]
    widths = [max(10, len(name)) for name in engines]
    header = "  ".join(f"{name:>{width}}" for name, width in zip(engines, widths, strict=True))
    ratios = "  ".join(f"{name + ' x':>{len(name) + 3}}" for name in ours)
    print(f"{'work':<12}  {header}  {'fastest peer':<16}  {ratios}")
    products: dict[str, list[float]] = {name: [] for name in ours}
    for work, found in results.items():
        medians = {name: statistics.median(seconds) for name, seconds in found.items()}
        peers = {name: seconds for name, seconds in medians.items() if name not in ours}
        fastest = min(peers, key=peers.__getitem__) if peers else ""
        cells = "  ".join(
            f"{medians[name]:>{width}.3f}" if name in medians else f"{'-':>{width}}"
            for name, width in zip(engines, widths, strict=True)
        )
        told = []
        for name in ours:
            ratio = peers[fastest] / medians[name] if fastest and name in medians else math.nan
            products[name].append(ratio)
            told.append(f"{ratio:>{len(name) + 3}.2f}")
        print(f"{work:<12}  {cells}  {fastest:<16}  {'  '.join(told)}")
    if len(results) > 1:
        means = {
            name: statistics.geometric_mean([ratio for ratio in values if not math.isnan(ratio)] or [math.nan])
            for name, values in products.items()
        }
        everywhere = [name for name in engines if all(name in found for found in results.values())]
        of_engine = {
            name: statistics.geometric_mean(statistics.median(found[name]) for found in results.values())
            for name in everywhere
        }
        print("geometric mean of the seconds: " + ", ".join(f"{name} {mean:.4f}" for name, mean in of_engine.items()))
        print("geometric mean of the ratios: " + ", ".join(f"{name} {mean:.2f}" for name, mean in means.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Weft and its peers in one run.")
    parser.add_argument(
        "--work", nargs="+", choices=[*KINDS, *SCALED], default=["join"], help=", ".join([*KINDS, *SCALED])
    )
    parser.add_argument("--rows", type=int, default=4_500_000, help="rows (a side, of joins); default 4.5 million")
    parser.add_argument("--scale", type=float, default=1.0, help="scale factor of tpch; default 1")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of every engine")
    parser.add_argument("--repeat", type=int, default=5, help="timed runs after the warm-up")
    parser.add_argument("--ranks", type=int, default=1, help="also run Weft by `weft run -n RANKS`, threads shared out")
    parser.add_argument(
        "--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), metavar="ENGINE", help=", ".join(ENGINES)
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        run_worker(works(options.work, options.rows, options.scale), options.repeat)
        return

    limit_threads(options.threads)
    engines = []
    for name in options.engines:
        try:
            engines.append(ENGINES[name](options.threads))
        except ImportError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
    asked = works(options.work, options.rows, options.scale)
    results = {work.name: measure(work, engines, options.repeat) for work in asked}
    if options.ranks > 1:
        times = run_ranks(options)
        for name, seconds in times.items():
            results[name][f"weft, {options.ranks} ranks"] = seconds
    if options.json:
        print(json.dumps(results))
    else:
        size = f"{options.rows:,} rows" if set(options.work) <= set(KINDS) else f"scale {options.scale:g}"
        print(f"{size}, {options.threads} threads, medians of {options.repeat} in seconds")
        print_table(results)


if __name__ == "__main__":
    main()
