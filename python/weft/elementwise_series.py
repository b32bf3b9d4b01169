"""`ElementwiseSeries`: a Series as a thing to compute with, a row at a time."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from weft.agreement import columns_of
from weft.arguments import check_limit, choose_env, place, refuse
from weft.computed import ABSENT, Computed
from weft.expression import Expression, col
from weft.operands import Operands

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["ElementwiseSeries", "called_with", "ignoring_missing", "python_values", "table_of"]

_UNCHANGING = "a Series does not change: use the result"


class ElementwiseSeries(Computed):
    """Operations whose every row is made of that row alone. The result has this Series' name, rows and index.

    Operands are constants, Series, and lists or arrays of one value a row of this rank. Series of one frame fit one
    another; others go by position, and must have the same index. Then, on bound frames, the operation is collective,
    and rows are moved to where the left operand's lie.
    """

    __slots__ = ("_frame",)

    _frame: DataFrame

    @property
    def name(self) -> builtins.str:
        """The column's name."""
        return self._frame.columns[0]

    def _of(self, frame: DataFrame) -> Self:
        """A Series of a frame of one column."""
        return type(self)(frame)  # type: ignore[call-arg]

    def _evaluate(self, operation: builtins.str, others: tuple[Any, ...], make: Callable[..., Expression]) -> Self:
        operands = Operands(self._frame, operation)
        for other in others:
            if isinstance(other, Expression):
                raise TypeError(
                    f"{place(self._frame.env)}{operation}: a Series and an expression do not mix: an expression is "
                    "evaluated by a frame, df.assign or df.select"
                )
        expressions = [operands.expression(other) for other in others]
        return self._of(operands.project([self.name], [make(col(self.name), *expressions)]))

    def _apply(self, kind: builtins.str, *others: Any, detail: Any = None) -> Self:
        return self._evaluate(_called(kind, detail), others, lambda *given: Expression(kind, given, detail))

    def _applied_to(self, kind: builtins.str, first: Any) -> Self:
        return self._evaluate(kind, (first,), lambda own, other: Expression(kind, (other, own)))

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a Series is ambiguous: use & | ~ for and, or, not")

    def astype(self, dtype: Any, copy: Any = ABSENT, errors: Literal["raise"] = "raise") -> Self:
        """The values as another type; see `Computed.astype`."""
        try:
            return super().astype(dtype, copy, errors)
        except ValueError as problem:
            from weft.casting import cast_error

            raise cast_error(problem) from None

    # -- functions -----------------------------------------------------------------------------------------------

    def isin(self, values: Any) -> Self:
        """True where the value is one of `values`, a list or a Series (all of whose rows count, over all ranks); a
        missing one among them stands for all missing values."""
        if isinstance(values, ElementwiseSeries):
            return self._is_member(values)
        return super().isin(values)

    def _is_member(self, values: ElementwiseSeries) -> Self:
        import pyarrow as pa

        from weft.dtypes import dense, family
        from weft.sets import is_member

        choose_env("isin", None, self._frame, values._frame)
        types = [dense(one._frame.schema.types[-1]) for one in (self, values)]
        if family(types[0]) == family(types[1]) and not pa.types.is_nested(types[0]):
            return cast(Self, is_member(cast("Series", self), cast("Series", values)))
        # Of another kind: what few such values can be equal is decided value by value.
        array = values._frame.reset_index(drop=True).drop_duplicates().allgather().to_arrow().column(0)
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        return self._apply("isin", detail=array)

    def _map_function(self, func: Any, na_action: builtins.str | None) -> Self:
        if isinstance(func, ElementwiseSeries):
            return self._apply("lookup", detail=(_pairs_of(self, func), "map", False))
        if type(func).__module__.partition(".")[0] == "pandas" and hasattr(func, "to_dict"):
            return self.map(func.to_dict(), "ignore" if na_action == "ignore" else None)
        if not callable(func):
            raise TypeError(f"map takes a function, a dict or a Series, not {type(func).__name__}")
        values = python_values(self._frame.reset_index(drop=True).to_arrow().column(0))
        env = choose_env("map", None, self._frame)
        function = ignoring_missing(func) if na_action == "ignore" else func
        made = columns_of(lambda: [[function(value) for value in values]], env, "map")[0]
        return self._with_values(made)

    def _with_values(self, column: Any) -> Self:
        operands = Operands(self._frame, "map")
        names = operands.beside(table_of({"0": column}))
        return self._of(operands.project([self.name], [col(names[0])]))

    def apply(self, func: Any, args: tuple[Any, ...] = (), *, by_row: Any = "compat", **kwargs: Any) -> Self:
        """`func` of each value, with `args` and `kwargs`: a Python function, as `map`. Its results must be values of
        one type. Collective on a bound Series."""
        refuse("apply", by_row=(by_row, "compat", "call the function on the Series itself"))
        if isinstance(func, builtins.str):
            return cast(Self, getattr(self, func)(*args, **kwargs))
        if not callable(func):
            raise TypeError(f"apply takes a function, not {type(func).__name__}")
        return self._map_function(called_with(func, args, kwargs), None)

    def transform(self, func: Any, axis: Any = 0, *args: Any, **kwargs: Any) -> Any:
        """What a function makes of the values, one for each row: a Python function, which is given the Series and,
        where it takes no Series, value by value; or a name, as `DataFrame.transform` takes it. Of a list, or a dict by
        name, a frame with a column for each. Collective on a bound Series."""
        from weft.transforming import transform_series

        return transform_series(cast("Series", self), func, axis, args, kwargs)

    def case_when(self, caselist: list[tuple[Any, Any]]) -> Self:
        """The values, and where a condition of the list is true what stands beside it, of the first that is. Conditions
        and replacements are as of `mask`: Series, lists of one value a row of this rank, functions of this Series;
        replacements also constants."""
        where = f"{place(self._frame.env)}case_when"
        if not isinstance(caselist, list):
            raise TypeError(f"{where}: caselist is a list of pairs, not {type(caselist).__name__}")
        if not caselist:
            raise ValueError(f"{where}: caselist has no pair of condition and replacement")
        operands: list[Any] = []
        for pair in caselist:
            if not isinstance(pair, tuple):
                raise TypeError(f"{where}: caselist has pairs of condition and replacement, not {type(pair).__name__}")
            if len(pair) != 2:
                raise ValueError(f"{where}: caselist has pairs of condition and replacement; one has {len(pair)}")
            operands += [self._called(pair[0]), self._called(pair[1])]

        def first(own: Expression, *given: Expression) -> Expression:
            for condition, value in zip(given[-2::-2], given[::-2], strict=True):
                own = Expression("mask", (own, condition, value))
            return own

        return self._evaluate("case_when", tuple(operands), first)

    def convert_dtypes(
        self,
        infer_objects: bool = True,
        convert_string: bool = True,
        convert_integer: bool = True,
        convert_boolean: bool = True,
        convert_floating: bool = True,
        dtype_backend: Any = "numpy_nullable",
    ) -> Self:
        """Floats that are all whole numbers, on all ranks, as int64; see `DataFrame.convert_dtypes`."""
        options = (infer_objects, convert_string, convert_integer, convert_boolean, convert_floating, dtype_backend)
        return self._of(self._frame.convert_dtypes(*options))

    def infer_objects(self, copy: Any = ABSENT) -> Self:
        """The Series: its values are of one type."""
        return self._of(self._frame.infer_objects(copy))

    # -- missing values ------------------------------------------------------------------------------------------

    def dropna(self, *, axis: Any = 0, inplace: bool = False, how: Any = None, ignore_index: bool = False) -> Self:
        """The rows whose value is there."""
        refuse(
            "dropna",
            axis=(0 if axis in (0, "index") else axis, 0, "there is but one axis"),
            inplace=(inplace, False, _UNCHANGING),
            how=(how, None, "one value is there or is not"),
        )
        made = self._frame.filter(col(self.name).notna())
        return self._of(made.reset_index(drop=True) if ignore_index else made)

    def fillna(self, value: Any, *, axis: Any = None, inplace: bool = False, limit: int | None = None) -> Self:
        """`value` where there is none: null or NaN; with `limit` of the first so many missing ones alone, which is
        collective on a bound Series."""
        if limit is None:
            return super().fillna(value, axis=axis, inplace=inplace)
        refuse("fillna", inplace=(inplace, False, _UNCHANGING), axis=(axis, None, "there is but one axis"))
        check_limit(self._frame, "fillna", limit)
        filled = super().fillna(value)
        return self._of(self._frame._fill_first(filled._frame, limit))

    def ffill(
        self, *, axis: Any = None, inplace: bool = False, limit: int | None = None, limit_area: Any = None
    ) -> Self:
        """The last value there was in place of missing ones, at most `limit` of them in a row. Collective on a bound
        Series: it reaches across ranks."""
        return self._of(self._frame.ffill(axis=axis, inplace=inplace, limit=limit, limit_area=limit_area))

    def bfill(
        self, *, axis: Any = None, inplace: bool = False, limit: int | None = None, limit_area: Any = None
    ) -> Self:
        """The next value there is in place of missing ones, as `ffill`."""
        return self._of(self._frame.bfill(axis=axis, inplace=inplace, limit=limit, limit_area=limit_area))

    def interpolate(
        self,
        method: builtins.str = "linear",
        *,
        axis: Any = 0,
        limit: int | None = None,
        inplace: bool = False,
        limit_direction: Literal["forward", "backward", "both"] | None = None,
        limit_area: Literal["inside", "outside"] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Missing numbers from the line between the value before and the one after them; see
        `DataFrame.interpolate`. Collective on a bound Series."""
        more = {"limit": limit, "limit_direction": limit_direction, "limit_area": limit_area, **kwargs}
        return self._of(self._frame.interpolate(method, axis=axis, inplace=inplace, **more))


def _called(kind: builtins.str, detail: Any) -> builtins.str:
    """How errors call an operation: by the method's name."""
    if kind == "lookup":
        return str(detail[1])
    return "fillna" if kind == "fill" else str(detail[0]) if kind == "filled" else kind


def called_with(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], Any]:
    """The function of one value, with the other arguments given."""
    return function if not args and not kwargs else lambda value: function(value, *args, **kwargs)


