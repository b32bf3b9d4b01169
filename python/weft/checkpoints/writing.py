"""The thread that writes checkpoints: this rank's parts, and on rank 0 the manifest that makes them valid.

It runs no collective. A rank whose parts are there says so by a small file (``done-...``); rank 0 looks for these, puts
the manifest by one conditional write, and removes what is older than the last two. All names have epoch, token and
number, so that nobody writes over another attempt's files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from weft.checkpoints import manifest as manifests
from weft.checkpoints.folder import Folder, Sink
from weft.checkpoints.manifest import FrameEntry, Manifest, Part
from weft.errors import Superseded

__all__ = ["KEPT", "Content", "Save", "Writer"]

#: Checkpoints of one name that are kept.
KEPT = 2
#: Seconds between two looks for the parts of other ranks, the first and the longest.
LOOK, LOOK_MOST = 0.02, 0.5
#: Looks that do not find this rank's own word, which was there: another attempt of the same epoch has removed it.
LOST_AFTER = 10
#: Bytes that are summed up and written at a time.
PIECE = 4 << 20
#: What can be done where the system refuses.
WAYS_OUT = {
    errno.ENOSPC: "make room there, or name another folder (checkpoint_dir=, WEFT_CHECKPOINT_DIR)",
    errno.EDQUOT: "make room there, or name another folder (checkpoint_dir=, WEFT_CHECKPOINT_DIR)",
    errno.EMFILE: "raise this process' limit of open files (ulimit -n)",
    errno.ENFILE: "raise the host's limit of open files (sysctl fs.file-max)",
}


@dataclass(frozen=True)
class Content:
    """One frame of a checkpoint, as this rank has it. `table` has the Arrow C stream, and never changes."""

    key: str
    series: bool
    index: tuple[str, ...]
    schema: str
    table: Any


@dataclass
class Save:
    """One checkpoint on its way. `number` counts those of this name by this attempt, the same on all ranks."""

    folder: Folder
    kind: str
    name: str
    epoch: int
    token: str
    number: int
    rank: int
    world_size: int
    state: Any
    frames: list[Content]
    #: What nobody needs when this is valid.
    obsolete: list[Folder] = field(default_factory=list)
    written: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    @property
    def stem(self) -> str:
        """What the names of this checkpoint's files have in common."""
        return f"e{self.epoch:06d}-{self.token}-{self.number:06d}"

    def part_name(self, frame: int) -> str:
        return f"part-{self.stem}-r{self.rank:05d}-f{frame:03d}.arrows"

    def done_name(self, rank: int) -> str:
        return f"done-{self.stem}-r{rank:05d}.json"


class _Stopped(Exception):
    """The env has ended: nothing more is wanted."""


