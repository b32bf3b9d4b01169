"""`weft.compat.pycylon` on this rank's rows, beside pandas, and what it refuses, each by its name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from weft.compat import pycylon as cn


@pytest.fixture
def frame():
    return cn.DataFrame([[1, 2, 3, 4], [5.0, None, 7.0, 8.0]], columns=["p", "q"])


def test_frames_of_many_things():
    wanted = {"0": [1, 2, 3], "1": [4, 5, 6]}
    of = [[[1, 2, 3], [4, 5, 6]], [np.array([1, 2, 3]), np.array([4, 5, 6])], wanted, pd.DataFrame(wanted)]
    for data in (*of, pa.table(wanted), cn.Table.from_pydict(None, wanted)):
        made = cn.DataFrame(data)
        assert made.to_dict() == wanted and made.shape == (3, 2) and made.columns == ["0", "1"]
    renamed = cn.DataFrame(pa.table(wanted), columns=["a", "b"], copy=True)
    assert renamed.columns == ["a", "b"] and len(renamed) == 3
    assert cn.DataFrame().shape == (0, 0)
    assert cn.Table.from_list(None, ["a"], [[1, 2]]).to_pydict() == {"a": [1, 2]}
    assert cn.Table.from_numpy(None, ["a"], [np.arange(2)]).to_pandas()["a"].tolist() == [0, 1]
    assert cn.Table.from_pandas(None, pd.DataFrame({"a": [1]}), preserve_index=False).column_names == ["a"]


def test_exports(frame):
    whole_numbers = cn.DataFrame([[1, 2], [3, 4]])
    for order in ("F", "C"):
        made = whole_numbers.to_numpy(order=order)
        assert made.tolist() == [[1, 3], [2, 4]] and made.flags[f"{order}_CONTIGUOUS"]
    with pytest.raises(pa.ArrowInvalid):
        frame.to_numpy()
    assert np.isnan(frame.to_numpy(zero_copy_only=False)[1, 1])
    assert frame.to_table().to_pydict() == {"p": [1, 2, 3, 4], "q": [5.0, None, 7.0, 8.0]}
    assert frame.to_table().to_pydict(with_index=True)["p"] == {0: 1, 1: 2, 2: 3, 3: 4}
    assert next(row for _, row in frame.to_table().iterrows()) == [1, 5.0]
    assert "p" in frame.to_table().to_string() and repr(frame)
    assert frame.values.shape == (4, 2) and list(frame.dtypes) == [np.dtype("int64"), np.dtype("float64")]


def test_operators(frame):
    as_pandas = frame.to_pandas()
    for name in ("__eq__", "__ne__", "__lt__", "__gt__", "__le__", "__ge__", "__add__", "__sub__", "__mul__"):
        for other, of_pandas in ((3, 3), (frame, as_pandas)):
            found = getattr(frame, name)(other).to_pandas()
            pd.testing.assert_frame_equal(found, getattr(as_pandas, name)(of_pandas), check_dtype=False)
    pd.testing.assert_frame_equal((frame / 2).to_pandas(), as_pandas / 2)
    pd.testing.assert_frame_equal((-frame).to_pandas(), -as_pandas)
    mask = (frame > 2) & ~(frame == 4)
    pd.testing.assert_frame_equal(mask.to_pandas(), (as_pandas > 2) & ~(as_pandas == 4))
    pd.testing.assert_frame_equal((mask | (frame == 1)).to_pandas(), mask.to_pandas() | (as_pandas == 1))
    pd.testing.assert_frame_equal(frame[frame > 2].to_pandas(), as_pandas[as_pandas > 2], check_dtype=False)
    pd.testing.assert_frame_equal(frame.where(frame > 2, 0).to_pandas(), as_pandas.where(as_pandas > 2, 0))
    assert frame[frame["p"] > 2].to_dict()["p"] == [3, 4]
    assert frame.isnull().to_dict()["q"] == [False, True, False, False]
    assert frame.notna().to_dict()["q"] == [True, False, True, True]
    assert frame.fillna(0).to_dict()["q"] == [5.0, 0.0, 7.0, 8.0]
    assert frame.isin([1, 7]).to_dict() == {"p": [True, False, False, False], "q": [False, False, True, False]}
    assert frame.isin({"p": [2]}).to_dict()["p"] == [False, True, False, False]
    assert frame[["p"]].applymap(lambda value: value * 10).to_dict() == {"p": [10, 20, 30, 40]}


def test_choosing_and_names(frame):
    assert frame[1:3].to_dict()["p"] == [2, 3] and frame[2].to_dict()["p"] == [3]
    assert frame["q"].columns == ["q"] and frame[["q", "p"]].columns == ["q", "p"]
    assert frame.iloc[0].to_dict() == {"p": [1], "q": [5.0]} and frame.iloc[1:3, [0]].to_dict() == {"p": [2, 3]}
    frame["r"] = 1
    frame["p"] = cn.DataFrame([[9, 8, 7, 6]])
    assert frame.to_dict()["p"] == [9, 8, 7, 6] and frame.to_dict()["r"] == [1] * 4
    assert frame.drop(["r"]).columns == ["p", "q"]
    assert frame.rename({"r": "s"}) is None and frame.columns == ["p", "q", "s"]
    frame.rename(["x", "y", "z"])
    assert frame.columns == ["x", "y", "z"] and frame.add_prefix("_").columns == ["_x", "_y", "_z"]
    indexed = frame.set_index(["x"])
    assert (
        indexed.loc[8].to_dict()["z"] == [1] and indexed.columns == ["y", "z"] and list(indexed.index) == [9, 8, 7, 6]
    )
    assert indexed.reset_index() is indexed and indexed.columns == ["x", "y", "z"]
    assert frame.select_dtypes("int64").columns == ["x", "z"]
    assert frame.is_cpu() and frame.is_device("cpu") and frame.to_cpu() is None and frame.to_device("cpu") is None


def test_tables(capsys):
    table = cn.Table.from_pydict(None, {"a": [3, 1, 1], "b": [1.0, None, 2.0]})
    assert table.sort("a", ascending=False).to_pydict()["a"] == [3, 1, 1]
    assert table.unique(["a"], keep="last").to_pydict() == {"a": [3, 1], "b": [1.0, 2.0]}
    assert table.count("b").to_pydict() == {"b": [2]} and table.min(0).to_pydict() == {"a": [1]}
    assert table.dropna(axis=1).to_pydict() == {"a": [3, 1], "b": [1.0, 2.0]}
    assert table.dropna().column_names == ["a"]
    assert table.astype({"a": "float64"}).to_arrow().schema.field("a").type == pa.float64()
    assert table.groupby(0, {"b": [cn.AggregationOp.SUM, "count"]}).to_pydict() == {
        "a": [3, 1], "sum_b": [1.0, 2.0], "count_b": [1, 1],
    }  # fmt: skip
    assert cn.Table.merge([table, table]).row_count == 6 and cn.Table.concat([table]).shape == (3, 2)
    joined = table.join(table, "inner", "hash", on=["a"], left_prefix="l", right_prefix="r")
    assert joined.column_names == ["la", "lb", "ra", "rb"] and joined.row_count == 5
    assert table.union(table).row_count == 3 and table.subtract(table).row_count == 0
    assert table.equals(table) and not table.equals(table.sort("a")) and table.equals(table.sort("a"), ordered=False)
    assert table.add_suffix("_").column_names == ["a_", "b_"] and table.column_count == 2
    table.show(0, 2, 0, 1)
    assert capsys.readouterr().out.split() == ["a", "0", "3", "1", "1"]
    table.set_index("a")
    assert table.column_names == ["b"]
    table.reset_index(drop_index=True)
    assert table.column_names == ["b"]
    assert table.unique(inplace=True) is None
    series = cn.Series("s", [1, 2, None])
    assert series.id == "s" and series.dtype == pa.int64() and series.shape == 3 and series[0].as_py() == 1
    assert cn.concat([cn.DataFrame({"a": [1]}), cn.DataFrame({"a": [2]})]).to_dict() == {"a": [1, 2]}
    context = cn.CylonContext()
    context.add_config("compute_engine", "numpy")
    assert context.get_config("compute_engine", "arrow") == "numpy" and context.get_world_size() == 1
    with cn_env() as env:
        assert (env.rank, env.world_size, env.is_distributed) == (0, 1, False)


class cn_env:  # noqa: N801
    def __enter__(self):
        self.env = cn.CylonEnv(distributed=False)
        return self.env

    def __exit__(self, *_):
        self.env.barrier()
        self.env.finalize()
        self.env.finalize()


# -- what is refused -------------------------------------------------------------------------------------------------

FMI = {
    "rank": 0, "world_size": 1, "host": "127.0.0.1", "port": 1, "maxtimeout": 1, "resolveip": False, "comm_name": "",
    "nonblocking": True, "redis_host": "", "redis_port": -1, "redis_namespace": "", "enableping": True,
}  # fmt: skip


@pytest.mark.parametrize(
    "ask, says",
    [
        (lambda df, tb: cn.CylonEnv(), "config"),
        (lambda df, tb: cn.CylonEnv("mpi"), "config"),
        (lambda df, tb: cn.CylonContext(cn.MPIConfig(), False), "config"),
        (lambda df, tb: cn.CylonContext().add_config("color", "red"), "key"),
        (lambda df, tb: cn.CylonContext().get_communicator(), "distributed=False"),
        (lambda df, tb: cn.GlooStandaloneConfig(-1, 2), "rank"),
        (lambda df, tb: cn.GlooStandaloneConfig(0, 0), "world_size"),
        (lambda df, tb: cn.GlooMPIConfig().set_tcp_ai_family(10), "ai_family"),
        (lambda df, tb: cn.GlooMPIConfig().set_tcp_iface("none7"), "iface"),
        (lambda df, tb: cn.UCCConfig("redis"), "context"),
        (lambda df, tb: cn.UCCRedisOOBContext(2, "http://host"), "redis_addr"),
        (lambda df, tb: cn.UCXRedisOOBContext(0, "tcp://host:1"), "world_size"),
        (lambda df, tb: cn.UCCRedisOOBContext(-1, ""), "CYLON_UCX_OOB_WORLD_SIZE"),
        (lambda df, tb: cn.FMIConfig(**{**FMI, "host": "a-name"}), "resolveip"),
        (lambda df, tb: cn.FMIConfig(**{**FMI, "port": 0}), "port"),
        (lambda df, tb: cn.FMIConfig(**{**FMI, "redis_host": "h"}), "redis_port"),
        (lambda df, tb: cn.log_level(-1), "level"),
        (lambda df, tb: cn.SortOptions(num_bins=-1), "num_bins"),
        (lambda df, tb: cn.SortOptions(sampling="odd"), "sampling"),
        (lambda df, tb: df.sort_values("p", num_samples=-2), "num_samples"),
        (lambda df, tb: df.merge(df, how="cross", on=["p"]), "how"),
        (lambda df, tb: df.merge(df, algorithm="loop", on=["p"]), "algorithm"),
        (lambda df, tb: df.merge(df), "on"),
        (lambda df, tb: df.merge(df, on=["p"], copy=3), "copy"),
        (lambda df, tb: df.merge(df, on=["p"], suffixes=("", "")), "suffixes"),
        (lambda df, tb: df.join(df, on=["p"]), "index"),
        (lambda df, tb: df.groupby([]), "by"),
        (lambda df, tb: df.groupby("p", groupby_type="tree"), "groupby_type"),
        (lambda df, tb: df.groupby("p").agg({"q": "mode"}), "mode"),
        (lambda df, tb: df.set_index(["p"], drop=False), "drop"),
        (lambda df, tb: df.to_device("gpu"), "device"),
        (lambda df, tb: df.isin([1], skip_null=False), "skip_null"),
        (lambda df, tb: df.where(3), "condition"),
        (lambda df, tb: df.rename("a"), "column_names"),
        (lambda df, tb: df.to_numpy(order="K"), "order"),
        (lambda df, tb: df[-2:], "start"),
        (lambda df, tb: df[::2], "step"),
        (lambda df, tb: df + df[["p"]], "columns"),
        (lambda df, tb: cn.concat([df], axis=1), "axis"),
        (lambda df, tb: cn.concat([1]), "DataFrames"),
        (lambda df, tb: cn.read_csv("x.csv", ignore_emptylines=False), "ignore_emptylines"),
        (lambda df, tb: tb.repartition([4], [1]), "receive_build_rank_order"),
        (lambda df, tb: tb.astype("int64", safe=False), "safe"),
        (lambda df, tb: tb.dropna(axis=2), "axis"),
        (lambda df, tb: tb.groupby("p", {}), "agg"),
        (lambda df, tb: tb.set_index("p", indexing_type="hash"), "indexing_type"),
        (lambda df, tb: cn.CSVReadOptions().use_cols([]), "cols"),
        (lambda df, tb: cn.CSVReadOptions().na_values("x"), "null_values"),
        (lambda df, tb: cn.CSVReadOptions().block_size(0), "block_size"),
    ],
)
def test_refused_by_name(frame, ask, says, monkeypatch):
    monkeypatch.delenv("CYLON_UCX_OOB_WORLD_SIZE", raising=False)
    with pytest.raises(ValueError, match=says):
        ask(frame, frame.to_table())


@pytest.mark.parametrize(
    "ask, says",
    [
        (lambda df: df.merge(df, on=["p"], env=3), "env"),
        (lambda df: df.merge("x", on=["p"]), "DataFrame"),
        (lambda df: df.to_table().join(df.to_table(), "inner", "sort", by=["p"]), "by"),
        (lambda df: df.to_table().join(df.to_table(), "inner", "sort"), "on="),
        (lambda df: df.to_table().distributed_sort("p", sort_options=3), "sort_options"),
        (lambda df: cn.FMIConfig(**{**FMI, "nonblocking": 1}), "nonblocking"),
        (lambda df: cn.GlooStandaloneConfig(1.5, 2), "rank"),
    ],
)
def test_wrong_types(frame, ask, says):
    with pytest.raises(TypeError, match=says):
        ask(frame)


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="from-cylon"):
        cn.RangeIndex


def test_options_of_weft(monkeypatch):
    monkeypatch.delenv("WEFT_JOB", raising=False)
    asked = cn.FMIConfig(**{**FMI, "rank": -1, "world_size": 4, "port": 9000, "maxtimeout": 2500, "comm_name": "pair",
                            "redis_namespace": "ns", "redis_host": "r", "redis_port": 7})  # fmt: skip
    assert asked.comm_type is cn.CommType.FMI
    assert asked.options() == {
        "backend": "tcp", "rendezvous": "127.0.0.1:9000", "world_size": 4, "timeout": 2.5, "store": "redis://r:7",
        "job": "pair-ns",
    }  # fmt: skip
    context = cn.UCCRedisOOBContext(3, "tcp://host:6379")
    place = {"store": "redis://host:6379", "world_size": 3, "job": "pycylon"}
    assert cn.UCCConfig(context).options() == {"backend": "ucc", **place} and context.oob_worldsize == 3
    assert cn.UCXConfig(cn.UCXRedisOOBContext(3, "tcp://host:6379")).options() == {"backend": "ucx", **place}
    monkeypatch.setenv("WEFT_JOB", "own")
    assert "job" not in cn.UCCConfig(context).options() and cn.MPIConfig().options() == {}
