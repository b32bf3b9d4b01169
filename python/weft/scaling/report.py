"""``weft bench report``: what a study's folder holds as tables, plots and one page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from weft.scaling import findings, plots
from weft.scaling.micro_findings import MICRO, micro_tables
from weft.scaling.page import page
from weft.scaling.study import StudyFolder
from weft.scaling.summary import Series, paper, summarize
from weft.scaling.tables import Table

__all__ = ["report"]


def _intro(records: list[dict[str, Any]], series: list[Series]) -> list[str]:
    hosts = {
        f"{one['machine']['cores']} cores of {one['machine']['cpu'] or 'an unnamed processor'}, "
        f"{one['machine']['memory'] / 2**30:.0f} GiB, {one['machine']['platform']}"
        for one in records
    }
    built = {", ".join(f"{name} {version}" for name, version in one["versions"].items()) for one in records}
    measured = sum(not one["warmup"] and one["rank"] == 0 for one in records)
    return [
        f"{len(series)} series, {measured} iterations measured; no outlier was left out. Threads a rank: "
        f"{', '.join(map(str, sorted({one['threads'] for one in records})))}.",
        f"Hosts: {'; '.join(sorted(hosts))}.",
        f"Versions: {'; '.join(sorted(built))}.",
    ]


def _micro(folder: Path) -> list[Table]:
    found: list[Table] = []
    for name in MICRO:
        file = folder / f"{name}.json"
        if file.exists():
            found += micro_tables(name, json.loads(file.read_text(encoding="utf-8")))
    return found


def _write(folder: Path, tables: Iterable[Table], title: str, intro: list[str]) -> None:
    tables = list(tables)
    text = "\n".join([f"# {title}", "", *(f"{line}\n" for line in intro), *(table.markdown() for table in tables)])
    (folder / "tables.md").write_text(text, encoding="utf-8")
    (folder / "tables.tex").write_text("\n".join(table.latex() for table in tables), encoding="utf-8")
    for table in tables:
        (folder / f"{table.name}.csv").write_text(table.csv(), encoding="utf-8")


def report(study: Path, out: Path | None = None, *, with_plots: bool = True) -> Path:
    """Writes tables (Markdown, CSV, LaTeX), plots (SVG, PNG) and ``index.html`` into `out` (``STUDY/report``), and
    returns that. ValueError where there is nothing to tell of, ImportError where plots are wanted and cannot be made.
    """
    records = StudyFolder(study).records()
    micro = _micro(study)
    if not records and not micro:
        raise ValueError(f"{study} has no cells and no {', '.join(f'{name}.json' for name in MICRO)}")
    if with_plots:
        plots.load()
    folder = out or study / "report"
    folder.mkdir(parents=True, exist_ok=True)
    series = summarize(records)
    published = paper()
    tables = [*(findings.all_tables(series, published) if series else []), *micro]
    title = "Scaling study"
    intro = _intro(records, series) if records else []
    drawn = plots.draw(series, published, folder) if with_plots else {}
    _write(folder, tables, title, intro)
    (folder / "index.html").write_text(page(title, intro, tables, drawn, folder), encoding="utf-8")
    return folder
