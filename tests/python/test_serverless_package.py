"""Programs as packages, and what is refused; reports and what they mean; prices."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weft.serverless import package, plan
from weft.serverless.rank_report import STALE, billed_seconds, judge


def test_pack_and_unpack(tmp_path):
    source = tmp_path / "source"
    (source / "sub" / "__pycache__").mkdir(parents=True)
    (source / "main.py").write_text("print(1)\n")
    (source / "sub" / "part.py").write_bytes(b"x = 2\n")
    (source / "sub" / "__pycache__" / "part.pyc").write_bytes(b"junk")
    (source / "link.py").symlink_to("main.py")
    made, single = package.pack(source)
    assert single is None and set(made.files) == {"main.py", "sub/part.py", "link.py"}
    entries = package.parse_manifest(made.manifest, made.digest)
    assert entries["sub/part.py"] == {"sha256": hashlib.sha256(b"x = 2\n").hexdigest(), "bytes": 6}
    package.unpack(entries, made.files.__getitem__, tmp_path / "target")
    assert (tmp_path / "target/sub/part.py").read_bytes() == b"x = 2\n"
    assert package.pack(source / "main.py") == (package.of_bytes({"main.py": b"print(1)\n"}), "main.py")
    with pytest.raises(FileNotFoundError):
        package.pack(tmp_path / "nothing.py")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//x", ".", "", "a/./b", "a\\b", "a\0b", "x/.."])
def test_names_that_lead_out(name, tmp_path):
    with pytest.raises(package.PackageError):
        package.of_bytes({name: b""})
    text = json.dumps({"version": 1, "files": {name: {"sha256": "0" * 64, "bytes": 0}}}).encode()
    with pytest.raises(package.PackageError):
        package.parse_manifest(text, hashlib.sha256(text).hexdigest())
    with pytest.raises(package.PackageError):
        package.unpack({name: {"sha256": hashlib.sha256(b"").hexdigest(), "bytes": 0}}, lambda _: b"", tmp_path / "t")


def test_links_out_of_the_folder(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.py").write_text("")
    (source / "out").symlink_to("/etc")
    with pytest.raises(package.PackageError, match="link"):
        package.pack(source)


def test_changed_files_and_manifests(tmp_path):
    made = package.of_bytes({"a.py": b"good"})
    entries = package.parse_manifest(made.manifest, made.digest)
    with pytest.raises(package.PackageError, match=r"a\.py"):
        package.unpack(entries, lambda _: b"evil", tmp_path / "target")
    assert not (tmp_path / "target" / "a.py").exists()
    with pytest.raises(package.PackageError, match="manifest"):
        package.parse_manifest(made.manifest + b" ", made.digest)
    for text in (b"{}", b"[]", b"x", b'{"version":1,"files":{"a":{}}}', b'{"version":2,"files":{}}'):
        with pytest.raises(package.PackageError):
            package.parse_manifest(text, hashlib.sha256(text).hexdigest())


def report(rank, state, **more):
    return {"rank": rank, "state": state, "time": time.time(), **more}


def test_verdicts():
    done = {0: report(0, "done"), 1: report(1, "done")}
    assert judge(done, 2, 0, 3, "").next == "done"
    running = {0: report(0, "done"), 1: report(1, "running")}
    # A duplicate answered for the rank that still runs.
    assert judge(running, 2, 0, 3, "").next == "wait"
    # The map has failed: nobody runs any more.
    assert judge(running, 2, 0, 3, "States.ExceedToleratedFailureThreshold").next == "retry"
    silent = {0: report(0, "done"), 1: {**report(1, "running"), "time": time.time() - 2 * STALE}}
    assert judge(silent, 2, 0, 3, "").next == "retry"
    assert judge({0: report(0, "done"), 1: None}, 2, 0, 3, "x").next == "retry"
    assert judge({0: report(0, "done"), 1: None}, 2, 2, 3, "x").next == "failed"
    own = report(1, "failed", error="ValueError: wrong", exception="ValueError: wrong", code=1, lines=["a", "b"])
    peer = report(0, "failed", error="PeerLost: rank 1", exception="PeerLost: rank 1", code=1, about_peer=True)
    found = judge({0: peer, 1: own}, 2, 0, 3, "x")
    assert found.next == "failed" and found.cause.startswith("rank 1 failed: ValueError: wrong\nlast lines")
    agreed = "ValueError: rank 0: cannot open s3://: Missing bucket name in S3 URI"
    both = {rank: report(rank, "failed", error=agreed, exception=agreed, code=1, about_peer=True) for rank in range(2)}
    assert judge(both, 2, 0, 3, "x").next == "failed"
    lost = {rank: {**peer, "rank": rank} for rank in range(2)}
    assert judge(lost, 2, 0, 3, "x").next == "retry"
    killed = report(1, "failed", error="signal 9 (SIGKILL)", code=-9)
    assert judge({0: peer, 1: killed}, 2, 0, 3, "x").next == "retry"
    assert judge({0: peer, 1: None}, 2, 0, 3, "x").next == "retry"
    exited = report(1, "failed", error="exit code 3", code=3)
    assert judge({0: report(0, "done"), 1: exited}, 2, 0, 3, "x").next == "failed"
    late = report(1, "out_of_time", error="stopped", code=-15)
    assert judge({0: peer, 1: late}, 2, 0, 3, "x").error == "Weft.OutOfTime"


def test_verdicts_on_hand_overs():
    over = {rank: report(rank, "handover", error="HandOver: epoch 0", checkpoints=1 - rank) for rank in range(2)}
    assert judge(over, 2, 0, 1, "").next == "handover"
    # One has not ended yet; one was lost on its way out.
    assert judge({**over, 1: report(1, "running")}, 2, 0, 3, "").next == "wait"
    assert judge({**over, 1: report(1, "running")}, 2, 0, 3, "States.X").next == "handover"
    assert judge({**over, 1: None}, 2, 0, 3, "x").next == "retry"
    # Nothing was saved: an attempt.
    idle = {rank: {**over[rank], "checkpoints": 0} for rank in over}
    assert judge(idle, 2, 0, 3, "").next == "retry"
    found = judge(idle, 2, 2, 3, "")
    assert found.next == "failed" and "no stage and no checkpoint was finished" in found.cause
    # Stopped by the limit in the middle of a stage: with checkpoints the next attempt comes further.
    peer = report(0, "failed", error="PeerLost: rank 1", exception="PeerLost: rank 1", code=1, about_peer=True)
    late = report(1, "out_of_time", error="stopped", code=-15)
    assert judge({0: {**peer, "checkpoints": 2}, 1: late}, 2, 0, 1, "x").next == "handover"
    assert judge({0: {**peer, "checkpoints": 0}, 1: late}, 2, 0, 3, "x").next == "failed"


def test_seconds_that_are_billed():
    now = 1000.0
    done = {"state": "done", "seconds": 30.0, "begin": 0.0, "time": 30.0}
    assert billed_seconds([done, None, {**done, "state": "failed"}], now) == 60.0
    # It runs, and what it has run is billed.
    assert billed_seconds([done, {"state": "running", "begin": 900.0, "time": now - 1}], now) == 130.0
    # It was killed: its last sign of life is its end, however late one looks.
    silent = {"state": "running", "begin": 100.0, "time": 120.0}
    assert billed_seconds([silent], now) == billed_seconds([silent], 2 * now) == 20.0


SCRIPT = "from pathlib import Path\nimport weft\nwith weft.init() as env:\n    Path(f'{env.rank}').touch()\n"


def submit(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return weft(folder, "submit", "script.py", *arguments, **variables)


def weft(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of somebody who has told the AWS library nothing."""
    (folder / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
        "WEFT_HOME": str(folder / "home"), **variables,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "weft.cli", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "set AWS_DEFAULT_REGION"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"),
        ({"AWS_PROFILE": "nobody"}, "nobody"),
    ],
)
def test_settings_of_aws_that_are_missing(tmp_path, variables, words):
    pytest.importorskip("boto3")
    done = submit(tmp_path, "--world-size", "2", **variables)
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch("weft submit: .*\n", done.stderr) and words in done.stderr, done.stderr


