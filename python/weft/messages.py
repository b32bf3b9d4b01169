"""The form in which Python values travel between ranks: a small JSON header and bytes. Never pickle.

Taken are NumPy arrays and scalars (bool, integers, floats, complex, datetime64, timedelta64, fixed-width text and
bytes), ``None``, bool, int, float, str, bytes, frames, and lists and dicts of JSON values.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft.env import Env

__all__ = ["Message", "decode", "decode_header", "encode", "is_array"]

#: Kinds of NumPy's dtypes whose bytes are their value.
_PLAIN_KINDS = "biufcmMSU"


class Message:
    """A value ready to travel.

    header
        JSON: kind, length of the payload in bytes, and for small values the value itself.
    payload
        A contiguous buffer of bytes that refers to the value where it can; None where the header says all.
    """

    def __init__(self, header: dict[str, Any], payload: Any = None) -> None:
        self.payload = payload
        self.length = 0 if payload is None else memoryview(payload).nbytes
        header["length"] = self.length
        self.header = json.dumps(header, separators=(",", ":")).encode()


def is_array(value: Any) -> bool:
    """Whether `value` is a NumPy array or scalar; does not import NumPy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray | numpy.generic)


def _encode_array(value: Any) -> Message:
    import numpy

    array = numpy.asarray(value)
    if array.dtype.kind not in _PLAIN_KINDS or not array.dtype.isnative:
        raise TypeError(
            f"an array of dtype {array.dtype} cannot travel between ranks: "
            "convert it to a native number, datetime or fixed-width text, or make it a weft.DataFrame"
        )
    contiguous = numpy.ascontiguousarray(array)
    header = {
        "kind": "array" if isinstance(value, numpy.ndarray) else "scalar",
        "dtype": array.dtype.str,
        "shape": list(array.shape),
    }
    return Message(header, contiguous.reshape(-1).view(numpy.uint8))


def _is_json(value: Any) -> bool:
    """Whether JSON brings it back as it is, tuples as lists."""
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str)


def encode(value: Any) -> Message:
    """Makes a message. TypeError for what has no form."""
    if is_array(value):
        return _encode_array(value)
    if value is None or isinstance(value, bool | str):
        return Message({"kind": "value", "value": value})
    if isinstance(value, int):
        return Message({"kind": "int", "value": str(value)})
    if isinstance(value, float):
        return Message({"kind": "float", "value": value.hex() if math.isfinite(value) else repr(value)})
    if isinstance(value, bytes | bytearray | memoryview):
        return Message({"kind": "bytes"}, bytes(value))
    if isinstance(value, list | tuple | dict):
        if _is_json(value):
            return Message({"kind": "json"}, json.dumps(value).encode())
        raise TypeError(
            f"this {type(value).__name__} cannot travel between ranks: lists and dicts may hold what JSON can "
            "(text keys; None, bool, int, float, str, list, dict)"
        )
    from weft.frame import DataFrame

    if isinstance(value, DataFrame):
        import pyarrow as pa

        table = value.to_arrow()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return Message({"kind": "frame"}, sink.getvalue())
    raise TypeError(
        f"a {type(value).__name__} cannot travel between ranks; NumPy arrays, Python scalars, str, bytes, frames, and "
        "lists and dicts of JSON values can"
    )


def decode_header(header: bytes) -> dict[str, Any]:
    """The header of a message from another rank."""
    found = json.loads(header)
    if not isinstance(found, dict) or not isinstance(found.get("length"), int):
        raise ValueError("a message from another rank has no valid header")
    return found


def decode(header: dict[str, Any], payload: Any, env: Env | None = None) -> Any:
    """The value. `payload` may be kept by it; frames are unbound."""
    kind = header["kind"]
    if kind in ("array", "scalar"):
        import numpy

        dtype = numpy.dtype(header["dtype"])
        if dtype.kind not in _PLAIN_KINDS:
            raise ValueError(f"a message from another rank has dtype {dtype}")
        array = numpy.frombuffer(payload, dtype=dtype).reshape(header["shape"])
        return array if kind == "array" else array[()]
    if kind == "value":
        return header["value"]
    if kind == "int":
        return int(header["value"])
    if kind == "float":
        value = header["value"]
        return float.fromhex(value)
    if kind == "bytes":
        return bytes(payload)
    if kind == "json":
        return json.loads(bytes(payload))
    if kind == "frame":
        import pyarrow as pa

        from weft.frame import DataFrame

        with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
            return DataFrame(reader.read_all())
    raise ValueError(f"a message from another rank has the unknown kind {kind!r}")
