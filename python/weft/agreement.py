"""What the Python code of each rank made, as columns of one type: functions of users, and lists that they give."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from weft import _core, errors

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.env import Env

__all__ = ["agreed", "column_of", "columns_of", "tables_agreed"]

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
            text = answer["text"].removeprefix(f"{operation}: ")
            raise _kind(answer["error"])(f"rank {rank}: {operation}: {text}")
    return made_here[0], [answer["told"] for answer in answers]


def tables_agreed(
    env: Env | None, operation: str, make: Callable[[], tuple[_core.Table, tuple[str, ...]]]
) -> tuple[_core.Table, tuple[str, ...]]:
    """What `make` gives, a table and its index columns; on all ranks of the types that their tables have in common. A
    column without values takes any. Collective with an env. ValueError where names of columns differ, TypeError where
    types have none in common, on every rank.
    """
    if env is None or env.world_size == 1:
        return make()
    import pyarrow as pa

    def told() -> tuple[tuple[_core.Table, tuple[str, ...]], Any]:
        table, index = make()
        arrow = pa.table(table)
        empty = [number for number, column in enumerate(arrow.columns) if column.null_count == len(column)]
        return (table, index), [list(index), arrow.schema.serialize().to_pybytes().hex(), empty]

    (table, index), answers = agreed(env, operation, told)
    if all(answer[:2] == answers[0][:2] for answer in answers):
        return table, index
    schemas = [pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(answer[1]))) for answer in answers]
    for rank, (answer, schema) in enumerate(zip(answers, schemas, strict=True)):
        if answer[0] != answers[0][0] or schema.names != schemas[0].names:
            raise ValueError(
                f"{operation}: rank {rank} gives the columns {schema.names} with the index {answer[0]}, rank 0 "
                f"{schemas[0].names} with {answers[0][0]}; a rank without rows gives the columns, too"
            )
    columns = pa.table(table).columns
    for number, name in enumerate(schemas[0].names):
        ranks = [rank for rank, answer in enumerate(answers) if number not in answer[2]] or [0]
        first = type = schemas[ranks[0]].field(number).type
        for rank in ranks:
            other = schemas[rank].field(number).type
            common = type if other == type else _common(type, other)
            if common is None:
                raise TypeError(
                    f"{operation}: column '{name}' is {first} on rank {ranks[0]} and {other} on rank {rank}, which "
                    "have no type in common; cast it first"
                )
            type = common
        columns[number] = _cast(columns[number], type)
    made = pa.Table.from_arrays(columns, names=schemas[0].names)
    return _core.Table.from_stream(made), index


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """As `common_type`; categories stay that, with the wider index."""
    import pyarrow as pa

    from weft.dtypes import common_type

    if pa.types.is_dictionary(one) and pa.types.is_dictionary(other) and one.value_type == other.value_type:
        index = max(
            one.index_type, other.index_type, key=lambda type: (type.bit_width, pa.types.is_signed_integer(type))
        )
        return pa.dictionary(index, one.value_type, one.ordered and other.ordered)
    return common_type(one, other)


def _cast(column: pa.ChunkedArray, type: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    from weft.dtypes import dense

    if column.type == type:
        return column
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), type)])
    if pa.types.is_dictionary(column.type) and not pa.types.is_dictionary(type):
        column = column.cast(dense(column.type))
    return column.cast(type)


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

    from weft.dtypes import common_type

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
        columns.append(_cast(array, type))
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
