"""Rows by stretches of time: distributed = local = pandas."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pyarrow as pa
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas
from test_reductions import as_double

VALUES = {
    "int8": (pa.int8(), [-128, -1, 0, 1, 127, 3, 5]),
    "int64": (pa.int64(), [-(2**40), -3, 0, 1, 2, 7, 2**40 + 1]),
    "double": (pa.float64(), [0.0, -0.0, 0.125, -100.5, 7.75, 64.0, math.nan]),
}
BASE = dt.datetime(2023, 12, 29, 22, 30)
DAY = 86400
STEPS = {
    "near": [0, 1, 59, 60, 600, 3600],
    "days": [0, 3600, DAY, 2 * DAY, DAY // 2 * 5, 9 * DAY],
    "months": [DAY, 20 * DAY, 31 * DAY, 59 * DAY, 200 * DAY, 1000],
}


@st.composite
def frames(draw: st.DrawFn, steps: str, *, unique: bool = False, sort: bool = True, nulls: bool = False) -> pa.Table:
    """Columns "t", "a", "b", and times with these steps between them, from moments that lie on borders and others."""
    rows = draw(st.integers(0, 20))
    taken = draw(st.lists(st.sampled_from(STEPS[steps]), min_size=rows, max_size=rows))
    now = BASE + dt.timedelta(seconds=draw(st.sampled_from([0, 5400, 5400 + DAY, 5401, 12 * 3600])))
    times: list[dt.datetime | None] = []
    for step in taken:
        times.append(now)
        now += dt.timedelta(seconds=max(step, 1) if unique else step)
    if not sort:
        times = draw(st.permutations(times))
    if nulls and rows:
        times[draw(st.integers(0, rows - 1))] = None
    unit = draw(st.sampled_from(["s", "us", "ns"]))
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=2, max_size=2))
    return pa.table(
        {
            "t": pa.array(times, pa.timestamp(unit)),
            "a": draw(tables.columns(rows, VALUES, kinds[0])),
            "b": draw(tables.columns(rows, VALUES, kinds[1])),
        }
    )


RULES = {
    "near": ["5min", "1h", "7min", "90s", "30min", "1h30min", "D"],
    "days": ["D", "2D", "W", "W-WED", "36h", "2W", "MS", "ME", "5h"],
    "months": ["MS", "ME", "2MS", "3ME", "QS", "QE", "QS-FEB", "QE-NOV", "YS", "YE", "YE-JUN", "2QE", "W-SAT", "30D"],
}
FUNCTIONS = [
    *("sum()", "prod()", "min()", "max()", "mean()", "median()", "count()", "nunique()", "first()", "last()"),
    *("var()", "std()", "sem()", "std(ddof=0)", "var(2)", "sem(0)", "quantile()", "quantile(0.3)", "size()"),
    *("sum(min_count=2)", "min(min_count=1)", "prod(min_count=1)", "max(min_count=2)", "agg('sum')"),
    *("first(min_count=2)", "last(min_count=1)", "aggregate('mean')", "pipe(lambda r: r.max())", "sum(True)"),
]


def covers_resample(test: Any) -> Any:
    for owner in ("DataFrame", "Series"):
        covers(f"{owner}.resample", rule="different: fixed lengths, W, MS, ME, QS, QE, YS, YE", closed="same", label="same",
               convention="refused", on="same", level="same", origin="same", offset="same", group_keys="refused")(test)  # fmt: skip
    numeric = ("sum", "prod", "min", "max", "mean", "median", "first", "last", "var", "std", "sem")
    for name in (*numeric, "count", "nunique", "size", "quantile", "ohlc", "agg", "aggregate", "pipe"):
        covers(f"Resampler.{name}")(test)
    for name in numeric:
        covers(f"Resampler.{name}", numeric_only="same")(test)
    for name in ("sum", "prod", "min", "max", "first", "last"):
        covers(f"Resampler.{name}", min_count="same")(test)
    for name in ("var", "std", "sem"):
        covers(f"Resampler.{name}", ddof="same")(test)
    for name in ("first", "last"):
        covers(f"Resampler.{name}", skipna="different: True alone")(test)
    covers("Resampler.quantile", q="different: one number")(test)
    for name in ("agg", "aggregate"):
        covers(f"Resampler.{name}", func="different: by name alone")(test)
    covers("Resampler.pipe", func="same")(test)
    return test


def small(table: pa.Table) -> pa.Table:
    """Without what pandas' products and moments lose digits of."""
    columns = [
        pa.array([None if value is None or abs(value) > 1e6 else value for value in column.to_pylist()], column.type)
        if name != "t"
        else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.table(columns, names=table.column_names)


@covers_resample
@given(data=st.data())
def test_downsample(servers, data):
    steps = data.draw(st.sampled_from(sorted(STEPS)))
    table = small(data.draw(frames(steps, sort=data.draw(st.booleans()))))
    rule = data.draw(st.sampled_from(RULES[steps]))
    more = {
        "closed": data.draw(st.sampled_from([None, "left", "right"])),
        "label": data.draw(st.sampled_from([None, "left", "right"])),
    }
    function = data.draw(st.sampled_from(FUNCTIONS))
    if "prod" in function:
        table = table.set_column(1, "a", pa.array([1.5, -1.0, None, 2.0] * 5)[: table.num_rows])
        table = table.set_column(2, "b", pa.array([1, 2, 1, 1] * 5)[: table.num_rows])
    start, end = data.draw(
        st.sampled_from(
            [
                ("df.set_index('t').resample(rule, closed=closed, label=label)", ""),
                ("df.set_index('t')['a'].resample(rule, closed=closed, label=label)", ""),
                ("df.resample(rule, closed=closed, label=label, on='t')", ""),
                ("df.set_index('t').resample(rule, closed=closed, label=label, level='t')", ""),
                ("df.set_index('t').resample(rule, closed, label)", "['b']"),
                ("df.set_index('t').resample(rule, closed, label)", "[['b', 'a']]"),
            ]
        )
    )
    if function == "sum(True)" and ("['a']" in start or end == "['b']"):
        function = "sum()"
    if function == "size()" and "['" not in start.split("resample")[0].replace("set_index('t')", ""):
        end = "['b']"
    if table.num_rows == 0:
        function = "count()"
        # pandas 3.1 fails where `on` names a column of no rows.
        start = start.replace("df.resample", "df.set_index('t').resample").replace(", on='t'", "")
    same_as_pandas(
        data, servers, f"{start}{end}.{function}", [table], convert=as_double, tolerance=1e-9, rule=rule, **more
    )


@given(data=st.data())
def test_origins(servers, data):
    table = small(data.draw(frames("near")))
    names = {
        "rule": data.draw(st.sampled_from(["7min", "17min", "1h", "5h", "11s", "7D", "3D"])),
        "closed": data.draw(st.sampled_from([None, "left", "right"])),
        "label": data.draw(st.sampled_from([None, "left", "right"])),
    }
    origin = data.draw(
        st.sampled_from(
            ["'epoch'", "'start'", "'start_day'", "'end'", "'end_day'", "pd.Timestamp('2023-12-31 10:01')",
             "pd.Timestamp('1999-01-01').to_pydatetime()"]
        )
    )  # fmt: skip
    offset = data.draw(st.sampled_from(["None", "'3min'", "pd.Timedelta('1h')", "'-2min'"]))
    if offset == "'-2min'":
        offset = "pd.Timedelta('-2min')"
    if "end" in origin:
        # pandas' stretches may not reach the first time then.
        offset = "None"
    if table.num_rows == 0:
        return
    code = f"df.set_index('t').resample(rule, closed=closed, label=label, origin={origin}, offset={offset}).count()"
    same_as_pandas(data, servers, code, [table], convert=as_double, **names)


@given(data=st.data())
def test_several_functions(servers, data):
    steps = data.draw(st.sampled_from(sorted(STEPS)))
    table = small(data.draw(frames(steps)))
    if table.num_rows == 0:
        return
    rule = data.draw(st.sampled_from(RULES[steps]))
    flat = "(lambda made: made.set_axis(['_'.join(c) for c in made.columns], axis=1))"
    start = "df.set_index('t').resample(rule)"
    forms = {
        f"{start}.ohlc()": flat,
        f"{start}['a'].ohlc()": "",
        f"{start}.agg(['sum', 'last'])": flat,
        f"{start}['b'].agg(['sum', 'max'])": "",
        f"{start}.agg({{'a': 'sum', 'b': 'first'}})": "",
        f"{start}.agg({{'a': ['sum', 'min'], 'b': ['count']}})": flat,
        f"{start}.agg(total=('a', 'sum'), top=('b', 'max'))": "",
    }
    code = data.draw(st.sampled_from(sorted(forms)))
    expected = f"{forms[code]}({code})" if forms[code] else code
    same_as_pandas(data, servers, code, [table], convert=as_double, tolerance=1e-9, pandas=expected, rule=rule)


@given(data=st.data())
def test_missing_times(servers, data):
    table = small(data.draw(frames("days", nulls=True)))
    if table["t"].null_count == table.num_rows:
        return
    code = data.draw(st.sampled_from(["df.resample('D', on='t').sum()", "df.resample('W', on='t')['a'].count()"]))
    same_as_pandas(data, servers, code, [table], convert=as_double)


@covers("Resampler.ffill", limit="same")
@covers("Resampler.bfill", limit="same")
@covers("Resampler.nearest", limit="same")
@covers("Resampler.asfreq", fill_value="different: it must fit the type")
@given(data=st.data())
def test_upsample(servers, data):
    steps = data.draw(st.sampled_from(["near", "days"]))
    table = data.draw(frames(steps, unique=True))
    if table.num_rows == 0:
        return
    names = {
        "rule": data.draw(
            st.sampled_from({"near": ["5min", "1h", "7min"], "days": ["12h", "D", "2D", "W", "MS"]}[steps])
        ),
        "closed": data.draw(st.sampled_from([None, "left", "right"])),
    }
    how = data.draw(
        st.sampled_from(
            ["ffill()", "bfill()", "nearest()", "asfreq()", "ffill(2)", "bfill(limit=1)", "nearest(limit=1)",
             "asfreq(fill_value=7)"]
        )
    )  # fmt: skip
    column = data.draw(st.sampled_from(["", "['a']"]))
    code = f"df.set_index('t'){column}.resample(rule, closed=closed).{how}"
    same_as_pandas(data, servers, code, [table], convert=as_double, **names)


SMALL = pa.table(
    {
        "s": ["a", "b", "c"],
        "n": [1, 2, 3],
        "t": pa.array([dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2)]),
        "u": pa.array([dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 2)]),
        "z": pa.array([dt.datetime(2020, 1, 1)] * 3, pa.timestamp("us", "Europe/Berlin")),
    }
)


