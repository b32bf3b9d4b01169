"""``.dt``: operations on moments, dates and durations, for Series and expressions; lowered in `datetime_rules.py`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from weft.arguments import refuse
from weft.computed import Computed
from weft.frequencies import NANOSECONDS

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Datetimes"]

T = TypeVar("T", bound=Computed)


class Datetimes(Generic[T]):
    """Parts of moments (with a time zone: of the local time), dates and durations, and what is made of them. A column
    of anything else is a TypeError. Conditions are False where the value is missing, other results are missing."""

    __slots__ = ("_of",)

    def __init__(self, of: T) -> None:
        self._of = of

    def _make(self, kind: str, detail: Any = None) -> T:
        return self._of._apply(f"dt.{kind}", detail=detail)

    def _part(self, function: str) -> T:
        return self._make("part", function)

    # -- parts of moments ----------------------------------------------------------------------------------------

    @property
    def year(self) -> T:
        """The year."""
        return self._part("year")

    @property
    def month(self) -> T:
        """The month, from 1."""
        return self._part("month")

    @property
    def day(self) -> T:
        """The day of the month, from 1."""
        return self._part("day")

    @property
    def hour(self) -> T:
        """The hour, from 0."""
        return self._part("hour")

    @property
    def minute(self) -> T:
        """The minute of the hour."""
        return self._part("minute")

    @property
    def second(self) -> T:
        """The second of the minute."""
        return self._part("second")

    @property
    def microsecond(self) -> T:
        """The microseconds within the second."""
        return self._make("microsecond")

    @property
    def nanosecond(self) -> T:
        """The nanoseconds within the microsecond."""
        return self._part("nanosecond")

    @property
    def quarter(self) -> T:
        """The quarter, from 1."""
        return self._part("quarter")

    @property
    def day_of_week(self) -> T:
        """The day of the week, Monday being 0."""
        return self._part("day_of_week")

    dayofweek = weekday = day_of_week

    @property
    def day_of_year(self) -> T:
        """The day of the year, from 1."""
        return self._part("day_of_year")

    dayofyear = day_of_year

    @property
    def days_in_month(self) -> T:
        """How many days the month has."""
        return self._make("days_in_month")

    daysinmonth = days_in_month

    @property
    def is_leap_year(self) -> T:
        """True in a leap year."""
        return self._make("is_leap_year")

    @property
    def is_month_start(self) -> T:
        """True on the first day of a month."""
        return self._make("edge", ("month", True))

    @property
    def is_month_end(self) -> T:
        """True on the last day of a month."""
        return self._make("edge", ("month", False))

    @property
    def is_quarter_start(self) -> T:
        """True on the first day of a quarter."""
        return self._make("edge", ("quarter", True))

    @property
    def is_quarter_end(self) -> T:
        """True on the last day of a quarter."""
        return self._make("edge", ("quarter", False))

    @property
    def is_year_start(self) -> T:
        """True on the first day of a year."""
        return self._make("edge", ("year", True))

    @property
    def is_year_end(self) -> T:
        """True on the last day of a year."""
        return self._make("edge", ("year", False))

    @property
    def date(self) -> T:
        """The date alone."""
        return self._make("date")

    @property
    def time(self) -> T:
        """The time of the day alone."""
        return self._make("time")

    @property
    def tz(self) -> Any:
        """The time zone as Python has it, or None; of a Series. Local."""
        import pandas

        type = self._type("tz", "moment")
        return None if type.tz is None else pandas.DatetimeTZDtype(tz=type.tz).tz

    @property
    def unit(self) -> str:
        """The unit that moments or durations are counted in: "s", "ms", "us" or "ns"; of a Series. Local."""
        return str(self._type("unit", "moment", "span").unit)

    def _type(self, operation: str, *families: str) -> Any:
        from weft.dtypes import dense, family

        frame = self._frame(operation)
        type = dense(frame.schema.types[-1])
        if family(type) not in families:
            what = "moments" if families == ("moment",) else "moments or durations"
            raise TypeError(f"dt.{operation}: it is of columns of {what}, not {type}")
        return type

    def _frame(self, operation: str) -> DataFrame:
        """The frame of a Series; an expression has no type yet, and is but one column."""
        frame: DataFrame | None = getattr(self._of, "_frame", None)
        if frame is None:
            raise TypeError(f"dt.{operation}: it is made of a Series, not of an expression")
        return frame

    def _several(self, operation: str, parts: dict[str, tuple[str, Any]]) -> DataFrame:
        """A frame of columns made by these rules and their details."""
        from weft.expression import Expression, col
        from weft.operands import Operands

        frame = self._frame(operation)
        own = col(frame.columns[0])
        expressions = [Expression(f"dt.{kind}", (own,), detail) for kind, detail in parts.values()]
        return Operands(frame, f"dt.{operation}").project(list(parts), expressions)

    def day_name(self, locale: Any = None) -> T:
        """The English name of the day of the week."""
        refuse("dt.day_name", locale=(locale, None, "names are English"))
        return self.strftime("%A")

    def month_name(self, locale: Any = None) -> T:
        """The English name of the month."""
        refuse("dt.month_name", locale=(locale, None, "names are English"))
        return self.strftime("%B")

    def isocalendar(self) -> DataFrame:
        """Year, week and day of the week of ISO 8601, as a frame; of a Series."""
        parts = {"year": "iso_year", "week": "iso_week", "day": "iso_day"}
        return self._several("isocalendar", {name: ("part", function) for name, function in parts.items()})

    def strftime(self, date_format: str) -> T:
        """The moment as text, by the directives of C's strftime and ``%f``; names are English."""
        if not isinstance(date_format, str):
            raise TypeError(f"dt.strftime: date_format is a text, not {type(date_format).__name__}")
        return self._make("strftime", date_format)

    # -- rounding ------------------------------------------------------------------------------------------------

    def floor(self, freq: str, ambiguous: Any = "raise", nonexistent: Any = "raise") -> T:
        """Rounded down to a multiple of `freq`: ``"D"``, ``"h"``, ``"15min"``, ``"s"``, ``"ms"``, ``"us"``, ``"ns"``.
        With a time zone it is the local time that is rounded; moments that the zone has twice or not at all are an
        error."""
        return self._rounded("floor", freq, ambiguous, nonexistent)

    def ceil(self, freq: str, ambiguous: Any = "raise", nonexistent: Any = "raise") -> T:
        """Rounded up, as `floor`."""
        return self._rounded("ceil", freq, ambiguous, nonexistent)

    def round(self, freq: str, ambiguous: Any = "raise", nonexistent: Any = "raise") -> T:
        """Rounded to the nearest multiple, halves to the even one, as `floor`."""
        return self._rounded("round", freq, ambiguous, nonexistent)

    def _rounded(self, how: str, freq: Any, ambiguous: Any, nonexistent: Any) -> T:
        refuse(
            f"dt.{how}",
            ambiguous=(ambiguous, "raise", "tz_convert('UTC') first"),
            nonexistent=(nonexistent, "raise", "tz_convert('UTC') first"),
        )
        found = re.fullmatch(r"(\d*)([A-Za-z]+)", freq) if isinstance(freq, str) else None
        if found is None or found.group(2) not in NANOSECONDS or found.group(1) == "0":
            raise ValueError(
                f"dt.{how}: freq={freq!r} is not taken; it is a number and one of {', '.join(NANOSECONDS)}"
            )
        return self._make("rounded", (how, int(found.group(1) or 1) * NANOSECONDS[found.group(2)]))

    def normalize(self) -> T:
        """Midnight of the day."""
        return self._make("rounded", ("floor", NANOSECONDS["D"]))

    # -- time zones and units ------------------------------------------------------------------------------------

    def tz_localize(
        self,
        tz: str | None,
        ambiguous: Literal["raise", "earliest", "latest"] = "raise",
        nonexistent: Literal["raise", "earliest", "latest"] = "raise",
    ) -> T:
        """Moments without a zone as local times of `tz`; with None, the local times without their zone.

        `ambiguous`, `nonexistent`: for times that the zone has twice, or not at all, the earlier or later moment; else
        they are a ValueError.
        """
        for name, value in (("ambiguous", ambiguous), ("nonexistent", nonexistent)):
            if value not in ("raise", "earliest", "latest"):
                raise ValueError(f"dt.tz_localize: {name}={value!r} is not taken; it is raise, earliest or latest")
        return self._make("tz_localize", (_zone(tz), ambiguous, nonexistent))

    def tz_convert(self, tz: str | None) -> T:
        """The same moments in another zone; with None, in UTC and without a zone."""
        return self._make("tz_convert", (_zone(tz),))

    def as_unit(self, unit: Literal["s", "ms", "us", "ns"], round_ok: bool = True) -> T:
        """The same in another unit; what is below it is cut off."""
        refuse("dt.as_unit", round_ok=(round_ok, True, "compare with what floor() gives first"))
        if unit not in ("s", "ms", "us", "ns"):
            raise ValueError(f"dt.as_unit: unit={unit!r} is unknown; it is s, ms, us or ns")
        return self._make("as_unit", unit)

    # -- durations -----------------------------------------------------------------------------------------------

    def total_seconds(self) -> T:
        """A duration in seconds, a float."""
        return self._make("total_seconds")

    @property
    def days(self) -> T:
        """Whole days of a duration, rounded down."""
        return self._make("span", (None, "D"))

    @property
    def seconds(self) -> T:
        """The seconds of a duration beyond its days."""
        return self._make("span", ("D", "s"))

    @property
    def microseconds(self) -> T:
        """The microseconds of a duration beyond its seconds."""
        return self._make("span", ("s", "us"))

    @property
    def nanoseconds(self) -> T:
        """The nanoseconds of a duration beyond its microseconds."""
        return self._make("span", ("us", "ns"))

    @property
    def components(self) -> DataFrame:
        """A duration's days, hours, minutes and so on, as a frame; of a Series."""
        units = {
            "days": (None, "D"),
            "hours": ("D", "h"),
            "minutes": ("h", "min"),
            "seconds": ("min", "s"),
            "milliseconds": ("s", "ms"),
            "microseconds": ("ms", "us"),
            "nanoseconds": ("us", "ns"),
        }
        return self._several("components", {name: ("span", pair) for name, pair in units.items()})


def _zone(tz: Any) -> str | None:
    if tz is None or isinstance(tz, str):
        return tz
    name = getattr(tz, "key", None) or str(tz)
    if not isinstance(name, str):
        raise TypeError(f"dt: a time zone is a name, not {type(tz).__name__}")
    return name
