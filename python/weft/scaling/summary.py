"""What the records of a study add up to: one `Point` a world size of each series."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.scaling.phases import GROUPS, grouped

__all__ = ["Point", "Ratio", "Series", "paper", "ratio", "summarize"]


@dataclass(frozen=True)
class Ratio:
    """A quotient and its deviation."""

    value: float
    deviation: float


def ratio(above: float, above_deviation: float, below: float, below_deviation: float) -> Ratio:
    """above / below, with the error propagated as sqrt((da/a)^2 + (db/b)^2), which is relative."""
    value = above / below
    return Ratio(value, value * math.sqrt((above_deviation / above) ** 2 + (below_deviation / below) ** 2))


@dataclass
class Point:
    """One world size of a series. Times are of iterations, each as long as its slowest rank; warm-ups are not in."""

    world_size: int
    rows: int
    row_bytes: int
    runs: int
    times: list[float]
    warmups: list[float]
    #: Seconds by group of phases, the ranks' mean.
    phases: dict[str, float]
    #: Summed over ranks, the mean of iterations.
    cpu_seconds: float
    bytes_sent: float
    #: Bytes of the rows that went to other ranks, as they lie in memory; and those that theory says.
    row_bytes_sent: float
    expected_bytes: float
    peak_rss: int
    links: dict[str, int]
    #: Of each run, the rank that took longest to come into the world.
    open_seconds: list[float]
    link_seconds: dict[str, list[float]]
    oversubscribed: bool
    cost: float | None
    currency: str

    @property
    def mean(self) -> float:
        return statistics.fmean(self.times)

    @property
    def deviation(self) -> float:
        """Of the sample."""
        return statistics.stdev(self.times) if len(self.times) > 1 else 0.0

    @property
    def communication(self) -> float:
        """The share of time that the ranks spent on handing bytes over and waiting for others'."""
        whole = sum(self.phases.values())
        return self.phases["exchange"] / whole if whole else 0.0


@dataclass
class Series:
    """One operation on one infrastructure."""

    operation: str
    algorithm: str
    scaling: str
    infrastructure: str
    points: dict[int, Point] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """The experiment that it is part of."""
        name = self.operation if self.algorithm == "default" else f"{self.operation} ({self.algorithm})"
        return f"{name}, {self.scaling} scaling"

    def speedup(self, world: int) -> Ratio | None:
        """T1 / Tp; None where one rank was not measured."""
        one, many = self.points.get(1), self.points[world]
        return None if one is None else ratio(one.mean, one.deviation, many.mean, many.deviation)

    def efficiency(self, world: int) -> Ratio | None:
        """Strong: speed-up by ranks. Weak: T1 / Tp, since the work grows with the ranks."""
        found = self.speedup(world)
        share = world if self.scaling == "strong" else 1
        return None if found is None else Ratio(found.value / share, found.deviation / share)

    def work(self, world: int) -> float | None:
        """CPU seconds of all ranks, against what one rank takes for as many rows; None where that was not measured."""
        one, many = self.points.get(1), self.points[world]
        if one is None or one.cpu_seconds <= 0:
            return None
        return many.cpu_seconds / (one.cpu_seconds * (world if self.scaling == "weak" else 1))


def infrastructure(record: dict[str, Any]) -> str:
    """Where it ran, for people."""
    memory = f" {record['memory_mb']} MB" if record.get("memory_mb") else ""
    return f"{record['launcher']}{memory}, {record['asked_backend']}"


def _oversubscribed(ranks: Iterable[dict[str, Any]]) -> bool:
    """Whether a host has more threads of ranks than cores."""
    hosts: Counter[str] = Counter()
    cores: dict[str, int] = {}
    for record in ranks:
        boot = record["machine"]["boot"]
        hosts[boot] += record["threads"]
        cores[boot] = record["machine"]["cores"]
    return any(threads > cores[boot] for boot, threads in hosts.items())


def _sent(record: dict[str, Any]) -> float:
    """Bytes, in memory, of rows that went to other ranks."""
    return float(record["phases"].get("shuffle.send", {}).get("rows", 0) * record["row_bytes"])


def _point(records: Sequence[dict[str, Any]]) -> Point:
    world = records[0]["world_size"]
    iterations: dict[tuple[int, int], list[dict[str, Any]]] = {}
    warm: dict[tuple[int, int], float] = {}
    for record in records:
        key = (record["run"], record["iteration"])
        if record["warmup"]:
            warm[key] = max(warm.get(key, 0.0), record["seconds"])
        else:
            iterations.setdefault(key, []).append(record)
    count = len(iterations)
    timed = [record for ranks in iterations.values() for record in ranks]
    groups = [grouped(record) for record in timed]
    firsts = [record for record in timed if record["iteration"] == 0]
    runs = {record["run"] for record in timed}
    one_run = [record for record in firsts if record["run"] == min(runs)]
    ends = Counter[str]()
    lengths: dict[str, list[float]] = {}
    for record in firsts:
        for path, seconds in record["link_seconds"].items():
            lengths.setdefault(path, []).extend(seconds)
    for record in one_run:
        ends.update(record["links"])
    costs = [record["cost"] for record in firsts if record["rank"] == 0 and "cost" in record]
    rows_in = sum(record["rows_in"] * record["row_bytes"] for record in one_run)
    return Point(
        world_size=world,
        rows=records[0]["rows"] * (world if records[0]["scaling"] == "weak" else 1),
        row_bytes=records[0]["row_bytes"],
        runs=len(runs),
        times=[max(record["seconds"] for record in ranks) for _, ranks in sorted(iterations.items())],
        warmups=[seconds for _, seconds in sorted(warm.items())],
        phases={name: statistics.fmean(group[name] for group in groups) for name in GROUPS},
        cpu_seconds=sum(record["cpu_user"] + record["cpu_system"] for record in timed) / count,
        bytes_sent=sum(record["bytes_sent"] for record in timed) / count,
        row_bytes_sent=sum(map(_sent, timed)) / count,
        expected_bytes=rows_in * (world - 1) / world,
        peak_rss=max(record["peak_rss"] for record in timed),
        links={path: (number + 1) // 2 for path, number in sorted(ends.items())},
        open_seconds=[max(r["open_seconds"] for r in firsts if r["run"] == run) for run in sorted(runs)],
        link_seconds={path: sorted(seconds) for path, seconds in sorted(lengths.items())},
        oversubscribed=_oversubscribed(one_run),
        cost=statistics.fmean(costs) if costs else None,
        currency=next((record["currency"] for record in firsts if "currency" in record), ""),
    )


def summarize(records: Iterable[dict[str, Any]]) -> list[Series]:
    """All series of a study, in a fixed order."""
    by_key: dict[tuple[str, str, str, str], dict[int, list[dict[str, Any]]]] = {}
    for record in records:
        key = (record["operation"], record["algorithm"], record["scaling"], infrastructure(record))
        by_key.setdefault(key, {}).setdefault(record["world_size"], []).append(record)
    return [
        Series(*key, points={world: _point(found) for world, found in sorted(worlds.items())})
        for key, worlds in sorted(by_key.items())
    ]


def paper() -> dict[str, Any]:
    """The paper's figures, and where they are from."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("paper.json").read_text(encoding="utf-8"))
    return found
