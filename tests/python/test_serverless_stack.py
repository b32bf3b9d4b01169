"""Whole jobs on the local stack, deployed from the shipped template, with real functions, S3, state machine, rendezvous."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from local_stacks import SOAK, jobs_on
from paper_join import joined_rows

from weft.serverless import flat
from weft.serverless.job_store import JobStore
from weft.serverless.jobs import JobFailed

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = [sys.executable, "-m", "weft.cli"]

#: Each rank leaves what it sees.
LOOK = """
import json, os, weft
env = weft.init()
total = env.allreduce(env.rank + 1)
names = sorted(os.environ)
with open("seen.json", "w") as file:
    json.dump({"rank": env.rank, "world": env.world_size, "total": total, "job": env.job, "epoch": env.epoch,
               "names": names, "files": sorted(os.listdir()), "home": sorted(os.listdir(os.environ["HOME"])),
               "tmp": os.environ["TMPDIR"], "output": os.environ.get("WEFT_OUTPUT"), "input": os.environ.get("WEFT_INPUT")}, file)
open(os.environ["TMPDIR"] + "/left-behind", "w").write("x")
print("rank", env.rank, "of", env.world_size)
env.close()
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    with jobs_on(tmp_path_factory.mktemp("stack"), concurrency=70) as made:
        yield made


@pytest.mark.parametrize("world", [1, 2, 4, 8, *([16, 64] if SOAK else [])])
def test_the_papers_join(jobs, world):
    arguments = ["--rows", "2000", "--iterations", "2", "--csv", "join.csv"]
    # Many processes start one after another on a few cores.
    waits = {"WEFT_CONNECT_TIMEOUT": "400"} if world > 8 else {}
    hang = 900.0 if world > 8 else 240.0
    result = jobs.run(EXAMPLES / "scaling_join.py", world, hang=hang, arguments=arguments, environment=waits)
    lines = list(csv.DictReader(io.StringIO(jobs.file(result, "join.csv").decode())))
    assert [line["rank"] for line in lines] == ["0", "1"]
    assert {int(line["tot_l"]) for line in lines} == {joined_rows(world, 2000)}
    assert result["epoch"] == 0 and result["world_size"] == world and result["cost"] > 0
    assert world == 1 or (result["rows"] > 0 and result["bytes"] > 0)
    jobs.idle()


def test_what_a_script_sees(jobs):
    places = {name: f"s3://{jobs.stack.outputs['Bucket']}/{name}" for name in ("input", "output")}
    result = jobs.run(LOOK, 3, **places, environment={"MINE": "1"})
    assert result["links"] == {"host": 3}
    assert len({sandbox for sandbox in jobs.stack.host._all}) >= 3
    for rank in range(3):
        seen = jobs.json(result, "seen.json", rank)
        assert (seen["rank"], seen["world"], seen["total"], seen["job"], seen["epoch"]) == (
            rank,
            3,
            6,
            result["job"],
            0,
        )
        assert "MINE" in seen["names"] and {**seen, **places} == seen and seen["files"] == ["seen.json"]
        # Warm functions have run other jobs before: nothing of those is there.
        assert "left-behind" not in seen["home"]
        left = [
            name for name in seen["names"] if name.startswith("AWS_LAMBDA") or name in ("WEFT_SECRET", "WEFT_BUCKET")
        ]
        assert left == [] and not os.path.exists(seen["tmp"] + "/left-behind")


def test_what_a_script_leaves_running(jobs):
    """A process that has gone to a session of its own, and a directory without rights, do not outlive the rank."""
    script = """
    import os, subprocess, sys
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sleep", ["weft-stray", "600"])
        os._exit(0)
    os.wait()
    os.makedirs(os.environ["HOME"] + "/locked/inner")
    os.chmod(os.environ["HOME"] + "/locked", 0)
    """

    def strays() -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [str(entry)] if entry.read_bytes().startswith(b"weft-stray") else []
            except OSError:
                pass
        return found

    jobs.run(script, 1)
    assert strays() == []
    jobs.idle()


