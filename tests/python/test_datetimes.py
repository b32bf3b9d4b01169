"""``.dt`` of Series and expressions; distributed = local = pandas."""

from __future__ import annotations

import datetime as dt
import random

import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas
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
    code = data.draw(
        st.sampled_from(["df.t.dt.isocalendar()", "df.d.dt.components", "df.set_index('d').d.dt.components"])
    )
    same_as_pandas(data, servers, code.replace("set_index('d')", "set_index('t')"), [moments(data)])


@given(data=st.data())
def test_zone_and_unit(servers, data):
    code = data.draw(
        st.sampled_from(["df.t.dt.tz", "str(df.y.dt.tz)", "str(df.z.dt.tz)", "df.t.dt.unit", "df.d.dt.unit"])
    )
    same_as_pandas(data, servers, code, [moments(data)])


# -- an index of moments ---------------------------------------------------------------------------------------------


def covers_index(test):
    for owner in ("DataFrame", "Series"):
        covers(f"{owner}.tz_localize", tz="same", axis="different: rows", level="same", copy="refused",
               ambiguous="different: raise, earliest or latest",
               nonexistent="different: raise, earliest or latest")(test)  # fmt: skip
        covers(f"{owner}.tz_convert", tz="same", axis="different: rows", level="same", copy="refused")(test)
        covers(f"{owner}.between_time", "different: a missing moment is at no time", start_time="same", end_time="same",
               inclusive="same", axis="different: rows")(test)  # fmt: skip
        covers(f"{owner}.at_time", time="same", asof="refused", axis="different: rows")(test)
    return test


@covers_index
@given(data=st.data())
def test_index_of_moments(servers, data):
    table = moments(data)
    table = table.append_column("v", pa.array(range(table.num_rows), pa.int64()))
    naive = [
        "tz_localize('Asia/Tokyo')",
        "tz_localize(None, axis=0)",
        "between_time('10:00', '14:30')",
        "between_time('23:59', '0:08')",
        "between_time('10:00AM', '13:45:59', 'neither')",
        "between_time('1000', '11:30', inclusive='left')",
        "between_time(start_time=noon, end_time='235959', inclusive='right', axis=0)",
        "at_time('10:00')",
        "at_time(time='11:30 AM', axis='index')",
        "at_time(noon)",
    ]
    zoned = ["tz_convert('Asia/Tokyo')", "tz_convert(None)", "tz_localize(None)", "at_time('5:00')", "at_time('19:00')"]
    one = data.draw(st.sampled_from(["[['v', 'd']]", "['v']"]))
    name = data.draw(st.sampled_from("tzy"))
    call = data.draw(st.sampled_from(naive if name == "t" else [*zoned, *naive[2:]]))
    noon = "pd.Timestamp('2000-01-01 12:00').time()"
    code = f"df.dropna(subset='{name}').set_index('{name}'){one}.{call.replace('noon', noon)}"
    same_as_pandas(data, servers, code, [table])
    if data.draw(st.booleans()):
        code = (
            f"df.dropna(subset='t').set_index(['t', 'v']){'' if len(one) > 5 else '.d'}.tz_localize('UTC', level='t')"
        )
        same_as_pandas(data, servers, code, [table])


def test_index_of_moments_refuses(servers):
    table = pa.table({"t": pa.array([0, None], pa.timestamp("us")), "n": [1, 2]})
    for form in ("df.set_index('t')", "df.set_index('t').n"):
        refused(servers, ValueError, f"{form}.between_time('25:00', '9:00')", [table], "no time of the day")
        refused(servers, TypeError, f"{form}.at_time(9)", [table], "9:30")
        refused(servers, ValueError, f"{form}.at_time(pd.Timestamp(0, tz='UTC').timetz())", [table], "zone")
        refused(servers, ValueError, f"{form}.at_time('9:00', asof=True)", [table], "asof")
        refused(servers, ValueError, f"{form}.at_time('9:00', axis=1)", [table], "axis")
        refused(servers, ValueError, f"{form}.between_time('8:00', '9:00', axis=1)", [table], "axis")
        refused(servers, ValueError, f"{form}.between_time('8:00', '9:00', 'z')", [table], "inclusive")
        refused(servers, TypeError, f"{form}.tz_convert('UTC')", [table], "tz_localize")
        refused(servers, ValueError, f"{form}.tz_convert('UTC', axis=1)", [table], "axis")
        refused(servers, ValueError, f"{form}.tz_localize('UTC', axis=1)", [table], "axis")
        refused(servers, ValueError, f"{form}.tz_localize('UTC', copy=True)", [table], "copy")
        refused(servers, ValueError, f"{form}.tz_convert('UTC', copy=True)", [table], "copy")
        refused(servers, ValueError, f"{form}.tz_localize('UTC', ambiguous='NaT')", [table], "ambiguous")
    refused(servers, TypeError, "df.set_index('n').at_time('9:00')", [table], "holds no moments")
    refused(servers, ValueError, "df.at_time('9:00')", [table], "at_time: labels are of an index column")
    refused(servers, ValueError, "df.set_index(['t', 'n']).tz_localize('UTC')", [table], "level")
    refused(servers, TypeError, "df.n.dt.tz", [table], "dt.tz")
    refused(servers, TypeError, "df.n.dt.unit", [table], "dt.unit")
    refused(servers, TypeError, "df.t.dt.components", [table], "timestamp")


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
