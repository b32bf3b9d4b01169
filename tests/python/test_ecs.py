"""Jobs as tasks of ECS: moto's API from the shipped template, with tasks that are real processes."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from local_stacks import SOAK, jobs_on
from paper_join import joined_rows

from weft.ecs import job as ecs_job
from weft.ecs import metadata
from weft.serverless.jobs import JobFailed, load
from weft.serverless.submit import submit

JOIN = Path(__file__).parents[2] / "examples/scaling_join.py"
COMMAND = [sys.executable, "-m", "weft.cli"]
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/weft-worker:local"

#: Works until it is ended, in the first epoch; in the next it ends well.
WORK = """
import os, weft
env = weft.init()
print("rank", env.rank, "of", env.world_size, flush=True)
while env.epoch == 0:
    env.allreduce(1)
open("out", "wb").write(b"x" * 20_000_000 if env.epoch else b"")
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    with jobs_on(tmp_path_factory.mktemp("stack"), WorkerImageUri=IMAGE) as made:
        yield made


@pytest.fixture(autouse=True)
def host(jobs):
    """The cluster's host, without trouble; nothing runs when a test has ended."""
    found = jobs.stack.task_host
    yield found
    found.pending, found.running, found.room = (lambda task: None), (lambda task: None), 1 << 30
    end = time.monotonic() + 60
    while alive := [task.number for task in found.tasks.values() if task.model.last_status != "STOPPED"]:
        assert time.monotonic() < end, f"tasks are left: {alive}"
        time.sleep(0.1)
    found.tasks.clear()


def start(jobs, script, world=3, **options):
    path = jobs.write(script) if isinstance(script, str) else script
    return submit(path, launcher="ecs", world_size=world, follow=False, **options)


def follow(handle):
    return handle.follow(io.StringIO())


def described(handle):
    return [(task["lastStatus"], task.get("stoppedReason")) for task in handle.tasks()]


@pytest.mark.parametrize("world", [1, 4, *([12, 32] if SOAK else [])])
def test_the_papers_join(jobs, host, world):
    arguments = ["--rows", "1000", "--iterations", "2", "--csv", "join.csv"]
    handle = start(jobs, JOIN, world, arguments=arguments, environment={"WEFT_CONNECT_TIMEOUT": "300"})
    result = follow(handle)
    lines = list(csv.DictReader(io.StringIO(jobs.file(result, "join.csv").decode())))
    assert {int(line["tot_l"]) for line in lines} == {joined_rows(world, 1000)} and len(lines) == 2
    assert handle.logs(0).count("### weak sort join") == 2
    assert result["cost"] > 0 and "s of tasks" in handle.used(result)
    # One task a rank, each with a rank of its own.
    claimed = ecs_job.claims(handle.store, 0)
    assert sorted(claimed) == list(range(world)) and len(host.tasks) == world
    arns = {handle.store.get_json(name)["task"] for name in claimed.values()}
    assert arns == {task.arn for task in host.tasks.values()}


def test_batches_of_ten_and_the_address(jobs, host, monkeypatch):
    asked = []
    real = ecs_job.client("ecs")

    class Counting:
        def __getattr__(self, name):
            return getattr(real, name)

        def run_task(self, **request):
            asked.append(request)
            return real.run_task(**request)

    monkeypatch.setattr(ecs_job, "client", lambda service: Counting())
    script = "import os\nprint('address', os.environ['WEFT_ADVERTISE'], os.environ['WEFT_RANK'])\n"
    handle = start(jobs, script, 12)
    follow(handle)
    assert [request["count"] for request in asked] == [10, 2]
    assert {request["launchType"] for request in asked} == {"FARGATE"}
    network = asked[0]["networkConfiguration"]["awsvpcConfiguration"]
    assert network["assignPublicIp"] == "ENABLED" and network["subnets"] and network["securityGroups"]
    assert [handle.logs(rank) for rank in range(12)] == [f"address 127.0.0.1 {rank}\n" for rank in range(12)]


def test_the_public_address(jobs, monkeypatch):
    """That of the network interface, which only EC2 knows."""
    ec2 = jobs.stack.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    task = metadata.Task("arn:task", "awsvpc", interface["PrivateIpAddress"])
    assert metadata.advertised(task, "private") == interface["PrivateIpAddress"]
    with pytest.raises(RuntimeError, match="has no public address: submit with --advertise private"):
        metadata.advertised(task, "public")
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface["NetworkInterfaceId"])
    assert metadata.advertised(task, "public") == address["PublicIp"]
    monkeypatch.delenv("ECS_CONTAINER_METADATA_URI_V4", raising=False)
    with pytest.raises(RuntimeError, match="started as a task of ECS"):
        metadata.look()


