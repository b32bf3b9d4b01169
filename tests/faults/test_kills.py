"""``kill -9`` of one rank in every phase, on every backend: see kills.py."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest
from kills import (
    BACKENDS,
    BUILD,
    HEAD,
    PHASES,
    RANKS,
    WORLDS,
    Cell,
    Matrix,
    Mother,
    Run,
    cells_of,
    rows,
    show,
    whole_plan,
)

SOAK = bool(os.environ.get("WEFT_SOAK"))

pytestmark = pytest.mark.skipif(not RANKS.exists(), reason=f"{RANKS} is not built")


def built() -> list[str]:
    """The backends that can be tried here."""
    found = [name for name in BACKENDS if name == "tcp" or (BUILD / "src" / "weft" / f"libweft_{name}.so").exists()]
    return [name for name in found if name != "mpi" or shutil.which("mpirun")]


def sample(backends: list[str]) -> list[tuple[Cell, int]]:
    """Each phase on each backend once, in worlds of 2 and 4 by turns, and each backend once in a world of 16."""
    small = [
        (Cell(phase, backend, (2, 4)[(i + j) % 2]), i + j)
        for i, phase in enumerate(PHASES)
        for j, backend in enumerate(backends)
    ]
    return small + [(Cell(PHASES[(3 * j) % len(PHASES)], backend, 16), j) for j, backend in enumerate(backends)]


def test_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = cells_of(PHASES, built(), WORLDS)
    plan = whole_plan(cells, 1000, seed=1) if SOAK else sample(built())
    matrix = Matrix(tmp_path, seed=1)
    matrix.run_all(plan, jobs=2, verbose=False)
    table = [HEAD, *rows(matrix.runs, cells)]
    assert len(matrix.runs) == len(plan)
    if SOAK:
        with capsys.disabled():
            print("", show(table), show([HEAD, *rows(matrix.runs, [Cell("all", "all", 0)])]), sep="\n\n")
        with (BUILD / "kills.csv").open("w", newline="") as file:
            csv.writer(file).writerows(table)
    told = [f"{run.cell}, rank {run.victim}, place {run.number}: {'; '.join(run.troubles)}" for run in matrix.bad]
    assert not told, "\n".join([*told, show(table)])


def test_a_fault_that_is_not_seen_would_be(tmp_path: Path) -> None:
    """The judge itself: a rank that outlives the kill, an output with a row too few and a file left behind are found."""
    matrix = Matrix(tmp_path, seed=1)
    cell = Cell("write", "tcp", 2)
    with Mother() as mother:
        matrix.counts(mother, cell.backend, cell.ranks)
        folder, said = matrix.start(mother, "spoilt", cell, phase="none")
    output = folder / "results" / "out"
    assert matrix.tables.hold(output)
    next(output.glob("*.parquet")).unlink()
    assert not matrix.tables.hold(output)
    (folder / "results" / ".left").touch()
    # Rank 1 was killed long before rank 0 ended, if this is believed.
    (folder / "killed").write_text(str(said["ends"]["0"][1] - 6_000_000_000))
    run = Run(cell, 1, 1, folder)
    matrix.judge(run, said)
    assert run.output == "wrong" and run.slowest > 5
    for trouble in ("wrong output", "left behind: results/.left", "took 6", "was done, and the output is not there"):
        assert any(trouble in text for text in run.troubles), (trouble, run.troubles)
