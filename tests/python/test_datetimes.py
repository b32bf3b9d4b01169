"""``.dt`` of Series and expressions; distributed = local = pandas."""

from __future__ import annotations

import datetime as dt
import random

import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import refused, same_as_pandas
from test_expression import at_once
from test_strings import covers_methods

import weft
from weft import col

MOMENTS = [
    *tables.MOMENTS,
    dt.datetime(2020, 2, 29, 13, 45, 59, 999999),
    dt.datetime(1960, 12, 31, 23, 59, 59, 5),
    dt.datetime(2024, 9, 30, 11, 30),
    dt.datetime(2001, 4, 1, 0, 0, 0, 500000),
    dt.datetime(2023, 7, 1, 0, 7, 30),
]
SPANS = [
    dt.timedelta(0),
    dt.timedelta(days=-3, seconds=5, microseconds=7),
    dt.timedelta(hours=7.5),
    dt.timedelta(days=400, microseconds=1500),
]
PARTS = [
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "microsecond",
    "nanosecond",
    "quarter",
    "dayofweek",
    "weekday",
    "day_of_week",
    "dayofyear",
    "day_of_year",
    "days_in_month",
    "daysinmonth",
    "is_leap_year",
    "is_month_start",
    "is_month_end",
    "is_quarter_start",
    "is_quarter_end",
    "is_year_start",
    "is_year_end",
    "date",
    "time",
    "day_name()",
    "month_name(locale=None)",
    "normalize()",
    "floor('D')",
    "ceil('h')",
    "round('15min')",
    "round('s')",
    "floor('ms')",
    "floor(freq='7D')",
    "ceil('us')",
    "strftime('%Y-%m-%d')",
    "strftime('%H:%M:%S.%f_%j_%a%%')",
    "as_unit('ms')",
    "as_unit('ns')",
]
SPAN_PARTS = [
    "total_seconds()",
    "days",
    "seconds",
    "microseconds",
    "nanoseconds",
    "floor('h')",
    "round('D')",
    "ceil('s')",
    "as_unit('s')",
]


def moments(data) -> pa.Table:
    rows = data.draw(st.integers(0, 15))

    def column(values, type):
        return pa.array(data.draw(st.lists(st.sampled_from([*values, None]), min_size=rows, max_size=rows)), type)

    unit = data.draw(st.sampled_from(["us", "ns"]))
    return pa.table(
        {
            "t": column(MOMENTS, pa.timestamp(unit)),
            "z": column([moment.replace(tzinfo=dt.UTC) for moment in MOMENTS], pa.timestamp(unit, "UTC")),
            "y": column([moment.replace(tzinfo=dt.UTC) for moment in MOMENTS], pa.timestamp("us", "America/New_York")),
            "d": column(SPANS, pa.duration(unit)),
        }
    )


@covers_methods(
    weft.Series.dt.fget(weft.DataFrame({"s": [1]}).s).__class__,
    "Series.dt",
    {
        "tz_localize": {
            "ambiguous": "different: raise, earliest or latest",
            "nonexistent": "different: raise, earliest or latest",
        },
        **{
            name: {"ambiguous": "refused", "nonexistent": "refused", "freq": "different: D, h, min, s, ms, us, ns"}
            for name in ("floor", "ceil", "round")
        },
        "day_name": {"locale": "refused"},
        "month_name": {"locale": "refused"},
        "as_unit": {"unit": "different: cuts off, round_ok is not there"},
        "strftime": {"date_format": "different: directives of C and %f"},
    },
)
@given(data=st.data())
def test_moments(servers, data):
    codes = [f"df.{name}.dt.{part}" for name in "tzy" for part in PARTS]
    codes += [f"df.d.dt.{part}" for part in SPAN_PARTS]
    codes += ["df.z.dt.tz_convert('Asia/Tokyo')", "df.z.dt.tz_convert(None)", "df.y.dt.tz_localize(None)"]
    codes += ["df.t.dt.tz_localize('Asia/Tokyo')", "df.t.dt.tz_localize('UTC')", "df.y.dt.strftime('%H %z %Z')"]
    codes += ["df.t.dt.strftime('%Z.%z')", "df.y.dt.tz_convert('UTC').dt.hour"]
    same_as_pandas(data, servers, at_once(codes), [moments(data)])


