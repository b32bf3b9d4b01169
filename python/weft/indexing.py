"""`Indexing`: choosing rows and columns, names and the index."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, find, find_all, place, refuse
from weft.expression import Expression
from weft.operands import Operands, is_listed
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

    def __setitem__(self, key: Any, value: Any) -> None:
        """``df["c"] = value``: the frame is from now on one with that column, as `assign` makes it. Frames made from it
        before do not change."""
        if not isinstance(key, str):
            raise TypeError(
                f"{place(self._env)}df[...] = value takes the name of one column, not {key!r}; use assign or where"
            )
        self._table = self.assign(**{key: value})._table

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

    def filter(self, condition: Any) -> DataFrame:
        """The rows for which the condition is true, in their order: ``df.filter(weft.col("delay") > 15)``.

        The condition is an expression, a Series, or a list or array of one truth value a row of this rank. No rank
        needs another's rows; collective on a bound frame only where a Series is not of this frame's rows.

        Raises KeyError for a column that is not there, TypeError for what is no condition or does not fit the types.
        """
        from weft.series import Series

        if not (isinstance(condition, Expression | Series) or is_listed(condition)):
            raise TypeError(f"filter takes an expression of weft.col or a Series, not {type(condition).__name__}")
        operands = Operands(self, "filter")
        return operands.filter(operands.expression(condition))

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
        return self.of_same_rows(self._table.rename(names))

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
