"""One rank of one cell of a scaling study: makes its rows, runs the operation again and again, tells all about it.

    weft run -n 2 rank.py PLAN       PLAN: a JSON object, see `Plan`

It is a script on the public API, so that it runs as it is under each launcher, also where it is packed and sent away.
Rank 0 leaves ``records.jsonl``: one line an iteration and rank.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

import weft

#: Rows are two of these; wider ones have more, called likewise.
COLUMNS = ["col0", "col1"]
#: One key of so many is counted in `check`.
SAMPLED = 64


class Plan(TypedDict):
    """What a rank is to do. `rows` are of each side: a rank's (weak) or all (strong), of `columns` integers; keys are
    below `unique` times the rows of all ranks. `out` is where rank 0 writes, unless ``WEFT_RESULTS`` says so. `tags` go
    into each line."""

    operation: str
    algorithm: str
    scaling: str
    rows: int
    columns: int
    unique: float
    seed: int
    warmups: int
    iterations: int
    out: str
    tags: dict[str, Any]


def rows_of(scaling: str, rows: int, rank: int, world: int) -> int:
    """Rows of one side on one rank."""
    return rows if scaling == "weak" else rows // world + (rank < rows % world)


def sides(plan: Plan, rank: int, world: int) -> list[np.ndarray[Any, Any]]:
    """The rank's rows, as the paper's experiment makes them; the operations of one table have one side."""
    mine = rows_of(plan["scaling"], plan["rows"], rank, world)
    total = plan["rows"] * (world if plan["scaling"] == "weak" else 1)
    keys = max(1, int(total * plan["unique"]))
    rng = np.random.default_rng([plan["seed"], rank])
    return [rng.integers(0, keys, size=(mine, plan["columns"])) for _ in range(2 if plan["operation"] == "join" else 1)]


def operation(plan: Plan, frames: list[weft.DataFrame]) -> Callable[[], weft.DataFrame]:
    """What is timed."""
    first, last = frames[0], frames[-1]
    algorithm: Any = plan["algorithm"]
    calls: dict[str, Callable[[], weft.DataFrame]] = {
        "join": lambda: first.merge(last, on=["col0"], algorithm=algorithm),
        "sort": lambda: first.sort_values("col0"),
        "groupby": lambda: first.groupby("col0").agg({"col1": "sum"}),
        "shuffle": lambda: first.repartition(by="col0"),
    }
    return calls[plan["operation"]]


def check(env: weft.Env, plan: Plan, data: list[np.ndarray[Any, Any]], result: weft.DataFrame) -> None:
    """ValueError where the result cannot be right, by counting that is not Weft's. Collective."""
    rows = env.allreduce(len(result), "sum")
    values = result.to_numpy()
    if plan["operation"] in ("sort", "shuffle"):
        wanted = env.allreduce(len(data[0]), "sum")
        seen, expected = (env.allreduce(int(part.sum()), "sum") for part in (values, data[0]))
        good = rows == wanted and seen == expected
        if plan["operation"] == "sort":
            ends = env.allgather([int(values[0, 0]), int(values[-1, 0])] if len(values) else [])
            flat = [end for pair in ends for end in pair]
            good &= env.allreduce(bool((np.diff(values[:, 0]) >= 0).all()), "land") and flat == sorted(flat)
    elif plan["operation"] == "groupby":
        # The key is the index: one column is left.
        seen, expected = (env.allreduce(int(part), "sum") for part in (values[:, -1].sum(), data[0][:, 1].sum()))
        good = seen == expected
    else:
        top = env.allreduce(max((int(side[:, 0].max()) for side in data if len(side)), default=0), "max")
        counts = [_sampled_counts(side[:, 0], top) for side in data]
        left, right = (env.allreduce(count, "sum") for count in counts)
        joined = np.asarray(result["col0"].to_numpy())
        seen = env.allreduce(int((joined % SAMPLED == 0).sum()), "sum")
        expected = int((left * right).sum())
        good = seen == expected
    if not good:
        raise ValueError(f"the {plan['operation']} is wrong: {rows} rows, {seen} where there must be {expected}")


