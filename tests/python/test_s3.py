"""S3, for real: the ranks of `weft run` against moto's server."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weft.serverless.local_s3 import free_port

pytest.importorskip("moto.server")

HERE = Path(__file__).parent


@contextlib.contextmanager
def moto(log: Path, **environment: str) -> Iterator[str]:
    """The URL of a server."""
    port = free_port("127.0.0.1")
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=sink,
            stderr=sink,
            env={**os.environ, **environment},
        )
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, "moto's server ended"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto(tmp_path_factory.mktemp("moto") / "log") as url:
        yield url


def aws(endpoint: str, **more: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


MAKE_BUCKET = """
import pyarrow.fs, os
s3 = pyarrow.fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"], allow_bucket_creation=True)
s3.create_dir("weft")
"""


@pytest.fixture(scope="module")
def bucket(endpoint: str) -> str:
    made = subprocess.run(
        [sys.executable, "-c", MAKE_BUCKET],
        env={**os.environ, **aws(endpoint)},
        timeout=120,
        check=False,
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    return endpoint


def test_every_format_to_the_bucket_and_back(bucket: str, launch: Any) -> None:
    launch.ok(
        """
        import weft
        with weft.init() as env:
            table = {"i": list(range(20)), "s": [f"text {i}" for i in range(20)]}
            part = {name: values[env.rank * 10:env.rank * 10 + 10] for name, values in table.items()}
            df = weft.DataFrame(part, env=env)
            root = "s3://weft/formats"
            df.to_parquet(f"{root}/p")
            df.to_csv(f"{root}/c")
            df.to_json(f"{root}/j", orient="records", lines=True)
            df.to_feather(f"{root}/f")
            for made in (
                weft.read_parquet(f"{root}/p", env=env),
                weft.read_parquet(f"{root}/p/*.parquet", env=env),
                weft.read_parquet([f"{root}/p"], filters=[("i", ">=", 0)], env=env),
                weft.read_csv(f"{root}/c", split_bytes=1, env=env),
                weft.read_csv(f"{root}/c/part-*.csv", split_bytes=1, env=env),
                weft.read_json(f"{root}/j", lines=True, split_bytes=1, env=env),
                weft.read_feather(f"{root}/f", env=env),
                weft.read_parquet({0: f"{root}/p"}, env=env),
            ):
                whole = made.allgather()
                assert whole.to_pydict() == table, whole.to_pydict()
            try:
                df.to_parquet(f"{root}/p")
                raise AssertionError("an output was there")
            except FileExistsError as error:
                assert "formats/p" in str(error)
            df.head(4).to_parquet(f"{root}/p", overwrite=True)
            assert weft.read_parquet(f"{root}/p", env=env).total_rows() == 4
        """,
        ranks=2,
        **aws(bucket),
    )  # fmt: skip


def test_one_file_and_hive_partitions(bucket: str, launch: Any) -> None:
    launch.ok(
        """
        import pyarrow.fs, os, weft
        with weft.init() as env:
            df = weft.DataFrame({"k": ["a", "b/c", "a"], "v": [1 + env.rank, 2, 3]}, env=env)
            root = "s3://weft/hive"
            df.to_parquet(root, partition_cols=["k"])
            rows = sorted(zip(*weft.read_parquet(root, env=env).allgather().to_pydict().values()))
            assert rows == [(1, "a"), (2, "a"), (2, "b/c"), (2, "b/c"), (3, "a"), (3, "a")], rows
            few = weft.read_parquet(f"{root}/k=*/*.parquet", filters=[("k", "=", "b/c")], env=env)
            assert few.allgather().to_pydict() == {"v": [2, 2], "k": ["b/c", "b/c"]}
            df.to_parquet(root, partition_cols=["k"], overwrite=True)
            assert weft.read_parquet(root, env=env).total_rows() == 6
            if env.rank == 0:
                s3 = pyarrow.fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"])
                names = [info.path for info in s3.get_file_info(pyarrow.fs.FileSelector("weft/hive", recursive=True))]
                # Nothing of what was replaced is left.
                assert len([name for name in names if name.endswith(".parquet")]) == 4, names
                df.local().to_csv("s3://weft/one.csv", index=False)
                assert weft.read_csv("s3://weft/one.csv").to_pydict() == df.local().to_pydict()
                df.local().to_csv("s3://weft/one.csv.gz")
                assert weft.read_csv("s3://weft/one.csv.gz").to_pydict() == df.local().to_pydict()
        """,
        ranks=2,
        **aws(bucket),
    )  # fmt: skip


FAILS = """
import sys, weft
with weft.init() as env:
    try:
        weft.read_parquet(sys.argv[1], env=env)
    except OSError as error:
        print(env.rank, type(error).__name__, error)
    try:
        weft.DataFrame({"a": [1]}, env=env).to_parquet(sys.argv[1] + "-out")
    except OSError as error:
        print(env.rank, type(error).__name__, error)
"""


def test_what_is_not_there(bucket: str, launch: Any) -> None:
    done = launch.ok(FAILS, ranks=2, arguments=["s3://weft/nothing/here"], **aws(bucket))
    assert len(re.findall(r"FileNotFoundError.*nothing/here", done.out)) == 2, done.out
    done = launch.ok(FAILS, ranks=2, arguments=["s3://no-such-bucket/x"], **aws(bucket))
    assert sum("no-such-bucket" in line for line in done.out.splitlines()) == 4, done.out


def test_no_server_is_an_error_and_no_hang(launch: Any) -> None:
    begin = time.monotonic()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = launch.ok(FAILS, ranks=2, arguments=["s3://weft/x"], **aws(endpoint))
    assert done.out.count("OSError") == 4, done.out
    assert time.monotonic() - begin < 100


def test_wrong_credentials_are_an_error_on_every_rank(launch: Any, tmp_path: Path) -> None:
    # This server knows no key at all.
    with moto(tmp_path / "log", INITIAL_NO_AUTH_ACTION_COUNT="0") as url:
        done = launch.ok(FAILS, ranks=2, arguments=["s3://weft/x"], **aws(url))
    for rank in "01":
        lines = [line for line in done.out.splitlines() if line.startswith(rank)]
        assert len(lines) == 2 and all("OSError" in line and "ACCESS_DENIED" in line for line in lines), done.out
