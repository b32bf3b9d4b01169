"""What the Python code of each rank made, as columns of one type: functions of users, and lists that they give."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from weft import errors

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.env import Env

__all__ = ["agreed", "column_of", "columns_of"]

T = TypeVar("T")


def agreed(env: Env | None, operation: str, make: Callable[[], tuple[T, Any]]) -> tuple[T, list[Any]]:
    """Runs `make`, which gives this rank's result and something in JSON about it; returns the result and what all ranks
    told. Collective with an env: where a rank's `make` fails, its own error is raised there, and everywhere else one of
    the same kind that names the rank.
    """
    if env is None:
        made, told = make()
        return made, [told]
    problem: Exception | None = None
    made_here: list[T] = []
    message: Any = None
    try:
        made, told = make()
        made_here.append(made)
        message = {"told": told}
    except Exception as error:
        problem = error
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        message = {"error": type(error).__name__, "text": text}
    answers = [json.loads(answer) for answer in env.session.allgather_bytes(json.dumps(message).encode())]
    if problem is not None:
        raise problem
    for rank, answer in enumerate(answers):
        if "error" in answer:
            raise _kind(answer["error"])(f"rank {rank}: {operation}: {answer['text']}")
    return made_here[0], [answer["told"] for answer in answers]


def _kind(name: str) -> type[Exception]:
    """The builtin exception of that name, or Weft's; RuntimeError for others."""
    found = getattr(builtins, name, None) or getattr(errors, name, None)
    if name == "OSError":
        return OSError
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, UnicodeError | OSError):
        return found
    return RuntimeError


def column_of(values: Any, env: Env | None, operation: str, length: int | None = None) -> pa.ChunkedArray:
    """Python values, or an array, as a column of the type that all ranks' values have in common. Collective.

    ValueError where there are not `length` values on some rank; TypeError where values have no type in common.
    """
    return columns_of(lambda: [values], env, operation, length)[0]


def columns_of(
    make: Callable[[], Sequence[Any]], env: Env | None, operation: str, length: int | None = None
) -> list[pa.ChunkedArray]:
    """As `column_of`, for what `make` gives: a list of columns, as many on every rank."""
    import pyarrow as pa

    from weft.dtypes import common_type, dense

    def arrays() -> tuple[list[Any], list[str]]:
        found = [_array(values, operation) for values in make()]
        for array in found:
            if length is not None and len(array) != length:
                raise ValueError(f"{operation}: {len(array)} values are given for {length} rows")
        return found, [pa.schema([("", array.type)]).serialize().to_pybytes().hex() for array in found]

    made, told = agreed(env, operation, arrays)
    columns = []
    for number, array in enumerate(made):
        types = [pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(texts[number]))).field(0).type for texts in told]
        type = types[0]
        for other in types[1:]:
            if other == type:
                continue
            common = common_type(type, other)
            if common is None:
                raise TypeError(f"{operation}: the values have no type in common: {type} and {other}")
            type = common
        own = array.cast(dense(array.type)) if pa.types.is_dictionary(array.type) and array.type != type else array
        columns.append(own.cast(type) if own.type != type else own)
    return columns


def _array(values: Any, operation: str) -> Any:
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        return values
    try:
        if hasattr(values, "__arrow_c_stream__"):
            return pa.chunked_array(values)
        if hasattr(values, "__arrow_c_array__"):
            return pa.chunked_array([pa.array(values)])
        plain = values if hasattr(values, "dtype") else [_plain(value) for value in values]
        array = pa.array(plain, from_pandas=True)
        return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as problem:
        raise TypeError(f"{operation}: the values make no column of one type: {problem}") from None


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's; dates and times stay, Arrow knows them."""
    return value.item() if hasattr(value, "item") and getattr(value.dtype, "kind", "O") in "biufUS" else value
