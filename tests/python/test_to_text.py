"""Rows as text, and copies and pickles of frames."""

from __future__ import annotations

import copy
import inspect
import io
import pickle

import pandas as pd
import pyarrow as pa
import pytest
from oracle import covers

import weft

TABLE = pa.table(
    {"k": ["a", "b|c", None], "n": pa.array([1, None, 3], pa.int64()), "x": [0.5, float("nan"), 1234567.25]}
)


def covers_text(test):
    for owner, names in (("DataFrame", ("to_string", "to_html")), ("Series", ("to_string",))):
        for name in names:
            arguments = [
                one for one in inspect.signature(getattr(getattr(pd, owner), name)).parameters if one != "self"
            ]
            covers(f"{owner}.{name}", "different: of this rank's rows", **dict.fromkeys(arguments, "same"))(test)
    return test


@covers_text
def test_as_pandas_writes_them(tmp_path):
    frame = weft.DataFrame(TABLE)
    for one in (frame, frame.set_index("k"), frame.set_index(["k", "n"]), frame[:0], frame[[]]):
        made = one.to_pandas()
        for options in (
            {},
            {"na_rep": "?", "index": False, "header": False},
            {"max_rows": 2, "min_rows": 1, "max_cols": 1, "show_dimensions": True},
            {"index_names": False, "sparsify": False, "justify": "left", "col_space": 12, "decimal": ","},
            {"float_format": "{:.1f}".format, "formatters": {"x": "<{}>".format}},
        ):
            assert one.to_string(**options) == made.to_string(**options), options
            options.pop("min_rows", None)
            assert one.to_html(**options) == made.to_html(**options), options
        if "x" in one.columns:
            assert one.to_string(columns=["x"], line_width=20, max_colwidth=5) == made.to_string(
                columns=["x"], line_width=20, max_colwidth=5
            )
            more = {
                "columns": ["x"],
                "bold_rows": False,
                "classes": "c",
                "escape": False,
                "notebook": True,
                "border": 3,
            }
            assert one.to_html(**more, table_id="i", render_links=True) == made.to_html(
                **more, table_id="i", render_links=True
            )
    for options in (
        {},
        {"na_rep": "?", "header": False, "index": False, "float_format": "{:.1f}".format},
        {"length": True, "dtype": True, "name": True, "max_rows": 2, "min_rows": 1},
    ):
        series = frame.set_index("k").x
        assert series.to_string(**options) == series.to_pandas().to_string(**options), options
    path = tmp_path / "text"
    for one in (frame, frame.x):
        buffer = io.StringIO()
        assert one.to_string(buffer) is None and one.to_string(path) is None
        assert buffer.getvalue() == path.read_text() == one.to_string()
    assert frame.to_html(path, encoding="utf-8") is None and path.read_text() == frame.to_html()
    assert frame.to_string(path, encoding="utf-8") is None and path.read_text() == frame.to_string()


@covers("DataFrame.to_markdown", "different: of this rank's rows, values as repr shows them; no tabulate")
@covers("DataFrame.to_markdown", buf="same", mode="same", index="same", storage_options="refused")
@covers("Series.to_markdown", "different: of this rank's rows, values as repr shows them; no tabulate")
@covers("Series.to_markdown", buf="same", mode="same", index="same", storage_options="refused")
def test_markdown(tmp_path):
    frame = weft.DataFrame(TABLE)
    assert frame.set_index("k").to_markdown().splitlines() == [
        "| k    |    n |          x |",
        "| :--- | ---: | ---------: |",
        "| a    |    1 |       0.50 |",
        "| b\\|c | <NA> |        nan |",
        "| <NA> |    3 | 1234567.25 |",
    ]
    assert frame[["n"]].to_markdown().splitlines()[:3] == ["|     |    n |", "| --: | ---: |", "|   0 |    1 |"]
    assert frame.n.to_markdown(index=False).splitlines()[2:4] == ["|    1 |", "| <NA> |"]
    assert weft.DataFrame({"a": pa.array([], pa.string())}).to_markdown(index=False) == "| a   |\n| :-- |"
    path = tmp_path / "table.md"
    assert frame.n.to_markdown(path) is None and path.read_text() == frame.n.to_markdown()
    frame.to_markdown(path, mode="at")
    assert path.read_text() == frame.n.to_markdown() + frame.to_markdown()
    buffer = io.StringIO()
    frame.to_markdown(buf=buffer)
    assert buffer.getvalue() == frame.to_markdown()
    with pytest.raises(TypeError, match="tablefmt"):
        frame.to_markdown(tablefmt="grid")
    with pytest.raises(ValueError, match="storage_options"):
        frame.n.to_markdown(storage_options={})
    with pytest.raises(ValueError, match="mode"):
        frame.to_markdown(path, mode="rb")


def test_ranks_write_their_own_rows(servers):
    spec = {"op": "eval", "code": "sum(env.allgather([len(df.to_string(header=False).splitlines())]), [])", "names": {}}
    outcome = servers[3].run(spec, [pa.table({"a": [1, 2, 3, 4]})], [[0, 1, 3, 4]])
    assert outcome.errors == [None] * 3 and outcome.values == [[1, 2, 1]] * 3


def test_copies_and_pickles(servers):
    wide = pa.table({"a": [1, None, 3], "d": pa.array(["x", "y", "x"]).dictionary_encode(), "l": [[1], None, []]})
    frame = weft.DataFrame(wide)
    for one in (frame, frame.set_index(["d", "a"]), frame[1:2], frame[:0], frame.a, frame.set_index("d").a):
        for made in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
            assert type(made) is type(one) and made is not one
            assert made.index.names == one.index.names
            whole, before = (side if isinstance(side, weft.DataFrame) else side.to_frame() for side in (made, one))
            assert whole.to_arrow().equals(before.to_arrow())
    # A slice takes its own rows along, not those of the whole.
    assert len(pickle.dumps(weft.DataFrame({"n": list(range(100_000))})[:2])) < 2_000
    changed = copy.copy(frame)
    changed["a"] = 7
    assert frame.a.to_list() == [1, None, 3]
    for code in ("__import__('pickle').dumps(df)", "__import__('pickle').dumps(df.a)"):
        spec = {"op": "eval", "code": code, "names": {}}
        outcome = servers[3].run(spec, [wide], [[0, 1, 1, 3]])
        assert [found and found[0] for found in outcome.errors] == ["TypeError"] * 3
        assert all("local()" in found[1] for found in outcome.errors)
    same = "__import__('copy').deepcopy(df).total_rows() + __import__('copy').copy(df.a).total_rows()"
    outcome = servers[3].run({"op": "eval", "code": same, "names": {}}, [wide], [[0, 1, 1, 3]])
    assert outcome.values == [6] * 3
