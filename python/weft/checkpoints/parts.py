"""Operators that are done part by part inside a stage: the ranks may hand over between two parts, and a later attempt
has the parts that were finished.

Finished parts are saved when the ranks hand over, and before that only where there are more of them than could be
written in the time that is left then, or where a minute has passed: an operator that is not disturbed for so long costs
no write. Each save is a checkpoint of its own, ``operator-STAGE.ORDINAL.BATCH``, with rows of parts that follow each
other as one frame; so nothing is written twice, and a damaged one costs its own parts alone. When the stage's own
checkpoint is valid they are removed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weft import _core

if TYPE_CHECKING:
    from weft.checkpoints.keeper import Keeper

__all__ = ["BOUNDARY_BYTES", "KIND", "Operator", "Parts"]

#: What such a checkpoint is, beside "stage" and "checkpoint".
KIND = "operator"
#: Bytes of an operator's inputs on a rank, by default, after which there is a boundary.
BOUNDARY_BYTES = 256 << 20
#: An operator has at most so many parts.
MOST_PARTS = 256
#: Finished parts are saved at the latest when a rank has so many bytes of them, or this part of its memory limit, or
#: when the last save is so many seconds ago.
UNSAVED_BYTES, UNSAVED_SHARE, UNSAVED_SECONDS = 512 << 20, 1 / 8, 60.0


@dataclass
class _Stage:
    """One that is open, and is run."""

    name: str
    todo: bool
    #: Operators that were begun, those that were done in parts, and the checkpoints that have their parts.
    begun: int = 0
    operators: list[Operator] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)


class Operator:
    """One operator in parts; made by `Parts.begin`, the same on all ranks.

    parts
        How many there are.
    todo
        Those that no earlier attempt has finished, rising.
    """

    def __init__(self, keeper: Keeper, stage: _Stage, name: str, call: str, told: str) -> None:
        self._keeper, self._stage, self._name, self._call, self._told = keeper, stage, name, call, told
        self.parts = 0
        self.todo: list[int] = []
        #: Tables by the part they begin with, and how many parts each has.
        self._tables: dict[int, tuple[int, _core.Table]] = {}
        #: Of these, not saved.
        self._unsaved: dict[int, _core.Table] = {}
        self.unsaved_bytes = 0
        self._batch, self._began = 0, time.monotonic()
        #: What the longest part took.
        self._longest = 0.0

    def restore(self, batches: Sequence[int]) -> None:
        """Takes what earlier attempts have saved. Collective."""
        for batch in sorted(batches, reverse=True):
            self._stage.saved.append(f"{self._name}.{batch}")
            found = self._keeper.restore(KIND, f"{self._name}.{batch}")
            if found is None:
                continue
            made, frames = found
            cause = self._take(made.state, {key: frame.table for key, frame in frames.items()})
            if cause:
                self._keeper.warn(f"{self._call} {self._name}: what epoch {made.epoch} saved is passed over: {cause}")
        self._batch = max(batches, default=-1) + 1

    def _take(self, state: Any, tables: dict[str, _core.Table]) -> str:
        """Empty, or why it cannot be taken."""
        if not isinstance(state, dict) or state.get("operator") != self._told:
            return "it is of another operator, or of other inputs"
        parts, runs = state.get("parts"), state.get("runs")
        if type(parts) is not int or not isinstance(runs, dict) or runs.keys() != tables.keys():
            return "it does not say which parts it has"
        if not all(key.isdigit() and type(count) is int and count > 0 for key, count in runs.items()):
            return "it does not say which parts it has"
        if self._tables and parts != self.parts:
            return f"it is one of {parts} parts, not of {self.parts}"
        self.parts = parts
        for key, count in runs.items():
            run = range(int(key), int(key) + count)
            if run[-1] >= parts or self._finished & set(run):
                return "it has parts that are there already"
            self._tables[run[0]] = (count, tables[key])
            self._keeper.parts.restored += count
        return ""

    @property
    def _finished(self) -> set[int]:
        """The parts of which there is a table."""
        return {part for first, (count, _) in self._tables.items() for part in range(first, first + count)}

    def start(self, parts: int) -> bool:
        """Whether it is to be done in parts: there are several, or some were finished."""
        if not self._tables:
            self.parts = min(parts, MOST_PARTS)
        finished = self._finished
        self.todo = [part for part in range(self.parts) if part not in finished]
        self._began = time.monotonic()
        return self.parts > 1

    def finish_part(self, part: int, table: _core.Table) -> None:
        """One of `todo` is done, in that order. A boundary: collective."""
        now = time.monotonic()
        self._longest, self._began = max(self._longest, now - self._began), now
        self._tables[part] = (1, table)
        self._unsaved[part] = table
        self.unsaved_bytes += table.nbytes
        self._keeper.parts.done += 1
        left = sum(one >= part for one in self.todo) - 1
        where = f"{self._call}, with {self.parts - left} of {self.parts} parts done"
        self._keeper.part_boundary(where, self._longest if left else 0.0)
        self._began = time.monotonic()

    def result(self) -> _core.Table:
        """All rows, in the order of the parts, which are then the caller's alone."""
        made = _core.stack([self._tables[first][1] for first in sorted(self._tables)])
        self._tables = {}
        return made

    def save(self) -> None:
        """Begins to write what is not saved. Collective."""
        from weft.frame import DataFrame

        runs: list[list[int]] = []
        for part in sorted(self._unsaved):
            if runs and runs[-1][-1] == part - 1:
                runs[-1].append(part)
            else:
                runs.append([part])
        if not runs:
            return
        tables = [_core.stack([self._unsaved[part] for part in run]) for run in runs]
        frames = {
            str(run[0]): DataFrame._wrap(table, self._keeper.env) for run, table in zip(runs, tables, strict=True)
        }
        state = {
            "operator": self._told, "parts": self.parts, "runs": {str(run[0]): len(run) for run in runs},
        }  # fmt: skip
        name = f"{self._name}.{self._batch}"
        self._batch += 1
        self._stage.saved.append(name)
        self._keeper.parts.saved += len(self._unsaved)
        self._unsaved, self.unsaved_bytes = {}, 0
        self._keeper.write(KIND, name, frames, state)


