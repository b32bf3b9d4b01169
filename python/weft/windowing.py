"""`Windowing`: windows along the rows, and rows by stretches of time, of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from weft.arguments import place, refuse
from weft.index_times import rows_at_time, rows_between_times, with_zone
from weft.scans import Scans
from weft.window_options import RollingOptions, of_frame
from weft.windows import (
    Expanding,
    ExponentialMovingWindow,
    Rolling,
    expanding_of,
    exponential_of,
)

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.resample import Resampler

__all__ = ["Windowing"]


class Windowing(Scans):
    """Windows along the rows, in rank order, across the borders of ranks; see `weft.windows` for what becomes of
    them. Local; the methods of what these return are collective on bound frames."""

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
    ) -> Rolling[DataFrame]:
        """A window of rows for each row.

        Parameters
        ----------
        window
            How many rows; or how much time ("2D", "1h30min", a timedelta), by the index, which then is one column of
            timestamps or durations, or by the column `on`: without missing values, rising or falling along the rows.
        min_periods
            A window with fewer values that are not missing comes to a missing value; by default `window` where that is
            a number of rows, else 1.
        center
            The row lies in the middle of its window, not at its end.
        on
            The column of times.
        closed
            Which of the rows at the window's two ends belong to it; by default ``"right"``.
        step
            Results of every so many rows of the whole alone.
        """
        options = RollingOptions(place(self._env), window, min_periods, center, win_type, on, closed, step, method)
        return Rolling(of_frame(self._same), options)

    def expanding(self, min_periods: int = 1, method: str = "single") -> Expanding[DataFrame]:
        """All rows up to each row."""
        return expanding_of(of_frame(self._same), min_periods, method)

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
    ) -> ExponentialMovingWindow[DataFrame]:
        """All rows up to each row, of which older ones count less, by one of `com`, `span`, `halflife` and `alpha`.

        Parameters
        ----------
        adjust
            Weights are ``(1 - alpha) ** age``, divided by their sum; without it each mean is ``1 - alpha`` of the one
            before and `alpha` of the value.
        ignore_na
            Age counts values that are not missing alone, not rows.
        """
        return exponential_of(
            of_frame(self._same), com, span, halflife, alpha, min_periods, adjust, ignore_na, times, method
        )

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
    ) -> Resampler[DataFrame]:
        """Rows by stretches of time, by the index (one column of timestamps), or by the column `on`.

        Parameters
        ----------
        rule
            How long a stretch is: a fixed length ("15min", "1D12h", a timedelta), or "W", "MS", "ME", "QS", "QE", "YS",
            "YE", with a number before ("2MS") and a day or month behind ("W-MON", "QS-FEB").
        closed
            Which end of a stretch belongs to it; by default ``"left"``, of "W", "ME", "QE", "YE" ``"right"``.
        label
            Which end names it; by default as `closed`.
        origin
            From where fixed lengths are counted: ``"start_day"`` (midnight of the first day), ``"start"``, ``"epoch"``,
            ``"end"``, ``"end_day"``, or a time.
        offset
            A length that is added to `origin`.
        """
        from weft.resample import Resampler
        from weft.resample_grid import ResampleOptions

        options = ResampleOptions(
            place(self._env), rule, closed, label, convention, on, level, origin, offset, group_keys
        )
        return Resampler(of_frame(self._same), options)

    # -- an index of moments -------------------------------------------------------------------------------------

    def tz_localize(
        self,
        tz: Any,
        axis: int | str = 0,
        level: Any = None,
        copy: bool | None = None,
        ambiguous: Literal["raise", "earliest", "latest"] = "raise",
        nonexistent: Literal["raise", "earliest", "latest"] = "raise",
    ) -> DataFrame:
        """The same rows; the moments of the index, which have no zone, as local times of `tz`, and with None without
        their zone; see ``.dt.tz_localize``. `level` names the column of an index of several."""
        refuse(
            "tz_localize",
            axis=(0 if axis in (0, "index", "rows") else axis, 0, "names of columns are texts"),
            copy=(copy, None, "frames do not change, so nothing needs a copy"),
        )
        return with_zone(self._same, "tz_localize", tz, level, ambiguous, nonexistent)

    def tz_convert(self, tz: Any, axis: int | str = 0, level: Any = None, copy: bool | None = None) -> DataFrame:
        """The same rows; the moments of the index in another zone; see ``.dt.tz_convert``."""
        refuse(
            "tz_convert",
            axis=(0 if axis in (0, "index", "rows") else axis, 0, "names of columns are texts"),
            copy=(copy, None, "frames do not change, so nothing needs a copy"),
        )
        return with_zone(self._same, "tz_convert", tz, level)

    def between_time(
        self,
        start_time: Any,
        end_time: Any,
        inclusive: Literal["both", "neither", "left", "right"] = "both",
        axis: int | str | None = None,
    ) -> DataFrame:
        """The rows whose moment, in the index, lies between two times of the day (in its zone), over midnight where the
        end is the earlier one. A time is a `datetime.time` or a text such as "9:30" or "9:30PM". No rank needs
        another's rows."""
        return rows_between_times(self._same, start_time, end_time, inclusive, axis)

    def at_time(self, time: Any, asof: bool = False, axis: int | str | None = None) -> DataFrame:
        """The rows whose moment, in the index, is at a time of the day, as `between_time`."""
        return rows_at_time(self._same, time, asof, axis)
