"""How ``resample`` cuts time: its arguments, and the stretches and points that come of them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Literal

from weft.arguments import refuse
from weft.frequencies import NANOSECONDS, Calendar, calendar_of, length_of, units_of

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

__all__ = ["Grid", "ResampleOptions"]

_ORIGINS = ("epoch", "start", "start_day", "end", "end_day")


class ResampleOptions:
    """The arguments of ``resample``, checked."""

    def __init__(
        self,
        where: str,
        rule: Any,
        closed: str | None,
        label: str | None,
        convention: Any,
        on: Any,
        level: Any,
        origin: Any,
        offset: Any,
        group_keys: Any,
    ) -> None:
        refuse(
            "resample",
            convention=(None if convention == "start" else convention, None, "times are points, no periods"),
            group_keys=(group_keys, False, "the stretches are the index"),
        )
        for name, value in (("closed", closed), ("label", label)):
            if value not in (None, "left", "right"):
                raise ValueError(f"{where}resample: {name}={value!r} is unknown; it is left or right")
        self.where = where
        self.on = on
        self.level = level
        self.length = length_of(rule)
        self.calendar = calendar_of(rule) if self.length is None else None
        if (self.length is None and self.calendar is None) or (self.length is not None and self.length < 1):
            raise ValueError(
                f"{where}resample: rule={rule!r} is not taken; it is a fixed length ('15min', '2D', a timedelta) or a "
                "number of W, MS, ME, QS, QE, YS or YE ('ME', '2QS-FEB', 'W-MON')"
            )
        right = self.calendar.ends if self.calendar is not None else origin in ("end", "end_day")
        self.closed = closed or ("right" if right else "left")
        self.label = label or ("right" if right else "left")
        if self.calendar is not None:
            refuse(
                "resample",
                origin=(origin, "start_day", "calendars begin where they begin"),
                offset=(offset, None, "calendars begin where they begin"),
            )
        self.origin = origin
        self.offset = 0
        if offset is not None:
            found = length_of(offset)
            if found is None:
                raise ValueError(f"{where}resample: offset={offset!r} is no fixed length of time")
            self.offset = found
        if isinstance(origin, str) and origin not in _ORIGINS:
            raise ValueError(
                f"{where}resample: origin={origin!r} is unknown; it is one of {', '.join(_ORIGINS)}, or a time"
            )


class Grid:
    """Stretches of time, numbered from 0, in units of a column of times."""

    def __init__(self, options: ResampleOptions, type: pa.DataType, least: int, greatest: int) -> None:
        self.options = options
        per_day = NANOSECONDS["D"] // NANOSECONDS[type.unit]
        self._right = options.closed == "right"
        if options.calendar is not None:
            self._lay_calendar(options.calendar, per_day, least, greatest)
        else:
            self._lay_lengths(type, per_day, least, greatest)

    def _lay_lengths(self, type: pa.DataType, per_day: int, least: int, greatest: int) -> None:
        options = self.options
        assert options.length is not None
        length = units_of(options.length, type)
        if not length:
            raise ValueError(f"{options.where}resample: the rule is finer than the times, whose type is {type}")
        earliest = least
        origin, least = self._origin(type, per_day, least, greatest, length)
        shift = units_of(options.offset, type)
        if shift is None:
            raise ValueError(f"{options.where}resample: offset is finer than the times, whose type is {type}")
        origin += shift
        before, behind = (least - origin) % length, (greatest - origin) % length
        if self._right:
            first = least - (before or length)
            last = greatest + ((length - behind) if behind else 0)
        else:
            first = least - before
            last = greatest + (length - behind)
        # With an end and an offset, pandas' first stretch may lie behind the first time, which there is an error.
        first -= -((earliest - first) // length) * length if first > earliest else 0
        self._first, self._length = first, length
        self._dates: Any = None
        self._edges: Any = None
        self.count = (last - first) // length

    def _origin(self, type: pa.DataType, per_day: int, least: int, greatest: int, length: int) -> tuple[int, int]:
        """From where lengths are counted, and the time that the first of them has to hold."""
        origin = self.options.origin
        if origin == "epoch":
            return 0, least
        if origin == "start_day":
            return least - least % per_day, least
        if origin == "start":
            return least, least
        if origin in ("end", "end_day"):
            end = greatest if origin == "end" else greatest + (-greatest) % per_day
            times = (end - least) // length + (0 if self._right else 1)
            first = end - times * length
            return first, first
        return _time_of(origin, type, self.options.where), least

    def _lay_calendar(self, calendar: Calendar, per_day: int, least: int, greatest: int) -> None:
        days = calendar.edges(least // per_day, greatest // per_day, self.options.closed)
        dates = days * per_day
        edges = dates + per_day - 1 if calendar.ends and self._right else dates
        if calendar.ends and edges[-2] > greatest:
            dates, edges = dates[:-1], edges[:-1]
        self._dates, self._edges = dates, edges
        self.count = len(dates) - 1

    def bins_of(self, times: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        """The number of each time's stretch."""
        import numpy

        if self._edges is None:
            # With an end and an offset, the first time may be the first stretch's open end; pandas has it there.
            found: numpy.ndarray[Any, Any] = numpy.maximum((times - self._first - int(self._right)) // self._length, 0)
            return found
        side: Literal["left", "right"] = "left" if self._right else "right"
        return numpy.searchsorted(self._edges, times, side=side) - 1

    def edges_at(self, numbers: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        """The times at which these stretches begin."""
        made: numpy.ndarray[Any, Any] = (
            self._first + numbers * self._length if self._dates is None else self._dates[numbers]
        )
        return made

    def labels_of(self, numbers: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        """The times that name these stretches."""
        return self.edges_at(numbers + int(self.options.label == "right"))

    def points(self, numbers: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        """The times at which rows are wanted where a row a stretch is: the closed ends."""
        return self.edges_at(numbers + int(self._right))

    def points_before(self, times: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        """The number of the last point that is not after each time; -1 for those before all."""
        import numpy

        if self._dates is None:
            first = self._first + int(self._right) * self._length
            found: numpy.ndarray[Any, Any] = (times - first) // self._length
            return found
        return numpy.searchsorted(self._dates[int(self._right) :], times, side="right") - 1


def _time_of(value: Any, type: pa.DataType, where: str) -> int:
    """A time of Python, NumPy or pandas in units of a type."""
    import pyarrow as pa

    try:
        plain = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
        if isinstance(plain, datetime.datetime) and (plain.tzinfo is None) != (type.tz is None):
            raise ValueError("the time zone is not the column's")
        return int(pa.scalar(plain, pa.timestamp(type.unit, type.tz)).cast(pa.int64()).as_py())
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as problem:
        raise ValueError(f"{where}resample: origin={value!r} is no time that goes with {type}: {problem}") from None
