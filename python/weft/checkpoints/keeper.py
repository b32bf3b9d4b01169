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
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from weft import _core
from weft.agreement import agreed
from weft.arguments import place
from weft.checkpoints import reading, writing
from weft.checkpoints.folder import Folder, job_folder
from weft.checkpoints.handover import Watch
from weft.checkpoints.manifest import Manifest, parse
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
    """

    def __init__(self, env: Env, where: str) -> None:
        self._env = env
        #: From the first use on: a script that keeps nothing has nothing to hand over.
        self._watch: Watch | None = None
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
        #: Seconds for which the script waited.
        self._waited = 0.0

    # -- what it is ----------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Any]:
        """As `Env.stats` has it."""
        writer = self._writer
        return {
            "saved": self._saved, "published": writer.published, "bytes": writer.bytes,
            "write_seconds": writer.seconds, "wait_seconds": self._waited,
        }  # fmt: skip

    def _of(self, kind: str, name: str) -> Folder:
        if self._folder is None:
            self._folder = job_folder(self._where, self._env.job)
        return self._folder.below(f"{kind}-{name}")

    def _begin(self, what: str, name: Any) -> None:
        """From the first use on this rank can be asked to hand over."""
        self._watch = self._watch or Watch()
        self._check_name(what, name)

    def _check_name(self, what: str, name: Any) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{place(self._env)}{what}: a name is 1 to 100 of [A-Za-z0-9._-], not {name!r}")

    def _agreed(self, operation: str, make: Callable[[], tuple[T, Any]]) -> tuple[T, list[Any]]:
        begin = time.monotonic()

        def named() -> tuple[T, Any]:
            try:
                return make()
            except OSError as problem:
                text = str(problem)
                if "rank " in text:
                    raise
                # On this rank, too, it is said where and at what.
                raise OSError(f"{place(self._env)}{operation}: {text}") from problem

        try:
            return agreed(self._env, operation, named)
        finally:
            self._waited += time.monotonic() - begin

    # -- saving --------------------------------------------------------------------------------------------------

    def _content(self, what: str, key: str, value: Any) -> Content:
        import pyarrow as pa

        from weft.frame import DataFrame
        from weft.series import Series

        where = f"{place(self._env)}{what}"
        if not isinstance(value, DataFrame | Series):
            raise TypeError(f"{where}: {key} is a frame or a Series, not {type(value).__name__}; values go into state=")
        if value.env is not self._env:
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
                f"{place(self._env)}{what}: a state is what JSON brings back as it was (None, bool, int, float, str, "
                f"and lists and dicts of these, with text keys), not {state!r:.200}"
            )
        return json.dumps(state)

    def save(self, kind: str, name: str, frames: dict[str, Any], state: Any, wait: bool = False) -> None:
        """Writes frames and state in the background; all ranks give the same names, types and state."""
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

        (folder, contents, text), told = self._agreed(what, prepare)
        for i, field in enumerate(("call", "frames", "state")):
            for rank, one in enumerate(told):
                if one["sums"][i] != told[0]["sums"][i]:
                    raise ValueError(
                        f"{what}: ranks 0 and {rank} differ in {field} or types: {told[0][field]} and {one[field]}"
                    )
        number = self._numbers[f"{kind}-{name}"] = self._numbers.get(f"{kind}-{name}", 0) + 1
        env = self._env
        self._writer.start(
            Save(
                folder, kind, name, env.epoch, told[0]["token"], number, env.rank, env.world_size, json.loads(text),
                contents,
            )
        )  # fmt: skip
        self._saved += 1
        self._stop_if_asked(what, told)
        if wait:
            self.finish(what)

    def finish(self, what: str) -> None:
        """Returns when all that was saved is valid."""

        def written() -> tuple[None, None]:
            self._writer.wait_written()
            return None, None

        def ended() -> tuple[None, None]:
            self._writer.wait_ended()
            return None, None

        # Only when all ranks have written can rank 0 wait for all of them.
        self._agreed(what, written)
        self._agreed(what, ended)

    # -- restoring -----------------------------------------------------------------------------------------------

    def restore(self, kind: str, name: str) -> tuple[Manifest, dict[str, Any]] | None:
        """The last checkpoint that is whole, and its frames; None where there is none."""
        what = f"restore {kind} {name!r}"
        env = self._env
        if self._saved:
            self.finish(what)

        def prepare() -> tuple[Folder, dict[str, Any]]:
            self._begin(kind, name)
            return self._of(kind, name), {"kind": kind, "name": name, "stop": self._reason()}

        folder, told = self._agreed(what, prepare)
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

            number, chosen = self._agreed(what, choose)
            if chosen[0] is None:
                return None
            made = parse(chosen[0].encode(), kind, name)
            frames, causes = self._agreed(what, functools.partial(self._read, folder, made))
            if not any(causes):
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

        table = reading.table_of(folder, entry, self._env.rank, self._env.world_size)
        frame = DataFrame._wrap(_core.Table.from_stream(table), self._env, entry.index)
        return Series(frame) if entry.series else frame

    def _pass_over(self, folder: Folder, what: str, number: int, cause: str) -> None:
        self._writer.damaged.setdefault(folder.path, set()).add(number)
        warnings.warn(f"{what}: number {number} is passed over: {cause}", RuntimeWarning, stacklevel=2)

    # -- stages --------------------------------------------------------------------------------------------------

    def stage(self, name: Any) -> Stage:
        """Not collective: entering it is."""
        self._check_name("stage", name)
        if name in self._stages:
            raise ValueError(f"{place(self._env)}stage {name!r}: there was one of this name: stages differ in name")
        self._stages.add(name)
        return Stage(self, name)

    def enter_stage(self, name: str) -> dict[str, Any] | None:
        """What the stage has made; None where it is to be run."""
        found = self.restore("stage", name)
        return None if found is None else {**found[0].state, **found[1]}

    def leave_stage(self, name: str, values: dict[str, Any]) -> None:
        """Saves what it has made."""
        from weft.frame import DataFrame
        from weft.series import Series

        frames = {key: value for key, value in values.items() if isinstance(value, DataFrame | Series)}
        self.save("stage", name, frames, {key: value for key, value in values.items() if key not in frames})

    # -- handing over --------------------------------------------------------------------------------------------

    def _reason(self) -> str:
        seconds = self._writer.seconds / max(1, self._saved)
        return "" if self._watch is None else self._watch.reason(seconds)

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
        _, told = self._agreed(operation, lambda: (None, {"stop": self._reason(), "seconds": elapsed}))
        fast = told[0]["seconds"] < BOUNDARY_SECONDS
        self._step = min(2 * self._step, BOUNDARIES) if fast else 1
        self._next_look = passed + self._step
        self._stop_if_asked(operation, told)

    def _stop_if_asked(self, where: str, told: list[dict[str, Any]]) -> None:
        """HandOver on all ranks if one of them is to end, when all that was saved is valid."""
        asked = next(((rank, one["stop"]) for rank, one in enumerate(told) if one["stop"]), None)
        if asked is None:
            return
        self.finish(f"hand-over at {where}")
        env = self._env
        text = f"epoch {env.epoch} hands over at {where}: rank {asked[0]} is asked to end ({asked[1]})"
        _report(env, text, self._saved)
        if env.rank == 0:
            print(f"weft: {text}; {self._saved} checkpoints were written", file=sys.stderr, flush=True)
        raise HandOver(text)

    # -- leaving -------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Not collective: nothing more is written, and SIGTERM ends the process again."""
        if self._watch is not None:
            self._watch.close()
        self._writer.stop()

    def forget(self) -> None:
        """Removes the job's checkpoints. By one rank, when all have left: what goes wrong is no error of the job any
        more."""
        if self._watch is None:
            return
        try:
            job_folder(self._where, self._env.job).remove()
        except OSError as problem:
            warnings.warn(f"the checkpoints of job {self._env.job} are left: {problem}", RuntimeWarning, stacklevel=3)


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
