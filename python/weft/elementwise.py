"""`Elementwise`: operators whose every row is made of that row alone, and filling across rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from weft import _core
from weft.arguments import check_limit, choose_env, find, find_all, place, refuse
from weft.computed import ABSENT, Operators, replacements
from weft.expression import Expression, col, expression_of
from weft.frame_operators import FrameOperators
from weft.numpy_functions import check_extra
from weft.operands import Operands, is_listed
from weft.rows import Columns, Rows

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Elementwise"]

_UNCHANGING = "frames do not change: use the result"
_NO_LEVELS = "there are no multi-level indexes"


class Elementwise(FrameOperators):
    """Operators whose every row is made of that row alone. No rank needs another's rows, unless a method says
    otherwise."""

    __slots__ = ()

    # -- operators -----------------------------------------------------------------------------------------------

    def _project_each(
        self, operation: str, make: Callable[[Operands, str, int], Expression], operands: Operands | None = None
    ) -> Self:
        """Each column but the index, made anew of itself."""
        operands = operands or Operands(self, operation)
        names = self.columns
        expressions = [make(operands, name, number) for number, name in enumerate(names)]
        return cast(Self, operands.project(names, expressions))

    def _apply(self, kind: str, *others: Any, detail: Any = None) -> Self:
        operands = Operands(self, kind)
        columns = [self._by_column(operands, other, kind) for other in others]
        return self._project_each(
            kind,
            lambda _, name, number: Expression(kind, (col(name), *(each[number] for each in columns)), detail),
            operands,
        )

    def _applied_to(self, kind: str, first: Any) -> Self:
        operands = Operands(self, kind)
        columns = self._by_column(operands, first, kind)
        return self._project_each(
            kind, lambda _, name, number: Expression(kind, (columns[number], col(name))), operands
        )

    def _by_column(self, operands: Operands, other: Any, operation: str, axis: Any = "columns") -> list[Expression]:
        """An operand's expression for each column."""
        from weft.series import Series

        names = self.columns
        where = f"{place(self.env)}{operation}"
        if isinstance(other, FrameOperators):
            if sorted(other.columns) != sorted(names):
                raise ValueError(f"{where}: the frames have different columns, {names} and {other.columns}")
            return operands.columns_of(other._keep([find(other, name, operation, False) for name in names]))
        if isinstance(other, Series | Expression):
            if axis not in (0, "index"):
                raise ValueError(
                    f"{where}: a Series goes by the columns' names in pandas, which is not taken; to go by rows name "
                    "axis=0 (df.add(series, axis=0)), or compute df[...] column by column"
                )
            return [operands.expression(other)] * len(names)
        labels: Any = getattr(other, "index", None)
        if hasattr(labels, "dtype") and axis in (1, "columns") and sorted(map(str, labels)) == sorted(names):
            # A Series of pandas by column.
            return self._by_name(dict(zip(map(str, labels), other, strict=True)), where)
        if is_listed(other):
            if axis in (0, "index"):
                return [operands.expression(other)] * len(names)
            if getattr(other, "ndim", 1) != 1 or len(other) != len(names):
                raise ValueError(
                    f"{where}: a list goes by columns: it has {len(other)} values for {len(names)} columns"
                )
            return [expression_of(value) for value in other]
        if isinstance(other, Mapping):
            return self._by_name(other, where)
        return [expression_of(other)] * len(names)

    def _by_name(self, other: Mapping[Any, Any], where: str) -> list[Expression]:
        """Constants by column, as reductions give them."""
        names = self.columns
        if sorted(map(str, other)) != sorted(names):
            raise ValueError(
                f"{where}: the dict is of the columns {list(other)}, the frame of {names}; take those of both first, "
                "df[list(values)]"
            )
        values = {str(name): value for name, value in other.items()}
        return [expression_of(values[name]) for name in names]

    def _named(
        self, kind: str, other: Any, axis: Any, level: Any, fill_value: Any = None, swapped: bool = False
    ) -> Self:
        refuse(kind, level=(level, None, _NO_LEVELS))
        if axis not in (0, 1, "index", "columns"):
            raise ValueError(f"{place(self.env)}{kind}: axis={axis!r} is unknown; it is 0, 'index', 1 or 'columns'")
        operands = Operands(self, kind)
        columns = self._by_column(operands, other, kind, axis)

        def make(_: Operands, name: str, number: int) -> Expression:
            if fill_value is not None:
                return Expression("filled", (col(name), columns[number], expression_of(fill_value)), (kind, swapped))
            sides = (columns[number], col(name)) if swapped else (col(name), columns[number])
            return Expression(kind, sides)

        return self._project_each(kind, make, operands)

    def round(self, decimals: Any = 0, **extra: Any) -> Self:
        """Numbers to so many digits behind the point, halves to the even one: for all columns or by a dict. Other
        columns stay."""
        check_extra("round", extra)
        from weft.dtypes import dense, family

        if not isinstance(decimals, Mapping):
            decimals = dict.fromkeys(self.columns, decimals)
        for digits in decimals.values():
            if isinstance(digits, bool) or not hasattr(digits, "__index__"):
                raise TypeError(f"round: decimals={digits!r} is no integer")
        types = self.dtypes
        numbers = {name for name, type in types.items() if family(dense(type)) in ("int", "float", "decimal")}
        return self._project_each(
            "round",
            lambda _, name, __: col(name).round(decimals[name]) if name in numbers and name in decimals else col(name),
        )

    def __round__(self, decimals: int | None = None) -> Self:
        return self.round(0 if decimals is None else decimals)

    # -- other values --------------------------------------------------------------------------------------------

    def where(
        self, cond: Any, other: Any = None, *, inplace: bool = False, axis: Any = None, level: Any = None
    ) -> Self:
        """The values where `cond` is true, elsewhere `other` (default: missing). `cond` is a frame of conditions, a
        Series or an expression for whole rows, or a function of this frame that gives one of these; where it is missing
        it counts as False. `other` is a constant, a frame, or, with ``axis=0``, a Series."""
        return self._chosen("where", cond, other, inplace, axis, level)

    def mask(self, cond: Any, other: Any = None, *, inplace: bool = False, axis: Any = None, level: Any = None) -> Self:
        """The values where `cond` is not true, elsewhere `other`, as `where`."""
        return self._chosen("mask", cond, other, inplace, axis, level)

    def _chosen(self, kind: str, cond: Any, other: Any, inplace: bool, axis: Any, level: Any) -> Self:
        refuse(kind, inplace=(inplace, False, _UNCHANGING), level=(level, None, _NO_LEVELS))
        cond, other = self._called(cond), self._called(other)
        if not (isinstance(cond, Operators) or is_listed(cond)):
            raise TypeError(f"{place(self.env)}{kind}: the condition is a frame, a Series or an expression")
        operands = Operands(self, kind)
        by_rows = not isinstance(cond, FrameOperators)
        conditions = self._by_column(operands, cond, kind, 0 if by_rows else "columns")
        others = self._by_column(operands, other, kind, "columns" if axis is None else axis)
        return self._project_each(
            kind,
            lambda _, name, number: Expression(kind, (col(name), conditions[number], others[number])),
            operands,
        )

    def _put(self, name: str, condition: Any, value: Any) -> DataFrame:
        """The frame with `value` in a column where the condition is true; a new column is missing elsewhere. Not for
        users."""
        operands = Operands(self, "loc")
        if is_listed(value) and not isinstance(value, Operators):
            raise ValueError(
                f"{place(self.env)}loc[...] = value: a list is not taken; give a constant, or a Series of all rows"
            )
        chosen, new = operands.expression(condition), operands.expression(value)
        made: dict[str, Expression] = {other: col(other) for other in self.columns}
        old = made.get(name, expression_of(None))
        made[name] = Expression("mask", (old, chosen, new))
        return operands.project(list(made), list(made.values()))

    def fillna(self, value: Any, *, axis: Any = None, inplace: bool = False, limit: int | None = None) -> Self:
        """`value` where there is none: a constant, a dict of column to constant, or a frame of the same columns and
        rows; with `limit` of the first so many missing ones of each column alone, which is collective on a bound
        frame."""
        refuse(
            "fillna",
            inplace=(inplace, False, _UNCHANGING),
            axis=(0 if axis in (None, 0, "index") else axis, 0, "values are filled in column by column"),
        )
        if value is None:
            raise ValueError("fillna: value is None; name what to fill with")
        check_limit(self, "fillna", limit)
        operands = Operands(self, "fillna")
        if isinstance(value, Mapping):
            fillers = {name: expression_of(filler) for name, filler in value.items()}
        else:
            fillers = dict(zip(self.columns, self._by_column(operands, value, "fillna"), strict=True))
        filled = self._project_each(
            "fillna",
            lambda _, name, __: (
                Expression("fill", (col(name), fillers[name]), "fillna") if name in fillers else col(name)
            ),
            operands,
        )
        return filled if limit is None else cast(Self, self._fill_first(filled, limit))

    def _fill_first(self, filled: Rows, limit: Any) -> DataFrame:
        """The values of `filled` in place of the first `limit` missing ones of each column. Not for users."""
        names = self.columns
        numbers = [f"n{i}" for i in range(len(names))]
        env = choose_env("fillna", None, self)
        missing = Operands(self, "fillna").project(numbers, [col(name).isna().astype("int64") for name in names])
        hidden = len(self.index_names)
        counted = _core.scan(
            missing.table,
            None if env is None else env.session,
            function="cumsum",
            columns=range(hidden, hidden + len(names)),
            skipna=True,
        )
        operands = Operands(self, "fillna")
        counts = [col(name) for name in operands.beside(counted)]
        values = operands.columns_of(filled)
        return operands.project(
            names,
            [
                Expression("where", (values[i], ~(col(name).isna() & (counts[i] > int(limit))), col(name)))
                for i, name in enumerate(names)
            ],
        )

    def isin(self, values: Any) -> Self:
        """True where the value is one of `values`: a list for all columns, or a dict of column to list (other columns
        are False)."""
        if isinstance(values, Operators):
            raise TypeError(
                "isin: a frame or Series goes by labels in pandas, which is not taken; give a list or a dict"
            )
        if isinstance(values, Mapping):
            return self._project_each("isin", lambda _, name, __: col(name).isin(values.get(name, [])))
        return self._project_each("isin", lambda _, name, __: col(name).isin(values))

    def replace(
        self, to_replace: Any = None, value: Any = ABSENT, *, inplace: bool = False, regex: Any = False
    ) -> Self:
        """Other values in place of some, in all columns (as `Series.replace`) or by column: ``replace({"a": {1: 2}})``,
        ``replace({"a": 1}, 2)``. Values of other types than a column's are not found in it."""
        refuse(
            "replace",
            inplace=(inplace, False, _UNCHANGING),
            regex=(regex, False, "replace in texts by .str.replace(..., regex=True)"),
        )
        by_column: dict[str, list[tuple[Any, Any]]] = {}
        if isinstance(to_replace, Mapping) and value is not ABSENT:
            new = value if isinstance(value, Mapping) else dict.fromkeys(to_replace, value)
            by_column = {name: replacements(old, new[name]) for name, old in to_replace.items() if name in new}
        elif isinstance(to_replace, Mapping) and any(isinstance(pairs, Mapping) for pairs in to_replace.values()):
            by_column = {name: replacements(pairs, ABSENT) for name, pairs in to_replace.items()}
        elif isinstance(value, Mapping):
            by_column = {name: replacements(to_replace, new) for name, new in value.items()}
        else:
            by_column = dict.fromkeys(self.columns, replacements(to_replace, value))
        return self._project_each(
            "replace",
            lambda _, name, __: (
                Expression("lookup", (col(name),), (by_column[name], "replace", True))
                if name in by_column
                else col(name)
            ),
        )

    def astype(self, dtype: Any, copy: Any = ABSENT, errors: Literal["raise"] = "raise") -> Self:
        """The columns as another type, all or by a dict of column to type, as `Series.astype`."""
        refuse("astype", copy=(copy, ABSENT, "frames do not change, so nothing needs a copy"))
        if isinstance(dtype, Mapping):
            for name in dtype:
                find(self, name, "astype", index_too=False)
        wanted = dtype if isinstance(dtype, Mapping) else dict.fromkeys(self.columns, dtype)
        try:
            return self._project_each(
                "astype",
                lambda _, name, __: col(name).astype(wanted[name], errors=errors) if name in wanted else col(name),
            )
        except ValueError as problem:
            from weft.casting import cast_error

            raise cast_error(problem) from None

    def convert_dtypes(
        self,
        infer_objects: bool = True,
        convert_string: bool = True,
        convert_integer: bool = True,
        convert_boolean: bool = True,
        convert_floating: bool = True,
        dtype_backend: Any = "numpy_nullable",
    ) -> DataFrame:
        """Columns of floats that are all whole numbers, on all ranks, as int64, unless `convert_integer` is False.
        Other types hold missing values as they are. Collective on a bound frame."""
        from weft.typeselect import converted

        told = "columns are of types that hold missing values, and stay that"
        refuse(
            "convert_dtypes",
            infer_objects=(infer_objects, True, told),
            convert_string=(convert_string, True, told),
            convert_boolean=(convert_boolean, True, told),
            convert_floating=(convert_floating, True, told),
            dtype_backend=(dtype_backend, "numpy_nullable", "it is Arrow's"),
        )
        return converted(self._same) if convert_integer else self._same

    def infer_objects(self, copy: Any = ABSENT) -> DataFrame:
        """The frame: its columns are of one type each."""
        refuse("infer_objects", copy=(copy, ABSENT, "frames do not change, so nothing needs a copy"))
        return self._same

    # -- functions -----------------------------------------------------------------------------------------------

    def map(self, func: Any, na_action: Literal["ignore"] | None = None, **kwargs: Any) -> Self:
        """`func`, a Python function, of each value, as `Series.map`. Collective on a bound frame."""
        from weft.functions import map_values

        return cast(Self, map_values(self, func, na_action, kwargs))

    def applymap(self, func: Any, na_action: Literal["ignore"] | None = None, **kwargs: Any) -> Self:
        """The same as `map`."""
        return self.map(func, na_action, **kwargs)

    def apply(
        self,
        func: Any,
        axis: Any = 0,
        raw: bool = False,
        result_type: Literal["expand"] | None = None,
        args: tuple[Any, ...] = (),
        by_row: Any = "compat",
        engine: Any = None,
        engine_kwargs: Any = None,
        **kwargs: Any,
    ) -> Any:
        """A Python function of each column (``axis=0``) or of each row (``axis=1``). Collective on a bound frame.

        A column is given as a `Series` of this frame, whole and over all ranks; of Series the result is a frame, of
        values a dict by column. A row is given as a pandas Series; of values the result is a Series (named "0"), of
        pandas Series a frame of their labels. With ``result_type="expand"`` lists and dicts become columns too. An
        error in the function is an error on every rank, which names the rank.
        """
        from weft.functions import apply_columns, apply_rows

        refuse(
            "apply",
            raw=(raw, False, "rows are given as pandas Series"),
            by_row=(by_row, "compat", "call the function on the frame itself"),
            engine=(None if engine == "python" else engine, None, "functions run in Python"),
            engine_kwargs=(engine_kwargs, None, "functions run in Python"),
        )
        if axis not in (0, 1, "index", "columns"):
            raise ValueError(f"{place(self.env)}apply: axis={axis!r} is unknown; it is 0, 'index', 1 or 'columns'")
        if result_type not in (None, "expand"):
            raise ValueError(f"apply: result_type={result_type!r} is not taken; it is None or 'expand'")
        if axis in (0, "index"):
            return apply_columns(self._same, func, args, kwargs)
        return apply_rows(self._same, func, result_type == "expand", args, kwargs)

    def transform(self, func: Any, axis: Any = 0, *args: Any, **kwargs: Any) -> DataFrame:
        """What functions make of each column, a value for each row: a Python function, which is given the column as a
        Series and, where it takes no Series, value by value; the name of a method of Series or of a function of
        NumPy's; a dict of these by column; or lists of them, whose results are called ``column_function``. Collective
        on a bound frame.

        Raises ValueError for a function that gives one value for all rows or other rows, or that is not there.
        """
        from weft.transforming import transform

        return transform(self._same, func, axis, args, kwargs)

    # -- missing values ------------------------------------------------------------------------------------------

    def dropna(
        self,
        *,
        axis: Any = 0,
        how: Any = ABSENT,
        thresh: Any = ABSENT,
        subset: Columns | None = None,
        inplace: bool = False,
        ignore_index: bool = False,
    ) -> DataFrame:
        """Without the rows (``axis=0``) or columns (``axis=1``) in which values are missing.

        Parameters
        ----------
        axis
            0 or ``"index"``, 1 or ``"columns"``; columns are collective on a bound frame.
        how
            ``"any"`` (default): one missing value is enough; ``"all"``: only where all are.
        thresh
            Instead of `how`: keep what has so many values at least.
        subset
            The columns that count; for ``axis=1`` refused, rows have no labels.
        """
        refuse("dropna", inplace=(inplace, False, _UNCHANGING))
        if how is not ABSENT and thresh is not ABSENT:
            raise TypeError("dropna: how and thresh are not given together")
        how = "any" if how is ABSENT else how
        if how not in ("any", "all"):
            raise ValueError(f"{place(self.env)}dropna: how={how!r} is unknown; it is any or all")
        if thresh is not ABSENT and (isinstance(thresh, bool) or not hasattr(thresh, "__index__")):
            raise TypeError(f"dropna: thresh={thresh!r} is no integer")
        if axis in (1, "columns"):
            refuse("dropna", subset=(subset, None, "rows have no labels"))
            made = self._without_columns(how, thresh)
        elif axis in (0, "index"):
            positions = (
                range(len(self.index_names), self.table.num_columns)
                if subset is None
                else find_all(self, subset, "dropna", index_too=False)
            )
            made = self._without_rows([self.table.column_names[i] for i in positions], how, thresh)
        else:
            raise ValueError(f"{place(self.env)}dropna: axis={axis!r} is unknown; it is 0, 'index', 1 or 'columns'")
        return made.reset_index(drop=True) if ignore_index else made

    def _without_rows(self, names: Sequence[str], how: str, thresh: Any) -> DataFrame:
        present = [col(name).notna() for name in names]
        if not present:
            return self.of_same_rows(self.table)
        kept = present[0] if thresh is ABSENT else present[0].astype("int64")
        for other in present[1:]:
            if thresh is not ABSENT:
                kept = kept + other.astype("int64")
            else:
                kept = kept & other if how == "any" else kept | other
        return self.filter(kept if thresh is ABSENT else kept >= int(thresh))

    def _without_columns(self, how: str, thresh: Any) -> DataFrame:
        import numpy
        import pyarrow.compute as pc

        env = choose_env("dropna", None, self)
        there = cast("DataFrame", self.notna()).reset_index(drop=True).to_arrow()
        counts = numpy.array([pc.sum(column).as_py() or 0 for column in there.columns] + [len(self)], numpy.int64)
        if env is not None:
            counts = env.allreduce(counts)
        least = int(counts[-1]) if how == "any" else 1
        least = least if thresh is ABSENT else int(thresh)
        hidden = len(self.index_names)
        return self._keep([hidden + i for i, count in enumerate(counts[:-1]) if count >= least])

    def ffill(
        self, *, axis: Any = None, inplace: bool = False, limit: int | None = None, limit_area: Any = None
    ) -> Self:
        """The last value there was, of the rows above and of the ranks before, in place of missing ones; with `limit`
        at most so many of them in a row. Collective on a bound frame."""
        return self._carry("ffill", True, axis, inplace, limit, limit_area)

    def bfill(
        self, *, axis: Any = None, inplace: bool = False, limit: int | None = None, limit_area: Any = None
    ) -> Self:
        """The next value there is in place of missing ones, as `ffill`."""
        return self._carry("bfill", False, axis, inplace, limit, limit_area)

    def _carry(
        self, operation: str, forward: bool, axis: Any, inplace: bool, limit: int | None, limit_area: Any
    ) -> Self:
        refuse(
            operation,
            axis=(0 if axis in (None, 0, "index") else axis, 0, "values are carried from row to row"),
            inplace=(inplace, False, _UNCHANGING),
            limit_area=(limit_area, None, "gaps are filled wherever they are"),
        )
        check_limit(self, operation, limit)
        env = choose_env(operation, None, self)
        table = _core.fill(
            self.table,
            None if env is None else env.session,
            columns=list(range(len(self.index_names), self.table.num_columns)),
            forward=forward,
            limit=-1 if limit is None else int(limit),
        )
        return cast(Self, self.of_same_rows(table))
