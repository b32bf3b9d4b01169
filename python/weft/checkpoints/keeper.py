"""What all ranks of an env do together about checkpoints: save, restore, stages, handing over."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from weft import _core
from weft.agreement import agreed
from weft.arguments import place
from weft.checkpoints import reading, writing
from weft.checkpoints.folder import Folder, job_folder
from weft.checkpoints.handover import Watch
from weft.checkpoints.manifest import Manifest, parse
from weft.checkpoints.parts import KIND, Parts
from weft.checkpoints.stage import Stage
from weft.checkpoints.writing import Content, Save
from weft.errors import HandOver

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["Checkpoint", "Keeper"]

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
#: Ranks ask each other at operators' boundaries at most this often, where operators take less than `BOUNDARY_SECONDS`.
BOUNDARIES = 8
BOUNDARY_SECONDS = 0.25
#: Bytes a second at which checkpoints are taken to be written, until so many bytes were.
ASSUMED_RATE, MEASURED_BYTES = 50e6, 16 << 20


@dataclass(frozen=True)
class Checkpoint:
    """What `Env.restore` found.

    frames
        The frames and Series in the order in which they were given, bound to the env.
    state
        The JSON value.
    epoch
        Of the attempt that wrote it.
    """

    name: str
    frames: list[Any]
    state: Any
    epoch: int


class Keeper:
    """Of one env. Its methods are collective but for `close`, `stop` and `statistics`.

    where
        The folder for checkpoints, as the user gave it.
    boundary_bytes
        Bytes of a merge's inputs on a rank after which there is a boundary inside it.
    memory_limit
        In bytes; -1 where there is none.
    """

    def __init__(self, env: Env, where: str, boundary_bytes: int, memory_limit: int) -> None:
        self.env = env
        self.parts = Parts(self, boundary_bytes, memory_limit)
        #: From the first use on: a script that keeps nothing has nothing to hand over.
        self._watch: Watch | None = None
        self._handed_over = False
        self._where = where if "://" in where else os.path.abspath(where)
        self._folder: Folder | None = None
        self._writer = writing.Writer()
        self._token = secrets.token_hex(8)
        self._numbers: dict[str, int] = {}
        self._stages: set[str] = set()
        #: Boundaries passed, the one at which ranks ask each other next, how far that was ahead, and when they did.
        self._passed, self._next_look, self._step, self._looked_at = 0, 1, 1, time.monotonic()
        #: Checkpoints that this attempt has finished, as all ranks know.
        self._saved = 0
        #: The latest epoch that saved something which this one has restored.
        self._restored_from: int | None = None
        #: Seconds for which the script waited.
        self._waited = 0.0

    # -- what it is ----------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Any]:
        """As `Env.stats` has it."""
        writer = self._writer
        return {
            "saved": self._saved, "published": writer.published, "bytes": writer.bytes,
            "write_seconds": writer.seconds, "wait_seconds": self._waited, "parts": self.parts.statistics(),
        }  # fmt: skip

    def _of(self, kind: str, name: str) -> Folder:
        if self._folder is None:
            self._folder = job_folder(self._where, self.env.job)
        return self._folder.below(f"{kind}-{name}")

    def _begin(self, what: str, name: Any) -> None:
        """From the first use on this rank can be asked to hand over."""
        self._watch = self._watch or Watch()
        if what != KIND:
            self._check_name(what, name)

    def _check_name(self, what: str, name: Any) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{place(self.env)}{what}: a name is 1 to 100 of [A-Za-z0-9._-], not {name!r}")

    def agreed(self, operation: str, make: Callable[[], tuple[T, Any]]) -> tuple[T, list[Any]]:
        """As `weft.agreement.agreed`; the time counts as that for which the script waited."""
        begin = time.monotonic()

        def named() -> tuple[T, Any]:
            try:
                return make()
            except OSError as problem:
                text = str(problem)
                if "rank " in text:
                    raise
                # On this rank, too, it is said where and at what.
                raise OSError(f"{place(self.env)}{operation}: {text}") from problem

        try:
            return agreed(self.env, operation, named)
        finally:
            self._waited += time.monotonic() - begin

    # -- saving --------------------------------------------------------------------------------------------------

    def _content(self, what: str, key: str, value: Any) -> Content:
        import pyarrow as pa

        from weft.frame import DataFrame
        from weft.series import Series

        where = f"{place(self.env)}{what}"
        if not isinstance(value, DataFrame | Series):
            raise TypeError(f"{where}: {key} is a frame or a Series, not {type(value).__name__}; values go into state=")
        if value.env is not self.env:
            belongs = "is not bound to an env" if value.env is None else "belongs to another env"
            raise ValueError(
                f"{where}: {key} {belongs}: a checkpoint holds frames over all ranks of its env; .bind(env) binds one"
            )
        frame: DataFrame = value if isinstance(value, DataFrame) else value.to_frame()
        schema = pa.schema(frame.table).remove_metadata().serialize().to_pybytes().hex()
        return Content(key, isinstance(value, Series), tuple(frame.index_names), schema, frame.table)

    def _state(self, what: str, state: Any) -> str:
        if not _is_json(state):
            raise TypeError(
                f"{place(self.env)}{what}: a state is what JSON brings back as it was (None, bool, int, float, str, "
                f"and lists and dicts of these, with text keys), not {state!r:.200}"
            )
        return json.dumps(state)

    def save(
        self,
        kind: str,
        name: str,
        frames: dict[str, Any],
        state: Any,
        wait: bool = False,
        obsolete: Sequence[str] = (),
    ) -> None:
        """As `write`; a boundary, at which the checkpoint is begun."""
        told = self.write(kind, name, frames, state, obsolete)
        self._stop_if_asked(f"{kind} {name!r}", told)
        if wait:
            self.finish(f"{kind} {name!r}")

    def write(
        self, kind: str, name: str, frames: dict[str, Any], state: Any, obsolete: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Writes frames and state in the background; all ranks give the same names, types and state. When it is valid
        the long operators' checkpoints of the names in `obsolete` are removed. Returns what the ranks told."""
        what = f"{kind} {name!r}"

        def prepare() -> tuple[tuple[Folder, list[Content], str], dict[str, Any]]:
            self._begin(kind, name)
            contents = [self._content(what, key, value) for key, value in frames.items()]
            text = self._state(what, state)
            folder = self._of(kind, name)
            # What was begun before is in memory until it is written.
            self._writer.wait_written()
            heads = json.dumps([[c.key, c.series, list(c.index), c.schema] for c in contents])
            shown = "; ".join(f"{c.key}: {', '.join(c.table.column_names)}" for c in contents)
            told = {
                "call": f"{kind} {name}", "frames": _short(shown), "state": _short(text), "token": self._token,
                "sums": [_sum(f"{kind} {name}"), _sum(heads), _sum(text)], "stop": self._reason(),
            }  # fmt: skip
            return (folder, contents, text), told

        (folder, contents, text), told = self.agreed(what, prepare)
        for i, field in enumerate(("call", "frames", "state")):
            for rank, one in enumerate(told):
                if one["sums"][i] != told[0]["sums"][i]:
                    raise ValueError(
                        f"{what}: ranks 0 and {rank} differ in {field} or types: {told[0][field]} and {one[field]}"
                    )
        number = self._numbers[f"{kind}-{name}"] = self._numbers.get(f"{kind}-{name}", 0) + 1
        env = self.env
        self._writer.start(
            Save(
                folder, kind, name, env.epoch, told[0]["token"], number, env.rank, env.world_size, json.loads(text),
                contents, [self._of(KIND, one) for one in obsolete],
            )
        )  # fmt: skip
        self._saved += 1
        return told

    def finish(self, what: str) -> None:
        """Returns when all that was saved is valid."""

        def written() -> tuple[None, None]:
            self._writer.wait_written()
            return None, None

        def ended() -> tuple[None, None]:
            self._writer.wait_ended()
            return None, None

        # Only when all ranks have written can rank 0 wait for all of them.
        self.agreed(what, written)
        self.agreed(what, ended)

    # -- restoring -----------------------------------------------------------------------------------------------

    def restore(self, kind: str, name: str) -> tuple[Manifest, dict[str, Any]] | None:
        """The last checkpoint that is whole, and its frames; None where there is none."""
        what = f"restore {kind} {name!r}"
        env = self.env
        if self._saved:
            self.finish(what)

        def prepare() -> tuple[Folder, dict[str, Any]]:
            self._begin(kind, name)
            return self._of(kind, name), {"kind": kind, "name": name, "stop": self._reason()}

        folder, told = self.agreed(what, prepare)
        for rank, one in enumerate(told):
            if (one["kind"], one["name"]) != (told[0]["kind"], told[0]["name"]):
                raise ValueError(f"{what}: rank {rank} asks for {one['kind']} {one['name']!r}")
        self._stop_if_asked(what, told)
        found = reading.candidates(folder, kind, name, env.epoch) if env.rank == 0 else None
        while True:

            def choose() -> tuple[int, Any]:
                for candidate in found or ():
                    if candidate.manifest is not None:
                        return candidate.number, candidate.manifest.format().decode()
                    self._pass_over(folder, what, candidate.number, candidate.cause)
                return 0, None

            number, chosen = self.agreed(what, choose)
            if chosen[0] is None:
                return None
            made = parse(chosen[0].encode(), kind, name)
            frames, causes = self.agreed(what, functools.partial(self._read, folder, made))
            if not any(causes):
                self._restored_from = max(made.epoch, self._restored_from or 0)
                return made, frames
            if env.rank == 0:
                self._pass_over(folder, what, number, next(filter(None, causes)))

    def _read(self, folder: Folder, made: Manifest) -> tuple[dict[str, Any], str]:
        """This rank's part of the frames by key, or why there is none."""
        try:
            return {entry.key: self._frame(folder, entry) for entry in made.frames}, ""
        except reading.Damaged as problem:
            return {}, str(problem)

    def _frame(self, folder: Folder, entry: Any) -> DataFrame | Series:
        from weft.frame import DataFrame
        from weft.series import Series

        table = reading.table_of(folder, entry, self.env.rank, self.env.world_size)
        frame = DataFrame._wrap(_core.Table.from_stream(table), self.env, entry.index)
        return Series(frame) if entry.series else frame

    def _pass_over(self, folder: Folder, what: str, number: int, cause: str) -> None:
        self._writer.damaged.setdefault(folder.path, set()).add(number)
        self.warn(f"{what}: number {number} is passed over: {cause}")

    def warn(self, text: str) -> None:
        """By one rank."""
        if self.env.rank == 0:
            warnings.warn(text, RuntimeWarning, stacklevel=3)

    # -- stages --------------------------------------------------------------------------------------------------

    def stage(self, name: Any) -> Stage:
        """Not collective: entering it is."""
        self._check_name("stage", name)
        if name in self._stages:
            raise ValueError(f"{place(self.env)}stage {name!r}: there was one of this name: stages differ in name")
        self._stages.add(name)
        return Stage(self, name)

    def enter_stage(self, name: str) -> dict[str, Any] | None:
        """What the stage has made; None where it is to be run."""
        found = self.restore("stage", name)
        self.parts.enter(name, todo=found is None)
        return None if found is None else {**found[0].state, **found[1]}

    def leave_stage(self, name: str, values: dict[str, Any] | None) -> None:
        """Saves what it has made, if that is anything."""
        from weft.frame import DataFrame
        from weft.series import Series

        obsolete = self.parts.leave(name)
        if values is None:
            return
        frames = {key: value for key, value in values.items() if isinstance(value, DataFrame | Series)}
        state = {key: value for key, value in values.items() if key not in frames}
        self.save("stage", name, frames, state, obsolete=obsolete)

    def left(self, kind: str) -> dict[str, list[int]]:
        """Numbers of the checkpoints ``kind-NAME.NUMBER`` that are there, by name, whole or not. Not collective."""
        found: dict[str, list[int]] = {}
        folders = {file.partition("/")[0] for file in job_folder(self._where, self.env.job).all_files()}
        for folder in sorted(folders):
            name, _, number = folder.removeprefix(f"{kind}-").rpartition(".")
            if folder.startswith(f"{kind}-") and number.isdigit():
                found.setdefault(name, []).append(int(number))
        return found

    # -- handing over --------------------------------------------------------------------------------------------

    def _reason(self, work: float = 0.0) -> str:
        """Why this rank is to hand over; `work`: seconds until the next boundary, if they are known."""
        if self._watch is None:
            return ""
        writer = self._writer
        rate = writer.seconds / writer.bytes if writer.bytes >= MEASURED_BYTES else 1 / ASSUMED_RATE
        seconds = max(writer.seconds / max(1, self._saved), self.parts.unsaved_bytes * rate)
        found = self._restored_from
        return self._watch.reason(seconds, work, 0 if found is None else max(0, self.env.epoch - 1 - found))

    def boundary(self, operation: str) -> None:
        """A place at which the ranks may agree to hand over. They ask each other at each, or where these follow each
        other fast, at every few: all count alike."""
        if self._watch is None:
            return
        self._passed += 1
        if self._passed < self._next_look:
            return
        now = time.monotonic()
        elapsed, self._looked_at = now - self._looked_at, now
        passed = self._next_look
        _, told = self.agreed(operation, lambda: (None, {"stop": self._reason(), "seconds": elapsed}))
        fast = told[0]["seconds"] < BOUNDARY_SECONDS
        self._step = min(2 * self._step, BOUNDARIES) if fast else 1
        self._next_look = passed + self._step
        self._stop_if_asked(operation, told)

    def part_boundary(self, where: str, work: float) -> None:
        """The same between two parts of a long operator, at each; `work`: seconds that the next one may take."""
        _, told = self.agreed(where, lambda: (None, {"stop": self._reason(work), **self.parts.look()}))
        self._step, self._next_look, self._looked_at = 1, self._passed + 1, time.monotonic()
        self._stop_if_asked(where, told)
        self.parts.save_if_due(told)

    def _stop_if_asked(self, where: str, told: list[dict[str, Any]]) -> None:
        """HandOver on all ranks if one of them is to end, when all that was saved is valid."""
        asked = next(((rank, one["stop"]) for rank, one in enumerate(told) if one["stop"]), None)
        if asked is None:
            return
        self.parts.save()
        self.finish(f"hand-over at {where}")
        env = self.env
        text = f"epoch {env.epoch} hands over at {where}: rank {asked[0]} is asked to end ({asked[1]})"
        _report(env, text, self._saved)
        if env.rank == 0:
            print(f"weft: {text}; {self._saved} checkpoints were written", file=sys.stderr, flush=True)
        self._handed_over = True
        raise HandOver(text)

    # -- leaving -------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Not collective: nothing more is written, and SIGTERM ends the process again, unless it does so anyway."""
        if self._watch is not None:
            self._watch.close(self._handed_over)
        self._writer.stop()

    def forget(self) -> None:
        """Removes the job's checkpoints. By one rank, when all have left: what goes wrong is no error of the job any
        more."""
        if self._watch is None:
            return
        try:
            job_folder(self._where, self.env.job).remove()
        except OSError as problem:
            warnings.warn(f"the checkpoints of job {self.env.job} are left: {problem}", RuntimeWarning, stacklevel=3)


def _is_json(value: Any) -> bool:
    """Whether JSON brings it back as it is."""
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _report(env: Env, text: str, saved: int) -> None:
    """Tells whoever started this process."""
    descriptor = os.environ.get("WEFT_FAILURE_FD", "")
    if descriptor.isdigit():
        line = {"rank": env.rank, "error": f"HandOver: {text}", "own": False, "handover": True, "saved": saved}
        try:
            os.write(int(descriptor), json.dumps(line).encode() + b"\n")
        except OSError:
            pass
