"""`loc`, `iloc`, `at`, `iat`: rows by label and by position, of frames and Series alike.

Positions are those of the whole; labels are the values of the index columns. On a bound frame all of these are
collective, and every rank asks for the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.arguments import find, place
from weft.expression import Expression
from weft.labels import labelled, rows_by_label_slice, rows_by_labels, rows_of_stretch
from weft.positions import (
    as_list,
    is_mask,
    positions_of,
    row_of,
    rows_by_mask,
    rows_by_positions,
    rows_by_slice,
)

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["At", "IAt", "ILoc", "Loc"]


def _pair(key: Any, operation: str) -> tuple[Any, Any]:
    if not isinstance(key, tuple):
        return key, slice(None)
    if len(key) != 2:
        raise ValueError(f"{operation}: {len(key)} keys; there are rows and columns")
    return key[0], key[1]


class _Locator:
    """What all four share: a frame, or a Series as the frame of its column."""

    __slots__ = ("_frame", "_series")

    def __init__(self, frame: DataFrame, series: bool = False) -> None:
        self._frame = frame
        self._series = series

    def __repr__(self) -> str:
        of = "Series" if self._series else "DataFrame"
        return f"<{of}.{type(self).__name__.lower()}: use it with [...]>"

    def __setitem__(self, key: Any, value: Any) -> None:
        """Only ``df.loc[condition, columns] = value``; see `Loc`."""
        name = type(self).__name__.lower()
        raise TypeError(
            f"{place(self._frame.env)}{name}[...] = value is not taken here: values do not change one by one. Use "
            "df.loc[condition, column] = value, df[column] = df[column].mask(condition, value), or assign"
        )

    def _give(self, frame: DataFrame, one_row: bool, one_column: bool) -> Any:
        """A frame, a Series, a dict of a row's values, or one value."""
        from weft.series import Series

        if one_row:
            row = row_of(frame)
            return next(iter(row.values())) if one_column else row
        return Series(frame) if one_column else frame


