"""LZ4 on links of several rates: two ranks in network namespaces with a line between them that the kernel shapes.

Part of `benchmarks/choices.py --only links`, which needs root and starts its own ranks.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import figures
import numpy as np
import pyarrow as pa

import weft

HERE = Path(__file__).parent
MARK = "link: "

#: Mbit/s each way (0: as fast as the line is), and MB of rows on each rank, of which half go to the other.
RATES = ((20, 32), (100, 64), (500, 128), (0, 256))
MODES = ("off", "lz4", "auto")


def rows_of(kind: str, megabytes: int, rank: int) -> pa.Table:
    """Rows of 32 bytes or a little more: texts and small numbers, or what does not shrink."""
    random = np.random.default_rng(rank)
    count = megabytes * 1_000_000 // 32
    key = pa.array(random.integers(0, 1 << 62, count))
    if kind == "dense":
        return pa.table({"k": key, **{f"v{i}": pa.array(random.random(count)) for i in range(3)}})
    carriers = pa.array([f"carrier {i:02}" for i in range(30)])
    return pa.table(
        {
            "k": key,
            "delay": pa.array(random.integers(0, 200, count)),
            "carrier": carriers.take(pa.array(random.integers(0, 30, count))),
        }
    )


def rank() -> None:
    """One of the two: megabytes and repeats are arguments; prints a line of JSON for each kind and mode."""
    megabytes, repeat = int(sys.argv[2]), int(sys.argv[3])
    me = int(os.environ["WEFT_RANK"])
    for kind in ("texts", "dense"):
        table = rows_of(kind, megabytes, me)
        costs: dict[str, list[tuple[float, float, float]]] = {mode: [] for mode in MODES}
        choices: dict[str, dict[str, int]] = {}
        for turn in range(repeat):
            for mode in MODES:
                job = f"{os.environ['WEFT_JOB']}-{kind}-{turn}-{mode}"
                with weft.init(job=job, compression=mode) as env:
                    frame = weft.DataFrame(table, env=env)
                    env.barrier()
                    begin, work, sent = time.perf_counter(), time.process_time(), env.stats()["bytes_sent"]
                    frame.repartition(by="k")
                    took = env.allreduce(time.perf_counter() - begin, "max")
                    work = env.allreduce(time.process_time() - work, "sum")
                    sent = env.allreduce(env.stats()["bytes_sent"] - sent, "sum")
                    costs[mode].append((took, work, sent))
                    choices[mode] = env.stats()["choices"]
        for mode in MODES:
            seconds, work, sent = (statistics.median(one[i] for one in costs[mode]) for i in range(3))
            found = {"kind": kind, "mode": mode, "seconds": seconds, "work": work, "sent": sent}
            print(MARK + json.dumps({**found, "choices": choices[mode]}), flush=True)


def shape(names: list[str], mbit: int) -> None:
    for name in names:
        command = ["tc", "-n", name, "qdisc"]
        if mbit:
            tbf = f"replace dev e0 root tbf rate {mbit}mbit burst 64kb latency 1s"
            subprocess.run([*command, *tbf.split()], check=True)
        else:
            subprocess.run([*command, "del", "dev", "e0", "root"], check=False, stderr=subprocess.DEVNULL)


def on_a_link(names: list[str], megabytes: int, repeat: int) -> list[dict[str, Any]]:
    script = [str(HERE / "slow_links.py"), "rank", str(megabytes), str(repeat)]
    texts = figures.ranks_in_namespaces(names, "links", script, 900)
    return [json.loads(line.removeprefix(MARK)) for line in texts[0].splitlines() if line.startswith(MARK)]


def links(repeat: int) -> None:
    """Seconds, seconds of processors and MB sent by each way of compression, and what `auto` chose."""
    print(f"{'link, rows':<28}" + "".join(f"{mode:>10} {'work':>7} {'MB':>7}" for mode in MODES), flush=True)
    with figures.two_namespaces() as names:
        for mbit, megabytes in RATES:
            shape(names, mbit)
            found = on_a_link(names, megabytes, repeat)
            for kind in ("texts", "dense"):
                cells = ""
                chosen: dict[str, int] = {}
                for one in found:
                    if one["kind"] == kind:
                        cells += f"{one['seconds']:>10.2f} {one['work']:>7.2f} {one['sent'] / 1e6:>7.1f}"
                        chosen = one["choices"]
                name = f"{f'{mbit} Mbit/s' if mbit else 'as it is'}, {megabytes} MB of {kind}"
                print(f"{name:<28}{cells}  {', '.join(chosen)}", flush=True)


if __name__ == "__main__":
    rank()
