"""Rules of ``.dt``."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.dtypes import family
from weft.frequencies import NANOSECONDS
from weft.lowering import Lowering, Term, rule

__all__: list[str] = []


def _moment(term: Term) -> Term:
    """A timestamp; a date is its midnight."""
    low = term.lowering
    if term.family == "null":
        return low.null(pa.timestamp("us"))
    if term.family == "date":
        return low.cast(term, pa.timestamp("s"))
    if term.family != "moment":
        raise TypeError(f"this of .dt is for columns of moments or dates, not {term.type}")
    return term


def _local(term: Term) -> Term:
    """The time that the clock shows, without a zone."""
    if term.type.tz is None:
        return term
    return term.lowering.call("local_timestamp", term, type=pa.timestamp(term.type.unit))


def _count(term: Term) -> Term:
    return term.lowering.cast(term, pa.int64())


def _divided(kind: str, term: Term, by: int) -> Term:
    """Integers divided by a constant: floor_divide or modulo."""
    low = term.lowering
    return low.call(f"weft_{kind}", term, low.constant(by), type=pa.int64())


def _is(left: Term, right: Term | int) -> Term:
    low = left.lowering
    other = low.constant(right) if isinstance(right, int) else right
    return low.call("equal", left, other, type=pa.bool_())


@rule("dt.part")
def _part(low: Lowering, terms: tuple[Term, ...], function: str) -> Term:
    moment = _moment(terms[0])
    options = None
    if function == "day_of_week":
        options = pc.DayOfWeekOptions()
    elif function == "iso_day":
        function, options = "day_of_week", pc.DayOfWeekOptions(count_from_zero=False)
    return low.call(function, moment, options=options, type=pa.int64())


@rule("dt.microsecond")
def _microsecond(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    moment = _moment(terms[0])
    parts = [low.call(name, moment, type=pa.int64()) for name in ("millisecond", "microsecond")]
    thousands = low.call("multiply", parts[0], low.constant(1000), type=pa.int64())
    return low.call("add", thousands, parts[1], type=pa.int64())


def _days_of_month(moment: Term) -> Term:
    low = moment.lowering
    options = pc.RoundTemporalOptions(1, "month", ceil_is_strictly_greater=True)
    date = low.cast(_local(moment), pa.date32(), truncate=True)
    following = low.cast(low.cast(low.call("ceil_temporal", date, options=options), pa.date32()), pa.int32())
    last = low.cast(low.call("subtract", following, low.constant(1, pa.int32()), type=pa.int32()), pa.date32())
    return low.call("day", last, type=pa.int64())


@rule("dt.days_in_month")
def _days_in_month(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    return _days_of_month(_moment(terms[0]))


@rule("dt.is_leap_year")
def _is_leap_year(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    return low.true_where(low.call("is_leap_year", _moment(terms[0]), type=pa.bool_()))


@rule("dt.edge")
def _edge(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, bool]) -> Term:
    """The first or last day of a month, quarter or year."""
    period, start = detail
    moment = _moment(terms[0])
    day = low.call("day", moment, type=pa.int64())
    made = _is(day, 1 if start else _days_of_month(moment))
    if period != "month":
        months = {"quarter": 3, "year": 12}[period]
        month = low.call("month", moment, type=pa.int64())
        made = low.call("and", made, _is(_divided("modulo", month, months), 1 if start else 0), type=pa.bool_())
    return low.true_where(made)


@rule("dt.date")
def _date(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    return low.cast(_local(_moment(terms[0])), pa.date32(), truncate=True)


@rule("dt.time")
def _time(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    moment = _local(_moment(terms[0]))
    unit = moment.type.unit
    return low.cast(moment, pa.time64(unit) if unit in ("us", "ns") else pa.time32(unit))


# -- text ------------------------------------------------------------------------------------------------------------


#: Formats of weft_strftime; others have zones, weeks, or directives that Arrow takes or refuses.
_OF_CLOCKS = re.compile("(?:[^%]|%[YymdeHIMSfjpaAbBhDFTRnt%])*")


@rule("dt.strftime")
def _strftime(low: Lowering, terms: tuple[Term, ...], text: str) -> Term:
    moment = _moment(terms[0])
    if _OF_CLOCKS.fullmatch(text):
        return low.call("weft_strftime", _local(moment), options=pc.StrftimeOptions(text), type=pa.string())
    if moment.type.tz is None:
        # Moments without a zone have no name or offset of one.
        text = re.sub(r"(%%)|%[zZ]", lambda found: found.group(1) or "", text)
    # Arrow's seconds carry their fraction, so whole ones are given; %f is put between the parts.
    seconds = low.cast(_floored(moment, NANOSECONDS["s"]), pa.timestamp("s", moment.type.tz))
    pieces = re.split(r"(%%|%f)", text)
    parts: list[Term] = []
    written = ""
    for piece in [*pieces, None]:
        if piece in ("%f", None):
            if written or not parts:
                parts.append(low.call("strftime", seconds, options=pc.StrftimeOptions(written), type=pa.string()))
            written = ""
        else:
            written += piece or ""
        if piece == "%f":
            micros = low.cast(_microsecond(low, (moment,), None), pa.string())
            parts.append(low.call("utf8_lpad", micros, options=pc.PadOptions(6, "0"), type=pa.string()))
    if len(parts) == 1:
        return parts[0]
    return low.call("binary_join_element_wise", *parts, low.constant(""), type=pa.string())


# -- rounding --------------------------------------------------------------------------------------------------------


def _multiples(term: Term, how: str, nanoseconds: int) -> Term:
    """Counts of a unit, rounded to multiples of a time."""
    low = term.lowering
    unit = NANOSECONDS[term.type.unit]
    if nanoseconds <= unit and unit % nanoseconds == 0:
        return term
    if nanoseconds % unit:
        raise ValueError(
            f"a column of {term.type} is not rounded to multiples of {nanoseconds} ns; cast it to ns first"
        )
    by = nanoseconds // unit
    count = _count(term)
    down = _divided("floor_divide", count, by)
    rest = _divided("modulo", count, by)
    one_more = low.call("add", down, low.constant(1), type=pa.int64())
    if how == "ceil":
        down = low.choose(_is(rest, 0), down, one_more)
    elif how == "round":
        twice = low.call("multiply", rest, low.constant(2), type=pa.int64())
        above = low.call("greater", twice, low.constant(by), type=pa.bool_())
        half = low.call("and", _is(twice, by), _is(_divided("modulo", down, 2), 1), type=pa.bool_())
        down = low.choose(low.call("or", above, half, type=pa.bool_()), one_more, down)
    return low.cast(low.call("multiply", down, low.constant(by), type=pa.int64()), term.type)


def _floored(moment: Term, nanoseconds: int) -> Term:
    """Rounded down in the zone's own counts, which is right for what divides a minute."""
    low = moment.lowering
    naive = low.cast(moment, pa.timestamp(moment.type.unit))
    return low.cast(_multiples(naive, "floor", nanoseconds), moment.type)


