"""`SeriesReshaping`: a Series' lists to rows, its values to numbers, and another Series laid over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from weft.merge import as_frame
from weft.series_windows import SeriesWindows

if TYPE_CHECKING:
    from weft.series import Series

__all__ = ["SeriesReshaping"]


class SeriesReshaping(SeriesWindows):
    """As the methods of `DataFrame`, and `weft.factorize`. Collective where it is bound."""

    __slots__ = ()

    def explode(self, ignore_index: bool = False) -> Any:
        """A row for each element of the lists; see `DataFrame.explode`."""
        return self._of(self._frame.explode(self._frame.columns[0], ignore_index))

    def unstack(self, level: Any = -1, fill_value: Any = None, sort: bool = True) -> Any:
        """An index column for columns, which are called by its labels; see `DataFrame.unstack`."""
        from weft.stacking import unstack

        return unstack(self._frame, level, fill_value, sort, True)

    def factorize(self, sort: bool = False, use_na_sentinel: bool = True) -> tuple[Any, Any]:
        """Each value's number among the different values, and those values; see `weft.factorize`."""
        from weft.encoding import factorize

        return factorize(cast("Series", self), sort, use_na_sentinel)

    def combine(self, other: Any, func: Callable[[Any, Any], Any], fill_value: Any = None) -> Any:
        """What `func`, a Python function, gives for each value and that of `other` with the same label (without an
        index: at the same position), or `other` itself where it is a constant. Labels that one side alone has come
        too, in order, with `fill_value` (default: missing) for the other side. ValueError where labels differ and rows
        of a side have the same one."""
        from weft.overlaying import combine_values

        return combine_values(cast("Series", self), other, func, fill_value)

    def combine_first(self, other: Any) -> Any:
        """The values of this Series, and where it has none those of another; see `DataFrame.combine_first`."""
        right = as_frame("combine_first", other)
        named = right.with_names([*right.index_names, self._frame.columns[0]], "combine_first")
        return self._of(self._frame.combine_first(named))

    def compare(
        self,
        other: Any,
        align_axis: int | str = 1,
        keep_shape: bool = False,
        keep_equal: bool = False,
        result_names: tuple[str | None, str | None] = ("self", "other"),
    ) -> Any:
        """Where two Series differ: a frame of both values; see `DataFrame.compare`."""
        right = as_frame("compare", other)
        name = self._frame.columns[0]
        named = right.with_names([*right.index_names, name], "compare")
        made = self._frame.compare(named, align_axis, keep_shape, keep_equal, result_names)
        if not made.columns:
            # Without differences there are no columns; a Series' two are always there.
            made = self._frame.compare(named, align_axis, True, keep_equal, result_names).slice(0, 0)
        cut = len(name) + 1
        return made.rename(columns={column: column[cut:] for column in made.columns})