def test_on_ec2_instances(jobs):
    """The other launch type and task definition; without an instance there is no room."""
    ec2, ecs = jobs.stack.client("ec2"), jobs.stack.client("ecs")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    document = json.dumps({"instanceId": instance})
    ecs.register_container_instance(cluster=jobs.stack.outputs["Cluster"], instanceIdentityDocument=document)
    handle = start(jobs, "import weft\nprint(weft.init().world_size)\n", 2, launch_type="ec2", cpus=1, memory=512)
    result = follow(handle)
    assert handle.logs(1) == "2\n" and result["cost"] > 0
    assert {task["launchType"] for task in handle.tasks()} == {"EC2"}
    with pytest.raises(ValueError, match="ECS started [12] of 9 tasks, and they were stopped: the cluster has no room"):
        start(jobs, WORK, 9, launch_type="ec2", cpus=2, memory=512, job="crowded")
    assert all(status == "STOPPED" for status, _ in described(load("crowded")))


HANDS_OVER = """
import os, signal, weft
env = weft.init()
for number in range(3):
    with env.stage(f"s{number}") as s:
        if s.todo:
            print("run", number, "in epoch", env.epoch, flush=True)
            s.frame = weft.DataFrame({"a": [env.rank]}, env=env)
            if number == 1 and env.epoch == 0 and env.rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)
print("sum", s.frame["a"].sum(), flush=True)
env.close()
"""


def test_tasks_that_hand_over(jobs):
    """As spot tasks do; it is no attempt."""
    handle = start(jobs, HANDS_OVER, 2, max_epochs=1)
    result = follow(handle)
    assert result["epoch"] == 1 and handle.record["handovers"] == 1
    first = (handle.store.get("epoch-0/rank-00000.log") or b"").decode()
    assert "run 1 in epoch 0" in first and "hands over at" in first and "run 2" not in first
    assert handle.logs(0) == "run 2 in epoch 1\nsum 1\n"


# -- a task killed in each phase -------------------------------------------------------------------------------------


def kill_when(jobs, handle, epoch, there):
    """SIGKILL to the task that has rank 1, as soon as `there(store)` is true."""

    def watch():
        end = time.monotonic() + 120
        while time.monotonic() < end:
            claim = handle.store.get_json(f"epoch-{epoch}/rank-00001.claim")
            if claim is not None and there(handle.store):
                for task in list(jobs.stack.task_host.tasks.values()):
                    if task.arn == claim["task"]:
                        task.kill()
                        return
            time.sleep(0.01)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def second(host, task):
    """Whether it is the second task of the test, whatever its epoch."""
    return list(host.tasks.values())[1:2] == [task]


def all_print(store):
    return all(
        (store.get_json(f"epoch-0/rank-0000{rank}.json") or {}).get("phase") not in (None, "starting")
        for rank in range(3)
    )


@pytest.mark.parametrize("phase", ["pending", "started", "claimed", "script"])
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_task_that_is_killed(jobs, host, phase, epochs):
    """The others are stopped, and all are started again or the job fails with the task's own reason."""
    if phase == "pending":
        host.pending = lambda task: "CannotPullContainerError: no such image" if second(host, task) else None
        words = "its task stopped before it had taken its rank: CannotPullContainerError: no such image"
    elif phase == "started":
        host.running = lambda task: task.kill() if second(host, task) else None
        words = "its task stopped before it had taken its rank: Essential container in task exited, exit code 137"
    else:
        words = "rank 1 lost: its task stopped: Essential container in task exited, exit code 137"
    handle = start(jobs, WORK, 3, max_epochs=epochs)
    if phase == "claimed":
        kill_when(jobs, handle, 0, lambda store: True)
    elif phase == "script":
        kill_when(jobs, handle, 0, all_print)
    if epochs == 2:
        result = follow(handle)
        assert result["epoch"] == 1 and len(host.tasks) == 6
        assert [len(jobs.file(result, "out", rank)) for rank in range(3)] == [20_000_000] * 3
        assert len(handle.record["spent"]) == 3
    else:
        with pytest.raises(JobFailed) as caught:
            follow(handle)
        assert words in caught.value.cause and caught.value.error == "Weft.Lost", caught.value
        assert handle.status()["state"] == "failed"
        assert all(status == "STOPPED" for status, _ in described(handle))


def test_a_task_that_is_killed_while_it_puts_its_results(jobs, host):
    script = (
        WORK.replace("while env.epoch == 0", "while False")
        .replace("if env.epoch else b''", "")
        .replace('b"x" * 20_000_000 if env.epoch else b""', 'b"x" * 60_000_000')
    )
    handle = start(jobs, script, 3)
    kill_when(jobs, handle, 0, lambda store: store.exists("epoch-0/rank-00001.log"))
    result = follow(handle)
    assert result["epoch"] in (0, 1) and [e["bytes"] for e in result["files"]] == [60_000_000] * 3
    # It was killed before it had reported, or after: then the result is the first epoch's.
    assert len(host.tasks) == 3 * (result["epoch"] + 1)


