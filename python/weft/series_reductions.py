"""`SeriesReductions`: one column to one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, place, refuse
from weft.numpy_functions import check_extra
from weft.reducing import column_axis, is_number
from weft.scans import NO_FILL

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

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
        **extra: Any,
    ) -> Any:
        """The sum; missing of fewer than `min_count` values."""
        check_extra("sum", extra)
        return self._reduce("sum", axis, numeric_only, skipna=skipna, min_count=min_count)

    def prod(
        self,
        *,
        axis: int | str | None = None,
        skipna: bool = True,
        numeric_only: bool = False,
        min_count: int = 0,
        **extra: Any,
    ) -> Any:
        """The product; missing of fewer than `min_count` values."""
        check_extra("prod", extra)
        return self._reduce("prod", axis, numeric_only, skipna=skipna, min_count=min_count)

    product = prod

    def mean(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False, **extra: Any) -> Any:
        """The mean."""
        check_extra("mean", extra)
        return self._reduce("mean", axis, numeric_only, skipna=skipna)

    def min(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False, **extra: Any) -> Any:
        """The least value."""
        check_extra("min", extra)
        return self._reduce("min", axis, numeric_only, skipna=skipna)

    def max(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False, **extra: Any) -> Any:
        """The greatest value."""
        check_extra("max", extra)
        return self._reduce("max", axis, numeric_only, skipna=skipna)

    def var(
        self,
        *,
        axis: int | str | None = None,
        skipna: bool = True,
        ddof: int = 1,
        numeric_only: bool = False,
        **extra: Any,
    ) -> Any:
        """The variance."""
        check_extra("var", extra)
        return self._reduce("var", axis, numeric_only, skipna=skipna, ddof=ddof)

    def std(
        self,
        *,
        axis: int | str | None = None,
        skipna: bool = True,
        ddof: int = 1,
        numeric_only: bool = False,
        **extra: Any,
    ) -> Any:
        """The standard deviation."""
        check_extra("std", extra)
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

    def any(self, *, axis: int | str | None = 0, bool_only: bool = False, skipna: bool = True, **extra: Any) -> bool:
        """Whether any value is true: not zero, not empty."""
        check_extra("any", extra)
        refuse("any", bool_only=(bool_only, False, "it chooses columns of a frame"))
        return bool(self._reduce("any", axis, skipna=skipna))

    def all(self, *, axis: int | str | None = 0, bool_only: bool = False, skipna: bool = True, **extra: Any) -> bool:
        """Whether all values are true: not zero, not empty."""
        check_extra("all", extra)
        refuse("all", bool_only=(bool_only, False, "it chooses columns of a frame"))
        return bool(self._reduce("all", axis, skipna=skipna))

    def idxmin(self, axis: int | str = 0, skipna: bool = True) -> Any:
        """The index label of the first least value; without an index its row's number in the whole."""
        return self._reduce("idxmin", axis, skipna=skipna)

    def idxmax(self, axis: int | str = 0, skipna: bool = True) -> Any:
        """The index label of the first greatest value, as `idxmin`."""
        return self._reduce("idxmax", axis, skipna=skipna)

    def argmin(self, axis: int | None = None, skipna: bool = True, **extra: Any) -> int:
        """The row in the whole of the first least value."""
        check_extra("argmin", extra)
        return int(self._position("idxmin", axis, skipna))

    def argmax(self, axis: int | None = None, skipna: bool = True, **extra: Any) -> int:
        """The row in the whole of the first greatest value."""
        check_extra("argmax", extra)
        return int(self._position("idxmax", axis, skipna))

    def _position(self, function: str, axis: int | None, skipna: bool) -> Any:
        self._one_axis(function.replace("idx", "arg"), axis)
        frame = self._frame.reset_index(drop=True)
        return getattr(frame, function)(skipna=skipna)[frame.columns[0]]

    # -- more than one pass --------------------------------------------------------------------------------------

    def median(
        self,
        *,
        axis: int | str | None = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        approximate: bool = False,
    ) -> Any:
        """The median of numbers, timestamps or durations."""
        return self._reduce("median", axis, numeric_only, skipna=skipna, approximate=approximate)

    def quantile(self, q: Any = 0.5, interpolation: Any = "linear", *, approximate: bool = False) -> Any:
        """One quantile, or of a list of them a local Series indexed by them; see `DataFrame.quantile`."""
        from weft.frame import DataFrame

        found = self._frame.quantile(q, interpolation=interpolation, approximate=approximate)
        return self._series_of(found) if isinstance(found, DataFrame) else found[self._frame.columns[0]]

    def nunique(self, dropna: bool = True) -> int:
        """How many different values; missing ones are one more with ``dropna=False``."""
        return int(self._frame.nunique(dropna=dropna)[self._frame.columns[0]])

    def mode(self, dropna: bool = True) -> Series:
        """The most frequent values, in order, as a local Series, the same on every rank."""
        return self._series_of(self._frame.mode(dropna=dropna))

    def describe(self, percentiles: Any = None, include: Any = None, exclude: Any = None) -> Series:
        """A summary, as `DataFrame.describe` with ``include="all"``; `include` and `exclude` change nothing, as in
        pandas."""
        return self._series_of(self._frame.describe(percentiles, "all"))

    def corr(self, other: Series, method: Any = "pearson", min_periods: int | None = None) -> float:
        """The correlation with another column of as many rows, by position; `method` as in `DataFrame.corr`."""
        from weft.statistics import check_method

        check_method(self._frame, "corr", method)
        return self._with_other("corr", other, min_periods, 1, method)

    def autocorr(self, lag: int = 1) -> float:
        """The correlation of each value with the one `lag` rows before."""
        return self.corr(self.shift(lag))

    def cov(self, other: Series, min_periods: int | None = None, ddof: int = 1) -> float:
        """The covariance with another column of as many rows, by position."""
        return self._with_other("cov", other, min_periods, ddof)

    def _with_other(
        self, operation: str, other: Series, min_periods: int | None, ddof: int, method: str = "pearson"
    ) -> float:
        from weft.statistics import pair_matrix

        frame = self._frame
        if not isinstance(other, SeriesReductions):
            raise TypeError(f"{place(frame.env)}{operation}: other is a Series, not {type(other).__name__}")
        env = choose_env(operation, None, frame, other._frame)
        unequal = len(frame) != len(other._frame)
        text = f"{operation}: Series of {len(frame)} and {len(other._frame)} rows" if unequal else None
        if env is not None:
            env.session.agree(operation, text)
        elif text is not None:
            raise ValueError(text)
        sides = [one.table.select([len(one.index_names)]) for one in (frame, other._frame)]
        both = _core.beside([side.rename([name]) for side, name in zip(sides, ("self", "other"), strict=True)])
        least = 1 if min_periods is None else max(1, min_periods)
        return pair_matrix(frame._wrap(both, env), operation, [0, 1], least, ddof, method)[0][1]

    def agg(self, func: Any = None, axis: int | str = 0) -> Any:
        """One function gives its value; a list a local Series indexed by their names."""
        from weft.frame import DataFrame

        self._one_axis("agg", axis)
        if isinstance(func, dict):
            raise ValueError(f"{place(self._frame.env)}agg: a dict is for a frame's columns; give a list")
        found = self._frame.agg(func)
        if isinstance(found, DataFrame):
            return self._series_of(found)
        return found[self._frame.columns[0]] if isinstance(found, dict) else found

    aggregate = agg

    @staticmethod
    def _series_of(frame: DataFrame) -> Series:
        from weft.series import Series

        return Series(frame)

    # -- running values, other rows ------------------------------------------------------------------------------

    def cumsum(self, axis: int | str | None = 0, skipna: bool = True, **extra: Any) -> Series:
        """Running sums."""
        check_extra("cumsum", extra)
        return self._series_of(self._frame.cumsum(0 if axis is None else axis, skipna))

    def cumprod(self, axis: int | str | None = 0, skipna: bool = True, **extra: Any) -> Series:
        """Running products."""
        check_extra("cumprod", extra)
        return self._series_of(self._frame.cumprod(0 if axis is None else axis, skipna))

    def cummin(self, axis: int | str = 0, skipna: bool = True) -> Series:
        """The least value so far."""
        return self._series_of(self._frame.cummin(axis, skipna))

    def cummax(self, axis: int | str = 0, skipna: bool = True) -> Series:
        """The greatest value so far."""
        return self._series_of(self._frame.cummax(axis, skipna))

    def shift(
        self,
        periods: int = 1,
        freq: Any = None,
        axis: int | str = 0,
        fill_value: Any = NO_FILL,
        suffix: str | None = None,
    ) -> Series:
        """Each value in the row `periods` further on; see `DataFrame.shift`."""
        return self._series_of(self._frame.shift(periods, freq, axis, fill_value, suffix))

    def diff(self, periods: int = 1) -> Series:
        """Each value less the one `periods` rows before."""
        return self._series_of(self._frame.diff(periods))

    def pct_change(self, periods: int = 1, fill_method: None = None, freq: Any = None) -> Series:
        """Each value's change against the one `periods` rows before, as a share of that."""
        return self._series_of(self._frame.pct_change(periods, fill_method, freq))

    # -- what it is like: collective where it is bound ------------------------------------------------------------

    @property
    def hasnans(self) -> bool:
        """Whether any value is missing. Collective where it is bound."""
        return self.count() < self._frame.total_rows()
