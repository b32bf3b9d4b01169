"""`GroupBy` and `SeriesGroupBy`: what ``df.groupby(keys)`` and ``df.groupby(keys)["v"]`` give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from weft import _core
from weft.arguments import choose_env, find, find_all, place, refuse
from weft.frame import DataFrame
from weft.rows import Columns
from weft.series import Series

__all__ = ["GroupBy", "SeriesGroupBy"]

FUNCTIONS = ("sum", "count", "size", "mean", "min", "max")

#: (function, position of the column or -1, name of the result's column)
Plan = list[tuple[str, int, str]]


class Groups:
    """Keys, options and the columns to aggregate: what both kinds have in common."""

    def __init__(
        self,
        frame: DataFrame,
        by: Columns,
        *,
        as_index: bool,
        sort: bool,
        dropna: bool,
        selected: list[int] | None = None,
    ) -> None:
        self._frame = frame
        self._by = by
        self._keys = find_all(frame, by, "groupby")
        self._as_index = as_index
        self._sort = sort
        self._dropna = dropna
        hidden = len(frame.index_names)
        everything = [i for i in range(hidden, frame.table.num_columns) if i not in self._keys]
        self._columns = everything if selected is None else selected

    def _name(self, position: int) -> str:
        return self._frame.table.column_names[position]

    def _where(self) -> str:
        return place(self._frame.env)

    def _each(self, function: str, numeric_only: bool = False) -> DataFrame:
        columns = self._columns
        if numeric_only:
            import pyarrow as pa

            is_number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
            types = self._frame.schema.types
            columns = [position for position in columns if any(test(types[position]) for test in is_number)]
        return self._run([(function, position, self._name(position)) for position in columns])

    def _size(self) -> DataFrame:
        return self._run([("size", -1, "size")])

    def _function(self, name: Any) -> str:
        if isinstance(name, str) and name in FUNCTIONS:
            return name
        shown = repr(name) if isinstance(name, str) else f"a {type(name).__name__}"
        raise ValueError(f"{self._where()}groupby.agg: {shown} is no function; there are {', '.join(FUNCTIONS)}")

    def _item(self, function: Any, position: int, name: str) -> tuple[str, int, str]:
        known = self._function(function)
        return known, -1 if known == "size" else position, name

    def _run(self, plan: Plan) -> DataFrame:
        keys = [self._name(position) for position in self._keys]
        names = [*keys, *(name for _, _, name in plan)]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(
                f"{self._where()}groupby: the result would have two columns {', '.join(map(repr, twice))}; name them: "
                "agg(name=(column, function))"
            )
        env = choose_env("groupby", None, self._frame)
        table = _core.group_by(
            self._frame.table,
            None if env is None else env.session,
            keys=self._keys,
            aggregations=plan,
            sort=self._sort,
            dropna=self._dropna,
        )
        return DataFrame._wrap(table, env, keys if self._as_index else ())


class GroupBy(Groups):
    """Rows grouped by key columns; each method is collective on a bound frame and gives one row a group.

    ``groupby("k")["v"]`` aggregates one column, ``groupby("k")[["v", "w"]]`` several. Missing values are skipped; a
    group that has no others sums to 0, counts 0, and has a missing mean, min and max. Integer means are exact before
    their one rounding; an integer sum beyond 64 bits is a ValueError.
    """

    @overload
    def __getitem__(self, key: str | int) -> SeriesGroupBy: ...
    @overload
    def __getitem__(self, key: list[str] | list[int]) -> GroupBy: ...
    def __getitem__(self, key: Any) -> GroupBy | SeriesGroupBy:
        listed = key if isinstance(key, list) else [key]
        selected = [find(self._frame, item, "groupby[...]", index_too=False) for item in listed]
        kind = GroupBy if isinstance(key, list) else SeriesGroupBy
        return kind(
            self._frame,
            self._by,
            as_index=self._as_index,
            sort=self._sort,
            dropna=self._dropna,
            selected=selected,
        )

    def sum(self, numeric_only: bool = False, min_count: int = 0, engine: Any = None) -> DataFrame:
        """Sums: of integers and bool 64-bit integers, of floats double, of decimals decimals."""
        _refuse("sum", engine, min_count=(min_count, 0, "filter by a count"))
        return self._each("sum", numeric_only)

    def mean(self, numeric_only: bool = False, engine: Any = None) -> DataFrame:
        """Means, as doubles; of decimals decimals."""
        _refuse("mean", engine)
        return self._each("mean", numeric_only)

    def min(self, numeric_only: bool = False, min_count: int = -1, engine: Any = None) -> DataFrame:
        """Least values, of the column's type."""
        _refuse("min", engine, min_count=(min_count, -1, "filter by a count"))
        return self._each("min", numeric_only)

    def max(self, numeric_only: bool = False, min_count: int = -1, engine: Any = None) -> DataFrame:
        """Greatest values, of the column's type."""
        _refuse("max", engine, min_count=(min_count, -1, "filter by a count"))
        return self._each("max", numeric_only)

    def count(self) -> DataFrame:
        """How many values are not missing."""
        return self._each("count")

    def size(self) -> DataFrame | Series:
        """How many rows: a `Series` named "size", or with ``as_index=False`` a frame with a column "size"."""
        made = self._size()
        return Series(made) if self._as_index else made

    def agg(self, func: Any = None, **named: Any) -> DataFrame:
        """Several aggregations at once.

        ``agg("sum")``; ``agg(["sum", "max"])``; ``agg({"v": "sum", "w": ["min", "max"]})``;
        ``agg(total=("v", "sum"))``. Where pandas makes two levels of names, ``("v", "sum")``, the column is ``v_sum``.
        Functions are named: sum, count, size, mean, min, max.
        """
        if (func is None) == (not named):
            raise TypeError(f"{self._where()}groupby.agg: give functions, or named aggregations")
        if named:
            return self._run([self._named(name, value) for name, value in named.items()])
        if isinstance(func, Mapping):
            return self._run(self._plan_dict(func))
        if isinstance(func, list | tuple):
            plan = [
                self._item(function, position, f"{self._name(position)}_{function}")
                for position in self._columns
                for function in func
            ]
            return self._run(plan)
        function = self._function(func)
        return self._size() if function == "size" else self._each(function)

    aggregate = agg

    def _named(self, name: str, value: Any) -> tuple[str, int, str]:
        if not isinstance(value, tuple) or len(value) != 2:
            raise TypeError(f"{self._where()}groupby.agg: {name}= is a pair (column, function), not {value!r}")
        return self._item(value[1], find(self._frame, value[0], "groupby.agg", index_too=False), name)

    def _plan_dict(self, wanted: Mapping[Any, Any]) -> Plan:
        levels = any(isinstance(functions, list | tuple) for functions in wanted.values())
        plan: Plan = []
        for column, functions in wanted.items():
            position = find(self._frame, column, "groupby.agg", index_too=False)
            name = self._name(position)
            for function in functions if isinstance(functions, list | tuple) else [functions]:
                plan.append(self._item(function, position, f"{name}_{function}" if levels else name))
        return plan


