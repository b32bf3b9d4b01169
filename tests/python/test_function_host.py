"""The host of functions, and AWS' own emulator as the measure of what it answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lambda_emulator import EMULATOR

from weft.serverless.function_host import Function, FunctionError, FunctionHost, Place
from weft.serverless.local_s3 import free_port

pytest.importorskip("awslambdaric")

HERE = Path(__file__).parent
FUNCTION = Function("one", "hosted_functions.choose", timeout=3.0, environment={"PYTHONPATH": str(HERE)})


@pytest.fixture
def host(tmp_path):
    made = FunctionHost(tmp_path, {})
    made.functions = {"one": FUNCTION}
    yield made
    made.close()


@contextlib.contextmanager
def emulator(folder: Path, handler: str, timeout: int = 3, **more: str):
    """A function that calls the emulator, which takes one event at a time."""
    if EMULATOR is None:
        pytest.skip("the emulator is not installed: tools/setup.sh all")
    binary = folder / "rie"
    binary.write_bytes(EMULATOR.read_bytes())
    binary.chmod(0o755)
    port = free_port("127.0.0.1")
    environment = {
        **os.environ, "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}", "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout), "AWS_LAMBDA_FUNCTION_NAME": "one", **more,
    }  # fmt: skip
    process = subprocess.Popen(
        [binary, "--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{free_port('127.0.0.1')}",
         sys.executable, "-m", "awslambdaric", handler],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip

    def invoke(event):
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, json.dumps(event).encode())
        for _ in range(200):
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None
                time.sleep(0.1)
        pytest.fail("the emulator does not answer")

    try:
        yield invoke
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_answers_as_the_emulators(host, tmp_path):
    """The same process under our host and under AWS' emulator."""
    with emulator(tmp_path, FUNCTION.handler) as theirs:
        code, body = theirs({"do": "well", "text": "é"})
        ours = host.invoke("one", {"do": "well", "text": "é"})
        assert (
            code == 200 and {**json.loads(body), "pid": 0, "name": 0} == {**ours, "pid": 0, "name": 0} and ours["left"]
        )
        code, body = theirs({"do": "fail"})
        with pytest.raises(FunctionError) as caught:
            host.invoke("one", {"do": "fail"})
        told = json.loads(body)
        for key in ("errorType", "errorMessage", "stackTrace"):
            assert caught.value.payload[key] == told[key]
        assert told["errorType"] == "KeyError"
    with emulator(tmp_path, FUNCTION.handler) as theirs:
        _, body = theirs({"do": "leave"})
        with pytest.raises(FunctionError, match="exited") as caught:
            host.invoke("one", {"do": "leave"})
        assert caught.value.payload["errorType"] == "Runtime.ExitError" == json.loads(body)["errorType"]
    with emulator(tmp_path, FUNCTION.handler) as theirs:
        code, body = theirs({"do": "hang"})
        with pytest.raises(FunctionError, match="timed out after 3.00 seconds") as caught:
            host.invoke("one", {"do": "hang"})
        assert code == 200 and b"timed out after 3" in body and caught.value.payload["errorType"] == "Sandbox.Timedout"


def test_warm_and_cold(host):
    first = host.invoke("one", {"do": "well"})["pid"]
    assert host.invoke("one", {"do": "well"})["pid"] == first
    with pytest.raises(FunctionError, match="KeyError"):
        host.invoke("one", {"do": "fail"})
    # An error leaves it warm; an exit does not.
    assert host.invoke("one", {"do": "well"})["pid"] == first
    with pytest.raises(FunctionError, match="exited"):
        host.invoke("one", {"do": "leave"})
    assert host.invoke("one", {"do": "well"})["pid"] != first
    with ThreadPoolExecutor(4) as pool:
        pids = list(pool.map(lambda _: host.invoke("one", {"do": "well"})["pid"], range(4)))
    assert len(set(pids)) >= 2


def test_a_handler_that_is_not_there(tmp_path):
    host = FunctionHost(tmp_path, {})
    host.functions = {"none": Function("none", "no_such_module.handler", timeout=3.0)}
    try:
        with pytest.raises(FunctionError, match="no_such_module"):
            host.invoke("none", {})
    finally:
        host.close()


def test_a_place_of_its_own(tmp_path):
    """Where a process runs is the caller's: here each sandbox has a leading command that says its number."""
    host = FunctionHost(tmp_path, {}, place=lambda number: Place(lead=("env", f"WEFT_PLACE={number}")))
    host.functions = {"one": Function("one", "hosted_functions.well", 3.0, environment={"PYTHONPATH": str(HERE)})}
    try:
        pid = host.invoke("one", {})["pid"]
        assert b"WEFT_PLACE=1" in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        host.close()
    assert not Path(f"/proc/{pid}").exists()


def test_the_executor_under_the_emulator(tmp_path):
    """A whole rank in AWS' own emulator: the shipped handler, a real job."""
    from local_stacks import jobs_on

    from weft.serverless import submit
    from weft.serverless.event import RankEvent, sign
    from weft.serverless.job_store import JobStore
    from weft.serverless.secret_store import job_secret

    with jobs_on(tmp_path / "jobs") as jobs:
        script = jobs.write("import weft\nwith weft.init() as env:\n    open('out', 'w').write(str(env.world_size))\n")
        job, made, _, _ = submit.prepare(submit.Submission(str(script), world_size=1, job="emulated"))
        job = sign(job, job_secret(job.secret, job.job))
        store = JobStore(job.storage)
        store.put("package/manifest.json", made.manifest)
        store.put("package/files/script.py", made.files["script.py"])
        with emulator(
            tmp_path, "weft.serverless.handlers.executor", 60, WEFT_EPHEMERAL=str(tmp_path / "ephemeral")
        ) as invoke:
            code, body = invoke(RankEvent(job, 0, 0).to_json())
        assert (code, json.loads(body)) == (200, {"rank": 0, "epoch": 0, "state": "done"})
        assert store.get("epoch-0/rank-00000/out") == b"1"
