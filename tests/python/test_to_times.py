"""`to_datetime` and `to_timedelta`: texts, numbers and parts as times; distributed = local = pandas."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas

import weft

#: By format (None: found), texts that are moments, the first one always there, and such that are none.
TEXTS: dict[str | None, tuple[list[str], list[str]]] = {
    "%Y-%m-%d": (
        ["2020-02-29", "0001-01-01", "9999-12-31", "2021-1-5"],
        ["2021-02-29", "2020-13-01", "x", "2020-01-01 10:00"],
    ),
    "%Y-%m-%d %H:%M:%S.%f": (
        ["2020-01-01 10:00:00.5", "1969-12-31 23:59:59.999999", "2020-1-5 3:04:05.25"],
        ["2020-01-01 24:00:00.0", "2020-01-01"],
    ),
    "%d/%m/%Y": (["01/02/2020", "31/12/1950", "1/2/1999"], ["31/04/2020", "00/01/2020", "01/02/2020 x", "1.2.2020"]),
    "%d.%m.%y %I:%M %p": (
        ["01.02.20 03:04 PM", "01.02.69 12:00 am", "31.12.68 12:59 pm", "5.6.07 1:02 AM"],
        ["01.02.20 13:04 PM"],
    ),
    "%d-%b-%Y": (["05-Jan-2020", "29-FEB-2020", "1-dec-1999"], ["30-Feb-2020", "05-Jam-2020"]),
    "%B %d, %Y": (["January 5, 2020", "september 30, 1850"], ["Jan 5, 2020"]),
    "%Y%m%d%H%M%S": (["20200102030405", "19991231235959"], ["20200102x"]),
    "%Y": (["2020", "1850"], ["20"]),
    "%H:%M": (["10:20", "0:00"], ["25:00"]),
    "%m/%Y.": (["01/2020.", "12/1999."], ["01/2020"]),
    "ISO8601": (
        ["2020-01-01", "2020-01-02T03:04", "20200103", "2020-01", "2020", "1999-12-31 23:59:59.5", "2020-02-29T01"],
        ["2021-02-29", "2020-13", "01.02.2020"],
    ),
}
FOUND: list[tuple[list[str], list[str]]] = [
    (["2020-02-29", "2021-01-05", " 1950-12-31 "], ["2021-02-29", "2020-01-01 10:00:00"]),
    (["2020-01-01 10:00:00", "1950-12-31 23:59:59"], ["2020-01-01", "x"]),
    (["2020-01-01T10:00", "1950-12-31T00:01"], ["x"]),
    (["2020-01-01T10:00:00.5", "1950-12-31T00:00:01.123456"], ["x"]),
    (["2020-01-01T10:00:00Z", "1950-12-31T00:00:01Z"], ["x"]),
    (["2020/01/05", "1950/12/31"], ["x"]),
    (["20200105", "19501231"], ["x"]),
    (["01/25/2020", "12/31/1950", "1/2/2020"], ["13/01/2020", "x"]),
    (["01-25-2020 10:00:00", "12-31-1950 01:02:03"], ["x"]),
]  # fmt: skip


def column(data: st.DataObject, values: list[Any], more: list[Any], type: Any) -> pa.Table:
    """The first value, then any of all, some of them missing."""
    picked = data.draw(st.lists(st.sampled_from([*values, *more, None]), max_size=15))
    return pa.table({"v": pa.array([values[0], *picked], type), "row": pa.array(range(len(picked) + 1), pa.int64())})


DATETIME = {
    "arg": "different: a Series, a frame of parts, a dict of Series",
    "errors": "same",
    "dayfirst": "different: of numbers with slashes or dashes alone",
    "yearfirst": "refused",
    "utc": "same",
    "format": "different: directives %Y %y %m %b %B %d %H %I %p %M %S %f %z, ISO8601; zones but UTC need utc=True",
    "exact": "refused",
    "unit": "same",
    "origin": "refused",
    "cache": "refused",
}


@covers("to_datetime", "different: without format texts are numbers in one of a few forms", **DATETIME)
@given(data=st.data())
def test_formats(servers, data):
    format = data.draw(st.sampled_from(sorted(TEXTS, key=str)))
    right, wrong = TEXTS[format]
    coerce = data.draw(st.booleans())
    kind = data.draw(st.sampled_from([pa.string(), pa.large_string()]))
    table = column(data, right, [*(wrong if coerce else []), ""], kind)
    errors = "coerce" if coerce else "raise"
    utc = data.draw(st.booleans())
    code = f"PKG.to_datetime(df['v'], format={format!r}, errors={errors!r}, utc={utc})"
    same_as_pandas(data, servers, code.replace("PKG", "weft"), [table], pandas=code.replace("PKG", "pd"))


@given(data=st.data())
def test_found_formats(servers, data):
    right, wrong = data.draw(st.sampled_from(FOUND))
    coerce = data.draw(st.booleans())
    table = column(data, right, [*(wrong if coerce else []), "", "NaT"], pa.string())
    code = f"PKG.to_datetime(df['v'], errors={'coerce' if coerce else 'raise'!r})"
    if right[0].startswith("01/25"):
        table = table.set_column(
            0,
            "v",
            pa.array(
                [
                    None
                    if v is None
                    else "/".join([v.split("/")[1], v.split("/")[0], *v.split("/")[2:]])
                    if "/" in v
                    else v
                    for v in table["v"].to_pylist()
                ]
            ),
        )
        code = code[:-1] + ", dayfirst=True)"
    same_as_pandas(data, servers, code.replace("PKG", "weft"), [table], pandas=code.replace("PKG", "pd"))


def test_every_format_and_text():
    """All of them on this process: every one that is right gives a moment, every wrong one nothing, or an error."""
    for format, (right, wrong) in TEXTS.items():
        assert None not in weft.to_datetime(weft.Series(right), format=format).to_list(), format
        found = weft.to_datetime(weft.Series([right[0], *wrong]), format=format, errors="coerce").to_list()
        assert found[0] is not None and found[1:] == [None] * len(wrong), format
        for text in wrong:
            with pytest.raises(ValueError, match="is no moment"):
                weft.to_datetime(weft.Series([right[0], text]), format=format)
    for right, wrong in FOUND:
        assert None not in weft.to_datetime(weft.Series(right)).to_list()
        assert weft.to_datetime(weft.Series([right[0], *wrong]), errors="coerce").to_list()[1:] == [None] * len(wrong)


def test_zones_and_types():
    zoned = weft.Series(["2020-01-01T10:00:00+02:00", None, "2020-01-01T10:00:00Z"])
    made = weft.to_datetime(zoned, utc=True)
    assert made.dtype == pa.timestamp("us", "UTC")
    assert made.to_list() == [
        dt.datetime(2020, 1, 1, 8, tzinfo=dt.UTC),
        None,
        dt.datetime(2020, 1, 1, 10, tzinfo=dt.UTC),
    ]
    with pytest.raises(ValueError, match="utc=True"):
        weft.to_datetime(zoned)
    mixed = weft.Series(["2020-01-01", "2020-01-01T10:00+02:00"])
    assert weft.to_datetime(mixed, utc=True, format="ISO8601").dt.hour.to_list() == [0, 8]
    with pytest.raises(ValueError, match="without a time zone"):
        weft.to_datetime(mixed, format="ISO8601")
    assert weft.to_datetime(weft.Series(["2020-01-01 00:00:00.123456789"])).dtype == pa.timestamp("ns")
    assert weft.to_datetime(weft.Series([1, None]), unit="s").dtype == pa.timestamp("us")
    assert weft.to_datetime(weft.Series([None, None])).dtype == pa.timestamp("us")
    days = weft.Series([dt.date(2020, 1, 2), None])
    assert weft.to_datetime(days).to_list() == [dt.datetime(2020, 1, 2), None]
    assert weft.to_datetime(made).to_list() == made.to_list()
    naive = weft.Series([dt.datetime(2020, 1, 2)])
    assert weft.to_datetime(naive, utc=True).dtype.tz == "UTC" and weft.to_datetime(naive).dtype.tz is None
    named = weft.DataFrame({"k": [1, 2], "v": ["2020-01-01", "x"]}).set_index("k")["v"]
    found = weft.to_datetime(named, errors="coerce").to_frame()
    assert found.index_names == ("k",) and found.columns == ["v"]
    dictionary = weft.Series(pa.array(["2020-01-01", None, "2020-01-01"]).dictionary_encode())
    assert weft.to_datetime(dictionary).to_list()[2] == dt.datetime(2020, 1, 1)


WHOLE = [0, 1, -1, 86399, -(10**6), 10**9]
PARTS = [0.0, 1.5, -2.25, 0.1, -0.7, 1e6 + 0.125]


@covers(
    "to_timedelta", arg="different: a Series; texts have each unit once, the larger first", unit="same", errors="same"
)
@given(data=st.data())
def test_numbers(servers, data):
    whole = data.draw(st.booleans())
    unit = data.draw(st.sampled_from(["D", "h", "m", "s", "ms", "us", "ns"]))
    small = [one for one in (WHOLE if whole else PARTS) if abs(one) < 10**5 or unit not in ("D", "h")]
    kind = data.draw(st.sampled_from([pa.int64(), pa.int32()] if whole else [pa.float64()]))
    table = column(data, small, [], kind)
    code = data.draw(
        st.sampled_from(
            [
                f"PKG.to_datetime(df['v'], unit={unit!r})",
                f"PKG.to_timedelta(df['v'], unit={unit!r})",
                f"PKG.to_timedelta(df['v'], {unit!r}, errors='coerce')",
                f"PKG.to_datetime(df['v'], unit={unit!r}, errors='coerce', utc=True)",
            ]
        )
    )
    same_as_pandas(data, servers, code.replace("PKG", "weft"), [table], pandas=code.replace("PKG", "pd"))


def test_numbers_beyond():
    for made in (weft.to_datetime, weft.to_timedelta):
        for values in ([1, 10**15], [1.0, 1e300, float("nan")], [1, -(2**63)]):
            found = made(weft.Series(values), unit="s", errors="coerce").to_list()
            assert [one is None for one in found] == [False, *[True] * (len(values) - 1)], values
            with pytest.raises(ValueError, match="coerce"):
                made(weft.Series(values), unit="D")
    assert weft.to_datetime(weft.Series([20200131]), format="%Y%m%d").to_list() == [dt.datetime(2020, 1, 31)]
    assert weft.to_timedelta(weft.Series([1]), unit="W").to_list() == [dt.timedelta(days=7)]
    assert weft.to_timedelta(weft.Series([dt.timedelta(1)])).to_list() == [dt.timedelta(1)]
    assert weft.to_timedelta(weft.Series([None])).dtype == pa.duration("us")


SPANS = [
    "1 days",
    "2 days 03:04:05",
    "01:02:03.5",
    "-1 days +02:00:00",
    "-1 days 02:00:00",
    "-01:00:00",
    "1h30min",
    "-1h 30min",
    "+2 hours 3 minutes",
    "2 days, 1:02:03",
    "00:61:00",
    "  1 day ",
    "1.5 hours",
    "2W 1D",
    "1ms",
    "5 us",
    "106751 days 23:47:16.854775",
    "-0.000001 s",
    "1 day 1 m 1 sec",
]
FINE = ["7ns", "1 day 00:00:00.123456789", "1.000000001 s"]
NO_SPANS = ["x", "1:02", "1 day 2", "-", "1 fortnight", "200000 days", "1 day 1:2", "day"]


@given(data=st.data())
def test_spans(servers, data):
    coerce = data.draw(st.booleans())
    more = [*(NO_SPANS if coerce else []), *(FINE if data.draw(st.booleans()) else []), "", "NaT"]
    table = column(data, SPANS, more, pa.string())
    code = f"PKG.to_timedelta(df['v'], errors={'coerce' if coerce else 'raise'!r})"
    same_as_pandas(data, servers, code.replace("PKG", "weft"), [table], pandas=code.replace("PKG", "pd"))


def test_every_span():
    import pandas as pd

    texts = [*SPANS, *FINE]
    assert weft.to_timedelta(weft.Series(texts)).to_pandas().tolist() == pd.to_timedelta(pd.Series(texts)).tolist()
    assert weft.to_timedelta(weft.Series(NO_SPANS), errors="coerce").to_list() == [None] * len(NO_SPANS)
    for text in NO_SPANS:
        with pytest.raises(ValueError, match="is no duration"):
            weft.to_timedelta(weft.Series(["1 day", text]))


@given(data=st.data())
def test_parts(servers, data):
    coerce = data.draw(st.booleans())
    rows = data.draw(st.integers(0, 12))

    def drawn(values: list[int | None]) -> pa.Array:
        return pa.array(data.draw(st.lists(st.sampled_from(values), min_size=rows, max_size=rows)), pa.int32())

    table = pa.table(
        {
            "year": drawn([2020, 2021, 1900, 1999]),
            "month": drawn([1, 2, 12, *([13, 0] if coerce else [])]),
            "day": drawn([1, 28, *([31, 0, 29] if coerce else []), None]),
            "hour": drawn([0, 23, 30]),
            "ms": drawn([0, 999, 10**6]),
        }
    )
    code = data.draw(
        st.sampled_from(
            [
                "PKG.to_datetime(df[['year', 'month', 'day']], errors=E)",
                "PKG.to_datetime(df, errors=E)",
                "PKG.to_datetime(df.rename(columns={'year': 'Years', 'hour': 'hours'}), errors=E, utc=True)",
                "PKG.to_datetime({'year': df['year'], 'month': df['month'], 'day': df['day']}, errors=E)",
            ]
        )
    )
    names = {"E": "coerce" if coerce else "raise"}
    same_as_pandas(data, servers, code.replace("PKG", "weft"), [table], pandas=code.replace("PKG", "pd"), **names)


TABLE = pa.table(
    {"s": ["2020-01-01", "x", None], "n": [1, 2, None], "t": [True, False, None], "w": ["Jan 5, 2020", None, "y"], "d": ["1 day", "y", None]}
)  # fmt: skip

WRONG = [
    (ValueError, "weft.to_datetime(df['s'])", "'x' in 's'"),
    (ValueError, "weft.to_datetime(df['w'])", "Jan 5, 2020"),
    (ValueError, "weft.to_datetime(df['w'], errors='coerce')", "name format"),
    (ValueError, "weft.to_datetime(df['s'], format='%Y-%m-%d')", "'x'"),
    (ValueError, "weft.to_datetime(df['s'], format='%q')", "%q"),
    (ValueError, "weft.to_datetime(df['s'], format='%Y %Y')", "twice"),
    (ValueError, "weft.to_datetime(df['s'], format='mixed')", "mixed"),
    (ValueError, "weft.to_datetime(df['s'], errors='ignore')", "errors"),
    (ValueError, "weft.to_datetime(df['s'], unit='s')", "unit"),
    (ValueError, "weft.to_datetime(df['n'], unit='z')", "unit"),
    (ValueError, "weft.to_datetime(df['s'], yearfirst=True)", "yearfirst"),
    (ValueError, "weft.to_datetime(df['s'], exact=False)", "exact"),
    (ValueError, "weft.to_datetime(df['n'], origin='julian')", "origin"),
    (ValueError, "weft.to_datetime(df['n'], cache=False)", "cache"),
    (TypeError, "weft.to_datetime(df['t'])", "'t'"),
    (TypeError, "weft.to_datetime([1])", "weft.Series"),
    (ValueError, "weft.to_datetime(df)", "year, month, day"),
    (ValueError, "weft.to_datetime(df, unit='s')", "unit"),
    (TypeError, "weft.to_datetime(df[['s']].assign(year=df['s'], month=1, day=1)[['year', 'month', 'day']])", "'year'"),
    (ValueError, "weft.to_timedelta(df['d'])", "'y' in 'd'"),
    (ValueError, "weft.to_timedelta(df['d'], 's')", "unit"),
    (ValueError, "weft.to_timedelta(df['n'], 'M')", "unit"),
    (ValueError, "weft.to_timedelta(df['n'], errors='ignore')", "errors"),
    (TypeError, "weft.to_timedelta(df['t'])", "'t'"),
    (TypeError, "weft.to_timedelta([3])", "Series"),
]


@pytest.mark.parametrize(("kind", "code", "says"), WRONG)
def test_refused(servers, kind, code, says):
    refused(servers, kind, code, [TABLE], says)


def test_single_ones_are_those_of_pandas():
    assert weft.to_datetime("2020-01-31 10:00") == pd.to_datetime("2020-01-31 10:00")
    assert weft.to_datetime(86400, unit="s", utc=True) == pd.to_datetime(86400, unit="s", utc=True)
    assert weft.to_datetime("31/01/2020", dayfirst=True) == pd.Timestamp(2020, 1, 31)
    assert weft.to_datetime("no", errors="coerce") is pd.NaT and weft.to_datetime(None) is pd.NaT
    assert weft.to_timedelta("1 day") == weft.to_timedelta(1, "D") == pd.Timedelta(days=1)
    frame = weft.DataFrame({"t": weft.to_datetime(weft.Series(["2020-01-01", "2021-01-01"]))})
    assert len(frame[frame["t"] > weft.to_datetime("2020-06-01")]) == 1
    with pytest.raises(ValueError, match="errors"):
        weft.to_datetime("2020-01-01", errors="z")
