"""Frames on one process: construction, choosing, names, exports, refusals; and envs of one."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import weft
from weft import col


@pytest.fixture
def df() -> weft.DataFrame:
    return weft.DataFrame({"a": [1, 2, 3, None], "b": ["x", None, "y", "x"], "c": [0.5, float("nan"), 2.0, 3.0]})


@pytest.fixture
def env():
    with weft.init() as made:
        yield made


# -- in and out ------------------------------------------------------------------------------------------------------


def test_import_is_light():
    code = "import sys, weft; print([name for name in ('pandas', 'polars', 'numpy.random') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "pandas" not in done.stdout and "polars" not in done.stdout


def test_from_dict(df):
    assert df.columns == ["a", "b", "c"]
    assert df.shape == (4, 3) and len(df) == 4 and list(df) == ["a", "b", "c"] and "a" in df
    assert df.to_pydict()["a"] == [1, 2, 3, None]
    assert weft.DataFrame({"k": [1, 2], "c": "const"}).to_pydict() == {"k": [1, 2], "c": ["const", "const"]}
    with pytest.raises(ValueError, match="unequal lengths"):
        weft.DataFrame({"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="no length"):
        weft.DataFrame({"a": 1})


def test_from_numpy():
    made = weft.DataFrame(np.arange(6).reshape(3, 2))
    assert made.columns == ["0", "1"] and made.to_numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
    assert weft.DataFrame(np.arange(6).reshape(3, 2), columns=["x", "y"]).columns == ["x", "y"]
    with pytest.raises(ValueError, match="dimensions"):
        weft.DataFrame(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="columns are named"):
        weft.DataFrame(np.zeros((2, 2)), columns=["x"])


def test_pandas_round_trip():
    frame = pd.DataFrame({"i": [1, 2], "s": ["a", None], "t": pd.to_datetime(["2020-01-01", None]), 3: [True, False]})
    made = weft.DataFrame(frame)
    assert made.columns == ["i", "s", "t", "3"] and made.index_names == ()
    pd.testing.assert_frame_equal(made.to_pandas(), frame.rename(columns={3: "3"}))
    indexed = frame.rename(columns={3: "3"}).set_index(["s", "i"])
    pd.testing.assert_frame_equal(weft.DataFrame(indexed).to_pandas(), indexed)
    labelled = pd.DataFrame({"v": [1, 2]}, index=["p", "q"])
    pd.testing.assert_frame_equal(weft.DataFrame(labelled).to_pandas(), labelled)
    with pytest.raises(ValueError, match="multi-level"):
        weft.DataFrame(pd.DataFrame({("a", "b"): [1]}))


def test_index_survives_arrow():
    made = weft.DataFrame({"k": [1, 2], "v": [3, 4]}).set_index("k")
    again = weft.DataFrame(made.to_arrow())
    assert again.index_names == ("k",) and again.columns == ["v"]
    assert again.reset_index().columns == ["k", "v"] and again.reset_index(drop=True).columns == ["v"]


def test_polars_and_odd_layouts():
    frame = pl.DataFrame(
        {
            "s": ["a", None, "longer than twelve bytes"],
            "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
            "l": [["p"], [], None],
            "d": [Decimal("1.25"), None, Decimal("3")],
        }
    )
    made = weft.DataFrame(frame)
    assert not any("view" in str(kind) for kind in made.schema.types)
    assert made.to_pydict()["s"] == ["a", None, "longer than twelve bytes"]
    assert made.to_pydict()["c"] == ["x", "y", "x"]
    assert made.to_pydict()["l"] == [["p"], [], None]
    assert made.to_polars()["s"].to_list() == frame["s"].to_list()
    runs = pa.table({"r": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, 8]))})
    assert weft.DataFrame(runs).to_pydict() == {"r": [7, 7, 8]}


def test_duplicate_names_are_refused():
    with pytest.raises(ValueError, match="twice"):
        weft.DataFrame(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(TypeError, match="not int"):
        weft.DataFrame(7)


def test_every_type_passes_through():
    import tables

    made = {name: tables.column(kind, values, [0, -1, 1, 2]) for name, (kind, values) in tables.PAYLOADS.items()}
    table = pa.table(made)
    frame = weft.DataFrame(table)
    assert frame.schema.types == table.schema.types
    assert tables.rows_of(frame.to_arrow()) == tables.rows_of(table)
    assert weft.DataFrame(table.slice(1, 2)).to_arrow().num_rows == 2


def test_no_columns():
    empty = weft.DataFrame()
    assert empty.shape == (0, 0) and empty.columns == [] and "0 rows" in repr(empty)


def test_repr(df):
    text = repr(df)
    assert text.splitlines()[0].split() == ["a", "b", "c"]
    assert "<NA>" in text and "[4 rows x 3 columns]" in text
    long = repr(weft.DataFrame({"n": list(range(100))}))
    assert "..." in long and len(long.splitlines()) < 15


# -- choosing --------------------------------------------------------------------------------------------------------


def test_choosing(df):
    assert df[["c", "a"]].columns == ["c", "a"]
    assert df["a"].to_list() == [1, 2, 3, None] and df.a.name == "a"
    assert len(df[1:3]) == 2 and len(df[-1:]) == 1 and len(df[:]) == 4 and len(df[3:1]) == 0
    assert df[col("a") >= 2].to_pydict()["a"] == [2, 3]
    assert df.drop(columns="b").columns == ["a", "c"]
    assert df.rename(columns={"a": "z", "nothing": "q"}).columns == ["z", "b", "c"]
    assert df.rename(columns=str.upper).columns == ["A", "B", "C"]
    assert df.select("b", twice=col("a") * 2).to_pydict()["twice"] == [2, 4, 6, None]
    with pytest.raises(KeyError, match="did you mean 'a'"):
        df["aa"]
    assert df[::2].to_pydict()["a"] == [1, 3] and df[::-1].to_pydict()["a"] == [None, 3, 2, 1]
    with pytest.raises(ValueError, match="truth value"):
        bool(df)
    with pytest.raises(AttributeError):
        df.nothing
    assert (df["a"] > 1).to_list() == [False, True, True, False]
    with pytest.raises(TypeError, match="& |"):
        bool(col("a") > 1)


def test_constants_of_expressions():
    made = weft.DataFrame(
        {
            "d": [dt.date(2020, 1, 1), dt.date(2021, 1, 1)],
            "t": [dt.datetime(2020, 1, 1), dt.datetime(2021, 1, 1)],
            "m": [Decimal("1.5"), Decimal("2.5")],
            "y": [b"a", b"b"],
        }
    )
    assert len(made[col("d") > dt.date(2020, 6, 1)]) == 1
    assert len(made[col("t") <= dt.datetime(2020, 1, 1)]) == 1
    assert len(made[col("t") <= np.datetime64("2020-01-01")]) == 1
    assert len(made[col("m") == Decimal("2.5")]) == 1
    assert len(made[col("y").isin([b"a", b"c"])]) == 1
    with pytest.raises(TypeError, match="isin"):
        col("d") == [1, 2]


def test_division_is_true_division():
    made = weft.DataFrame({"n": [7, 0], "m": [2, 0]}).assign(q=col("n") / col("m"))
    assert made.to_pydict()["q"][0] == 3.5 and np.isnan(made.to_pydict()["q"][1])


# -- groupby names ---------------------------------------------------------------------------------------------------


def test_groupby_forms():
    made = weft.DataFrame({"k": [1, 1, 2], "v": [1, 2, 3], "w": [0.5, 1.5, None]})
    frame = made.to_pandas()
    pd.testing.assert_frame_equal(made.groupby("k").sum().to_pandas(), frame.groupby("k").sum())
    pd.testing.assert_frame_equal(made.groupby("k").mean().to_pandas(), frame.groupby("k").mean())
    pd.testing.assert_frame_equal(made.groupby(["k"]).count().to_pandas(), frame.groupby(["k"]).count())
    pd.testing.assert_frame_equal(
        made.groupby("k", as_index=False).max().to_pandas(), frame.groupby("k", as_index=False).max()
    )
    pd.testing.assert_series_equal(made.groupby("k")["v"].sum().to_pandas(), frame.groupby("k")["v"].sum())
    pd.testing.assert_frame_equal(made.groupby("k")[["v"]].min().to_pandas(), frame.groupby("k")[["v"]].min())
    assert made.groupby("k").size().to_pandas().to_dict() == frame.groupby("k").size().to_dict()
    two = made.groupby("k").agg({"v": ["sum", "max"], "w": "mean"})
    assert two.columns == ["v_sum", "v_max", "w_mean"]
    assert made.groupby("k").agg({"v": "sum"}).columns == ["v"]
    assert made.groupby("k").agg(["min", "max"]).columns == ["v_min", "v_max", "w_min", "w_max"]
    assert made.groupby("k")["v"].agg(["min", "max"]).columns == ["min", "max"]
    assert made.groupby("k").agg(total=("v", "sum")).to_pydict() == {"k": [1, 2], "total": [3, 3]}
    with pytest.raises(ValueError, match="middle"):
        made.groupby("k").agg("middle")
    assert made.groupby("k").agg({"k": "count"})["k"].to_list() == [2, 1]
    with pytest.raises(TypeError, match="'x'"):
        made.groupby("k").sum(x=1)


def test_merge_and_index():
    left = weft.DataFrame({"k": [1, 2], "v": [3, 4]}).set_index("k")
    right = weft.DataFrame({"k": [2, 3], "w": [5, 6]})
    both = left.merge(right.set_index("k"), on="k")
    assert both.index_names == ("k",) and both.to_pydict() == {"k": [2], "v": [4], "w": [5]}
    one = left.merge(right, on="k")
    assert one.index_names == () and one.columns == ["k", "v", "w"]
    by_position = left.reset_index().merge(right, on=[0])
    assert by_position.to_pydict() == {"k": [2], "v": [4], "w": [5]}


# -- envs ------------------------------------------------------------------------------------------------------------


def test_world_of_one(env):
    assert (env.rank, env.world_size) == (0, 1)
    assert env.broadcast({"a": [1, None]}) == {"a": [1, None]}
    assert env.gather("x") == ["x"] and env.allgather(b"y") == [b"y"]
    assert env.scatter([7]) == 7 and env.alltoall([2.5]) == [2.5]
    assert env.allreduce(3) == 3 and env.scan(np.arange(3)).tolist() == [0, 1, 2]
    assert env.stats()["bytes_sent"] >= 0 and isinstance(env.links(), list)
    made = weft.DataFrame({"a": [1, 2]}, env=env)
    assert made.env is env and made.local().env is None and made.total_rows() == 2
    with pytest.raises(ValueError, match="root=3"):
        env.broadcast(1, root=3)


def test_bound_and_unbound_do_not_mix(env):
    bound, free = weft.DataFrame({"a": [1]}, env=env), weft.DataFrame({"a": [1]})
    with pytest.raises(ValueError, match="name env="):
        bound.merge(free, on="a")
    with pytest.raises(ValueError, match="name env="):
        weft.concat([free, bound])
    assert len(bound.merge(free, on="a", env=env)) == 1
    assert bound.merge(free, on="a", env=env).env is env
    assert free.merge(free, on="a").env is None
    assert bound.local().merge(free, on="a").env is None


def test_closed_env_says_so(env):
    made = weft.DataFrame({"a": [2, 1]}, env=env)
    env.close()
    env.close()
    with pytest.raises(ValueError, match="closed"):
        made.sort_values("a")
    with pytest.raises(ValueError, match="closed"):
        env.barrier()
    assert made.local().sort_values("a").to_pydict() == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", -2),
        ("world_size", 0),
        ("threads", 0),
        ("threads", "many"),
        ("timeout", "soon"),
        ("timeout", -1),
        ("memory_limit", "6 parsecs"),
        ("memory_limit", 0),
        ("epoch", 1.5),
        ("encryption", "rot13"),
        ("backend", "pigeon"),
        ("secret", "short"),
        ("check_collectives", "maybe"),
    ],
)
def test_wrong_options_are_named(name, value):
    more = {} if name != "secret" else {"world_size": 2, "rendezvous": "127.0.0.1:1", "job": "j", "rank": 0}
    with pytest.raises(ValueError) as caught:
        weft.init(**{name: value}, **more)
    assert name in str(caught.value)
    assert "short" not in str(caught.value) or name != "secret"


def test_environment_and_argument(monkeypatch):
    monkeypatch.setenv("WEFT_THREADS", "3")
    with weft.init() as env:
        assert env.threads == 3
    with weft.init(threads=2) as env:
        assert env.threads == 2
    monkeypatch.setenv("WEFT_THREADS", "none")
    with pytest.raises(ValueError, match="WEFT_THREADS"):
        weft.init()


def test_secret_from_a_file(tmp_path, monkeypatch):
    from weft import settings

    (tmp_path / "secret").write_text("ab" * 32 + "\n")
    monkeypatch.setenv("WEFT_SECRET_FILE", str(tmp_path / "secret"))
    assert settings.secret("secret", None) == "ab" * 32
    monkeypatch.setenv("WEFT_SECRET_FILE", str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="WEFT_SECRET_FILE"):
        settings.secret("secret", None)


def test_memory_limit():
    code = """
