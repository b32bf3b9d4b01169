"""The table of a run: a row a work."""

from __future__ import annotations

import math
import statistics

from figures import Row


def _is_ours(name: str) -> bool:
    return name.startswith("weft")


def ratio(row: Row, ours: str) -> float:
    """The fastest peer's median, or the limit where the aim is beside that, to ours; NaN where there is none."""
    medians = {name: statistics.median(seconds) for name, seconds in row.seconds.items()}
    peers = [seconds for name, seconds in medians.items() if not _is_ours(name)]
    if ours not in medians:
        return math.nan
    if row.beside_limit and row.limit is not None:
        return row.limit / medians[ours]
    return min(peers) / medians[ours] if peers else math.nan


def _cell(value: float | None, width: int, digits: int = 3) -> str:
    return f"{'-':>{width}}" if value is None or math.isnan(value) else f"{value:>{width}.{digits}f}"


def _aim(row: Row, name: str) -> float | None:
    return row.aim if name == "weft" else row.aim_ranks if "ranks" in name else None


def _told(row: Row, name: str, width: int) -> str:
    """A ratio, with the aim behind it and a mark where it is missed."""
    found, aim = ratio(row, name), _aim(row, name)
    if math.isnan(found):
        return f"{'-':>{width}}"
    text = f"{found:.2f}" + ("" if aim is None else f" of {aim:g}{'' if found >= aim else ' !'}")
    return f"{text:>{width}}"


def _mean(values: list[float]) -> float:
    kept = [value for value in values if not math.isnan(value)]
    return statistics.geometric_mean(kept) if kept else math.nan


def print_table(rows: list[Row]) -> None:
    """Medians in seconds; how many times the fastest peer's speed Weft has ("!": less than the aim); the limit, the
    bytes behind it, and how many times the limit Weft takes."""
    if not rows:
        return
    engines = list(dict.fromkeys(name for row in rows for name in row.seconds))
    engines.sort(key=lambda name: not _is_ours(name))
    ours = [name for name in engines if _is_ours(name)]
    first = max(len(row.name) for row in rows)
    widths = [max(8, len(name)) for name in engines]
    ratio_widths = [max(12, len(name) + 2) for name in ours]
    header = "  ".join(f"{name:>{width}}" for name, width in zip(engines, widths, strict=True))
    ratios = "  ".join(f"{'x ' + name:>{width}}" for name, width in zip(ours, ratio_widths, strict=True))
    print(f"{'work':<{first}}  {header}  {ratios}  {'limit':>8}  {'MB':>7}  {'of it':>6}")
    for row in rows:
        medians = {name: statistics.median(seconds) for name, seconds in row.seconds.items()}
        cells = "  ".join(_cell(medians.get(name), width) for name, width in zip(engines, widths, strict=True))
        told = "  ".join(_told(row, name, width) for name, width in zip(ours, ratio_widths, strict=True))
        best = min((medians[name] for name in ours if name in medians), default=math.nan)
        times = best / row.limit if row.limit else math.nan
        moved = None if row.moved is None else row.moved / 1e6
        print(
            f"{row.name:<{first}}  {cells}  {told}  {_cell(row.limit, 8)}  {_cell(moved, 7, 0)}  {_cell(times, 6, 1)}"
        )
        for note in row.notes:
            print(f"{'':<{first}}  ({note})")
    for name in ours:
        beside_peers = [ratio(row, name) for row in rows if not row.beside_limit]
        mean = _mean(beside_peers)
        if not math.isnan(mean):
            print(f"{name}: {mean:.2f} times the fastest peer's speed, the geometric mean of all rows with a peer")
        queries = _mean([ratio(row, name) for row in rows if row.name.startswith("tpch")])
        if not math.isnan(queries):
            print(f"{name}: {queries:.2f}, that of TPC-H's queries alone")