@rule("dt.rounded")
def _rounded(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, int]) -> Term:
    how, nanoseconds = detail
    (term,) = terms
    if term.family == "span":
        return _multiples(term, how, nanoseconds)
    moment = _moment(term)
    made = _multiples(_local(moment), how, nanoseconds)
    if moment.type.tz is None:
        return made
    low.fallible = True
    return low.call("assume_timezone", made, options=pc.AssumeTimezoneOptions(moment.type.tz), type=moment.type)


# -- zones and units -------------------------------------------------------------------------------------------------


@rule("dt.tz_localize")
def _tz_localize(low: Lowering, terms: tuple[Term, ...], detail: tuple[str | None, str, str]) -> Term:
    zone, ambiguous, nonexistent = detail
    moment = _moment(terms[0])
    if zone is None:
        return _local(moment)
    if moment.type.tz is not None:
        raise TypeError(f"dt.tz_localize: {moment.type} has a time zone already; use tz_convert")
    low.fallible = True
    options = pc.AssumeTimezoneOptions(zone, ambiguous=ambiguous, nonexistent=nonexistent)
    return low.call("assume_timezone", moment, options=options, type=pa.timestamp(moment.type.unit, zone))


@rule("dt.tz_convert")
def _tz_convert(low: Lowering, terms: tuple[Term, ...], detail: tuple[str | None]) -> Term:
    moment = _moment(terms[0])
    if moment.type.tz is None:
        raise TypeError(f"dt.tz_convert: {moment.type} has no time zone; use tz_localize")
    return low.cast(moment, pa.timestamp(moment.type.unit, detail[0]))


@rule("dt.as_unit")
def _as_unit(low: Lowering, terms: tuple[Term, ...], unit: str) -> Term:
    (term,) = terms
    low.fallible = True
    if term.family == "span":
        whole = _multiples(term, "floor", NANOSECONDS[unit])
        return low.cast(whole, pa.duration(unit))
    moment = _moment(term)
    return low.cast(_floored(moment, NANOSECONDS[unit]), pa.timestamp(unit, moment.type.tz))


# -- durations -------------------------------------------------------------------------------------------------------


def _span(term: Term) -> Term:
    if term.family == "null":
        return term.lowering.null(pa.duration("us"))
    if family(term.type) != "span":
        raise TypeError(f"this of .dt is for columns of durations, not {term.type}")
    return term


@rule("dt.total_seconds")
def _total_seconds(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    span = _span(terms[0])
    per_second = float(NANOSECONDS["s"] // NANOSECONDS[span.type.unit])
    return low.call("divide", low.cast(_count(span), pa.float64()), low.constant(per_second), type=pa.float64())


@rule("dt.span")
def _span_part(low: Lowering, terms: tuple[Term, ...], detail: tuple[str | None, str]) -> Term:
    """What is left of a duration beyond one unit, in whole numbers of another."""
    within, unit = detail
    span = _span(terms[0])
    own = NANOSECONDS[span.type.unit]
    count = _count(span)
    if within is not None:
        count = _divided("modulo", count, max(1, NANOSECONDS[within] // own))
    target = NANOSECONDS[unit]
    if target >= own:
        return _divided("floor_divide", count, target // own)
    return low.call("multiply", count, low.constant(own // target), type=pa.int64())