class _Counting:
    """Passes bytes on, and counts and sums them up."""

    def __init__(self, sink: Sink, stop: threading.Event) -> None:
        self._sink, self._stop = sink, stop
        self.bytes = 0
        self.sum = hashlib.sha256()
        self.closed = False

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for begin in range(0, len(view), PIECE):
            if self._stop.is_set():
                raise _Stopped
            piece = view[begin : begin + PIECE]
            self.sum.update(piece)
            self._sink.write(piece)
        self.bytes += len(view)
        return len(view)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Writer:
    """One rank's. Errors are kept until `check`; after one nothing more is written."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._queue: queue.SimpleQueue[Save | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._saves: list[Save] = []
        self._error: Exception | None = None
        #: Numbers of damaged manifests, by folder: they do not count among those that are kept.
        self.damaged: dict[str, set[int]] = {}
        #: What was done: bytes and seconds of the thread, and checkpoints that became valid (known to rank 0).
        self.bytes, self.seconds, self.published = 0, 0.0, 0

    # -- the main thread -----------------------------------------------------------------------------------------

    def start(self, save: Save) -> None:
        """Begins to write in the background."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="weft-checkpoints", daemon=True)
            self._thread.start()
        self._saves = [one for one in self._saves if not one.ended.is_set()]
        self._saves.append(save)
        self._queue.put(save)

    def check(self) -> None:
        """Raises what went wrong."""
        if self._error is not None:
            raise self._error

    def wait_written(self) -> None:
        """Waits until this rank's parts are there; raises what went wrong."""
        for save in self._saves:
            _wait(save.written)
        self.check()

    def wait_ended(self) -> None:
        """Waits until all is valid, on rank 0; for the other ranks' parts, without end: they must have been written."""
        for save in self._saves:
            _wait(save.ended)
        self.check()

    def stop(self) -> None:
        """Gives up what is under way. Waits a little for the thread."""
        self._stop.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(5)

    # -- the thread ----------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while (save := self._queue.get()) is not None:
            try:
                if self._error is None and not self._stop.is_set():
                    begin = time.monotonic()
                    self._write(save)
                    self.seconds += time.monotonic() - begin
                    save.written.set()
                    if save.rank == 0:
                        self._publish(save)
            except _Stopped:
                pass
            except Exception as problem:
                self._error = problem if isinstance(problem, Superseded) else _explained(save, problem)
            finally:
                save.frames.clear()
                save.written.set()
                save.ended.set()

    def _write_part(self, save: Save, name: str, content: Content) -> Part:
        import pyarrow as pa

        with save.folder.writing(name) as sink:
            counting = _Counting(sink, self._stop)
            with pa.RecordBatchReader.from_stream(content.table) as batches:
                # A compressed part is read whole in any case; on a file system of this host it only costs time.
                packed = "lz4" if save.folder.remote else None
                options = pa.ipc.IpcWriteOptions(compression=packed)
                with pa.ipc.new_stream(counting, batches.schema, options=options) as stream:
                    for batch in batches:
                        stream.write_batch(batch)
        self.bytes += counting.bytes
        return Part(name, content.table.num_rows, counting.bytes, counting.sum.hexdigest())

    def _write(self, save: Save) -> None:
        parts: list[Part] = []
        try:
            for number, content in enumerate(save.frames):
                parts.append(self._write_part(save, save.part_name(number), content))
        except Exception:
            # No rank has been told of them, and where a disk is full others need the room.
            with contextlib.suppress(OSError):
                save.folder.delete(save.part_name(number) for number in range(len(parts) + 1))
            raise
        told = {"parts": [part.to_json() for part in parts]}
        save.folder.put(save.done_name(save.rank), json.dumps(told).encode())

    def _others(self, save: Save) -> list[list[Part]]:
        """All ranks' parts, as soon as they are there."""
        wanted = [save.done_name(rank) for rank in range(save.world_size)]
        pause, lost = LOOK, 0
        while True:
            there = save.folder.files()
            if all(name in there for name in wanted):
                break
            # A newer attempt removes what older ones have left, and then they never come.
            _numbers(save)
            lost += wanted[save.rank] not in there
            if lost > LOST_AFTER:
                shown = save.folder.show(wanted[save.rank])
                raise FileNotFoundError(f"{shown} is gone: another attempt at this job, of the same epoch, is at work")
            if self._stop.wait(pause):
                raise _Stopped
            pause = min(2 * pause, LOOK_MOST)
        found = []
        for name in wanted:
            try:
                told = json.loads(bytes(save.folder.read(name)))
            except FileNotFoundError:
                _numbers(save)
                raise
            found.append([Part.from_json(part) for part in told["parts"]])
        return found

    def _publish(self, save: Save) -> None:
        """Makes it valid. Superseded where a higher epoch has made one valid."""
        heads = [(content.key, content.series, content.index, content.schema) for content in save.frames]
        parts = self._others(save)
        frames = [FrameEntry(*head, tuple(rank[i] for rank in parts)) for i, head in enumerate(heads)]
        made = Manifest(
            save.kind, save.name, save.epoch, save.token, save.world_size, save.state, tuple(frames)
        )  # fmt: skip
        body = made.format()
        while True:
            number = 1 + max(_numbers(save), default=0)
            if save.folder.put_new(manifests.file_name(number), body):
                break
            if self._stop.is_set():
                raise _Stopped
        self.published += 1
        self._prune(save, number, made)
        for folder in save.obsolete:
            with contextlib.suppress(OSError):
                folder.remove()

    def _prune(self, save: Save, number: int, made: Manifest) -> None:
        """Removes what is older than the last two, and what attempts before this one left. What goes wrong here is no
        harm: the next one does it."""
        try:
            there = save.folder.files()
            numbers = sorted(found for name in there if (found := manifests.number_of(name)) is not None)
            bad = self.damaged.get(save.folder.path, set())
            kept = [found for found in numbers if found not in bad][-KEPT:]
            named: set[str] = set()
            for found in kept:
                whole = made if found == number else load(save.folder, found, save.kind, save.name)
                named |= {part.file for frame in whole.frames for part in frame.parts}
            # A manifest goes before what it names.
            save.folder.delete(manifests.file_name(found) for found in numbers if found not in kept)
            save.folder.delete(name for name in there if name not in named and _is_old(name, save))
        except (OSError, ValueError):
            pass


