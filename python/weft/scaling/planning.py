"""``weft plan``: time and price of an operation on each number and size of workers, and which to take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.ecs.job import FARGATE
from weft.ecs.price import task_cost
from weft.scaling.model import Model, Place, Prediction
from weft.scaling.tables import Table
from weft.serverless.plan import MB_PER_VCPU, Prices, cost

__all__ = ["Asked", "Choice", "best", "choices", "draw", "frontier", "frontier_table", "phase_table", "steps"]

#: vCPUs that a function has at most.
MOST_VCPUS = 6.0
#: As AWS counts.
MB = 1 << 20


@dataclass(frozen=True)
class Asked:
    """What is to be planned. `rows` are all rows, of each side. `start`: seconds that a worker is paid for before and
    after the operation. `bandwidth` and `latency` are a worker's; `speed`: of a worker's core against the calibrated
    one."""

    operation: str
    rows: float
    row_bytes: float
    workers: Sequence[int]
    memories: Sequence[int]
    bandwidth: float
    latency: float
    start: float = 1.0
    speed: float = 1.0
    network: str = "public"


@dataclass(frozen=True)
class Choice:
    """One configuration. `memory` in MB of a worker."""

    kind: str
    workers: int
    memory: int
    vcpus: float
    prediction: Prediction
    start: float
    parts: dict[str, float]

    @property
    def seconds(self) -> float:
        return self.prediction.seconds + self.start

    @property
    def price(self) -> float:
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        return self.prediction.memory <= self.memory * MB

    @property
    def name(self) -> str:
        return f"{self.workers} x {self.kind}, {self.memory} MB ({self.vcpus:.2f} vCPU)"


def steps(low: int, high: int) -> list[int]:
    """Powers of two from `low` to `high`, with both ends."""
    found = {low, high}
    number = 1
    while number < high:
        number *= 2
        if low <= number <= high:
            found.add(number)
    return sorted(found)


def _place(asked: Asked, vcpus: float) -> Place:
    """A worker of so many vCPUs: less than one is a slower one, more are threads."""
    return Place(None, max(1.0, vcpus), asked.speed * min(1.0, vcpus), asked.bandwidth, asked.latency)


def _lambda(model: Model, asked: Asked, prices: Prices, workers: int, memory: int) -> Choice:
    vcpus = min(MOST_VCPUS, memory / MB_PER_VCPU)
    predicted = model.predict(asked.operation, asked.rows / workers, asked.row_bytes, workers, _place(asked, vcpus))
    wall = predicted.seconds + asked.start
    parts = cost(
        prices, world_size=workers, memory=memory, billed_seconds=workers * wall, wall_seconds=wall,
        network=asked.network, bytes_out=round(predicted.bytes * workers),
    )  # fmt: skip
    return Choice("Lambda", workers, memory, vcpus, predicted, asked.start, parts)


def _tasks(model: Model, asked: Asked, prices: Prices, workers: int, kind: str, cpus: float, memory: int) -> Choice:
    predicted = model.predict(asked.operation, asked.rows / workers, asked.row_bytes, workers, _place(asked, cpus))
    wall = predicted.seconds + asked.start
    parts = task_cost(
        prices, launch_type=kind, tasks=[wall] * workers, cpus=cpus, memory=memory, wall_seconds=wall,
        instances=workers, public=asked.network == "public",
    )  # fmt: skip
    return Choice({"fargate": "Fargate", "ec2": "EC2"}[kind], workers, memory, cpus, predicted, asked.start, parts)


def choices(model: Model, asked: Asked, prices: Prices) -> list[Choice]:
    """All configurations: functions of each memory, Fargate's least task of each number of vCPUs that holds the rows,
    and one worker an EC2 instance."""
    found = []
    for workers in asked.workers:
        found += [_lambda(model, asked, prices, workers, memory) for memory in asked.memories]
        for cpus, (least, most, step) in FARGATE.items():
            one = _tasks(model, asked, prices, workers, "fargate", cpus, least)
            need = math.ceil(one.prediction.memory / MB)
            if need > least:
                memory = min(most, least + math.ceil((need - least) / step) * step)
                one = _tasks(model, asked, prices, workers, "fargate", cpus, memory)
            found.append(one)
        vcpus, whole = prices.values["ec2_instance_vcpus"], int(prices.values["ec2_instance_gb"] * 1024)
        found.append(_tasks(model, asked, prices, workers, "ec2", vcpus, whole))
    return found


def frontier(found: Iterable[Choice]) -> list[Choice]:
    """Of those that fit: the ones that no other beats in both time and price, the fastest first."""
    kept: list[Choice] = []
    for one in sorted((one for one in found if one.fits), key=lambda one: (one.seconds, one.price)):
        if not kept or one.price < kept[-1].price:
            kept.append(one)
    return kept


def best(
    found: Sequence[Choice], *, deadline: float | None = None, budget: float | None = None
) -> tuple[Choice | None, Choice | None]:
    """The cheapest that ends by the deadline, and the fastest within the budget; None where there is none."""
    fitting = [one for one in found if one.fits]
    by_then = [one for one in fitting if deadline is None or one.seconds <= deadline]
    within = [one for one in fitting if budget is None or one.price <= budget]
    cheapest = min(by_then, key=lambda one: (one.price, one.seconds), default=None)
    fastest = min(within, key=lambda one: (one.seconds, one.price), default=None)
    return cheapest, fastest


def _table(name: str, title: str, found: Iterable[Choice], currency: str, notes: list[str]) -> Table:
    table = Table(
        name, title,
        ["workers", "of", "memory", "vCPU", "seconds", "partition", "exchange", "compute", "rest", "start",
         currency, "needs"],
        notes=notes, labels=0,
    )  # fmt: skip
    for one in found:
        by = one.prediction
        table.add(
            f"{one.workers}", one.kind, f"{one.memory} MB", f"{one.vcpus:.2f}", f"{one.seconds:.3f}",
            f"{by.partition:.3f}", f"{by.exchange:.3f}", f"{by.compute:.3f}", f"{by.rest:.3f}", f"{one.start:.3f}",
            f"{one.price:.6f}", f"{by.memory / MB:.0f} MB",
        )  # fmt: skip
    return table


def phase_table(found: Iterable[Choice], prices: Prices) -> Table:
    """All that fit, by time and phase."""
    fitting = [one for one in found if one.fits]
    return _table("plan", "What fits", fitting, prices.currency,
                  [f"Prices of {prices.date} in {prices.region}."])  # fmt: skip


def frontier_table(found: Sequence[Choice], prices: Prices) -> Table:
    return _table("frontier", "Time against price: what nothing else beats in both", frontier(found),
                  prices.currency, [])  # fmt: skip


def draw(found: Sequence[Choice], prices: Prices, path: Path, load: Callable[[], Any]) -> None:
    """The frontier among all that fit, as the image that the file's name asks for."""
    plt = load()
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    for kind, colour in (("Lambda", "#0072b2"), ("Fargate", "#d55e00"), ("EC2", "#009e73")):
        mine = [one for one in found if one.fits and one.kind == kind]
        axis.plot([one.price for one in mine], [one.seconds for one in mine], ".", color=colour, label=kind)
    edge = frontier(found)
    axis.plot(
        [one.price for one in edge], [one.seconds for one in edge], "-", color="#444444", linewidth=1, label="frontier"
    )
    for one in edge:
        axis.annotate(f"{one.workers}", (one.price, one.seconds), textcoords="offset points", xytext=(3, 3), fontsize=7)
    axis.set_xlabel(f"price of a run, {prices.currency} of {prices.date}")
    axis.set_ylabel("seconds")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.grid(True, color="#dddddd", linewidth=0.6)
    axis.legend(fontsize=8)
    figure.savefig(path, bbox_inches="tight", dpi=150)
    plt.close(figure)