def ignoring_missing(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    from weft.lowering import is_missing

    return lambda value: None if is_missing(value) else function(value)


def python_values(column: Any) -> list[Any]:
    """The values as a user's function is given them: Python's, or pandas' for moments and durations; a missing one is
    NaN, or NaT."""
    import pyarrow as pa

    from weft.dtypes import dense, family

    if family(dense(column.type)) in ("moment", "span"):
        return list(column.to_pandas())
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    missing = float("nan")
    return [missing if value is None else value for value in column.to_pylist()]


def table_of(columns: dict[builtins.str, Any]) -> Any:
    """Arrow columns as the C++ table of plain types."""
    import pyarrow as pa

    from weft import arrow_input

    return arrow_input.read(pa.table(columns))[0]


def _pairs_of(series: ElementwiseSeries, mapping: ElementwiseSeries) -> list[tuple[Any, Any]]:
    """The (index, value) pairs of all rows of a Series with an index of one column."""
    frame = mapping._frame
    choose_env("map", None, series._frame, frame)
    if len(frame.index_names) != 1:
        raise ValueError("map: a Series to look up in has an index of one column; set_index first")
    table = frame.allgather().to_arrow()
    keys = table.column(0).to_pylist()
    if len(set(keys)) != len(keys):
        raise ValueError("map: the index of the Series to look up in has a key twice")
    return list(zip(keys, table.column(1).to_pylist(), strict=True))
