"""`Naming`: names of columns, the index, and labels of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from weft.arguments import find, find_all, one_of, place, refuse
from weft.arrow_input import plain_index, unnamed_level
from weft.expression import Expression, lit
from weft.indexing import Indexing, by_columns
from weft.labels import index_column, reindexed, renamed_labels, with_labels
from weft.levels import Levels
from weft.row_index import RowIndex, levels_of, names_after_reset, without_labels
from weft.rows import Columns

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Naming"]


class Naming(Indexing, Levels):
    """Names of columns, the index, and labels of rows."""

    __slots__ = ()

    def _own(self) -> DataFrame:
        return self._same

    def _own_of(self, frame: DataFrame) -> Self:
        return cast(Self, frame)

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
            if by_columns(self, "rename", 0 if axis is None else axis):
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
        hidden = len(self._index)
        texts[:hidden] = plain_index(texts[:hidden], texts[hidden:])
        return self._wrap(self._table.rename(texts), self._env, texts[:hidden], self._rows)

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
        taken: list[str] = []
        for name in names:
            taken.append(unnamed_level(taken) if name is None else name)
        names = taken
        return self.with_names([*names, *self.columns], "rename_axis")

    def set_axis(self, labels: Any, *, axis: int | str = 0, copy: bool | None = None) -> DataFrame:
        """All columns with new names (``axis=1``), which is local; or other labels, one a row: a list, an array or an
        index for the rows of this rank, or a Series of as many rows as the whole. That is collective on a bound
        frame."""
        refuse("set_axis", copy=(copy, None, "frames do not change, so nothing needs a copy"))
        if not by_columns(self, "set_axis", axis):
            return with_labels(self._same, labels, "set_axis")
        if len(labels) != len(self.columns):
            raise ValueError(f"{place(self._env)}set_axis: {len(labels)} names for {len(self.columns)} columns")
        return self.with_names([*self._index, *labels], "set_axis")

    def add_prefix(self, prefix: str, axis: int | str | None = None) -> DataFrame:
        """`prefix` before each column's name, which is local; with ``axis=0`` before each label, which becomes a
        text and is collective on a bound frame."""
        if axis is not None and not by_columns(self, "add_prefix", axis):
            index_column(self._same, "add_prefix")
            return self.rename(index=lambda label: f"{prefix}{label}")
        return self.with_names([*self._index, *(f"{prefix}{name}" for name in self.columns)], "add_prefix")

    def add_suffix(self, suffix: str, axis: int | str | None = None) -> DataFrame:
        """`suffix` after each column's name, which is local; with ``axis=0`` after each label, which becomes a
        text and is collective on a bound frame."""
        if axis is not None and not by_columns(self, "add_suffix", axis):
            index_column(self._same, "add_suffix")
            return self.rename(index=lambda label: f"{label}{suffix}")
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
            if by_columns(self, "drop", axis):
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
            if axis is not None and by_columns(self, "reindex", axis):
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
