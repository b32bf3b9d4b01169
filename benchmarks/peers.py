"""Weft beside what a user would pick instead, in one run on one machine: one table of work, engines, ratio and limit.

    python benchmarks/peers.py                             # everything of the table of aims; --quick for one minute
    python benchmarks/peers.py --work join sort --rows 4500000 --ranks 2

Kinds of work: ``join`` (int64, 4.5 and 18.2 million rows a side), ``shapes`` (of joins: string key, two keys, left,
outer, 1 to many, ten payload columns, by sorting), ``sort``, ``group`` (shapes.py); ``groupby``, ``joins``: the H2O
questions (h2o.py); ``tpch``: the 22 queries of TPC-H at ``--scale``; ``scan``: of its lineitem file; ``start``,
``shuffle`` (figures.py), ``memory``, ``systems`` (systems.py).

Every engine has the same number of threads, starts from tables in its own form in memory, and ends when all columns of
the result are in memory in its own form. One warm-up, whose results must agree, then the median of the repeats.
``--ranks`` adds Weft by ``weft run -n`` with the threads shared out, each rank holding its share of the rows.

Ratio: the fastest peer's seconds to Weft's. Limit: the bytes that the work must move at the least (its inputs as often
as `Work.passes` says, and its result; reads and writes alike) at the speed of this machine's copies of memory with as
many threads; of a shuffle, a plain socket that carries as much.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h2o
import machine
import shapes
import systems
import tpch
from engines import ENGINES, Engine, Summary, Work, limit_threads, summarize
from figures import Missing, Row, figures, weft_run
from report import print_table

# Where a worker under `weft run` puts its line.
MARK = "weft-peers-result "

#: By rows; what is in a table of aims has rows of its own unless --rows says otherwise.
KINDS: dict[str, tuple[Callable[[int], list[Work]], list[int]]] = {
    "join": (shapes.join_work, [4_500_000, 18_200_000]),
    "shapes": (shapes.shape_works, [4_500_000]),
    "sort": (shapes.sort_works, [10_000_000]),
    "group": (shapes.group_works, [10_000_000]),
    "groupby": (h2o.groupby_works, [10_000_000]),
    "joins": (h2o.join_works, [10_000_000]),
}
#: By scale, not by rows.
SCALED: dict[str, Callable[[float], list[Work]]] = {"tpch": tpch.tpch_works, "scan": shapes.scan_works}
#: No questions to engines.
OTHERS = ["start", "shuffle", "memory", "systems"]
QUICK_ROWS, QUICK_SCALE = 200_000, 0.05


def works(options: argparse.Namespace) -> list[Work]:
    found = []
    for kind in options.work:
        if kind in SCALED:
            found += SCALED[kind](options.scale)
        elif kind in KINDS:
            make, sizes = KINDS[kind]
            for rows in [options.rows] if options.rows else sizes:
                found += make(rows)
    return found


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


def measure(work: Work, engines: list[Engine], repeat: int, bandwidth: float) -> Row:
    """All engines must give the same."""
    tables = work.tables()
    row = Row(work.name, {}, aim=work.aim, aim_ranks=work.aim_ranks)
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
        row.seconds[engine.name] = timed(ask, repeat)
    if expected is not None:
        row.moved = work.passes * work.bytes_in(tables) + expected[1].bytes
        row.limit = row.moved / bandwidth
    return row


def run_worker(asked: list[Work], repeat: int) -> None:
    """One rank of `weft run`: works on its share of every table; rank 0 prints the times of the slowest rank."""
    import weft

    env = weft.init()
    for work in asked:
        frames: dict[str, Any] = {}
        for name, table in work.tables().items():
            if isinstance(table, Path):
                frames[name] = (table, env)
                continue
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
            print(MARK + json.dumps({"work": work.name, "seconds": seconds[1:], "rows": count}), flush=True)
    env.close()


def run_ranks(options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds by name of the work, by `weft run -n ranks` with the threads shared out."""
    script = [str(Path(__file__).resolve()), "--worker", "--scale", str(options.scale), "--repeat", str(options.repeat)]
    script += ["--rows", str(options.rows)] if options.rows else []
    kinds = [kind for kind in options.work if kind not in OTHERS]
    lines = weft_run(options.ranks, options.threads, [*script, "--work", *kinds], MARK)
    return {found["work"]: found["seconds"] for found in map(json.loads, lines)}