class ILoc(_Locator):
    """Rows (and columns) by position: an int (a row as a dict, of a Series the value), a slice, a list of ints or of
    truth values, a Series of ints, and a pair of these. Positions are those of the whole."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        rows, columns = (key, slice(None)) if self._series else _pair(key, "iloc")
        frame = self._frame
        if callable(rows):
            rows = rows(frame)
        one_column = self._series
        if not (isinstance(columns, slice) and columns == slice(None)):
            chosen = positions_of(len(frame.columns), columns, f"{place(frame.env)}iloc")
            one_column = isinstance(chosen, int)
            hidden = len(frame.index_names)
            frame = frame._keep([hidden + i for i in ([chosen] if isinstance(chosen, int) else chosen)])
        if isinstance(rows, slice):
            return self._give(rows_by_slice(frame, rows, "iloc"), False, one_column)
        rows = _values_of(rows)
        listed = as_list(rows)
        if listed is not None:
            choose = rows_by_mask if is_mask(listed) else rows_by_positions
            return self._give(choose(frame, listed, "iloc"), False, one_column)
        if isinstance(rows, bool) or not hasattr(rows, "__index__"):
            raise TypeError(f"{place(frame.env)}iloc: {rows!r} is no position, slice, or list of these")
        row = int(rows)
        total = frame.total_rows()
        if not -total <= row < total:
            raise IndexError(f"{place(frame.env)}iloc: there is no row {row}; the frame has {total}")
        return self._give(frame.slice(row % total, 1), True, one_column)


def names_of(frame: DataFrame, key: Any, operation: str) -> int | list[int]:
    """Columns by name as `loc` takes them: positions in the table, of one or of several."""
    columns = frame.columns
    hidden = len(frame.index_names)
    if isinstance(key, slice):
        if key.step is not None:
            raise ValueError(f"{place(frame.env)}{operation}: a slice of column names has no step")
        begin = 0 if key.start is None else find(frame, key.start, operation, index_too=False) - hidden
        end = len(columns) if key.stop is None else find(frame, key.stop, operation, index_too=False) - hidden + 1
        return [hidden + i for i in range(begin, end)]
    listed = as_list(key)
    if listed is None:
        return find(frame, key, operation, index_too=False)
    if is_mask(listed):
        chosen = positions_of(len(columns), listed, f"{place(frame.env)}{operation}")
        assert isinstance(chosen, list)
        return [hidden + i for i in chosen]
    return [find(frame, item, operation, index_too=False) for item in listed]


class Loc(_Locator):
    """Rows (and columns) by label: one (a row as a dict, several as a frame), a list, a Series of labels, a slice with
    both ends, a condition (an expression, a Series of bool, a list of truth values for all rows), and a pair of these
    and of column names. Of several index columns a label is a tuple, or one of the first; a slice is of the first's."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        frame = self._frame
        several = len(frame.index_names) > 1
        if several and isinstance(key, tuple) and not any(map(_is_several, key)):
            # A label of several index columns, or one of the first and a column.
            try:
                return self._of_label(frame, key, self._series)
            except KeyError:
                if self._series or len(key) != 2 or key[1] not in frame.columns:
                    raise
        rows, columns = (key, slice(None)) if self._series else _pair(key, "loc")
        if callable(rows) and not isinstance(rows, Expression):
            from weft.series import Series

            rows = rows(Series(frame) if self._series else frame)
        one_column = self._series
        chosen: int | list[int] | None = None
        if not (isinstance(columns, slice) and columns == slice(None)):
            chosen = names_of(frame, columns, "loc")
            one_column = isinstance(chosen, int)
        if not self._is_condition(rows):
            rows = _values_of(rows)
        else:
            # The condition may be about columns that are not chosen.
            made = frame[rows]
            return self._give(made if chosen is None else made._keep(_listed(chosen)), False, one_column)
        if chosen is not None:
            frame = frame._keep(_listed(chosen))
        if isinstance(rows, slice):
            return self._give(rows_by_label_slice(frame, rows, "loc"), False, one_column)
        listed = as_list(rows)
        if listed is not None:
            choose = rows_by_mask if is_mask(listed) else rows_by_labels
            return self._give(choose(frame, listed, "loc"), False, one_column)
        stretch = None if several else rows_of_stretch(frame, rows, "loc")
        if stretch is not None:
            return self._give(stretch, False, one_column)
        return self._of_label(frame, rows, one_column)

    def __setitem__(self, key: Any, value: Any) -> None:
        """``df.loc[condition, columns] = value``: the frame is from now on one with a constant, or a Series or
        expression of its rows, where the condition is true; all rows for ``:``. A new column is missing elsewhere."""
        frame = self._frame
        rows, columns = _pair(key, "loc")
        everywhere = isinstance(rows, slice) and rows == slice(None)
        listed = as_list(rows)
        condition = self._is_condition(rows) or (listed is not None and is_mask(listed))
        if self._series or not (everywhere or condition):
            super().__setitem__(key, value)
        if isinstance(columns, slice):
            columns = [frame.table.column_names[i] for i in _listed(names_of(frame, columns, "loc"))]
        for name in columns if isinstance(columns, list | tuple) else [columns]:
            frame._become(frame.assign(**{name: value}) if everywhere else frame._put(name, rows, value))

    def of_label(self, label: Any, operation: str) -> Any:
        """The rows of one label, for another operation. Not for users."""
        return self._of_label(self._frame, label, self._series, operation)

    def _of_label(self, frame: DataFrame, label: Any, one_column: bool, operation: str = "loc") -> Any:
        made = labelled(frame, label, operation)
        whole = len(made.index_names) == len(frame.index_names)
        return self._give(made, whole and made.total_rows() == 1, one_column)

    def _is_condition(self, rows: Any) -> bool:
        from weft.series import Series

        return isinstance(rows, Expression) or (isinstance(rows, Series) and str(rows.dtype) == "bool")


def _values_of(rows: Any) -> Any:
    """All values of a Series, of all ranks, as a list. Collective where it is bound."""
    from weft.series import Series

    return rows.to_frame().reset_index(drop=True).allgather()[rows.name].to_list() if isinstance(rows, Series) else rows


def _is_several(item: Any) -> bool:
    """Whether a part of a key is more than one label."""
    return isinstance(item, slice | tuple | Expression) or callable(item) or as_list(item) is not None


def _listed(positions: int | list[int]) -> list[int]:
    return [positions] if isinstance(positions, int) else positions


class At(_Locator):
    """One value by label and column name (of a Series by label alone)."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        if self._series:
            return Loc(self._frame, True)[key]
        if not isinstance(key, tuple) or len(key) != 2:
            raise ValueError("at: a value is named by a pair, its label and its column")
        return Loc(self._frame)[key]


class IAt(_Locator):
    """One value by its positions: row and column (of a Series the row alone)."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) != (1 if self._series else 2):
            raise ValueError("iat: a value of a frame is named by a row and a column, of a Series by a row")
        if any(isinstance(item, bool) or not hasattr(item, "__index__") for item in keys):
            raise ValueError("iat: a position is an integer")
        return ILoc(self._frame, self._series)[keys[0] if self._series else key]