def test_wrong_arguments(servers):
    def wrong(kind: type[Exception], code: str, *says: str) -> None:
        refused(servers, kind, code, [SMALL], *says)

    wrong(ValueError, "df.resample('D')", "on=")
    wrong(TypeError, "df.resample('D', on='n')", "'n'", "int64")
    wrong(KeyError, "df.resample('D', on='x')", "'x'")
    wrong(ValueError, "df.set_index('t').resample('D', level='n')", "level")
    wrong(ValueError, "df.set_index('t').resample('D', on='u', level=0)", "on or level")
    wrong(ValueError, "df.set_index('t')['n'].resample('D', on='n')", "on")
    wrong(ValueError, "df.resample('D', on='z')", "Europe/Berlin")
    for rule in ("'B'", "'0D'", "'BME'", "3", "'-1D'", "'W-XYZ'", "'MS-JAN'"):
        wrong(ValueError, f"df.resample({rule}, on='t')", "rule")
    wrong(ValueError, "df.resample('D', on='t', closed='up')", "closed")
    wrong(ValueError, "df.resample('D', on='t', label='up')", "label")
    wrong(ValueError, "df.resample('D', on='t', convention='end')", "convention")
    wrong(ValueError, "df.resample('D', on='t', group_keys=True)", "group_keys")
    wrong(ValueError, "df.set_index('t')['n'].resample('D', convention='e')", "convention")
    wrong(ValueError, "df.set_index('t')['n'].resample('D', group_keys=True)", "group_keys")
    wrong(ValueError, "df.resample('D', on='t', origin='noon')", "origin")
    wrong(ValueError, "df.resample('ME', on='t', origin='epoch')", "origin")
    wrong(ValueError, "df.resample('ME', on='t', offset='1h')", "offset")
    wrong(ValueError, "df.resample('D', on='t', offset='soon')", "offset")
    wrong(ValueError, "df[['n', 't']].resample('D', on='t').first(skipna=False)", "skipna")
    wrong(ValueError, "df[['n', 't']].resample('D', on='t').last(skipna=False)", "skipna")
    wrong(ValueError, "df[['n', 't']].resample('D', on='t').quantile([0.1, 0.2])", "q=")
    wrong(TypeError, "df[['n', 't']].resample('D', on='t').agg(len)", "function")
    wrong(TypeError, "df[['s', 't']].resample('D', on='t').mean()", "'s'")
    wrong(ValueError, "df[['n', 't']].resample('D', on='t').ffill()", "set_index")
    wrong(ValueError, "df[['n', 't']].set_index('t').resample('D').ffill()", "same time")
    wrong(ValueError, "df[['n', 'u']].set_index('u').resample('D').bfill()", "missing")
    wrong(ValueError, "df[['n', 'u']].set_index('u').resample('D').nearest(limit=0)", "limit")
