"""A checkpoint's manifest, and the parts that it names: each is taken, and then means what it says, or is a ValueError (of a part:
Damaged), which passes it over.

The first byte says what is read: the file as it is; a line that gets its right checksum; a manifest whose schema and parts are what
follows, with checksums that are right, so that what reads Arrow's streams sees them."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import atheris
import pyarrow as pa
from json_mutation import mutator

with atheris.instrument_imports(include=["weft.checkpoints"]):
    from weft.checkpoints import manifest, reading
    from weft.checkpoints.manifest import FrameEntry, Manifest, Part

KIND, NAME = "stage", "a"
#: No reader may take more than this many bytes for each that it was given, and these.
MOST_TIMES, MOST_BYTES = 64, 8 << 20


def parsed(data: bytes) -> Manifest | None:
    try:
        made = manifest.parse(data, KIND, NAME)
    except ValueError as problem:
        assert type(problem) is ValueError, f"a {type(problem).__name__} is no ValueError of ours"
        assert len(str(problem)) < 100_000
        return None
    text = made.format()
    again = manifest.parse(text, KIND, NAME)
    assert again.format() == text and again.frames == made.frames, "it is another one after a round trip"
    value = json.loads(data.partition(b"\n")[0])
    said = (value["version"], value["epoch"], value["token"], value["world_size"])
    assert (manifest.VERSION, made.epoch, made.token, made.world_size) == said and type(said[0]) is int
    assert json.dumps(made.state) == json.dumps(value["state"]) and len(made.frames) == len(value["frames"])
    for frame, told in zip(made.frames, value["frames"], strict=True):
        assert frame.rows == sum(part["rows"] for part in told["parts"])
        for world_size in (1, 2, 3, len(frame.parts)):
            shares = [reading.share(frame, rank, world_size) for rank in range(min(world_size, 64))]
            assert world_size > 64 or sum(rows for one in shares for _, _, rows in one) == frame.rows
    return made


class _Folder:
    """Holds one file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def show(self, name: str) -> str:
        return name

    def is_damage(self, problem: OSError) -> bool:
        return True

    def read(self, name: str) -> Any:
        return pa.py_buffer(self._data)


def read_part(data: bytes) -> None:
    rows, size = int.from_bytes(data[:1], "little"), int.from_bytes(data[1:3], "little")
    schema, stream = data[3 : 3 + size], data[3 + size :]
    part = Part("part-x", rows, len(stream), hashlib.sha256(stream).hexdigest())
    frame = FrameEntry("f", False, (), schema.hex(), (part,))
    before = pa.total_allocated_bytes()
    try:
        table = reading.table_of(_Folder(stream), frame, 0, 1)
    except reading.Damaged:
        return
    assert table.num_rows == part.rows
    assert pa.total_allocated_bytes() - before <= MOST_TIMES * len(data) + MOST_BYTES
    table.validate()


def one_input(data: bytes) -> None:
    what, data = data[:1], data[1:]
    if what == b"p":
        read_part(data)
    elif what == b"r":
        parsed(data)
    else:
        parsed(data + b"\n" + hashlib.sha256(data).hexdigest().encode() + b"\n")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input, custom_mutator=mutator(lambda data, size: atheris.Mutate(data, size), lead=1))
    atheris.Fuzz()