def _sampled_counts(keys: np.ndarray[Any, Any], top: int) -> np.ndarray[Any, Any]:
    """How often each key that `SAMPLED` divides occurs."""
    return np.bincount(keys[keys % SAMPLED == 0] // SAMPLED, minlength=top // SAMPLED + 1).astype(np.int64)


def machine() -> dict[str, Any]:
    """The host of this rank. Two ranks with one `boot` share its cores."""
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = platform.node()
    return {
        "node": platform.node(),
        "boot": boot,
        "platform": platform.platform(),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def versions() -> dict[str, str]:
    return {
        "weft": weft.__version__,
        "pyarrow": metadata.version("pyarrow"),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def forget_peak() -> bool:
    """The peak of this process' memory begins anew; False where the kernel does not do that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return True
    except OSError:
        return False


def peak_rss() -> int:
    """Bytes of memory that this process has had at most."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _phases(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What phases had between two statistics."""
    found = {}
    for name, totals in after["phases"].items():
        was = before["phases"].get(name, {})
        gained = {key: value - was.get(key, 0) for key, value in totals.items()}
        if gained["count"]:
            found[name] = gained
    return found


def iterate(env: weft.Env, call: Callable[[], weft.DataFrame]) -> tuple[dict[str, Any], weft.DataFrame]:
    """One iteration: what is measured of it on this rank, and its result. Collective."""
    fresh = forget_peak()
    env.barrier()
    stats, usage = env.stats(), resource.getrusage(resource.RUSAGE_SELF)
    begun, begin = time.time(), time.perf_counter()
    result = call()
    end = time.perf_counter()
    after, used = env.stats(), resource.getrusage(resource.RUSAGE_SELF)
    env.barrier()
    measured = {
        "begin": begun,
        "seconds": end - begin,
        "barrier_seconds": time.perf_counter() - end,
        "cpu_user": used.ru_utime - usage.ru_utime,
        "cpu_system": used.ru_stime - usage.ru_stime,
        "bytes_sent": after["bytes_sent"] - stats["bytes_sent"],
        "bytes_received": after["bytes_received"] - stats["bytes_received"],
        "rows_out": len(result),
        "peak_rss": peak_rss(),
        "peak_rss_of": "iteration" if fresh else "process",
        "memory_peak": after["memory_peak_bytes"],
        "phases": _phases(stats, after),
    }
    return measured, result


def about(env: weft.Env, plan: Plan, start_seconds: float) -> dict[str, Any]:
    """What is the same in all lines of this rank."""
    links = [link for link in env.links() if link["path"] != "self"]
    paths = Counter(str(link["path"]) for link in links)
    return {
        **plan["tags"],
        **{name: plan[name] for name in ("operation", "algorithm", "scaling", "rows", "columns", "unique", "seed")},
        "rank": env.rank,
        "world_size": env.world_size,
        "backend": env.backend,
        "threads": env.threads,
        "start_seconds": start_seconds,
        "open_seconds": env.stats()["open_seconds"],
        "links": dict(sorted(paths.items())),
        "link_seconds": {
            path: sorted(link["link_seconds"] for link in links if link["path"] == path) for path in sorted(paths)
        },
        "versions": versions(),
        "machine": machine(),
    }


def run(env: weft.Env, plan: Plan, start_seconds: float) -> list[dict[str, Any]]:
    """All lines of this rank. Collective."""
    data = sides(plan, env.rank, env.world_size)
    names = [f"col{number}" for number in range(plan["columns"])]
    frames = [weft.DataFrame(side, columns=names, env=env) for side in data]
    call = operation(plan, frames)
    common = about(env, plan, start_seconds)
    common |= {"rows_in": sum(len(side) for side in data), "row_bytes": data[0].itemsize * plan["columns"]}
    lines = []
    for number in range(plan["warmups"] + plan["iterations"]):
        measured, result = iterate(env, call)
        warmup = number < plan["warmups"]
        if number == 0:
            check(env, plan, data, result)
        del result
        lines.append({**common, "iteration": number - plan["warmups"] * (not warmup), "warmup": warmup, **measured})
        if env.rank == 0:
            print(f"iteration {number + 1} {measured['seconds']:.6f}", flush=True)
    return lines


def main(arguments: list[str]) -> int:
    plan: Plan = json.loads(arguments[0])
    begin = time.perf_counter()
    with weft.init() as env:
        lines = run(env, plan, time.perf_counter() - begin)
        gathered = env.gather(lines)
        if gathered is not None:
            folder = Path(os.environ.get("WEFT_RESULTS") or plan["out"])
            text = "".join(json.dumps(line) + "\n" for of_rank in gathered for line in of_rank)
            (folder / "records.jsonl").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
