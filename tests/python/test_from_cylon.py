"""`weft.compat.pycylon`: scripts for pycylon run unchanged, alone and over ranks, and answer what pandas answers;
docs/from-cylon.md has every name."""

from __future__ import annotations

import inspect
import secrets
import shutil
import subprocess
import sys
from enum import IntEnum
from pathlib import Path

import cylon_scripts
import numpy as np
import pandas as pd
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
            assert "weft.compat" not in path.read_text(), path
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
        found, expected = (frame.sort_values(list(expected.columns), ignore_index=True) for frame in (found, expected))
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
    done = launch.ok(Path("weft.compat.pycylon"), ranks=ranks, arguments=[str(path), str(folder)], options=["-m"])
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
    done = launch.ok(Path("weft.compat.pycylon"), ranks=2, arguments=[str(path)], options=["-m"])
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