def test_secrets_are_nowhere(jobs):
    """Neither in the execution's input, nor in objects, nor in what was printed."""
    from weft.serverless.secret_store import job_secret

    result = jobs.run(LOOK, 2)
    store = jobs.store(result)
    job = store.get_json("job.json")
    secret = job_secret(job["secret"], job["job"])
    key = jobs.stack._rendezvous_key
    texts = [store.get(name) for name in store.list("")]
    texts += [sandbox.log.read_bytes() for sandbox in jobs.stack.host._all]
    assert len(texts) > 8
    for text in texts:
        assert secret.encode() not in text and key.encode() not in text


def test_a_secret_wrapped_by_kms(jobs):
    key = jobs.stack.client("kms").create_key()["KeyMetadata"]["KeyId"]
    result = jobs.run(LOOK, 2, kms_key=key)
    job = jobs.store(result).get_json("job.json")
    assert list(job["secret"]) == ["kms"]


def test_a_folder_of_scripts(jobs):
    main = jobs.write("import part, weft\nenv = weft.init()\nopen('out', 'w').write(part.text(env.rank))\n", "main.py")
    (main.parent / "part.py").write_text("def text(rank):\n    return f'part {rank}'\n")
    result = jobs.run(main.parent, 2)
    assert [jobs.file(result, "out", rank) for rank in range(2)] == [b"part 0", b"part 1"]


def test_events_above_the_states_limit(jobs):
    """All ranks' events are 400 KB together, and a state holds 256: they go by way of S3."""
    script = "import sys\nopen('length', 'w').write(str(len(sys.argv[1])))\n"
    result = jobs.run(script, 4, arguments=["x" * 100_000])
    assert [jobs.file(result, "length", rank) for rank in range(4)] == [b"100000"] * 4
    assert jobs.store(result).list("epoch-0/ranks.json")["epoch-0/ranks.json"] > 400_000


def test_tables_on_s3(jobs):
    bucket = jobs.stack.outputs["Bucket"]
    script = """
    import os, weft
    env = weft.init()
    frame = weft.DataFrame({"a": [env.rank] * 5, "b": range(5)}, env=env)
    frame.to_parquet(os.environ["WEFT_OUTPUT"])
    again = weft.read_parquet(os.environ["WEFT_OUTPUT"], env=env)
    assert again.total_rows() == 5 * env.world_size
    """
    jobs.run(script, 2, output=f"s3://{bucket}/tables/one")
    text = jobs.stack.client("s3").get_object(Bucket=bucket, Key="tables/one/_weft_manifest.json")["Body"].read()
    assert len(json.loads(text)["parts"]) == 2