import numpy as np, weft
with weft.init(memory_limit="20MB") as env:
    data = np.random.default_rng(0).integers(0, 1 << 60, (2_000_000, 2))
    try:
        weft.DataFrame(data, env=env).sort_values(0)
    except weft.MemoryLimitExceeded as problem:
        assert isinstance(problem, MemoryError)
        print("limit", problem)
    small = weft.DataFrame({"a": [2, 1]}, env=env).sort_values("a")
    print(small.to_pydict())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("limit") and "{'a': [1, 2]}" in done.stdout


def test_sizes_and_times():
    from weft.settings import parse_bytes, parse_seconds

    assert parse_bytes("6GB") == 6 * 10**9 and parse_bytes("512 MiB") == 512 * 2**20 and parse_bytes(7) == 7
    assert parse_seconds("500ms") == 0.5 and parse_seconds("2h") == 7200 and parse_seconds(3) == 3


# -- files -----------------------------------------------------------------------------------------------------------


def test_parquet_round_trip(tmp_path, df):
    path = tmp_path / "one.parquet"
    df.set_index("b").to_parquet(path)
    again = weft.read_parquet(path)
    assert again.index_names == ("b",) and again.to_arrow().equals(df.set_index("b").to_arrow())
    df.to_parquet(path)
    assert weft.read_parquet(path, columns=["c"], filters=col("a") > 1).to_pydict()["c"][1:] == [2.0]
    with pytest.raises(FileExistsError):
        df.to_parquet(path, overwrite=False)
    with pytest.raises(ValueError, match="lz77"):
        df.to_parquet(path, compression="lz77")
    pd.testing.assert_frame_equal(pd.read_parquet(path), df.to_pandas())


