"""One way to check an operator: the same text is run on this process' rows, on the ranks of a world, and on pandas.

    @covers("DataFrame.fillna", value="same")
    @given(data=st.data())
    def test_fillna(servers, data):
        table = data.draw(tables.tables(["int64"]))
        same_as_pandas(data, servers, "df.fillna(7)", [table])

In the text, `df` and `other` are the first two frames, `frames` all of them, `weft` and `np` the packages. Its value is a
frame, a Series, or what a reduction gives (a scalar, a dict); on the ranks frames are bound.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import operations
import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import strategies as st
from servers import Servers

import weft

SOAK = bool(os.environ.get("WEFT_SOAK"))
WORLDS = [1, 2, 3, 4, 5, 8]

#: What the tests say of pandas' methods: (method, argument or "", outcome). docs/pandas.md is made of it.
COVERED: list[tuple[str, str, str]] = []


def covers(method: str, outcome: str = "same", /, **arguments: str) -> Callable[[Any], Any]:
    """The test shows how `method` ("DataFrame.merge", "Series.str.len", "DataFrameGroupBy.sum", "concat") answers beside
    pandas, and its `arguments`: "same", "refused", or "different: how"."""
    COVERED.append((method, "", outcome))
    COVERED.extend((method, argument, found) for argument, found in arguments.items())
    for found in (outcome, *arguments.values()):
        assert found in ("same", "refused") or found.startswith("different: "), found
    return lambda test: test


class Gathered:
    """A result of all ranks: the rows, the names of the index columns, and what kind of result it is."""

    def __init__(self, kind: str, table: pa.Table | None, index: list[str], value: Any) -> None:
        self.kind = kind
        self.table = table
        self.index = index
        self.value = value


def describe(made: Any) -> Gathered:
    """A result on this process' rows, in the form in which ranks' results come."""
    if isinstance(made, weft.DataFrame | weft.Series):
        frame = made.to_frame() if isinstance(made, weft.Series) else made
        return Gathered(type(made).__name__, frame.to_arrow(), list(frame.index_names), None)
    return Gathered("value", None, [], made)


def run(
    data: st.DataObject,
    servers: Servers,
    code: str,
    inputs: list[pa.Table],
    *,
    ordered: bool = True,
    tolerance: float = 0.0,
    worlds: list[int] | None = None,
    **names: Any,
) -> Any:
    """Runs `code` here and on the ranks of one of `worlds` (all, when soaking), asserts that the results agree, and
    returns the local one. Where that is an error, every rank must have that kind of error, and it is raised.

    `names` are JSON values that the text may name. `tolerance` is relative, for floats.
    """
    spec = {"op": "eval", "code": code, "names": names}
    local: Any = None
    problem: Exception | None = None
    try:
        local = operations.apply(dict(spec), [weft.DataFrame(table) for table in inputs])
    except (ValueError, LookupError, TypeError) as error:
        problem = error
    chosen = worlds or WORLDS
    for ranks in chosen if SOAK else [data.draw(st.sampled_from(chosen))]:
        cut = [data.draw(tables.cuts(table.num_rows, ranks)) for table in inputs]
        outcome = servers[ranks].run(spec, inputs, cut)
        if problem is not None:
            for found in outcome.errors:
                assert found is not None and found[0] == type(problem).__name__, (code, found, problem)
            continue
        assert outcome.errors == [None] * ranks, (code, outcome.errors)
        expected = describe(local)
        assert outcome.kind == expected.kind, code
        if expected.table is None:
            for value in outcome.values:
                assert_same_values([plain_value(value)], [plain_value(expected.value)], tolerance, code)
            continue
        assert outcome.table is not None
        assert outcome.index == expected.index, code
        assert outcome.table.schema.names == expected.table.schema.names, code
        assert outcome.table.schema.types == expected.table.schema.types, code
        assert_same_rows(
            tables.rows_of(outcome.table),
            tables.rows_of(expected.table),
            ordered,
            tolerance,
            f"{code} on {ranks} ranks",
        )
    if problem is not None:
        raise problem
    return local


def same_as_pandas(
    data: st.DataObject,
    servers: Servers,
    code: str,
    inputs: list[pa.Table],
    *,
    pandas: str | None = None,
    convert: Callable[[pa.Table], pd.DataFrame] | None = None,
    ordered: bool = True,
    tolerance: float = 0.0,
    worlds: list[int] | None = None,
    **names: Any,
) -> Any:
    """As `run`, and the local result is what pandas makes of the same text, or of `pandas` where the spelling differs.

    `convert` makes pandas' frames of the inputs; by default ``table.to_pandas()``. An index that pandas counted (0, 1,
    ...) or that has no name is not compared; a frame's named index is, and names and order of columns are.
    """
    local = run(data, servers, code, inputs, ordered=ordered, tolerance=tolerance, worlds=worlds, **names)
    frames = [(convert or pa.Table.to_pandas)(table) for table in inputs]
    scope = operations.scope(frames, names)
    expected = eval(pandas or code, scope)
    compare(local, expected, ordered=ordered, tolerance=tolerance, what=code)
    return local


def compare(found: Any, expected: Any, *, ordered: bool = True, tolerance: float = 0.0, what: str = "") -> None:
    """Asserts that a result of Weft's means the same as one of pandas'."""
    if isinstance(expected, pd.Series) and isinstance(found, weft.Series):
        assert expected.name is None or found.name == str(expected.name), (what, found.name, expected.name)
        expected = expected.to_frame(found.name)
        found = found.to_frame()
    if isinstance(expected, pd.DataFrame):
        assert isinstance(found, weft.DataFrame), (what, type(found))
        if found.index_names:
            names = list(expected.index.names)
            assert [name for name in names if name is not None] == [
                name for name, of_pandas in zip(found.index.names, names, strict=True) if of_pandas is not None
            ], (what, names)
            expected = expected.reset_index(names=list(found.index_names))
        assert found.to_arrow().column_names == [str(name) for name in expected.columns], what
        assert_same_rows(
            tables.rows_of(found.to_arrow()),
            tables.rows_of_pandas(expected),
            ordered,
            tolerance,
            f"{what} beside pandas",
        )
        return
    if isinstance(expected, pd.Series):
        # Of a reduction of several columns: one value a column.
        expected = {str(name): value for name, value in expected.items()}
    assert_same_values([plain_value(found)], [plain_value(expected)], tolerance, f"{what} beside pandas")


def plain_value(value: Any) -> Any:
    """A scalar or a dict of such in the form of `tables.plain`."""
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, dict):
        return tuple((str(key), plain_value(item)) for key, item in value.items())
    return tables.plain(value)


def close(found: Any, expected: Any, tolerance: float) -> bool:
    """Whether two plain values are the same, numbers within the tolerance."""
    if isinstance(found, tuple) and isinstance(expected, tuple):
        return len(found) == len(expected) and all(close(a, b, tolerance) for a, b in zip(found, expected, strict=True))
    if found is None or expected is None or isinstance(found, str) or isinstance(expected, str):
        return bool(found == expected)
    if tolerance and isinstance(found, int | float) and isinstance(expected, int | float):
        return math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
    return bool(found == expected)


def assert_same_values(found: list[Any], expected: list[Any], tolerance: float, what: str) -> None:
    """Asserts that lists of plain values or rows are the same, in order."""
    assert len(found) == len(expected), (what, len(found), len(expected))
    for number, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert close(a, b, tolerance), f"{what}: number {number} is {a!r}, not {b!r}"


def assert_same_rows(found: list[Any], expected: list[Any], ordered: bool, tolerance: float, what: str) -> None:
    """Asserts that rows are the same; in any order unless `ordered`."""
    if not ordered and tolerance:
        found, expected = sorted(found, key=repr), sorted(expected, key=repr)
    if ordered or tolerance:
        assert_same_values(found, expected, tolerance, what)
    else:
        tables.same_rows(found, expected)


def refused(servers: Servers, kind: type[Exception], code: str, inputs: list[pa.Table], *says: str) -> None:
    """Asserts that `code` is an error of this kind here and on every rank, all rows lying on the last rank, and that its
    text holds what it `says`."""
    with pytest.raises(kind) as caught:
        operations.apply({"op": "eval", "code": code, "names": {}}, [weft.DataFrame(table) for table in inputs])
    for ranks in (1, 3):
        cut = [[0] * ranks + [table.num_rows] for table in inputs]
        outcome = servers[ranks].run({"op": "eval", "code": code, "names": {}}, inputs, cut)
        for found in outcome.errors:
            assert found is not None and found[0] == kind.__name__, (code, found)
            for text in says:
                assert text in found[1], (code, found)
    for text in says:
        assert text in str(caught.value), (code, str(caught.value))