def test_an_error_of_the_program_is_not_tried_again(jobs, host):
    script = """
    import time, weft
    env = weft.init()
    env.barrier()
    if env.rank == 1:
        # The others have left the barrier by then: nothing tells them, and they are stopped.
        time.sleep(2)
        raise ValueError("a wrong turn")
    time.sleep(600)
    """
    handle = start(jobs, script, 3)
    with pytest.raises(JobFailed) as caught:
        follow(handle)
    assert caught.value.error == "Weft.Failed" and "rank 1 failed: ValueError: a wrong turn" in caught.value.cause
    assert len(host.tasks) == 3
    reasons = {reason for _, reason in described(handle)}
    assert "another rank of the job has failed" in reasons


def test_a_cluster_without_room(jobs, host):
    host.room = 4
    with pytest.raises(ValueError, match="ECS started 4 of 6 tasks, and they were stopped: the cluster has no room"):
        start(jobs, WORK, 6)
    assert {task.model.last_status for task in host.tasks.values()} == {"STOPPED"} and len(host.tasks) == 4


def cli(*arguments, **more):
    return subprocess.Popen(
        [*COMMAND, *arguments], env={**os.environ, **more}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_command_line_and_ctrl_c(jobs, host):
    script = jobs.write(WORK)
    process = cli("submit", str(script), "--launcher", "ecs", "--world-size", "3", "--job", "stop", "--follow")
    end = time.monotonic() + 120
    while sum("rank" in (task.folder / "log").read_text() for task in list(host.tasks.values()) if task.process) < 3:
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "cancelling stop" in err and "submitted: stop" in out, (out, err)
    assert {task.model.last_status for task in host.tasks.values()} == {"STOPPED"}
    status = cli("status", "stop")
    assert "stop: cancelled, epoch 0, 3/3 ranks up" in status.communicate()[0] and status.returncode == 0
    again = cli("submit", str(script), "--launcher", "ecs", "--world-size", "3", "--job", "stop")
    assert "the job 'stop' was cancelled: give this one another name" in again.communicate()[1]


def test_a_submitter_that_is_killed_leaves_a_job_that_can_be_cancelled(jobs, host):
    script = jobs.write(WORK)
    process = cli("submit", str(script), "--launcher", "ecs", "--world-size", "2", "--job", "orphan", "--follow")
    end = time.monotonic() + 120
    while len(host.tasks) < 2:
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.kill()
    process.communicate()
    done = cli("cancel", "orphan")
    assert done.communicate()[0] == "cancelled: orphan\n" and done.returncode == 0
    assert {task.model.last_status for task in host.tasks.values()} == {"STOPPED"}


def test_a_finished_job_answers_with_its_result(jobs, host):
    script = "import weft\nprint(weft.init().rank)\n"
    first = follow(start(jobs, jobs.write(script), 2, job="twice"))
    again = follow(start(jobs, jobs.write(script), 2, job="twice"))
    assert again["time"] == first["time"] and len(host.tasks) == 2
    with pytest.raises(ValueError, match="of another program, world or arguments"):
        start(jobs, "print(1)\n", 2, job="twice")


def test_the_plan_and_what_is_refused(jobs, host, monkeypatch, tmp_path):
    plan = submit(JOIN, launcher="ecs", world_size=4, dry_run=True, cpus=2, memory=4096, expect_seconds=3600)
    text = str(plan)
    assert "4 tasks (fargate) of 2 vCPU and 4096 MB" in text
    # Four hours of such a task, by the price list.
    assert plan.parts["Fargate"] == pytest.approx(4 * (2 * 0.04048 + 4 * 0.004445))
    assert not host.tasks
    for options, words in [
        ({"cpus": 3}, "--cpus 3: Fargate has 1, 2, 4, 8, 16"),
        ({"cpus": 1, "memory": 9216}, "--memory 9216: with 1 vCPU Fargate has 2048 to 8192 MB in steps of 1024"),
        ({"nodes": 2}, "--nodes is for launcher slurm, not for ecs"),
        ({"partition": "p"}, "--partition is for launcher slurm, not for ecs"),
    ]:
        with pytest.raises(ValueError, match=words):
            start(jobs, WORK, 2, **options)
    outputs = {key: value for key, value in jobs.stack.outputs.items() if key != "Cluster"}
    (tmp_path / "stack.json").write_text(json.dumps(outputs))
    with pytest.raises(ValueError, match="has no tasks: deploy it with --parameter WorkerImageUri"):
        start(jobs, WORK, 2, stack=str(tmp_path / "stack.json"))
