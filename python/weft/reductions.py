"""`Reductions`: whole columns to one value each."""

from __future__ import annotations

from typing import Any

from weft.arguments import place, refuse
from weft.ordering import Ordering
from weft.reducing import column_axis, labels_of, reduce_columns

__all__ = ["Reductions"]

_ROWS = "values of a row are not reduced; write an expression of the columns"


class Reductions(Ordering):
    """Whole columns to one value each. Collective on bound frames: every rank has the result.

    A result is a dict of column names to Python values. Missing values (null, NaN) are passed over unless
    ``skipna=False``; a missing result is NaN for numbers, else None. ``numeric_only`` keeps columns of bool, integers,
    floats and decimals; without it a column whose type the function does not take is a TypeError that names it.
    Integers are summed exactly, and a sum or product that does not fit 64 bits is a ValueError.
    """

    __slots__ = ()

    def _reduce(self, function: str, axis: Any, **options: Any) -> dict[str, Any]:
        if not column_axis(self, function, axis):
            refuse(function, axis=(axis, 0, _ROWS))
        return reduce_columns(self, function, **options)

    def count(self, axis: int | str = 0, numeric_only: bool = False) -> dict[str, int]:
        """How many values are not missing."""
        return self._reduce("count", axis, numeric_only=numeric_only)

    def sum(
        self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False, min_count: int = 0
    ) -> dict[str, Any]:
        """Sums: integers and bool exactly, floats compensated, decimals, durations. Fewer than `min_count` values make
        it missing."""
        return self._reduce("sum", axis, skipna=skipna, numeric_only=numeric_only, min_count=min_count)

    def prod(
        self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False, min_count: int = 0
    ) -> dict[str, Any]:
        """Products of integers, bool and floats."""
        return self._reduce("prod", axis, skipna=skipna, numeric_only=numeric_only, min_count=min_count)

    product = prod

    def mean(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> dict[str, Any]:
        """Means: of integers exact before their one rounding; of decimals, durations, timestamps and dates of their
        type."""
        return self._reduce("mean", axis, skipna=skipna, numeric_only=numeric_only)

    def min(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> dict[str, Any]:
        """Least values; of strings by their UTF-8 bytes, which is by code points."""
        return self._reduce("min", axis, skipna=skipna, numeric_only=numeric_only)

    def max(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> dict[str, Any]:
        """Greatest values."""
        return self._reduce("max", axis, skipna=skipna, numeric_only=numeric_only)

    def var(
        self, *, axis: int | str | None = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False
    ) -> dict[str, float]:
        """Variances, the sum of squares divided by the number of values less `ddof`."""
        return self._reduce("var", axis, skipna=skipna, numeric_only=numeric_only, ddof=ddof)

    def std(
        self, *, axis: int | str | None = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False
    ) -> dict[str, Any]:
        """Standard deviations; of timestamps and durations durations."""
        return self._reduce("std", axis, skipna=skipna, numeric_only=numeric_only, ddof=ddof)

    def sem(
        self, *, axis: int | str | None = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False
    ) -> dict[str, float]:
        """Standard errors of the means."""
        return self._reduce("sem", axis, skipna=skipna, numeric_only=numeric_only, ddof=ddof)

    def skew(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> dict[str, float]:
        """Skewness, adjusted for bias."""
        return self._reduce("skew", axis, skipna=skipna, numeric_only=numeric_only)

    def kurt(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> dict[str, float]:
        """Excess kurtosis, adjusted for bias."""
        return self._reduce("kurt", axis, skipna=skipna, numeric_only=numeric_only)

    kurtosis = kurt

    def any(self, *, axis: int | str | None = 0, bool_only: bool = False, skipna: bool = True) -> dict[str, bool]:
        """Whether any value is true: not zero, not empty."""
        return self._reduce("any", axis, skipna=skipna, bool_only=bool_only)

    def all(self, *, axis: int | str | None = 0, bool_only: bool = False, skipna: bool = True) -> dict[str, bool]:
        """Whether all values are true: not zero, not empty."""
        return self._reduce("all", axis, skipna=skipna, bool_only=bool_only)

    def idxmin(self, axis: int | str = 0, skipna: bool = True, numeric_only: bool = False) -> dict[str, Any]:
        """The index label of the first least value; without an index its row's number in the whole. ValueError where
        there is no value, or, with ``skipna=False``, a missing one."""
        return self._extreme("idxmin", axis, skipna, numeric_only)

    def idxmax(self, axis: int | str = 0, skipna: bool = True, numeric_only: bool = False) -> dict[str, Any]:
        """The index label of the first greatest value, as `idxmin`."""
        return self._extreme("idxmax", axis, skipna, numeric_only)

    def _extreme(self, function: str, axis: Any, skipna: bool, numeric_only: bool) -> dict[str, Any]:
        found = self._reduce(function, axis, skipna=skipna, numeric_only=numeric_only)
        for name, row in found.items():
            if row != row:
                raise ValueError(
                    f"{place(self._env)}{function}: column {name!r} has "
                    + ("no value" if skipna else "a missing value, or none; skipna=True passes over them")
                )
        return dict(zip(found, labels_of(self._same, list(found.values())), strict=True))
