"""`Levels`: index columns taken away and put in another order, and rows by some of them; of frames and Series alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from weft.arguments import place, refuse
from weft.labels import monotonic, rows_by_label_slice, rows_by_levels, rows_like
from weft.locating import Loc
from weft.operands import Operands
from weft.positions import first_and_total
from weft.reducing import labels_of
from weft.row_index import levels_of

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Levels"]

_ROWS = (0, "index", "rows")
_NO_COPY = "values do not change, so nothing needs a copy"


class Levels:
    """The columns of the index."""

    __slots__ = ()

    def _own(self) -> DataFrame:
        """The frame, or that of the Series' column."""
        raise NotImplementedError

    def _own_of(self, frame: DataFrame) -> Self:
        """A frame as what this is."""
        raise NotImplementedError

    def droplevel(self, level: Any, axis: int | str = 0) -> Self:
        """Without these index columns, by name or position; one must stay. Local."""
        _refuse_columns("droplevel", axis)
        frame = self._own()
        gone = levels_of(frame, [] if level is None else level, "droplevel")
        if level is None or (gone and len(gone) == len(frame.index_names)):
            raise ValueError(
                f"{place(frame.env)}droplevel: level={level!r} leaves no index column; reset_index(drop=True) does that"
            )
        return self._own_of(frame.reset_index(gone, drop=True) if gone else frame)

    def swaplevel(self, i: int | str = -2, j: int | str = -1, axis: int | str = 0, *, copy: bool | None = None) -> Self:
        """Two index columns, by name or position, in each other's place. Local."""
        _refuse_columns("swaplevel", axis)
        refuse("swaplevel", copy=(copy, None, _NO_COPY))
        frame = self._own()
        order = list(range(len(frame.index_names)))
        one, other = (levels_of(frame, [level], "swaplevel")[0] for level in (i, j))
        order[one], order[other] = order[other], order[one]
        return self._ordered(order)

    def reorder_levels(self, order: Sequence[int | str], axis: int | str = 0) -> Self:
        """All index columns, by name or position, in this order. Local."""
        _refuse_columns("reorder_levels", axis)
        frame = self._own()
        positions = [levels_of(frame, [level], "reorder_levels")[0] for level in order]
        if sorted(positions) != list(range(len(frame.index_names))):
            raise ValueError(
                f"{place(frame.env)}reorder_levels: order={list(order)!r} does not name each of the "
                f"{len(frame.index_names)} index columns once"
            )
        return self._ordered(positions)

    def _ordered(self, order: Sequence[int]) -> Self:
        frame = self._own()
        hidden = len(frame.index_names)
        table = frame.table.select([*order, *range(hidden, frame.table.num_columns)])
        return self._own_of(frame._wrap(table, frame.env, [frame.index_names[i] for i in order]))

    def xs(self, key: Any, axis: int | str = 0, level: Any = None, drop_level: bool = True) -> Any:
        """The rows of one label, as `loc`; with `level` of one value of that index column, or of a tuple of values of
        several. Collective on a bound frame; KeyError where there is none.

        Parameters
        ----------
        drop_level
            Without the index columns that `key` names.
        """
        _refuse_columns("xs", axis)
        frame = self._own()
        several = len(frame.index_names) > 1
        if level is None:
            if drop_level or not several:
                refuse("xs", drop_level=(drop_level, True, "the index has one column"))
                return Loc(frame, self is not frame).of_label(key, "xs")
            level = list(range(len(key) if isinstance(key, tuple) else 1))
        if not several:
            raise TypeError(f"{place(frame.env)}xs: level={level!r} is of an index of several columns; use loc")
        listed = list(level) if isinstance(level, list | tuple) else [level]
        values = list(key) if isinstance(level, list | tuple) and isinstance(key, list | tuple) else [key]
        if len(values) != len(listed):
            raise ValueError(f"{place(frame.env)}xs: {len(values)} values for {len(listed)} levels")
        positions = [levels_of(frame, [one], "xs")[0] for one in listed]
        made = rows_by_levels(frame, positions, values, "xs")
        gone = drop_level and len(set(positions)) < len(frame.index_names)
        return self._own_of(made.reset_index(positions, drop=True) if gone else made)

    def truncate(
        self, before: Any = None, after: Any = None, axis: int | str | None = None, copy: bool | None = None
    ) -> Self:
        """The rows from the label `before` to the label `after`, both included, of an index of one column that is in
        order; without an index by position. Collective on a bound frame. ValueError where labels are not in order."""
        _refuse_columns("truncate", 0 if axis is None else axis)
        refuse("truncate", copy=(copy, None, _NO_COPY))
        frame = self._own()
        where = f"{place(frame.env)}truncate"
        if before is not None and after is not None and before > after:
            raise ValueError(f"{where}: after={after!r} is less than before={before!r}")
        if not frame.index_names:
            if any(bound is not None and not hasattr(bound, "__index__") for bound in (before, after)):
                raise TypeError(f"{where}: without an index rows go by position: before and after are whole numbers")
            start = 0 if before is None else max(0, int(before))
            return self._own_of(frame.slice(start, None if after is None else max(0, int(after) + 1 - start)))
        if len(frame.index_names) > 1:
            raise ValueError(f"{where}: the index has {len(frame.index_names)} columns; filter by a condition on one")
        rising = monotonic(frame, 0)
        if not rising and not monotonic(frame, 0, True):
            raise ValueError(f"{where}: the index {frame.index_names[0]!r} is not sorted; sort_index() first")
        bounds = slice(before, after) if rising else slice(after, before)
        return self._own_of(rows_by_label_slice(frame, bounds, "truncate"))

    def reindex_like(
        self, other: Any, method: Any = None, copy: bool | None = None, limit: int | None = None, tolerance: Any = None
    ) -> Self:
        """The labels of `other`'s rows, in its order and where its rows lie, and of a frame its columns; missing where
        this has none. Collective on bound frames. ValueError where two rows of this have one label."""
        from weft.merge import as_frame

        refuse(
            "reindex_like",
            method=(method, None, "fillna() the result"),
            copy=(copy, None, _NO_COPY),
            limit=(limit, None, "fillna() the result"),
            tolerance=(tolerance, None, "fillna() the result"),
        )
        frame, wanted = self._own(), as_frame("reindex_like", other)
        made = rows_like(frame, wanted, "reindex_like")
        if self is frame:
            made = made.reindex(columns=wanted.columns)
        return self._own_of(made.with_names([*wanted.index_names, *made.columns], "reindex_like"))

    def first_valid_index(self) -> Any:
        """The label of the first row that has a value that is not missing (without an index its number); None where
        there is none. On all ranks; collective on a bound frame."""
        return self._valid_index("first_valid_index", 0)

    def last_valid_index(self) -> Any:
        """The label of the last row that has a value; as `first_valid_index`."""
        return self._valid_index("last_valid_index", -1)

    def _valid_index(self, operation: str, end: int) -> Any:
        import numpy
        import pyarrow as pa

        from weft.expression import col

        frame = self._own()
        if not frame.columns:
            return None
        there = col(frame.columns[0]).notna()
        for name in frame.columns[1:]:
            there = there | col(name).notna()
        first, _ = first_and_total(frame, operation)
        name = frame.columns[0]
        found = pa.table(Operands(frame, operation).project([name], [there]).table).column(len(frame.index_names))
        rows = numpy.flatnonzero(found.to_numpy()) + first
        mine = int(rows[end]) if len(rows) else -1
        told = [row for row in ([mine] if frame.env is None else frame.env.allgather(mine)) if row >= 0]
        return labels_of(frame, [told[end]])[0] if told else None


def _refuse_columns(operation: str, axis: Any) -> None:
    refuse(operation, axis=(0 if axis in _ROWS else axis, 0, "names of columns have one level; choose them by df[...]"))
