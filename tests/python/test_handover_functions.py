"""Functions whose time is too short for the job: they hand over, epoch after epoch, and the rows are the same."""

from __future__ import annotations

import json
import os

import pandas as pd
import pyarrow.parquet as pq
import pytest
from local_stacks import SOAK, jobs_on

#: As many stages as are asked for, each of some seconds; the rows do not depend on where it was cut.
WORK = """
import os, signal, time
import weft
env = weft.init(connect_timeout=60)
frame = weft.DataFrame({"k": range(env.rank, 4000, env.world_size)}, env=env).assign(n=weft.col("k") * 0)
for number in range(int(os.environ["STAGES"])):
    with env.stage(f"stage-{number}") as s:
        if s.todo:
            print("run", number, "in epoch", env.epoch, flush=True)
            end = time.monotonic() + float(os.environ["SECONDS"])
            while time.monotonic() < end:
                time.sleep(0.25)
                frame.sort_values("k")
            s.frame = frame.assign(n=frame["n"] + number)
    frame = s.frame
frame.to_parquet(os.environ["WEFT_OUTPUT"])
with open("rows", "w") as file:
    file.write(f"{env.epoch} {frame.total_rows()}")
env.close()
"""


def output_of(jobs, name: str, folder) -> list[dict]:
    """The rows that a job has put at its output."""
    bucket, s3, rows = jobs.stack.outputs["Bucket"], jobs.stack.client("s3"), []
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"{name}/_weft_manifest.json")["Body"].read())
    for number, part in enumerate(manifest["parts"]):
        path = folder / f"{name}-{number}.parquet"
        path.write_bytes(s3.get_object(Bucket=bucket, Key=f"{name}/{part}")["Body"].read())
        rows += pq.read_table(path).to_pylist()
    return rows


