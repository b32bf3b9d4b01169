"""Whole columns to values: what the reductions of `DataFrame` and `Series` share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, place
from weft.arrow_input import UNNAMED_INDEX
from weft.by_column import ByColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame
    from weft.rows import Rows

__all__ = [
    "check_flag",
    "check_whole",
    "choose_columns",
    "column_axis",
    "is_number",
    "labels_of",
    "reduce_columns",
    "reduce_many",
    "small_frame",
]


def is_number(type: pa.DataType) -> bool:
    """Whether ``numeric_only`` keeps a column of this type: bool, integers, floats, decimals."""
    from pyarrow import types

    return bool(types.is_boolean(type) or types.is_integer(type) or types.is_floating(type) or types.is_decimal(type))


def check_flag(frame: Rows, operation: str, **flags: Any) -> None:
    """Each argument is True or False, else a ValueError."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f"{place(frame.env)}{operation}: {name} is True or False, not {value!r}")


def check_whole(frame: Rows, operation: str, **numbers: Any) -> None:
    """Each argument is a whole number, else a ValueError."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ValueError(f"{place(frame.env)}{operation}: {name} is a whole number, not {value!r}")


def column_axis(frame: Rows, operation: str, axis: Any) -> bool:
    """Whether `axis` names the rows of a column (0); False for the columns of a row (1). ValueError for another."""
    if not isinstance(axis, bool):
        if axis in (0, "index", "rows"):
            return True
        if axis in (1, "columns"):
            return False
    if axis is None:
        raise ValueError(
            f"{place(frame.env)}{operation}: axis=None, one value of the whole frame, is not taken; reduce the "
            "columns, then their values"
        )
    raise ValueError(f"{place(frame.env)}{operation}: there is no axis {axis!r}; it is 0 or 1")


def choose_columns(frame: Rows, numeric_only: bool, bool_only: bool = False) -> list[int]:
    """The positions in the frame's table of the columns that a reduction is about."""
    import pyarrow.types

    hidden = len(frame.index_names)
    types = frame.schema.types
    keep = pyarrow.types.is_boolean if bool_only else is_number
    return [i for i in range(hidden, len(types)) if not (numeric_only or bool_only) or keep(types[i])]


def missing_value(type: pa.DataType) -> Any:
    """What stands for a missing result: NaN for numbers, as in pandas, else None."""
    from pyarrow import types

    number = types.is_boolean(type) or types.is_integer(type) or types.is_floating(type)
    return math.nan if number else None


def reduce_many(
    frame: Rows,
    wanted: Sequence[tuple[str, int]],
    operation: str,
    *,
    skipna: bool = True,
    min_count: int = 0,
    ddof: int = 1,
) -> list[Any]:
    """Python values of reductions (function, position in the table), all in one pass and one exchange. Collective on a
    bound frame."""
    import pyarrow as pa

    env = choose_env(operation, None, frame)
    session = None if env is None else env.session
    if not wanted:
        return []
    made = pa.table(
        _core.reduce(frame.table, session, reductions=wanted, skipna=skipna, min_count=min_count, ddof=ddof)
    )
    values = []
    for column in made.columns:
        value = column[0].as_py()
        values.append(missing_value(column.type) if value is None else value)
    return values


def reduce_columns(
    frame: Rows,
    function: str,
    *,
    skipna: bool = True,
    numeric_only: bool = False,
    bool_only: bool = False,
    min_count: int = 0,
    ddof: int = 1,
) -> dict[str, Any]:
    """{column: value} of one function. Collective on a bound frame."""
    check_flag(frame, function, skipna=skipna, numeric_only=numeric_only, bool_only=bool_only)
    check_whole(frame, function, min_count=min_count, ddof=ddof)
    columns = choose_columns(frame, numeric_only, bool_only)
    values = reduce_many(
        frame,
        [(function, position) for position in columns],
        function,
        skipna=skipna,
        min_count=min_count,
        ddof=ddof,
    )
    names = frame.table.column_names
    return ByColumn({names[position]: value for position, value in zip(columns, values, strict=True)})


def labels_of(frame: DataFrame, rows: Sequence[int]) -> list[Any]:
    """The index labels of rows of the whole, or their positions where there is no index. Collective on a bound frame
    with an index, once for each different row."""
    if not frame.index_names:
        return list(rows)
    labels: dict[int, Any] = {}
    for row in rows:
        if row not in labels:
            found = frame.slice(row, 1).allgather().to_arrow()
            values = [found.column(i)[0].as_py() for i in range(len(frame.index_names))]
            labels[row] = values[0] if len(values) == 1 else tuple(values)
    return [labels[row] for row in rows]


def small_frame(columns: Mapping[str, Any], labels: Sequence[Any] | None = None) -> DataFrame:
    """A local frame of lists or Arrow arrays, with the labels as its unnamed index."""
    import pyarrow as pa

    from weft.frame import DataFrame

    made: dict[str, Any] = {}
    if labels is not None:
        made[UNNAMED_INDEX] = pa.array(labels) if len(labels) else pa.array([], pa.string())
    for name, values in columns.items():
        made[name] = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
    table = _core.Table.from_stream(pa.table(made))
    return DataFrame._wrap(table, None, () if labels is None else (UNNAMED_INDEX,))
