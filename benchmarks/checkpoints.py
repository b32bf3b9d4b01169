"""What checkpoints cost a script: steps of a join and a sort, without and with a checkpoint after each, or each nth.

    weft run -n 2 --checkpoint-dir /tmp/kept benchmarks/checkpoints.py --rows 1000000 --steps 8

Prints, for the slowest rank: seconds without, with, the difference; the same in seconds of processors, all ranks'
together, which a busy host changes less; how long the script waited for the thread, and what the thread wrote at which
rate. Each way is run several times, in turns, and the medians are shown.
"""

import argparse
import statistics
import time

import numpy as np

import weft


def run(
    env: weft.Env, left: weft.DataFrame, right: weft.DataFrame, options: argparse.Namespace, save: bool
) -> tuple[float, float]:
    """Seconds of all steps, until all ranks are done and all that was saved is valid; and of this rank's processors."""
    env.barrier()
    begin, work = time.monotonic(), time.process_time()
    for step in range(options.steps):
        joined = left.merge(right, on="k").sort_values(["k", "a"])
        if save and (step + 1) % options.every == 0:
            env.checkpoint("joined", joined, state=step, wait=step + 1 == options.steps)
    env.barrier()
    return time.monotonic() - begin, time.process_time() - work


def median(times: list[tuple[float, float]], which: int) -> float:
    return statistics.median(one[which] for one in times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each table on each rank")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--every", type=int, default=1, help="steps a checkpoint")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    if options.steps % options.every:
        parser.error("--steps must be a multiple of --every")
    env = weft.init()
    rng = np.random.default_rng(env.rank)
    keys = options.rows * env.world_size
    left = weft.DataFrame({"k": rng.integers(0, keys, options.rows), "a": rng.random(options.rows)}, env=env)
    right = weft.DataFrame({"k": rng.integers(0, keys, options.rows), "b": rng.random(options.rows)}, env=env)
    run(env, left, right, options, False)
    without, with_them = [], []
    for _ in range(options.turns):
        without.append(run(env, left, right, options, False))
        with_them.append(run(env, left, right, options, True))
    plain, saved = (float(env.allreduce(median(times, 0), "max")) for times in (without, with_them))
    work, more = (float(env.allreduce(median(times, 1), "sum")) for times in (without, with_them))
    told = env.stats()["checkpoints"]
    waited = float(env.allreduce(told["wait_seconds"], "max")) / options.turns
    size, seconds = (float(env.allreduce(told[name], "sum")) for name in ("bytes", "write_seconds"))
    if env.rank == 0:
        megabytes = size / options.turns / (options.steps // options.every) / 1e6
        print(
            f"{env.world_size} ranks, {options.steps} steps, {megabytes:.0f} MB a checkpoint, one in {options.every}: "
            f"without {plain:.2f} s, "
            f"with {saved:.2f} s ({100 * (saved / plain - 1):+.1f} %); processors {work:.2f} s, {more:.2f} s "
            f"({100 * (more / work - 1):+.1f} %); waited {waited:.2f} s, written at "
            f"{size / seconds / 1e6:.0f} MB/s a rank"
        )
    env.close()


if __name__ == "__main__":
    main()
