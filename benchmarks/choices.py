"""When what is chosen by statistics pays: `weft run -n 2 benchmarks/choices.py --rows 2000000`.

Each line: what was asked; seconds (the slowest rank's), seconds of processors and MB sent (all ranks' together), with
the choice and without it, medians of the repeats; what was chosen. Without: rows are put by key and joined where they
are (no filter, no copy); frames are made anew, so that nobody knows how their rows lie; columns are plain.

`python benchmarks/choices.py --only links`, as root, measures LZ4 on links of several rates (slow_links.py).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import weft


@dataclass
class Cost:
    seconds: float
    work: float
    sent: float


class Meter:
    def __init__(self, env: weft.Env, repeat: int) -> None:
        self.env, self.repeat = env, repeat

    def cost(self, ask: Callable[[], object]) -> Cost:
        """Medians; the first run is a warm-up."""
        costs = []
        for _ in range(self.repeat + 1):
            self.env.barrier()
            begin, work, sent = time.perf_counter(), time.process_time(), self.env.stats()["bytes_sent"]
            ask()
            took = time.perf_counter() - begin
            all_work = self.env.allreduce(time.process_time() - work, "sum")
            all_sent = self.env.allreduce(self.env.stats()["bytes_sent"] - sent, "sum")
            costs.append((float(self.env.allreduce(took, "max")), float(all_work), float(all_sent)))
        return Cost(*(statistics.median(one[i] for one in costs[1:]) for i in range(3)))

    def line(self, name: str, chosen: Callable[[], object], other: Callable[[], object]) -> None:
        before = self.env.stats()["choices"]
        ours = self.cost(chosen)
        after = self.env.stats()["choices"]
        choices = [choice for choice in after if after[choice] > before.get(choice, 0)]
        theirs = self.cost(other)
        if self.env.rank == 0:
            cells = "  ".join(f"{c.seconds:8.3f} {c.work:8.3f} {c.sent / 1e6:8.1f}" for c in (ours, theirs))
            print(f"{name:<34}  {cells}  {', '.join(choices)}", flush=True)


def side(env: weft.Env, keys: np.ndarray, name: str, payloads: int) -> weft.DataFrame:
    """Keys of this rank, and columns of int64."""
    values = {f"{name}{i}": pa.array(np.arange(len(keys)) + i) for i in range(payloads)}
    return weft.DataFrame(pa.table({"k": pa.array(keys), **values}), env=env)


def anew(frame: weft.DataFrame) -> weft.DataFrame:
    """The same rows, of which nobody knows how they lie."""
    return weft.DataFrame(frame.to_arrow(), env=frame.env)


def put_and_joined(left: weft.DataFrame, right: weft.DataFrame) -> weft.DataFrame:
    return left.repartition(by="k").local().merge(right.repartition(by="k").local(), on="k")


def filters(env: weft.Env, meter: Meter, rows: int) -> None:
    """Joins of which a part of the left's rows have a match, with an eighth as many rows on the right."""
    random = np.random.default_rng(env.rank)
    for payloads in (1, 6):
        for part in (0.02, 0.1, 0.3, 0.6, 1.0):
            few = rows // 8
            right = side(env, np.arange(few) * env.world_size + env.rank, "b", 1)
            left = side(env, random.integers(0, int(few * env.world_size / part), rows), "a", payloads)
            meter.line(
                f"filter: {part:.0%} match, {8 * (1 + payloads)} bytes a row",
                lambda left=left, right=right: left.merge(right, on="k", algorithm="hash"),
                lambda left=left, right=right: put_and_joined(left, right),
            )


def places(env: weft.Env, meter: Meter, rows: int) -> None:
    """What follows a join by the same key."""
    random = np.random.default_rng(env.rank)
    first, second, third = (
        side(env, random.integers(0, rows * env.world_size, rows), name, 2) for name in ("a", "b", "c")
    )
    joined = first.merge(second, on="k", how="left", algorithm="hash")
    asked: list[tuple[str, Callable[[weft.DataFrame], object]]] = [
        ("join", lambda frame: frame.merge(third, on="k", algorithm="hash")),
        ("sum by group", lambda frame: frame.groupby("k", sort=False).agg(s=("a0", "sum"))),
        ("median by group", lambda frame: frame.groupby("k", sort=False).agg(s=("a0", "median"))),
        ("unique keys", lambda frame: frame[["k"]].drop_duplicates()),
        ("running sum by group", lambda frame: frame.groupby("k")["a0"].cumsum()),
    ]
    for name, ask in asked:
        meter.line(f"in place: {name}", lambda ask=ask: ask(joined), lambda ask=ask: ask(anew(joined)))


