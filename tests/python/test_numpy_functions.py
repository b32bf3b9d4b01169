"""NumPy's functions of frames and Series, as operations of rows and as aggregations; distributed = local = pandas."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from oracle import refused, same_as_pandas

import weft

NUMBERS = {
    "k": [1, 2, 1, 1, 2],
    "v": [0.5, None, 3.0, -1.5, 0.0],
    "w": [4, 1, 0, 9, 25],
    "h": pa.array([1, 2, 300, -4, 5], pa.int16()),
    "f": pa.array([1, -1, 0.25, None, 9], pa.float32()),
}


@given(data=st.data())
def test_of_rows(servers, data):
    function = data.draw(st.sampled_from(sorted(weft.numpy_functions.FUNCTIONS)))
    column = data.draw(st.sampled_from(["v", "w", "h", "f"]))
    code = f"np.{function}(df.{column})"
    if function in ("invert", "bitwise_not", "logical_not"):
        code = f"np.{function}(df.{column} > 0)"
    elif function == "reciprocal":
        code = "np.reciprocal(df.v)"
    with np.errstate(all="ignore"):
        same_as_pandas(data, servers, code, [pa.table(NUMBERS)], tolerance=1e-6 if column in "hf" else 1e-12)


@given(data=st.data())
def test_of_two_operands(servers, data):
    codes = [
        "np.maximum(df.v, df.w)",
        "np.minimum(df.w, 3)",
        "np.maximum(0, df.v)",
        "np.fmax(df.v, df.f)",
        "np.fmin(df.f, 0.5)",
        "np.arctan2(df.v, df.w)",
        "np.add(df.v, df.w)",
        "np.float64(2) * df.v",
        "np.float64(2) < df.v",
        "np.remainder(df.w, 3)",
        "np.power(df.w, 2)",
        "np.logical_and(df.v > 0, df.w > 0)",
        "np.bitwise_and(df.w, 3)",
        "np.not_equal(df.w, 4)",
        "np.round(df.v, 1)",
        "np.clip(df.v, -1, 1)",
        "np.cumsum(df.w)",
        "np.sqrt(df[['v', 'w']])",
        "np.maximum(df[['v', 'f']], 0)",
        "df[['v', 'w']].apply(np.exp)",
        "df.w.apply(np.sqrt)",
        "df.assign(z=np.log1p(df.w), y=lambda one: np.abs(one.v))",
    ]
    with np.errstate(all="ignore"):
        same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [pa.table(NUMBERS)], tolerance=1e-12)


@given(data=st.data())
def test_as_aggregations(servers, data):
    codes = [
        "df.agg(np.sum)",
        "df.agg(np.std)",
        "df.agg(np.median)",
        "df.agg([np.sum, np.std, np.nanmean])",
        "df.agg({'v': np.var, 'w': np.max})",
        "df.v.agg(np.std)",
        "df.v.agg([np.min, np.prod])",
        "df.agg(np.mean, axis=1)",
        "df.groupby('k').agg(np.sum)",
        "df.groupby('k').v.agg(np.std)",
        "df.groupby('k').w.agg([np.sum, np.var, np.size])",
        "df.groupby('k').agg(a=('v', np.nanmax), b=('w', np.median))",
        "df.groupby('k').v.agg(np.median)",
        "df.groupby('k').v.transform(np.mean)",
        "df.groupby('k')[['v', 'w']].transform(np.std)",
        "df.pivot_table(index='k', values='w', aggfunc=np.sum)",
        "np.sum(df.v)",
        "np.mean(df.w)",
        "np.std(df.v)",
        "np.var(df.w, ddof=1)",
        "np.min(df.v)",
        "np.any(df.v > 1)",
        "np.argmax(df.w)",
        "df.apply(np.mean)",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [pa.table(NUMBERS)], tolerance=1e-6)


def test_expressions_and_arrays():
    frame = weft.DataFrame(pa.table(NUMBERS))
    made = frame.assign(r=np.sqrt(weft.col("w")), p=np.arange(5) * frame.w, q=frame.w - np.arange(5))
    assert made.r.to_list() == [2, 1, 0, 3, 5] and made.p.to_list() == [0, 1, 0, 27, 100]
    assert made.q.to_list() == [4, 0, -2, 6, 21]
    assert frame.agg(lambda one: np.mean(one))["w"] == 7.8


def test_refused(servers):
    table = pa.table({"s": ["a"], "x": [1.0]})
    refused(servers, TypeError, "np.sqrt(df.s)", [table], "sqrt: it is computed of numbers, not of string")
    refused(servers, TypeError, "np.cbrt(df.x)", [table], "np.cbrt has no counterpart", ".map(np.cbrt)", ".to_numpy()")
    refused(servers, TypeError, "np.add.reduce(df.x)", [table], "np.add.reduce", ".to_numpy()")
    refused(servers, TypeError, "np.add(df.x, 1, out=np.zeros(1))", [table], "out= is not taken")
    refused(servers, TypeError, "np.logical_not(df.x)", [table], "truth values")
    refused(servers, ValueError, "np.sum(df.x, dtype='float64')", [table], "sum: dtype='float64' is not taken")
    refused(servers, ValueError, "np.mean(df.x, keepdims=True)", [table], "keepdims=True is not taken")
    refused(servers, TypeError, "df.x.sum(skip=True)", [table], "skip")
    refused(servers, ValueError, "np.mean(df)", [table], "axis=None")
