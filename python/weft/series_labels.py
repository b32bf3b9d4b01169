"""`SeriesLabels`: the labels of a Series' rows: choosing by them, and others in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from weft.arguments import refuse
from weft.labels import index_column, rows_with_labels, with_labels
from weft.row_index import RowIndex
from weft.series_rows import SeriesRows

__all__ = ["SeriesLabels"]

_NO_AXIS = "a Series has one axis"


def _rows(axis: Any) -> Any:
    """0 for every name of the axis of rows."""
    return 0 if axis in (None, 0, "index", "rows") else axis


class SeriesLabels(SeriesRows):
    """The labels of rows. Collective where it is bound, unless a method says otherwise."""

    __slots__ = ()

    @property
    def axes(self) -> list[RowIndex]:
        """This rank's row labels, in a list. Local."""
        return [self.index]

    def keys(self) -> RowIndex:
        """This rank's row labels. Local."""
        return self.index

    @property
    def T(self) -> Self:
        """The Series itself: it has one axis. Local."""
        return self

    def transpose(self, axes: None = None) -> Self:
        """The Series itself: it has one axis. Local."""
        refuse("transpose", axes=(axes, None, _NO_AXIS))
        return self

    def filter(
        self,
        arg: Any = None,
        /,
        like: str | None = None,
        regex: str | None = None,
        axis: int | str | None = None,
        *,
        items: Sequence[Any] | None = None,
        cond: Any = None,
        na: bool | Literal["raise"] = False,
    ) -> Self:
        """The rows whose labels fit, or for which a condition is true.

        Parameters
        ----------
        arg
            A list of labels, as `items`, or a function, as `cond`.
        items
            Labels, in whose order the rows come; those that no row has are passed over.
        like, regex
            A text that the label holds, or a regular expression (RE2's) that is found in it; of labels that are texts
            or integers.
        cond
            A Series, a list or array of one truth value a row of this rank, or a function of this Series.

        Raises ValueError where rows have no labels, TypeError for labels of another type.
        """
        refuse(
            "filter",
            axis=(_rows(axis), 0, _NO_AXIS),
            na=(na, False, "fillna() what the condition reads"),
        )
        if sum(value is not None for value in (arg, items, cond, like, regex)) != 1:
            raise TypeError(f"{self._where}filter: give one of a condition, items, cond, like and regex")
        if isinstance(arg, list | tuple):
            arg, items = None, arg
        elif arg is not None and not callable(arg):
            raise TypeError(
                f"{self._where}filter: what is no list is named: items= are labels, cond= is a condition, like= a text"
            )
        condition = cond if arg is None else arg
        if condition is not None:
            condition = condition(self) if callable(condition) else condition
            return self._of(self._frame.filter(condition))
        return self._of(rows_with_labels(self._frame, items, like, regex, "filter"))

    def add_prefix(self, prefix: str, axis: int | str | None = None) -> Self:
        """`prefix` before each label, which becomes a text."""
        refuse("add_prefix", axis=(_rows(axis), 0, _NO_AXIS))
        index_column(self._frame, "add_prefix")
        return self.rename(lambda label: f"{prefix}{label}")

    def add_suffix(self, suffix: str, axis: int | str | None = None) -> Self:
        """`suffix` after each label, which becomes a text."""
        refuse("add_suffix", axis=(_rows(axis), 0, _NO_AXIS))
        index_column(self._frame, "add_suffix")
        return self.rename(lambda label: f"{label}{suffix}")

    def set_axis(self, labels: Any, *, axis: int | str = 0, copy: bool | None = None) -> Self:
        """The same values under other labels, as ``DataFrame.set_axis(labels)``."""
        refuse(
            "set_axis",
            axis=(_rows(axis), 0, _NO_AXIS),
            copy=(copy, None, "values do not change, so nothing needs a copy"),
        )
        return self._of(with_labels(self._frame, labels, "set_axis"))

    def pop(self, item: Any) -> Any:
        """The value of this label, or those of all rows that have it; this Series then is without them. KeyError where
        there is none, ValueError without an index."""
        index_column(self._frame, "pop")
        made = self.loc[item]
        self._frame = self._frame.drop(index=[item])
        return made
