"""Columns to a level of the index, and a level of the index to columns: `stack`, `unstack`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, place, refuse
from weft.arrow_input import unnamed_level
from weft.dtypes import common_type
from weft.lowering import to_array
from weft.pivoting import Spread, check_places
from weft.positions import first_and_total
from weft.row_index import levels_of
from weft.rows import Rows
from weft.series import Series

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["stack", "unstack"]

#: What pandas' Series without a name is called.
_NO_NAME = "0"


def _with_index(frame: DataFrame, operation: str) -> DataFrame:
    """The frame; where rows go by position, with their numbers in the whole as an index without a name."""
    import numpy
    import pyarrow as pa

    if frame.index_names:
        return frame
    first, _ = first_and_total(frame, operation)
    numbers = pa.table({unnamed_level([]): pa.array(numpy.arange(first, first + len(frame), dtype=numpy.int64))})
    table = _core.beside([_core.Table.from_stream(numbers), frame.table])
    return Rows._wrap(table, frame.env, [unnamed_level([])])


def _check_name(frame: DataFrame, operation: str) -> None:
    if _NO_NAME in frame.index_names:
        raise ValueError(
            f"{place(frame.env)}{operation}: the values would be called {_NO_NAME!r}, as an index column is; "
            "rename_axis() first"
        )


def stack(frame: DataFrame, level: Any, dropna: Any, sort: Any, future_stack: Any, absent: Any) -> Series:
    """See `DataFrame.stack`."""
    import numpy
    import pyarrow as pa

    refuse(
        "stack",
        level=(-1 if level in (-1, 0, [-1], [0]) else level, -1, "names of columns have one level"),
        dropna=(dropna, absent, "dropna() the result"),
        sort=(sort, absent, "the columns' order is kept; sort_index() the result"),
        future_stack=(future_stack, True, "dropna() the result"),
    )
    choose_env("stack", None, frame)
    _check_name(frame, "stack")
    frame = _with_index(frame, "stack")
    hidden, names, rows = len(frame.index_names), frame.columns, len(frame)
    label = unnamed_level(frame.table.column_names)
    parts = [frame.table.select([hidden + i]).rename([_NO_NAME]) for i in range(len(names))]
    if parts:
        try:
            values = _core.concat(parts, None, outer=False)
        except TypeError:
            types = ", ".join(f"{name!r} ({type})" for name, type in frame.dtypes.items())
            raise TypeError(f"{place(frame.env)}stack: the columns are of no one type: {types}") from None
    else:
        values = _core.Table.from_stream(pa.table({_NO_NAME: pa.nulls(0)}))
    # Each row's values lie together.
    order = numpy.arange(rows)[:, None] + numpy.arange(len(names)) * rows
    values = _core.take(values, None, pa.array(order.ravel(), pa.int64()))
    repeats = pa.array(numpy.repeat(numpy.arange(rows), len(names)), pa.int64())
    index = _core.take(frame.table.select(list(range(hidden))), None, repeats)
    labels = pa.array(names, pa.string()).take(pa.array(numpy.tile(numpy.arange(len(names)), rows), pa.int64()))
    table = _core.beside([index, _core.Table.from_stream(pa.table({label: labels})), values])
    return Series(Rows._wrap(table, frame.env, [*frame.index_names, label]))


def unstack(frame: DataFrame, level: Any, fill_value: Any, sort: Any, single: bool) -> Any:
    """See `DataFrame.unstack`; `single`: of a Series."""
    refuse("unstack", sort=(sort, True, "rows and columns come in the order of the labels"))
    where = place(frame.env)
    listed = list(level) if isinstance(level, list | tuple) else [level]
    if len(frame.index_names) < 2:
        if single:
            raise ValueError(f"{where}unstack: the index has one column; it takes an index of several")
        refuse("unstack", level=(-1 if listed in ([-1], [0], [*frame.index_names]) else level, -1, "the index has one"))
        return _lengthened(frame)
    by = [levels_of(frame, one, "unstack")[0] for one in listed]
    rows = [i for i in range(len(frame.index_names)) if i not in by]
    if len(set(by)) != len(by) or not by:
        raise ValueError(f"{where}unstack: level={level!r} names no level, or one twice")
    if not rows:
        raise ValueError(f"{where}unstack: level={level!r} are all index columns; one must stay")
    if fill_value is not None:
        _check_fill(frame, fill_value)
    check_places(frame, [*rows, *by], "unstack", "group by the index and aggregate first")
    hidden = len(frame.index_names)
    values = [(hidden + i, "" if single else f"{name}_") for i, name in enumerate(frame.columns)]
    return Spread(frame, rows, by, "unstack", dropna=False).run(values, fill_value=fill_value)


def _check_fill(frame: DataFrame, fill_value: Any) -> None:
    """TypeError where a column's values and what is put beside them are of no one type."""
    kind = to_array([fill_value]).type
    for name, type in frame.dtypes.items():
        if common_type(type, kind) is None:
            raise TypeError(
                f"{place(frame.env)}unstack: fill_value={fill_value!r} does not fit column {name!r} of type {type}; "
                "fillna() the result by column"
            )


def _lengthened(frame: DataFrame) -> Series:
    """All rows' values of the first column, then those of the second ...: indexed by column and label."""
    import pyarrow as pa

    from weft.concat import concat

    _check_name(frame, "unstack")
    frame = _with_index(frame, "unstack")
    label = unnamed_level(frame.table.column_names)
    index = [label, *frame.index_names]
    parts = []
    for position, name in enumerate(frame.columns, len(frame.index_names)):
        labels = _core.Table.from_stream(pa.table({label: pa.array([name] * len(frame), pa.string())}))
        column = frame.table.select([*range(len(frame.index_names)), position])
        parts.append(Rows._wrap(_core.beside([labels, column], [*index, _NO_NAME]), frame.env, index))
    if not parts:
        empty = pa.table({label: pa.array([], pa.string()), _NO_NAME: pa.nulls(0)})
        nothing = frame.table.slice(0, 0).rename(frame.index_names)
        columns = [_core.Table.from_stream(empty.select([label])), nothing, _core.Table.from_stream(empty.select([1]))]
        return Series(Rows._wrap(_core.beside(columns), frame.env, index))
    made: Any = concat(parts)
    return Series(made)
