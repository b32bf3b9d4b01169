"""Running values and other rows' values: distributed = local = pandas."""

from __future__ import annotations

import datetime as dt
import decimal

import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas
from test_reductions import VALUES, as_double

import weft

NUMBERS = ["int8", "uint8", "int32", "wide", "double", "float"]


@st.composite
def frames(draw: st.DrawFn, kinds: list[str], max_rows: int = 30) -> pa.Table:
    rows = draw(st.integers(0, max_rows))
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3))
    table = pa.table({f"c{i}": draw(tables.columns(rows, VALUES, kind)) for i, kind in enumerate(chosen)})
    table = table.add_column(0, "row", pa.array(range(rows), pa.int64()))
    if rows > 2 and draw(st.booleans()):
        cut = draw(st.integers(0, rows))
        table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    return table


@covers("DataFrame.cumsum", "different: floats in double; text is not joined", axis="refused", skipna="same")
@covers("DataFrame.cummin", axis="refused", skipna="same")
@covers("DataFrame.cummax", axis="refused", skipna="same")
@given(data=st.data())
def test_running_values(servers, data):
    table = data.draw(frames(NUMBERS))
    name = data.draw(st.sampled_from(["cumsum", "cummin", "cummax"]))
    skipna = data.draw(st.booleans())
    code = f"df.set_index('row').{name}(skipna=skipna)"
    same_as_pandas(data, servers, code, [table], convert=as_double, tolerance=1e-9, skipna=skipna)


@covers(
    "DataFrame.cumprod", "different: beyond 64 bits a ValueError", axis="refused", skipna="same", numeric_only="same"
)
@covers("DataFrame.cumsum", numeric_only="same")
@covers("DataFrame.cummin", numeric_only="same")
@covers("DataFrame.cummax", numeric_only="same")
@covers("Series.cumprod", "different: beyond 64 bits a ValueError", axis="same", skipna="same")
@covers("Series.cumsum", "different: floats in double; text is not joined", axis="same", skipna="same")
@covers("Series.cummin", axis="same", skipna="same")
@covers("Series.cummax", axis="same", skipna="same")
@given(data=st.data())
def test_running_products(servers, data):
    rows = data.draw(st.integers(0, 30))
    values = data.draw(st.lists(st.sampled_from([-1, 1, 2, -3, None, 0]), min_size=rows, max_size=rows))
    table = pa.table(
        {"i": pa.array(values, pa.int64()), "f": pa.array(values, pa.float64()), "s": pa.array(["x"] * rows)}
    )
    name = data.draw(st.sampled_from(["cumsum", "cumprod", "cummin", "cummax"]))
    skipna = data.draw(st.booleans())
    code = data.draw(st.sampled_from([f"df.{name}(0, skipna, True)", f"df['i'].{name}(0, skipna)"]))
    same_as_pandas(data, servers, code, [table], tolerance=1e-12, skipna=skipna)


@given(data=st.data())
def test_running_extremes_of_every_type(servers, data):
    kind = data.draw(st.sampled_from(sorted(tables.KEYS)))
    rows = data.draw(st.integers(0, 20))
    table = pa.table({"v": data.draw(tables.columns(rows, tables.KEYS, kind))})
    least = run(data, servers, "df.cummin()", [table])
    most = run(data, servers, "df['v'].cummax()", [table])
    found_least = [row[0] for row in tables.rows_of(least.to_arrow())]
    found_most = [row[0] for row in tables.rows_of(most.to_frame().to_arrow())]
    running: list = []
    high: list = []
    for i, (value,) in enumerate(tables.rows_of(table)):
        if value is None:
            assert found_least[i] is None and found_most[i] is None
            continue
        running = [min([*running, value])]
        high = [max([*high, value])]
        assert (found_least[i], found_most[i]) == (running[0], high[0])


@given(data=st.data())
def test_running_decimals_and_durations(servers, data):
    rows = data.draw(st.integers(0, 20))
    table = pa.table({kind: data.draw(tables.columns(rows, tables.KEYS, kind)) for kind in ("decimal", "duration")})
    found = run(data, servers, "df.cumsum()", [table]).to_arrow()
    for name, type in (("decimal", pa.decimal128(12, 2)), ("duration", pa.int64())):
        total = 0
        for value, made in zip(
            table.column(name).cast(type).to_pylist(),
            (found.column(name) if name == "decimal" else found.column(name).cast(type)).to_pylist(),
            strict=True,
        ):
            total += value or 0
            assert made == (None if value is None else total)


