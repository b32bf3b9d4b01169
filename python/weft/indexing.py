"""`Indexing`: choosing rows and columns, names and the index."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from weft import _core
from weft.arguments import choose_env, find, find_all, one_of, place, refuse
from weft.expression import Expression, lit
from weft.labels import reindexed, renamed_labels
from weft.locating import At, IAt, ILoc, Loc
from weft.operands import Operands, is_listed
from weft.row_index import RowIndex, levels_of, names_after_reset, without_labels
from weft.rows import Column, Columns, Rows

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["Indexing"]


def _is_mask(key: Any) -> bool:
    """Whether a list or array holds truth values."""
    if hasattr(key, "dtype"):
        return str(key.dtype) in ("bool", "boolean", "bool[pyarrow]")
    if hasattr(key, "type"):
        return str(key.type) == "bool"
    return bool(key) and isinstance(key, list | tuple) and all(isinstance(item, bool) for item in key)


def _columns(frame: Rows, operation: str, axis: int | str) -> bool:
    """Whether an axis is that of the columns."""
    if axis not in (0, 1, "index", "rows", "columns"):
        raise ValueError(f"{place(frame.env)}{operation}: axis={axis!r} is none of 0, 1, index, columns")
    return axis in (1, "columns")


class Indexing(Rows):
    """Choosing rows and columns, names and the index."""

    __slots__ = ()

    # -- choosing ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        """``df["a"]`` is a `Series`, ``df[["a", "b"]]`` those columns, ``df[2:5]`` rows of the whole by position,
        ``df[df.a > 1]`` and ``df[weft.col("a") > 1]`` the rows for which that is true."""
        from weft.series import Series

        if isinstance(key, Expression | Series) or (is_listed(key) and _is_mask(key)):
            return self.filter(key)
        if isinstance(key, slice):
            return self._slice_rows(key)
        if isinstance(key, str):
            position = find(self, key, "df[...]", index_too=False)
            return Series(self._keep([position]))
        if isinstance(key, list):
            return self._keep([find(self, item, "df[...]", index_too=False) for item in key])
        raise KeyError(f"df[...]: {key!r} is no column name, list of names, slice of rows or expression")

    def _keep(self, positions: Sequence[int]) -> DataFrame:
        if len(set(positions)) != len(positions):
            raise ValueError("a column is named twice")
        return self.of_same_rows(self._table.select([*range(len(self._index)), *positions]))

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
        """``df["c"] = value``: the frame is from now on one with that column, as `assign` makes it. Frames made from it
        before do not change."""
        if not isinstance(key, str):
            raise TypeError(
                f"{place(self._env)}df[...] = value takes the name of one column, not {key!r}; use assign or where"
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
        made: DataFrame = self.iloc[:, listed] if _columns(self, "take", axis) else self.iloc[listed]
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
        self._become(self.drop(columns=item))
        return made

    def __delitem__(self, key: str) -> None:
        self._become(self.drop(columns=key))

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

    # -- names and index: local ----------------------------------------------------------------------------------

    @property
    def index(self) -> RowIndex:
        """The names and the values of the index columns; this rank's."""
        return RowIndex(self._same)

    def rename(
        self,
        mapper: Mapping[str, str] | Callable[[str], str] | None = None,
        *,
        index: Any = None,
        columns: Mapping[str, str] | Callable[[str], str] | None = None,
        axis: int | str | None = None,
        copy: bool | None = None,
        inplace: bool = False,
        level: Any = None,
        errors: Literal["ignore", "raise"] = "ignore",
    ) -> DataFrame:
        """Columns, or the labels of rows, with other names, by a dict of old to new or a function:
        ``rename(columns=...)`` or ``rename(mapper, axis=1)``, which is local, ``rename(index=...)`` or
        ``rename(mapper)``, which is collective on a bound frame.

        Parameters
        ----------
        level
            Only these index columns, by name or position.
        errors
            ``"raise"``: a KeyError for a name in the dict that no column, or no row, has.
        """
        refuse(
            "rename",
            copy=(copy, None, "frames do not change, so nothing needs a copy"),
            inplace=(inplace, False, "frames do not change: use the result"),
        )
        one_of(self._env, "rename", "errors", errors, ("ignore", "raise"))
        if mapper is not None:
            if columns is not None or index is not None:
                raise TypeError(f"{place(self._env)}rename: give a mapper, or index= and columns=")
            if _columns(self, "rename", 0 if axis is None else axis):
                columns = mapper
            else:
                index = mapper
        if columns is None and index is None:
            raise TypeError(f"{place(self._env)}rename: give columns= or index=")
        for wanted in (columns, index):
            if wanted is not None and not callable(wanted) and not isinstance(wanted, Mapping):
                raise TypeError(f"{place(self._env)}rename: it takes a dict or a function, not {wanted!r}")
        frame = self._same
        if columns is not None:
            change = columns if callable(columns) else lambda name: columns.get(name, name)
            if errors == "raise" and not callable(columns):
                for name in columns:
                    find(self, name, "rename", index_too=False)
            frame = self.with_names([*self._index, *(change(name) for name in self.columns)], "rename")
        return frame if index is None else renamed_labels(frame, index, level, errors == "raise")

    def with_names(self, names: Sequence[Any], operation: str) -> DataFrame:
        texts = [str(name) for name in names]
        if len(set(texts)) != len(texts):
            raise ValueError(f"{place(self._env)}{operation}: a column name would be there twice: {texts}")
        return self._wrap(self._table.rename(texts), self._env, texts[: len(self._index)], self._rows)

    def rename_axis(
        self,
        mapper: Any = None,
        *,
        index: Any = None,
        columns: Any = None,
        axis: int | str = 0,
        copy: bool | None = None,
        inplace: bool = False,
    ) -> DataFrame:
        """Index columns with other names: one name, a list of all, a dict of old to new, or a function. Local."""
        refuse(
            "rename_axis",
            columns=(columns, None, "the columns together have no name"),
            axis=(0 if axis in (0, "index", "rows") else axis, 0, "the columns together have no name"),
            copy=(copy, None, "frames do not change, so nothing needs a copy"),
            inplace=(inplace, False, "frames do not change: use the result"),
        )
        wanted = mapper if index is None else index
        if callable(wanted):
            names = [wanted(name) for name in self._index]
        elif isinstance(wanted, Mapping):
            names = [wanted.get(name, name) for name in self._index]
        else:
            names = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
        if len(names) != len(self._index):
            raise ValueError(f"{place(self._env)}rename_axis: {len(names)} names for {len(self._index)} index columns")
        return self.with_names([*names, *self.columns], "rename_axis")

    def set_axis(self, labels: Sequence[str], *, axis: int | str = 0, copy: bool | None = None) -> DataFrame:
        """All columns with new names (``axis=1``). Local."""
        refuse("set_axis", copy=(copy, None, "frames do not change, so nothing needs a copy"))
        if not _columns(self, "set_axis", axis):
            raise ValueError(f"{place(self._env)}set_axis: axis=0 is not taken; assign a column and set_index() it")
        if len(labels) != len(self.columns):
            raise ValueError(f"{place(self._env)}set_axis: {len(labels)} names for {len(self.columns)} columns")
        return self.with_names([*self._index, *labels], "set_axis")

    def add_prefix(self, prefix: str, axis: int | str | None = None) -> DataFrame:
        """`prefix` before each column's name. Local."""
        refuse("add_prefix", axis=(1 if axis in (None, 1, "columns") else axis, 1, "labels of rows are not renamed"))
        return self.with_names([*self._index, *(f"{prefix}{name}" for name in self.columns)], "add_prefix")

    def add_suffix(self, suffix: str, axis: int | str | None = None) -> DataFrame:
        """`suffix` after each column's name. Local."""
        refuse("add_suffix", axis=(1 if axis in (None, 1, "columns") else axis, 1, "labels of rows are not renamed"))
        return self.with_names([*self._index, *(f"{name}{suffix}" for name in self.columns)], "add_suffix")

    def drop(
        self,
        labels: Any = None,
        *,
        axis: int | str = 0,
        index: Any = None,
        columns: Columns | None = None,
        level: Any = None,
        inplace: bool = False,
        errors: Literal["ignore", "raise"] = "raise",
    ) -> DataFrame:
        """Without these columns (``columns=``, or `labels` with ``axis=1``), and without the rows that have these
        labels (``index=``, or `labels`). Without rows: local; else collective on a bound frame.

        Parameters
        ----------
        errors
            ``"ignore"``: names and labels that are not there are passed over.
        """
        refuse(
            "drop",
            level=(level, None, "filter by a condition on the index column"),
            inplace=(inplace, False, "frames do not change: use the result"),
        )
        one_of(self._env, "drop", "errors", errors, ("ignore", "raise"))
        if labels is not None:
            if index is not None or columns is not None:
                raise ValueError(f"{place(self._env)}drop: give labels, or index and columns")
            if _columns(self, "drop", axis):
                columns = labels
            else:
                index = labels
        if index is None and columns is None:
            raise ValueError(f"{place(self._env)}drop: give columns=, index= or labels")
        frame = self._same
        if columns is not None:
            listed = list(columns) if isinstance(columns, list | tuple) else [columns]
            known = frame.columns
            wanted = [name for name in listed if errors == "raise" or isinstance(name, int) or name in known]
            gone = {find(frame, name, "drop", index_too=False) for name in wanted}
            frame = frame._keep([i for i in range(len(self._index), self._table.num_columns) if i not in gone])
        return frame if index is None else without_labels(frame, index, errors == "raise")

    def reindex(
        self,
        labels: Any = None,
        *,
        index: Any = None,
        columns: Sequence[str] | None = None,
        axis: int | str | None = None,
        method: Any = None,
        copy: bool | None = None,
        level: Any = None,
        fill_value: Any = None,
        limit: int | None = None,
        tolerance: Any = None,
    ) -> DataFrame:
        """These columns, in this order; those that are not there are made of `fill_value` (default: missing doubles),
        which is local: ``reindex(columns=...)`` or ``reindex(labels, axis=1)``. And a row a label, in this order, of
        `fill_value` where none has it: ``reindex(labels)`` or ``reindex(index=...)``, collective on a bound frame, on
        which rows are spread evenly anew. Labels are of the index' type, tuples of an index of several columns."""
        refuse(
            "reindex",
            method=(method, None, "fillna() the result"),
            copy=(copy, None, "frames do not change, so nothing needs a copy"),
            level=(level, None, "there are no multi-level column names"),
            limit=(limit, None, "fillna() the result"),
            tolerance=(tolerance, None, "fillna() the result"),
        )
        if labels is not None:
            if columns is not None or index is not None:
                raise TypeError(f"{place(self._env)}reindex: give labels, or index= and columns=")
            if axis is not None and _columns(self, "reindex", axis):
                columns = labels
            else:
                index = labels
        if index is not None:
            listed = index.to_list() if isinstance(index, RowIndex) else list(index)
            made = reindexed(self._same, listed, fill_value)
            return made if columns is None else made.reindex(columns=columns, fill_value=fill_value)
        if columns is None:
            raise ValueError(f"{place(self._env)}reindex: give index= or columns=")
        names = [str(name) for name in columns]
        missing = [name for name in names if name not in self.columns]
        fill = fill_value is None or (isinstance(fill_value, float) and fill_value != fill_value)
        filler = lit(fill_value)
        if fill:
            import pyarrow as pa

            filler = lit(pa.scalar(None, pa.float64()))
        frame = (
            self._same._project(
                [*self.columns],
                [Expression("column", detail=name) for name in self.columns],
                dict.fromkeys(missing, filler),
                "reindex",
            )
            if missing
            else self._same
        )
        return frame._keep([find(frame, name, "reindex", index_too=False) for name in names])

    def set_index(
        self,
        keys: Columns,
        *,
        drop: bool = True,
        append: bool = False,
        inplace: bool = False,
        verify_integrity: bool = False,
    ) -> DataFrame:
        """These columns as the index, in place of the one there is. Local, but for `verify_integrity`.

        Parameters
        ----------
        append
            After the index columns that there are.
        verify_integrity
            A ValueError where two rows have one label; collective on a bound frame.
        """
        refuse(
            "set_index",
            drop=(drop, True, "the index columns are ordinary columns of to_arrow()"),
            inplace=(inplace, False, "frames do not change: use the result"),
        )
        positions = find_all(self, keys, "set_index", index_too=False)
        rest = [i for i in range(len(self._index), self._table.num_columns) if i not in positions]
        if append:
            positions = [*range(len(self._index)), *positions]
        names = [self._table.column_names[i] for i in positions]
        made = self._wrap(self._table.select([*positions, *rest]), self._env, names)
        if verify_integrity and not made.index.is_unique:
            raise ValueError(f"{place(self._env)}set_index: rows have the same label in the index {names}")
        return made

    def reset_index(
        self,
        level: Any = None,
        *,
        drop: bool = False,
        inplace: bool = False,
        col_level: Any = 0,
        col_fill: Any = "",
        allow_duplicates: bool = False,
        names: Any = None,
    ) -> DataFrame:
        """The index columns as ordinary ones, first; or, with `drop`, without them. Local.

        Parameters
        ----------
        level
            Only these index columns, by name or position.
        names
            What they are called then; by default as they were, an index without a name ``index``.
        """
        refuse(
            "reset_index",
            inplace=(inplace, False, "frames do not change: use the result"),
            col_level=(col_level, 0, "there are no multi-level column names"),
            col_fill=(col_fill, "", "there are no multi-level column names"),
            allow_duplicates=(allow_duplicates, False, "a frame's column names are all different"),
        )
        gone = levels_of(self, level, "reset_index")
        stay = [i for i in range(len(self._index)) if i not in gone]
        kept = [self._index[i] for i in stay]
        rest = list(range(len(self._index), self._table.num_columns))
        if drop:
            return self._wrap(self._table.select([*stay, *rest]), self._env, kept)
        frame = self._wrap(self._table.select([*stay, *gone, *rest]), self._env, kept)
        called = names_after_reset(self, gone, names)
        return frame.with_names([*kept, *called, *frame.columns[len(gone) :]], "reset_index")

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
