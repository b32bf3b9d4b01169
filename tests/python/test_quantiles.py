"""Quantiles of whole columns: distributed = local = pandas; and how near the approximate ones come."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas

import weft

VALUES = {
    **tables.KEYS,
    "int64": (pa.int64(), [-(2**50), -3, 0, 1, 2, 7, 2**50 + 1]),
    "uint64": (pa.uint64(), [0, 1, 2, 5, 2**50]),
    "half": (pa.float16(), [0.0, -0.0, 1.5, -2.0, 3.25, float("nan")]),
    "float": (pa.float32(), [0.0, -0.0, 1.5, -2.25, 1024.125, float("nan")]),
    "double": (pa.float64(), [0.0, -0.0, 0.1, -1e300, 5e-324, 7.75, 1e5, float("nan")]),
    "timestamp": (pa.timestamp("us"), [dt.datetime(2020, 1, day) for day in (1, 2, 5, 30)]),
}
KINDS = ["int8", "uint8", "int32", "uint32", "int64", "uint64", "half", "float", "double"]


def as_double(table: pa.Table):
    columns = [column.cast(pa.float64()) if pa.types.is_floating(column.type) else column for column in table.columns]
    return pa.table(columns, names=table.column_names).to_pandas()


@covers("DataFrame.quantile", q="same", interpolation="same", numeric_only="same", method="refused")
@covers("Series.quantile", q="same", interpolation="same")
@given(data=st.data())
def test_quantile(servers, data):
    rows = data.draw(st.integers(0, 50))
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    table = pa.table({f"c{i}": data.draw(tables.columns(rows, VALUES, kind)) for i, kind in enumerate(kinds)})
    only = data.draw(st.booleans())
    if only:
        table = table.append_column("s", data.draw(tables.columns(rows, VALUES, "string")))
    q = data.draw(st.sampled_from([0.5, 0, 1.0, 0.3, [0.5], [0.9, 0.1, 0.1], [0.25, 0.5, 0.75]]))
    how = data.draw(st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest"]))
    code = data.draw(st.sampled_from(["df.quantile(q, 0, only, how)", "df['c0'].quantile(q, how)"]))
    same_as_pandas(data, servers, code, [table], convert=as_double, tolerance=1e-12, q=q, only=only, how=how)


@covers("DataFrame.median", skipna="same", numeric_only="same")
@covers("Series.median", axis="same", skipna="same", numeric_only="same")
@given(data=st.data())
def test_median(servers, data):
    rows = data.draw(st.integers(0, 50))
    kinds = [*data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3)), "timestamp"]
    table = pa.table({f"c{i}": data.draw(tables.columns(rows, VALUES, kind)) for i, kind in enumerate(kinds)})
    skipna = data.draw(st.booleans())
    only = data.draw(st.booleans())
    code = data.draw(
        st.sampled_from(
            ["df.median(skipna=skipna, numeric_only=only)", "df['c0'].median(axis=0, skipna=skipna, numeric_only=only)"]
        )
    )
    same_as_pandas(data, servers, code, [table], convert=as_double, tolerance=1e-12, skipna=skipna, only=only)


@given(data=st.data())
def test_quantiles_of_decimals(servers, data):
    """As pandas has them of Arrow's decimals: values of the column, or doubles between them."""
    rows = data.draw(st.integers(0, 50))
    values = [Decimal("0.00"), Decimal("-1.25"), Decimal(f"{'9' * 20}.99"), Decimal("3.10"), Decimal("3.11")]
    type = data.draw(st.sampled_from([pa.decimal128(12, 2), pa.decimal128(30, 2), pa.decimal256(60, 2)]))
    kept = values if type.precision > 12 else [value for value in values if value < 10**9]
    column = data.draw(tables.columns(rows, {"d": (type, kept)}, "d"))
    q = data.draw(st.sampled_from([0.5, 0, 1.0, 0.3]))
    how = data.draw(st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest"]))
    table = pa.table({"n": pa.array(range(rows), pa.int8()), "d": column})
    found = run(data, servers, "df.quantile(q, interpolation=how)", [table], q=q, how=how)
    there = sorted(value for value in column.to_pylist() if value is not None)
    assert list(found) == ["n", "d"]
    if not there:
        assert found["d"] is None or found["d"] != found["d"]
    elif how in ("lower", "higher", "nearest"):
        place = np.quantile(np.arange(len(there)), q, method=how)
        assert found["d"] == there[int(place)]
    else:
        expected = pd.Series([float(value) for value in there]).quantile(q, how)
        assert np.isclose(found["d"], expected, rtol=1e-12, atol=0)
    run(data, servers, "df['d'].median(skipna=False)", [table])
    run(data, servers, "df['d'].quantile([0.1, 0.9], approximate=True)", [table], tolerance=1e-9)


@given(data=st.data())
def test_quantiles_of_many(servers, data):
    """More values than are gathered at once, so that counting goes on for several rounds."""
    seed = data.draw(st.integers(0, 1000))
    random = np.random.default_rng(seed)
    size = 30_000
    columns = {
        "normal": random.normal(0, 1, size),
        "skewed": np.exp(random.normal(0, 20, size)),
        "mostly one": np.where(random.random(size) < 0.9, 7.0, random.normal(0, 1, size)),
        "whole": random.integers(-(2**62), 2**62, size),
        "few": random.integers(0, 3, size).astype(np.int8),
    }
    table = pa.table(columns)
    q = [0.001, 0.25, 0.5, 0.77, 1.0]
    same_as_pandas(data, servers, "df.quantile(q)", [table], tolerance=1e-12, q=q, worlds=[1, 3])
    # Digests of parts differ from one of the whole, where the values lie densely by little.
    code = "df[['normal', 'skewed']].quantile([0.25, 0.5, 0.75], approximate=True)"
    near = run(data, servers, code, [table], tolerance=0.05, worlds=[3]).to_pandas()
    for name in ("normal", "skewed"):
        ordered = np.sort(columns[name])
        for at, value in zip([0.25, 0.5, 0.75], near[name], strict=True):
            assert abs(np.searchsorted(ordered, value) / size - at) < 0.004, (name, at)


def test_approximate(servers):
    random = np.random.default_rng(7)
    frame = weft.DataFrame({"v": random.normal(0, 1, 200_000), "few": np.repeat([1, 2, 3, 4], 50_000)})
    near = frame.quantile([0, 0.01, 0.5, 0.999, 1], approximate=True).to_pandas()
    exact = frame.quantile([0, 0.01, 0.5, 0.999, 1]).to_pandas()
    assert near["v"].iloc[0] == exact["v"].iloc[0] and near["v"].iloc[-1] == exact["v"].iloc[-1]
    assert np.allclose(near["v"], exact["v"], atol=0.02)
    assert frame["few"].median(approximate=True) in (2, 2.5, 3)
    assert weft.DataFrame({"v": [3.0]})["v"].quantile(0.3, approximate=True) == 3
    empty = weft.DataFrame({"v": pa.array([], pa.float64())})
    assert np.isnan(empty["v"].quantile(0.3, approximate=True))


@given(data=st.data())
def test_approximate_over_ranks(servers, data):
    rows = data.draw(st.integers(0, 50))
    table = pa.table(
        {"v": data.draw(tables.columns(rows, VALUES, "double")), "i": data.draw(tables.columns(rows, VALUES, "int8"))}
    )
    # With fewer values than centroids nothing is put together that differs.
    run(data, servers, "df.quantile([0, 0.4, 1], approximate=True)", [table], tolerance=1e-9)


def test_wrong_arguments_and_types(servers):
    table = pa.table({"s": ["a", "b"], "n": [1, 2], "d": pa.array([1, 2], pa.decimal128(5, 1))})
    refused(servers, TypeError, "df.quantile()", [table], "'s'", "string")
    refused(servers, ValueError, "df['n'].quantile(1.5)", [table], "q=1.5")
    refused(servers, ValueError, "df['n'].quantile('half')", [table], "half")
    refused(servers, ValueError, "df['n'].quantile(0.5, 'middle')", [table], "interpolation", "midpoint")
    refused(servers, ValueError, "df['n'].quantile(0.5, 'lower', approximate=True)", [table], "interpolation")
    refused(servers, ValueError, "df[['n']].quantile(0.5, method='table')", [table], "method")
