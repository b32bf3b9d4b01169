"""Predicts the time of an operation by phase, and the memory that a rank needs, from what `calibrate` has measured.

The form is that of Perera et al.'s cost model of bulk-synchronous dataframes ("In-depth analysis on parallel processing
patterns for high-performance dataframes"): an operator is local work and communication one after the other, and
communication is Hockney's: (P-1) messages of a fixed cost, and bytes at a rate. With n rows a rank:

    T(P, n) = crowd (partition(n) + compute(n) + rest(n)) + max(crowd handling bytes, bytes / bandwidth) + overhead(P)
    bytes   = n row_bytes sides (P-1)/P

`crowd` is ranks by cores where ranks share a host, else 1. The functions of n are interpolated between measured sizes.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.scaling.summary import Series

__all__ = ["SMALL", "Model", "Place", "Prediction", "errors", "median_error"]

#: Rows of what is so small that only its fixed costs count, in a calibration.
SMALL = 1000
#: Small collectives in one operator: agreements on schema and errors, samples, counts.
COLLECTIVES = 6


@dataclass(frozen=True)
class Place:
    """Where ranks run. `cores`: of the one host that all share; None: each has its own. `threads` of a rank; `speed` of
    a core against the calibrated one. `bandwidth` of a rank in bytes a second (None: as calibrated, on one host);
    `latency` of a message in seconds."""

    cores: int | None = None
    threads: float = 1.0
    speed: float = 1.0
    bandwidth: float | None = None
    latency: float | None = None


@dataclass(frozen=True)
class Prediction:
    """Seconds by phase; and bytes that a rank sends and memory that it needs."""

    partition: float
    exchange: float
    compute: float
    rest: float
    bytes: float
    memory: float

    @property
    def seconds(self) -> float:
        return self.partition + self.exchange + self.compute + self.rest


def _a_row(points: Sequence[dict[str, float]], key: str, rows: float) -> float:
    """Seconds (or what `key` is) a row, linear in the logarithm of rows between measured sizes; beyond the largest as
    its last stretch goes, as sorts do, below the smallest as at it."""
    sizes = [point["rows"] for point in points]
    values = [point[key] / point["rows"] for point in points]
    if rows <= sizes[0] or len(points) == 1:
        return values[0]
    at = next((i for i in range(1, len(sizes)) if rows <= sizes[i]), len(sizes) - 1)
    slope = (values[at] - values[at - 1]) / math.log(sizes[at] / sizes[at - 1])
    found = values[at] + slope * math.log(rows / sizes[at])
    return max(found, values[at]) if rows > sizes[-1] else found


class Model:
    """The measured constants of one host."""

    def __init__(self, constants: dict[str, Any]) -> None:
        self._constants = constants

    @classmethod
    def load(cls, path: Path) -> Model:
        """From the file of `calibrate`; ValueError where it is not one."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if not value["operations"]:
                raise ValueError("no operation was measured")
            return cls(value)
        except FileNotFoundError:
            raise ValueError(f"there is no {path}: `weft bench calibrate --out {path}` measures this host") from None
        except (ValueError, KeyError, TypeError) as problem:
            raise ValueError(f"{path} is no file of `weft bench calibrate`: {problem}") from None

    @property
    def operations(self) -> list[str]:
        return list(self._constants["operations"])

    @property
    def about(self) -> str:
        """One line for people."""
        host = self._constants["machine"]
        where, how = host["cpu"] or host["platform"], self._constants["backend"]
        return f"measured on {self._constants['date']} on {where}, over {how}"

    def _of(self, operation: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self._constants["operations"].get(operation)
        if found is None:
            raise ValueError(f"operation {operation!r} was not calibrated; there are {', '.join(self.operations)}")
        return found

    def saw(self, operation: str, rows: float, world: int) -> bool:
        """Whether the model was fitted to just this."""
        measured = self._of(operation)
        if str(world) in measured["small"] and rows in {point["rows"] for point in measured["together"]} | {SMALL}:
            return True
        return world == 1 and rows in {point["rows"] for point in measured["alone"]}

    @staticmethod
    def _width(wide: dict[str, float], points: Sequence[dict[str, float]], key: str, row_bytes: float) -> float:
        """What rows of another width take, against those of the narrow ones that were measured; linear."""
        narrow = next(point for point in points if point["rows"] == wide["rows"])
        if narrow[key] <= 0:
            return 1.0
        slope = (wide[key] / narrow[key] - 1) / (wide["row_bytes"] - narrow["row_bytes"])
        return max(0.1, 1 + slope * (row_bytes - narrow["row_bytes"]))

    def _parallel(self, measured: dict[str, Any]) -> float:
        """The share of local work that threads divide (Amdahl)."""
        many, one = measured["threads"], measured["alone"][-1]
        cores = self._constants["cores"]
        if many is None or cores < 2:
            return 0.0
        return float(min(1.0, max(0.0, (1 - many["seconds"] / one["seconds"]) / (1 - 1 / cores))))

    def _overhead(self, measured: dict[str, Any], world: int, place: Place) -> float:
        """What more ranks than were measured together cost, whatever the rows."""
        together = self._constants["together"]
        if world <= together:
            return 0.0
        if place.cores is not None and world > place.cores:
            # Ranks that take turns: measured, with twice as many ranks as cores.
            few, many = measured["small"][str(together)], measured["small"][str(2 * together)]
            return float(max(0.0, many - few) / together * (world - together))
        latency = self._constants["links"]["latency"] if place.latency is None else place.latency
        messages = (world - together) + COLLECTIVES * (math.log2(world) - math.log2(together))
        return float(latency * messages)

    def predict(self, operation: str, rows: float, row_bytes: float, world: int, place: Place) -> Prediction:
        """One operation on `world` ranks with `rows` rows each, of each side."""
        measured = self._of(operation)
        name = "alone" if world == 1 else "together"
        points, wide = measured[name], measured["wide"][name]

        def local(key: str) -> float:
            whole = _a_row(points, key, rows) * rows * self._width(wide, points, key, row_bytes)
            crowd = 1.0 if place.cores is None else max(1.0, world / place.cores)
            parallel = self._parallel(measured)
            shared = (1 - parallel) + parallel / max(1.0, place.threads)
            return whole * crowd * shared / place.speed

        memory = self._memory(measured, rows, row_bytes)
        if world == 1:
            return Prediction(0.0, 0.0, local("compute") + local("partition"), local("rest"), 0.0, memory)
        together = self._constants["together"]
        share = ((world - 1) / world) / ((together - 1) / together)
        sent = _a_row(points, "bytes", rows) * rows * share * self._width(wide, points, "bytes", row_bytes)
        handling = local("exchange") * share
        network = 0.0 if place.bandwidth is None else sent / place.bandwidth
        first = 0.0 if place.latency is None else place.latency * COLLECTIVES * math.log2(world)
        exchange = max(handling, network) + self._overhead(measured, world, place) + first
        return Prediction(local("partition"), exchange, local("compute"), local("rest"), sent, memory)

    @staticmethod
    def _memory(measured: dict[str, Any], rows: float, row_bytes: float) -> float:
        """Bytes that a rank needs at most: of the process, and in proportion to its rows' bytes."""
        small, large = measured["together"][0], measured["together"][-1]
        if large["rows"] == small["rows"]:
            return float(large["peak_rss"])
        slope = (large["peak_rss"] - small["peak_rss"]) / ((large["rows"] - small["rows"]) * large["row_bytes"])
        return float(small["peak_rss"] + max(0.0, slope) * (rows * row_bytes - small["rows"] * small["row_bytes"]))


def errors(model: Model, series: Iterable[Series], cores: int) -> list[tuple[Series, int, float, float]]:
    """Of runs on this host that the model was not fitted to (another world, or other rows): series, world, measured and
    predicted seconds."""
    found = []
    for one in series:
        operation = one.operation if one.algorithm == "default" else f"{one.operation} {one.algorithm}"
        if operation not in model.operations:
            continue
        for world, point in one.points.items():
            rows = point.rows / world
            if model.saw(operation, rows, world):
                continue
            predicted = model.predict(operation, rows, point.row_bytes, world, Place(cores=cores))
            found.append((one, world, point.mean, predicted.seconds))
    return found


def median_error(found: Sequence[tuple[Series, int, float, float]]) -> float:
    """Of |predicted - measured| / measured."""
    return statistics.median(abs(predicted - measured) / measured for _, _, measured, predicted in found)
