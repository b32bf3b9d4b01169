"""The join of two tables of two int64 columns, uniform below 0.9 N, in a process of its own (systems.py starts it).

system_join.py dask|bodo|memory ROWS REPEAT THREADS    prints one line of JSON behind `MARK`
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MARK = "weft-system-result "


def side(rows: int, seed: int, names: list[str]) -> pd.DataFrame:
    values = np.random.default_rng(seed).integers(0, max(1, rows * 9 // 10), size=(2, rows))
    return pd.DataFrame({names[0]: values[0], names[1]: values[1]})


def sides(rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    return side(rows, 1, ["col0", "col1"]), side(rows, 2, ["col0", "col2"])


def tell(found: dict[str, Any]) -> None:
    print(MARK + json.dumps(found), flush=True)


def timed(ask: Callable[[], int], repeat: int) -> dict[str, Any]:
    """Seconds of each run after a warm-up, and the rows of the last."""
    seconds = []
    for _ in range(repeat + 1):
        begin = time.perf_counter()
        count = ask()
        seconds.append(time.perf_counter() - begin)
    return {"seconds": seconds[1:], "rows": int(count)}


def with_dask(rows: int, repeat: int) -> None:
    """Frames in the memory of the two workers before the clock runs, and the result there when it ends."""
    import dask.dataframe as dd
    from distributed import Client, LocalCluster, wait

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        left, right = (dd.from_pandas(frame, npartitions=2).persist() for frame in sides(rows))
        wait([left, right])

        def ask() -> int:
            made = left.merge(right, on="col0").persist()
            wait(made)
            return len(made)

        tell(timed(ask, repeat))


def with_bodo(rows: int, repeat: int) -> None:
    """One of the MPI ranks, which has its share of the rows; the compilation is in the warm-up."""
    import bodo

    @bodo.jit(distributed=["left", "right", "made"], cache=False)
    def join(left, right):  # type: ignore[no-untyped-def]
        made = left.merge(right, on="col0")
        return made

    rank, ranks = bodo.get_rank(), bodo.get_size()
    begin, end = rows * rank // ranks, rows * (rank + 1) // ranks
    left, right = (frame.iloc[begin:end].reset_index(drop=True) for frame in sides(rows))

    def ask() -> int:
        bodo.barrier()
        made = join(left, right)
        bodo.barrier()
        return len(made)

    found = timed(ask, repeat)
    if rank == 0:
        tell(found)


def held(name: str) -> int:
    """Bytes of this process, by a name of /proc/self/status."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


def memory(rows: int, threads: int) -> None:
    """What the pool holds at most beside what it held before, and by how much the process grows."""
    import pyarrow as pa

    import weft

    env = weft.init(threads=threads)
    left, right = (weft.DataFrame(pa.Table.from_pandas(frame, preserve_index=False), env=env) for frame in sides(rows))
    inputs = [frame.to_arrow().nbytes for frame in (left, right)]
    pool, process = env.stats()["memory_bytes"], held("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    made = left.merge(right, on="col0")
    grown = {"pool": env.stats()["memory_peak_bytes"] - pool, "process": held("VmHWM") - process}
    tell({**grown, "inputs": inputs, "output": made.to_arrow().nbytes})


if __name__ == "__main__":
    what, rows, repeat, threads = sys.argv[1], *map(int, sys.argv[2:5])
    if what == "memory":
        memory(rows, threads)
    else:
        {"dask": with_dask, "bodo": with_bodo}[what](rows, repeat)