def _numbers(save: Save) -> list[int]:
    """Numbers of the last manifests. Superseded where a higher epoch has put one."""
    known = last_manifests(save.folder, save.kind, save.name)
    for number, other in known:
        if other is not None and other.epoch > save.epoch:
            raise superseded(save.folder, number, other, save.epoch)
    return [number for number, _ in known]


def _is_old(name: str, save: Save) -> bool:
    """Whether a part, or a rank's word about it, is of an attempt before this one, or of a checkpoint of this one that
    was valid before or is now."""
    kind, _, rest = name.lstrip(".").partition("-e")
    epoch, _, rest = rest.partition("-")
    token, _, rest = rest.partition("-")
    number = rest.partition("-")[0]
    if kind not in ("part", "done") or not (epoch.isdigit() and number.isdigit()):
        return False
    if token == save.token:
        return int(number) <= save.number
    return int(epoch) <= save.epoch


def _wait(event: threading.Event) -> None:
    # In turns, so that signals are seen.
    while not event.wait(0.1):
        pass


def _explained(save: Save, problem: Exception) -> Exception:
    text = f"rank {save.rank}: {save.kind} {save.name!r} could not be written to {save.folder.shown}: {problem}"
    if isinstance(problem, OSError) and problem.errno in WAYS_OUT:
        text += f"; {WAYS_OUT[problem.errno]}"
    kind = type(problem) if isinstance(problem, MemoryError) else OSError
    made = kind(text)
    made.__cause__ = problem
    return made


def load(folder: Folder, number: int, kind: str, name: str) -> Manifest:
    """A manifest; ValueError where it is damaged, OSError where it cannot be read."""
    return manifests.parse(bytes(folder.read(manifests.file_name(number))), kind, name)


def last_manifests(folder: Folder, kind: str, name: str) -> list[tuple[int, Manifest | None]]:
    """The highest numbers, up to the first manifest that is whole; None for those that are not."""
    found: list[tuple[int, Manifest | None]] = []
    numbers = [number for file in folder.files() if (number := manifests.number_of(file)) is not None]
    for number in sorted(numbers, reverse=True):
        try:
            found.append((number, load(folder, number, kind, name)))
            break
        except (ValueError, FileNotFoundError):
            found.append((number, None))
    return found


def superseded(folder: Folder, number: int, other: Manifest, epoch: int) -> Superseded:
    """The error of an attempt that comes too late."""
    return Superseded(
        f"{other.kind} {other.name!r}: epoch {other.epoch} of this job has written "
        f"{folder.show(manifests.file_name(number))}, and this is epoch {epoch}: a later attempt has taken over. An "
        "attempt that is to go on from there needs a higher epoch (WEFT_EPOCH)"
    )
