"""``weft bench scaling``: runs the cells of a study that are not done yet."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from weft.scaling.launching import CellFailed, Launching, local_stack, why_not
from weft.scaling.study import Cell, Study, StudyFolder

__all__ = ["Bar", "left_out", "run"]

#: Characters of the bar.
WIDTH = 30


@dataclass
class Bar:
    """How far a study is: one line that changes on a terminal, a line a cell elsewhere."""

    total: int
    out: IO[str]
    done: int = 0

    def __post_init__(self) -> None:
        self._begin, self._first, self._moving = time.monotonic(), self.done, self.out.isatty()

    def _left(self) -> str:
        if self.done == self._first:
            return ""
        seconds = (time.monotonic() - self._begin) / (self.done - self._first) * (self.total - self.done)
        return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"

    def at(self, text: str) -> None:
        """What is being done now; on a terminal alone."""
        if self._moving:
            full = WIDTH * self.done // max(1, self.total)
            line = f"[{'#' * full}{'.' * (WIDTH - full)}] {self.done}/{self.total}{self._left()}  {text}"
            print(f"\r\033[K{line[:119]}", end="", file=self.out, flush=True)

    def step(self, text: str) -> None:
        """One more cell has ended."""
        self.done += 1
        self.say(f"{self.done}/{self.total} {text}{self._left()}")

    def say(self, text: str) -> None:
        print(f"\r\033[K{text}" if self._moving else text, file=self.out, flush=True)


def left_out(study: Study) -> tuple[list[Cell], list[str]]:
    """The cells that can be run from here, and why the others cannot."""
    reasons = {
        (launcher, backend): why_not(launcher, backend) for launcher in study.launchers for backend in study.backends
    }
    cells = [cell for cell in study.cells() if reasons[cell.launcher, cell.backend] is None]
    return cells, [
        f"{launcher} with {backend}: {why}" for (launcher, backend), why in reasons.items() if why is not None
    ]


def _run_cell(cell: Cell, launching: Launching, folder: StudyFolder, bar: Bar) -> bool:
    failed = folder.path / "failed" / f"{cell.name}.txt"
    begin = time.monotonic()
    bar.at(cell.name)
    launching.said = lambda line: bar.at(f"{cell.name} {line}") if line.startswith("iteration ") else None
    try:
        lines = launching.run(cell)
    except (CellFailed, ValueError, OSError, RuntimeError) as problem:
        failed.parent.mkdir(exist_ok=True)
        failed.write_text(f"{type(problem).__name__}: {problem}\n", encoding="utf-8")
        bar.step(f"{cell.name}: failed, see {failed}: {str(problem).partition(chr(10))[0]}")
        return False
    folder.write(cell, lines)
    failed.unlink(missing_ok=True)
    timed = [line["seconds"] for line in lines if not line["warmup"]]
    bar.step(f"{cell.name}: {sum(timed) / len(timed):.3f} s an iteration, {time.monotonic() - begin:.0f} s in all")
    return True


def run(study: Study, out: Path, *, options: dict[str, Any], stack: bool = False, stream: IO[str] = sys.stdout) -> int:
    """Runs what is not done, and returns 0, or 1 where a cell failed; what failed is tried again by the next call."""
    cells, without = left_out(study)
    for text in without:
        print(f"left out: {text}", file=stream, flush=True)
    if not cells:
        raise ValueError("nothing of this study can be run from here: " + "; ".join(without))
    folder = StudyFolder(out)
    with folder.owned():
        folder.agree(study)
        todo = [cell for cell in cells if not folder.done(cell)]
        bar = Bar(len(cells), stream, len(cells) - len(todo))
        bar.say(f"{len(cells)} cells in {out}, {len(cells) - len(todo)} done before")
        with contextlib.ExitStack() as open_things:
            asked = {cell.launcher for cell in todo}
            if stack and asked & {"lambda", "ecs"}:
                open_things.enter_context(local_stack("ecs" in asked))
            good = _run_all(todo, Launching(study.settings, options), folder, bar)
    bar.say(f"`weft bench report {out}` makes tables, plots and a page of it")
    return 0 if good else 1


def _run_all(cells: Sequence[Cell], launching: Launching, folder: StudyFolder, bar: Bar) -> bool:
    return all([_run_cell(cell, launching, folder, bar) for cell in cells])
