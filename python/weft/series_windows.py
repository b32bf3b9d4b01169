"""`SeriesWindows`: windows along the rows of a Series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, cast

from weft.index_times import rows_at_time, rows_between_times
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

    # -- an index of moments -------------------------------------------------------------------------------------

    def tz_localize(
        self,
        tz: Any,
        axis: int | str = 0,
        level: Any = None,
        copy: bool | None = None,
        ambiguous: Literal["raise", "earliest", "latest"] = "raise",
        nonexistent: Literal["raise", "earliest", "latest"] = "raise",
    ) -> Self:
        """The same rows; the moments of the index, which have no zone, as local times of `tz`, and with None without
        their zone; see ``.dt.tz_localize``. `level` names the column of an index of several."""
        return self._of(self._frame.tz_localize(tz, axis, level, copy, ambiguous, nonexistent))

    def tz_convert(self, tz: Any, axis: int | str = 0, level: Any = None, copy: bool | None = None) -> Self:
        """The same rows; the moments of the index in another zone; see ``.dt.tz_convert``."""
        return self._of(self._frame.tz_convert(tz, axis, level, copy))

    def between_time(
        self,
        start_time: Any,
        end_time: Any,
        inclusive: Literal["both", "neither", "left", "right"] = "both",
        axis: int | str | None = None,
    ) -> Self:
        """The rows whose moment, in the index, lies between two times of the day (in its zone), over midnight where the
        end is the earlier one. A time is a `datetime.time` or a text such as "9:30" or "9:30PM". No rank needs
        another's rows."""
        return self._of(rows_between_times(self._frame, start_time, end_time, inclusive, axis))

    def at_time(self, time: Any, asof: bool = False, axis: int | str | None = None) -> Self:
        """The rows whose moment, in the index, is at a time of the day, as `between_time`."""
        return self._of(rows_at_time(self._frame, time, asof, axis))
