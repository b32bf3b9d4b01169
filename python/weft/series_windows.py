"""`SeriesWindows`: windows along the rows of a Series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from weft.series_output import SeriesOutput
from weft.window_options import RollingOptions, of_series
from weft.windows import (
    Expanding,
    ExponentialMovingWindow,
    Rolling,
    expanding_of,
    exponential_of,
)

if TYPE_CHECKING:
    from weft.resample import Resampler
    from weft.series import Series

__all__ = ["SeriesWindows"]


class SeriesWindows(SeriesOutput):
    """As the methods of `DataFrame`."""

    __slots__ = ()

    def rolling(
        self,
        window: Any,
        min_periods: int | None = None,
        center: bool = False,
        win_type: str | None = None,
        on: str | None = None,
        closed: Literal["left", "right", "both", "neither"] | None = None,
        step: int | None = None,
        method: str = "single",
    ) -> Rolling[Series]:
        """A window of rows for each row; see `DataFrame.rolling`."""
        options = RollingOptions(self._where, window, min_periods, center, win_type, on, closed, step, method)
        return Rolling(of_series(cast("Series", self)), options)

    def expanding(self, min_periods: int = 1, method: str = "single") -> Expanding[Series]:
        """All rows up to each row."""
        return expanding_of(of_series(cast("Series", self)), min_periods, method)

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
    ) -> ExponentialMovingWindow[Series]:
        """All rows up to each row, of which older ones count less; see `DataFrame.ewm`."""
        of = of_series(cast("Series", self))
        return exponential_of(of, com, span, halflife, alpha, min_periods, adjust, ignore_na, times, method)

    def resample(
        self,
        rule: Any,
        closed: Literal["right", "left"] | None = None,
        label: Literal["right", "left"] | None = None,
        convention: str = "start",
        on: str | None = None,
        level: str | int | None = None,
        origin: Any = "start_day",
        offset: Any = None,
        group_keys: bool = False,
    ) -> Resampler[Series]:
        """Rows by stretches of time; see `DataFrame.resample`."""
        from weft.resample import Resampler
        from weft.resample_grid import ResampleOptions

        options = ResampleOptions(self._where, rule, closed, label, convention, on, level, origin, offset, group_keys)
        return Resampler(of_series(cast("Series", self)), options)
