"""The way back: which checkpoint is valid, and this rank's rows of it, on a world of any size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weft.checkpoints import manifest as manifests
from weft.checkpoints.folder import Folder
from weft.checkpoints.manifest import FrameEntry, Manifest, Part
from weft.checkpoints.writing import load, superseded

__all__ = ["Damaged", "Found", "candidates", "share", "table_of"]


class Damaged(ValueError):
    """A checkpoint that cannot be used; the text says which file, and what is wrong with it."""


@dataclass(frozen=True)
class Found:
    """A candidate: its number, and its manifest, or why it has none that counts."""

    number: int
    manifest: Manifest | None
    cause: str = ""


def candidates(folder: Folder, kind: str, name: str, epoch: int) -> Iterator[Found]:
    """The checkpoints that are there, the last one first. Superseded where a higher epoch has written one. Parts are
    looked for, not read."""
    there = folder.files()
    numbers = [number for file in there if (number := manifests.number_of(file)) is not None]
    for number in sorted(numbers, reverse=True):
        shown = folder.show(manifests.file_name(number))
        try:
            made = load(folder, number, kind, name)
        except ValueError as problem:
            yield Found(number, None, f"{shown}: {problem}")
            continue
        except OSError as problem:
            if not folder.is_damage(problem):
                raise
            yield Found(number, None, f"{shown} cannot be read: {problem}")
            continue
        if made.epoch > epoch:
            raise superseded(folder, number, made, epoch)
        cause = _missing(folder, made, there)
        yield Found(number, None, cause) if cause else Found(number, made)


def _missing(folder: Folder, made: Manifest, there: dict[str, int]) -> str:
    for frame in made.frames:
        for part in frame.parts:
            size = there.get(part.file)
            if size is None:
                return f"{folder.show(part.file)} is missing"
            if size != part.bytes:
                return f"{folder.show(part.file)} has {size} bytes, and was written with {part.bytes}"
    return ""


def share(frame: FrameEntry, rank: int, world_size: int) -> list[tuple[Part, int, int]]:
    """What a rank takes: parts, with the first row of each and how many. On a world of the same size each rank's own
    part, else equal shares in the order of rows."""
    if world_size == len(frame.parts):
        return [(frame.parts[rank], 0, frame.parts[rank].rows)]
    begin, end = frame.rows * rank // world_size, frame.rows * (rank + 1) // world_size
    found, first = [], 0
    for part in frame.parts:
        low, high = max(begin, first), min(end, first + part.rows)
        if low < high:
            found.append((part, low - first, high - low))
        first += part.rows
    return found


def table_of(folder: Folder, frame: FrameEntry, rank: int, world_size: int) -> Any:
    """This rank's rows as an Arrow table. Damaged where a part that is needed is not what was written."""
    import pyarrow as pa

    try:
        schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(frame.schema)))
    except (pa.ArrowException, OSError) as problem:
        raise Damaged(f"the schema of {frame.key!r} cannot be read: {problem}") from None
    tables = [_read(folder, part, schema).slice(first, rows) for part, first, rows in share(frame, rank, world_size)]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _read(folder: Folder, part: Part, schema: Any) -> Any:
    import pyarrow as pa

    shown = folder.show(part.file)
    try:
        data = folder.read(part.file)
    except OSError as problem:
        if not folder.is_damage(problem):
            raise
        raise Damaged(f"{shown} cannot be read: {problem}") from None
    if data.size != part.bytes or hashlib.sha256(data).hexdigest() != part.sha256:
        raise Damaged(f"{shown} has another checksum than when it was written")
    try:
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
        table.validate()
    except (pa.ArrowException, OSError) as problem:
        raise Damaged(f"{shown} is no Arrow IPC stream: {problem}") from None
    if table.num_rows != part.rows or not table.schema.equals(schema, check_metadata=False):
        raise Damaged(f"{shown} has other rows or columns than its manifest says")
    return table
