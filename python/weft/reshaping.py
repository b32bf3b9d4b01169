"""`Reshaping`: rows to columns and columns to rows, and frames laid over each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from weft.combining import Combining
from weft.computed import ABSENT
from weft.rows import Columns

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["Reshaping"]

_NOT_GIVEN: Any = object()


class Reshaping(Combining):
    """Rows to columns, columns to rows, frames laid over each other. Collective on bound frames."""

    __slots__ = ()

    def melt(
        self,
        id_vars: Columns | None = None,
        value_vars: Columns | None = None,
        var_name: str | None = None,
        value_name: str = "value",
        col_level: Any = None,
        ignore_index: bool = True,
    ) -> DataFrame:
        """A row for each row and value column: the columns `id_vars`, the value column's name in "variable" (or
        `var_name`), its value in `value_name`; first all rows of the first value column. Types of the value columns go
        to a common one.

        Parameters
        ----------
        value_vars
            By default all columns that are no `id_vars`.
        ignore_index
            Without the index; else each row keeps its labels.
        """
        from weft.melting import melt

        return melt(self._same, id_vars, value_vars, var_name, value_name, col_level, ignore_index)

    def explode(self, column: Columns, ignore_index: bool = False) -> DataFrame:
        """A row for each element of the lists in a column, or in several whose lists are equally long in each row; a
        missing or empty list gives a row with a missing value. Rows stay on their ranks."""
        from weft.melting import explode

        return explode(self._same, column, ignore_index)

    def transpose(self, *args: Any, copy: bool = False) -> DataFrame:
        """Columns for rows, of a frame whose rows are few: each rank gets all of them on the way. The rows' labels (or
        numbers) become the columns' names, the columns' names the index."""
        from weft.melting import transpose

        return transpose(self._same, args, copy)

    @property
    def T(self) -> DataFrame:
        """As `transpose`."""
        return self.transpose()

    def pivot(self, *, columns: Any, index: Any = _NOT_GIVEN, values: Any = _NOT_GIVEN) -> DataFrame:
        """A row for each different `index` (by default the frame's), a column for each different value of `columns`,
        and there the one value of `values`, which are one column, several, or all others; of several, names are
        ``value_label``. ValueError where two rows have one place."""
        from weft.pivoting import pivot

        given = (index is not _NOT_GIVEN, values is not _NOT_GIVEN)
        return pivot(self._same, columns, index, values, given)

    def pivot_table(
        self,
        values: Any = None,
        index: Any = None,
        columns: Any = None,
        aggfunc: Any = "mean",
        fill_value: Any = None,
        margins: bool = False,
        dropna: bool = True,
        margins_name: str = "All",
        observed: bool = True,
        sort: bool = True,
    ) -> DataFrame:
        """A row for each different `index`, a column for each different value of `columns`, and there what `aggfunc`
        makes of the `values` of all rows that belong there.

        Parameters
        ----------
        values
            One column, several, or by default all that are no keys; of several, names are ``value_label``.
        aggfunc
            A function of `GroupBy.agg`, a list of such (names begin with the function's), or a dict by value column.
        fill_value
            In place of missing results.
        margins
            A last row and column of all rows together, called `margins_name`; the values of `index` must be texts.
        """
        from weft.pivoting import pivot_table

        return pivot_table(
            self._same, values, index, columns, aggfunc, fill_value, margins, dropna, margins_name, observed, sort
        )

    def stack(self, level: Any = -1, dropna: Any = ABSENT, sort: Any = ABSENT, future_stack: bool = True) -> Series:
        """All values in one column, a Series "0": each row's lie together, in the order of the columns, whose names are
        one more index column without a name. Types of the columns go to a common one. Rows stay on their ranks. Rows
        without an index are named by their numbers, which is collective on a bound frame. TypeError where the columns'
        types have none in common."""
        from weft.stacking import stack

        return stack(self._same, level, dropna, sort, future_stack, ABSENT)

    def unstack(self, level: Any = -1, fill_value: Any = None, sort: bool = True) -> Any:
        """Index columns, by name or position, for columns: a row for each different value of those that stay, a column
        ``value_label`` for each column and different label, rows and labels in order, missing ones first. Of an index
        of one column all values, a column's after the other's, in a Series "0" by column and label.

        Parameters
        ----------
        fill_value
            Where there is no row; by default missing.

        Raises ValueError where two rows have the same label, and KeyError for a level that is not there.
        """
        from weft.stacking import unstack

        return unstack(self._same, level, fill_value, sort, False)

    def combine_first(self, other: DataFrame) -> DataFrame:
        """The values of this frame, and where it has none those of `other`: of all labels of both, in order, and all
        columns. Frames without an index go by position and are equally long."""
        from weft.overlaying import combine_first

        return combine_first(self._same, other)

    def combine(
        self,
        other: DataFrame,
        func: Callable[[Series, Series], Any],
        fill_value: Any = None,
        overwrite: bool = True,
    ) -> DataFrame:
        """What `func` makes of each column and that of the same name in `other`, two Series of the same rows: of all
        labels of both, in order, and all columns; a side that has no value has a missing one, or `fill_value`. Frames
        without an index go by position and are equally long. Without `overwrite` a column of which `other` has no value
        stays as it is."""
        from weft.overlaying import combine

        return combine(self._same, other, func, fill_value, overwrite)

    def update(
        self,
        other: DataFrame | Series,
        join: Literal["left"] = "left",
        overwrite: bool = True,
        filter_func: Any = None,
        errors: Literal["ignore", "raise"] = "ignore",
    ) -> None:
        """Puts the values of `other` that are not missing in place of this frame's, by label: the frame is changed.
        Without `overwrite` only where it has none. Types stay."""
        from weft.overlaying import update

        update(self._same, other, join, overwrite, filter_func, errors)

    def compare(
        self,
        other: DataFrame,
        align_axis: int | str = 1,
        keep_shape: bool = False,
        keep_equal: bool = False,
        result_names: tuple[str | None, str | None] = ("self", "other"),
    ) -> DataFrame:
        """Where two frames of the same columns and rows differ: of the columns and rows with differences (with
        `keep_shape` of all) both values, in columns ``name_self`` and ``name_other``, equal ones missing unless
        `keep_equal`."""
        from weft.overlaying import compare

        return compare(self._same, other, align_axis, keep_shape, keep_equal, result_names)
