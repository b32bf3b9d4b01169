"""The images, built here and run as containers. Takes minutes: WEFT_SOAK=1. Needs root, buildah, podman, runc."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import SOAK
from lambda_emulator import EMULATOR
from paper_join import joined_rows

from weft.serverless.local_s3 import free_port

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build/images"
EXAMPLES = ROOT / "examples"
DEFINITION = ROOT / "deploy/apptainer/weft.def"
PODMAN = [
    "podman", "--root", str(WORK / "storage"), "--runroot", str(WORK / "run"), "--storage-driver", os.environ.get("STORAGE_DRIVER", "vfs"),
    "--cgroup-manager=cgroupfs", "--runtime", "runc",
]  # fmt: skip

built = pytest.mark.skipif(
    not SOAK or os.geteuid() != 0 or not all(map(shutil.which, ("buildah", "podman", "runc", "debootstrap"))),
    reason="WEFT_SOAK=1, root and tools/setup.sh soak",
)


@pytest.fixture(scope="module")
def images():
    done = subprocess.run([ROOT / "tools/images.sh"], capture_output=True, text=True, timeout=3500)
    assert done.returncode == 0, done.stdout + done.stderr
    sizes = dict(re.findall(r"images: (\w+): (\d+) MB compressed", done.stdout))
    print(done.stdout, file=sys.__stdout__, flush=True)
    return {name: int(size) for name, size in sizes.items()}


class Containers:
    """Containers on the host's network, as one would run them: read-only, not root."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.started: list[subprocess.Popen[str]] = []

    def command(self, image: str, *arguments: str, options=(), **variables: str) -> list[str]:
        name = f"weft-{os.getpid()}-{secrets.token_hex(4)}"
        self.names.append(name)
        given = [f"--env={key}={value}" for key, value in variables.items()]
        head = [*PODMAN, "run", "--rm", "--name", name, "--network=host", "--read-only", "--tmpfs", "/tmp"]
        # Podman's own defaults may be above what this host lets be set.
        head += ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"]
        return [*head, *given, *options, f"localhost/weft-{image}", *arguments]

    def start(self, *arguments, **more) -> subprocess.Popen[str]:
        self.started.append(
            subprocess.Popen(
                self.command(*arguments, **more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return self.started[-1]

    def run(self, *arguments, **more) -> str:
        done = subprocess.run(self.command(*arguments, **more), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self) -> None:
        for name in self.names:
            subprocess.run([*PODMAN, "rm", "--force", "--ignore", "--time", "1", name], capture_output=True)
        for process in self.started:
            process.wait(timeout=60)


@pytest.fixture
def containers(images):
    made = Containers()
    yield made
    made.close()


@built
def test_sizes(images):
    assert set(images) == {"lambda", "worker", "rendezvous"} and max(images.values()) < 400


@built
def test_nobody_is_root_and_nothing_can_be_written(containers):
    script = (
        "import os\nassert os.getuid() == 65532 and os.getgid() != 0\n"
        "for place in ('/', '/opt/weft', '/var'):\n    assert not os.access(place, os.W_OK), place\n"
        "open('/tmp/here', 'w').write('x')\nimport weft; print(weft.__file__)"
    )
    out = containers.run("worker", "-c", script)
    assert re.match(r"/opt/weft/lib/python3[.0-9]*/site-packages/weft/__init__.py\n", out)
    doctor = containers.run("worker", "-m", "weft.cli", "doctor")
    assert "tcp" in doctor
    # The job scripts and the template go with the package.
    places = (
        "from weft.slurm.job import find_script; from weft.serverless import template; import os; os.chdir('/tmp'); "
    )
    out = containers.run("worker", "-c", places + "print(find_script('file'), template.find())")
    assert out.count("/opt/weft/lib/") == 2, out
    assert "weft-rendezvous" in containers.run("rendezvous", "--help")


@built
def test_a_world_of_four_containers(containers, tmp_path):
    """The server and four ranks, each in a container of its own; the join is pandas'."""
    key, secret, port = secrets.token_hex(32), secrets.token_hex(32), free_port("127.0.0.1")
    (tmp_path / "key").write_text(key)
    os.chown(tmp_path / "key", 65532, 65532)
    (tmp_path / "key").chmod(0o400)
    server = containers.start(
        "rendezvous",
        "--listen",
        f"127.0.0.1:{port}",
        "--key-file",
        "/key",
        options=[f"--volume={tmp_path}/key:/key:ro"],
    )
    ranks = [
        containers.start(
            "worker", "/scaling_join.py", "--rows", "5000", "--iterations", "2",
            options=[f"--volume={EXAMPLES}/scaling_join.py:/scaling_join.py:ro"],
            WEFT_RENDEZVOUS=f"127.0.0.1:{port}", WEFT_RENDEZVOUS_KEY=key, WEFT_JOB="four", WEFT_SECRET=secret,
            WEFT_WORLD_SIZE="4", WEFT_RANK=str(rank), WEFT_CONNECT_TIMEOUT="240", WEFT_THREADS="1",
        )
        for rank in range(4)
    ]  # fmt: skip
    outputs = [rank.communicate(timeout=400)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * 4, outputs
    found = re.findall(r"### weak sort join, world 4, .* (\d+) rows$", outputs[0], re.MULTILINE)
    assert [int(rows) for rows in found] == [joined_rows(4, 5000)] * 2, outputs[0]
    server.terminate()
    out, _ = server.communicate(timeout=60)
    assert str(port) in out


class Function:
    """A function's container under AWS' emulator, which takes one event at a time."""

    def __init__(self, containers: Containers, handler: str, **variables: str) -> None:
        self.port = free_port("127.0.0.1")
        self.process = containers.start(
            "lambda", "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}",
            "--runtime-api-address", f"127.0.0.1:{free_port('127.0.0.1')}",
            "/opt/weft/bin/python", "-m", "awslambdaric", handler,
            options=[f"--volume={EMULATOR}:/emulator:ro", "--entrypoint=/emulator"],
            AWS_LAMBDA_FUNCTION_TIMEOUT="120", AWS_LAMBDA_FUNCTION_NAME="one", **variables,
        )  # fmt: skip

    def invoke(self, event):
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, json.dumps(event).encode())
        for _ in range(600):
            try:
                with urllib.request.urlopen(request, timeout=300) as answer:
                    return json.loads(answer.read())
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, self.process.communicate()
                time.sleep(0.1)
        pytest.fail("the emulator does not answer")


@built
@pytest.mark.skipif(EMULATOR is None, reason="the emulator is not installed: tools/setup.sh all")
def test_the_papers_event_under_the_emulator(containers, tmp_path):
    """The three functions of the image, a container each, two for the ranks: the paper's payload to its result."""
    from local_stacks import jobs_on

    with jobs_on(tmp_path / "jobs") as jobs:
        EMULATOR.chmod(0o755)
        bucket, s3 = jobs.stack.outputs["Bucket"], jobs.stack.client("s3")
        s3.put_object(Bucket=bucket, Key="scripts/scaling_join.py", Body=(EXAMPLES / "scaling_join.py").read_bytes())
        payload = {
            "S3_BUCKET": bucket, "S3_OBJECT_NAME": "scripts", "S3_OBJECT_TYPE": "folder", "SCRIPT": "scaling_join.py",
            "SCALING": "s", "WORLD_SIZE": "2", "ITERATIONS": "2", "CYLON_OPERATION": "join", "ROWS": "3000",
            "UNIQUENESS": "0.9", "OUTPUT_SUMMARY_FILENAME": "/tmp/sum.csv", "S3_SUMMARY_OBJECT_NAME": "results/sum.csv",
            "OUTPUT_SCALING_FILENAME": "/tmp/watch.csv", "S3_STOPWATCH_OBJECT_NAME": "results/watch.csv",
        }  # fmt: skip
        variables = {name: value for name, value in jobs.stack.environment.items() if name != "WEFT_STACK"}
        init = next(f for f in jobs.stack.host.functions.values() if f.handler.endswith("init"))
        handlers = "weft.serverless.handlers"
        made = Function(containers, f"{handlers}.init", **variables, **init.environment).invoke(
            {"event": payload, "execution": "paper", "epoch": 0}
        )
        assert made.get("world_size") == 2, made
        events = json.loads(s3.get_object(Bucket=bucket, Key=made["ranks"]["key"])["Body"].read())
        executors = [Function(containers, f"{handlers}.executor", **variables) for _ in events]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda pair: pair[0].invoke(pair[1]), zip(executors, events, strict=True)))
        assert answers == [{"rank": rank, "epoch": 0, "state": "done"} for rank in range(2)]
        verdict = Function(containers, f"{handlers}.finish", **variables).invoke(made)
        assert verdict["verdict"] == "done", verdict
        summary = s3.get_object(Bucket=bucket, Key="results/sum.csv")["Body"].read().decode().splitlines()
        column = summary[0].split(",").index("tot_l")
        assert {int(line.split(",")[column]) for line in summary[1:]} == {joined_rows(2, 3000, "strong")}
        containers.close()  # the stack's end looks for processes that are left


# -- Apptainer -------------------------------------------------------------------------------------------------------


def sections() -> tuple[dict[str, str], dict[str, str]]:
    """The header and the sections of the definition, by Apptainer's grammar."""
    header: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    current = None
    for line in DEFINITION.read_text().splitlines():
        if line.startswith("%"):
            current = line[1:].split()[0]
            assert current not in found, f"%{current} twice"
            found[current] = []
        elif current is not None:
            found[current].append(line)
        elif line.strip() and not line.startswith("#"):
            key, colon, value = line.partition(":")
            assert colon, line
            header[key.strip().lower()] = value.strip()
    return header, {name: "\n".join(lines) for name, lines in found.items()}


def test_the_apptainer_definition():
    header, found = sections()
    assert header == {"bootstrap": "oci-archive", "from": "worker.tar"}
    assert set(found) == {"labels", "help", "environment", "runscript", "test"}
    for name in ("environment", "runscript", "test"):
        done = subprocess.run(["sh", "-n"], input=found[name], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for line in filter(str.strip, found["labels"].splitlines()):
        assert len(line.split(None, 1)) == 2, line


@built
def test_the_steps_of_the_apptainer_definition(containers):
    """Its %test and %runscript in the container of the archive from which it is built."""
    found = sections()[1]
    archive = WORK / "worker.tar"
    shown = subprocess.run(["tar", "-xOf", archive, "index.json"], capture_output=True, text=True, check=True).stdout
    assert json.loads(shown)["manifests"], shown
    out = containers.run("worker", "-c", found["test"], options=["--entrypoint=/bin/sh"])
    assert {"rank 0 of two has joined", "rank 1 of two has joined"} <= set(out.splitlines())
    script = f"{found['environment']}\n{found['runscript']}"
    out = containers.run("worker", "-c", script, "sh", "-c", "print(6 * 7)", options=["--entrypoint=/bin/sh"])
    assert out == "42\n"