def run(jobs, name: str, tmp_path, stages: int, seconds: float, **options):
    bucket = jobs.stack.outputs["Bucket"]
    variables = {"STAGES": str(stages), "SECONDS": str(seconds)}
    result = jobs.run(WORK, 2, hang=600.0, environment=variables, output=f"s3://{bucket}/{name}", job=name, **options)
    rows = output_of(jobs, name, tmp_path)
    assert sorted((row["k"], row["n"]) for row in rows) == [(k, stages * (stages - 1) // 2) for k in range(4000)]
    return result


@pytest.mark.parametrize(
    ("limit", "stages", "seconds", "least"), [(20, 5, 5.0, 1)] if not SOAK else [(20, 5, 5.0, 1), (30, 16, 6.0, 4)]
)
def test_a_time_limit_that_is_too_short(tmp_path, limit, stages, seconds, least):
    """More hand-overs than a job has attempts: they do not count as such."""
    with jobs_on(tmp_path / "stack", Timeout=limit) as jobs:
        result = run(jobs, "handed", tmp_path, stages, seconds, max_epochs=1)
        assert result["epoch"] >= least
        assert jobs.file(result, "rows", 1) == f"{result['epoch']} 4000".encode()
        store = jobs.store(result)
        handed = [epoch for epoch in range(result["epoch"]) if store.exists(f"epoch-{epoch}/handover.json")]
        assert handed == list(range(result["epoch"]))
        reports = [store.get_json(f"epoch-{epoch}/rank-00000.json") for epoch in handed]
        # A host that is too busy may end one that has told, and is about to end by itself.
        assert all(report["state"] == "handover" and report["code"] in (75, -9, -15) for report in reports), reports
        assert all("its time limit" in report["error"] for report in reports)
        # A stage that was finished is never run again.
        logs = [(store.get(f"epoch-{epoch}/rank-00000.log") or b"").decode() for epoch in range(result["epoch"] + 1)]
        for number in range(stages):
            finished = [log for log in logs if f"run {number} in" in log]
            assert 1 <= len(finished) <= 2, (number, logs)
        print(f"{result['epoch']} hand-overs, {result['seconds']:.1f} s in the last epoch")
        jobs.idle()


#: One stage with one merge, longer than a function may run; a part takes seconds, as if the links were slow.
MERGE = """
import json, os, time
import numpy as np
import weft
from weft import _core
env = weft.init(connect_timeout=60, boundary_bytes=os.environ["BYTES"])
i = np.arange(env.rank, 20_000, env.world_size)
left = weft.DataFrame({"k": i * 7919 % 5000, "a": i}, env=env)
right = weft.DataFrame({"k": i * 104729 % 8000, "b": i}, env=env)
real = _core.join

def join(*sides, **options):
    time.sleep(float(os.environ["SECONDS"]))
    return real(*sides, **options)

_core.join = join
try:
    with env.stage("joined") as s:
        if s.todo:
            s.made = left.merge(right, "left", "k")
finally:
    print(json.dumps(env.stats()["checkpoints"]["parts"]) + "\\n", end="", flush=True)
s.made.to_parquet(os.environ["WEFT_OUTPUT"])
env.close()
"""


@pytest.mark.parametrize(
    ("limit", "parts", "seconds", "least"), [(20, 14, 1.5, 1)] if not SOAK else [(20, 14, 1.5, 1), (30, 60, 2.0, 4)]
)
def test_a_limit_in_the_middle_of_a_long_merge(tmp_path, limit, parts, seconds, least):
    """Nothing but that merge's parts is saved, each is done once, and the rows are pandas'."""
    with jobs_on(tmp_path / "stack", Timeout=limit) as jobs:
        bucket = jobs.stack.outputs["Bucket"]
        variables = {"BYTES": str(2 * 20_000 * 16 // 2 // parts + 1), "SECONDS": str(seconds)}
        result = jobs.run(
            MERGE, 2, hang=900.0, environment=variables, output=f"s3://{bucket}/merged", job="merged", max_epochs=9
        )
        assert result["epoch"] >= least
        store, restored = jobs.store(result), 0
        for epoch in range(result["epoch"] + 1):
            told = []
            for rank in range(2):
                log = (store.get(f"epoch-{epoch}/rank-{rank:05d}.log") or b"").decode()
                told += [json.loads(line) for line in log.splitlines() if line.startswith('{"done"')]
            if not told:
                # A host that is too busy does not even come to the first part in time: a failed attempt.
                assert epoch < result["epoch"]
                continue
            assert all(one == told[0] for one in told), told
            merged = restored == parts
            if epoch < result["epoch"]:
                report = store.get_json(f"epoch-{epoch}/rank-00000.json")
                handed = report["state"] == "handover" and "its time limit" in report["error"]
                # A write has no boundary inside: where a busy host makes it slow the limit ends it, after the merge.
                cut = report["state"] == "out_of_time" and report["phase"].startswith("write")
                assert handed or (cut and restored + told[0]["done"] == parts), report
                assert merged or told[0]["done"] == told[0]["saved"] > 0
            # The merge that is over comes back as its stage, not by its parts.
            assert told[0]["restored"] == (0 if merged else restored)
            restored += told[0]["done"]
        assert restored == parts
        i = pd.Series(range(20_000))
        left, right = pd.DataFrame({"k": i * 7919 % 5000, "a": i}), pd.DataFrame({"k": i * 104729 % 8000, "b": i})
        expected = left.merge(right, "left", "k")
        rows = [(row["k"], row["a"], row["b"]) for row in output_of(jobs, "merged", tmp_path)]
        assert sorted(rows) == sorted(expected[["k", "a", "b"]].itertuples(index=False, name=None))
        print(f"{result['epoch']} hand-overs inside one merge of {parts} parts")
        jobs.idle()


def test_a_limit_where_there_is_no_boundary(tmp_path):
    """Nothing can be agreed on there: the ranks are ended, and the next epoch begins at the last stage."""
    script = WORK.replace("frame.sort_values(", "time.sleep(float(os.environ['SECONDS'])), frame.sort_values(")
    with jobs_on(tmp_path / "stack", Timeout=20) as jobs:
        bucket = jobs.stack.outputs["Bucket"]
        variables = {"STAGES": "3", "SECONDS": "9"}
        result = jobs.run(
            script, 2, hang=600.0, environment=variables, output=f"s3://{bucket}/long", job="long", max_epochs=1
        )
        assert result["epoch"] >= 1 and jobs.file(result, "rows", 0).endswith(b" 4000")
        jobs.idle()


@pytest.mark.skipif(not SOAK, reason="a minute and more: WEFT_SOAK=1")
def test_a_stage_that_never_fits(tmp_path):
    """No progress is no hand-over: the attempts are counted, and the cause says what to do."""
    with jobs_on(tmp_path / "stack", Timeout=12) as jobs:
        bucket = jobs.stack.outputs["Bucket"]
        failure = jobs.fails(
            WORK, 2, environment={"STAGES": "1", "SECONDS": "60"}, output=f"s3://{bucket}/never", max_epochs=2
        )
        assert "no stage and no checkpoint was finished" in failure.cause and "after 2 epochs" in failure.cause
        jobs.idle()


@pytest.mark.skipif(not SOAK, reason="a minute and more: WEFT_SOAK=1")
def test_killed_and_restored(tmp_path):
    """A function that is killed costs an attempt; the next one begins where the checkpoints end."""
    script = WORK.replace(
        "    frame = s.frame\n",
        "    frame = s.frame\n"
        "    if number == 1 and env.epoch == 0:\n"
        "        env.checkpoint('all-is-valid', wait=True)\n"
        "        if env.rank == 1:\n"
        "            os.kill(os.getppid(), signal.SIGKILL)\n"
        "            time.sleep(60)\n",
    )
    with jobs_on(tmp_path / "stack") as jobs:
        bucket = jobs.stack.outputs["Bucket"]
        variables = {"STAGES": "3", "SECONDS": "0.5"}
        result = jobs.run(script, 2, environment=variables, output=f"s3://{bucket}/killed", job="killed")
        assert result["epoch"] == 1
        log = (jobs.store(result).get("epoch-1/rank-00000.log") or b"").decode()
        assert "run 0 " not in log and "run 1 " not in log and "run 2 " in log
        assert os.environ.get("WEFT_HOME")
        jobs.idle()
