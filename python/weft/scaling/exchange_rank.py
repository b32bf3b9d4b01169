"""One rank's half of ``weft bench exchange``: the same exchange directly and through stores, one after another.

    weft run -n 4 -m weft.scaling.exchange_rank PLAN        PLAN: a JSON object, see `Plan`

Rank 0 writes the results as JSON to the file `out`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa

import weft
from weft.scaling import media
from weft.scaling.rank import COLUMNS

__all__ = ["main"]


class Plan(TypedDict):
    """`sizes` are bytes from each rank to each other one; `rows` a rank's, in tables that are shuffled. `where` has
    bucket, prefix and redis (its URL)."""

    media: list[str]
    sizes: list[int]
    rows: list[int]
    warmups: int
    iterations: int
    where: dict[str, str]
    out: str


def cut(table: np.ndarray[Any, Any], world: int) -> list[bytes]:
    """The rows for each rank, by their key, as Arrow IPC streams."""
    targets = table[:, 0] % world
    order = np.argsort(targets, kind="stable")
    ends = np.cumsum(np.bincount(targets, minlength=world))[:-1]
    blocks = []
    for part in np.split(table[order], ends):
        batch = pa.record_batch([pa.array(np.ascontiguousarray(part[:, i])) for i in range(2)], names=COLUMNS)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        blocks.append(sink.getvalue().to_pybytes())
    return blocks


def joined(blocks: Sequence[bytes]) -> pa.Table:
    return pa.concat_tables([pa.ipc.open_stream(block).read_all() for block in blocks])


class Timer:
    """Times calls: all ranks begin together, and the slowest counts. Collective."""

    def __init__(self, env: weft.Env, plan: Plan) -> None:
        self._env, self._warmups, self._iterations = env, plan["warmups"], plan["iterations"]
        self.number = 0

    def __call__(self, call: Callable[[int], Any], medium: media.Medium) -> dict[str, Any]:
        times = []
        for step in range(self._warmups + self._iterations):
            if step == self._warmups:
                medium.requests.clear()
            self.number += 1
            self._env.barrier()
            begin = time.perf_counter()
            call(self.number)
            times.append(float(self._env.allreduce(time.perf_counter() - begin, "max")))
        requests = {
            kind: self._env.allreduce(medium.requests[kind], "sum") / self._iterations for kind in ("put", "get")
        }
        return {"warmups": times[: self._warmups], "seconds": times[self._warmups :], "requests": requests}


def _blocks(env: weft.Env, size: int) -> list[bytes]:
    return [bytes([(env.rank * 31 + to) % 251]) * size for to in range(env.world_size)]


def _check_blocks(env: weft.Env, size: int, got: Sequence[bytes]) -> None:
    for source, block in enumerate(got):
        if block != bytes([(source * 31 + env.rank) % 251]) * size:
            raise ValueError(f"rank {env.rank}: the block of rank {source} is wrong")


def measure(env: weft.Env, plan: Plan) -> list[dict[str, Any]]:
    """All results. Collective."""
    timer, world, found = Timer(env, plan), env.world_size, []
    made = {name: media.make(env, name, plan["where"]) for name in plan["media"]}

    def note(name: str, kind: str, bytes_in_all: int, **more: Any) -> None:
        found.append({"medium": name, "ranks": world, "kind": kind, "bytes": bytes_in_all, **more})

    for size in plan["sizes"]:
        blocks = _blocks(env, size)
        for name, medium in made.items():
            timer.number += 1
            _check_blocks(env, size, medium.exchange(timer.number, blocks))
            timed = timer(lambda number, m=medium, b=blocks: m.exchange(number, b), medium)  # type: ignore[misc]
            note(name, "blocks", size * world * (world - 1), size=size, **timed)
    for rows in plan["rows"]:
        table = np.random.default_rng(env.rank).integers(0, rows * world, size=(rows, 2))
        total = env.allreduce(int(table.sum()), "sum")
        for name, medium in made.items():
            call = _direct_shuffle(env, table) if name == "direct" else _stored_shuffle(medium, table, world)
            timer.number += 1
            if env.allreduce(call(timer.number), "sum") != total:
                raise ValueError(f"rank {env.rank}: the shuffle through {name} lost rows")
            note(name, "shuffle", table.nbytes * (world - 1), rows=rows, **timer(call, medium))
    env.barrier()
    if env.rank == 0:
        for medium in made.values():
            medium.clean()
    return found


def _direct_shuffle(env: weft.Env, table: np.ndarray[Any, Any]) -> Callable[[int], int]:
    frame = weft.DataFrame(table, columns=COLUMNS, env=env)

    def call(number: int) -> int:
        return int(frame.repartition(by="col0").to_numpy().sum())

    return call


def _stored_shuffle(medium: media.Medium, table: np.ndarray[Any, Any], world: int) -> Callable[[int], int]:
    def call(number: int) -> int:
        whole = joined(medium.exchange(number, cut(table, world)))
        return sum(int(np.asarray(whole[name]).sum()) for name in COLUMNS)

    return call


def main(arguments: list[str]) -> int:
    plan: Plan = json.loads(arguments[0])
    with weft.init() as env:
        found = measure(env, plan)
        if env.rank == 0:
            Path(plan["out"]).write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