def copies(env: weft.Env, meter: Meter, rows: int) -> None:
    """Joins with a right side that is smaller by a factor."""
    random = np.random.default_rng(env.rank)
    left = side(env, random.integers(0, rows, rows), "a", 2)
    for factor in (1000, 100, 10, 3):
        right = side(env, random.integers(0, rows, rows // factor), "b", 2)
        meter.line(
            f"copy: a side {factor} times as small",
            lambda right=right: left.merge(right, on="k"),
            lambda right=right: put_and_joined(left, right),
        )


def orders(env: weft.Env, meter: Meter, rows: int) -> None:
    """Rows that lie in order already, beside the same rows of which some are not."""
    random = np.random.default_rng(env.rank)
    first = env.rank * rows
    keys = np.sort(random.integers(first, first + rows, rows))
    # Each rank sorted, in ranges that all overlap: both sides of the exchange have runs to merge.
    runs = np.sort(random.integers(0, rows * env.world_size, rows))
    mixed = random.permutation(runs)

    def text(numbers: np.ndarray) -> weft.DataFrame:
        words = pa.array([f"a text that is not short, number {number:012}" for number in numbers])
        return weft.DataFrame(pa.table({"k": words, "a0": pa.array(numbers)}), env=env)

    for kind, made in (("int64", lambda numbers: side(env, numbers, "a", 2)), ("text", text)):
        ordered, in_runs, unordered = made(keys), made(runs), made(mixed)
        for name, frame in (("in order", ordered), ("each rank in order", in_runs)):
            meter.line(
                f"sort: {kind}, {name}",
                lambda frame=frame: frame.sort_values("k"),
                lambda frame=unordered: frame.sort_values("k"),
            )
    left, right = (side(env, runs, name, 1) for name in ("a", "b"))
    other_left, other_right = (side(env, mixed, name, 1) for name in ("a", "b"))
    meter.line(
        "join by sort: each rank in order",
        lambda: left.merge(right, on="k", algorithm="sort"),
        lambda: other_left.merge(other_right, on="k", algorithm="sort"),
    )


def encodings(env: weft.Env, meter: Meter, rows: int) -> None:
    """A column of dictionary indices, or of runs, that goes along with its rows, beside the same column plain."""
    random = np.random.default_rng(env.rank)
    keys = pa.array(random.integers(0, rows * env.world_size, rows))

    def ways(name: str, encoded: pa.Array, plain: pa.Array) -> None:
        ours, theirs = (weft.DataFrame(pa.table({"k": keys, "a": column}), env=env) for column in (encoded, plain))
        other = side(env, random.integers(0, rows * env.world_size, rows), "b", 1)
        asked: list[tuple[str, Callable[[weft.DataFrame], object]]] = [
            ("put by key", lambda frame: frame.repartition(by="k")),
            ("join", lambda frame: frame.merge(other, on="k", algorithm="hash")),
        ]
        for what, ask in asked:
            meter.line(f"{name}: {what}", lambda ask=ask: ask(ours), lambda ask=ask: ask(theirs))

    words = pa.array([f"one of a hundred texts, number {i}" for i in range(100)])
    chosen = pa.array(random.integers(0, 100, rows), pa.int32())
    ways("dictionary of texts", pa.DictionaryArray.from_arrays(chosen, words), words.take(chosen))
    for length in (2, 4, 16, 1000):
        count = -(-rows // length)
        ends = pa.array(np.minimum((np.arange(count) + 1) * length, rows), pa.int32())
        for kind, values in (
            ("int64", pa.array(random.integers(0, 1 << 40, count))),
            ("texts", words.take(pa.array(random.integers(0, 100, count)))),
        ):
            runs = pa.RunEndEncodedArray.from_arrays(ends, values)
            ways(f"runs of {length} {kind}", runs, pc.run_end_decode(runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the larger side, on each rank")
    parser.add_argument("--repeat", type=int, default=3)
    parts = ["filters", "places", "copies", "orders", "encodings", "links"]
    parser.add_argument("--only", choices=parts, help="one of the parts")
    options = parser.parse_args()
    if options.only == "links":
        import slow_links

        slow_links.links(options.repeat)
        return
    with weft.init() as env:
        meter = Meter(env, options.repeat)
        if env.rank == 0:
            head = f"{'seconds':>8} {'work':>8} {'MB sent':>8}"
            print(f"{env.world_size} ranks, {options.rows:,} rows on each\n{'':<34}  {head}  {head}", flush=True)
        for part in (filters, places, copies, orders, encodings):
            if options.only in (None, part.__name__):
                part(env, meter, options.rows)


if __name__ == "__main__":
    main()
