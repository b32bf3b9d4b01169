"""Python functions of windows: the rows that a rank's windows see are brought to it, the function is called there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.groupby_functions import Gathered, agreed

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

    from weft.env import Env
    from weft.window_options import Of

__all__ = ["apply_function"]


def apply_function(
    of: Of,
    columns: list[int],
    frame: dict[str, Any],
    min_periods: int,
    func: Callable[[Any], Any],
    raw: bool,
    operation: str,
) -> _core.Table:
    """A column of doubles each: what `func` makes of each row's window, beside the rows. An error on one rank is every
    rank's. Collective on a bound frame."""
    import pyarrow as pa

    _check(of, columns, operation)
    env = of.env(operation)
    needed = list(columns)
    local = dict(frame)
    if frame["kind"] == "time":
        needed.append(frame["time"])
        local["time"] = len(columns)
    if of.keys is not None:
        return _within_groups(of, columns, needed, local, min_periods, func, raw, operation)
    rows = of.table.select(needed)
    count = rows.num_rows
    first = 0
    if env is not None:
        rows, first = _core.window_rows(rows, env.session, frame=local)

    def compute() -> _core.Table:
        windows = _Windows(rows, local, pa.array([0, rows.num_rows], pa.int64()))
        table = pa.table(rows)
        made = [
            windows.apply(table.column(i), of.name(position), first, first + count, min_periods, func, raw)
            for i, position in enumerate(columns)
        ]
        return _table(made, [of.name(position) for position in columns])

    return agreed(env, operation, compute)


def _within_groups(
    of: Of,
    columns: list[int],
    needed: list[int],
    frame: dict[str, Any],
    min_periods: int,
    func: Callable[[Any], Any],
    raw: bool,
    operation: str,
) -> _core.Table:
    import pyarrow as pa

    assert of.keys is not None
    gathered = Gathered(of.keys, needed, operation)

    def compute() -> list[pa.Array]:
        rows = gathered.rows
        windows = _Windows(rows, frame, pa.array(gathered.starts, pa.int64()))
        table = pa.table(rows.rename([f"c{i}" for i in range(rows.num_columns)]))
        return [
            windows.apply(table.column(i), of.name(position), 0, rows.num_rows, min_periods, func, raw)
            for i, position in enumerate(columns)
        ]

    made = agreed(gathered.env, operation, compute)
    names = [of.name(position) for position in columns]
    whole = _table(made, [f"c{i}" for i in range(len(made))])
    return _back(gathered, gathered.env, whole, names)


def _back(gathered: Gathered, env: Env | None, made: _core.Table, names: list[str]) -> _core.Table:
    """Columns of gathered rows, at the frame's own rows."""
    import numpy
    import pyarrow as pa

    numbers = pa.table(gathered.numbers).column(0).to_numpy()
    place = numpy.full(gathered.table.num_rows, -1, dtype=numpy.int64)
    place[numbers] = numpy.arange(len(numbers))
    ordered = _core.Table.from_stream(pa.table(made).take(pa.array(place, mask=place < 0)))
    if gathered.trip is not None and env is not None:
        ordered = gathered.trip.back(ordered, env.session)
    return ordered.rename(names)


class _Windows:
    """Where the window of each of some rows begins and ends."""

    def __init__(self, rows: _core.Table, frame: dict[str, Any], starts: pa.Array) -> None:
        import pyarrow as pa

        bounds = pa.table(_core.window_bounds(rows, frame=frame, starts=starts))
        self.begins: numpy.ndarray[Any, Any] = bounds.column(0).to_numpy()
        self.ends: numpy.ndarray[Any, Any] = bounds.column(1).to_numpy()

    def apply(
        self,
        column: pa.ChunkedArray,
        name: str,
        first: int,
        end: int,
        min_periods: int,
        func: Callable[[Any], Any],
        raw: bool,
    ) -> pa.Array:
        """A double a row of [first, end)."""
        import numpy
        import pyarrow as pa

        values = _doubles(column)
        counts = numpy.concatenate([[0], numpy.cumsum(~numpy.isnan(values))])
        made = numpy.full(end - first, numpy.nan)
        for row in range(first, end):
            begin, behind = int(self.begins[row]), int(self.ends[row])
            if counts[behind] - counts[begin] < min_periods:
                continue
            window = values[begin:behind]
            found = func(window if raw else _series(window, name))
            try:
                made[row - first] = float(found)
            except (TypeError, ValueError):
                raise TypeError(f"the function returned {found!r}, which is no number") from None
        return pa.array(made, from_pandas=True)


def _doubles(column: pa.ChunkedArray) -> numpy.ndarray[Any, Any]:
    """The values as doubles; missing ones and infinities NaN."""
    import numpy
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = numpy.array(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=numpy.float64)
    values[numpy.isinf(values)] = numpy.nan
    return values


def _series(window: numpy.ndarray[Any, Any], name: str) -> Any:
    import pyarrow as pa

    from weft.frame import DataFrame
    from weft.series import Series

    return Series(DataFrame._wrap(_core.Table.from_stream(pa.table({name: window})), None))


def _table(arrays: list[pa.Array], names: list[str]) -> _core.Table:
    import pyarrow as pa

    return _core.Table.from_stream(pa.table(arrays, names=names))


def _check(of: Of, columns: list[int], operation: str) -> None:
    """Numbers alone, as the engine's own functions."""
    import pyarrow as pa

    from weft.reducing import is_number

    for position in columns:
        field = pa.schema(of.table).field(position)
        type = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not (is_number(type) or pa.types.is_null(type)):
            raise TypeError(f"{of.where}{operation}: column {field.name!r} of type {field.type} is no number")
