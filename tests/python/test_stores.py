"""Jobs that meet over a file store and over Redis, started by hand as on hosts that share nothing else."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time

import pytest

from weft.serverless.local_s3 import free_port

WORKER = """
    import sys
    import weft
    assert "hiredis" not in open("/proc/self/maps").read()
    with weft.init(connect_timeout=60) as env:
        print(env.rank, env.epoch, env.allreduce(env.rank + 1), flush=True)
        if sys.argv[1:] == ["wait"]:
            sys.stdin.readline()
            assert env.allreduce(1) == env.world_size
"""

PASSWORD = "s3cr%t/word"
ENCODED = "s3cr%25t%2Fword"


class Workers:
    """Processes that know a store, a job and a secret, and nothing else."""

    def __init__(self, folder, store):
        self.script = folder / "worker.py"
        import textwrap

        self.script.write_text(textwrap.dedent(WORKER))
        self.environment = {
            **os.environ,
            "WEFT_STORE": store,
            "WEFT_JOB": "by-hand",
            "WEFT_SECRET": secrets.token_hex(32),
        }
        self.started = []

    def start(self, *arguments, world_size=2, **more):
        process = subprocess.Popen(
            [sys.executable, self.script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, "WEFT_WORLD_SIZE": str(world_size), **more},
        )
        self.started.append(process)
        return process

    def finish(self, *processes):
        lines = []
        for process in processes:
            try:
                process.stdin.write("\n")
                process.stdin.flush()
            except BrokenPipeError:
                pass  # has ended, and its error is below
        for process in processes:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
            lines += out.split("\n")[:-1]
        return sorted(lines)

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def file_workers(tmp_path):
    (tmp_path / "store").mkdir()
    made = Workers(tmp_path, f"file://{tmp_path}/store")
    yield made
    made.close()


@pytest.fixture
def redis(tmp_path):
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    port = free_port("127.0.0.1")
    config = tmp_path / "redis.conf"
    config.write_text(f'port {port}\nbind 127.0.0.1\nsave ""\nrequirepass "{PASSWORD}"\n')
    server = subprocess.Popen(["redis-server", config], stdout=subprocess.DEVNULL, cwd=tmp_path)
    yield server, f"redis://:{ENCODED}@127.0.0.1:{port}/2"
    server.kill()
    server.wait()


def test_a_job_over_files(file_workers):
    workers = file_workers
    assert workers.finish(workers.start(), workers.start()) == ["0 0 3", "1 0 3"]
    # The next run of the same name needs nothing to be cleared.
    assert workers.finish(workers.start(), workers.start()) == ["0 1 3", "1 1 3"]


def test_an_attempt_that_died_half_joined(file_workers, tmp_path, wait_for):
    workers = file_workers
    marks = tmp_path / "store" / "job-by-hand" / "0.d"
    dead = workers.start()
    wait_for(lambda: (marks / "rank%2F0.v").exists())
    dead.kill()
    dead.wait()
    # The first of the next attempt takes the place that is left, the second finds none and begins another epoch.
    first = workers.start()
    wait_for(lambda: (marks / "rank%2F1.v").exists())
    assert workers.finish(workers.start(), first) == ["0 1 3", "1 1 3"]


def test_an_attempt_that_died_after_it_had_said_where_it_is(file_workers, tmp_path, wait_for):
    workers = file_workers
    epochs = tmp_path / "store" / "job-by-hand"
    dead = workers.start()
    wait_for(lambda: (epochs / "0.d" / "all%2Ftcp%2Faddress%2F0.v").exists())
    dead.kill()
    dead.wait()
    # The first of the next attempt finds nobody there, and begins another epoch by itself, which the second joins.
    first = workers.start()
    wait_for(lambda: (epochs / "1.d" / "rank%2F0.v").exists())
    assert workers.finish(workers.start(), first) == ["0 1 3", "1 1 3"]


def test_a_job_over_redis_that_goes_away(tmp_path, redis, wait_for):
    server, url = redis
    workers = Workers(tmp_path, url)
    try:
        both = [workers.start("wait"), workers.start("wait")]
        lines = sorted(process.stdout.readline() for process in both)
        assert lines == ["0 0 3\n", "1 0 3\n"]
        server.kill()
        server.wait()
        begin = time.monotonic()
        assert workers.finish(*both) == []
        assert time.monotonic() - begin < 30
    finally:
        workers.close()


@pytest.mark.parametrize(
    ("store", "words"),
    [
        (f"redis://:{ENCODED}@127.0.0.1:1", ["127.0.0.1:1", "cannot be reached", "redis-server"]),
        (f"redis://user:{ENCODED}@127.0.0.1:port", ["port 'port'"]),
        (f"radish://user:{ENCODED}@127.0.0.1", ["radish://...@127.0.0.1", "redis://", "file://"]),
        ("file://host/dir", ["absolute path"]),
        ("file:///proc/no/such", ["/proc/no/such", "No such file"]),
    ],
)
def test_stores_that_cannot_be_had(store, words):
    import weft

    begin = time.monotonic()
    with pytest.raises((ValueError, weft.CommunicatorError)) as caught:
        weft.init(store=store, job="j", secret="0" * 64, world_size=2, connect_timeout=1)
    assert time.monotonic() - begin < 20
    for word in words:
        assert word in str(caught.value)
    assert ENCODED not in str(caught.value) and PASSWORD not in str(caught.value)


def test_twice_and_late_are_refused_by_name(file_workers):
    workers = file_workers
    both = [workers.start("wait", WEFT_EPOCH="4", WEFT_RANK=str(rank)) for rank in range(2)]
    assert sorted(process.stdout.readline() for process in both) == ["0 4 3\n", "1 4 3\n"]
    for epoch, words in (("4", "rank 1 is taken already: this worker is a duplicate"), ("3", "epoch 4 of this job")):
        process = workers.start(WEFT_EPOCH=epoch, WEFT_RANK="1")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and "Superseded" in err and words in err, err
    process = workers.start(WEFT_EPOCH="4", WEFT_RANK="2", world_size=3)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "world size 3, the epoch began with 2" in err
    assert workers.finish(*both) == []


def test_a_killed_job_leaves_no_lock(file_workers, tmp_path, wait_for):
    workers = file_workers
    for number in range(3):
        process = workers.start()
        wait_for(lambda: any((tmp_path / "store").rglob("rank*.v")))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(workers.finish(workers.start(), workers.start())) == 2, number
