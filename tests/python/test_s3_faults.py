"""S3 that answers 503 or 500 or breaks connections, now and then or always, and credentials that it does not know: reads,
writes and checkpoints come to the right end after retries, or to a clear error on all ranks; never to half an output."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from s3_trouble import Trouble

from weft.serverless.local_s3 import LocalS3, find_gateway

boto3 = pytest.importorskip("boto3")
SOAK = bool(os.environ.get("WEFT_SOAK"))
KINDS = ["slow", "error", "reset"]


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> Iterator[LocalS3]:
    try:
        find_gateway()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with LocalS3(tmp_path_factory.mktemp("s3")) as server:
        client(server).create_bucket(Bucket="weft")
        yield server


def client(server: LocalS3) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        aws_access_key_id=server.access,
        aws_secret_access_key=server.secret,
        region_name="us-east-1",
    )


@pytest.fixture
def trouble(s3) -> Iterator[Trouble]:
    """Before the server; no trouble yet."""
    proxy = Trouble(s3.port, every=0)
    yield proxy
    proxy.shutdown()
    proxy.server_close()


def variables(s3: LocalS3, proxy: Trouble, **more: str) -> dict[str, str]:
    return {**s3.environment, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{proxy.server_port}", **more}


def objects(s3: LocalS3, prefix: str) -> list[str]:
    found = client(s3).list_objects_v2(Bucket="weft", Prefix=prefix).get("Contents", [])
    return sorted(item["Key"] for item in found)


WORK = """
    import os, sys, time
    import weft
    folder = sys.argv[1]
    env = weft.init()
    keys = range(env.rank, 3000, env.world_size)
    weft.DataFrame({"k": keys, "a": keys}, env=env).to_parquet(f"{folder}/in")
    for turn in range(int(sys.argv[2])):
        left = weft.read_parquet(f"{folder}/in", env=env)
        env.checkpoint("loop", left, state=turn, wait=True)
        found = env.restore("loop")
        assert found.state == turn and found.frames[0].total_rows() == 3000
        joined = left.merge(found.frames[0].rename(columns={"a": "b"}), on="k")
        joined.to_parquet(f"{folder}/out", overwrite=True)
    made = weft.read_parquet(f"{folder}/out", env=env).sort_values("k").gather(0)
    if env.rank == 0:
        table = made.to_pydict()
        assert table == {"k": list(range(3000)), "a": list(range(3000)), "b": list(range(3000))}
        print("right", flush=True)
    env.close()
"""


@pytest.mark.parametrize("kind", KINDS)
def test_now_and_then(launch, s3, trouble, kind, figure):
    trouble.kind, trouble.every = kind, 9
    where = f"s3://weft/then-{kind}"
    begin = time.monotonic()
    done = launch.ok(
        WORK, 2, arguments=[where, "10" if SOAK else "2"], options=["--checkpoint-dir", f"{where}/kept"],
        **variables(s3, trouble),
    )  # fmt: skip
    assert done.out == "right\n" and trouble.refused > 10
    figure(f"{kind}: {trouble.refused} of {trouble.count} requests refused, {time.monotonic() - begin:.1f} s")
    # Of the output one manifest is there and what it names, of the checkpoints nothing.
    parts = objects(s3, f"then-{kind}/out/")
    assert len([key for key in parts if "part-" in key]) == 2, parts
    assert all(key.endswith("/") for key in objects(s3, f"then-{kind}/kept/"))


#: Each says that it is about to ask for something; then S3 refuses everything.
ALWAYS = """
    import os, sys, time
    import weft
    where, what = sys.argv[1:3]
    env = weft.init(timeout=300)
    frame = weft.DataFrame({"k": range(1000), "a": range(1000)}, env=env)
    frame.to_parquet(f"{where}/in")
    env.checkpoint("first", frame, state="first", wait=True)
    env.barrier()
    open(f"ready-{env.rank}", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.02)
    begin = time.monotonic()
    try:
        if what == "read":
            weft.read_parquet(f"{where}/in", env=env)
        elif what == "write":
            frame.to_parquet(f"{where}/out")
        elif what == "checkpoint":
            env.checkpoint("second", frame, wait=True)
        elif what == "restore":
            env.restore("first")
    except (OSError, weft.CommunicatorError) as problem:
        print(f"told {env.rank} {time.monotonic() - begin:.1f} s {type(problem).__name__} {problem}", flush=True)
        raise
    print("nothing was wrong", flush=True)
