"""The join of the paper's scaling experiments, weak or strong, on Weft's public API.

    weft run -n 2 examples/scaling_join.py --scaling weak --rows 1000000 --iterations 5 --csv join.csv

Weak scaling: `rows` a rank, keys below rows x world x unique. Strong scaling: `rows` in all, int(rows / world) a rank,
keys below rows x unique. Each side is an array of integers of shape (rows of the rank, 2), columns col0 and col1.

The CSV has the paper's columns, times in milliseconds: `rank` is the iteration, `avg_t` the ranks' mean time of it,
`tot_l` the rows of the joined table over all ranks, `elapsed_t` rank 0's time of it with both barriers, `max_t` the
slowest rank's, `com_init_t` rank 0's time in `weft.init`, `barrier_t` rank 0's time in the barrier after the join.

The stopwatch file has a line a timer of rank 0, in seconds: `join_{i}_{env}_{rows}_{it}` for iteration i, and
`join_total_{env}_{rows}_{it}` for all; env is WEFT_ENVIRONMENT_TAG, it the number of iterations.
"""

import argparse
import csv
import getpass
import os
import platform
import time
from pathlib import Path

import numpy as np

import weft

COLUMNS = [
    "scaling", "world", "rows", "max_value", "rank", "avg_t", "tot_l", "elapsed_t", "max_t", "com_init_t", "barrier_t",
]  # fmt: skip
STOPWATCH_COLUMNS = ["timer", "status", "time", "sum", "start", "tag", "msg", "node", "user", "os", "version"]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scaling", choices=["weak", "strong"], default="weak")
    parser.add_argument("--rows", type=int, default=1_000_000, help="a rank (weak) or in all (strong)")
    parser.add_argument("--unique", type=float, default=0.9, help="keys are below this share of the rows")
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--algorithm", choices=["sort", "hash"], default="sort")
    parser.add_argument("--csv", type=Path, help="file to append the iterations to")
    parser.add_argument("--stopwatch", type=Path, help="file for the timers")
    return parser.parse_args()


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return str(os.getuid())


def write_stopwatch(path: Path, times: list[tuple[float, float]], options: argparse.Namespace) -> None:
    """`times` are begin (seconds since 1970) and duration of each iteration."""
    tag = os.environ.get("WEFT_ENVIRONMENT_TAG", "local")
    suffix = f"{tag}_{options.rows}_{options.iterations}"
    timers = [(f"join_{i}_{suffix}", begin, seconds) for i, (begin, seconds) in enumerate(times)]
    timers.append((f"join_total_{suffix}", times[0][0], sum(seconds for _, seconds in times)))
    where = [platform.node(), user(), platform.system(), platform.release()]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(STOPWATCH_COLUMNS)
        for name, begin, seconds in timers:
            start = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(begin))
            writer.writerow([name, "ok", f"{seconds:.6f}", f"{seconds:.6f}", start, tag, "", *where])


def main() -> None:
    options = parse()
    begin = time.perf_counter()
    env = weft.init()
    com_init_t = (time.perf_counter() - begin) * 1e3
    world = env.world_size

    rows = options.rows if options.scaling == "weak" else int(options.rows / world)
    max_value = options.rows * world if options.scaling == "weak" else options.rows
    rng = np.random.default_rng(seed=env.rank)
    data1 = rng.integers(0, int(max_value * options.unique), size=(rows, 2))
    data2 = rng.integers(0, int(max_value * options.unique), size=(rows, 2))
    df1 = weft.DataFrame(data1, columns=["col0", "col1"])
    df2 = weft.DataFrame(data2, columns=["col0", "col1"])

    lines = []
    times = []
    for iteration in range(options.iterations):
        env.barrier()
        started = time.time()
        begin = time.perf_counter()
        joined = df1.merge(df2, on=[0], algorithm=options.algorithm, env=env)
        done = time.perf_counter()
        env.barrier()
        end = time.perf_counter()

        times.append((started, end - begin))
        elapsed_t = (end - begin) * 1e3
        barrier_t = (end - done) * 1e3
        avg_t = env.allreduce(elapsed_t, "sum") / world
        max_t = env.allreduce(elapsed_t, "max")
        tot_l = env.allreduce(len(joined), "sum")
        lines.append(
            [options.scaling, world, rows, max_value, iteration, avg_t, tot_l, elapsed_t, max_t, com_init_t, barrier_t]
        )
        if env.rank == 0:
            print(
                f"### {options.scaling} {options.algorithm} join, world {world}, {rows} rows a rank, "
                f"iteration {iteration}: {avg_t:.1f} ms mean, {max_t:.1f} ms slowest rank, {tot_l} rows",
                flush=True,
            )
        del joined

    if env.rank == 0 and options.csv is not None:
        new = not options.csv.exists()
        with options.csv.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(COLUMNS)
            writer.writerows(lines)
    if env.rank == 0 and options.stopwatch is not None:
        write_stopwatch(options.stopwatch, times, options)
    env.close()


if __name__ == "__main__":
    main()
