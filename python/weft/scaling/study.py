"""A scaling study: which cells it has, where they lie, and which are done.

A cell is one run of one operation on one world: its file ``cells/NAME.jsonl`` appears whole, by a rename, so that what
is there is done, and a study that was killed goes on at the cell that it was in.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["ALGORITHMS", "LAUNCHERS", "OPERATIONS", "SCALINGS", "Cell", "Settings", "Study", "StudyFolder"]

OPERATIONS = ("join", "sort", "groupby", "shuffle")
SCALINGS = ("weak", "strong")
LAUNCHERS = ("local", "mpirun", "slurm", "lambda", "ecs")
#: Of the join; the other operations have one, named "default".
ALGORITHMS = ("sort", "hash", "auto")


@dataclass(frozen=True)
class Settings:
    """What must be the same in all cells of one operation and scaling of a study, for its figures to be comparable."""

    rows: int
    columns: int
    unique: float
    warmups: int
    iterations: int
    threads: int


@dataclass(frozen=True)
class Cell:
    """One run on one world."""

    operation: str
    algorithm: str
    scaling: str
    launcher: str
    backend: str
    world_size: int
    run: int

    @property
    def name(self) -> str:
        """Of its file, and for people."""
        what = self.operation if self.algorithm == "default" else f"{self.operation}-{self.algorithm}"
        return f"{what}-{self.scaling}-{self.launcher}-{self.backend}-{self.world_size:04d}-{self.run}"


@dataclass(frozen=True)
class Study:
    """What was asked for."""

    settings: Settings
    operations: Sequence[str]
    algorithms: Sequence[str]
    scalings: Sequence[str]
    launchers: Sequence[str]
    backends: Sequence[str]
    world_sizes: Sequence[int]
    runs: int

    def cells(self) -> list[Cell]:
        """All cells, small worlds first, so that an early end leaves what can be compared."""
        return [
            Cell(operation, algorithm, scaling, launcher, backend, world, run)
            for world in sorted(set(self.world_sizes))
            for run in range(self.runs)
            for operation in self.operations
            for algorithm in (self.algorithms if operation == "join" else ("default",))
            for scaling in self.scalings
            for launcher in self.launchers
            for backend in self.backends
        ]


class StudyFolder:
    """The folder of a study."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Makes it, and keeps others from writing there meanwhile."""
        (self.path / "cells").mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(f"--out {self.path}: another study is being run there: wait for its end") from None
            yield

    def agree(self, study: Study) -> None:
        """Notes the settings; ValueError where cells are there that had others."""
        file = self.path / "study.json"
        known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        mine = asdict(study.settings)
        for operation in study.operations:
            for scaling in study.scalings:
                there = known.setdefault(f"{operation} {scaling}", mine)
                for name, value in mine.items():
                    if there[name] != value:
                        raise ValueError(
                            f"--{name} {value:g}: the {scaling} {operation} in {self.path} was begun with "
                            f"{there[name]:g}: say the same, or give another --out"
                        )
        self.write_whole(file, json.dumps(known, indent=1) + "\n")

    def file(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.name}.jsonl"

    def done(self, cell: Cell) -> bool:
        return self.file(cell).exists()

    def write(self, cell: Cell, lines: Sequence[dict[str, Any]]) -> None:
        """A cell's records, whole or not at all."""
        self.write_whole(self.file(cell), "".join(json.dumps(line) + "\n" for line in lines))

    @staticmethod
    def write_whole(path: Path, text: str) -> None:
        new = path.with_name(f".{path.name}.new")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    def records(self) -> list[dict[str, Any]]:
        """All lines of all cells; ValueError where one cannot be read."""
        found = []
        for path in sorted((self.path / "cells").glob("*.jsonl")):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    found.append(json.loads(line))
                except ValueError as problem:
                    raise ValueError(f"{path}, line {number}: {problem}") from None
        return found
