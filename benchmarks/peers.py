"""Times an inner join in Weft and in what a user would pick instead, in one run on one machine.

Two tables of N rows, two int64 columns each (``col0``, ``col1``), keys uniform below 0.9 N, joined on ``col0``. Every
engine has the same number of threads, starts from tables in its own form in memory, and ends when all columns of the
result are in memory. One warm-up, then the median of the repeats.

    python benchmarks/peers.py --rows 4500000 --threads 2 --repeat 5 --ranks 2
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY = "col0"
ENGINES = ["weft", "datafusion", "duckdb", "polars", "polars streaming", "pyarrow", "pandas"]
# Where a worker under `weft run` puts its line.
MARK = "weft-peers-result "


def make_table(rows: int, seed: int, below: int) -> Any:
    import numpy
    import pyarrow

    values = numpy.random.default_rng(seed).integers(0, below, size=(2, rows))
    return pyarrow.table({"col0": values[0], "col1": values[1]})


# Each of these takes two Arrow tables and returns a function that joins them once and returns the number of rows.


def weft_engine(left: Any, right: Any, threads: int) -> Callable[[], int]:
    import weft

    env = weft.init(threads=threads)
    a, b = weft.DataFrame(left, env=env), weft.DataFrame(right, env=env)
    return lambda: len(a.merge(b, on=[KEY]))


def datafusion_engine(left: Any, right: Any, threads: int) -> Callable[[], int]:
    from datafusion import SessionConfig, SessionContext

    context = SessionContext(SessionConfig().with_target_partitions(threads))
    context.from_arrow(left, name="l")
    context.from_arrow(right, name="r")
    query = "SELECT l.col0, l.col1, r.col1 AS col1_y FROM l JOIN r ON l.col0 = r.col0"
    return lambda: sum(batch.num_rows for batch in context.sql(query).collect())


def duckdb_engine(left: Any, right: Any, threads: int) -> Callable[[], int]:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute("SET preserve_insertion_order = false")
    connection.register("left_arrow", left)
    connection.register("right_arrow", right)
    connection.execute("CREATE TABLE l AS SELECT * FROM left_arrow")
    connection.execute("CREATE TABLE r AS SELECT * FROM right_arrow")
    query = "SELECT l.col0, l.col1, r.col1 AS col1_y FROM l JOIN r ON l.col0 = r.col0"
    return lambda: int(connection.sql(query).to_arrow_table().num_rows)


def polars_engine(left: Any, right: Any, engine: Any) -> Callable[[], int]:
    import polars

    a, b = polars.from_arrow(left).lazy(), polars.from_arrow(right).lazy()
    return lambda: int(a.join(b, on=KEY, how="inner").collect(engine=engine).height)


def pyarrow_engine(left: Any, right: Any, threads: int) -> Callable[[], int]:
    import pyarrow

    pyarrow.set_cpu_count(threads)
    return lambda: int(left.join(right, KEY, join_type="inner", right_suffix="_y", use_threads=threads > 1).num_rows)


def pandas_engine(left: Any, right: Any) -> Callable[[], int]:
    a, b = left.to_pandas(), right.to_pandas()
    return lambda: len(a.merge(b, on=KEY))


def make_engine(name: str, left: Any, right: Any, threads: int) -> Callable[[], int]:
    if name == "weft":
        return weft_engine(left, right, threads)
    if name == "datafusion":
        return datafusion_engine(left, right, threads)
    if name == "duckdb":
        return duckdb_engine(left, right, threads)
    if name == "polars":
        return polars_engine(left, right, "in-memory")
    if name == "polars streaming":
        return polars_engine(left, right, "streaming")
    if name == "pyarrow":
        return pyarrow_engine(left, right, threads)
    return pandas_engine(left, right)


def measure(join: Callable[[], int], repeat: int) -> tuple[list[float], int]:
    """Seconds of each repeat after a warm-up, and the rows that every one of them gave."""
    rows = join()
    seconds = []
    for _ in range(repeat):
        gc.collect()
        begin = time.perf_counter()
        again = join()
        seconds.append(time.perf_counter() - begin)
        if again != rows:
            raise SystemExit(f"a join gave {rows} rows, then {again}")
    return seconds, rows


def run_worker(rows: int, repeat: int) -> None:
    """One rank of `weft run`: joins its share, and rank 0 prints the times of the slowest rank."""
    import weft

    env = weft.init()
    share = [rows // env.world_size + (1 if rank < rows % env.world_size else 0) for rank in range(env.world_size)]
    below = max(1, rows * 9 // 10)
    left = weft.DataFrame(make_table(share[env.rank], 2 * env.rank + 1, below), env=env)
    right = weft.DataFrame(make_table(share[env.rank], 2 * env.rank + 2, below), env=env)
    seconds = []
    total = 0
    for _ in range(repeat + 1):
        gc.collect()
        env.barrier()
        begin = time.perf_counter()
        out = left.merge(right, on=[KEY])
        env.barrier()
        seconds.append(float(env.allreduce(time.perf_counter() - begin, "max")))
        total = int(env.allreduce(len(out), "sum"))
        del out
    if env.rank == 0:
        print(MARK + json.dumps({"seconds": seconds[1:], "rows": total}), flush=True)
    env.close()


def run_ranks(ranks: int, rows: int, threads: int, repeat: int) -> tuple[list[float], int]:
    """The join by `weft run -n ranks` with the threads shared out."""
    found = shutil.which("weft", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    entry = "import sys; from weft.cli import main; sys.exit(main())"
    command = [found] if found else [sys.executable, "-c", entry]
    command += ["run", "-n", str(ranks), "--threads", str(max(1, threads // ranks)), str(Path(__file__).resolve())]
    command += ["--worker", "--rows", str(rows), "--repeat", str(repeat)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    for line in done.stdout.splitlines():
        if MARK in line:
            result = json.loads(line.split(MARK, 1)[1])
            return result["seconds"], result["rows"]
    raise SystemExit(f"weft run failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")


def print_table(results: dict[str, tuple[list[float], int]]) -> None:
    medians = {name: statistics.median(seconds) for name, (seconds, _) in results.items()}
    peers = [time for name, time in medians.items() if not name.startswith("weft")]
    fastest = min(peers) if peers else None
    width = max(len(name) for name in results)
    print(f"{'engine':<{width}}  {'median s':>9}  {'least s':>9}  {'rows':>12}  times the fastest peer's speed")
    for name, (seconds, rows) in results.items():
        ratio = f"{fastest / medians[name]:.2f}" if fastest else "-"
        print(f"{name:<{width}}  {medians[name]:>9.3f}  {min(seconds):>9.3f}  {rows:>12,}  {ratio:>8}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Inner join of two tables: Weft and its peers in one run.")
    parser.add_argument("--rows", type=int, default=4_500_000, help="rows a side (default 4.5 million)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of every engine")
    parser.add_argument("--repeat", type=int, default=5, help="timed runs after the warm-up")
    parser.add_argument("--ranks", type=int, default=1, help="also run Weft by `weft run -n RANKS`, threads shared out")
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, default=ENGINES, metavar="ENGINE", help=", ".join(ENGINES)
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        run_worker(options.rows, options.repeat)
        return

    # Thread pools read these when their libraries are first imported.
    os.environ["POLARS_MAX_THREADS"] = str(options.threads)
    os.environ["TOKIO_WORKER_THREADS"] = str(options.threads)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    below = max(1, options.rows * 9 // 10)
    left, right = make_table(options.rows, 1, below), make_table(options.rows, 2, below)
    results: dict[str, tuple[list[float], int]] = {}
    for name in options.engines:
        try:
            join = make_engine(name, left, right, options.threads)
        except ImportError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            continue
        results[name] = measure(join, options.repeat)
        del join
        gc.collect()
    rows = {count for _, count in results.values()}
    if len(rows) > 1:
        raise SystemExit(f"the engines disagree: { {name: count for name, (_, count) in results.items()} }")
    if options.ranks > 1:
        name = f"weft, {options.ranks} ranks"
        results[name] = run_ranks(options.ranks, options.rows, options.threads, options.repeat)
    if options.json:
        print(json.dumps({name: {"seconds": seconds, "rows": count} for name, (seconds, count) in results.items()}))
    else:
        print(f"inner join, {options.rows:,} rows a side, {options.threads} threads")
        print_table(results)


if __name__ == "__main__":
    main()
