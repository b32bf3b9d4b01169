"""`weft.compat.pycylon`: scripts for pycylon run unchanged, alone and over ranks, and answer what pandas answers; what
has no counterpart is refused by name; docs/from-cylon.md has every name."""

from __future__ import annotations

import inspect
import os
import secrets
import shutil
import subprocess
import sys
from enum import IntEnum
from pathlib import Path

import cylon_scripts
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import MPIRUN
from paper_join import joined_rows

from weft import _core
from weft.compat import pycylon as cn
from weft.compat.pycylon.modules import MODULES

PAGE = (Path(__file__).parents[2] / "docs" / "from-cylon.md").read_text()
COMPAT = [sys.executable, "-m", "weft.compat.pycylon"]
HAVE_MPI = shutil.which("mpirun") is not None and any(b["name"] == "mpi" and b["built"] for b in _core.backends())
needs_mpi = pytest.mark.skipif(not HAVE_MPI, reason="needs mpirun and a Weft that is built with MPI")


def ended_well(launch, process, begin=0.0):
    done = launch.finish(process, begin)
    assert done.code == 0, f"exit code {done.code}\n--- stdout\n{done.out}\n--- stderr\n{done.err}"
    return done


# -- the page --------------------------------------------------------------------------------------------------------


def public_names() -> list[str]:
    names = list(cn.__all__)
    for name in cn.__all__:
        found = getattr(cn, name)
        if inspect.isclass(found) and not issubclass(found, IntEnum):
            names += [f"{name}.{one}" for one in dir(found) if not one.startswith("_") and one not in EVERYWHERE]
    return names


#: Of all configurations, named once.
EVERYWHERE = ("comm_type", "options")


@pytest.mark.parametrize("name", [*public_names(), "CommConfig.comm_type", "CommConfig.options"])
def test_the_page_has_every_name(name):
    assert f"`{name}`" in PAGE


def test_nothing_of_weft_depends_on_it():
    package = Path(cn.__file__).parents[2]
    for path in package.rglob("*.py"):
        if "compat" not in path.relative_to(package).parts:
            assert "compat" not in path.read_text(), path
    done = subprocess.run(
        [sys.executable, "-c", "import sys, weft; print([name for name in sys.modules if 'compat.pycylon' in name])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


# -- scripts ---------------------------------------------------------------------------------------------------------


def test_every_module_is_found(launch):
    lines = [f"import {name}" for name in MODULES]
    lines += [f"from {name} import {', '.join(source.__all__)}" for name, source in MODULES.items()]
    path = launch.write("\n".join([*lines, "print(pycylon.frame.DataFrame.__module__)"]))
    done = ended_well(launch, launch.start_by(COMPAT, path))
    assert done.out.strip() == "weft.compat.pycylon.frame"


@pytest.mark.parametrize("scaling", ["w", "s"])
def test_the_papers_join_alone(launch, scaling):
    pytest.importorskip("mpi4py")
    path = launch.write(cylon_scripts.JOIN_OVER_MPI, "scaling_job.py")
    done = ended_well(launch, launch.start_by(COMPAT, path, ["-n", "2000", "-s", scaling]))
    check_join(done.out, 1, 2000, scaling)


@needs_mpi
@pytest.mark.parametrize("scaling", ["w", "s"])
def test_the_papers_join_over_mpi(launch, scaling):
    path = launch.write(cylon_scripts.JOIN_OVER_MPI, "scaling_job.py")
    command = [*MPIRUN, "-n", "2", *COMPAT]
    done = ended_well(launch, launch.start_by(command, path, ["-n", "2000", "-s", scaling], WEFT_THREADS="1"))
    check_join(done.out, 2, 2000, scaling)


def check_join(out: str, world: int, rows: int, scaling: str) -> None:
    told = [line.split() for line in out.splitlines() if line.startswith("###")]
    assert len(told) == 2
    expected = joined_rows(world, rows, "weak" if scaling == "w" else "strong")
    for number, line in enumerate(told):
        most = rows * world if scaling == "w" else rows
        mine = rows if scaling == "w" else rows // world
        assert line[1:6] == [scaling, str(world), str(mine), str(most), str(number)]
        assert float(line[6]) > 0 and int(line[7]) == expected
    timers = [line.split() for line in out.splitlines() if line.startswith("timer")]
    assert [line[1] for line in timers] == [f"join_total_{rows}_2", f"join_0_{rows}_2", f"join_1_{rows}_2"]
    assert float(timers[0][2]) >= float(timers[1][2]) + float(timers[2][2]) > 0


def test_the_papers_join_over_fmi(launch):
    path = launch.write(cylon_scripts.JOIN_OVER_FMI, "lambda_job.py")
    server = _core.RendezvousServer.start("127.0.0.1", 0, "a-key-of-some-length", False)
    try:
        common = {
            "WORLD": "2", "HOST": "localhost", "PORT": str(server.port), "ROWS": "1500", "WEFT_THREADS": "1",
            "WEFT_RENDEZVOUS_KEY": "a-key-of-some-length", "WEFT_SECRET": secrets.token_hex(32),
        }  # fmt: skip
        started = [launch.start_by(COMPAT, path, RANK=str(rank), **common) for rank in range(2)]
        lines = [ended_well(launch, process).out.split() for process in started]
    finally:
        server.stop()
    expected = str(joined_rows(2, 1500))
    assert lines == [["###", str(rank), "2", expected, "1.0"] for rank in range(2)]


@pytest.fixture
def sides(tmp_path):
    rng = np.random.default_rng(7)
    left = pd.DataFrame(
        {"k": rng.integers(0, 30, 80), "a": rng.integers(0, 10**6, 80), "b": rng.normal(size=80).round(3)}
    )
    right = pd.DataFrame({"k": rng.integers(10, 40, 50), "c": rng.integers(0, 100, 50)})
    left.to_parquet(tmp_path / "left.parquet")
    right.to_parquet(tmp_path / "right.parquet")
    return left, right


def whole(folder: Path, name: str, ranks: int) -> pd.DataFrame:
    parts = [pd.read_parquet(folder / f"{name}-{rank}.parquet") for rank in range(ranks)]
    return pd.concat([part for part in parts if len(part) or ranks == 1] or parts[:1], ignore_index=True)


def same(found: pd.DataFrame, expected: pd.DataFrame, ordered: bool = False) -> None:
    expected = expected.set_axis([str(name) for name in expected.columns], axis=1)
    assert list(found.columns) == list(expected.columns)
    if not ordered:
        found, expected = (
            frame.sort_values(list(expected.columns), ignore_index=True) for frame in (found, expected)
        )
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True), check_dtype=False)


