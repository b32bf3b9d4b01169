"""Reductions of the values of each row (``axis=1``): expressions of the columns, evaluated by each rank alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from weft import _core
from weft.arguments import place
from weft.reducing import check_flag, check_whole, choose_columns, is_number
from weft.scans import cast_to

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["reduce_rows"]

_E = _core.Expression


def reduce_rows(
    frame: DataFrame,
    function: str,
    *,
    skipna: bool = True,
    numeric_only: bool = False,
    bool_only: bool = False,
    min_count: int = 0,
) -> Series:
    """A Series, named by the function, with the frame's index. Numbers are taken in the type that holds all of them:
    64-bit integers, or double."""
    import pyarrow.compute as pc

    from weft.series import Series

    check_flag(frame, function, skipna=skipna, numeric_only=numeric_only, bool_only=bool_only)
    check_whole(frame, function, min_count=min_count)
    columns = choose_columns(frame, numeric_only, bool_only)
    names = [frame.table.column_names[i] for i in columns]
    types = [frame.schema.types[i] for i in columns]
    where = place(frame.env)
    if not columns:
        raise ValueError(f"{where}{function}: axis=1 needs a column, and there is none")
    if function in frame.index_names:
        raise ValueError(f"{where}{function}: the result would be named as the index column {function!r}; rename it")
    missing = [_E.call("is_null", [_E.field(name)], pc.NullOptions(nan_is_null=True)) for name in names]
    if function == "count":
        made = _count(missing)
    else:
        common = _common(function, types)
        if common is None:
            shown = ", ".join(f"{name!r} {type}" for name, type in zip(names, types, strict=True))
            raise TypeError(f"{where}{function}: axis=1 takes columns that are numbers, not {shown}")
        values = [cast_to(_E.field(name), common) for name in names]
        made = _made(function, values, missing, common, skipna, min_count)
    columns_of_index = [_E.field(name) for name in frame.index_names]
    table = frame._project_agreed(
        function, frame.table, [*columns_of_index, made], names=[*frame.index_names, function]
    )
    return Series(frame._like(table))


def _common(function: str, types: Sequence[pa.DataType]) -> pa.DataType | None:
    """The one type in which the values are put together; None where there is none."""
    import pyarrow as pa

    if function in ("min", "max") and len(set(types)) == 1 and pa.types.is_temporal(types[0]):
        return types[0]
    if not all(is_number(type) and not pa.types.is_decimal(type) for type in types):
        return None
    if function == "mean" or any(pa.types.is_floating(type) for type in types):
        return pa.float64()
    if function in ("min", "max") and all(pa.types.is_boolean(type) for type in types):
        return pa.bool_()
    if all(pa.types.is_unsigned_integer(type) for type in types):
        return pa.uint64()
    return pa.float64() if any(pa.types.is_uint64(type) for type in types) else pa.int64()


def _constant(value: object, type: pa.DataType) -> _core.Expression:
    import pyarrow as pa

    return _E.literal(pa.array([value], type))


def _chain(function: str, values: Sequence[_core.Expression]) -> _core.Expression:
    return reduce(lambda a, b: _E.call(function, [a, b]), values)


def _count(missing: Sequence[_core.Expression]) -> _core.Expression:
    import pyarrow as pa

    return _chain("add", [cast_to(_E.call("invert", [one]), pa.int64()) for one in missing])


def _made(
    function: str,
    values: Sequence[_core.Expression],
    missing: Sequence[_core.Expression],
    type: pa.DataType,
    skipna: bool,
    min_count: int,
) -> _core.Expression:
    import pyarrow as pa

    if function in ("any", "all"):
        # A missing value is passed over, or, as NaN is, true.
        neutral = _constant(not skipna or function == "all", pa.bool_())
        true = [_E.call("not_equal", [value, _constant(0, type)]) for value in values]
        truth = [_E.call("if_else", [gone, neutral, one]) for gone, one in zip(missing, true, strict=True)]
        return _chain("or" if function == "any" else "and", truth)
    null = _constant(None, type)
    if function in ("min", "max"):
        there = [_E.call("if_else", [gone, null, value]) for gone, value in zip(missing, values, strict=True)]
        best = _E.call(f"{function}_element_wise", there)
        return best if skipna else _E.call("if_else", [_chain("or", missing), null, best])
    zero = _constant(0, type)
    filled = [_E.call("if_else", [gone, zero, value]) for gone, value in zip(missing, values, strict=True)]
    total = _chain("add_checked", filled)
    count = _count(missing)
    least = min_count
    if function == "mean":
        total = _E.call("divide", [total, cast_to(count, pa.float64())])
        least = 1
    if not skipna:
        least = len(values)
    if least <= 0:
        return total
    few = _E.call("less", [count, _constant(least, pa.int64())])
    return _E.call("if_else", [few, null, total])
