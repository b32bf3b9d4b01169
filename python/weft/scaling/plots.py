"""The plots of a report, by matplotlib, as SVG and PNG."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from weft.scaling.findings import experiments
from weft.scaling.phases import GROUPS
from weft.scaling.summary import Series
from weft.scaling.tables import DAGGER

__all__ = ["COLOURS", "draw", "load", "save"]

#: Of series, and of phases; distinct also for who cannot tell red from green.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5e3c99", "#444444")
_PHASE_COLOURS = dict(zip(GROUPS, ("#e69f00", "#d55e00", "#0072b2", "#bbbbbb"), strict=True))
_MARKERS = "os^DvPX*"
_PAPER = "#999999"


def load() -> Any:
    """matplotlib, drawing to files; ImportError with the way out where it is not there."""
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ImportError:
        raise ImportError(
            "plots need matplotlib: pip install matplotlib, or say --no-plots for the tables alone"
        ) from None
    matplotlib.use("Agg")
    # The same input makes the same file.
    matplotlib.rcParams["svg.hashsalt"] = "weft"
    matplotlib.rcParams["font.size"] = 9
    return importlib.import_module("matplotlib.pyplot")


def save(plt: Any, figure: Any, folder: Path, name: str) -> str:
    """As SVG and PNG; returns the name."""
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    figure.savefig(folder / f"{name}.png", dpi=150, bbox_inches="tight")
    plt.close(figure)
    return name


def _axis(plt: Any, title: str, y: str) -> tuple[Any, Any]:
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    axis.set_title(title)
    axis.set_xlabel("ranks")
    axis.set_ylabel(y)
    axis.grid(True, color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    return figure, axis


def _ranks(axis: Any, worlds: Sequence[int]) -> None:
    """Ranks double from tick to tick."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(worlds, [str(world) for world in worlds])
    axis.minorticks_off()


def _line(axis: Any, one: Series, number: int, value: Callable[[int], tuple[float, float] | None], band: bool) -> None:
    """One series; points of ranks that share cores are hollow and have a dagger."""
    colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
    known = [(world, found) for world in one.points if (found := value(world)) is not None]
    if not known:
        return
    x, y = [world for world, _ in known], [found[0] for _, found in known]
    errors = [found[1] for _, found in known]
    axis.plot(x, y, color=colour, linewidth=1.4, label=one.infrastructure, zorder=3)
    if band:
        low = [middle - error for middle, error in zip(y, errors, strict=True)]
        high = [middle + error for middle, error in zip(y, errors, strict=True)]
        axis.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    else:
        axis.errorbar(x, y, yerr=errors, fmt="none", ecolor=colour, capsize=3, zorder=3)
    for world, middle in zip(x, y, strict=True):
        shared = one.points[world].oversubscribed
        axis.plot([world], [middle], marker, color=colour, markerfacecolor="white" if shared else colour, zorder=4)
        if shared:
            axis.annotate(DAGGER, (world, middle), textcoords="offset points", xytext=(5, 4), color=colour)


def _explain(figure: Any, series: Sequence[Series]) -> None:
    if any(point.oversubscribed for one in series for point in one.points.values()):
        text = f"{DAGGER} hollow: more threads of ranks than cores of their host"
        figure.text(0.5, 0.95, text, ha="center", va="bottom", fontsize=7)


def _worlds(series: Sequence[Series]) -> list[int]:
    return sorted({world for one in series for world in one.points})


def _time(plt: Any, what: str, series: Sequence[Series], published: dict[str, Any]) -> Any:
    figure, axis = _axis(plt, f"{what}: time", "seconds")
    worlds = _worlds(series)
    if series[0].operation == published["operation"]:
        theirs = [one for one in published["series"] if one["scaling"] == series[0].scaling]
        for number, other in enumerate(theirs):
            points = sorted((int(world), seconds) for world, seconds in other["seconds"].items())
            worlds = sorted({*worlds, *(world for world, _ in points)})
            style = ("-", "--", ":", "-.", (0, (1, 3)), (0, (5, 4)))[number % 6]
            label = f"paper: {other['infrastructure']}, {other['rows'] / 1e6:g} M rows"
            axis.plot(*zip(*points, strict=True), color=_PAPER, linewidth=0.9, linestyle=style, label=label)
    for number, one in enumerate(series):
        points_of = one.points
        _line(axis, one, number, lambda world, p=points_of: (p[world].mean, p[world].deviation), band=False)  # type: ignore[misc]
    _ranks(axis, worlds)
    axis.set_yscale("log")
    axis.legend(fontsize=7)
    _explain(figure, series)
    return figure


def _speedup(plt: Any, what: str, series: Sequence[Series]) -> Any:
    weak = series[0].scaling == "weak"
    name = "efficiency" if weak else "speed-up"
    figure, axis = _axis(plt, f"{what}: {name}", "T1 / Tp")
    worlds = _worlds(series)
    axis.plot(
        worlds, [1.0 if weak else float(world) for world in worlds], "--", color="#000000", linewidth=1, label="ideal"
    )

    for number, one in enumerate(series):

        def value(world: int, one: Series = one) -> tuple[float, float] | None:
            found = one.speedup(world)
            return None if found is None else (found.value, found.deviation)

        _line(axis, one, number, value, band=True)
    _ranks(axis, worlds)
    if not weak:
        axis.set_yscale("log", base=2)
    axis.legend(fontsize=7)
    _explain(figure, series)
    return figure


def _phases(plt: Any, what: str, series: Sequence[Series]) -> Any:
    figure, axis = _axis(plt, f"{what}: phases", "seconds, mean of ranks")
    axis.set_xlabel("")
    bars = [(one, world, point) for one in series for world, point in one.points.items()]
    names = [f"{one.infrastructure}\n{world}{DAGGER if point.oversubscribed else ''}" for one, world, point in bars]
    figure.set_size_inches(max(6.4, 0.55 * len(bars) + 1.5), 4.2)
    bottom = [0.0] * len(bars)
    for group in GROUPS:
        heights = [point.phases[group] for _, _, point in bars]
        axis.bar(range(len(bars)), heights, bottom=bottom, color=_PHASE_COLOURS[group], label=group, width=0.75)
        bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    axis.set_xticks(range(len(bars)), names, rotation=60, ha="right", fontsize=7)
    axis.legend(fontsize=7)
    _explain(figure, series)
    return figure


def _share(plt: Any, what: str, series: Sequence[Series]) -> Any:
    figure, axis = _axis(plt, f"{what}: share of communication", "exchange / time")
    for number, one in enumerate(series):
        points_of = one.points
        _line(axis, one, number, lambda world, p=points_of: (p[world].communication, 0.0), band=False)  # type: ignore[misc]
    _ranks(axis, _worlds(series))
    axis.set_ylim(0, 1)
    axis.legend(fontsize=7)
    _explain(figure, series)
    return figure


def draw(series: Sequence[Series], published: dict[str, Any], folder: Path) -> dict[str, list[str]]:
    """Draws all into `folder`; the names of the plots by experiment."""
    plt = load()
    made: dict[str, list[str]] = {}
    for number, (what, group) in enumerate(experiments(series).items(), 1):
        figures = {
            "time": _time(plt, what, group, published),
            "speedup": _speedup(plt, what, group),
            "phases": _phases(plt, what, group),
            "communication": _share(plt, what, group),
        }
        made[what] = [save(plt, figure, folder, f"{number}-{name}") for name, figure in figures.items()]
    return made