def test_running_sums_beyond_64_bits(servers):
    table = pa.table({"v": pa.array([2**62, 2**62, -(2**62)])})
    refused(servers, ValueError, "df.cumsum()", [table], "'v'", "int64")
    refused(servers, ValueError, "df['v'].cumprod()", [table], "'v'")


@covers(
    "DataFrame.shift",
    "different: types do not change",
    periods="different: one number",
    fill_value="different: it must fit the type",
    freq="refused",
    axis="refused",
    suffix="refused",
)
@covers(
    "Series.shift",
    "different: types do not change",
    periods="different: one number",
    fill_value="different: it must fit the type",
    freq="refused",
    axis="refused",
    suffix="refused",
)
@given(data=st.data())
def test_shift(servers, data):
    table = data.draw(frames(["int8", "wide", "double", "string", "timestamp"]))
    n = data.draw(st.sampled_from([1, -1, 0, 2, -3, 7, -50, 1000]))
    code = data.draw(st.sampled_from(["df.set_index('row').shift(n)", "df.shift(n)", "df['c0'].shift(n)"]))
    same_as_pandas(data, servers, code, [table], n=n)
    numbers = data.draw(frames(["int8", "wide"]))
    same_as_pandas(data, servers, "df.shift(n, fill_value=7)", [numbers], n=n)


@given(data=st.data())
def test_shift_of_every_type(servers, data):
    kind = data.draw(st.sampled_from(sorted(tables.PAYLOADS)))
    rows = data.draw(st.integers(0, 20))
    table = pa.table({"v": data.draw(tables.columns(rows, tables.PAYLOADS, kind))})
    n = data.draw(st.sampled_from([1, -1, 4, -30]))
    found = [row[0] for row in tables.rows_of(run(data, servers, "df.shift(n)", [table], n=n).to_arrow())]
    values = [row[0] for row in tables.rows_of(table)]
    assert found == [values[i - n] if 0 <= i - n < rows else None for i in range(rows)]


@covers("DataFrame.diff", "different: unsigned integers do not wrap", periods="same", axis="refused")
@covers("Series.diff", "different: unsigned integers do not wrap", periods="same")
@covers("DataFrame.pct_change", periods="same", fill_method="refused", freq="refused")
@covers("Series.pct_change", periods="same", fill_method="refused", freq="refused")
@given(data=st.data())
def test_changes(servers, data):
    kinds = ["int8", "int32", "wide", "double", "uint8", "uint64", "duration"]
    name = data.draw(st.sampled_from(["diff", "pct_change"]))
    table = data.draw(frames([*kinds, "timestamp"] if name == "diff" else kinds))
    n = data.draw(st.sampled_from([1, -1, 2, 5]))
    code = data.draw(st.sampled_from([f"df.set_index('row').{name}(n)", f"df['c0'].{name}(n)"]))
    same_as_pandas(data, servers, code, [table], convert=as_signed, tolerance=1e-9, n=n)


def as_signed(table: pa.Table):
    """As doubles; unsigned integers, whose differences wrap in pandas, as signed ones."""
    columns = [column.cast(pa.int64()) if pa.types.is_integer(column.type) else column for column in table.columns]
    return as_double(pa.table(columns, names=table.column_names))


def test_differences_that_do_not_fit(servers):
    table = pa.table({"v": pa.array([-(2**63), 2**63 - 1, 0]), "u": pa.array([2**64 - 1, 0, 1], pa.uint64())})
    refused(servers, ValueError, "df[['v']].diff()", [table], "diff")
    refused(servers, ValueError, "df['u'].diff()", [table], "diff")


def test_wrong_arguments(servers):
    table = pa.table({"s": ["a", "b"], "n": [1, 2]})
    refused(servers, ValueError, "df.shift([1, 2])", [table], "periods")
    refused(servers, ValueError, "df.shift(1.5)", [table], "periods")
    refused(servers, ValueError, "df.shift(1, freq='D')", [table], "freq")
    refused(servers, ValueError, "df.shift(1, suffix='x')", [table], "suffix")
    refused(servers, TypeError, "df.shift(1, fill_value='x')", [table], "'n'", "fill_value")
    refused(servers, TypeError, "df.pct_change()", [table], "'s'")
    refused(servers, ValueError, "df['n'].pct_change(fill_method='ffill')", [table], "fill_method")
    refused(servers, ValueError, "df['n'].pct_change(freq='D')", [table], "freq")
    with pytest.raises(ValueError, match="skipna"):
        weft.DataFrame(table)[["n"]].cumsum(skipna=1)


