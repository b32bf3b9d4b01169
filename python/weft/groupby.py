"""`GroupBy`: what ``df.groupby(keys)`` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft import _core
from weft.arguments import choose_env, find, find_all, place, refuse
from weft.frame import Columns, DataFrame
from weft.series import Series

__all__ = ["GroupBy"]

FUNCTIONS = ("sum", "count", "size", "mean", "min", "max")

#: (function, position of the column or -1, name of the result's column)
Plan = list[tuple[str, int, str]]


class GroupBy:
    """Rows grouped by key columns; each method is collective on a bound frame and gives one row a group.

    ``groupby("k")["v"]`` aggregates one column to a `Series` (a frame with ``as_index=False``), ``groupby("k")[["v",
    "w"]]`` several to a frame. Missing values are skipped; a group that has no others sums to 0, counts 0, and has a
    missing mean, min and max. Integer means are exact before their one rounding; an integer sum beyond 64 bits is a
    ValueError.
    """

    def __init__(
        self,
        frame: DataFrame,
        by: Columns,
        *,
        as_index: bool,
        sort: bool,
        dropna: bool,
        selected: list[int] | None = None,
        single: bool = False,
    ) -> None:
        self._frame = frame
        self._by = by
        self._keys = find_all(frame, by, "groupby")
        self._as_index = as_index
        self._sort = sort
        self._dropna = dropna
        self._single = single
        hidden = len(frame.index_names)
        everything = [i for i in range(hidden, frame.table.num_columns) if i not in self._keys]
        self._columns = everything if selected is None else selected

    def __getitem__(self, key: Any) -> GroupBy:
        listed = key if isinstance(key, list) else [key]
        selected = [find(self._frame, item, "groupby[...]", index_too=False) for item in listed]
        return GroupBy(
            self._frame,
            self._by,
            as_index=self._as_index,
            sort=self._sort,
            dropna=self._dropna,
            selected=selected,
            single=not isinstance(key, list),
        )

    def _name(self, position: int) -> str:
        return self._frame.table.column_names[position]

    def _where(self) -> str:
        return place(self._frame.env)

    # -- functions -----------------------------------------------------------------------------------------------

    def _each(self, function: str) -> DataFrame | Series:
        plan = [(function, position, self._name(position)) for position in self._columns]
        made = self._run(plan)
        return Series(made) if self._single and self._as_index else made

    def sum(self, numeric_only: bool = False, min_count: int = 0, **more: Any) -> DataFrame | Series:
        """Sums: of integers and bool 64-bit integers, of floats double, of decimals decimals."""
        refuse("groupby.sum", min_count=(min_count, 0, "filter by a count"))
        return self._numeric(numeric_only, "sum", more)

    def mean(self, numeric_only: bool = False, **more: Any) -> DataFrame | Series:
        """Means, as doubles."""
        return self._numeric(numeric_only, "mean", more)

    def min(self, numeric_only: bool = False, min_count: int = -1, **more: Any) -> DataFrame | Series:
        """Least values, of the column's type."""
        refuse("groupby.min", min_count=(min_count, -1, "filter by a count"))
        return self._numeric(numeric_only, "min", more)

    def max(self, numeric_only: bool = False, min_count: int = -1, **more: Any) -> DataFrame | Series:
        """Greatest values, of the column's type."""
        refuse("groupby.max", min_count=(min_count, -1, "filter by a count"))
        return self._numeric(numeric_only, "max", more)

    def count(self) -> DataFrame | Series:
        """How many values are not missing."""
        return self._each("count")

    def size(self) -> DataFrame | Series:
        """How many rows: a `Series` named "size", or with ``as_index=False`` a frame with a column "size"."""
        made = self._run([("size", -1, "size")])
        return Series(made) if self._as_index else made

    def _numeric(self, numeric_only: bool, function: str, more: Mapping[str, Any]) -> DataFrame | Series:
        for name in ("engine", "engine_kwargs"):
            refuse(f"groupby.{function}", **{name: (more.get(name), None, "Weft has one engine")})
        unknown = [name for name in more if name not in ("engine", "engine_kwargs")]
        if unknown:
            raise TypeError(f"groupby.{function}: {unknown[0]!r} is no argument of it")
        if not numeric_only:
            return self._each(function)
        import pyarrow as pa

        types = self._frame.schema.types

        def numeric(kind: pa.DataType) -> bool:
            return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
                        or pa.types.is_decimal(kind))  # fmt: skip

        kept = [position for position in self._columns if numeric(types[position])]
        return self._run([(function, position, self._name(position)) for position in kept])

    def agg(self, func: Any = None, **named: Any) -> DataFrame | Series:
        """Several aggregations at once.

        ``agg("sum")``; ``agg(["sum", "max"])``; ``agg({"v": "sum", "w": ["min", "max"]})``;
        ``agg(total=("v", "sum"))``. Where pandas makes two levels of names, ``("v", "sum")``, the column is ``v_sum``.
        Functions are named: sum, count, size, mean, min, max.
        """
        if func is None and not named:
            raise TypeError(f"{self._where()}groupby.agg: name the functions")
        if func is not None and named:
            raise TypeError(f"{self._where()}groupby.agg: give functions or named aggregations, not both")
        if named:
            plan = self._plan_named(named)
        elif isinstance(func, str):
            if self._function(func) == "size":
                return self.size()
            return self._each(func)
        elif isinstance(func, Mapping):
            plan = self._plan_dict(func)
        elif isinstance(func, list | tuple):
            functions = [self._function(item) for item in func]
            # One column alone has one level of names in pandas.
            plan = [
                self._item(function, position, function if self._single else f"{self._name(position)}_{function}")
                for position in self._columns
                for function in functions
            ]
        else:
            self._function(func)
            raise AssertionError("unreachable")
        return self._run(plan)

    aggregate = agg

    def _item(self, function: str, position: int, name: str) -> tuple[str, int, str]:
        return function, -1 if function == "size" else position, name

    def _function(self, name: Any) -> str:
        if isinstance(name, str) and name in FUNCTIONS:
            return name
        shown = repr(name) if isinstance(name, str) else f"a {type(name).__name__}"
        raise ValueError(f"{self._where()}groupby.agg: {shown} is no function; there are {', '.join(FUNCTIONS)}")

    def _plan_dict(self, wanted: Mapping[Any, Any]) -> Plan:
        levels = any(isinstance(functions, list | tuple) for functions in wanted.values())
        plan: Plan = []
        for column, functions in wanted.items():
            position = find(self._frame, column, "groupby.agg", index_too=False)
            for item in functions if isinstance(functions, list | tuple) else [functions]:
                function = self._function(item)
                name = self._name(position)
                plan.append(self._item(function, position, f"{name}_{function}" if levels else name))
        return plan

    def _plan_named(self, named: Mapping[str, Any]) -> Plan:
        plan: Plan = []
        for name, value in named.items():
            if self._single and isinstance(value, str):
                plan.append(self._item(self._function(value), self._columns[0], name))
                continue
            if not isinstance(value, tuple) or len(value) != 2:
                raise TypeError(f"{self._where()}groupby.agg: {name}= is a pair (column, function), not {value!r}")
            position = find(self._frame, value[0], "groupby.agg", index_too=False)
            plan.append(self._item(self._function(value[1]), position, name))
        return plan

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