def add_systems(rows: list[Row], options: argparse.Namespace) -> None:
    """Other distributed systems' times, in a row of their own beside Weft's by ranks."""
    size = options.rows or KINDS["join"][1][0]
    name = shapes.join_work(size)[0].name
    ours = next((row.seconds for row in rows if row.name == name), {})
    row = Row(f"{name}, 2 processes", {k: v for k, v in ours.items() if k == "weft, 2 ranks"}, aim_ranks=5)
    if not row.seconds:
        row.seconds = {
            "weft, 2 ranks": run_ranks(
                argparse.Namespace(**{**vars(options), "ranks": 2, "rows": size, "work": ["join"]})
            )[name]
        }
    for system, ask in systems.SYSTEMS.items():
        try:
            row.seconds[system] = ask(size, options.repeat)
        except Missing as missing:
            print(f"{system}: left out, {missing}", file=sys.stderr)
    rows.append(row)


def add_others(rows: list[Row], options: argparse.Namespace) -> None:
    made = figures(options.rows or KINDS["join"][1][0], options.repeat)
    made["memory"] = [lambda: systems.join_memory(options.rows or KINDS["join"][1][0], options.threads)]
    for kind in options.work:
        for figure in made.get(kind, []):
            try:
                rows.append(figure())
            except Missing as missing:
                print(f"{kind}: left out, {missing}", file=sys.stderr)
    if "systems" in options.work:
        add_systems(rows, options)


def make_engines(options: argparse.Namespace) -> list[Engine]:
    engines = []
    for name in options.engines:
        try:
            engines.append(ENGINES[name](options.threads))
        except ImportError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
    return engines


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Weft and its peers in one run.")
    kinds = [*KINDS, *SCALED, *OTHERS]
    parser.add_argument("--work", nargs="+", choices=kinds, default=kinds, metavar="WORK", help=", ".join(kinds))
    parser.add_argument("--rows", type=int, help="rows (a side, of joins); default: what the aims name")
    parser.add_argument("--scale", type=float, help="scale factor of tpch and scan; default 1")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of every engine")
    parser.add_argument("--repeat", type=int, help="timed runs after the warm-up; default 5")
    parser.add_argument(
        "--ranks", type=int, default=2, help="also Weft by `weft run -n RANKS`, threads shared out; 1: not"
    )
    parser.add_argument(
        "--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), metavar="ENGINE", help=", ".join(ENGINES)
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, scale {QUICK_SCALE}, one repeat")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rows = options.rows or (QUICK_ROWS if options.quick else None)
    options.scale = options.scale or (QUICK_SCALE if options.quick else 1.0)
    options.repeat = options.repeat or (1 if options.quick else 5)
    return options


def main() -> None:
    options = parse()
    asked = works(options)
    if options.worker:
        run_worker(asked, options.repeat)
        return
    limit_threads(options.threads)
    bandwidth = machine.copy_bandwidth(options.threads)
    engines = make_engines(options) if asked else []
    rows = []
    for work in asked:
        print(f"{work.name} ...", file=sys.stderr, flush=True)
        rows.append(measure(work, engines, options.repeat, bandwidth))
    del engines
    if options.ranks > 1 and asked and "weft" in options.engines:
        for name, seconds in run_ranks(options).items():
            next(row for row in rows if row.name == name).seconds[f"weft, {options.ranks} ranks"] = seconds
    add_others(rows, options)
    if options.json:
        print(json.dumps({row.name: row.seconds for row in rows}))
        return
    size = f"{options.rows:,} rows" if options.rows else "rows as the aims name them"
    print(f"{size}, scale {options.scale:g}, {options.threads} threads, medians of {options.repeat} in seconds")
    print(f"memory: {bandwidth / 1e9:.1f} GB/s read and written by copies with {options.threads} threads")
    print_table(rows)


if __name__ == "__main__":
    main()