@pytest.mark.parametrize(
    "values",
    [
        [dt.date(2020, 1, 1), dt.date(2021, 1, 1)],
        [dt.datetime(2020, 1, 1), None],
        [decimal.Decimal("1.5"), None],
        [1, 2],
    ],
)
def test_shift_of_categories(values):
    column = pa.array([*values, values[0]]).dictionary_encode()
    frame = weft.DataFrame({"x": column})
    assert frame["x"].shift(1).to_list() == [None, *values]
    assert frame["x"].shift(1).to_arrow().type == column.type
    assert frame["x"].shift(1, fill_value=values[0]).to_list() == [values[0], *values]


@covers("DataFrame.interpolate", "different: integers become doubles; no dates", method="different: linear, index, values and time",
        axis="refused", limit="same", inplace="refused", limit_direction="same", limit_area="same")  # fmt: skip
@covers("Series.interpolate", "different: integers become doubles; no dates", method="different: linear, index, values and time",
        axis="refused", limit="same", inplace="refused", limit_direction="same", limit_area="same")  # fmt: skip
@given(data=st.data())
def test_interpolate(servers, data):
    rows = data.draw(st.integers(0, 30))
    values = st.one_of(st.none(), st.integers(-64, 64))
    columns = [data.draw(st.lists(values, min_size=rows, max_size=rows)) for _ in range(2)]
    steps = data.draw(st.lists(st.integers(1, 9), min_size=rows, max_size=rows))
    places = [sum(steps[: i + 1]) for i in range(rows)]
    table = pa.table(
        {
            "at": pa.array(places, pa.int64()),
            "t": pa.array([place * 7_000_001 for place in places], pa.timestamp("us")),
            "x": pa.array([None if value is None else value / 4 for value in columns[0]], pa.float64()),
            "f": pa.array(columns[1], pa.float32()),
            "i": pa.array(columns[1], pa.int64()),
            "b": pa.array([place % 2 == 0 for place in places], pa.bool_()),
        }
    )
    if rows > 2 and data.draw(st.booleans()):
        table = pa.concat_tables([table.slice(0, 2), table.slice(2)])
    more = "".join(
        [
            data.draw(st.sampled_from(["", "limit=1, ", "limit=3, "])),
            data.draw(
                st.sampled_from(["", *(f"limit_direction='{one}', " for one in ("forward", "backward", "both"))])
            ),
            data.draw(st.sampled_from(["", "limit_area='inside', ", "limit_area='outside', "])),
        ]
    )
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('at')[['x', 'i', 'b']].interpolate(MORE)",
                "df[['i', 'x']].interpolate('linear', MORE)",
                "df.set_index('at')[['x', 'i']].interpolate('index', MORE)",
                "df.set_index('t')[['i', 'f']].interpolate(method='time', MORE)",
                "df.set_index(['t', 'at'])[['x']].interpolate(MORE)",
                "df['f'].interpolate(MORE)",
                "df['x'].interpolate('index', axis=0, MORE)",
                "df.set_index('x')['i'].interpolate(MORE)",
                "df.set_index('at')['x'].interpolate('values', MORE)",
                "df.set_index('t')['x'].interpolate('index', MORE)",
            ]
        )
    ).replace("MORE", more)
    convert = lambda table: table.to_pandas().astype({"i": "float64"})  # noqa: E731
    same_as_pandas(data, servers, code, [table], convert=convert, tolerance=1e-6 if "f'" in code else 1e-12)


def test_interpolate_is_refused(servers):
    table = pa.table({"at": [3, 1, 2], "x": [1.0, None, 3.0], "k": ["a", "b", "c"]})
    refused(servers, ValueError, "df.set_index('at')[['x']].interpolate('index')", [table], "sort_index()")
    refused(servers, ValueError, "df.set_index('k')[['x']].interpolate('index')", [table], "'k' is of type string")
    refused(servers, ValueError, "df.set_index(['k', 'at'])[['x']].interpolate('index')", [table], "2 columns")
    refused(servers, ValueError, "df.set_index('at')['x'].interpolate('time')", [table], "timestamps")
    refused(servers, TypeError, "df.interpolate()", [table], "column 'k' of type string")
    table = pa.table({"at": [1, 1, 2], "x": [1.0, None, 3.0]})
    refused(servers, ValueError, "df.set_index('at')['x'].interpolate('index')", [table], "of the same label")


def test_interpolate_beside_infinities():
    values = [1.0, None, float("inf"), None, 2.0, None, float("inf"), None, float("inf")]
    series = weft.Series(values).interpolate()
    assert series.to_list() == weft.Series(values).to_pandas().interpolate().tolist()
