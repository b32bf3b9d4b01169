"""`Indexing`: choosing rows and columns, names and the index."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, find, find_all, place, refuse
from weft.expression import Expression
from weft.rows import Column, Columns, Rows

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["Indexing"]


class Indexing(Rows):
    """Choosing rows and columns, names and the index."""

    __slots__ = ()

    # -- choosing ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        """``df["a"]`` is a `Series`, ``df[["a", "b"]]`` those columns, ``df[2:5]`` rows of the whole by position,
        ``df[weft.col("a") > 1]`` the rows for which that is true."""
        from weft.series import Series

        if isinstance(key, Expression):
            return self.filter(key)
        if isinstance(key, slice):
            return self._slice_rows(key)
        if isinstance(key, str):
            position = find(self, key, "df[...]", index_too=False)
            return Series(self._keep([position]))
        if isinstance(key, list):
            if key and all(isinstance(item, bool) for item in key):
                raise ValueError("df[...]: a list of truth values is not taken; use an expression of weft.col")
            return self._keep([find(self, item, "df[...]", index_too=False) for item in key])
        if isinstance(key, Series):
            raise ValueError("df[...]: a Series as a mask is not taken; use an expression of weft.col")
        raise KeyError(f"df[...]: {key!r} is no column name, list of names, slice of rows or expression")

    def _keep(self, positions: Sequence[int]) -> DataFrame:
        if len(set(positions)) != len(positions):
            raise ValueError("a column is named twice")
        return self._like(self._table.select([*range(len(self._index)), *positions]))

    def select(self, *columns: Column | Expression, **named: Any) -> DataFrame:
        """The columns named, then those of the expressions: ``df.select("a", twice=weft.col("a") * 2)``. Local: no
        rank needs another's rows. The index stays."""
        names: list[str] = []
        expressions: list[Expression] = []
        for column in columns:
            if isinstance(column, Expression):
                raise TypeError("select: an expression needs a name: select(name=expression)")
            names.append(self._table.column_names[find(self, column, "select", index_too=False)])
            expressions.append(Expression("column", detail=names[-1]))
        return self._project(names, expressions, named, "select")

    def assign(self, **columns: Any) -> DataFrame:
        """All columns, and those given: an expression, a constant, or a function of this frame that returns one of
        these. A name that is there already is replaced. Later ones see earlier ones, as in pandas."""
        frame = self._same
        for name, value in columns.items():
            made = value(frame) if callable(value) and not isinstance(value, Expression) else value
            names = frame.columns
            kept = [Expression("column", detail=other) for other in names]
            expression = frame._expression(made, "assign")
            if name in names:
                kept[names.index(name)] = expression
                frame = frame._project(names, kept, {}, "assign")
            else:
                frame = frame._project(names, kept, {name: expression}, "assign")
        return frame

    def _expression(self, value: Any, operation: str) -> Expression:
        from weft.expression import lit

        if isinstance(value, Expression):
            return value
        if hasattr(value, "__len__") and not isinstance(value, str | bytes):
            raise TypeError(
                f"{operation}: a column is given by an expression or a constant, not {type(value).__name__}"
            )
        return lit(value)

    def _project(
        self, names: Sequence[str], expressions: Sequence[Expression], named: Mapping[str, Any], operation: str
    ) -> DataFrame:
        all_names = [*self._index, *names, *named]
        if len(set(all_names)) != len(all_names):
            raise ValueError(f"{place(self._env)}{operation}: a column name is there twice: {all_names}")
        values = [*expressions, *(self._expression(value, operation) for value in named.values())]
        for value in values:
            for name in sorted(value.columns()):
                find(self, name, operation)
        lowered = [_core.Expression.field(name) for name in self._index] + [value.lower() for value in values]
        env = choose_env(operation, None, self)
        session = None if env is None else env.session
        return self._like(_core.project(self._table, session, all_names, lowered))

    def filter(self, condition: Expression) -> DataFrame:
        """The rows for which the condition is true, in their order: ``df.filter(weft.col("delay") > 15)``. Local: no
        rank needs another's rows.

        Raises KeyError for a column that is not there, TypeError for what is no condition or does not fit the types.
        """
        if not isinstance(condition, Expression):
            raise TypeError(f"filter takes an expression of weft.col, not {type(condition).__name__}")
        for name in sorted(condition.columns()):
            find(self, name, "filter")
        env = choose_env("filter", None, self)
        session = None if env is None else env.session
        return self._like(_core.filter(self._table, session, condition.lower(as_filter=True)))

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
            raise ValueError(f"df[a:b]: a step of {rows.step} is not taken")
        start, stop = rows.start or 0, rows.stop
        if start < 0 or (stop is not None and stop < 0):
            start, stop, _ = rows.indices(self.total_rows())
        return self.slice(start, None if stop is None else max(0, stop - start))

    # -- names and index: local ----------------------------------------------------------------------------------

    def rename(self, columns: Mapping[str, str] | Callable[[str], str]) -> DataFrame:
        """Columns with other names: by a dict of old to new (unknown ones are passed over, as in pandas) or by a
        function."""
        change = columns if callable(columns) else lambda name: columns.get(name, name)
        names = [*self._index, *(change(name) for name in self.columns)]
        if len(set(names)) != len(names):
            raise ValueError(f"rename: a column name would be there twice: {names}")
        return self._like(self._table.rename(names))

    def drop(self, columns: Columns) -> DataFrame:
        """Without these columns."""
        gone = set(find_all(self, columns, "drop", index_too=False))
        return self._keep([i for i in range(len(self._index), self._table.num_columns) if i not in gone])

    def set_index(self, keys: Columns, drop: bool = True) -> DataFrame:
        """These columns as the index, in place of the one there is."""
        refuse("set_index", drop=(drop, True, "the index columns are ordinary columns of to_arrow()"))
        positions = find_all(self, keys, "set_index", index_too=False)
        rest = [i for i in range(len(self._index), self._table.num_columns) if i not in positions]
        names = [self._table.column_names[i] for i in positions]
        return self._wrap(self._table.select([*positions, *rest]), self._env, names)

    def reset_index(self, drop: bool = False) -> DataFrame:
        """The index columns as ordinary ones, first; or, with `drop`, without them."""
        if not drop:
            return self._wrap(self._table, self._env)
        kept = list(range(len(self._index), self._table.num_columns))
        return self._wrap(self._table.select(kept), self._env)

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
