"""Lengths of time and frequencies: what "2D", "1h30min", "ME", a timedelta or pandas' offsets mean."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

__all__ = ["NANOSECONDS", "Calendar", "calendar_of", "length_of", "units_of"]

#: Of the fixed frequencies, and of the units of columns of times, by their names in pandas and Arrow.
NANOSECONDS = {
    "D": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "min": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)?\s*([A-Za-z]+)")
_CALENDAR = re.compile(r"(-?\d+)?\s*(W|MS|ME|QS|QE|YS|YE)(?:-([A-Z]{3}))?")
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def length_of(value: Any) -> int | None:
    """Nanoseconds of a text ("2D", "1h30min"), a timedelta, NumPy's or pandas', or a fixed offset of pandas; None for
    what is none of these."""
    import numpy

    if isinstance(value, str):
        return _length_of_text(value)
    if isinstance(value, numpy.timedelta64):
        unit, _ = numpy.datetime_data(value.dtype)
        if unit in ("Y", "M", "generic"):
            return None
        return int(value.astype("timedelta64[ns]").astype("int64"))
    if isinstance(value, datetime.timedelta):
        micros = (value.days * 86400 + value.seconds) * 10**6 + value.microseconds
        # pandas' Timedelta has nanoseconds beside.
        return micros * 1000 + int(getattr(value, "nanoseconds", 0))
    text = getattr(value, "freqstr", None)
    return _length_of_text(text) if isinstance(text, str) else None


def _length_of_text(text: str) -> int | None:
    total = 0.0
    exact = 0
    at = 0
    text = text.rstrip()
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or part.group(2) not in NANOSECONDS:
            return None
        number = part.group(1) or "1"
        if "." in number:
            total += float(number) * NANOSECONDS[part.group(2)]
        else:
            exact += int(number) * NANOSECONDS[part.group(2)]
        at = part.end()
    return exact + round(total) if text else None


def units_of(nanoseconds: int, type: pa.DataType) -> int | None:
    """So many units of a column of times; None where it is no whole number of them."""
    whole, rest = divmod(nanoseconds, NANOSECONDS[type.unit])
    return None if rest else whole


class Calendar:
    """Dates at the begin or the end of weeks, months, quarters or years, of which each is number k; every `count`-th is
    taken."""

    def __init__(self, count: int, months: int, anchor: int, ends: bool) -> None:
        self.count = count
        #: Of weeks 0.
        self.months = months
        #: The month, or the weekday, with which a period begins or ends, from 0.
        self.anchor = anchor
        self.ends = ends

    def dates(self, numbers: Any) -> numpy.ndarray[Any, Any]:
        """The dates of these numbers, in days since 1970."""
        import numpy

        k = numpy.asarray(numbers, dtype=numpy.int64)
        if not self.months:
            # 1970 began on a Thursday.
            return k * 7 + (self.anchor - 3) % 7
        month = k * self.months + self.anchor
        if self.ends:
            month = month + 1
        first: numpy.ndarray[Any, Any] = month.astype("datetime64[M]").astype("datetime64[D]").astype("int64") - int(
            self.ends
        )
        return first

    def last_not_after(self, day: int) -> int:
        """The number of the last date that is not after a day."""
        import numpy

        if not self.months:
            guess = (day - (self.anchor - 3) % 7) // 7
        else:
            month = int(numpy.datetime64(day, "D").astype("datetime64[M]").astype("int64"))
            guess = (month - self.anchor) // self.months
        while int(self.dates(guess)) > day:
            guess -= 1
        while int(self.dates(guess + 1)) <= day:
            guess += 1
        return guess

    def edges(self, first: int, last: int, closed: str) -> numpy.ndarray[Any, Any]:
        """Dates in days between which all days from `first` to `last` lie, as pandas lays them."""
        import numpy

        begin = self.last_not_after(first)
        if closed == "right":
            begin -= self.count - (0 if int(self.dates(begin)) == first else 1)
        end = self.last_not_after(last) + self.count
        return self.dates(numpy.arange(begin, end + 1, self.count, dtype=numpy.int64))


def calendar_of(rule: Any) -> Calendar | None:
    """The calendar of "ME", "2QS-FEB", "W-MON" or an offset of pandas so called; None for another rule."""
    text = rule if isinstance(rule, str) else getattr(rule, "freqstr", None)
    found = _CALENDAR.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    count = int(found.group(1) or 1)
    unit, anchor = found.group(2), found.group(3)
    if unit == "W":
        if anchor not in (None, *_DAYS):
            return None
        made = Calendar(count, 0, _DAYS.index(anchor or "SUN"), True)
    else:
        if anchor not in (None, *_MONTHS) or (anchor and unit[0] == "M"):
            return None
        ends = unit[1] == "E"
        month = _MONTHS.index(anchor or ("DEC" if ends else "JAN"))
        made = Calendar(count, {"M": 1, "Q": 3, "Y": 12}[unit[0]], month, ends)
    return made if count > 0 else None
