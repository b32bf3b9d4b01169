"""The tables of a report."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from weft.scaling.phases import GROUPS
from weft.scaling.summary import Point, Ratio, Series
from weft.scaling.tables import DAGGER, Table

__all__ = ["all_tables", "experiments"]

#: Under each table with marked ranks.
SHARED = f"{DAGGER} more threads of ranks than cores of their host: what is measured is also the ranks' taking turns."


def _spread(mean: float, deviation: float, digits: int = 3) -> str:
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def _of(found: Ratio | None, digits: int = 2) -> str:
    return "" if found is None else _spread(found.value, found.deviation, digits)


def _world(point: Point) -> str:
    return f"{point.world_size}{DAGGER if point.oversubscribed else ''}"


def _noted(table: Table, points: Iterable[Point]) -> Table:
    if any(point.oversubscribed for point in points):
        table.notes.append(SHARED)
    return table


def _bytes(number: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.2f} {unit}"
    return f"{number:.0f} B"


def experiments(series: Sequence[Series]) -> dict[str, list[Series]]:
    """Series by experiment: what is compared with what."""
    found: dict[str, list[Series]] = {}
    for one in series:
        found.setdefault(one.what, []).append(one)
    return found


def _name(what: str) -> str:
    return "-".join(re.findall("[A-Za-z0-9]+", what))


def times(what: str, series: Sequence[Series]) -> Table:
    table = Table(
        f"times-{_name(what)}",
        f"Time, {what}",
        ["infrastructure", "ranks", "rows", "runs", "iterations", "seconds", "least", "most", "warm-up",
         "speed-up", "efficiency"],
        notes=["Seconds: mean and deviation of the sample, each iteration as long as its slowest rank; none is left "
               "out. Warm-up: iterations before those, not in the figures, mean. Speed-up: T1 / Tp, its error "
               "sqrt((dT1/T1)² + (dTp/Tp)²) of it."],
    )  # fmt: skip
    for one in series:
        for world, point in one.points.items():
            warm = f"{statistics.fmean(point.warmups):.3f}" if point.warmups else ""
            table.add(
                one.infrastructure, _world(point), f"{point.rows}", f"{point.runs}", f"{len(point.times)}",
                _spread(point.mean, point.deviation), f"{min(point.times):.3f}", f"{max(point.times):.3f}", warm,
                _of(one.speedup(world)), _of(one.efficiency(world)),
            )  # fmt: skip
    return _noted(table, _points(series))


def _points(series: Sequence[Series]) -> list[Point]:
    return [point for one in series for point in one.points.values()]


def work(what: str, series: Sequence[Series]) -> Table:
    table = Table(
        f"work-{_name(what)}",
        f"Work, {what}",
        ["infrastructure", "ranks", "CPU seconds", "against one rank", "bytes sent", "rows' bytes", "theory",
         "headers", "most memory of a rank"],
        notes=["Summed over ranks, of one iteration. Against one rank: CPU seconds by those of one rank for as many "
               "rows. Rows' bytes: of the rows that went to another rank, as they lie in memory; theory: rows x bytes "
               "of a row x (P-1)/P; headers: what was sent beyond the rows' bytes."],
    )  # fmt: skip
    for one in series:
        for world, point in one.points.items():
            found = one.work(world)
            known = point.row_bytes_sent > 0 and point.bytes_sent > 0 and one.operation != "groupby"
            table.add(
                one.infrastructure, _world(point), f"{point.cpu_seconds:.3f}", f"{found:.2f}" if found else "",
                _bytes(point.bytes_sent), _bytes(point.row_bytes_sent) if known else "",
                _bytes(point.expected_bytes) if known else "",
                f"{point.bytes_sent / point.row_bytes_sent - 1:.2%}" if known else "", _bytes(point.peak_rss),
            )  # fmt: skip
    return _noted(table, _points(series))


def phases(what: str, series: Sequence[Series]) -> Table:
    table = Table(
        f"phases-{_name(what)}",
        f"Phases, {what}",
        ["infrastructure", "ranks", *(f"{group}, s" for group in GROUPS), "communication"],
        notes=["The ranks' mean. Exchange: handing bytes over and waiting for others' (also for a core, where they "
               "share those); communication: its share."],
    )  # fmt: skip
    for one in series:
        for point in one.points.values():
            table.add(
                one.infrastructure, _world(point), *(f"{point.phases[group]:.3f}" for group in GROUPS),
                f"{point.communication:.0%}",
            )  # fmt: skip
    return _noted(table, _points(series))


def links(series: Sequence[Series]) -> Table:
    """Over all experiments: how long it takes until a world is linked."""
    table = Table(
        "links",
        "Set-up of links, by world and path",
        ["infrastructure", "ranks", "path", "links", "a link, median s", "a link, most s", "the world, median s",
         "the world, most s"],
        notes=["A link: from when its making began. The world: weft.init on the rank for which it took longest, of all "
               "runs; with the meeting of all ranks."],
    )  # fmt: skip
    places: dict[tuple[str, int], list[Point]] = {}
    for one in series:
        for world, point in one.points.items():
            places.setdefault((one.infrastructure, world), []).append(point)
    for (name, _), points in sorted(places.items()):
        opened = [seconds for point in points for seconds in point.open_seconds]
        for path, count in points[0].links.items():
            # A library that makes its links itself does not say how long that took.
            lengths = [seconds for point in points for seconds in point.link_seconds.get(path, ()) if seconds > 0]
            table.add(
                name, _world(points[0]), path, f"{count}",
                f"{statistics.median(lengths):.4f}" if lengths else "", f"{max(lengths):.4f}" if lengths else "",
                f"{statistics.median(opened):.4f}", f"{max(opened):.4f}",
            )  # fmt: skip
    return _noted(table, _points(series))


def costs(series: Sequence[Series]) -> Table | None:
    """What jobs that have a price cost; None where there was none."""
    table = Table(
        "costs",
        "Cost of a run",
        ["experiment", "infrastructure", "ranks", "a run"],
        notes=["Of a whole run with all its iterations, by the price list at the time of the run; on a local stack "
               "what it would have cost."],
        labels=2,
    )  # fmt: skip
    for one in series:
        for point in one.points.values():
            if point.cost is not None:
                table.add(one.what, one.infrastructure, _world(point), f"{point.cost:.6f} {point.currency}")
    return _noted(table, _points(series)) if table.rows else None


def beside_paper(what: str, series: Sequence[Series], published: dict[str, Any]) -> Table | None:
    """The paper's figures beside these, for the experiment that it has; None for others."""
    mine = series[0]
    theirs = [one for one in published["series"] if one["scaling"] == mine.scaling]
    if mine.operation != published["operation"] or not theirs:
        return None
    measured = {world for one in series for world in one.points}
    worlds = sorted(measured | {int(world) for one in theirs for world in one["seconds"]})
    table = Table(
        f"paper-{_name(what)}",
        f"Beside the paper, {what}",
        ["infrastructure", "rows", *(f"{world}" for world in worlds)],
        notes=[f"Seconds by ranks. Paper: {published['source']}."],
        labels=1,
    )
    rows = {
        point.rows // (world if one.scaling == "weak" else 1) for one in series for world, point in one.points.items()
    }
    if rows != {theirs[0]["rows"]}:
        table.notes.append(
            f"Other rows than the paper's {theirs[0]['rows']}{' a rank' if mine.scaling == 'weak' else ''}: compare "
            "how they go on, not how long they take."
        )
    for one in series:
        cells = [
            f"{one.points[world].mean:.3f}{DAGGER if one.points[world].oversubscribed else ''}"
            if world in one.points
            else ""
            for world in worlds
        ]
        first = next(iter(one.points.values()))
        table.add(one.infrastructure, f"{first.rows // (first.world_size if one.scaling == 'weak' else 1)}", *cells)
    for other in theirs:
        given = [other["seconds"].get(str(world)) for world in worlds]
        cells = ["" if seconds is None else f"{seconds:.2f}" for seconds in given]
        table.add(f"paper: {other['infrastructure']}", f"{other['rows']}", *cells)
    return _noted(table, _points(series))


def all_tables(series: Sequence[Series], published: dict[str, Any]) -> list[Table]:
    """Those of the study itself."""
    found: list[Table | None] = []
    for what, group in experiments(series).items():
        found += [times(what, group), beside_paper(what, group, published), work(what, group), phases(what, group)]
    found += [links(series), costs(series)]
    return [table for table in found if table is not None]
