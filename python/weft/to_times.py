"""`to_datetime` and `to_timedelta`: texts, numbers and parts as moments and durations."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any, Literal

from weft.arguments import one_of, place, refuse
from weft.dtypes import dense, family
from weft.expression import Expression, col, lit
from weft.frequencies import NANOSECONDS
from weft.operands import Operands
from weft.series import Series

__all__ = ["to_datetime", "to_timedelta"]

_UNITS = {**NANOSECONDS, "m": NANOSECONDS["min"]}
#: Texts that stand for nothing.
_NOTHING = ["", "NaT", "nat", "NAT", "nan", "NaN", "NAN"]

#: What a directive of a format matches.
_DIRECTIVES = {
    "Y": r"[0-9]{4}",
    "y": r"[0-9]{2}",
    "m": r"1[0-2]|0?[1-9]",
    "d": r"3[01]|[12][0-9]|0?[1-9]",
    "H": r"2[0-3]|[01]?[0-9]",
    "I": r"1[0-2]|0?[1-9]",
    "M": r"[0-5]?[0-9]",
    "S": r"[0-5]?[0-9]",
    "f": r"[0-9]{1,9}",
    "p": r"(?i:am|pm)",
    "z": r"Z|[+-][0-9]{2}:?[0-9]{2}",
}
_MONTHS = [
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
]
_DIRECTIVES["B"] = f"(?i:{'|'.join(_MONTHS)})"
_DIRECTIVES["b"] = f"(?i:{'|'.join(name[:3] for name in _MONTHS)})"

#: Dates that there are, as ISO 8601 writes them.
_LEAP = r"([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_DATE = (
    r"([0-9]{4}-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    rf"|[0-9]{{4}}-02-(0[1-9]|1[0-9]|2[0-8])|{_LEAP}-02-29)"
)
_CLOCK = r"([ T]([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?)?)?"
_ZONE = r"(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"

#: How texts without a format are read: what they look like, up to the fraction and the zone, and its format.
_GUESSES = {
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}": "%Y-%m-%d",
    r"[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}": "%Y/%m/%d",
    r"[0-9]{8}": "%Y%m%d",
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}": "%m/%d/%Y",
    r"[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}": "%m-%d-%Y",
}
_TIMES = {"": "", "[0-9]{1,2}:[0-9]{2}": "%H:%M", "[0-9]{1,2}:[0-9]{2}:[0-9]{2}": "%H:%M:%S",
          r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,9}": "%H:%M:%S.%f"}  # fmt: skip

_KNOWN = [
    (f"{date}{f'[ T]{time}' if time else ''}{zone}", f"{form}{'SEP' if time else ''}{times}{'%z' if zone else ''}")
    for date, form in _GUESSES.items()
    for time, times in _TIMES.items()
    for zone in ("", _ZONE)
    if time or not zone
]

#: Names of columns that are parts of a moment.
_PARTS = ("year", "month", "day", "hour", "minute", "second", "ms", "us")


def to_datetime(
    arg: Any,
    errors: Literal["raise", "coerce"] = "raise",
    dayfirst: bool = False,
    yearfirst: bool = False,
    utc: bool = False,
    format: str | None = None,
    exact: bool = True,
    unit: str | None = None,
    origin: Any = "unix",
    cache: bool = True,
) -> Any:
    """A Series of texts or numbers as moments, and a single one as pandas' Timestamp; or a frame, or a dict of Series,
    with the columns "year", "month", "day" and maybe "hour", "minute", "second", "ms", "us" as the moments of these
    parts. Microseconds, or nanoseconds where a value needs them. Moments stay as they are. Collective on a bound
    Series.

    Parameters
    ----------
    errors
        ``"raise"``: what is no moment is a ValueError; ``"coerce"``: it is missing.
    dayfirst
        Whether texts as ``01/02/2020`` begin with the day.
    utc
        The moments in UTC; those without a zone are taken as of UTC. Without it texts with a zone must all be of UTC.
    format
        How texts are written: ``%Y %y %m %b %B %d %H %I %p %M %S %f %z``, or ``"ISO8601"`` for any form of that. By
        default it is found from the first text: numbers as ``2020-01-31``, ``2020/01/31``, ``20200131``,
        ``01/31/2020``, ``01-31-2020``, and after them a time ``10:00:00``; and holds for all.
    unit
        Of numbers since 1970: "D", "h", "m", "s", "ms", "us" or (default) "ns".

    Raises TypeError for what is none of these, ValueError for values that are no moments.
    """
    where = "to_datetime"
    if isinstance(arg, Series):
        where = f"{place(arg.env)}to_datetime"
    refuse(
        where,
        yearfirst=(yearfirst, False, "name format"),
        exact=(exact, True, "take the part by .str.extract() first"),
        origin=(origin, "unix", "add a duration to the result"),
        cache=(cache, True, "equal texts are parsed each for itself"),
    )
    one_of(None, where, "errors", errors, ("raise", "coerce"))
    if arg is None or isinstance(arg, str | int | float | datetime.date):
        import pandas

        return pandas.to_datetime(arg, errors=errors, dayfirst=dayfirst, utc=utc, format=format, unit=unit)
    if isinstance(arg, Series):
        moments = _moments(arg, where, errors, bool(dayfirst), bool(utc), format, unit)
    else:
        refuse(where, format=(format, None, "the columns say what they are"), unit=(unit, None, "the columns say it"))
        moments = _assembled(arg, errors)
    if not utc:
        return moments
    return moments.dt.tz_localize("UTC") if moments.dtype.tz is None else moments.dt.tz_convert("UTC")


def _moments(
    series: Series, where: str, errors: str, dayfirst: bool, utc: bool, format: str | None, unit: str | None
) -> Series:
    kind = family(dense(series.dtype))
    if kind == "moment":
        return series.astype(dense(series.dtype))
    if kind in ("date", "null"):
        return series.astype("timestamp[us]")
    if kind in ("int", "float"):
        if format is None:
            return _of_numbers(series, where, errors, unit, "timestamp", _UNITS)
        refuse(where, unit=(unit, None, "numbers with a format are texts"))
        series, kind = series.astype("int64").astype("str"), "text"
    if kind != "text":
        raise TypeError(f"{where}: {series.name!r} is of type {series.dtype}; it takes texts, numbers and moments")
    refuse(where, unit=(unit, None, "it is of numbers; weft.to_numeric() makes them"))
    return Texts(series, where, errors, utc).parsed(format, dayfirst)


def _of_numbers(series: Series, where: str, errors: str, unit: str | None, type: str, units: dict[str, int]) -> Series:
    """So many units, as moments since 1970 or as durations."""
    unit = "ns" if unit is None else unit
    if unit not in units:
        raise ValueError(f"{where}: unit={unit!r} is not taken; it is one of {', '.join(units)}")
    series = series.astype(dense(series.dtype))
    floats = family(series.dtype) == "float"
    target = "ns" if unit == "ns" else "us"
    if floats:
        series = series.astype("float64")
        if (series.where(series.abs() < 2**53, 0) % 1 != 0).where(series.notna(), False).any():
            target = "ns"
    factor = units[unit] // NANOSECONDS[target]
    most = (2**63 - 1) // factor
    # The float next below stays below.
    fits = series.abs() < 2**63 / factor if floats else series.between(-most, most)
    series = _right(series, series, fits, where, errors, f"has no {type} of {unit!r}")
    whole = series.astype("int64")
    made = whole * factor
    if floats and target == "ns" and unit != "ns":
        made = made + ((series - whole) * units[unit]).round().astype("int64")
    return made.astype(f"{type}[{target}]")


def _right(made: Series, given: Series, fits: Any, where: str, errors: str, told: str) -> Series:
    """What was made where it `fits`; elsewhere missing, or the error that a given value is wrong. Collective."""
    if errors == "coerce":
        return made.where(fits)
    wrong = given[given.notna() & ~fits]
    first = _first(wrong)
    if first:
        raise ValueError(f"{where}: {first[0]!r} in {given.name!r} {told}; errors='coerce' makes it missing")
    return made


def _first(series: Series) -> list[Any]:
    """The first value of all ranks; none where there are no rows. Collective."""
    values: list[Any] = series.head(1).to_frame().allgather().to_arrow().columns[-1].to_pylist()
    return values


def _projected(series: Series, expression: Expression) -> Series:
    return Series(Operands(series.to_frame(), "to_datetime").project([series.name], [expression]))


class Texts:
    """Texts of which moments are made: they are written as ISO 8601 writes them, and then cast."""

    def __init__(self, series: Series, where: str, errors: str, utc: bool) -> None:
        self._where = where
        self._errors = errors
        self._utc = utc
        self._given = series
        self._own = col(series.name)

    def parsed(self, format: str | None, dayfirst: bool) -> Series:
        """The moments, of texts in this format."""
        if format is None:
            self._given = self._given.str.strip()
        self._given = self._given.where(~self._given.isin(_NOTHING))
        if format == "ISO8601":
            return self._cast(self._iso(), "is no moment as ISO 8601 writes them")
        if format is None:
            format = self._found(dayfirst)
        elif not isinstance(format, str) or "%" not in format:
            raise ValueError(f"{self._where}: format={format!r} is not taken; it has directives as %Y, or is 'ISO8601'")
        return self._cast(self._of_format(format), f"is no moment by {format!r}")

    def _found(self, dayfirst: bool) -> str:
        """The format of the first text that is written in a known way."""
        texts = self._given.dropna()
        first = _first(texts[texts.str.fullmatch("|".join(pattern for pattern, _ in _KNOWN))])
        if self._errors == "raise" or not first:
            first = _first(texts)
        for pattern, form in _KNOWN:
            if first and re.fullmatch(pattern, first[0]):
                found = form.replace("SEP", "T" if "T" in first[0] else " ")
                return re.sub("^%m(.)%d", r"%d\1%m", found) if dayfirst else found
        if first:
            raise ValueError(
                f"{self._where}: how {first[0]!r} is written is not known; name format='%d.%m.%Y' or the like"
            )
        return "%Y-%m-%d"

    def _iso(self) -> Expression:
        """Texts in any form of ISO 8601, with dashes between year, month and day."""
        text = self._own.str.replace("^([0-9]{4})([0-9]{2})([0-9]{2})($|[T ])", r"\1-\2-\3\4", regex=True)
        text = text.str.replace("^([0-9]{4})$", r"\1-01-01", regex=True)
        return text.str.replace("^([0-9]{4}-[0-9]{2})$", r"\1-01", regex=True)

    def _of_format(self, format: str) -> Expression:
        pieces = re.split("%(.)", format)
        letters = pieces[1::2]
        for letter in letters:
            if letter not in _DIRECTIVES or letters.count(letter) > 1:
                raise ValueError(
                    f"{self._where}: format={format!r}: %{letter} is not taken"
                    + (" twice" if letter in _DIRECTIVES else "")
                )
        pieces[::2] = [re.escape(piece) for piece in pieces[::2]]
        pieces[1::2] = [f"(?:{_DIRECTIVES[letter]})" for letter in letters]

        def field(letter: str, otherwise: str | None = None) -> Expression:
            if letter not in letters:
                return lit(otherwise)
            place = 2 * letters.index(letter) + 1
            pattern = "".join([*pieces[:place], f"({_DIRECTIVES[letter]})", *pieces[place + 1 :]])
            found: Expression = self._own.str.extract(f"^{pattern}$", expand=False)
            return found

        def two(letter: str) -> Expression:
            return field(letter).str.zfill(2)

        if re.fullmatch("%Y-%m-%d([ T]%H:%M(:%S([.]%f)?)?)?(%z)?", format):
            text = self._own.where(self._own.str.fullmatch("".join(pieces)))
            return text.str.replace(r"([-:T ])([0-9])\b", r"\10\2", regex=True)
        year = field("Y", "1900")
        if "y" in letters:
            short = field("y")
            year = ("20" + short).where(short < "69", "19" + short)
        month: Any = two("m") if "m" in letters else "01"
        for letter, cut in (("B", None), ("b", 3)):
            if letter in letters:
                numbers = {name[:cut]: f"{number:02}" for number, name in enumerate(_MONTHS, 1)}
                month = field(letter).str.lower().map(numbers)
        hour: Any = two("H") if "H" in letters else "00"
        if "I" in letters:
            hours = {
                f"{(i or 12):02}{half}": f"{i + late:02}" for half, late in (("am", 0), ("pm", 12)) for i in range(12)
            }
            half = field("p").str.lower() if "p" in letters else "am"
            hour = (two("I") + half).map(hours)
        text = year + "-" + month + "-" + (two("d") if "d" in letters else "01")
        text = text + " " + hour + ":" + (two("M") if "M" in letters else "00")
        text = text + ":" + (two("S") if "S" in letters else "00")
        text = text + "." + field("f") if "f" in letters else text
        made: Expression = text + field("z") if "z" in letters else text
        return made

    def _cast(self, iso: Expression, told: str) -> Series:
        texts = _projected(self._given, iso)
        fits = texts.str.fullmatch(f"{_DATE}({_CLOCK}{_ZONE}|{_CLOCK})")
        texts = _right(texts, self._given, fits, self._where, self._errors, told)
        unit = "ns" if texts.str.contains(r"[.][0-9]{7}").any() else "us"
        zoned = texts.str.contains("[0-9:.]{5}" + _ZONE + "$")
        type = f"timestamp[{unit}]"
        if not zoned.any():
            return self._as(texts, type)
        if not self._utc:
            told = "utc=True makes all of them moments in UTC"
            if (~zoned & texts.notna()).any():
                raise ValueError(f"{self._where}: there are texts with and without a time zone; {told}")
            if (zoned & ~texts.str.contains("(Z|[+-]00:?00)$")).any():
                raise ValueError(f"{self._where}: there are texts of other time zones than UTC; {told}")
        made = self._as(texts.where(zoned), f"datetime64[{unit}, UTC]")
        return made.where(zoned, self._as(texts.where(~zoned), type).dt.tz_localize("UTC"))

    @staticmethod
    def _as(texts: Series, type: str) -> Series:
        try:
            return texts.astype(type)
        except ValueError as problem:
            # Nanoseconds do not reach as far as years do.
            raise ValueError(str(problem).replace("astype: ", "to_datetime: ", 1)) from None


def _assembled(arg: Any, errors: str) -> Series:
    """The moments of a frame's, or a dict's, columns of parts."""
    from weft.frame import DataFrame

    if isinstance(arg, Mapping) and arg and all(isinstance(value, Series) for value in arg.values()):
        first = next(iter(arg.values()))
        operands = Operands(first.to_frame(), "to_datetime")
        arg = operands.project(list(arg), [operands.expression(value) for value in arg.values()])
    if not isinstance(arg, DataFrame):
        raise TypeError(
            f"to_datetime: it takes a Series, a frame or a dict of Series, not {type(arg).__name__}; weft.Series(list) "
            "makes a Series of values"
        )
    where = f"{place(arg.env)}to_datetime"
    parts = {str(name).lower() if name in _PARTS else str(name).lower().removesuffix("s"): name for name in arg.columns}
    extra = [name for part, name in parts.items() if part not in _PARTS]
    if extra or not {"year", "month", "day"} <= set(parts) or len(parts) < len(arg.columns):
        raise ValueError(f"{where}: the columns are {arg.columns}; they are year, month, day, and some of {_PARTS[3:]}")
    for name, of_parts in arg.dtypes.items():
        if family(dense(of_parts)) not in ("int", "null"):
            raise TypeError(f"{where}: {name!r} is of type {of_parts}; parts are integers: astype('int64')")

    def text(part: str) -> Expression:
        return col(parts[part]).astype("int64").astype("str").str.zfill(2)

    dates = arg.select(**{"0": text("year") + "-" + text("month") + "-" + text("day")})["0"]
    dates = _right(dates, dates, dates.str.fullmatch(_DATE), where, errors, "is no date")
    moments = dates.astype("timestamp[us]")
    units = {"hour": "h", "minute": "min", "second": "s"}
    for part in _PARTS[3:]:
        if part in parts:
            factor = NANOSECONDS[units.get(part, part)] // 1000
            moments = moments + (arg[parts[part]].astype("int64") * factor).astype("duration[us]")
    return moments


#: Words for the units in texts of durations; each may be there once, in this order.
_WORDS = {
    "W": "W",
    "D": "days?|D",
    "h": "hours?|hr|h",
    "min": "minutes?|min|m",
    "s": "seconds?|sec|s",
    "ms": "milliseconds?|millis?|ms",
    "us": "microseconds?|micros?|us",
    "ns": "nanoseconds?|nanos?|ns",
}


def to_timedelta(arg: Any, unit: str | None = None, errors: Literal["raise", "coerce"] = "raise") -> Any:
    """A Series of numbers or texts as durations, and a single one as pandas' Timedelta: of microseconds, or of
    nanoseconds where a value needs them. Durations stay as they are. Texts are as ``2 days 03:04:05``,
    ``-1 days +02:00:00`` or ``1h 30min``, the larger unit first. Collective on a bound Series.

    Parameters
    ----------
    unit
        Of numbers: "W", "D", "h", "m", "s", "ms", "us" or (default) "ns".
    errors
        ``"raise"``: what is no duration is a ValueError; ``"coerce"``: it is missing.

    Raises TypeError for what is no Series of these.
    """
    if arg is None or isinstance(arg, str | int | float | datetime.timedelta):
        import pandas

        one_of(None, "to_timedelta", "errors", errors, ("raise", "coerce"))
        return pandas.to_timedelta(arg, unit=unit, errors=errors)
    if not isinstance(arg, Series):
        raise TypeError(f"to_timedelta: it takes a Series, not {type(arg).__name__}; weft.Series(list) makes one")
    where = f"{place(arg.env)}to_timedelta"
    one_of(None, where, "errors", errors, ("raise", "coerce"))
    kind = family(dense(arg.dtype))
    if kind == "span":
        return arg.astype(dense(arg.dtype))
    if kind == "null":
        return arg.astype("duration[us]")
    if kind in ("int", "float"):
        return _of_numbers(arg, where, errors, unit, "duration", {**_UNITS, "W": 7 * NANOSECONDS["D"]})
    if kind != "text":
        raise TypeError(f"{where}: {arg.name!r} is of type {arg.dtype}; it takes texts, numbers and durations")
    refuse(where, unit=(unit, None, "it is of numbers; weft.to_numeric() makes them"))
    return _durations(arg, where, errors)


def _durations(series: Series, where: str, errors: str) -> Series:
    number = "[0-9]+(?:[.][0-9]+)?"
    pieces = [f"(?:(?:{number}) *(?:{words}),? *)?" for words in _WORDS.values()]
    clock = "(?:[+-]?[0-9]+:[0-9]+:[0-9]+(?:[.][0-9]{1,9})?)?"
    series = series.str.strip()
    series = series.where(~series.isin(_NOTHING))
    own = col(series.name)

    def amount(pattern: str) -> Expression:
        found: Expression = own.str.extract(f"^[+-]? *{pattern}$", expand=False).fillna("0").astype("float64")
        return found

    before = "".join(pieces)
    terms = []
    # A sign before the units is theirs; the clock's is its own.
    minus = own.str.contains("^-")
    for i, (unit, words) in enumerate(_WORDS.items()):
        one = f"(?:({number}) *(?:{words}),? *)?"
        length = {**NANOSECONDS, "W": 7 * NANOSECONDS["D"]}[unit]
        terms.append((amount("".join([*pieces[:i], one, *pieces[i + 1 :], clock])), length, minus))
    minus = own.str.contains("-[0-9]+:[0-9:.]+$")
    for pattern, unit in (
        ("[+-]?([0-9]+):[0-9]+:[0-9.]+", "h"),
        ("[+-]?[0-9]+:([0-9]+):[0-9.]+", "min"),
        ("[+-]?[0-9]+:[0-9]+:([0-9.]+)", "s"),
    ):
        terms.append((amount(f"{before}(?:{pattern})?"), NANOSECONDS[unit], minus))
    total: Any = lit(0.0)
    exact: Any = lit(0)
    for value, length, negative in terms:
        term = (value * length).round()
        term = term.where(~negative, -term)
        # As a float to know how much it is, and exact where that fits.
        total = total + term
        exact = exact + term.where(abs(term) < 2.0**63, 0.0).astype("int64")
    fits = own.str.fullmatch(f"[+-]? *{before}{clock}") & own.str.contains("[0-9]") & (abs(total) < 2.0**63)
    made = _projected(series, exact.where(own.notna()))
    fits = _projected(series, fits)
    made = _right(made, series, fits, where, errors, "is no duration")
    if (made % 1000 != 0).where(made.notna(), False).any():
        return made.astype("duration[ns]")
    return (made // 1000).astype("duration[us]")