@given(data=st.data())
def test_calendar(servers, data):
    same_as_pandas(data, servers, "df.t.dt.isocalendar()", [moments(data)])


@given(data=st.data())
def test_expressions_are_the_same(servers, data):
    series = at_once([f"df.{name}.dt.{part}" for name in "tz" for part in PARTS[::4]])
    code = series.replace("df.t.", "col('t').").replace("df.z.", "col('z').")
    same_as_pandas(data, servers, code, [moments(data)], pandas=series)


def test_dates_have_parts():
    frame = weft.DataFrame({"d": [dt.date(2020, 2, 29), None]})
    assert frame.d.dt.year.to_list() == [2020, None] and frame.d.dt.is_month_end.to_list() == [True, False]
    assert frame.d.dt.strftime("%d.%m.%y").to_list() == ["29.02.20", None]


def test_every_directive_of_clocks_and_calendars():
    chance = random.Random(1)
    begin = dt.datetime(1000, 1, 1)
    moments = [
        dt.datetime(year, *day)
        for year in (1600, 1900, 1999, 2000, 2024, 9999)
        for day in ((1, 1), (2, 28), (3, 1), (12, 31))
    ]
    moments += [
        dt.datetime(2000, 2, 29),
        dt.datetime(2024, 2, 29, 12, 30, 59, 999_999),
        dt.datetime(1969, 12, 31, 23, 59),
    ]
    moments += [
        begin + dt.timedelta(chance.randrange(3_280_000), 0, chance.randrange(86_400 * 10**6)) for _ in range(5000)
    ]
    text = "%Y|%y|%m|%d|%e|%H|%I|%M|%S|%f|%j|%p|%a|%A|%b|%B|%h|%D|%F|%T|%R|%%|x%nq%t"
    frame = weft.DataFrame({"t": pa.array([*moments, None], pa.timestamp("us"))})
    assert frame.t.dt.strftime(text).to_list() == [*(moment.strftime(text) for moment in moments), None]
    for unit in ("s", "ms", "ns"):
        near = [moment.replace(microsecond=0) for moment in moments if 1700 < moment.year < 2200]
        frame = weft.DataFrame({"t": pa.array(near, pa.timestamp(unit))})
        assert frame.t.dt.strftime("%F %T.%f").to_list() == [moment.strftime("%F %T.%f") for moment in near]


def test_local_times_that_are_not(servers):
    twice = pa.table({"t": pa.array([dt.datetime(2023, 11, 5, 1, 30)], pa.timestamp("us"))})
    refused(servers, ValueError, "df.t.dt.tz_localize('America/New_York')", [twice])
    frame = weft.DataFrame(twice)
    early = frame.t.dt.tz_localize("America/New_York", ambiguous="earliest").to_list()[0]
    late = frame.t.dt.tz_localize("America/New_York", ambiguous="latest").to_list()[0]
    assert late.astimezone(dt.UTC) - early.astimezone(dt.UTC) == dt.timedelta(hours=1)


def test_refusals(servers):
    table = pa.table({"t": pa.array([0, None], pa.timestamp("us")), "n": [1, 2]})
    refused(servers, TypeError, "df.n.dt.year", [table], "int64")
    refused(servers, TypeError, "df.n.dt.days", [table], "int64")
    refused(servers, TypeError, "df.t.dt.total_seconds()", [table], "timestamp")
    refused(servers, TypeError, "df.t.dt.tz_convert('UTC')", [table], "tz_localize")
    refused(servers, TypeError, "df.t.dt.tz_localize('UTC').dt.tz_localize('UTC')", [table], "tz_convert")
    refused(servers, ValueError, "df.t.dt.floor('M')", [table], "freq")
    refused(servers, ValueError, "df.t.dt.floor('0D')", [table], "freq")
    refused(servers, ValueError, "df.t.dt.floor('1500ns')", [table], "ns")
    refused(servers, ValueError, "df.t.dt.floor('D', ambiguous='NaT')", [table], "ambiguous")
    refused(servers, ValueError, "df.t.dt.tz_localize('UTC', nonexistent='shift_forward')", [table], "nonexistent")
    refused(servers, ValueError, "df.t.dt.day_name(locale='de')", [table], "locale")
    refused(servers, ValueError, "df.t.dt.as_unit('D')", [table], "unit")
    with pytest.raises(TypeError, match="expression"):
        col("t").dt.isocalendar()