class Parts:
    """The long operators of a keeper's open stages. Collective but for `enter`, `leave` and `statistics`."""

    def __init__(self, keeper: Keeper, boundary_bytes: int, memory_limit: int) -> None:
        self._keeper = keeper
        self._boundary_bytes = boundary_bytes if boundary_bytes > 0 else BOUNDARY_BYTES
        self._most_unsaved = min(UNSAVED_BYTES, memory_limit * UNSAVED_SHARE) if memory_limit > 0 else UNSAVED_BYTES
        self._stages: list[_Stage] = []
        #: By operator, what earlier attempts have left; rank 0 looks once.
        self._left: dict[str, list[int]] | None = None
        self._saved_at = time.monotonic()
        #: Parts that this attempt has done, found finished, and saved.
        self.done, self.restored, self.saved = 0, 0, 0

    def statistics(self) -> dict[str, int]:
        """As `Env.stats` has it."""
        return {"done": self.done, "restored": self.restored, "saved": self.saved}

    def enter(self, stage: str, todo: bool) -> None:
        """A stage begins; `todo`: it is run."""
        self._stages.append(_Stage(stage, todo))
        self._saved_at = time.monotonic()

    def leave(self, stage: str) -> list[str]:
        """It has ended; the names of the checkpoints that nobody needs when its own is valid."""
        while self._stages:
            ended = self._stages.pop()
            if ended.name == stage:
                return ended.saved
        return []

    def begin(self, call: str, tells: Any, inputs: Sequence[_core.Table]) -> Operator | None:
        """An operator begins, over `inputs` by a key: what an earlier attempt has of it, and into how many parts it is
        cut. None: it is done as a whole, being short, or not in a stage. `tells` is JSON that tells it from others."""
        if not self._stages or not self._stages[-1].todo:
            return None
        stage = self._stages[-1]
        stage.begun += 1
        name = f"{stage.name}.{stage.begun}"

        def look() -> tuple[None, dict[str, Any]]:
            if self._left is None:
                self._left = self._keeper.left(KIND) if self._keeper.env.rank == 0 else {}
            bytes_here = sum(table.nbytes for table in inputs)
            rows = [table.num_rows for table in inputs]
            return None, {"tells": tells, "bytes": bytes_here, "rows": rows, "left": self._left.get(name, [])}

        _, told = self._keeper.agreed(call, look)
        if any(one["tells"] != told[0]["tells"] for one in told):
            # The operator itself says what is wrong.
            return None
        rows = [sum(one["rows"][i] for one in told) for i in range(len(inputs))]
        sums = hashlib.sha256(json.dumps([call, tells, rows]).encode()).hexdigest()
        operator = Operator(self._keeper, stage, name, call, sums)
        operator.restore(told[0]["left"])
        mean = sum(one["bytes"] for one in told) // len(told)
        if not operator.start(-(-mean // self._boundary_bytes)):
            return None
        stage.operators.append(operator)
        return operator

    @property
    def _operators(self) -> list[Operator]:
        return [operator for stage in self._stages for operator in stage.operators]

    @property
    def unsaved_bytes(self) -> int:
        """Of parts that are finished, on this rank."""
        return sum(operator.unsaved_bytes for operator in self._operators)

    def look(self) -> dict[str, Any]:
        """What ranks tell each other at a boundary."""
        return {"full": self.unsaved_bytes > self._most_unsaved, "since": time.monotonic() - self._saved_at}

    def save_if_due(self, told: Sequence[dict[str, Any]]) -> None:
        """Saves where the ranks have told that it is time."""
        if any(one["full"] for one in told) or told[0]["since"] > UNSAVED_SECONDS:
            self.save()

    def save(self) -> None:
        """Begins to write all that is finished and not saved, also of operators before the last."""
        for operator in self._operators:
            operator.save()
        self._saved_at = time.monotonic()