"""
CASES = [(kind, what) for kind in KINDS for what in ("read", "write", "checkpoint", "restore")]
FEW = [("slow", "write"), ("slow", "checkpoint"), ("error", "read"), ("reset", "checkpoint"), ("reset", "restore")]


@pytest.mark.parametrize(("kind", "what"), CASES if SOAK else FEW)
def test_always(launch, wait_for, s3, trouble, kind, what, figure):
    """An error on both ranks within two minutes that says what was asked for and where; what was there stays valid."""
    name = f"always-{kind}-{what}"
    where = f"s3://weft/{name}"
    process = launch.start(
        ALWAYS, 2, [where, what], ["--checkpoint-dir", f"{where}/kept"], WEFT_JOB=name, **variables(s3, trouble)
    )
    wait_for(lambda: all((launch.folder / f"ready-{rank}").exists() for rank in range(2)), 60)
    before = objects(s3, name)
    trouble.kind, trouble.every = kind, 1
    (launch.folder / "go").touch()
    done = launch.finish(process, time.monotonic(), 180)
    told = re.findall(r"^told (\d) ([\d.]+) s (\w+) (.*)$", done.out, re.MULTILINE)
    assert done.code == 1 and len(told) == 2 and "nothing was wrong" not in done.out, done.text
    place = {"read": "/in", "write": "/out", "checkpoint": "checkpoint-second", "restore": "checkpoint-first"}[what]
    for _, seconds, _, text in told:
        assert float(seconds) < 120 and "rank " in text and f"{name}" in text and place in text, told
        assert re.search({"slow": "SLOW_DOWN|SlowDown|503", "error": "INTERNAL|500", "reset": "NETWORK|[Cc]onnection|reset|curl"}[kind], text), told  # fmt: skip
    figure(f"{kind}, {what}: {max(float(seconds) for _, seconds, _, _ in told):.1f} s")
    # Nothing new that a reader would take, and nothing gone.
    trouble.every = 0
    after = objects(s3, name)
    assert set(before) <= set(after)
    assert not any("manifest" in key for key in set(after) - set(before)), after
    again = """
        import sys, weft
        env = weft.init(epoch=1)
        found = env.restore("first")
        assert found.state == "first" and found.frames[0].total_rows() == 2000
        assert env.restore("second") is None
        assert weft.read_parquet(sys.argv[1] + "/in", env=env).total_rows() == 2000
        if env.rank == 0:
            print("whole", flush=True)
    """
    done = launch.ok(
        again, 2, arguments=[where], options=["--checkpoint-dir", f"{where}/kept"], WEFT_JOB=name, **s3.environment
    )
    assert done.out == "whole\n"


@pytest.mark.parametrize("wrong", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_wrong_credentials(launch, s3, wrong):
    """At once: these are no passing troubles."""
    begin = time.monotonic()
    done = launch(
        """
        import sys, weft
        env = weft.init()
        frame = weft.DataFrame({"a": [1]}, env=env)
        for name, call in [
            ("read", lambda: weft.read_parquet("s3://weft/nothing", env=env)),
            ("write", lambda: frame.to_parquet("s3://weft/denied")),
            ("restore", lambda: env.restore("x")),
            ("checkpoint", lambda: env.checkpoint("x", frame, wait=True)),
        ]:
            try:
                call()
                print("taken", name, flush=True)
            except OSError as problem:
                print(f"told {name}: {problem}", flush=True)
        """,
        2,
        options=["--checkpoint-dir", "s3://weft/denied-kept"],
        **{**s3.environment, wrong: "nobody"},
    )
    lines = [line for line in done.out.splitlines() if line.startswith("told")]
    assert len(lines) == 8 and "taken" not in done.out, done.text
    for line in lines:
        assert re.search(
            "ACCESS_DENIED|SIGNATURE|INVALID_ACCESS_KEY|No user exists|Forbidden|403|AccessDenied", line
        ), line
        assert "rank " in line, line
    assert time.monotonic() - begin < 40
    assert not objects(s3, "denied")