def test_csv_round_trip(tmp_path):
    made = weft.DataFrame({"i": [1, None, 3], "s": ["a,b", None, 'q"']})
    path = tmp_path / "one.csv"
    made.to_csv(path)
    again = weft.read_csv(path)
    assert again.to_pydict() == made.to_pydict()
    pd.testing.assert_frame_equal(pd.read_csv(path), made.to_pandas(), check_dtype=False)
    typed = weft.read_csv(path, dtype={"i": "float32"}, usecols=["i"], na_values=["3"])
    assert typed.to_pydict() == {"i": [1.0, None, None]} and typed.dtypes["i"] == pa.float32()


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        weft.read_parquet(tmp_path / "nothing-here.parquet")
    with pytest.raises(FileNotFoundError, match=r"nothing-\*"):
        weft.read_csv(tmp_path / "nothing-*.csv")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 this is none PAR1")
    with pytest.raises(OSError, match="broken.parquet"):
        weft.read_parquet(broken)
    lines = tmp_path / "lines.csv"
    lines.write_text("a,b\n1,2\n3\n")
    with pytest.raises(ValueError, match="lines.csv"):
        weft.read_csv(lines)
    whole = tmp_path / "whole.parquet"
    weft.DataFrame({"a": [1]}).to_parquet(whole)
    with pytest.raises(KeyError, match="zzz"):
        weft.read_parquet(whole, columns=["zzz"])
    with pytest.raises(ValueError, match="engine"):
        weft.read_parquet(whole, engine="fastparquet")
