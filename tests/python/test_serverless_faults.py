"""What goes wrong with functions: each ends with one right output or a clear failure, never two, never a hang."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time

import pyarrow.parquet as pq
import pytest
from local_stacks import SOAK, jobs_on
from s3_trouble import Trouble

from weft.serverless import plan
from weft.serverless.finishing import read_reports
from weft.serverless.function_host import FunctionError
from weft.serverless.jobs import JobFailed
from weft.serverless.rank_report import STALE

#: Joins, writes a directory of Parquet to S3, leaves a file; dies where it is told to, in the first epoch.
WORK = """
import os, signal, sys, time
import weft

def die(phase):
    if os.environ.get("DIE") == phase and os.environ["WEFT_RANK"] == "1" and os.environ["WEFT_EPOCH"] == "0":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

die("rendezvous")
env = weft.init(connect_timeout=30)
die("linked")
left = weft.DataFrame({"k": range(env.rank, 4000, env.world_size), "a": range(env.rank, 4000, env.world_size)}, env=env)
right = weft.DataFrame({"k": range(env.rank, 4000, env.world_size), "b": range(env.rank, 4000, env.world_size)}, env=env)
joined = left.merge(right, on="k")
die("joined")
joined.to_parquet(os.environ["WEFT_OUTPUT"], overwrite=os.environ.get("OVERWRITE") == "1")
die("written")
with open("rows", "w") as file:
    file.write(str(joined.total_rows()))