class SeriesGroupBy(Groups):
    """One column grouped by key columns. Results are `Series`, and frames with ``as_index=False`` or of several
    functions. Otherwise as `GroupBy`."""

    def _one(self, function: str) -> Series | DataFrame:
        made = self._each(function)
        return Series(made) if self._as_index else made

    def sum(self, numeric_only: bool = False, min_count: int = 0, engine: Any = None) -> Series | DataFrame:
        """Sums."""
        _refuse("sum", engine, min_count=(min_count, 0, "filter by a count"))
        return self._one("sum")

    def mean(self, numeric_only: bool = False, engine: Any = None) -> Series | DataFrame:
        """Means."""
        _refuse("mean", engine)
        return self._one("mean")

    def min(self, numeric_only: bool = False, min_count: int = -1, engine: Any = None) -> Series | DataFrame:
        """Least values."""
        _refuse("min", engine, min_count=(min_count, -1, "filter by a count"))
        return self._one("min")

    def max(self, numeric_only: bool = False, min_count: int = -1, engine: Any = None) -> Series | DataFrame:
        """Greatest values."""
        _refuse("max", engine, min_count=(min_count, -1, "filter by a count"))
        return self._one("max")

    def count(self) -> Series | DataFrame:
        """How many values are not missing."""
        return self._one("count")

    def size(self) -> Series | DataFrame:
        """How many rows."""
        made = self._run([("size", -1, self._name(self._columns[0]) if self._as_index else "size")])
        return Series(made) if self._as_index else made

    def agg(self, func: Any = None, **named: str) -> Series | DataFrame:
        """``agg("sum")``; ``agg(["sum", "max"])`` and ``agg(total="sum")`` with a column a function."""
        if (func is None) == (not named):
            raise TypeError(f"{self._where()}groupby.agg: give functions, or named aggregations")
        column = self._columns[0]
        if isinstance(func, list | tuple):
            return self._run([self._item(function, column, str(function)) for function in func])
        if named:
            return self._run([self._item(function, column, name) for name, function in named.items()])
        function = self._function(func)
        return self.size() if function == "size" else self._one(function)

    aggregate = agg


def _refuse(function: str, engine: Any, **more: tuple[Any, Any, str]) -> None:
    refuse(f"groupby.{function}", engine=(engine, None, "Weft has one engine"), **more)
