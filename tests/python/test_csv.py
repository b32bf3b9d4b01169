"""CSV: cut over ranks, with pandas' options, types and texts."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas
from servers import Servers

import weft

#: What the oracle wants where a reader makes the frame.
NOTHING = [pa.table({"unused": [0]})]

#: Texts whose kind pandas decides: numbers at every edge, bools, missing values, and what only looks like one.
CELLS = [
    "1", "-7", "+5", " 6", "007", "0", "-0", "9223372036854775807", "-9223372036854775808", "1.5", "1.", ".5", "-.25",
    "1e5", "2E-3", " 2.5 ", "inf", "-Infinity", "+INF", "1e400", "True", "false", "TRUE", "trUe", "", "NA", "nan", "None",
    "null", "x", "0x10", "1_000", "1e", "-", "1 2", "2013-01-01", "T", "ä", "\u0660",
]  # fmt: skip
TEXTS = ["", "a", "a,b", 'q"q', "two\nlines", "\r\n", "'", ";", " x ", "NA", "é北", "x" * 200, '"', "\n\n"]


def quoted(text: str, always: bool, quote: str = '"', sep: str = ",") -> str:
    if always or any(c in text for c in (quote, sep, "\n", "\r")):
        return quote + text.replace(quote, quote * 2) + quote
    return text


@st.composite
def csv_texts(draw: st.DrawFn) -> str:
    """Numbers, texts with everything that needs quotes, blank lines, any line ends, with or without the last."""
    rows = draw(st.integers(0, 30))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = ["i,s,f"]
    for _ in range(rows):
        number = draw(st.one_of(st.integers(-(10**12), 10**12).map(str), st.sampled_from(["", "NA"])))
        text = quoted(draw(st.sampled_from(TEXTS)), draw(st.booleans()))
        real = draw(st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(repr), st.just("")))
        lines.append(",".join([number, text, real]))
        # pandas makes a value of the second carriage return of two.
        lines.extend([""] * (draw(st.sampled_from([0, 0, 0, 1, 2])) if end != "\r" else 0))
    return end.join(lines) + draw(st.sampled_from(["", end]))


@covers("read_csv", filepath_or_buffer="same")
@given(data=st.data())
def test_any_file_over_any_ranks_is_what_pandas_reads(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(data.draw(csv_texts()).encode())
    same_as_pandas(
        data,
        servers,
        "weft.read_csv(path, split_bytes=1, env=env)",
        NOTHING,
        pandas="pd.read_csv(path, dtype_backend='pyarrow')",
        path=str(path),
    )


@covers(
    "read_csv", "different: integers and bools with missing values stay so; a column without values is of null type"
)
@given(data=st.data())
def test_types_are_inferred_as_by_pandas(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    rows = data.draw(st.integers(1, 8))
    columns = [
        data.draw(st.lists(st.sampled_from(data.draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=4))),
                           min_size=rows, max_size=rows))
        for _ in range(3)
    ]  # fmt: skip
    lines = [",".join(cells) for cells in zip(*columns, ["end"] * rows, strict=True)]
    path.write_text("\n".join(["a,b,c,d", *lines]) + "\n")
    same_as_pandas(
        data,
        servers,
        "weft.read_csv(path, split_bytes=1, float_precision='round_trip', env=env)",
        NOTHING,
        pandas="pd.read_csv(path)",
        path=str(path),
        # An integer beside a missing one is a double in pandas.
        tolerance=1e-15,
    )


def test_unsigned_and_huge_integers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("u,m,h\n9223372036854775808,18446744073709551615,18446744073709551616\n1,-1,1\n")
    frame = weft.read_csv(path)
    assert frame.dtypes == {"u": pa.uint64(), "m": pa.string(), "h": pa.float64()}
    assert frame.to_pydict()["u"] == pd.read_csv(path)["u"].tolist()
    assert frame.to_pydict()["m"] == pd.read_csv(path)["m"].tolist()


OPTIONS: list[tuple[str, str]] = [
    ("a;b\n1;2\n", "sep=';'"),
    ("a|b\n1|2\n", "delimiter='|'"),
    ("a,b\n1,2\n3,4\n", "header=None"),
    ("a,b\n1,2\n3,4\n", "header=0, names=['p', 'q']"),
    ("1,2\n3,4\n", "names=['p', 'q']"),
    ("1,2\n3,4\n", "header=None, names=['p', 'q']"),
    ("junk,x\n\na,b\n1,2\n", "header=1"),
    ("a,b,c\n1,2,3\n4,5,6\n", "usecols=['c', 'a']"),
    ("a,b,c\n1,2,3\n4,5,6\n", "usecols=[2, 0]"),
    ("a,b,c\n1,2,3\n4,5,6\n", "index_col='b'"),
    ("a,b,c\n1,2,3\n4,5,6\n", "index_col=0"),
    ("a,b,c\n1,2,3\n4,5,6\n", "index_col=['b', 'a']"),
    ("a,b,c\n1,2,3\n4,5,6\n", "index_col=False"),
    ("a,b,c\n1,2,3\n4,5,6\n", "usecols=['c', 'a'], index_col=1"),
    ("a,b\n1,2\n3,4\n", "dtype={'a': 'float32'}"),
    ("a,b\n007,2\n3,4\n", "dtype=str"),
    ("a,b\n1.0,2\n3,4\n", "dtype={'a': 'int64', 'b': 'int8'}"),
    ("a,b\nx,2\ny,4\nx,5\n", "dtype={'a': 'category'}"),
    ("a,b\n1,2\n,4\n", "dtype={'a': 'Int64'}"),
    ("a\nyes\nno\nTrue\n", "true_values=['yes'], false_values=['no']"),
    ("x\n\"y\nz\"\n\na,b\n1,2\n", "skiprows=3"),
    ("a,b\n1,2\n3,x\n5,6\n", "nrows=1"),
    ("a,b\n1,2\n3,x\n5,6\n", "nrows=0"),
    ("a,b\n1,2\n3,4\n", "nrows=9"),
    ("a,b\n1,-\n2,NA\n", "na_values='-'"),
    ("a,b\n1,-\n2,NA\n3,?\n", "na_values=['-', '?']"),
    ("a,b\n1,1.0\n2,x\n", "na_values=[1]"),
    ("a,b\nNA,-\n2,\n", "na_values=['-'], keep_default_na=False"),
    ("a,b\nNA,1\n2,\n", "keep_default_na=False"),
    ("a,b\nNA,1\n2,\n", "na_filter=False"),
    ("a,b\n2013-01-01,x\n2014-02-03,y\n", "parse_dates=['a']"),
    ("a,b\n2013-01-01 05:06:07,x\n,y\n", "parse_dates=[0]"),
    ("a,b\n2013-01-01T05:06:07.123456Z,x\n,y\n", "parse_dates=['a']"),
    ("a,b\n2013-01-01 05:06:07.123456789,x\n,y\n", "parse_dates=['a']"),
    ("a,b\n2013-01-01,x\nfoo,y\n", "parse_dates=['a']"),
    ("a,b\n2013-01-01,x\n2014-01-01,y\n", "parse_dates=True, index_col='a'"),
    ("a;b\n1,5;x\n2,25;y\n", "sep=';', decimal=','"),
    ("a;b\n1,500;x\n2,250,000.5;y\n", "sep=';', thousands=','"),
    ("a,b\n'x,y',2\n'it''s',4\n", "quotechar=\"'\""),
    ("a,b\n\"x\",\"2\"\n", "quoting=1"),
    ("a,b\n1,2\n", "engine='c'"),
    ("a,a,,a.1\n1,2,3,4\n", ""),
    ("\ufeffa,b\n1,2\n", ""),
    ("a,b\n\n\n1,2\n\n", ""),
    ("a,b\n", "dtype=str"),
]  # fmt: skip


@covers(
    "read_csv", sep="same", delimiter="same", header="same", names="same", usecols="same", index_col="same", dtype="same",
    true_values="same", false_values="same", skiprows="same", na_values="same", keep_default_na="same", na_filter="same",
    decimal="same", thousands="same", quotechar="same", quoting="same", engine="same", float_precision="same",
    nrows="same", parse_dates="different: ISO 8601 alone; an offset becomes UTC",
)  # fmt: skip
@pytest.mark.parametrize(("text", "options"), OPTIONS)
@given(data=st.data())
def test_options(servers: Servers, tmp_path_factory: Any, text: str, options: str, data: Any) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text(text, newline="")
    same_as_pandas(
        data,
        servers,
        f"weft.read_csv(path, {options}{', ' if options else ''}split_bytes=1, env=env)",
        NOTHING,
        pandas=f"pd.read_csv(path, {options})",
        path=str(path),
    )


@covers("read_csv", compression="different: zip, xz and tar are refused", encoding="same")
@pytest.mark.parametrize("pack", ["gzip", "bz2", "zstd", None])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "cp1252", "utf-8-sig"])
def test_compression_and_encoding(servers: Servers, tmp_path: Path, pack: str | None, encoding: str) -> None:
    text = "a,b\n" + "".join(f'{i},"é{i}\n"\n' for i in range(500))
    raw = text.encode(encoding)
    packed = {
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
        None: bytes,
    }[pack](raw)
    expected = pd.read_csv(io.BytesIO(raw), encoding=encoding)
    endings = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst", None: ""}
    for name, compression in ((f"a.csv{endings[pack]}", "infer"), ("b", pack)):
        path = tmp_path / name
        path.write_bytes(packed)
        code = f"weft.read_csv(path, compression={compression!r}, encoding={encoding!r}, split_bytes=1, env=env)"
        outcome = servers[3].run({"op": "eval", "code": code, "names": {"path": str(path)}}, NOTHING, [[0, 0, 1, 1]])
        assert outcome.errors == [None] * 3
        assert outcome.table is not None
        assert outcome.table.to_pydict() == expected.to_dict("list")


def test_what_does_not_fit_the_encoding_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a\nx\n\xff\n")
    with pytest.raises(ValueError, match=r"a\.csv', line 3, column 'a'.*UTF-8"):
        weft.read_csv(tmp_path / "a.csv")
    assert weft.read_csv(tmp_path / "a.csv", dtype=bytes).to_pydict() == {"a": [b"x", b"\xff"]}
    for name, text in (("c", "n\u00e4me,w\nx,3\n"), ("d", "n\u00e4me,w\n\u00c4pfel,3\n")):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ValueError, match=rf"{name}\.csv': names in the header are not UTF-8; .*encoding="):
            weft.read_csv(path)
        expected = pd.read_csv(path, encoding="latin-1").to_dict("list")
        assert weft.read_csv(path, encoding="latin-1").to_pydict() == expected
    (tmp_path / "b.csv").write_bytes("a\nx\n".encode("utf-16") + b"\x00\xd8")
    with pytest.raises(ValueError, match=r"b\.csv"):
        weft.read_csv(tmp_path / "b.csv", encoding="utf-16")
    with pytest.raises(ValueError, match="klingon"):
        weft.read_csv(tmp_path / "a.csv", encoding="klingon")


REFUSED = [
    "converters={'a': int}", "skipinitialspace=True", "skipfooter=1", "skip_blank_lines=False", "date_format='%Y'",
    "dayfirst=True", "cache_dates=False", "iterator=True", "chunksize=5", "lineterminator='x'", "doublequote=False",
    "escapechar='!'", "comment='#'", "encoding_errors='ignore'", "dialect='excel'", "on_bad_lines='skip'",
    "low_memory=False", "memory_map=True", "storage_options={}", "dtype_backend='pyarrow'",
]  # fmt: skip


@covers(
    "read_csv", converters="refused", skipinitialspace="refused", skipfooter="refused", skip_blank_lines="refused",
    date_format="refused", dayfirst="refused", cache_dates="refused", iterator="refused", chunksize="refused",
    lineterminator="refused", doublequote="refused", escapechar="refused", comment="refused", encoding_errors="refused",
    dialect="refused", on_bad_lines="refused", low_memory="refused", memory_map="refused", storage_options="refused",
    dtype_backend="refused",
)  # fmt: skip
@pytest.mark.parametrize("argument", REFUSED)
def test_arguments_that_are_not_taken(servers: Servers, argument: str) -> None:
    refused(
        servers, ValueError, f"weft.read_csv('a.csv', {argument}, env=env)", NOTHING, argument.split("=", maxsplit=1)[0]
    )


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        (ValueError, "sep=';;'", "sep"),
        (ValueError, "sep=';', delimiter=','", "delimiter"),
        (ValueError, "engine='python'", "engine"),
        (ValueError, "quoting=3", "quoting"),
        (ValueError, "float_precision='legacy'", "float_precision"),
        (TypeError, "header=True", "header"),
        (ValueError, "header=[0, 1]", "header"),
        (ValueError, "header=-1", "header"),
        (ValueError, "names=['a', 'a']", "names"),
        (ValueError, "index_col=1.5", "index_col"),
        (ValueError, "usecols=lambda name: True", "usecols"),
        (ValueError, "usecols=['a', 0]", "usecols"),
        (ValueError, "usecols=[]", "usecols"),
        (TypeError, "dtype='complexity'", "complexity"),
        (ValueError, "skiprows=[1]", "skiprows"),
        (ValueError, "nrows=-1", "nrows"),
        (ValueError, "na_values={'a': ['x']}", "na_values"),
        (ValueError, "parse_dates={'x': ['a']}", "parse_dates"),
        (ValueError, "compression='zip'", "compression"),
        (ValueError, "encoding='klingon'", "encoding"),
        (ValueError, "decimal=',', thousands=','", "thousands"),
        (ValueError, "sep='\"'", "same character"),
    ],
)
def test_wrong_arguments_are_errors_on_every_rank(servers: Servers, kind: type, code: str, says: str) -> None:
    refused(servers, kind, f"weft.read_csv('/nonexistent/a.csv', {code}, env=env)", NOTHING, says)


@pytest.mark.parametrize(
    ("kind", "text", "code", "says"),
    [
        (KeyError, "a,b\n1,2\n", "usecols=['z']", "'z'"),
        (KeyError, "a,b\n1,2\n", "usecols=[7]", "position 7"),
        (KeyError, "a,b\n1,2\n", "index_col='z'", "'z'"),
        (KeyError, "a,b\n1,2\n", "index_col=5", "index_col=5"),
        (KeyError, "a,b\n1,2\n", "parse_dates=['z']", "'z'"),
        (KeyError, "a,b\n1,2\n", "dtype={'z': 'int64'}", "'z'"),
        (KeyError, "a,b\n1,2\n", "filters=[('z', '>', 1)]", "'z'"),
        (ValueError, "a,b\n1,2\n3\n", "", "line 3"),
        (ValueError, "a,b\n1,2\n3,4,5\n", "", "line 3"),
        (ValueError, 'a,b\n1,2\n\n\n3,"4\n', "", "line 5"),
        (ValueError, "a,b\n1,2\n3,x\n", "dtype={'b': 'int64'}", "line 3, column 'b': 'x'"),
        (ValueError, "a,b\n1,300\n", "dtype={'b': 'int8'}", "line 2, column 'b': '300'"),
        (ValueError, "a,b\n1,1.5\n", "dtype={'b': 'int64'}", "'1.5'"),
        (ValueError, "", "", "empty"),
        (ValueError, "\n\n", "", "empty"),
        (ValueError, "a,b\n1,2\n", "header=4", "header=4"),
        (ValueError, "a,b\n1,2\n", "names=['p']", "names="),
    ],
)
def test_broken_files_are_errors_on_every_rank(
    servers: Servers, tmp_path: Path, kind: type, text: str, code: str, says: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    refused(
        servers,
        kind,
        f"weft.read_csv({str(path)!r}, {code}{', ' if code else ''}split_bytes=1, env=env)",
        NOTHING,
        says,
    )


@given(data=st.data())
def test_a_dict_of_ranks_to_paths(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    folder = tmp_path_factory.mktemp("csv")
    ranks = data.draw(st.sampled_from([1, 2, 3, 5]))
    owner = data.draw(st.lists(st.integers(0, ranks - 1), min_size=1, max_size=5))
    mine: dict[int, list[str]] = {}
    for number, rank in enumerate(owner):
        path = folder / f"{number}.csv"
        # Types differ by file: all ranks agree.
        path.write_text(f"a,b\n{number},{'x' if number == 3 else number}\n")
        mine.setdefault(rank, []).append(str(path))
    outcome = servers[ranks].run(
        {"op": "eval", "code": f"weft.read_csv({mine!r}, env=env)", "names": {}}, NOTHING, [[0] * ranks + [1]]
    )
    assert outcome.errors == [None] * ranks
    assert outcome.rows == [len(mine.get(rank, [])) for rank in range(ranks)]
    expected = pd.concat([pd.read_csv(path) for rank in sorted(mine) for path in mine[rank]])
    assert outcome.table is not None
    assert [str(value) for value in outcome.table["b"].to_pylist()] == [str(value) for value in expected["b"]]


@pytest.mark.parametrize(
    ("code", "says"),
    [("{0: []}", "no path"), ("{9: 'a.csv'}", "no rank"), ("{}", "no path"), ("{True: 'a.csv'}", "no rank")],
)
def test_wrong_dicts_of_paths(servers: Servers, code: str, says: str) -> None:
    outcome = servers[3].run(
        {"op": "eval", "code": f"weft.read_csv({code}, env=env)", "names": {}}, NOTHING, [[0, 0, 0, 1]]
    )
    for found in outcome.errors:
        assert found is not None and found[0] == "ValueError" and says in found[1]
    with pytest.raises(ValueError, match="needs env"):
        weft.read_csv({0: "a.csv"})


@st.composite
def written_tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 12))

    def column(values: st.SearchStrategy[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)

    return pa.table(
        {
            "i": column(st.integers(-(2**63), 2**63 - 1), pa.int64()),
            "f": column(st.floats(), pa.float64()),
            "s": column(st.one_of(st.none(), st.sampled_from(TEXTS)), pa.string()),
            "b": column(st.booleans(), pa.bool_()),
            "n": column(st.one_of(st.none(), st.floats()), pa.float64()),
        }
    )


WRITES = [
    "", "sep=';'", "na_rep='-'", "columns=['s', 'i']", "header=False", "header=['A', 'B', 'C', 'D', 'E']",
    "quoting=1", "quotechar=\"'\"", "float_format='%.3f'", "encoding='utf-8'", "lineterminator='\\n'",
]  # fmt: skip


@covers(
    "DataFrame.to_csv", "different: a bound frame is a directory of parts; timestamps have all digits of their unit",
    path_or_buf="different: None is refused", sep="same", na_rep="same", columns="same", header="same", quoting="same",
    quotechar="same", float_format="same", encoding="different: UTF-8 alone", lineterminator="different: \\n alone",
    index="same", compression="different: zip, xz and tar are refused",
)  # fmt: skip
@pytest.mark.parametrize("options", WRITES)
@given(table=written_tables())
def test_what_is_written_is_what_pandas_writes(tmp_path_factory: Any, options: str, table: pa.Table) -> None:
    folder = tmp_path_factory.mktemp("csv")
    frame = table.to_pandas()
    names = {"path": str(folder / "a.csv"), "frame": weft.DataFrame(table)}
    eval(f"frame.to_csv(path, {options})", names)
    names = {"path": str(folder / "b.csv"), "frame": frame}
    eval(f"frame.to_csv(path, index=False, {options})", names)
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()


@pytest.mark.parametrize(("name", "pack"), [("a.csv.gz", "infer"), ("a.bz2", "infer"), ("a", "zstd"), ("a", None)])
def test_packed_files_are_read_back(tmp_path: Path, name: str, pack: str | None) -> None:
    frame = weft.DataFrame({"a": range(1000), "s": ["x,y"] * 1000})
    frame.set_index("a").to_csv(tmp_path / name, compression=pack)
    if pack != "zstd":
        # pandas needs a package of its own for it.
        assert pd.read_csv(tmp_path / name, compression=pack).to_dict("list") == frame.to_pydict()
    assert weft.read_csv(tmp_path / name, compression=pack, index_col=0).to_pydict() == frame.to_pydict()


def test_nonnumeric_quotes(tmp_path: Path) -> None:
    table = pa.table({"i": [1, 2], "s": ["a", None], "b": [True, False]})
    weft.DataFrame(table).to_csv(tmp_path / "a.csv", quoting=csv.QUOTE_NONNUMERIC)
    assert (tmp_path / "a.csv").read_text() == '"i","s","b"\n1,"a","True"\n2,"","False"\n'


@covers(
    "DataFrame.to_csv", index_label="refused", mode="refused", chunksize="refused", date_format="refused",
    doublequote="refused", escapechar="refused", decimal="refused", errors="refused", storage_options="refused",
)  # fmt: skip
@pytest.mark.parametrize(
    "argument",
    [
        "index_label='x'", "mode='a'", "chunksize=3", "date_format='%Y'", "doublequote=False", "escapechar='!'",
        "decimal=','", "errors='ignore'", "storage_options={}", "quoting=3", "float_format='%d'", "encoding='latin-1'",
        "lineterminator='x'", "compression='zip'", "header=3", "sep='ab'",
    ],
)  # fmt: skip
def test_arguments_of_to_csv_that_are_not_taken(servers: Servers, argument: str) -> None:
    refused(
        servers, ValueError, f"df.to_csv('/nonexistent/a.csv', {argument})", NOTHING, argument.split("=", maxsplit=1)[0]
    )


def test_a_path_is_needed(servers: Servers) -> None:
    refused(servers, ValueError, "df.to_csv()", NOTHING, "path")
    refused(servers, TypeError, "df.to_csv(3)", NOTHING, "path")


def test_filters_see_the_types_of_all_rows(servers: Servers, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("z,n\n" + "".join(f"{'x' if i == 90 else i},{i}\n" for i in range(100)))
    for code in ("weft.col('z') == '7'", "[('z', '==', '7')]", "[[('z', 'in', ['7'])], [('n', '<', 0)]]"):
        outcome = servers[3].run(
            {"op": "eval", "code": f"weft.read_csv({str(path)!r}, usecols=['n'], filters={code}, split_bytes=1, env=env)", "names": {}},
            NOTHING,
            [[0, 0, 0, 1]],
        )  # fmt: skip
        assert outcome.errors == [None] * 3
        assert outcome.table is not None and outcome.table.to_pydict() == {"n": [7]}


@given(data=st.data())
def test_globs_and_lists(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    folder = tmp_path_factory.mktemp("csv")
    parts = []
    for number in range(data.draw(st.integers(1, 4))):
        part = pd.DataFrame({"a": range(data.draw(st.integers(0, 9))), "b": "x"})
        part.to_csv(folder / f"{number}.csv", index=False)
        parts.append(part)
    made = run(
        data, servers, "weft.read_csv(path, split_bytes=1, dtype={'a': 'int64', 'b': 'str'}, env=env)", NOTHING,
        path=str(folder / "*.csv"),
    )  # fmt: skip
    assert made.to_pydict()["a"] == [value for part in parts for value in part["a"]]
