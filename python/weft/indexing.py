"""`Indexing`: choosing rows and columns."""

from __future__ import annotations

import builtins
import datetime
import re
import sys
from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from weft import _core
from weft.arguments import choose_env, find, place, refuse
from weft.computed import ABSENT
from weft.expression import Expression
from weft.locating import At, IAt, ILoc, Loc
from weft.operands import Operands, is_listed
from weft.row_index import RowIndex
from weft.rows import Column, Rows

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["Indexing", "by_columns"]


def _is_mask(key: Any) -> bool:
    """Whether a list or array holds truth values."""
    if hasattr(key, "dtype"):
        return str(key.dtype) in ("bool", "boolean", "bool[pyarrow]")
    if hasattr(key, "type"):
        return str(key.type) == "bool"
    return bool(key) and isinstance(key, list | tuple) and all(isinstance(item, bool) for item in key)


def _shown(key: Any) -> str:
    """A key in an error: short."""
    text = repr(key)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(key).__name__}"


def by_columns(frame: Rows, operation: str, axis: int | str) -> bool:
    """Whether an axis is that of the columns."""
    if axis not in (0, 1, "index", "rows", "columns"):
        raise ValueError(f"{place(frame.env)}{operation}: axis={axis!r} is none of 0, 1, index, columns")
    return axis in (1, "columns")