def test_results_of_a_run_on_this_host(tmp_path):
    done = submit(tmp_path, "--launcher", "local", "--world-size", "2", "--results", "mine", "--job", "here")
    assert done.returncode == 0 and "results: mine\n" in done.stdout, done.stderr
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["0", "1"]
    assert weft(tmp_path, "cancel", "here").stdout == "here is done: there is nothing to cancel\n"
    done = weft(tmp_path, "logs", "here", "--rank", "2")
    assert done.returncode == 2 and done.stderr == "weft logs: --rank 2: the ranks of here are 0 to 1\n"


@pytest.mark.parametrize("launcher", ["local", "lambda", "slurm", "ecs"])
def test_a_world_of_no_rank(tmp_path, launcher):
    done = submit(tmp_path, "--launcher", launcher, "--world-size", "0")
    assert done.returncode == 2 and done.stderr == "weft submit: --world-size 0 is below 1\n"


def test_prices_can_be_replaced(tmp_path, monkeypatch):
    own = plan.Prices.load()
    numbers = {"world_size": 64, "memory": 6144, "billed_seconds": 640.0, "wall_seconds": 10.0}
    parts = plan.cost(own, **numbers)
    assert parts["functions"] == pytest.approx(640 * 6 * 0.0000166667 + 66 * 2e-7)
    assert parts["state machine"] == pytest.approx((7 + 3 * 64) * 0.000025)
    assert "NAT gateway" in plan.cost(own, **numbers, network="vpc")
    other = tmp_path / "prices.json"
    values = {**own.values, "lambda_gb_second": 1.0}
    other.write_text(json.dumps({"date": "2030-01-01", "region": "here", "currency": "EUR", **values}))
    monkeypatch.setenv("WEFT_PRICES", str(other))
    assert plan.Prices.load().date == "2030-01-01"
    assert plan.cost(plan.Prices.load(), **numbers)["functions"] == pytest.approx(640 * 6 + 66 * 2e-7)
    other.write_text("{}")
    with pytest.raises(ValueError, match="prices"):
        plan.Prices.load()