def both_keys(left: pd.DataFrame, right: pd.DataFrame, how: str, names: list[str]) -> pd.DataFrame:
    made = left.rename(columns={"k": "kl"}).merge(
        right.rename(columns={"k": "kr"}), how=how, left_on="kl", right_on="kr"
    )
    return made.set_axis(names, axis=1)


@pytest.mark.parametrize("ranks", [1, 2])
def test_operators_beside_pandas(launch, sides, ranks):
    left, right = sides
    folder = launch.folder
    path = launch.write(cylon_scripts.OPERATORS)
    done = launch.ok(
        "weft.compat.pycylon", ranks=ranks, arguments=[str(path), str(folder)], options=["-m"]
    )
    spread = pd.concat([left.iloc[rank::ranks] for rank in range(ranks)], ignore_index=True)
    other = pd.concat([right.iloc[rank::ranks] for rank in range(ranks)], ignore_index=True)
    names = ["_xk", "a", "b", "_yk", "c"]
    for how in ("inner", "left", "right", "outer"):
        for algorithm in ("sort", "hash"):
            same(whole(folder, f"merge_{how}_{algorithm}", ranks), both_keys(left, right, how, names))
    same(whole(folder, "join", ranks), both_keys(left, right, "inner", ["lk", "a", "b", "rk", "c"]))
    same(
        whole(folder, "sorted", ranks),
        left.sort_values(["a", "k"], ascending=[False, True]),
        ordered=True,
    )
    same(whole(folder, "unique", ranks), spread.drop_duplicates("k"))
    grouped = left.groupby("k", as_index=False)
    same(whole(folder, "grouped", ranks), grouped.agg(sum_a=("a", "sum"), max_a=("a", "max"), mean_b=("b", "mean")))
    same(whole(folder, "minimum", ranks), grouped.agg(min_a=("a", "min"), min_b=("b", "min")))
    same(whole(folder, "part", ranks), spread.head(7), ordered=True)
    same(whole(folder, "table_join", ranks), both_keys(left, right, "inner", ["l_k", "a", "b", "r_k", "c"]))
    same(whole(folder, "table_sorted", ranks), left.sort_values("a"), ordered=True)
    keys, others = set(left["k"]), set(right["k"])
    for name, found in (("union", keys | others), ("intersect", keys & others), ("subtract", keys - others)):
        same(whole(folder, f"table_{name}", ranks), pd.DataFrame({"k": sorted(found)}))
    same(whole(folder, "table_unique", ranks), spread.drop_duplicates("k"))
    same(whole(folder, "table_grouped", ranks), grouped.agg(a_sum=("a", "sum")))
    assert len(other) == len(right)
    lines = sorted(line.split() for line in done.out.splitlines() if line.startswith("rows"))
    assert lines == [
        ["rows", str(rank), str(80 // ranks), str(left["a"].sum()), str(left["a"].max())] for rank in range(ranks)
    ]


def test_a_script_that_is_not_there(launch):
    done = launch.finish(launch.start_by(COMPAT, Path("missing.py")), 0.0)
    assert done.code != 0 and "there is no script missing.py" in done.err


def test_csv_over_ranks(launch):
    table = pd.DataFrame({"a": range(100), "b": [f"x{n}" for n in range(100)]})
    table.to_csv(launch.folder / "all.csv", index=False)
    path = launch.write(
        """
        from pycylon import CylonEnv, Table, read_csv
        from pycylon.io import CSVReadOptions, CSVWriteOptions
        from pycylon.io import read_csv as read_table
        from pycylon.net import MPIConfig, ReduceOp
        env = CylonEnv(config=MPIConfig())
        share = read_csv("all.csv", slice=True, env=env)
        alone = read_csv("all.csv", names=["a"], env=env)
        total = env.context.get_communicator().allreduce(len(share), ReduceOp.SUM)
        options = CSVReadOptions().use_threads(False).block_size(1 << 30).na_values(["x3"])
        table: Table = read_table(env, "all.csv", options)
        share.to_csv(f"out-{env.rank}.csv", CSVWriteOptions().with_delimiter(";").with_column_names(["c", "d"]))
        grouped = share.groupby("a").count()
        groups = env.context.get_communicator().allreduce(len(grouped), ReduceOp.SUM)
        print("csv", total, len(alone), alone.columns, table.to_arrow()["b"].null_count, groups, flush=True)
        env.finalize()
        """
    )
    done = launch.ok("weft.compat.pycylon", ranks=2, arguments=[str(path)], options=["-m"])
    assert done.out.splitlines() == ["csv 100 100 ['a'] 1 100"] * 2
    parts = [pd.read_csv(launch.folder / f"out-{rank}.csv", sep=";") for rank in range(2)]
    same(pd.concat(parts, ignore_index=True), table.set_axis(["c", "d"], axis=1), ordered=True)


@needs_mpi
def test_gloo_and_ucx_over_mpi(launch):
    built = {b["name"] for b in _core.backends() if b["built"]}
    if not {"gloo", "ucx"} <= built:
        pytest.skip("this Weft is built without gloo or ucx")
    path = launch.write(
        """
        from mpi4py import MPI
        from pycylon import CylonEnv, DataFrame
        from pycylon.net.gloo_config import GlooMPIConfig
        from pycylon.net.ucx_config import UCXConfig
        for config in (GlooMPIConfig(MPI.COMM_WORLD), GlooMPIConfig(), UCXConfig(MPI.COMM_WORLD)):
            env = CylonEnv(config=config)
            found = DataFrame([[env.rank, 7], [1, 2]]).merge(DataFrame([[7], [3]]), on=[0], env=env)
            print(env.context.env.backend, env.world_size, len(found) >= 0, flush=True)
            env.finalize()
        """
    )
    done = ended_well(launch, launch.start_by([*MPIRUN, "-n", "2", *COMPAT], path, WEFT_THREADS="1"))
    assert sorted(done.out.splitlines()) == ["gloo 2 True"] * 4 + ["ucx 2 True"] * 2


def test_standalone_gloo(launch):
    if not any(b["name"] == "gloo" and b["built"] for b in _core.backends()):
        pytest.skip("this Weft is built without gloo")
    (launch.folder / "store").mkdir()
    path = launch.write(
        """
        import sys
        from pycylon import CylonEnv, DataFrame
        from pycylon.net.gloo_config import GlooStandaloneConfig
        config = GlooStandaloneConfig(int(sys.argv[1]), 2)
        config.set_file_store_path("store")
        config.set_store_prefix("some-job")
        config.set_tcp_iface("lo")
        config.set_timeout(60)
        env = CylonEnv(config=config)
        found = DataFrame([[1, 2], [3, 4]]).merge(DataFrame([[1, 2], [5, 6]]), on=[0], env=env)
        print(env.rank, env.context.env.job, env.context.get_communicator().allreduce(len(found), 0), flush=True)
        env.finalize()
        """
    )
    common = {"WEFT_SECRET": secrets.token_hex(32), "WEFT_THREADS": "1"}
    started = [launch.start_by(COMPAT, path, [str(rank)], **common) for rank in range(2)]
    assert [ended_well(launch, one).out.split() for one in started] == [[str(r), "some-job", "8"] for r in range(2)]


# -- this rank's rows ------------------------------------------------------------------------------------------------


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
    assert [row for _, row in frame.to_table().iterrows()][0] == [1, 5.0]
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
    assert indexed.loc[8].to_dict()["z"] == [1] and indexed.columns == ["y", "z"] and list(indexed.index) == [9, 8, 7, 6]
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
    assert os.path.exists(Path(__file__).parents[2] / "docs" / "from-cylon.md")


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