def test_the_papers_payload(jobs):
    """Flat, unsigned, with the script where it lies on S3; result files where the payload names them."""
    bucket = jobs.stack.outputs["Bucket"]
    s3, machine = jobs.stack.client("s3"), jobs.stack.client("stepfunctions")
    s3.put_object(Bucket=bucket, Key="scripts/scaling_join.py", Body=(EXAMPLES / "scaling_join.py").read_bytes())
    payload = {
        "S3_BUCKET": bucket, "S3_OBJECT_NAME": "scripts", "S3_OBJECT_TYPE": "folder", "SCRIPT": "scaling_join.py",
        "SCALING": "s", "WORLD_SIZE": "2", "ITERATIONS": "2", "CYLON_OPERATION": "join", "ROWS": "3000", "UNIQUENESS": "0.9",
        "OUTPUT_SUMMARY_FILENAME": "/tmp/sum.csv", "S3_SUMMARY_OBJECT_NAME": "results/sum.csv",
        "OUTPUT_SCALING_FILENAME": "/tmp/watch.csv", "S3_STOPWATCH_OBJECT_NAME": "results/watch.csv",
        "CYLON_LOG_LEVEL": "INFO", "FMI_MAX_TIMEOUT": "60000",
    }  # fmt: skip
    assert flat.is_flat(payload)
    arn = machine.start_execution(
        stateMachineArn=jobs.stack.outputs["StateMachineArn"], name="paper-1", input=json.dumps(payload)
    )["executionArn"]
    end = time.monotonic() + 120
    while (found := machine.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < end
        time.sleep(0.2)
    assert found["status"] == "SUCCEEDED", found.get("cause")
    summary = list(
        csv.DictReader(io.StringIO(s3.get_object(Bucket=bucket, Key="results/sum.csv")["Body"].read().decode()))
    )
    assert {int(line["tot_l"]) for line in summary} == {joined_rows(2, 3000, "strong")}
    watch = list(
        csv.DictReader(io.StringIO(s3.get_object(Bucket=bucket, Key="results/watch.csv")["Body"].read().decode()))
    )
    assert [line["timer"] for line in watch] == [
        "join_0_lambda_3000_2",
        "join_1_lambda_3000_2",
        "join_total_lambda_3000_2",
    ]
    assert list(watch[0]) == ["timer", "status", "time", "sum", "start", "tag", "msg", "node", "user", "os", "version"]


def test_a_rerun_answers_with_the_result(jobs):
    first = jobs.run(LOOK, 2, job="rerun")
    count = len(jobs.stack.host.invocations)
    again = jobs.run(LOOK, 2, job="rerun")
    assert {**again, "cost": 0} == {**first, "cost": 0}
    handlers = [invocation.function.handler for invocation in jobs.stack.host.invocations[count:]]
    assert handlers == ["weft.serverless.handlers.init"]
    for other in ({"world_size": 3}, {"arguments": ["--more"]}, {"script": "import weft\nweft.init().close()\n"}):
        with pytest.raises(ValueError, match="there is a job 'rerun' already, of another program, world or arguments"):
            jobs.start(**{"script": LOOK, "world_size": 2, "job": "rerun", **other})


def test_what_a_failing_script_says(jobs, caplog):
    script = """
    import weft
    env = weft.init()
    for line in range(150):
        print("line", line, flush=True)
    if env.rank == 1:
        raise ValueError("the data is wrong")
    env.barrier()
    """
    failure = jobs.fails(script, 2)
    assert failure.error == "Weft.Failed"
    assert "rank 1 failed: ValueError: the data is wrong" in failure.cause
    lines = failure.cause.splitlines()
    assert "line 149" in lines and "line 40" not in lines
    assert not [record for record in caplog.records if record.name.startswith("moto")]
    jobs.idle()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys\nsys.exit(7)\n", "exit code 7"),
        ("import nothing_like_it\n", "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("x = (\n", "SyntaxError"),
        ("import weft\nweft.read_csv('none.csv', env=weft.init())\n", "none.csv': No such file or directory\n"),
    ],
)
def test_scripts_that_no_other_epoch_helps(jobs, script, said):
    failure = jobs.fails(script, 1)
    assert said in failure.cause and "epochs" not in failure.cause


def test_what_init_refuses(jobs):
    assert "cannot run at once" in jobs.fails(LOOK, 71).cause
    assert "is above the deployment's bound" in jobs.fails(LOOK, 1001).cause
    with pytest.raises(ValueError, match="weft deploy aws --memory 512"):
        jobs.start(LOOK, 2, memory=512)


def test_what_init_refuses_and_says(jobs):
    """Each with the way out; the function itself is asked."""
    from weft.serverless import submit
    from weft.serverless.event import sign
    from weft.serverless.function_host import FunctionError
    from weft.serverless.secret_store import job_secret

    stack = jobs.stack
    (name,) = [name for name, function in stack.host.functions.items() if function.handler.endswith(".init")]

    def said(job) -> str:
        event = job if isinstance(job, dict) else sign(job, job_secret(job.secret, job.job)).to_json()
        with pytest.raises(FunctionError) as caught:
            stack.host.invoke(name, {"event": event, "execution": "x", "epoch": 0})
        return str(caught.value)

    job, made, _, _ = submit.prepare(submit.Submission(str(jobs.write(LOOK)), world_size=1, job="refused"))
    assert "submit the job again" in said(job)
    store = JobStore(job.storage)
    store.put("package/manifest.json", made.manifest)
    assert "the package lacks 'script.py'" in said(job)
    store.put("package/files/script.py", made.files["script.py"])
    assert "script 'other.py' is not in the package, which has: script.py" in said(
        dataclasses.replace(job, script="other.py")
    )
    wrong = dataclasses.replace(job, rendezvous_key=job.secret)
    assert "does not take its key" in said(wrong)
    assert "run `weft deploy aws --memory 512`" in said(dataclasses.replace(job, memory=512))
    flat = {
        "S3_BUCKET": stack.outputs["Bucket"], "S3_OBJECT_NAME": "none/script.py", "S3_OBJECT_TYPE": "file",
        "SCRIPT": "script.py", "WORLD_SIZE": "1", "ROWS": "1",
    }  # fmt: skip
    assert "none/script.py: upload it, or mend S3_OBJECT_NAME" in said(flat)
    store.put_json("job.json", {"not": "this one"})
    assert "another job has the name 'refused'" in said(job)


def test_a_changed_program_is_not_run(jobs):
    """The hash of each file is in the manifest, whose hash is in the signed job."""
    from weft.serverless import submit

    script = jobs.write(LOOK)
    job, made, target, _ = submit.prepare(submit.Submission(str(script), world_size=1, job="changed"))
    evil = {"script.py": b"open('evil', 'w')"}

    class Swapped(type(made)):
        pass

    handle = submit.start(job, Swapped(evil, made.manifest), target, submit.Submission(str(script)))
    with pytest.raises(JobFailed, match="is not the file that the manifest names"):
        jobs.finish(handle)
    from weft.serverless import package

    other = package.of_bytes(evil)
    handle = submit.start(
        submit.prepare(submit.Submission(str(script), world_size=1, job="changed-2"))[0], other, target,
        submit.Submission(str(script)),
    )  # fmt: skip
    with pytest.raises(JobFailed, match="manifest is not the one that the signed job names"):
        jobs.finish(handle)


def test_a_changed_job_is_not_run(jobs):
    from weft.serverless import submit
    from weft.serverless.event import sign
    from weft.serverless.secret_store import job_secret

    job = submit.prepare(submit.Submission(str(jobs.write(LOOK)), world_size=1, job="forged"))[0]
    value = sign(job, job_secret(job.secret, job.job)).to_json()
    value["script"] = "other.py"
    machine = jobs.stack.client("stepfunctions")
    arn = machine.start_execution(
        stateMachineArn=jobs.stack.outputs["StateMachineArn"], name="forged", input=json.dumps(value)
    )["executionArn"]
    while (found := machine.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.1)
    assert found["status"] == "FAILED" and "signature" in found["cause"]


def test_conditional_writes_let_one_win(jobs):
    store = JobStore({"bucket": jobs.stack.outputs["Bucket"], "prefix": "race"})
    for turn in range(10):
        start = threading.Barrier(8)

        def put(number: int, turn: int = turn, start: threading.Barrier = start) -> bool:
            start.wait()
            return store.put_new(f"turn-{turn}", b"%d" % number)

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(put, range(8)))
        assert sum(won) == 1 and store.get(f"turn-{turn}") == b"%d" % won.index(True)
        assert store.put_new(f"turn-{turn}", b"%d" % won.index(True))


