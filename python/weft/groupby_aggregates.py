"""`Aggregates`: one row a group."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from weft import _core
from weft.arguments import find, one_of, refuse
from weft.frame import DataFrame
from weft.groupby_functions import run_functions
from weft.groupby_keys import Keys
from weft.numpy_functions import reduction_of
from weft.reducing import is_number
from weft.series import Series

__all__ = ["Aggregates", "Item", "Result"]

Result = TypeVar("Result")
Interpolation = Literal["linear", "lower", "higher", "nearest", "midpoint"]

#: Functions by name, and what they are called with where a name alone is given.
FUNCTIONS = (
    *("sum", "prod", "count", "size", "mean", "median", "quantile", "min", "max", "first", "last", "nunique"),
    *("var", "std", "sem", "skew", "kurt", "any", "all", "idxmin", "idxmax"),
)
INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


class Item:
    """One column of a result: what to call, the position of its input, its name."""

    __slots__ = ("arguments", "column", "function", "name")

    def __init__(self, function: str | Callable[..., Any], column: int, name: str, **arguments: Any) -> None:
        self.function = function
        self.column = column
        self.name = name
        self.arguments = arguments

    def lowered(self) -> dict[str, Any]:
        column = -1 if self.function == "size" else self.column
        return {"function": self.function, "column": column, "name": self.name, **self.arguments}


class Groups(Generic[Result]):
    """Keys and the columns that are worked on."""

    _single = False

    def __init__(self, keys: Keys, selected: list[int] | None = None) -> None:
        self._keys = keys
        hidden = len(keys.frame.index_names)
        everything = [i for i in range(hidden, keys.frame.table.num_columns) if i not in keys.positions]
        self._columns = everything if selected is None else selected
        self._selected = selected is not None

    def __repr__(self) -> str:
        columns = ", ".join(map(self._name, self._columns[:10])) + (" ..." if len(self._columns) > 10 else "")
        return f"<{type(self).__name__} by {', '.join(self._keys.names)} of {columns}>"

    @abstractmethod
    def _give(self, made: DataFrame) -> Result:
        """A result in the form that the caller expects."""

    @property
    def _frame(self) -> DataFrame:
        return self._keys.frame

    def _name(self, position: int) -> str:
        return self._keys.table.column_names[position]

    def _numbers(self, numeric_only: bool, operation: str, with_bool: bool = True) -> list[int]:
        """The columns worked on; with `numeric_only`, those that are numbers."""
        import pyarrow as pa

        if not numeric_only:
            return self._columns
        tests = [pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal]
        tests += [pa.types.is_boolean] if with_bool else []
        types = self._frame.schema.types
        found = [position for position in self._columns if any(test(types[position]) for test in tests)]
        if self._single and not found:
            raise TypeError(f"{self._keys.where}groupby.{operation}: numeric_only=True of a column that is no number")
        return found


class Aggregates(Groups[Result]):
    """One row a group."""

    def _each(self, function: str, numeric_only: bool = False, **arguments: Any) -> Result:
        columns = self._numbers(numeric_only, function)
        return self._give(self._run([Item(function, i, self._name(i), **arguments) for i in columns]))

    def _run(self, plan: list[Item]) -> DataFrame:
        keys = self._keys
        keys.check_names([item.name for item in plan])
        for item in plan:
            self._check_truth(item)
        if any(callable(item.function) for item in plan):
            return keys.finish(run_functions(keys, plan))
        if keys.env is not None:
            keys.env.boundary("groupby")
        table = _core.group_by(
            keys.table,
            keys.session,
            keys=keys.positions,
            aggregations=[item.lowered() for item in plan],
            sort=keys.sort,
            dropna=keys.dropna,
        )
        return keys.finish(table)

    def _check_truth(self, item: Item) -> None:
        """Points in time are neither true nor false."""
        import pyarrow as pa

        if item.function not in ("any", "all"):
            return
        type = self._frame.schema.types[item.column]
        if pa.types.is_timestamp(type) or pa.types.is_date(type) or pa.types.is_time(type):
            raise TypeError(
                f"{self._keys.where}groupby.{item.function}: column {self._name(item.column)!r} of type {type} has no "
                f"{item.function}"
            )

    def sum(
        self,
        numeric_only: bool = False,
        min_count: int = 0,
        skipna: bool = True,
        engine: Any = None,
        engine_kwargs: Any = None,
    ) -> Result:
        """Sums: of integers and bool 64-bit integers, of floats double, of decimals decimals."""
        _refuse("sum", engine, engine_kwargs)
        return self._each("sum", numeric_only, min_count=min_count, skipna=skipna)

    def prod(self, numeric_only: bool = False, min_count: int = 0, skipna: bool = True) -> Result:
        """Products: of integers and bool 64-bit integers, of floats double."""
        return self._each("prod", numeric_only, min_count=min_count, skipna=skipna)

    def mean(
        self, numeric_only: bool = False, skipna: bool = True, engine: Any = None, engine_kwargs: Any = None
    ) -> Result:
        """Means, as doubles; of decimals decimals, of times times."""
        _refuse("mean", engine, engine_kwargs)
        return self._each("mean", numeric_only, skipna=skipna)

    def median(self, numeric_only: bool = False, skipna: bool = True) -> Result:
        """Medians, exact."""
        return self._each("median", numeric_only, skipna=skipna)

    def min(
        self,
        numeric_only: bool = False,
        min_count: int = -1,
        skipna: bool = True,
        engine: Any = None,
        engine_kwargs: Any = None,
    ) -> Result:
        """Least values, of the column's type."""
        _refuse("min", engine, engine_kwargs)
        return self._each("min", numeric_only, min_count=min_count, skipna=skipna)

    def max(
        self,
        numeric_only: bool = False,
        min_count: int = -1,
        skipna: bool = True,
        engine: Any = None,
        engine_kwargs: Any = None,
    ) -> Result:
        """Greatest values, of the column's type."""
        _refuse("max", engine, engine_kwargs)
        return self._each("max", numeric_only, min_count=min_count, skipna=skipna)

    def first(self, numeric_only: bool = False, min_count: int = -1, skipna: bool = True) -> Result:
        """The first value by rank and row; with ``skipna=False`` it may be a missing one."""
        return self._each("first", numeric_only, min_count=min_count, skipna=skipna)

    def last(self, numeric_only: bool = False, min_count: int = -1, skipna: bool = True) -> Result:
        """The last value by rank and row."""
        return self._each("last", numeric_only, min_count=min_count, skipna=skipna)

    def var(
        self,
        ddof: int = 1,
        engine: Any = None,
        engine_kwargs: Any = None,
        numeric_only: bool = False,
        skipna: bool = True,
    ) -> Result:
        """Variances."""
        _refuse("var", engine, engine_kwargs)
        return self._each("var", numeric_only, ddof=ddof, skipna=skipna)

    def std(
        self,
        ddof: int = 1,
        engine: Any = None,
        engine_kwargs: Any = None,
        numeric_only: bool = False,
        skipna: bool = True,
    ) -> Result:
        """Standard deviations."""
        _refuse("std", engine, engine_kwargs)
        return self._each("std", numeric_only, ddof=ddof, skipna=skipna)

    def sem(self, ddof: int = 1, numeric_only: bool = False, skipna: bool = True) -> Result:
        """Standard errors of the mean."""
        return self._each("sem", numeric_only, ddof=ddof, skipna=skipna)

    def skew(self, skipna: bool = True, numeric_only: bool = False) -> Result:
        """Unbiased skewness; missing for fewer than three values, or equal ones."""
        return self._each("skew", numeric_only, skipna=skipna)

    def kurt(self, skipna: bool = True, numeric_only: bool = False) -> Result:
        """Unbiased excess kurtosis; missing for fewer than four values, or equal ones."""
        return self._each("kurt", numeric_only, skipna=skipna)

    def any(self, skipna: bool = True) -> Result:
        """Whether a value is true, not zero, not empty. With ``skipna=False`` a missing one is true."""
        return self._each("any", skipna=skipna)

    def all(self, skipna: bool = True) -> Result:
        """Whether all values are true."""
        return self._each("all", skipna=skipna)

    def count(self) -> Result:
        """How many values are not missing."""
        return self._each("count")

    def nunique(self, dropna: bool = True) -> Result:
        """How many different values; with ``dropna=False`` missing is one."""
        return self._each("nunique", skipna=dropna)

    def idxmin(self, skipna: bool = True, numeric_only: bool = False) -> Result:
        """The index label of each group's least value, its row's number in the whole where there is no index. A group
        of missing values alone is a ValueError."""
        return self._each("idxmin", numeric_only, skipna=skipna, label=self._keys.label("idxmin"))

    def idxmax(self, skipna: bool = True, numeric_only: bool = False) -> Result:
        """The index label of each group's greatest value."""
        return self._each("idxmax", numeric_only, skipna=skipna, label=self._keys.label("idxmax"))

    def size(self) -> Series | DataFrame:
        """How many rows: a `Series` named "size", or with ``as_index=False`` a frame with a column "size"."""
        name = self._name(self._columns[0]) if self._single and self._keys.as_index else "size"
        made = self._run([Item("size", -1, name)])
        return Series(made) if self._keys.as_index else made

    def quantile(
        self,
        q: float | Sequence[float] = 0.5,
        interpolation: Interpolation = "linear",
        numeric_only: bool = False,
    ) -> Result:
        """Quantiles, exact. For a list of `q`, a row a group and quantile, which is one more index column."""
        import pyarrow as pa

        one_of(self._frame.env, "quantile", "interpolation", interpolation, INTERPOLATIONS)
        asked: list[Any] = list(q) if isinstance(q, list | tuple) else [q]
        for one in asked:
            if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= 1:
                raise ValueError(f"{self._keys.where}groupby.quantile: q={one!r} is not between 0 and 1")
        columns = self._numbers(numeric_only, "quantile")
        for position in columns:
            if pa.types.is_boolean(self._frame.schema.types[position]):
                raise TypeError(f"{self._keys.where}groupby.quantile: column {self._name(position)!r} is bool")
        if not isinstance(q, list | tuple):
            return self._each_of(columns, "quantile", q=float(asked[0]), interpolation=interpolation)
        return self._give(self._quantiles(columns, [float(one) for one in asked], interpolation))

    def _each_of(self, columns: list[int], function: str, **arguments: Any) -> Result:
        return self._give(self._run([Item(function, i, self._name(i), **arguments) for i in columns]))

    def _quantiles(self, columns: list[int], asked: list[float], interpolation: str) -> DataFrame:
        import pyarrow as pa

        keys = self._keys
        plan = [
            Item("quantile", position, f"{number} {position}", q=q, interpolation=interpolation)
            for number, q in enumerate(asked)
            for position in columns
        ]
        table = pa.table(self._run(plan).table)
        count = len(keys.names)
        level = f"__index_level_{count}__"
        parts = []
        for number, q in enumerate(asked):
            values = table.columns[count + number * len(columns) : count + (number + 1) * len(columns)]
            arrays = [*table.columns[:count], pa.array([q] * table.num_rows, pa.float64()), *values]
            parts.append(pa.table(arrays, names=[*keys.names, level, *map(self._name, columns)]))
        # A group's quantiles lie together, in the order asked for.
        order = pa.array([g + n * table.num_rows for g in range(table.num_rows) for n in range(len(asked))], pa.int64())
        made = _core.Table.from_stream(pa.concat_tables(parts).take(order))
        if keys.as_index:
            return keys.finish(made, more_index=[level])
        kept = [i for i in range(made.num_columns) if i != count]
        return keys.finish(made.select(kept))

    def ohlc(self) -> DataFrame:
        """Of each group the first, greatest, least and last value: columns "open", "high", "low", "close" of one
        column, of several ``v_open`` and so on."""
        parts = (("open", "first"), ("high", "max"), ("low", "min"), ("close", "last"))
        plan = []
        for position in self._columns:
            type = self._frame.schema.types[position]
            name = self._name(position)
            if not is_number(type):
                raise TypeError(f"{self._keys.where}groupby.ohlc: column {name!r} of type {type} is no number")
            prefix = "" if self._single else f"{name}_"
            plan += [Item(function, position, prefix + label) for label, function in parts]
        return self._run(plan)

    def describe(
        self, percentiles: Sequence[float] | None = None, include: Any = None, exclude: Any = None
    ) -> DataFrame:
        """Of each number column: count, mean, std, min, percentiles, max, in columns ``v_count`` and so on."""
        refuse(
            "groupby.describe",
            include=(include, None, "choose columns by groupby(...)[[...]]"),
            exclude=(exclude, None, "choose columns by groupby(...)[[...]]"),
        )
        asked = sorted({0.25, 0.5, 0.75} if percentiles is None else {float(q) for q in percentiles} | {0.5})
        plan = []
        for position in self._numbers(True, "describe", with_bool=False):
            prefix = "" if self._single else f"{self._name(position)}_"
            plan += [Item(name, position, prefix + name) for name in ("count", "mean", "std", "min")]
            plan += [Item("quantile", position, f"{prefix}{_percent(q)}", q=q) for q in asked]
            plan.append(Item("max", position, prefix + "max"))
        return self._run(plan)

    def agg(self, func: Any = None, *args: Any, engine: Any = None, engine_kwargs: Any = None, **kwargs: Any) -> Any:
        """Several aggregations at once.

        ``agg("sum")``; ``agg(["sum", "max"])``; ``agg({"v": "sum", "w": ["min", "max"]})``;
        ``agg(total=("v", "sum"))``, and of one column ``agg(total="sum")``. Where pandas makes two levels of names,
        ``("v", "sum")``, the column is ``v_sum``. A function is a name (any method that gives one row a group) or a
        Python function, which is given each group's values as a `Series` and returns a scalar.
        """
        _refuse("agg", engine, engine_kwargs)
        where = self._keys.where
        if func is None:
            if not kwargs or args:
                raise TypeError(f"{where}groupby.agg: give functions, or named aggregations")
            if self._single and not self._keys.as_index:
                # Named results stand beside the keys.
                self._keys.check_names([*self._keys.names, *kwargs])
            return self._run([self._named(name, value) for name, value in kwargs.items()])
        if isinstance(func, Mapping):
            self._no_more(args, kwargs)
            return self._run(self._plan_dict(func))
        if isinstance(func, list | tuple):
            self._no_more(args, kwargs)
            named = list(zip(_names(func), func, strict=True))
            return self._run(
                [
                    self._item(one, position, name if self._single else f"{self._name(position)}_{name}")
                    for position in self._columns
                    for name, one in named
                ]
            )
        if reduction_of(func) is not None and not args and not kwargs:
            return self._give(self._run([self._item(func, i, self._name(i)) for i in self._columns]))
        if callable(func):
            bound = func if not args and not kwargs else lambda values: func(values, *args, **kwargs)
            return self._give(self._run([Item(bound, i, self._name(i)) for i in self._columns]))
        return getattr(self, self._function(func))(*args, **kwargs)

    aggregate = agg

    def _no_more(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if args or kwargs:
            raise TypeError(f"{self._keys.where}groupby.agg: more arguments are for one function alone")

    def _function(self, name: Any) -> str:
        if isinstance(name, str) and name in FUNCTIONS:
            return name
        shown = repr(name) if isinstance(name, str) else f"a {type(name).__name__}"
        raise ValueError(f"{self._keys.where}groupby.agg: {shown} is no function; there are {', '.join(FUNCTIONS)}")

    def _item(self, function: Any, position: int, name: str) -> Item:
        numpys = reduction_of(function)
        if numpys is not None:
            return Item(numpys[0], position, name, **numpys[1])
        if callable(function):
            return Item(function, position, name)
        known = self._function(function)
        arguments: dict[str, Any] = {}
        if known in ("idxmin", "idxmax"):
            arguments["label"] = self._keys.label(known)
        return Item(known, position, name, **arguments)

    def _named(self, name: str, value: Any) -> Item:
        if self._single and (isinstance(value, str) or callable(value)):
            return self._item(value, self._columns[0], name)
        if not isinstance(value, tuple) or len(value) != 2:
            raise TypeError(f"{self._keys.where}groupby.agg: {name}= is a pair (column, function), not {value!r}")
        return self._item(value[1], find(self._frame, value[0], "groupby.agg", index_too=False), name)

    def _plan_dict(self, wanted: Mapping[Any, Any]) -> list[Item]:
        levels = any(isinstance(functions, list | tuple) for functions in wanted.values())
        plan = []
        for column, functions in wanted.items():
            position = find(self._frame, column, "groupby.agg", index_too=False)
            name = self._name(position)
            listed = list(functions) if isinstance(functions, list | tuple) else [functions]
            for label, function in zip(_names(listed), listed, strict=True):
                plan.append(self._item(function, position, f"{name}_{label}" if levels else name))
        return plan


def _names(functions: Sequence[Any]) -> list[str]:
    """What columns of these functions are called; lambdas are numbered where there are several, as in pandas."""
    names = [one if isinstance(one, str) else getattr(one, "__name__", str(one)) for one in functions]
    lambdas = [number for number, name in enumerate(names) if name == "<lambda>"]
    if len(lambdas) > 1:
        for count, number in enumerate(lambdas):
            names[number] = f"<lambda_{count}>"
    return names


def _percent(q: float) -> str:
    text = f"{q * 100:.6f}".rstrip("0").rstrip(".")
    return f"{text}%"


def _refuse(function: str, engine: Any, engine_kwargs: Any) -> None:
    refuse(
        f"groupby.{function}",
        engine=(engine, None, "Weft has one engine"),
        engine_kwargs=(engine_kwargs, None, "Weft has one engine"),
    )