def _scope_of(level: int, local: Mapping[str, Any] | None, everywhere: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The variables of who called the method that calls this."""
    caller = sys._getframe(2 + level)
    return ChainMap(
        dict(caller.f_locals if local is None else local), dict(caller.f_globals if everywhere is None else everywhere)
    )


class Indexing(Rows):
    """Choosing rows and columns."""

    __slots__ = ()

    # -- choosing ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        """``df["a"]`` is a `Series`, ``df[["a", "b"]]`` those columns, ``df[2:5]`` rows of the whole by position,
        ``df["2024-01-05":"2024-01-07"]`` by label, both ends included,
        ``df[df.a > 1]`` and ``df[weft.col("a") > 1]`` the rows for which that is true, ``df[df > 1]`` what `where`
        gives."""
        from weft.series import Series

        if isinstance(key, Rows):
            return self._same.where(key)
        if isinstance(key, Expression | Series) or (is_listed(key) and _is_mask(key)):
            return self.filter(key)
        if isinstance(key, slice):
            if self._index and any(isinstance(end, str | datetime.date) for end in (key.start, key.stop)):
                return self.loc[key]
            return self._slice_rows(key)
        if isinstance(key, str):
            position = find(self, key, "df[...]", index_too=False)
            return Series(self._keep([position]))
        if isinstance(key, list):
            return self._keep([find(self, item, "df[...]", index_too=False) for item in key])
        if isinstance(key, int) and str(key) in self.columns:
            # A number that a dict or an array named it by.
            return self[str(key)]
        raise KeyError(
            f"{place(self._env)}df[...]: {_shown(key)} is no column name, list of names, slice of rows or condition; "
            "columns are named by texts, rows by place are df.iloc[...], by label df.loc[...]"
        )

    def _keep(self, positions: Sequence[int]) -> DataFrame:
        if len(set(positions)) != len(positions):
            raise ValueError("a column is named twice")
        made = self.of_same_rows(self._table.select([*range(len(self._index)), *positions]))
        return made if not self._index else made.with_names(made.table.column_names, "df[...]")

    def select(self, *columns: Column | Expression | Sequence[Column | Expression], **named: Any) -> DataFrame:
        """The columns named, or in one list, then those of the expressions, or of what `assign` takes:
        ``df.select("a", twice=weft.col("a") * 2)``. No rank needs another's rows. The index stays."""
        names: list[str] = []
        expressions: list[Expression] = []
        listed: Sequence[Any] = columns
        if len(columns) == 1 and isinstance(columns[0], list | tuple):
            listed = columns[0]
        for column in listed:
            if isinstance(column, Expression) and column.kind != "column":
                raise TypeError(f"{place(self._env)}select: an expression needs a name: select(name=expression)")
            key = column.detail if isinstance(column, Expression) else column
            names.append(self._table.column_names[find(self, key, "select", index_too=False)])
            expressions.append(Expression("column", detail=names[-1]))
        made = {
            name: value(self._same) if callable(value) and not isinstance(value, Expression) else value
            for name, value in named.items()
        }
        return self._project(names, expressions, made, "select")

    def __setitem__(self, key: Any, value: Any) -> None:
        """``df["c"] = value``: the frame is from now on one with that column, as `assign` makes it. ``df[condition] =
        value``: one with `value` where that is true, as `mask` makes it. Frames made from it before do not change."""
        from weft.series import Series

        if isinstance(key, Rows | Series | Expression):
            self._become(self._same.mask(key, value))
            return
        if not isinstance(key, str):
            raise TypeError(
                f"{place(self._env)}df[...] = value takes the name of one column or a condition, not {_shown(key)}; "
                "use assign, where or mask"
            )
        self._become(self.assign(**{key: value}))

    def assign(self, **columns: Any) -> DataFrame:
        """All columns, and those given: a Series, an expression, a constant, a list or array of one value a row of this
        rank, or a function of this frame that returns one of these. A name that is there already is replaced. Later
        ones see earlier ones, as in pandas. Collective on a bound frame where values are not of this frame's rows."""
        frame = self.of_same_rows(self._table)
        for name, value in columns.items():
            operands = Operands(frame, "assign")
            made = value(frame) if callable(value) and not isinstance(value, Expression) else value
            expressions = {other: Expression("column", detail=other) for other in frame.columns}
            expressions[name] = operands.expression(made)
            frame = operands.project(list(expressions), list(expressions.values()))
        return frame

    def query(
        self,
        expr: str,
        *,
        parser: Literal["pandas"] = "pandas",
        engine: Literal["python"] | None = None,
        local_dict: Mapping[str, Any] | None = None,
        global_dict: Mapping[str, Any] | None = None,
        resolvers: Any = None,
        level: int = 0,
        inplace: Any = ABSENT,
    ) -> DataFrame:
        """The rows for which a text is true: ``df.query("delay > 15 and carrier in ['AA', 'UA']")``. Collective on a
        bound frame where the text looks at other rows (``delay > delay.mean()``), names a Series that is not of this
        frame's rows, or is of types whose values can fail.

        The text has comparisons (also ``a < b < c``), ``and or not & | ~``, arithmetic, ``in`` and ``not in``, columns
        by name (others than Python's names in backticks), index columns by name or as ``index``, ``@name`` for the
        caller's variables and functions, NumPy's functions by name, and methods of columns: those of expressions, and
        reductions, scans and ``shift`` of a Series.

        Parameters
        ----------
        local_dict, global_dict
            The variables, instead of the caller's.
        level
            So many calls further out are the variables.

        Raises KeyError for a column or variable that is not there, ValueError for what cannot be read or is not taken,
        TypeError for what is no condition.
        """
        from weft.querying import query

        scope = _scope_of(level, local_dict, global_dict)
        return query(self._same, expr, scope, parser=parser, engine=engine, resolvers=resolvers, inplace=inplace)

    def eval(self, expr: str, *, inplace: Any = ABSENT, **kwargs: Any) -> Any:
        """What a text, as `query` takes it, is for each row: a Series; or for ``"c = a + b"`` the frame with that
        column. Several lines are assigned one after the other. A text without columns gives a Python value. Other
        arguments, errors, and when it is collective, are as of `query`."""
        from weft.querying import evaluate

        names = [
            kwargs.pop(name, default) for name, default in (("level", 0), ("local_dict", None), ("global_dict", None))
        ]
        return evaluate(self._same, expr, _scope_of(*names), inplace=inplace, **kwargs)

    def _project(
        self, names: Sequence[str], expressions: Sequence[Expression], named: Mapping[str, Any], operation: str
    ) -> DataFrame:
        operands = Operands(self, operation)
        values = [operands.expression(value) for value in (*expressions, *named.values())]
        return operands.project([*names, *named], values)

    def filter(
        self,
        arg: Any = None,
        /,
        like: str | None = None,
        regex: str | None = None,
        axis: int | str | None = None,
        *,
        items: Sequence[str] | None = None,
        cond: Any = None,
        na: bool | Literal["raise"] = False,
    ) -> DataFrame:
        """The rows for which a condition is true, in their order: ``df.filter(weft.col("delay") > 15)``; or the columns
        whose names fit. No rank needs another's rows.

        Parameters
        ----------
        arg
            A condition, as `cond`; a list is of names, as `items`.
        items, like, regex
            Columns that are among these, whose names hold this text, or in whose names the pattern is found.
        axis
            1 or "columns" for names; 0 or "index" for conditions.
        cond
            An expression, a Series, a list or array of one truth value a row of this rank, or a function of this frame
            that gives one of these. Collective on a bound frame only where a Series is not of this frame's rows.

        Raises KeyError for a column that is not there, TypeError for what is no condition or does not fit the types.
        """
        refuse("filter", na=(na, False, "fillna() what the condition reads"))
        if sum(value is not None for value in (arg, items, cond, like, regex)) != 1:
            raise TypeError("filter: give one of a condition, items, cond, like and regex")
        if isinstance(arg, list | tuple) and not _is_mask(arg):
            arg, items = None, arg
        condition = cond if arg is None else arg
        if condition is None:
            return self._filter_names(items, like, regex, axis)
        refuse("filter", axis=(0 if axis in (None, 0, "index") else axis, 0, "a condition chooses rows"))
        from weft.series import Series

        if callable(condition) and not isinstance(condition, Expression | Series):
            condition = condition(self._same)
        if not (isinstance(condition, Expression | Series) or is_listed(condition)):
            raise TypeError(f"filter takes an expression of weft.col or a Series, not {type(condition).__name__}")
        operands = Operands(self, "filter")
        return operands.filter(operands.expression(condition))

    def _filter_names(
        self, items: Sequence[str] | None, like: str | None, regex: str | None, axis: int | str | None
    ) -> DataFrame:
        refuse(
            "filter",
            axis=(1 if axis in (None, 1, "columns") else axis, 1, "rows are chosen by a condition on the index column"),
        )
        names = self.columns
        if items is not None:
            names = [str(name) for name in dict.fromkeys(items) if str(name) in names]
        elif like is not None:
            names = [name for name in names if like in name]
        else:
            pattern = re.compile(cast("str", regex))
            names = [name for name in names if pattern.search(name)]
        return self._keep([self._table.column_names.index(name) for name in names])

    @property
    def loc(self) -> Loc:
        """Rows (and columns) by label; see `weft.locating.Loc`. Collective on a bound frame."""
        return Loc(self._same)

    @property
    def iloc(self) -> ILoc:
        """Rows (and columns) by position; see `weft.locating.ILoc`. Collective on a bound frame."""
        return ILoc(self._same)

    @property
    def at(self) -> At:
        """One value by label and column: ``df.at["x", "a"]``. Collective on a bound frame."""
        return At(self._same)

    @property
    def iat(self) -> IAt:
        """One value by row and column number: ``df.iat[3, 0]``. Collective on a bound frame."""
        return IAt(self._same)

    def take(self, indices: Sequence[int], axis: int | str = 0) -> DataFrame:
        """The rows (columns for ``axis=1``) at these positions, in this order. Collective on a bound frame."""
        listed = list(indices)
        made: DataFrame = self.iloc[:, listed] if by_columns(self, "take", axis) else self.iloc[listed]
        return made

    def get(self, key: Any, default: Any = None) -> Any:
        """``df[key]``, or `default` where there is no such column."""
        try:
            return self[key]
        except (KeyError, IndexError):
            return default

    def pop(self, item: str) -> Series:
        """The column, which the frame then has no more."""
        made: Series = self[item]
        self._become(self._same.drop(columns=item))
        return made

    def __delitem__(self, key: str) -> None:
        self._become(self._same.drop(columns=key))

    def insert(self, loc: int, column: str, value: Any, allow_duplicates: bool = False) -> None:
        """Makes `value` the column `column` of this frame, before the column at `loc`. Takes what `assign` takes."""
        refuse("insert", allow_duplicates=(allow_duplicates, False, "a frame's column names are all different"))
        where = place(self._env)
        names = self.columns
        if column in self._table.column_names:
            raise ValueError(f"{where}insert: there is a column {column!r} already")
        if isinstance(loc, bool) or not hasattr(loc, "__index__"):
            raise TypeError(f"{where}insert: loc is a position, not {loc!r}")
        if not 0 <= loc <= len(names):
            raise IndexError(f"{where}insert: there is no position {loc} among {len(names)} columns")
        made = self.assign(**{column: value})
        hidden, last = len(self._index), len(names)
        order = [*range(loc), last, *range(loc, last)]
        self._become(made._keep([hidden + i for i in order]))

    def isetitem(self, loc: int | Sequence[int], value: Any) -> None:
        """Makes `value` the column at place `loc` of this frame; or a frame's columns those at several places. Takes
        what `assign` takes."""
        where = f"{place(self._env)}isetitem"
        places: list[Any] = [loc] if hasattr(loc, "__index__") else list(loc)
        names = self.columns
        for one in places:
            if isinstance(one, bool) or not hasattr(one, "__index__"):
                raise TypeError(f"{where}: loc is a place among the columns, or a list of such, not {one!r}")
            if not -len(names) <= one < len(names):
                raise IndexError(f"{where}: there is no place {one} among {len(names)} columns")
        if isinstance(value, Rows):
            given = cast("DataFrame", value)
            if len(places) != len(given.columns):
                raise ValueError(f"{where}: {len(places)} places are named for {len(given.columns)} columns")
            values: list[Any] = [given[name] for name in given.columns]
        elif len(places) != 1:
            raise TypeError(f"{where}: of several places the value is a frame, not {type(value).__name__}")
        else:
            values = [value]
        named = {names[one]: new for one, new in zip(places, values, strict=True)}
        if len(named) < len(places):
            raise ValueError(f"{where}: a place is named twice in {places}")
        self._become(self.assign(**named))

    def copy(self, deep: bool = True) -> DataFrame:
        """A frame of its own: what is done to one's columns the other does not see. Memory is shared, `deep` or not,
        since values never change."""
        return self.of_same_rows(self._table)

    def squeeze(self, axis: int | str | None = None) -> Any:
        """One column as a Series, one row as a dict, one value as itself; else the frame. Collective on a bound frame
        unless ``axis=1``."""
        if axis is not None and axis not in (0, 1, "index", "rows", "columns"):
            raise ValueError(f"{place(self._env)}squeeze: axis={axis!r} is none of 0, 1, index, columns")
        one_column = axis not in (0, "index", "rows") and len(self.columns) == 1
        one_row = axis not in (1, "columns") and self.total_rows() == 1
        if one_row:
            return self.iloc[0, 0] if one_column else self.iloc[0]
        return self.iloc[:, 0] if one_column else self._same

    def select_dtypes(self, include: Any = None, exclude: Any = None) -> DataFrame:
        """The columns of these types and not of those. A type is named as pandas does (``"number"``, ``"int64"``,
        ``"float"``, ``"bool"``, ``"str"``, ``"datetime"``, ``"datetimetz"``, ``"timedelta"``, ``"category"``), or is a
        ``pyarrow.DataType``."""
        from weft.typeselect import chosen_types

        keep = chosen_types(self.dtypes, include, exclude, place(self._env) + "select_dtypes")
        return self._keep([self._table.column_names.index(name) for name in keep])

    def head(self, n: int = 5) -> DataFrame:
        """The first `n` rows of the whole; all but the last -n for a negative `n`. Collective on a bound frame."""
        return self._slice_rows(slice(0, n))

    def tail(self, n: int = 5) -> DataFrame:
        """The last `n` rows of the whole; all but the first -n for a negative `n`. Collective on a bound frame."""
        total = self.total_rows()
        return self.slice(max(0, total - n) if n >= 0 else min(total, -n))

    def slice(self, offset: int, length: int | None = None) -> DataFrame:
        """Rows ``offset`` to ``offset + length`` of the whole, to the end without a length. Rows stay on their rank.
        Collective on a bound frame."""
        if offset < 0 or (length is not None and length < 0):
            raise ValueError(f"slice: offset={offset} and length={length} are not below 0")
        env = choose_env("slice", None, self)
        count = 2**62 if length is None else length
        if env is not None:
            return self._like(_core.slice(self._table, env.session, offset, count))
        start = min(offset, len(self))
        return self._like(self._table.slice(start, min(count, len(self) - start)))

    def _slice_rows(self, rows: builtins.slice) -> DataFrame:
        for bound in (rows.start, rows.stop):
            if bound is not None and (isinstance(bound, bool) or not hasattr(bound, "__index__")):
                raise TypeError(f"df[a:b]: rows are sliced by position, not by {bound!r}")
        if rows.step not in (None, 1):
            made: DataFrame = self.iloc[rows]
            return made
        start, stop = rows.start or 0, rows.stop
        if start < 0 or (stop is not None and stop < 0):
            start, stop, _ = rows.indices(self.total_rows())
        return self.slice(start, None if stop is None else max(0, stop - start))

    @property
    def index(self) -> RowIndex:
        """The names and the values of the index columns; this rank's."""
        return RowIndex(self._same)

    @index.setter
    def index(self, labels: Any) -> None:
        raise TypeError(
            f"{place(self._env)}df.index = labels is not taken; make them a column and set_index() it, "
            "reset_index(drop=True) drops labels, rename_axis() names them"
        )

    def equals(self, other: object, *, ordered: bool = True) -> bool:
        """Whether `other` is a frame of the same columns, types and rows, missing values being equal. Collective on
        bound frames, however their rows lie on the ranks: all ranks have the answer.

        Parameters
        ----------
        ordered
            False: rows may come in any order; columns must be of types that can be keys.
        """
        from weft.comparing import equals

        return equals(self._same, other, ordered)

    def show(self, rows: int = 20) -> None:
        """Prints the first `rows` rows of the whole on rank 0. Collective on a bound frame."""
        env = choose_env("show", None, self)
        total = self.total_rows()
        first = self.head(rows).gather(0)
        if env is None or env.rank == 0:
            left_out = "" if total <= rows else f", the first {rows} shown"
            ranks = "" if env is None else f" on {env.world_size} rank{'s' if env.world_size > 1 else ''}"
            footer = f"[{total} rows x {len(self.columns)} columns{ranks}{left_out}]"
            print(self._text(first.table, max(rows, 1), footer), flush=True)

    def __getattr__(self, name: str) -> Series:
        # Only reached where there is no such attribute: df.column, as in pandas.
        if not name.startswith("_") and name in self.columns:
            made: Series = self[name]
            return made
        raise AttributeError(f"weft.DataFrame has no attribute or column {name!r}")
