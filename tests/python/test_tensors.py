"""Columns as arrays: what is shared and what is copied, beside NumPy, pyarrow and pandas; and what is refused, by name.
Tensors of PyTorch and TensorFlow are in test_models.py."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import refused

import weft

NUMBERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
           pa.float16(), pa.float32(), pa.float64()]  # fmt: skip
TIMES = [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("s"), pa.duration("ms")]
SMALL = pa.table(
    {
        "k": ["a", "b", None],
        "n": pa.array([1, 2, None], pa.int64()),
        "x": [0.5, float("nan"), 2.0],
        "t": pa.array([1, 2, 3], pa.timestamp("us")),
        "d": pa.array([None, 1, 2], pa.int32()).cast(pa.decimal128(12, 1)),
        "b": [True, False, True],
    }
)


def series(type: pa.DataType, chunks: int = 1) -> weft.Series:
    values = [
        pa.array([1, 2, 3], pa.int64()).cast(type) if pa.types.is_temporal(type) else pa.array([1, 2, 3]).cast(type)
    ]
    return weft.DataFrame(pa.table({"v": pa.chunked_array(values * chunks)}))["v"]


def address(column: weft.Series) -> int:
    """Where the values of the first chunk lie."""
    return column.to_arrow().chunk(0).buffers()[1].address


@pytest.mark.parametrize("type", [*NUMBERS, *TIMES], ids=str)
def test_no_copy_for_numpy(type):
    column = series(type)
    for made in (column.to_numpy(), np.asarray(column), np.asarray(column, copy=False), column.to_frame().to_numpy(),
                 np.asarray(column.to_frame(), copy=False), column.to_numpy(dtype=column.to_numpy().dtype)):  # fmt: skip
        assert made.ctypes.data == address(column)
        assert not made.flags.writeable
        assert made.dtype == type.to_pandas_dtype() or made.dtype == column.to_pandas().to_numpy().dtype
    assert column.to_frame().to_numpy().shape == (3, 1)
    for made in (column.to_numpy(copy=True), np.array(column), column.to_frame().to_numpy(copy=True)):
        assert made.ctypes.data != address(column) and made.flags.writeable
        assert made.reshape(-1).tolist() == column.to_numpy().tolist()


@pytest.mark.parametrize("type", NUMBERS, ids=str)
def test_no_copy_by_dlpack(type):
    column = series(type)
    made = np.from_dlpack(column)
    assert made.ctypes.data == address(column) and made.tolist() == [1, 2, 3] and made.dtype == type.to_pandas_dtype()
    assert column.__dlpack_device__() == (1, 0) == column.to_frame().__dlpack_device__()
    copied = np.from_dlpack(column, copy=True)
    assert copied.ctypes.data != address(column) and copied.tolist() == [1, 2, 3]
    # A slice begins where its first row lies.
    assert np.from_dlpack(column.slice(1)).ctypes.data == address(column) + type.bit_width // 8
    several = series(type, 3)
    assert np.from_dlpack(several).tolist() == [1, 2, 3] * 3
    with pytest.raises((BufferError, ValueError)):
        np.from_dlpack(several, copy=False)


def test_the_memory_outlives_the_frame():
    made = np.from_dlpack(weft.DataFrame({"v": np.arange(100_000)})["v"])
    again = np.asarray(weft.DataFrame({"v": np.arange(100_000) * 2})["v"])
    assert made.tolist() == list(range(100_000)) and again.sum() == 2 * made.sum()


@given(data=st.data())
def test_frames_as_pandas_has_them(data):
    names = data.draw(st.lists(st.sampled_from("abuxftmd"), min_size=1, max_size=4, unique=True))
    table = data.draw(tables.numbers("".join(names), nulls=data.draw(st.booleans())))
    made, expected = weft.DataFrame(table).to_numpy(), table.to_pandas().to_numpy()
    assert made.dtype == expected.dtype and made.shape == expected.shape
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(np.asarray(weft.DataFrame(table)), expected)
    for name in names:
        found, wanted = weft.DataFrame(table)[name].to_numpy(), table.to_pandas()[name].to_numpy()
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_matrices():
    frame = weft.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}, index=["x", "y"])
    assert np.from_dlpack(frame).tolist() == [[1.0, 0.5], [2.0, 1.5]]
    assert np.asarray(frame, dtype="float32").dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(frame, copy=False)
    with pytest.raises(BufferError, match="without a copy"):
        np.from_dlpack(frame, copy=False)


@pytest.mark.parametrize("values", [[1, None], [True, False], ["a"], None, [dt.date(2020, 1, 1)]], ids=str)
def test_what_needs_a_copy_says_so(values):
    column = series(pa.int64(), 2) if values is None else weft.Series(values)
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(column, copy=False)
    np.testing.assert_array_equal(np.asarray(column), column.to_pandas().to_numpy())
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(series(pa.int64()), dtype="float32", copy=False)


def test_bools_by_dlpack():
    column = weft.Series([True, False, True])
    assert np.from_dlpack(column).tolist() == [True, False, True]
    with pytest.raises(BufferError, match="bools"):
        column.__dlpack__(copy=False)


def test_numpy_leaves_operators_to_series():
    column = weft.Series([1.0, 2.0])
    for made in (np.float64(2) * column, np.array([2.0, 2.0]) * column, np.int32(2) * column.to_frame()):
        assert isinstance(made, weft.Series | weft.DataFrame)
    assert (np.float64(2) * column).to_list() == [2.0, 4.0]
    assert np.sqrt(column * 2).to_list()[1] == 2


@pytest.mark.parametrize("method", ["to_torch", "to_tensorflow", "__dlpack__"])
def test_what_is_no_number(servers, method):
    """The check comes before the library, which need not be there."""
    for code in (f"df['k'].{method}()", f"df[['x', 'k']].{method}()"):
        refused(servers, TypeError, code, [SMALL], "'k'", "OrdinalEncoder", "get_dummies", method)
    refused(servers, TypeError, f"df['t'].{method}()", [SMALL], "'t'", "timestamp", ".dt.hour")
    refused(servers, TypeError, f"df['d'].{method}()", [SMALL], "'d'", "astype('float64')")
    refused(servers, TypeError, f"df['k'].astype('category').{method}()", [SMALL], "'k'", "encode")


@pytest.mark.parametrize("method", ["to_torch()", "to_tensorflow()", "__dlpack__()"])
def test_nulls(method):
    for code in (f"df['n'].{method}", f"df[['x', 'n']].{method}"):
        with pytest.raises(ValueError, match="column 'n' has 1 missing values among this rank's 3 rows.*SimpleImputer"):
            eval(code, {"df": weft.DataFrame(SMALL)})


def test_na_value_that_does_not_fit():
    with pytest.raises(TypeError, match="na_value='a'.*'n'"):
        weft.DataFrame(SMALL)["n"].to_torch(na_value="a")


def test_a_missing_library_is_named(launch):
    code = """
    import sys
    sys.modules["torch"] = sys.modules["tensorflow"] = None
    import weft
    for method, name in (("to_torch", "PyTorch"), ("to_tensorflow", "TensorFlow")):
        for made in (weft.Series([1.0]), weft.DataFrame({"a": [1.0]}), weft.DataFrame({"a": [1.0]}).batches(1)):
            try:
                getattr(made, method)()
                raise SystemExit("no error")
            except ImportError as problem:
                assert name in str(problem), problem
    print([x.tolist() for x in weft.DataFrame({"a": [1.0, 2.0]}).batches(2)])
    """
    assert launch.ok(code, ranks=1).out.strip() == "[[[1.0], [2.0]]]"
