"""Missing values from those on both sides of them: `interpolate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import check_limit, choose_env, one_of, place, refuse
from weft.dtypes import dense, family
from weft.expression import Expression, col
from weft.labels import monotonic
from weft.operands import Operands
from weft.positions import first_and_total

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame

__all__ = ["interpolate"]

_METHODS = ("linear", "index", "values", "time")


def interpolate(
    frame: DataFrame,
    method: Any,
    axis: Any,
    limit: Any,
    inplace: Any,
    limit_direction: Any,
    limit_area: Any,
    more: Mapping[str, Any],
) -> DataFrame:
    """See `DataFrame.interpolate`."""
    refuse(
        "interpolate",
        axis=(0 if axis in (0, "index", "rows") else axis, 0, "values of a row do not follow each other"),
        inplace=(inplace, False, "frames do not change: use the result"),
        **{name: (value, None, "no method that is there takes it") for name, value in more.items()},
    )
    env = choose_env("interpolate", None, frame)
    one_of(env, "interpolate", "method", method, _METHODS)
    check_limit(frame, "interpolate", limit)
    direction = "forward" if limit_direction is None else limit_direction
    one_of(env, "interpolate", "limit_direction", direction, ("forward", "backward", "both"))
    if limit_area is not None:
        one_of(env, "interpolate", "limit_area", limit_area, ("inside", "outside"))
    filled = _columns(frame)
    by = None if method == "linear" else _distances(frame, method)
    operands = Operands(frame, "interpolate")
    row = col(operands.beside(_numbers(frame))[0])
    along = row if by is None else col(operands.beside(by)[0])
    before, after = _neighbours(frame, operands, filled, row, along)
    made = dict(zip(frame.columns, map(col, frame.columns), strict=True))
    for number, (name, type) in enumerate(filled.items()):
        value, place_before, along_before = before[number]
        next_value, place_after, along_after = after[number]
        taken = _taken(row - place_before, place_after - row, direction, limit)
        inside = place_before.notna() & place_after.notna()
        if limit_area is not None:
            taken = taken & (inside if limit_area == "inside" else ~inside)
        slope = (next_value - value) / (along_after - along_before).cast("float64")
        # Beside infinities one side alone may have a value, as in numpy.interp.
        between = slope * (along - along_before).cast("float64") + value
        between = between.fillna(slope * (along - along_after).cast("float64") + next_value)
        between = between.fillna(value.where(value == next_value))
        new = between.where(inside, value.fillna(next_value))
        own = col(name).cast("float64")
        made[name] = own.where(own.notna() | ~taken, new).cast(type)
    return operands.project(list(made), list(made.values()))


def _columns(frame: DataFrame) -> dict[str, pa.DataType]:
    """The columns that are filled, and what type they then have. TypeError for one that is neither number nor bool."""
    import pyarrow as pa

    made: dict[str, pa.DataType] = {}
    for name, type in frame.dtypes.items():
        kind = family(dense(type))
        if kind == "bool":
            continue
        if kind not in ("int", "float") or type != dense(type):
            raise TypeError(
                f"{place(frame.env)}interpolate: column {name!r} of type {type} is no integer and no float; leave it "
                "out, or cast it"
            )
        made[name] = type if kind == "float" else pa.float64()
    return made


def _distances(frame: DataFrame, method: str) -> _core.Table | None:
    """The index as numbers; None where rows go by position."""
    import pyarrow as pa

    where = f"{place(frame.env)}interpolate"
    names = frame.index_names
    kind = family(frame.schema.types[0]) if len(names) == 1 else ""
    if method == "time" and kind != "moment":
        raise ValueError(f"{where}: method='time' goes by an index of one column of timestamps")
    if not names:
        return None
    if kind not in ("int", "float", "moment", "span"):
        shown = f"{names[0]!r} is of type {frame.schema.types[0]}" if kind else f"there are {len(names)} columns in it"
        raise ValueError(f"{where}: method={method!r} goes by an index of numbers or times; {shown}")
    if not monotonic(frame, 0) or not frame.index.is_unique:
        raise ValueError(
            f"{where}: method={method!r} goes by an index that rises from row to row; sort_index() first, and drop "
            "rows of a missing or of the same label"
        )
    column = pa.table(frame.table.select([0])).column(0)
    if kind == "moment":
        column = column.cast(pa.timestamp(column.type.unit))
    column = column.cast(pa.float64() if kind == "float" else pa.int64())
    return _core.Table.from_stream(pa.table({"along": column}))


def _numbers(frame: DataFrame) -> _core.Table:
    """The rows' numbers in the whole."""
    import numpy
    import pyarrow as pa

    first, _ = first_and_total(frame, "interpolate")
    rows = numpy.arange(first, first + len(frame), dtype=numpy.int64)
    return _core.Table.from_stream(pa.table({"row": pa.array(rows)}))


def _neighbours(
    frame: DataFrame, operands: Operands, filled: Mapping[str, pa.DataType], row: Expression, along: Expression
) -> tuple[list[list[Expression]], list[list[Expression]]]:
    """For each column the last value up to each row, its row, and where that lies along the index; then the same of the
    next ones. Collective on a bound frame."""
    marked: dict[str, Expression] = {}
    for number, name in enumerate(filled):
        there = col(name).notna()
        parts = (col(name).cast("float64"), row.where(there), along.where(there))
        marked.update({f"weft {number} {part}": one for part, one in enumerate(parts)})
    table = operands.project(list(marked), list(marked.values())).table
    hidden = len(frame.index_names)
    table = table.select(list(range(hidden, table.num_columns)))
    env = choose_env("interpolate", None, frame)
    sides = []
    for forward in (True, False):
        columns = list(range(table.num_columns))
        session = None if env is None else env.session
        carried = _core.fill(table, session, columns=columns, forward=forward, limit=-1)
        names = operands.beside(carried)
        sides.append([[col(name) for name in names[3 * i : 3 * i + 3]] for i in range(len(filled))])
    return sides[0], sides[1]


def _taken(left: Expression, right: Expression, direction: str, limit: int | None) -> Expression:
    """Whether a row is filled, by how many rows it lies from the values on its sides."""
    from_left = left.notna() if limit is None else left <= int(limit)
    from_right = right.notna() if limit is None else right <= int(limit)
    if direction == "both":
        return from_left | from_right
    return from_left if direction == "forward" else from_right
