"""`SeriesReductions`: one column to one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.arguments import place, refuse
from weft.reducing import column_axis, is_number

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["SeriesReductions"]


class SeriesReductions:
    """The reductions of a column: those of its frame, and their one value. Collective where it is bound."""

    __slots__ = ()
    _frame: DataFrame

    def _reduce(self, function: str, axis: Any, numeric_only: bool = False, **options: Any) -> Any:
        self._one_axis(function, axis)
        name = self._frame.columns[0]
        type = self._frame.schema.field(name).type
        if numeric_only and not is_number(type):
            raise TypeError(f"{place(self._frame.env)}{function}: column {name!r} of type {type} is no number")
        found: dict[str, Any] = getattr(self._frame, function)(**options)
        return found[name]

    def _one_axis(self, function: str, axis: Any) -> None:
        if axis is not None and not column_axis(self._frame, function, axis):
            refuse(function, axis=(axis, 0, "a Series has one axis"))

    def count(self) -> int:
        """How many values are not missing."""
        return int(self._reduce("count", 0))

    def sum(
        self,
        *,
        axis: int | str | None = None,
        skipna: bool = True,
        numeric_only: bool = False,
        min_count: int = 0,
    ) -> Any:
        """The sum; missing of fewer than `min_count` values."""
        return self._reduce("sum", axis, numeric_only, skipna=skipna, min_count=min_count)

    def prod(
        self,
        *,
        axis: int | str | None = None,
        skipna: bool = True,
        numeric_only: bool = False,
        min_count: int = 0,
    ) -> Any:
        """The product; missing of fewer than `min_count` values."""
        return self._reduce("prod", axis, numeric_only, skipna=skipna, min_count=min_count)

    product = prod

    def mean(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """The mean."""
        return self._reduce("mean", axis, numeric_only, skipna=skipna)

    def min(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """The least value."""
        return self._reduce("min", axis, numeric_only, skipna=skipna)

    def max(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """The greatest value."""
        return self._reduce("max", axis, numeric_only, skipna=skipna)

    def var(
        self, *, axis: int | str | None = None, skipna: bool = True, ddof: int = 1, numeric_only: bool = False
    ) -> Any:
        """The variance."""
        return self._reduce("var", axis, numeric_only, skipna=skipna, ddof=ddof)

    def std(
        self, *, axis: int | str | None = None, skipna: bool = True, ddof: int = 1, numeric_only: bool = False
    ) -> Any:
        """The standard deviation."""
        return self._reduce("std", axis, numeric_only, skipna=skipna, ddof=ddof)

    def sem(
        self, *, axis: int | str | None = None, skipna: bool = True, ddof: int = 1, numeric_only: bool = False
    ) -> Any:
        """The standard error of the mean."""
        return self._reduce("sem", axis, numeric_only, skipna=skipna, ddof=ddof)

    def skew(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """The skewness, adjusted for bias."""
        return self._reduce("skew", axis, numeric_only, skipna=skipna)

    def kurt(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """The excess kurtosis, adjusted for bias."""
        return self._reduce("kurt", axis, numeric_only, skipna=skipna)

    kurtosis = kurt

    def any(self, *, axis: int | str | None = 0, bool_only: bool = False, skipna: bool = True) -> bool:
        """Whether any value is true: not zero, not empty."""
        refuse("any", bool_only=(bool_only, False, "it chooses columns of a frame"))
        return bool(self._reduce("any", axis, skipna=skipna))

    def all(self, *, axis: int | str | None = 0, bool_only: bool = False, skipna: bool = True) -> bool:
        """Whether all values are true: not zero, not empty."""
        refuse("all", bool_only=(bool_only, False, "it chooses columns of a frame"))
        return bool(self._reduce("all", axis, skipna=skipna))

    def idxmin(self, axis: int | str = 0, skipna: bool = True) -> Any:
        """The index label of the first least value; without an index its row's number in the whole."""
        return self._reduce("idxmin", axis, skipna=skipna)

    def idxmax(self, axis: int | str = 0, skipna: bool = True) -> Any:
        """The index label of the first greatest value, as `idxmin`."""
        return self._reduce("idxmax", axis, skipna=skipna)

    def argmin(self, axis: int | None = None, skipna: bool = True) -> int:
        """The row in the whole of the first least value."""
        return int(self._position("idxmin", axis, skipna))

    def argmax(self, axis: int | None = None, skipna: bool = True) -> int:
        """The row in the whole of the first greatest value."""
        return int(self._position("idxmax", axis, skipna))

    def _position(self, function: str, axis: int | None, skipna: bool) -> Any:
        self._one_axis(function.replace("idx", "arg"), axis)
        frame = self._frame.reset_index(drop=True)
        return getattr(frame, function)(skipna=skipna)[frame.columns[0]]
