"""Checkpoints of two attempts at once: the code that writes and reads them, in all interleavings of its calls to the folder.

As tests/model/explorer.h has it: a process runs from its beginning with the answers that it has had until it asks something new,
and that is its next step. A state is the folder's files and each process's answers; answers only grow, so a search that came to its
end has shown that every run ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from weft.checkpoints import manifest, reading, writing
from weft.errors import Superseded

KIND, NAME = "stage", "a"
Files = frozenset[tuple[str, bytes]]
Question = tuple[Any, ...]


class Ask(BaseException):
    """Ends a run at its next question."""


class DialogueFolder:
    """A folder whose answers are given."""

    path = shown = "p"
    remote = False

    def __init__(self, answers: tuple[Any, ...]) -> None:
        self._answers = iter(answers)

    def _ask(self, *question: Any) -> Any:
        for answer in self._answers:
            return answer
        raise Ask(question)

    def is_damage(self, problem: OSError) -> bool:
        return isinstance(problem, FileNotFoundError)

    def show(self, name: str) -> str:
        return name

    def files(self) -> dict[str, int]:
        return dict(self._ask("files"))

    def read(self, name: str) -> Any:
        found = self._ask("read", name)
        if found is None:
            raise FileNotFoundError(name)
        return pa.py_buffer(found)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[pa.BufferOutputStream]:
        sink = pa.BufferOutputStream()
        yield sink
        self._ask("put", name, sink.getvalue().to_pybytes())

    def put(self, name: str, data: bytes) -> None:
        self._ask("put", name, data)

    def put_new(self, name: str, data: bytes) -> bool:
        return bool(self._ask("put_new", name, data))

    def delete(self, names: Any) -> None:
        for name in names:
            self._ask("delete", name)


def answer(files: Files, question: Question, conditional: bool) -> tuple[Files, Any]:
    there = dict(files)
    if question[0] == "files":
        return files, tuple(sorted((name, len(data)) for name, data in there.items()))
    if question[0] == "read":
        return files, there.get(question[1])
    if question[0] == "delete":
        there.pop(question[1], None)
        return frozenset(there.items()), True
    new = question[1] not in there
    if question[0] == "put_new" and conditional and not new:
        return files, False
    there[question[1]] = question[2]
    return frozenset(there.items()), True


def writer(epoch: int, token: str, saves: int) -> Callable[[DialogueFolder], str]:
    """Saves so many checkpoints, one after another: Writer._write and Writer._publish, as its thread calls them."""

    def run(folder: DialogueFolder) -> str:
        one = writing.Writer()
        for number in range(1, saves + 1):
            table = pa.table({"a": [epoch, number]})
            content = writing.Content("t", False, (), table.schema.serialize().to_pybytes().hex(), table)
            save = writing.Save(folder, KIND, NAME, epoch, token, number, 0, 1, [epoch, number], [content])  # type: ignore[arg-type]
            try:
                one._write(save)
                one._publish(save)
            except Superseded:
                return "superseded"
            except FileNotFoundError:
                return "gone"
        return "done"

    return run


def restorer(epoch: int) -> Callable[[DialogueFolder], str]:
    """The first checkpoint that is whole, as Keeper.restore looks for it."""

    def run(folder: DialogueFolder) -> str:
        try:
            for found in reading.candidates(folder, KIND, NAME, epoch):  # type: ignore[arg-type]
                if found.manifest is None:
                    continue
                try:
                    table = reading.table_of(folder, found.manifest.frames[0], 0, 1)  # type: ignore[arg-type]
                except reading.Damaged:
                    continue
                assert table["a"].to_pylist() == found.manifest.state, "the state of one, the rows of another"
                return f"restored {found.manifest.state}"
        except Superseded:
            return "superseded"
        return "nothing"

    return run


@dataclass
class Found:
    states: int = 0
    broken: str = ""
    ends: frozenset[tuple[str | None, ...]] = frozenset()


def whole(files: Files) -> list[tuple[int, list[int]]]:
    """Numbers and states of the manifests, the highest last."""
    there = dict(files)
    found = []
    for name, data in there.items():
        if (number := manifest.number_of(name)) is not None:
            made = manifest.parse(data, KIND, NAME)
            if all(part.file in there for frame in made.frames for part in frame.parts):
                found.append((number, made.state))
    return sorted(found)


def explore(processes: list[Callable[[DialogueFolder], str]], conditional: bool = True, most: int = 400_000) -> Found:
    runs: dict[tuple[int, tuple[Any, ...]], tuple[Question | None, str | None]] = {}

    def run(which: int, answers: tuple[Any, ...]) -> tuple[Question | None, str | None]:
        if (which, answers) not in runs:
            try:
                runs[which, answers] = None, processes[which](DialogueFolder(answers))
            except Ask as asked:
                runs[which, answers] = asked.args[0], None
        return runs[which, answers]

    found = Found()
    checked: dict[Files, list[tuple[int, list[int]]]] = {}
    first: tuple[Files, tuple[Any, ...]] = (frozenset(), tuple(() for _ in processes))
    seen, waiting, ends = {first}, [first], set()
    for files, histories in waiting:
        before = checked.setdefault(files, whole(files))
        results = tuple(run(which, history)[1] for which, history in enumerate(histories))
        if None not in results:
            ends.add(results)
        for which, history in enumerate(histories):
            question, _ = run(which, history)
            if question is None:
                continue
            after, told = answer(files, question, conditional)
            now = checked.setdefault(after, whole(after))
            epochs = [state[0] for _, state in now]
            if epochs != sorted(epochs):
                found.broken = f"an old epoch is above a new one: {now}"
            if before and (not now or now[-1][1][0] < before[-1][1][0]):
                found.broken = f"what was valid is lost: {before}, then {now}"
            if len(now) < len(before) and now and now[-1][0] == before[-1][0] and now[-1][1] != before[-1][1]:
                found.broken = f"written over: {before}, then {now}"
            if found.broken:
                found.states = len(seen)
                return found
            grown = (*histories[:which], (*history, told), *histories[which + 1 :])
            if (after, grown) not in seen:
                seen.add((after, grown))
                waiting.append((after, grown))
        assert len(seen) < most, "the bound of states"
    found.states, found.ends = len(seen), frozenset(ends)
    return found


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(writing, "LOOK", 0.0)
    monkeypatch.setattr(writing, "LOST_AFTER", 1)


SOAK = bool(os.environ.get("WEFT_SOAK"))


def test_a_late_epoch_never_gets_above_a_new_one():
    found = explore([writer(0, "a", 1), writer(1, "b", 2 if SOAK else 1)])
    assert not found.broken and found.states > 100, found
    assert {end[1] for end in found.ends} == {"done"} and {end[0] for end in found.ends} == {"done", "superseded"}


def test_what_is_restored_was_whole():
    found = explore([writer(0, "a", 2), restorer(1)])
    assert not found.broken, found
    assert {end[1] for end in found.ends} == {"nothing", "restored [0, 1]", "restored [0, 2]"}


def test_two_attempts_of_one_epoch_end():
    """By hand nobody counts epochs. One may lose its files to the other, and says so."""
    found = explore([writer(0, "a", 1), writer(0, "b", 1)])
    assert found.states > 100
    assert {end[0] for end in found.ends} <= {"done", "gone"}


def test_it_breaks_without_the_condition():
    assert explore([writer(0, "a", 1), writer(1, "b", 1)], conditional=False).broken


def test_it_breaks_without_the_epoch(monkeypatch):
    monkeypatch.setattr(
        writing, "_numbers", lambda save: [n for n, _ in writing.last_manifests(save.folder, save.kind, save.name)]
    )
    assert explore([writer(0, "a", 1), writer(1, "b", 1)]).broken
