"""merge_asof beside pandas, on this process' rows and over ranks."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas

DAY = dt.datetime(2020, 1, 1)
KINDS = {
    "int64": (pa.int64(), lambda n: n - 10, [0, 1, 5]),
    "int8": (pa.int8(), lambda n: n - 10, [0, 2]),
    "uint64": (pa.uint64(), lambda n: n + 2**64 - 60, [0, 2]),
    "double": (pa.float64(), lambda n: (n - 10) / 2, [0.0, 0.5, 2.5]),
    "float": (pa.float32(), lambda n: (n - 10) / 2, [0.5]),
    "timestamp": (pa.timestamp("us"), lambda n: DAY + dt.timedelta(seconds=n), ["pd.Timedelta(seconds=2)"]),
    "timestamp_tz": (pa.timestamp("ns", "UTC"), lambda n: DAY + dt.timedelta(hours=n), ["pd.Timedelta(hours=1)"]),
    "duration": (pa.duration("ms"), lambda n: dt.timedelta(milliseconds=n), ["pd.Timedelta(milliseconds=3)"]),
}


@st.composite
def sorted_tables(draw, kind: str, name: str, prefix: str, groups: bool) -> pa.Table:
    type, make, _ = KINDS[kind]
    numbers = sorted(draw(st.lists(st.integers(0, 50), max_size=30)))
    made = {name: pa.array([make(number) for number in numbers], type)}
    if groups:
        choice = st.lists(st.sampled_from(["a", "b", "", None]), min_size=len(numbers), max_size=len(numbers))
        made["g"] = pa.array(draw(choice), pa.string())
        made["h"] = pa.array([number % 2 for number in numbers], pa.int16())
    made[f"{prefix}row"] = pa.array(range(len(numbers)), pa.int64())
    made["both"] = pa.array([str(number) for number in numbers], pa.string())
    return pa.table(made)


@covers(
    "merge_asof", left="same", right="same", on="same", tolerance="same", allow_exact_matches="same", direction="same"
)
@pytest.mark.parametrize("direction", ["backward", "forward", "nearest"])
@given(data=st.data())
def test_merge_asof(servers, direction, data):
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    inputs = [data.draw(sorted_tables(kind, "t", prefix, False)) for prefix in ("p", "q")]
    tolerance = data.draw(st.sampled_from([None, *KINDS[kind][2]]))
    exact = data.draw(st.booleans())
    code = f"merge_asof(df, other, on='t', tolerance={tolerance}, allow_exact_matches={exact}, direction={direction!r})"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}")


@covers("merge_asof", by="same", left_by="same", right_by="same", left_on="same", right_on="same", suffixes="same")
@pytest.mark.parametrize("direction", ["backward", "forward", "nearest"])
@given(data=st.data())
def test_merge_asof_by(servers, direction, data):
    kind = data.draw(st.sampled_from(["int64", "double", "timestamp"]))
    inputs = [data.draw(sorted_tables(kind, name, name, True)) for name in ("t", "u")]
    by = data.draw(st.sampled_from(["by='g'", "by=['g', 'h']", "left_by='h', right_by='h'"]))
    # pandas fails on empty columns of text.
    assume(all(table.num_rows > 0 for table in inputs))
    arguments = f"left_on='t', right_on='u', {by}, direction={direction!r}, suffixes=('_l', '_r')"
    code = f"merge_asof(df, other, {arguments})"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}")


@covers("merge_asof", right_index="same", left_index="different: with right_on, that column keeps the right's values")
@given(data=st.data())
def test_merge_asof_on_the_index(servers, data):
    inputs = [data.draw(sorted_tables("int64", "t", prefix, False)) for prefix in ("p", "q")]
    indexed = [table.replace_schema_metadata({"weft.index": '["t"]'}) for table in inputs]

    def convert(table):
        frame = table.to_pandas()
        return frame.set_index("t") if table.schema.metadata else frame

    code = "merge_asof(df, other, left_index=True, right_index=True)"
    same_as_pandas(data, servers, f"weft.{code}", indexed, pandas=f"pd.{code}", convert=convert)
    code = "merge_asof(df, other, left_on='t', right_index=True)"
    pair = [inputs[0], indexed[1]]
    pandas = "pd.merge_asof(df, other, left_on='t', right_index=True).reset_index(drop=True)"
    same_as_pandas(data, servers, f"weft.{code}", pair, pandas=pandas, convert=convert)


LEFT = pa.table({"t": [1, 3, 5], "g": ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        (ValueError, "weft.merge_asof(df.sort_values('t', ascending=False), other, on='t')", "left"),
        (ValueError, "weft.merge_asof(df, other.sort_values('t', ascending=False), on='t')", "right"),
        (ValueError, "weft.merge_asof(df, other, on='t', direction='up')", "direction"),
        (ValueError, "weft.merge_asof(df, other, on='t', tolerance=-1)", "negative"),
        (ValueError, "weft.merge_asof(df, other, on='t', tolerance=1.5)", "tolerance"),
        (ValueError, "weft.merge_asof(df, other, on='t', allow_exact_matches=1)", "allow_exact_matches"),
        (ValueError, "weft.merge_asof(df, other, on='t', left_on='t')", "not both"),
        (ValueError, "weft.merge_asof(df, other, on='t', by='g', left_by='g')", "not both"),
        (ValueError, "weft.merge_asof(df, other, on='t', left_by='g')", "together"),
        (ValueError, "weft.merge_asof(df, other, on=['t', 'g'])", "one key"),
        (ValueError, "weft.merge_asof(df, other)", "key"),
        (ValueError, "weft.merge_asof(df, other, left_index=True, right_on='t')", "left_index"),
        (KeyError, "weft.merge_asof(df, other, on='missing')", "missing"),
        (KeyError, "weft.merge_asof(df, other, on='t', by='missing')", "missing"),
        (TypeError, "weft.merge_asof(df, other, on='g')", "number"),
        (TypeError, "weft.merge_asof(df, other, left_on='t', right_on='g')", "right"),
    ],
)
def test_merge_asof_refuses(servers, kind, code, says):
    refused(servers, kind, code, [LEFT, LEFT], says)


def test_merge_asof_refuses_missing_keys(servers):
    hole = pa.table({"t": pa.array([1.0, None, 2.0]), "g": ["a", "b", "c"]})
    nan = pa.table({"t": pa.array([1.0, 2.0, float("nan")]), "g": ["a", "b", "c"]})
    for table in (hole, nan):
        refused(servers, ValueError, "weft.merge_asof(df, other, on='t')", [table, table], "left", "missing")
