"""What boundaries inside a merge cost where nobody hands over: the same merge as a whole, and in parts.

    weft run -n 2 --checkpoint-dir /tmp/kept benchmarks/boundaries.py --rows 4000000 --parts 16

Prints, for the slowest rank, seconds as a whole, in parts, the difference; the same in seconds of processors, all
ranks' together, which a busy host changes less; and what a sum over a group of the result takes afterwards, since its
chunks are smaller. Each way is run several times, in turns, and the medians are shown.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

import weft


def timed(env: weft.Env, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds until all ranks are done, and of this rank's processors."""
    env.barrier()
    begin, used = time.monotonic(), time.process_time()
    work()
    env.barrier()
    return time.monotonic() - begin, time.process_time() - used


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000, help="of each table on each rank")
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--text", action="store_true", help="keys are texts")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    size = options.rows * 2 * 16
    env = weft.init(boundary_bytes=-(-size // options.parts))
    rng = np.random.default_rng(env.rank)
    keys = options.rows * env.world_size
    left = weft.DataFrame({"k": rng.integers(0, keys, options.rows), "a": rng.random(options.rows)}, env=env)
    right = weft.DataFrame({"k": rng.integers(0, keys, options.rows), "b": rng.random(options.rows)}, env=env)
    if options.text:
        left, right = (one.assign(k=one["k"].astype("string")) for one in (left, right))
    times: dict[str, list[tuple[float, float]]] = {"whole": [], "parts": [], "sum whole": [], "sum parts": []}
    made: list[weft.DataFrame] = []

    def merge() -> None:
        made[:] = [left.merge(right, on="k")]

    def add() -> None:
        made[0].assign(g=made[0]["k"]).groupby("g").agg({"a": "sum", "b": "max"})

    merge()
    for turn in range(options.turns):
        times["whole"].append(timed(env, merge))
        times["sum whole"].append(timed(env, add))
        with env.stage(f"turn-{turn}") as s:
            if s.todo:
                times["parts"].append(timed(env, merge))
        times["sum parts"].append(timed(env, add))
    seconds = {
        name: float(env.allreduce(statistics.median(one[0] for one in found), "max")) for name, found in times.items()
    }
    work = {
        name: float(env.allreduce(statistics.median(one[1] for one in found), "sum")) for name, found in times.items()
    }
    parts = env.stats()["checkpoints"]["parts"]["done"] // options.turns
    if env.rank == 0:
        for name in ("", "sum "):
            whole, cut, spent, more = (found[f"{name}{how}"] for found in (seconds, work) for how in ("whole", "parts"))
            print(
                f"{env.world_size} ranks, {parts} parts, {name or 'merge '}as a whole {whole:.2f} s, "
                f"in parts {cut:.2f} s ({100 * (cut / whole - 1):+.1f} %); processors {spent:.2f} s, {more:.2f} s "
                f"({100 * (more / spent - 1):+.1f} %)"
            )
    env.close()


if __name__ == "__main__":
    main()
