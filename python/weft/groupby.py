"""`GroupBy` and `SeriesGroupBy`: what ``df.groupby(keys)`` and ``df.groupby(keys)["v"]`` give."""

from __future__ import annotations

from typing import Any, Literal, overload

from weft.arguments import find, find_all, refuse
from weft.frame import DataFrame
from weft.groupby_pairs import group_pairs
from weft.groupby_windows import GroupWindows
from weft.rows import Columns
from weft.series import Series
from weft.value_counts import count_values

__all__ = ["GroupBy", "SeriesGroupBy"]


class GroupBy(GroupWindows[DataFrame]):
    """Rows grouped by keys; each method is collective on a bound frame.

    ``groupby("k")["v"]`` works on one column, ``groupby("k")[["v", "w"]]`` on several, keys among them: the result then
    has an index and a column of that name, with ``as_index=False`` the column alone. Missing values are skipped; a
    group that has no others sums to 0, counts 0, and has a missing mean, min and max. Integer means are exact before
    their one rounding; an integer sum or product beyond 64 bits is a ValueError. What can be combined is combined on
    each rank before rows travel: sum, prod, count, size, mean, min, max, var, std, sem, skew, kurt, any, all, first,
    last, idxmin, idxmax, and transform by these. For the rest the needed columns' rows go to the rank of their key.
    """

    @overload
    def __getitem__(self, key: str | int) -> SeriesGroupBy: ...
    @overload
    def __getitem__(self, key: list[str] | list[int]) -> GroupBy: ...
    def __getitem__(self, key: Any) -> GroupBy | SeriesGroupBy:
        listed = key if isinstance(key, list) else [key]
        selected = [find(self._frame, item, "groupby[...]", index_too=False) for item in listed]
        kind = GroupBy if isinstance(key, list) else SeriesGroupBy
        return kind(self._keys, selected)

    def __getattr__(self, name: str) -> SeriesGroupBy:
        # Only reached where there is no such attribute: groupby("k").column, as in pandas.
        if not name.startswith("_") and name in self._frame.columns:
            return self[name]
        raise AttributeError(f"weft.GroupBy has no attribute or column {name!r}")

    def _give(self, made: DataFrame) -> DataFrame:
        return made

    def value_counts(
        self,
        subset: Columns | None = None,
        normalize: bool = False,
        sort: bool = True,
        ascending: bool = False,
        dropna: bool = True,
    ) -> Series | DataFrame:
        """How often each combination of values is there within each group: a Series "count" (or shares, "proportion")
        whose index are keys and values; groups by key, most frequent first, ties by first appearance."""
        columns = self._columns if subset is None else find_all(self._frame, subset, "value_counts", index_too=False)
        return count_values(self._keys, columns, normalize, sort, ascending, dropna)

    def corr(
        self,
        method: Literal["pearson"] = "pearson",
        min_periods: int = 1,
        numeric_only: bool = False,
    ) -> DataFrame:
        """Pearson's correlation of each pair of columns within each group: a row a group and column."""
        return group_pairs(self._keys, self._numbers(numeric_only, "corr"), "corr", method, min_periods, 1)

    def cov(self, min_periods: int | None = None, ddof: int | None = 1, numeric_only: bool = False) -> DataFrame:
        """The covariance of each pair of columns within each group: a row a group and column."""
        columns = self._numbers(numeric_only, "cov")
        return group_pairs(self._keys, columns, "cov", "pearson", min_periods, 1 if ddof is None else ddof)


class SeriesGroupBy(GroupWindows["Series | DataFrame"]):
    """One column grouped by keys. Results are `Series`, and frames with ``as_index=False`` or of several functions.
    Otherwise as `GroupBy`."""

    _single = True

    def value_counts(
        self,
        normalize: bool = False,
        sort: bool = True,
        ascending: bool = False,
        bins: int | None = None,
        dropna: bool = True,
    ) -> Series | DataFrame:
        """How often each value is there within each group."""
        refuse("groupby.value_counts", bins=(bins, None, "make a column of bins first"))
        columns = [position for position in self._columns if position not in self._keys.positions]
        return count_values(self._keys, columns, normalize, sort, ascending, dropna)

    def nlargest(self, n: int = 5, keep: Literal["first", "last", "all"] = "first") -> Series:
        """Each group's `n` largest values, in descending order, missing ones last: a Series whose index are the keys
        and the rows' own index. `keep` as in `DataFrame.nlargest`."""
        return self._top("nlargest", n, keep, largest=True)

    def nsmallest(self, n: int = 5, keep: Literal["first", "last", "all"] = "first") -> Series:
        """Each group's `n` smallest values, in ascending order; else as `nlargest`."""
        return self._top("nsmallest", n, keep, largest=False)

    def _give(self, made: DataFrame) -> Series | DataFrame:
        return (
            Series(made) if len(made.columns) == 1 and (self._keys.as_index or not self._keys.names_in(made)) else made
        )
