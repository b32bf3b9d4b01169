"""Python functions of groups: rows go to the rank of their key, the function is called there, errors are agreed on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from weft import _core
from weft.frame import DataFrame
from weft.series import Series

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.env import Env
    from weft.groupby_aggregates import Item
    from weft.groupby_keys import Keys

__all__ = ["Gathered", "agreed", "as_array", "one_type", "run_functions"]

Made = TypeVar("Made")
_ERRORS = {
    "ValueError": ValueError,
    "TypeError": TypeError,
    "KeyError": KeyError,
    "ZeroDivisionError": ZeroDivisionError,
}


def agreed(env: Env | None, operation: str, make: Callable[[], Made]) -> Made:
    """What `make` gives; where it raises on a rank, every rank raises, that one its own error. Collective."""
    problem: Exception | None = None
    made: Made | None = None
    try:
        made = make()
    except Exception as error:
        problem = error
    if env is None:
        if problem is not None:
            raise problem
    else:
        text = "" if problem is None else json.dumps([type(problem).__name__, str(problem)])
        told = env.allgather(text)
        if problem is not None:
            raise problem
        for rank, other in enumerate(told):
            if other:
                kind, words = json.loads(other)
                raise _ERRORS.get(kind, ValueError)(f"rank {rank}: {operation}: {words}")
    return made  # type: ignore[return-value]


class Gathered:
    """All rows of the groups that are this rank's, group by group."""

    def __init__(self, keys: Keys, columns: Sequence[int], operation: str, sort: bool = True) -> None:
        self.keys = keys
        self.env = keys.env
        self.operation = operation
        count = len(keys.positions)
        self.key_positions = list(range(count))
        table = keys.table.select([*keys.positions, *columns])
        table = table.rename([*(f"__weft_key_{i}__" for i in range(count)), *(f"c{i}" for i in range(len(columns)))])
        self.names = [keys.table.column_names[position] for position in columns]
        self.trip = None
        if self.env is not None:
            self.trip = _core.Trip.out(table, self.env.session, keys=self.key_positions, operation=operation)
            table = self.trip.rows
        self.table = table
        # Found on each rank alone; an error of memory here is agreed on with what follows.
        rows, numbers, starts, found = _core.rows_by_group(
            table, keys=self.key_positions, sort=sort, dropna=keys.dropna
        )
        self.rows = rows.select(list(range(count, rows.num_columns))).rename(self.names)
        self.numbers = numbers
        self.found = found
        self.starts: list[int] = _column(starts).to_pylist()

    def __len__(self) -> int:
        return self.found.num_rows

    def groups(self) -> Iterator[_core.Table]:
        """The rows of each group, without the keys."""
        for begin, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield self.rows.slice(begin, end - begin)

    def labels(self) -> list[Any]:
        """Each group's key, a tuple where there are several."""
        columns = [column.to_pylist() for column in _arrow(self.found).columns]
        return list(zip(*columns, strict=True)) if len(columns) > 1 else list(columns[0])

    def order(self, table: _core.Table) -> _core.Table:
        """A table whose first columns are the keys, in their order over all ranks."""
        if self.env is None or not self.keys.sort:
            return table
        keys = self.key_positions
        return _core.sort(table, self.env.session, keys=keys, ascending=[True] * len(keys), nulls_first=False)

    def back(self, column: pa.ChunkedArray | pa.Array, missing: Any = None) -> _core.Table:
        """A column with a value a row of `rows`, at the frame's own rows; rows in no group get `missing`."""
        import numpy
        import pyarrow as pa

        count = self.table.num_rows
        place = numpy.full(count, -1, dtype=numpy.int64)
        numbers = _column(self.numbers).to_numpy()
        place[numbers] = numpy.arange(len(numbers))
        indices = pa.array(place, mask=place < 0)
        made = _core.Table.from_stream(pa.table({"answer": column.take(indices)}))
        if self.trip is None or self.env is None:
            return made
        return self.trip.back(made, self.env.session)


def as_array(values: list[Any]) -> pa.Array:
    """Results of a Python function as a column; NumPy's and Arrow's scalars are plain values."""
    import pyarrow as pa

    plain = [_plain(value) for value in values]
    try:
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
        if all(value is None or isinstance(value, int | float) for value in plain):
            return pa.array([None if value is None else float(value) for value in plain], pa.float64())
        raise TypeError(f"the function's results are of no one type: {problem}") from None


def _plain(value: Any) -> Any:
    if hasattr(value, "as_py"):
        return value.as_py()
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict | set) or hasattr(value, "__arrow_c_stream__"):
        raise TypeError(f"the function returned a {type(value).__name__} where one value is needed")
    return value


def one_type(env: Env | None, operation: str, table: pa.Table) -> pa.Table:
    """The table with the column types that suit all ranks' tables: what a rank found on few rows may be narrower than
    what another did. Collective."""
    import pyarrow as pa

    if env is None:
        return table
    schemas = [pa.ipc.read_schema(pa.py_buffer(one)) for one in env.allgather(table.schema.serialize().to_pybytes())]
    rows = env.allgather(table.num_rows)
    there = [schema for schema, count in zip(schemas, rows, strict=True) if count] or schemas[:1]

    def cast() -> pa.Table:
        try:
            whole = pa.unify_schemas(there, promote_options="permissive")
            if table.num_rows == 0:
                return whole.empty_table()
            if table.column_names != whole.names:
                raise ValueError(f"the function's results have different columns: {table.column_names}, {whole.names}")
            return table.cast(whole)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
            raise TypeError(f"the function's results are of no one type: {problem}") from None

    return agreed(env, operation, cast)


def run_functions(keys: Keys, plan: list[Item]) -> _core.Table:
    """A plan of aggregations some of which are Python functions: keys, then a column an item."""
    import pyarrow as pa

    columns = sorted(
        {item.column for item in plan if item.column >= 0} | {item.arguments.get("label", -1) for item in plan}
    )
    columns = [column for column in columns if column >= 0]
    place = {column: len(keys.positions) + number for number, column in enumerate(columns)}
    if any(item.arguments.get("label", 0) < 0 for item in plan):
        raise ValueError(
            f"{keys.where}groupby.agg: idxmin and idxmax do not go with Python functions; set an index first"
        )
    gathered = Gathered(keys, columns, "groupby.agg")

    def compute() -> pa.Table:
        made: dict[str, Any] = {}
        for item in plan:
            if callable(item.function):
                made[item.name] = as_array(_call(gathered, item, columns.index(item.column)))
                continue
            lowered = item.lowered()
            for name in ("column", "label"):
                if lowered.get(name, -1) >= 0:
                    lowered[name] = place[lowered[name]]
            table = _core.group_by(
                gathered.table, None, keys=gathered.key_positions, aggregations=[lowered], sort=True, dropna=keys.dropna
            )
            made[item.name] = _arrow(table).column(table.num_columns - 1)
        found = _arrow(gathered.found)
        return pa.table([*found.columns, *made.values()], names=[*found.column_names, *made])

    table = agreed(gathered.env, "groupby.agg", compute)
    return gathered.order(_core.Table.from_stream(one_type(gathered.env, "groupby.agg", table)))


def _call(gathered: Gathered, item: Item, number: int) -> list[Any]:
    assert callable(item.function)
    return [item.function(Series(DataFrame._wrap(group.select([number]), None))) for group in gathered.groups()]


def _arrow(table: _core.Table) -> pa.Table:
    import pyarrow as pa

    return pa.table(table)


def _column(table: _core.Table) -> pa.ChunkedArray:
    return _arrow(table).column(0)
