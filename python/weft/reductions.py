"""`Reductions`: whole columns to one value each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from weft.arguments import place, refuse
from weft.by_column import ByColumn
from weft.numpy_functions import check_extra, reduction_of
from weft.reducing import check_flag, column_axis, labels_of, reduce_columns
from weft.row_reductions import reduce_rows, row_quantile
from weft.windowing import Windowing

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Reductions"]

#: What gives one value of each row.
ROW_FUNCTIONS = (
    *("count", "sum", "prod", "product", "mean", "median", "quantile", "min", "max", "nunique", "var", "std", "sem"),
    *("skew", "kurt", "kurtosis", "any", "all", "idxmin", "idxmax"),
)

_ROWS = "values of a row are not reduced; write an expression of the columns"


class Reductions(Windowing):
    """Whole columns to one value each. Collective on bound frames: every rank has the result.

    A result is a dict of column names to Python values, a `ByColumn`; with ``axis=1`` it is a Series of one value a
    row, for which no rank needs another's rows. Missing values (null, NaN) are passed over unless
    ``skipna=False``; a missing result is NaN for numbers, else None. ``numeric_only`` keeps columns of bool, integers,
    floats and decimals; without it a column whose type the function does not take is a TypeError that names it.
    Integers are summed exactly, and a sum or product that does not fit 64 bits is a ValueError.
    """

    __slots__ = ()

    def _reduce(self, function: str, axis: Any, **options: Any) -> Any:
        if column_axis(self, function, axis):
            return reduce_columns(self, function, **options)
        return reduce_rows(self._same, function, **options)

    def count(self, axis: int | str = 0, numeric_only: bool = False) -> Any:
        """How many values are not missing."""
        return self._reduce("count", axis, numeric_only=numeric_only)

    def sum(
        self,
        *,
        axis: int | str | None = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        min_count: int = 0,
        **extra: Any,
    ) -> Any:
        """Sums: integers and bool exactly, floats compensated, decimals, durations. Fewer than `min_count` values make
        it missing."""
        check_extra("sum", extra)
        return self._reduce("sum", axis, skipna=skipna, numeric_only=numeric_only, min_count=min_count)

    def prod(
        self,
        *,
        axis: int | str | None = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        min_count: int = 0,
        **extra: Any,
    ) -> Any:
        """Products of integers, bool and floats."""
        check_extra("prod", extra)
        return self._reduce("prod", axis, skipna=skipna, numeric_only=numeric_only, min_count=min_count)

    product = prod

    def mean(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False, **extra: Any) -> Any:
        """Means: of integers exact before their one rounding; of decimals, durations, timestamps and dates of their
        type."""
        check_extra("mean", extra)
        return self._reduce("mean", axis, skipna=skipna, numeric_only=numeric_only)

    def min(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False, **extra: Any) -> Any:
        """Least values; of strings by their UTF-8 bytes, which is by code points."""
        check_extra("min", extra)
        return self._reduce("min", axis, skipna=skipna, numeric_only=numeric_only)

    def max(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False, **extra: Any) -> Any:
        """Greatest values."""
        check_extra("max", extra)
        return self._reduce("max", axis, skipna=skipna, numeric_only=numeric_only)

    def var(
        self,
        *,
        axis: int | str | None = 0,
        skipna: bool = True,
        ddof: int = 1,
        numeric_only: bool = False,
        **extra: Any,
    ) -> Any:
        """Variances, the sum of squares divided by the number of values less `ddof`."""
        check_extra("var", extra)
        return self._reduce("var", axis, skipna=skipna, numeric_only=numeric_only, ddof=ddof)

    def std(
        self,
        *,
        axis: int | str | None = 0,
        skipna: bool = True,
        ddof: int = 1,
        numeric_only: bool = False,
        **extra: Any,
    ) -> Any:
        """Standard deviations; of timestamps and durations durations."""
        check_extra("std", extra)
        return self._reduce("std", axis, skipna=skipna, numeric_only=numeric_only, ddof=ddof)

    def sem(self, *, axis: int | str | None = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False) -> Any:
        """Standard errors of the means."""
        return self._reduce("sem", axis, skipna=skipna, numeric_only=numeric_only, ddof=ddof)

    def skew(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """Skewness, adjusted for bias."""
        return self._reduce("skew", axis, skipna=skipna, numeric_only=numeric_only)

    def kurt(self, *, axis: int | str | None = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """Excess kurtosis, adjusted for bias."""
        return self._reduce("kurt", axis, skipna=skipna, numeric_only=numeric_only)

    kurtosis = kurt

    def any(self, *, axis: int | str | None = 0, bool_only: bool = False, skipna: bool = True, **extra: Any) -> Any:
        """Whether any value is true: not zero, not empty."""
        check_extra("any", extra)
        return self._reduce("any", axis, skipna=skipna, bool_only=bool_only)

    def all(self, *, axis: int | str | None = 0, bool_only: bool = False, skipna: bool = True, **extra: Any) -> Any:
        """Whether all values are true: not zero, not empty."""
        check_extra("all", extra)
        return self._reduce("all", axis, skipna=skipna, bool_only=bool_only)

    def idxmin(self, axis: int | str = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """The index label of the first least value; without an index its row's number in the whole; with ``axis=1`` the
        column's name. ValueError where there is no value, or, with ``skipna=False``, a missing one."""
        return self._extreme("idxmin", axis, skipna, numeric_only)

    def idxmax(self, axis: int | str = 0, skipna: bool = True, numeric_only: bool = False) -> Any:
        """The index label of the first greatest value, as `idxmin`."""
        return self._extreme("idxmax", axis, skipna, numeric_only)

    def _extreme(self, function: str, axis: Any, skipna: bool, numeric_only: bool) -> Any:
        found = self._reduce(function, axis, skipna=skipna, numeric_only=numeric_only)
        if not isinstance(found, dict):
            return found
        for name, row in found.items():
            if row != row:
                raise ValueError(
                    f"{place(self._env)}{function}: column {name!r} has "
                    + ("no value" if skipna else "a missing value, or none; skipna=True passes over them")
                )
        return ByColumn(zip(found, labels_of(self._same, list(found.values())), strict=True))

    # -- more than one pass --------------------------------------------------------------------------------------

    def median(
        self,
        *,
        axis: int | str | None = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        approximate: bool = False,
    ) -> Any:
        """Medians of numbers, timestamps and durations; see `quantile`."""
        from weft.statistics import median

        if not column_axis(self, "median", axis):
            refuse("median", approximate=(approximate, False, "medians of rows are exact"))
            return reduce_rows(self._same, "quantile", operation="median", skipna=skipna, numeric_only=numeric_only)
        return median(self._same, skipna, numeric_only, approximate)

    def quantile(
        self,
        q: Any = 0.5,
        axis: int | str = 0,
        numeric_only: bool = False,
        interpolation: Literal["linear", "lower", "higher", "midpoint", "nearest"] = "linear",
        method: Literal["single"] = "single",
        *,
        approximate: bool = False,
    ) -> Any:
        """Quantiles: a dict of one `q`; of a list of them a local frame, the same on every rank, indexed by them; with
        ``axis=1`` one `q` of each row.

        Exact on all ranks without gathering the values: they are counted by ranges until the wanted ones are known.
        With `approximate` by t-digests, in one pass over the values and one small exchange. Of numbers (bool as 0 and
        1), timestamps and durations. Those of decimals are doubles where they lie between two values, and take a sort.
        """
        from weft.statistics import quantiles

        refuse("quantile", method=(method, "single", "columns are taken one by one"))
        if not column_axis(self, "quantile", axis):
            refuse("quantile", approximate=(approximate, False, "quantiles of rows are exact"))
            return row_quantile(self._same, q, numeric_only, interpolation)
        return quantiles(self._same, q, numeric_only, interpolation, approximate)

    def nunique(self, axis: int | str = 0, dropna: bool = True) -> Any:
        """How many different values; missing ones are one more with ``dropna=False``."""
        from weft.statistics import distinct_counts

        if not column_axis(self, "nunique", axis):
            check_flag(self, "nunique", dropna=dropna)
            return reduce_rows(self._same, "nunique", skipna=dropna)
        return distinct_counts(self._same, dropna)

    def mode(self, axis: int | str = 0, numeric_only: bool = False, dropna: bool = True) -> DataFrame:
        """The most frequent values of each column, in order: a local frame, the same on every rank, where shorter
        columns end with missing values."""
        from weft.statistics import modes

        self._only_columns("mode", axis)
        return modes(self._same, numeric_only, dropna)

    def corr(
        self,
        method: Literal["pearson", "kendall", "spearman"] = "pearson",
        min_periods: int = 1,
        numeric_only: bool = False,
    ) -> DataFrame:
        """The correlation of each pair of columns, over the rows in which both are there, as a local frame, the same on
        every rank: Pearson's, Spearman's (of ranks), or Kendall's tau-b, for which each pair is sorted, and every
        rank's values go to all ranks in turn."""
        from weft.statistics import correlations

        return correlations(self._same, "corr", numeric_only, min_periods, method=method)

    def cov(self, min_periods: int | None = None, ddof: int = 1, numeric_only: bool = False) -> DataFrame:
        """The covariance of each pair of columns, over the rows in which both are there, as a local frame, the same on
        every rank."""
        from weft.statistics import correlations

        return correlations(self._same, "cov", numeric_only, min_periods, ddof)

    def corrwith(
        self,
        other: Any,
        axis: int | str = 0,
        drop: bool = False,
        method: Literal["pearson", "kendall", "spearman"] = "pearson",
        numeric_only: bool = False,
        min_periods: int | None = None,
    ) -> dict[str, float]:
        """The correlation of each column with that of the same name of another frame of as many rows, or of all with a
        Series, by position where there is no index: a dict. Columns that one frame alone has are NaN unless `drop`."""
        from weft.statistics import correlate_with

        self._only_columns("corrwith", axis)
        return correlate_with(self._same, other, drop, method, numeric_only, min_periods)

    def describe(self, percentiles: Any = None, include: Any = None, exclude: Any = None) -> DataFrame:
        """A summary of the columns as a local frame, the same on every rank, indexed by the statistics' names.

        Of numbers count, mean, std, min, quantiles (`percentiles`, default 25, 50 and 75 %) and max, as doubles; of
        timestamps and durations these in text; of others count, unique, top (the most frequent value, the least of
        several) and freq, in text. By default numbers, timestamps and durations, if there are any. `include` and
        `exclude` are "all" (include alone), or a list of "number", "bool", "string", "timestamp", "duration",
        "category", of pandas' "object", "str", "datetime", "timedelta", or of Arrow types.
        """
        from weft.describe import describe

        return describe(self._same, percentiles, include, exclude)

    def agg(self, func: Any = None, axis: int | str = 0) -> Any:
        """Reductions by name, or by a Python function of a `Series` (on local frames).

        One function gives a dict {column: value}, a dict {column: function} one of the columns it names; a list, or a
        dict with lists, a local frame with a row a function, the same on every rank. Those of one pass go together in
        one exchange. With ``axis=1`` one reduction by name of each row.
        """
        from weft.aggregate import aggregate

        if not column_axis(self, "agg", axis):
            known = reduction_of(func)
            if known is not None and known[0] in ROW_FUNCTIONS:
                return getattr(self, known[0])(axis=1, **known[1])
            if not isinstance(func, str) or func not in ROW_FUNCTIONS:
                raise ValueError(
                    f"{place(self._env)}agg: along rows it takes one function by name, not {func!r}; there are "
                    f"{', '.join(ROW_FUNCTIONS)}. apply(function, axis=1) takes others"
                )
            return getattr(self, func)(axis=1)
        return aggregate(self._same, func)

    aggregate = agg

    def _only_columns(self, operation: str, axis: Any) -> None:
        if not column_axis(self, operation, axis):
            refuse(operation, axis=(axis, 0, _ROWS))
