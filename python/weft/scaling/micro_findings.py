"""The tables of the microbenchmarks, from their JSON files in a study's folder."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from weft.scaling.summary import paper, ratio
from weft.scaling.tables import DAGGER, Table

__all__ = ["MICRO", "micro_tables"]

_SHARED = f"{DAGGER} more ranks than cores of their host."


def _size(number: int) -> str:
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= scale:
            return f"{number / scale:g} {unit}"
    return f"{number} B"


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} µs"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.3f} s"


def _mark(one: dict[str, Any]) -> str:
    return f"{one['ranks']}{DAGGER if one['oversubscribed'] else ''}"


def _marked(table: Table, results: list[dict[str, Any]]) -> Table:
    if any(one["oversubscribed"] for one in results):
        table.notes.append(_SHARED)
    return table


def _exchange(value: dict[str, Any]) -> list[Table]:
    results, currency = value["results"], value["prices"]["currency"]
    quoted = paper()["storage"]
    table = Table(
        "exchange",
        "The same exchange directly and through a store",
        ["through", "what", "ranks", "time", "±", "MB/s", "requests", "price", "time against direct",
         "price against direct"],
        notes=[
            f"S3: {value['servers']['s3']}. Redis: {value['servers']['redis']}. A server on this host has no network "
            "before it: the real services' latency comes on top, and makes the ratios larger.",
            f"Time: mean of {len(results[0]['seconds']) if results else 0} of the slowest rank, and deviation. MB/s: "
            "all bytes between ranks. Price: ranks as functions of "
            f"{value['memory']} MB for that time, with requests or the share of the server's hour, in {currency} "
            f"(prices of {value['prices']['date']}, {value['prices']['region']}). Requests also count looks for an "
            "object that is not there yet.",
            f"Quoted: {quoted['faster'][0]} to {quoted['faster'][1]} times faster and {quoted['cheaper']} times "
            f"cheaper ({quoted['source']}). DynamoDB was not measured here.",
        ],
        labels=2,
    )  # fmt: skip
    direct = {(one["kind"], one["bytes"], one["ranks"]): one for one in results if one["medium"] == "direct"}
    for one in results:
        mean, spread = _mean(one)
        what = f"{_size(one['size'])} a pair" if one["kind"] == "blocks" else f"shuffle, {one['rows']} rows a rank"
        base = direct.get((one["kind"], one["bytes"], one["ranks"]))
        faster = cheaper = ""
        if base is not None and base is not one:
            against = ratio(mean, spread, *_mean(base))
            faster = f"{against.value:.1f} ± {against.deviation:.1f}"
            cheaper = f"{sum(one['cost'].values()) / sum(base['cost'].values()):.1f}"
        table.add(
            one["medium"], what, _mark(one), _time(mean), f"{spread / mean:.0%}", f"{one['bytes'] / mean / 1e6:.1f}",
            f"{one['requests']['put'] + one['requests']['get']:.0f}", f"{sum(one['cost'].values()):.3g}", faster,
            cheaper,
        )  # fmt: skip
    return [_marked(table, results)]


def _mean(one: dict[str, Any]) -> tuple[float, float]:
    times = one["seconds"]
    return statistics.fmean(times), statistics.stdev(times) if len(times) > 1 else 0.0


def _collectives(value: dict[str, Any]) -> list[Table]:
    results = value["results"]
    table = Table(
        "collectives",
        "Collectives, by world and size",
        ["collective", "contender", "ranks", "bytes", "median", "±"],
        notes=["Median of repetitions of the slowest rank, and median absolute deviation (`weft bench collectives`)."],
        labels=2,
    )
    for one in results:
        table.add(
            one["collective"], one["contender"], _mark(one), _size(one["bytes"]) if one["bytes"] else "",
            _time(one["seconds"]), f"{one['deviation'] / one['seconds']:.0%}",
        )  # fmt: skip
    return [_marked(table, results)]


def _memory(value: dict[str, Any]) -> list[Table]:
    table = Table(
        "memory",
        "Rows that fit into a rank's memory",
        ["algorithm", "memory", "ranks", "rows a rank", "too many", "most memory", "bytes a row"],
        notes=[f"The join of two sides of so many rows each; memory bounded by: {value['bounded_by']}. Rows: the most "
               "that fitted, and the least that did not. The paper stopped at 4.5 million rows in all because of its "
               "functions' memory.", *(f"Left out: {text}." for text in value["left_out"])],
    )  # fmt: skip
    for one in value["results"]:
        table.add(
            one["algorithm"], f"{one['bound'] / 1e9:g} GB", f"{one['ranks']}", f"{one['rows']}", f"{one['too_many']}",
            f"{one['peak_rss'] / 1e9:.2f} GB", f"{one['bound'] / one['rows']:.0f}",
        )  # fmt: skip
    return [table]


#: Names of files, without ".json", and what makes tables of them.
MICRO: dict[str, Callable[[dict[str, Any]], list[Table]]] = {
    "exchange": _exchange,
    "collectives": _collectives,
    "memory": _memory,
}


def micro_tables(name: str, value: dict[str, Any]) -> list[Table]:
    """The tables of the file of this name."""
    return MICRO[name](value)
