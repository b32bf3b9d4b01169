"""The manifest of a checkpoint: one file that names its parts, with their checksums, and makes it valid.

Two lines: a JSON object, and the SHA-256 of the first line. So a manifest that was cut, or of which a bit was turned,
is never taken for another one.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["FrameEntry", "Manifest", "Part", "file_name", "number_of", "parse"]

VERSION = 1
_FILE = re.compile(r"part-[A-Za-z0-9._-]{1,200}")
_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"manifest-([0-9]{8,18})\.json")


def file_name(number: int) -> str:
    """The name of the manifest of this number."""
    return f"manifest-{number:08d}.json"


def number_of(name: str) -> int | None:
    """The number in a manifest's name; None where it is no such name."""
    match = _NAME.fullmatch(name)
    return None if match is None else int(match[1])


@dataclass(frozen=True)
class Part:
    """One rank's rows of one frame: an Arrow IPC stream."""

    file: str
    rows: int
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "rows": self.rows, "bytes": self.bytes, "sha256": self.sha256}

    @classmethod
    def from_json(cls, value: Any) -> Part:
        """ValueError for anything that is not one."""
        _need(isinstance(value, dict), "a part is an object")
        part = cls(value.get("file", ""), value.get("rows", -1), value.get("bytes", -1), value.get("sha256", ""))
        _need(isinstance(part.file, str) and bool(_FILE.fullmatch(part.file)), "a part's file is no plain name")
        for count in (part.rows, part.bytes):
            _need(type(count) is int and 0 <= count < 1 << 63, "a part's rows and bytes are counts")
        _need(isinstance(part.sha256, str) and bool(_HEX.fullmatch(part.sha256)), "a part has no SHA-256")
        return part


@dataclass(frozen=True)
class FrameEntry:
    """One frame: what it was called, whether it was a frame or a Series, its index, its schema in Arrow's own form in
    hex, and its parts in the order of ranks."""

    key: str
    series: bool
    index: tuple[str, ...]
    schema: str
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key, "series": self.series, "index": list(self.index), "schema": self.schema,
            "parts": [part.to_json() for part in self.parts],
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any, world_size: int) -> FrameEntry:
        """ValueError for anything that is not one."""
        _need(isinstance(value, dict), "a frame is an object")
        key, series, index = value.get("key"), value.get("series"), value.get("index")
        schema, parts = value.get("schema"), value.get("parts")
        _need(isinstance(key, str) and isinstance(series, bool), "a frame has a key and says whether it is a Series")
        _need(isinstance(index, list) and all(isinstance(name, str) for name in index), "an index is a list of names")
        good = isinstance(schema, str) and len(schema) % 2 == 0 and re.fullmatch(r"[0-9a-f]*", schema) is not None
        _need(good, "a schema is text in hex")
        good = isinstance(parts, list) and len(parts) == world_size
        _need(good, f"a frame has a part of each of {world_size} ranks")
        return cls(key, series, tuple(index), schema, tuple(Part.from_json(part) for part in parts))


@dataclass(frozen=True)
class Manifest:
    """One checkpoint of all ranks.

    token
        Of the attempt that wrote it: unlike that of any other.
    state
        A JSON value.
    """

    kind: str
    name: str
    epoch: int
    token: str
    world_size: int
    state: Any
    frames: tuple[FrameEntry, ...]

    def format(self) -> bytes:
        """The file's bytes."""
        value = {
            "version": VERSION, "kind": self.kind, "name": self.name, "epoch": self.epoch, "token": self.token,
            "world_size": self.world_size, "state": self.state, "frames": [frame.to_json() for frame in self.frames],
        }  # fmt: skip
        line = json.dumps(value, separators=(",", ":")).encode()
        return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def parse(data: bytes, kind: str, name: str) -> Manifest:
    """The manifest in a file's bytes; ValueError for anything that is not one of this kind and name."""
    line, _, rest = data.partition(b"\n")
    _need(rest.endswith(b"\n") and len(rest) == 65, "it is cut, or no manifest")
    _need(hashlib.sha256(line).hexdigest().encode() == rest[:64], "its checksum is wrong")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    _need(isinstance(value, dict), "it is no object")
    version = value.get("version")
    _need(
        type(version) is int and version == VERSION,
        f"its version is {version!r}, not {VERSION}; did a newer Weft write it?",
    )
    found = (value.get("kind"), value.get("name"))
    _need(found == (kind, name), f"it is of {found[0]!r} {found[1]!r}, not of {kind!r} {name!r}")
    epoch, token, world_size, frames = (value.get(field) for field in ("epoch", "token", "world_size", "frames"))
    _need(type(epoch) is int and 0 <= epoch < 1 << 63, "its epoch is no number")
    _need(isinstance(token, str), "its token is no text")
    _need(type(world_size) is int and 1 <= world_size <= 1 << 20, "its world size is no number of ranks")
    _need(isinstance(frames, list) and "state" in value, "it has no frames or no state")
    entries = tuple(FrameEntry.from_json(frame, world_size) for frame in frames)
    return Manifest(kind, name, epoch, token, world_size, value["state"], entries)