die("last")
env.close()
"""

PHASES = ["rendezvous", "linked", "joined", "written", "last"]


def output(jobs, name: str) -> str:
    return f"s3://{jobs.stack.outputs['Bucket']}/{name}"


def check(jobs, result, name: str, tmp_path, world: int = 2) -> None:
    """One whole output is what readers see, and one result."""
    s3, bucket = jobs.stack.client("s3"), jobs.stack.outputs["Bucket"]
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"{name}/_weft_manifest.json")["Body"].read())
    assert len(manifest["parts"]) == world
    keys = []
    for number, part in enumerate(manifest["parts"]):
        path = tmp_path / f"{name}-{number}.parquet"
        path.write_bytes(s3.get_object(Bucket=bucket, Key=f"{name}/{part}")["Body"].read())
        table = pq.read_table(path)
        assert table["a"] == table["k"] == table["b"]
        keys += table["k"].to_pylist()
    assert sorted(keys) == list(range(4000))
    for rank in range(world):
        assert jobs.file(result, "rows", rank) == b"4000"
    assert {entry["key"].split("/")[0] for entry in result["files"]} == {f"epoch-{result['epoch']}"}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    with jobs_on(tmp_path_factory.mktemp("stack")) as made:
        yield made


CASES = [(phase, overwrite) for phase in PHASES for overwrite in "01"]


@pytest.mark.parametrize(
    ("phase", "overwrite"), CASES if SOAK else [("rendezvous", "0"), ("joined", "0"), ("written", "0"), ("last", "1")]
)
def test_a_killed_executor(jobs, phase, overwrite, tmp_path):
    """Where the first epoch had written its output, and nothing is to be overwritten, that output counts."""
    name = f"killed-{phase}-{overwrite}"
    environment = {"DIE": phase, "OVERWRITE": overwrite}
    result = jobs.run(WORK, 2, environment=environment, output=output(jobs, name))
    assert result["epoch"] == 1
    check(jobs, result, name, tmp_path)
    s3, bucket = jobs.stack.client("s3"), jobs.stack.outputs["Bucket"]
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"{name}/_weft_manifest.json")["Body"].read())
    first = phase in ("written", "last") and overwrite == "0"
    assert manifest["token"] == f"{result['job']}-{0 if first else 1}.0"
    # No part is left that does not count.
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/part")["Contents"]]
    assert sorted(keys) == sorted(f"{name}/{part}" for part in manifest["parts"])
    jobs.idle()


@pytest.mark.parametrize("phase", ["claimed", "script", "log"] if SOAK else ["claimed"])
def test_an_executor_killed_between_its_own_steps(jobs, phase, tmp_path):
    """Killed from outside as soon as S3 shows that it is there."""
    name = f"own-{phase}"
    job = jobs.start(WORK, 2, output=output(jobs, name), job=name)
    store, end = jobs.store({"job": name}), time.monotonic() + 60
    ending = {"claimed": ".claim", "script": ".json", "log": ".log"}[phase]
    while not store.exists(f"epoch-0/rank-00001{ending}"):
        assert time.monotonic() < end
        time.sleep(0.01)
    for sandbox in jobs.stack.host.busy():
        current = sandbox.current
        if current is not None and isinstance(current.event, dict) and current.event.get("rank") == 1:
            sandbox.kill()
    result = jobs.finish(job)
    check(jobs, result, name, tmp_path)
    assert result["epoch"] in ((0, 1) if phase == "log" else (1,))
    jobs.idle()


def test_epochs_are_bounded(jobs):
    script = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time\ntime.sleep(60)\n"
    failure = jobs.fails(script, 1, max_epochs=2)
    assert "after 2 epochs: rank 0" in failure.cause
    # The map itself has failed, as on AWS, where moto alone would let it succeed.
    assert "States.ExceedToleratedFailureThreshold" in failure.cause
    jobs.idle()


def deliver_again(delays: list[float], counts: int):
    """Delivers every event once more after each of the delays, the others beside it or after it; the answer that counts
    is that of delivery `counts`, the first one being 0."""
    threads: list[threading.Thread] = []
    answers: list[tuple[int, object]] = []

    def deliver(invocation, run):
        import dataclasses
        import queue

        boxes: dict[int, object] = {}

        def once(number, one, wait):
            time.sleep(wait)
            try:
                boxes[number] = run(one)
            except FunctionError as error:
                boxes[number] = error
            answers.append((number, boxes[number]))

        started = [threading.Thread(target=once, args=(0, invocation, 0.0))]
        for number, delay in enumerate(delays, 1):
            again = dataclasses.replace(invocation, answer=queue.Queue())
            started.append(threading.Thread(target=once, args=(number, again, delay)))
        for thread in started:
            thread.start()
            threads.append(thread)
        started[counts].join()
        found = boxes[counts]
        if isinstance(found, FunctionError):
            raise found
        return found

    return deliver, threads, answers


def run_delivered_again(jobs, name: str, delays: list[float], counts: int, tmp_path) -> None:
    host = jobs.stack.host
    host.deliver, threads, answers = deliver_again(delays, counts)
    try:
        result = jobs.run(WORK, 2, output=output(jobs, name))
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()
    finally:
        host.deliver = None
    check(jobs, result, name, tmp_path)
    states = [answer.get("state") for _, answer in answers if isinstance(answer, dict) and "state" in answer]
    assert states.count("done") == 2 * (result["epoch"] + 1) or result["epoch"] > 0
    assert states.count("superseded") >= 2 * len(delays)
    jobs.idle()


@pytest.mark.parametrize("second_counts", [False, True])
@pytest.mark.parametrize("delay", [0.0, 1.0, 5.0, 30.0] if SOAK else [0.0, 2.0])
def test_every_event_is_delivered_twice(jobs, delay, second_counts, tmp_path):
    run_delivered_again(jobs, f"twice-{delay:g}-{second_counts}", [delay], int(second_counts), tmp_path)


THRICE = [(delays, counts) for delays in ([0.0, 0.0], [0.0, 2.0], [1.0, 30.0]) for counts in range(3)]


@pytest.mark.parametrize(("delays", "counts"), THRICE if SOAK else [([0.0, 2.0], 1)])
def test_every_event_is_delivered_three_times(jobs, delays, counts, tmp_path):
    run_delivered_again(jobs, "thrice-" + "-".join(f"{d:g}" for d in [*delays, counts]), delays, counts, tmp_path)


def test_a_late_rank_of_an_old_epoch(jobs):
    """Its function, which would end it, is stopped; it is refused where the ranks meet. Delivered again it runs nothing."""
    script = """
    import os, signal, time
    import weft
    if os.environ["WEFT_EPOCH"] == "0":
        if os.environ["WEFT_RANK"] == "1":
            time.sleep(4)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        os.kill(os.getppid(), signal.SIGSTOP)
        try:
            weft.init(connect_timeout=200)
        except weft.Superseded as refused:
            print("refused:", refused, flush=True)
        os.kill(os.getppid(), signal.SIGCONT)
        raise SystemExit
    env = weft.init(connect_timeout=60)
    assert env.allreduce(1) == 2
    open("rows", "w").write(str(env.epoch))
    """
    job = jobs.start(script, 2)
    result = jobs.finish(job)
    assert result["epoch"] == 1 and [jobs.file(result, "rows", rank) for rank in range(2)] == [b"1", b"1"]
    jobs.idle()
    store = jobs.store(result)
    assert b"refused: " in (store.get("epoch-0/rank-00000.log") or b"")
    # Each epoch costs what it took.
    reports = [report for epoch in range(2) for report in read_reports(store, epoch, 2).values()]
    ended = [report for report in reports if report["state"] != "running"]
    silent = [report for report in reports if report["state"] == "running"]
    seconds = sum(report["seconds"] for report in ended)
    assert len(ended) == 3 and len(silent) == 1 and reports[0]["seconds"] > 4
    while time.time() < silent[0]["time"] + STALE + 1:
        time.sleep(1)
    seconds += silent[0]["time"] - silent[0]["begin"]
    status = job.status()
    parts = plan.cost(
        plan.Prices.load(), world_size=2, memory=1024, billed_seconds=seconds, wall_seconds=status["seconds"], epochs=2
    )
    assert status["cost"] == pytest.approx(sum(parts.values()))
    old = store.get_json("epoch-0/ranks.json")[0]
    store._s3.delete_object(Bucket=store.bucket, Key=store.key("epoch-0/rank-00000.claim"))
    assert jobs.stack.host.invoke(jobs.stack.outputs["ExecutorFunction"], old)["state"] == "superseded"


def test_a_rendezvous_that_is_down(tmp_path):
    variables = {"WEFT_RENDEZVOUS_SECONDS": "8"}
    with jobs_on(tmp_path, rendezvous_up=False, variables=variables) as jobs:
        failure = jobs.fails(WORK, 2, output=output(jobs, "down"))
        assert "does not answer" in failure.cause and "weft rendezvous" in failure.cause
        job = jobs.start(WORK, 2, output=output(jobs, "up-late"))
        time.sleep(2)
        jobs.stack.start_rendezvous()
        result = jobs.finish(job)
        check(jobs, result, "up-late", tmp_path)


def test_time_runs_out(tmp_path):
    """A script that hangs is ended in good order; a function that hangs itself is killed by its limit."""
    with jobs_on(tmp_path, Timeout=40) as jobs:
        hang = """
        import os, signal, time, weft
        env = weft.init()
        signal.signal(signal.SIGTERM, lambda *_: (print("asked to end", flush=True), os._exit(3)))
        print("working", flush=True)
        time.sleep(600)
        """
        failure = jobs.fails(hang, 2)
        assert failure.error == "Weft.OutOfTime" and "--timeout" in failure.cause and "asked to end" in failure.cause
        jobs.idle()
        stop = """
        import os, signal, sys, time
        if os.environ["WEFT_RANK"] == "1" and os.environ["WEFT_EPOCH"] == "0":
            os.kill(os.getppid(), signal.SIGSTOP)
            time.sleep(600)
        import weft
        weft.init(connect_timeout=15).barrier()
        """
        result = jobs.run(stop, 2)
        assert result["epoch"] == 1
        jobs.idle(60)  # the one that hangs has its whole limit


def test_s3_that_is_busy(tmp_path):
    proxies = []

    def front(port: int) -> int:
        proxies.append(Trouble(port, every=9))
        return proxies[0].server_port

    with jobs_on(tmp_path, s3_front=front) as jobs:
        for turn in range(10 if SOAK else 2):
            result = jobs.run(WORK, 2, output=output(jobs, f"busy-{turn}"))
            check(jobs, result, f"busy-{turn}", tmp_path)
        assert proxies[0].refused > 10
        jobs.idle()
    proxies[0].shutdown()
    proxies[0].server_close()


@pytest.mark.skipif(not SOAK, reason="WEFT_SOAK=1")
def test_kills_at_any_time(jobs, tmp_path):
    """Forty jobs of which one executor is killed at a random moment."""
    chance = random.Random(7)
    for turn in range(int(os.environ.get("WEFT_SOAK_TURNS", "40"))):
        name = f"any-{turn}"
        job = jobs.start(WORK, 3, output=output(jobs, name), job=name)
        time.sleep(chance.uniform(0.2, 5.0))
        busy = [s for s in jobs.stack.host.busy() if s.function.handler.endswith(".executor")]
        if busy:
            os.kill(chance.choice(busy).process.pid, signal.SIGKILL)
        try:
            check(jobs, jobs.finish(job), name, tmp_path, 3)
        except JobFailed as failure:
            pytest.fail(f"turn {turn}: {failure}")
        jobs.idle()
