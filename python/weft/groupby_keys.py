"""`Keys`: what a groupby's rows are grouped by, and the table that the engine is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft import _core
from weft.arguments import choose_env, find, place
from weft.arrow_input import doubled_index, index_label
from weft.env import Env
from weft.expression import Expression
from weft.frame import DataFrame
from weft.operands import Operands, is_listed
from weft.series import Series

__all__ = ["Keys"]


class Keys:
    """A frame, its key columns and the options of ``groupby``. Keys that are no columns of the frame, expressions and
    Series, are put behind its columns as hidden ones."""

    def __init__(
        self,
        frame: DataFrame,
        by: Any,
        level: Any,
        *,
        as_index: bool,
        sort: bool,
        dropna: bool,
        group_keys: bool,
    ) -> None:
        self.frame = frame
        self.as_index = as_index
        self.sort = sort
        self.dropna = dropna
        self.group_keys = group_keys
        #: Whether keys came as a list: then a group's key is a tuple.
        self.listed = isinstance(by if by is not None else level, list | tuple)
        self.table: _core.Table = frame.table
        #: Positions in `table`, and names in results.
        self.positions: list[int] = []
        self.names: list[str] = []
        if (by is None) == (level is None):
            raise ValueError(f"{self.where}groupby: name the keys in by, or index columns in level")
        if level is not None:
            self._take_levels(level)
        else:
            self._take(by)
        if len(set(self.names)) != len(self.names):
            raise ValueError(
                f"{self.where}groupby: a key is named twice in {self.names!r}; name a Series anew, "
                "df.t.dt.month.rename('month')"
            )

    @property
    def where(self) -> str:
        return place(self.frame.env)

    @property
    def env(self) -> Env | None:
        return choose_env("groupby", None, self.frame)

    @property
    def session(self) -> _core.Session | None:
        env = self.env
        return None if env is None else env.session

    def names_in(self, made: DataFrame) -> bool:
        """Whether the keys are columns of a result."""
        return any(name in made.columns for name in self.names)

    def _take(self, by: Any) -> None:
        listed = list(by) if isinstance(by, list | tuple) else [by]
        if not listed:
            raise ValueError(f"{self.where}groupby: the list of keys is empty")
        for key in listed:
            if isinstance(key, Series):
                self._take_series(key)
            elif isinstance(key, Expression):
                self._take_expression(key)
            elif callable(key) or isinstance(key, dict):
                raise ValueError(
                    f"{self.where}groupby: a {'function' if callable(key) else 'dict'} of index labels is no key; give "
                    "a column, an expression of weft.col or a Series"
                )
            elif is_listed(key):
                self._take_values(key)
            else:
                self._add(find(self.frame, key, "groupby"))

    def _take_levels(self, level: Any) -> None:
        index = self.frame.index.names if self.frame.index_names else []
        for one in level if isinstance(level, list | tuple) else [level]:
            if isinstance(one, str):
                if one not in index:
                    raise KeyError(f"{self.where}groupby: level {one!r} is no index column; there are: {list(index)}")
                self._add(index.index(one))
            elif isinstance(one, int) and not isinstance(one, bool) and -len(index) <= one < len(index):
                self._add(one % len(index))
            else:
                raise ValueError(f"{self.where}groupby: level={one!r} is none of the {len(index)} index columns")

    def _add(self, position: int, name: str | None = None) -> None:
        self.positions.append(position)
        own = self.table.column_names[position]
        self.names.append(name or index_label(own) or own)

    def _take_expression(self, key: Expression) -> None:
        named = key.columns()
        if len(named) == 1 and repr(key) == repr(Expression("column", detail=next(iter(named)))):
            self._add(find(self.frame, next(iter(named)), "groupby"))
            return
        self._hide_last(self.frame.select(key=key))

    def _take_values(self, values: Any) -> None:
        """A list or array of one key a row of this rank; pandas' Series by its name."""
        operands = Operands(self.frame, "groupby")
        name = getattr(values, "name", None)
        self._hide_last(operands.project(["key"], [operands.expression(values)]), str(name) if name else None)

    def _hide_last(self, made: DataFrame, name: str | None = None) -> None:
        """The last column of a frame of the same rows as a key; one without a name is called by its number."""
        number = sum(known.startswith("key") for known in self.names)
        self._hide(made.table.select([made.table.num_columns - 1]), name or f"key{number or ''}")

    def _take_series(self, key: Series) -> None:
        frame = key.to_frame()
        choose_env("groupby", None, self.frame, frame)
        name = frame.columns[0]
        problem = None
        if len(frame) != len(self.frame):
            problem = f"groupby: the Series {name!r} has {len(frame)} rows, the frame {len(self.frame)}"
        env = self.env
        if env is not None:
            env.agree("groupby", problem)
        elif problem is not None:
            raise ValueError(problem)
        column = frame.table.select([frame.table.num_columns - 1])
        if name in self.frame.columns and _same(column, self.frame.table, self.frame.table.column_names.index(name)):
            self._add(self.frame.table.column_names.index(name))
            return
        self._hide(column, name)

    def _hide(self, column: _core.Table, name: str) -> None:
        hidden = column.rename([f"__weft_key_{len(self.positions)}__"])
        self.table = _core.beside([self.table, hidden])
        self._add(self.table.num_columns - 1, name)

    def label(self, operation: str) -> int:
        """The column of the labels that idxmin gives; -1 for row numbers."""
        index = self.frame.index_names
        if len(index) > 1:
            raise ValueError(f"{self.where}groupby.{operation}: rows have {len(index)} index columns, so no one label")
        return 0 if index else -1

    def finish(self, table: _core.Table, as_index: bool | None = None, more_index: Sequence[str] = ()) -> DataFrame:
        """A frame of a table whose first columns are the keys (and `more_index`). Where another column has a key's
        name, the key is the index of that name all the same; without an index it is left out, as in pandas."""
        count = len(self.names)
        others = table.column_names[count:]
        self.check_names(others)
        if self.as_index if as_index is None else as_index:
            keys = self.index_beside(others)
            return DataFrame._wrap(table.rename([*keys, *others]), self.env, [*keys, *more_index])
        kept = [i for i, name in enumerate(self.names) if name not in others]
        made = table.select([*kept, *range(count, table.num_columns)])
        return DataFrame._wrap(made.rename([*(self.names[i] for i in kept), *others]), self.env)

    def index_beside(self, columns: Sequence[str]) -> list[str]:
        """What the keys are called as an index beside these columns."""
        return [doubled_index(name) if name in columns else name for name in self.names]

    def check_names(self, columns: Sequence[str]) -> None:
        """ValueError where a result would have one of these columns twice."""
        if len(set(columns)) != len(columns):
            twice = sorted({name for name in columns if list(columns).count(name) > 1})
            raise ValueError(
                f"{self.where}groupby: the result would have two columns {', '.join(map(repr, twice))}; name them: "
                "agg(name=(column, function))"
            )

    def beside_index(self, columns: _core.Table) -> DataFrame:
        """A frame of the rows' own index and new columns."""
        index = self.frame.index_names
        table = _core.beside([self.frame.table.select(list(range(len(index)))), columns])
        return DataFrame._wrap(table, self.env, index)


def _same(column: _core.Table, table: _core.Table, position: int) -> bool:
    """Whether a column is the very memory of a table's column."""
    import pyarrow as pa

    one, other = pa.table(column).column(0), pa.table(table.select([position])).column(0)
    if one.type != other.type or one.num_chunks != other.num_chunks:
        return False
    return all(
        len(a) == len(b)
        and a.offset == b.offset
        and [buffer and buffer.address for buffer in a.buffers()]
        == [buffer and buffer.address for buffer in b.buffers()]
        for a, b in zip(one.chunks, other.chunks, strict=True)
    )
