"""`GroupWindows`: windows along the rows of each group."""

from __future__ import annotations

from typing import Any, Literal

from weft.groupby_aggregates import Result
from weft.groupby_apply import ApplyGroups
from weft.window_options import Of, RollingOptions
from weft.windows import (
    Expanding,
    ExponentialMovingWindow,
    Rolling,
    expanding_of,
    exponential_of,
)

__all__ = ["GroupWindows"]


class GroupWindows(ApplyGroups[Result]):
    """Windows that stay within their group; see `weft.windows.Windows`. The needed columns' rows go to the rank of
    their key, and the answers come back before the rows are put in the order of the groups."""

    def _of(self) -> Of:
        return Of(self._frame, self._columns, self._single, self._keys)

    def rolling(
        self,
        window: Any,
        min_periods: int | None = None,
        center: bool = False,
        win_type: str | None = None,
        on: str | None = None,
        closed: Literal["left", "right", "both", "neither"] | None = None,
        method: str = "single",
    ) -> Rolling[Result]:
        """A window of rows of its group for each row; see `DataFrame.rolling`."""
        where = self._keys.where
        options = RollingOptions(where, window, min_periods, center, win_type, on, closed, None, method)
        return Rolling(self._of(), options)

    def expanding(self, min_periods: int = 1, method: str = "single") -> Expanding[Result]:
        """All rows of its group up to each row."""
        return expanding_of(self._of(), min_periods, method)

    def ewm(
        self,
        com: float | None = None,
        span: float | None = None,
        halflife: float | None = None,
        alpha: float | None = None,
        min_periods: int | None = 0,
        adjust: bool = True,
        ignore_na: bool = False,
        times: Any = None,
        method: str = "single",
    ) -> ExponentialMovingWindow[Result]:
        """All rows of its group up to each row, of which older ones count less; see `DataFrame.ewm`."""
        return exponential_of(self._of(), com, span, halflife, alpha, min_periods, adjust, ignore_na, times, method)