def weft(*arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_command_line(jobs, tmp_path):
    script = EXAMPLES / "scaling_join.py"
    plan = weft("submit", str(script), "--world-size", "16", "--dry-run", "--expect-seconds", "100", folder=tmp_path)
    assert plan.returncode == 0 and "16 functions of 1024 MB" in plan.stdout and "together" in plan.stdout
    done = weft(
        *("submit", str(script), "--launcher", "lambda", "--world-size", "2", "--job", "by-hand", "--follow", "--"),
        *("--rows", "1000", "--csv", "join.csv"),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "2/2 ranks up" in done.stdout and "cost: 0.0" in done.stdout and "### weak sort join, world 2" in done.stdout
    assert (tmp_path / "weft-results/by-hand/join.csv").exists()
    assert "[0] ### weak" in (tmp_path / "weft-results/by-hand/weft.log").read_text()
    assert "by-hand: done, epoch 0, 2/2 ranks up" in weft("status", "by-hand", folder=tmp_path).stdout
    assert "### weak" in weft("logs", "by-hand", "--rank", "0", folder=tmp_path).stdout
    assert weft("status", "nobody", folder=tmp_path).returncode == 2
    assert "there is no script" in weft("submit", "none.py", folder=tmp_path).stderr


def test_the_same_script_here(jobs, tmp_path):
    done = weft(
        *(
            "submit",
            str(EXAMPLES / "scaling_join.py"),
            "--launcher",
            "local",
            "--world-size",
            "2",
            "--job",
            "here",
            "--",
        ),
        *("--rows", "1000", "--csv", "join.csv"),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    results = Path(done.stdout.rpartition("results: ")[2].strip())
    assert (results / "join.csv").exists()
    assert "here: done, 2 ranks" in weft("status", "here", folder=tmp_path).stdout
    assert "### weak" in weft("logs", "here", folder=tmp_path).stdout


def test_cancel(jobs, tmp_path):
    script = "import time, weft\nenv = weft.init()\nprint('up', flush=True)\ntime.sleep(600)\n"
    job = jobs.start(script, 2)
    end = time.monotonic() + 60
    while not all(sandbox.children() for sandbox in jobs.stack.host.busy()) or len(jobs.stack.host.busy()) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert weft("cancel", job.job, folder=tmp_path).returncode == 0
    with pytest.raises(JobFailed):
        jobs.finish(job, hang=60)
    assert job.status()["state"] in ("cancelled", "failed")
    jobs.idle()


def test_ctrl_c_cancels(jobs, tmp_path):
    import signal

    path = jobs.write("import time, weft\nenv = weft.init()\ntime.sleep(600)\n")
    process = subprocess.Popen(
        [*COMMAND, "submit", str(path), "--world-size", "2", "--follow"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "2/2 ranks up" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "cancelling" in err
    jobs.idle(60)


def test_the_manifests_conditional_put(jobs):
    from weft import committing

    bucket = jobs.stack.outputs["Bucket"]
    host = jobs.stack.s3_url.removeprefix("http://")
    assert committing.put_new(f"{bucket}/put-new", "", b"1") is True
    for suffix in ("", f"?endpoint_override={host}&scheme=http&region=us-east-1"):
        assert committing.put_new(f"{bucket}/put-new", suffix, b"2") is False
    assert committing.put_new(f"{bucket}/other", "?role_arn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx", b"1") is None
    assert jobs.stack.client("s3").get_object(Bucket=bucket, Key="put-new")["Body"].read() == b"1"
    # In the place of the one that was seen, and of no other.
    assert committing.put_if(f"{bucket}/put-new", "", b"3", b"1") is True
    assert committing.put_if(f"{bucket}/put-new", "", b"4", b"1") is False
    assert committing.put_if(f"{bucket}/put-gone", "", b"5", b"1") is False
    assert jobs.stack.client("s3").get_object(Bucket=bucket, Key="put-new")["Body"].read() == b"3"


def test_outputs_of_two_attempts_at_one_moment(jobs, tmp_path):
    """Many writers of one new directory on S3: one manifest stays, and the others are told."""
    script = """
    import sys, time, weft
    from pathlib import Path
    env = weft.init()
    frame = weft.DataFrame({"a": [int(sys.argv[2])] * 3}, env=env)
    Path(sys.argv[3] + "-ready-" + sys.argv[2]).touch()
    while not Path(sys.argv[3] + "-go").exists():
        time.sleep(0.001)
    try:
        frame.to_parquet(sys.argv[1])
        print("written")
    except FileExistsError as error:
        print("refused", error)
    """
    path = jobs.write(script)
    bucket = jobs.stack.outputs["Bucket"]
    for turn in range(10 if SOAK else 1):
        uri, mark = f"s3://{bucket}/attempts/{turn}", str(tmp_path / f"turn-{turn}")
        processes = [
            subprocess.Popen([sys.executable, str(path), uri, str(number), mark], stdout=subprocess.PIPE, text=True)
            for number in range(4)
        ]
        end = time.monotonic() + 60
        while len(list(tmp_path.glob(f"turn-{turn}-ready-*"))) < 4:
            assert time.monotonic() < end
            time.sleep(0.01)
        Path(mark + "-go").touch()
        said = [process.communicate(timeout=120)[0].split()[0] for process in processes]
        assert sorted(said) == ["refused"] * 3 + ["written"], said
        read = f"import weft; print(weft.read_parquet({uri!r}).to_pandas().a.tolist())"
        found = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, timeout=60, check=True)
        assert found.stdout.strip() == str([said.index("written")] * 3)
