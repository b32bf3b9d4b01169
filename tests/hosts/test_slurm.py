"""Jobs on a real Slurm of four nodes, each in a network namespace of its own."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import SOAK
from paper_join import joined_rows
from slurm_cluster import Cluster

ROOT = Path(__file__).parents[2]
JOIN = ROOT / "examples/scaling_join.py"

#: Says who it is, then works until it is ended.
WORK = """
import weft
env = weft.init()
print("rank", env.rank, "of", env.world_size, flush=True)
while True:
    env.allreduce(1)
"""


@dataclass
class Done:
    code: int
    out: str
    err: str


@dataclass
class Weft:
    """The command ``weft`` on the cluster's login node."""

    cluster: Cluster
    folder: Path
    number: int = 0

    def __call__(self, *arguments: object, **variables: str) -> Done:
        command = [sys.executable, "-m", "weft.cli", *map(str, arguments)]
        known = {"WEFT_HOME": str(self.folder / "home"), **variables}
        done = self.cluster.run(command, check=False, cwd=self.folder, **known)
        return Done(done.returncode, done.stdout, done.stderr)

    def submit(self, script: str | Path, *arguments: object, world: int = 4, ok: bool = True) -> Done:
        if isinstance(script, str):
            self.number += 1
            path = self.folder / f"script{self.number}.py"
            path.write_text(textwrap.dedent(script))
            script = path
        done = self("submit", script, "--launcher", "slurm", "--world-size", world, *arguments)
        assert not ok or done.code == 0, f"{done}"
        return done

    def job(self, name: str) -> Path:
        return self.folder / "home/jobs" / name

    def reports(self, name: str) -> list[dict]:
        found = []
        for path in sorted((self.job(name) / "ranks").glob("*.json")):
            try:
                found.append(json.loads(path.read_text()))
            except (OSError, ValueError):
                pass
        return found

    def wait(self, what: str, true, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{what} did not come true\n{self.tails()}"
            time.sleep(0.05)

    def working(self, name: str, ranks: int = 4) -> None:
        """All ranks have met."""
        logs = self.job(name) / "ranks"
        self.wait("all ranks print", lambda: sum("rank" in p.read_text() for p in logs.glob("*.log")) == ranks)

    def tails(self) -> str:
        files = [*self.cluster.folder.glob("slurm*.log"), *self.folder.glob("home/jobs/*/batch.log")]
        return "\n".join(f"--- {path}\n{path.read_text()[-1500:]}" for path in files)


@pytest.fixture
def weft(cluster, tmp_path):
    made = Weft(cluster, tmp_path)
    yield made
    cluster.run(["scancel", "--user=root"], check=False)
    cluster.idle(60)


@pytest.mark.parametrize("bootstrap", ["rendezvous", "file", "mpi"])
def test_the_papers_join(weft, bootstrap):
    arguments = ["--rows", "2000", "--iterations", "2", "--csv", "join.csv"]
    done = weft.submit(
        JOIN, "--bootstrap", bootstrap, "--job", "join", "--follow", "--results", "back", "--", *arguments
    )
    with (weft.folder / "back/join.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["world"], line["rank"], int(line["tot_l"])) for line in lines] == [
        ("4", str(iteration), joined_rows(4, 2000)) for iteration in range(2)
    ]
    log = (weft.folder / "back/weft.log").read_text()
    assert log.count("### weak sort join, world 4") == 2 and "results: back (1 files)" in done.out
    assert "used: 4 nodes for" in done.out
    reports = weft.reports("join")
    assert [(r["rank"], r["node"], r["state"]) for r in reports] == [(i, f"n{i + 1}", "done") for i in range(4)]
    assert all(report["bytes"] > 0 for report in reports)
    status = weft("status", "join")
    assert status.code == 0 and "join: done (Slurm job" in status.out and "4/4 ranks up" in status.out
    assert not (weft.job("join") / "store").exists()


def test_ranks_of_one_node_and_their_links(weft):
    """Two nodes of two ranks: each dials the other's node; threads are the task's cores."""
    script = """
    import json, os, weft
    with weft.init() as env:
        env.barrier()
        with open("seen.json", "w") as file:
            json.dump({"rank": env.rank, "threads": env.threads, "node": os.environ["SLURMD_NODENAME"],
                       "input": os.environ["WEFT_INPUT"], "mine": os.environ["MINE"], "links": env.links()}, file)
    """
    options = ["--nodes", 2, "--cpus", 2, "--memory", 64, "--input", "/in", "--env", "MINE=a b", "--time-limit", "5"]
    weft.submit(script, *options, "--job", "links", "--follow", "--results", "back")
    places = [weft.folder / "back", *(weft.folder / f"back/rank-0000{rank}" for rank in (1, 2, 3))]
    seen = [json.loads((place / "seen.json").read_text()) for place in places]
    assert [(one["rank"], one["threads"], one["input"], one["mine"]) for one in seen] == [
        (rank, 2, "/in", "a b") for rank in range(4)
    ]
    node = {one["rank"]: one["node"] for one in seen}
    assert sorted(node.values()) == ["n1", "n1", "n2", "n2"]
    for one in seen:
        peers = {link["peer"]: link for link in one["links"] if link["peer"] != one["rank"]}
        # On a busy machine both may dial at the server's word before one has reached the other by itself.
        assert len(peers) == 3 and {link["path"] for link in peers.values()} <= {"host", "punched"}
        for peer, link in peers.items():
            there = [f"10.91.0.{node[peer][1:]}", *(["127.0.0.1"] if node[peer] == one["node"] else [])]
            assert any(re.search(rf"\b{re.escape(address)}\b", link["remote_address"]) for address in there), link


@pytest.mark.parametrize(
    ("bootstrap", "by"),
    [
        ("rendezvous", "weft cancel"),
        ("file", "scancel"),
        *([("rendezvous", "scancel"), ("file", "weft cancel")] if SOAK else []),
    ],
)
def test_a_job_that_is_cancelled_leaves_nothing(weft, cluster, bootstrap, by):
    weft.submit(WORK, "--bootstrap", bootstrap, "--job", "gone")
    weft.working("gone")
    # What must be nowhere afterwards.
    ranks = [pid for pid, words in cluster.processes().items() if "script" in words and "weft.slurm" not in words]
    environment = dict(item.partition("=")[::2] for item in Path(f"/proc/{ranks[0]}/environ").read_text().split("\0"))
    secrets = [environment[name] for name in ("WEFT_SECRET", "WEFT_RENDEZVOUS_KEY") if name in environment]
    assert len(secrets) == {"rendezvous": 2, "file": 1}[bootstrap] and all(len(text) == 64 for text in secrets)
    assert (weft.job("gone") / "store").exists() == (bootstrap == "file")
    # Nor on a command line meanwhile.
    assert not any(text in words for text in secrets for words in cluster.processes().values())
    if by == "scancel":
        cluster.run(["scancel", "--name=gone"])
    else:
        assert weft("cancel", "gone").out == "cancelled: gone\n"
    cluster.idle()
    status = weft("status", "gone")
    assert "gone: cancelled (Slurm job" in status.out and status.code == 0
    assert not (weft.job("gone") / "store").exists()
    for folder in (weft.folder, cluster.folder):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(text.encode() in content for text in secrets), path
    # Who was told last has seen the others go first.
    for report in weft.reports("gone"):
        assert report["state"] == "cancelled" or report["about_peer"], report


def test_a_job_that_waits_can_be_cancelled(weft, cluster):
    weft.submit(WORK, "--job", "first", "--sbatch=--exclusive")
    weft.working("first")
    weft.submit(WORK, "--job", "second", "--sbatch=--exclusive")
    assert "second: waiting (Slurm job" in weft("status", "second").out
    weft("cancel", "second")
    assert "second: cancelled" in weft("status", "second").out
    assert "first: running" in weft("status", "first").out
    weft("cancel", "first")


@pytest.mark.parametrize("node", ["n3", *(["n1"] if SOAK else [])])
def test_a_killed_slurmd_ends_the_job(weft, cluster, node):
    """The node goes down, and takes the job along; the first node's is the one with the job script and the server."""
    weft.submit(WORK, "--job", "node")
    weft.working("node")
    cluster.kill_node(node)
    try:
        begin = time.monotonic()
        weft.wait("the job has ended", lambda: weft("status", "node").code == 1, 60)
        seconds = time.monotonic() - begin
        status = weft("status", "node")
        assert "node: failed (Slurm job" in status.out and "NODE_FAIL" in status.out
        assert "Slurm.NodeFail: a node of the job failed (sinfo -R says which are down)" in status.err
        assert node in status.err and seconds < 40, status.err
        cluster.idle(40)
    finally:
        cluster.start_node(node)
        cluster.wait_for_nodes()


def test_a_rank_that_fails(weft):
    script = """
    import weft
    env = weft.init()
    print("before", env.rank)
    if env.rank == 2:
        raise ValueError("a wrong turn")
    env.barrier()
    """
    done = weft.submit(script, "--job", "fails", "--follow", ok=False)
    assert done.code == 1
    assert "weft submit: job fails failed: Weft.Failed\nrank 2 failed: ValueError: a wrong turn" in done.err
    assert "before 2" in done.err and "also: rank 0 failed, rank 1 failed, rank 3 failed" in done.err
    assert "rank 2" in weft("logs", "fails", "--rank", 0).out and "[2] before 2" in weft("logs", "fails").out


def test_a_rank_that_is_killed(weft):
    script = """
    import os, signal, weft
    env = weft.init()
    env.barrier()
    if env.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    env.barrier()
    """
    done = weft.submit(script, "--job", "killed", "--follow", ok=False)
    assert done.code == 1 and "rank 1 failed: signal 9 (SIGKILL)" in done.err


HANDS_OVER = """
import os, signal, time, weft
env = weft.init()
for number in range(3):
    with env.stage(f"s{number}") as s:
        if s.todo:
            print("run", number, "in epoch", env.epoch, flush=True)
            s.frame = weft.DataFrame({"a": [env.rank]}, env=env)
            if number == 1 and env.epoch == 0 and env.rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)
if env.rank == 0:
    print("sum", s.frame["a"].local().to_list(), flush=True)
assert s.frame["a"].sum() == 6
env.close()
"""


@pytest.mark.parametrize("bootstrap", ["rendezvous", *(["file", "mpi"] if SOAK else [])])
def test_a_job_that_hands_over_is_requeued(weft, cluster, bootstrap):
    weft.submit(HANDS_OVER, "--bootstrap", bootstrap, "--job", "over", "--sbatch=--requeue")
    log = weft.job("over") / "ranks/rank-00000.log"
    weft.wait("epoch 0 has handed over", lambda: log.exists() and "hands over at" in log.read_text())
    queued = ["squeue", "-h", "--name=over", "-o", "%T"]
    weft.wait("the job waits again", lambda: cluster.run(queued).stdout.strip() == "PENDING")
    # Slurm lets a requeued job wait for two minutes. In the second of its end its nodes would still refuse it.
    cluster.run(["scontrol", "update", "JobName=over", "StartTime=now+3"])
    weft.wait("the job has ended", lambda: "over: done" in weft("status", "over").out)
    words = log.read_text()
    assert [words.count(f"run {number} in epoch 0") for number in range(3)] == [1, 1, 0]
    assert "run 2 in epoch 1" in words and "run 0 in epoch 1" not in words and "sum [0]" in words
    assert not (weft.job("over") / "checkpoints").exists()


def test_a_job_that_may_not_be_requeued_says_so(weft):
    done = weft.submit(HANDS_OVER, "--job", "stays", "--follow", ok=False)
    assert done.code == 1 and "was not requeued" in done.err and "sbatch --requeue allows it" in done.err, done


def test_ctrl_c(weft, cluster):
    path = weft.folder / "work.py"
    path.write_text(WORK)
    command = [sys.executable, "-m", "weft.cli", "submit", str(path), "--launcher", "slurm", "--world-size", "4"]
    process = cluster.start(
        [*command, "--job", "stop", "--follow"], cwd=weft.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **cluster.environment, "WEFT_HOME": str(weft.folder / "home")},
    )  # fmt: skip
    weft.wait("the job has a folder", lambda: (weft.job("stop") / "ranks").exists())
    weft.working("stop")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "cancelling stop" in err, (out, err)
    cluster.idle()
    assert "stop: cancelled" in weft("status", "stop").out


def test_job_scripts_by_hand(weft, cluster):
    """Without `weft submit`: the script's own place, the default folder, tasks by node."""
    (weft.folder / "own.py").write_text(WORK.replace("while True:", "for _ in range(3):"))
    script = str(ROOT / "deploy/slurm/rendezvous.sbatch")
    done = cluster.run(
        ["sbatch", "--parsable", "--nodes=2", "--ntasks-per-node=2", script, "own.py"],
        cwd=weft.folder, WEFT_PYTHON=sys.executable,
    )  # fmt: skip
    folder = weft.folder / f"weft-results/slurm-{done.stdout.strip()}"
    weft.wait("the job has ended", (folder / "end.json").exists)
    assert json.loads((folder / "end.json").read_text())["world_size"] == 4
    logs = sorted(path.read_text() for path in (folder / "ranks").glob("*.log"))
    assert logs == [f"rank {rank} of 4\n" for rank in range(4)]
    done = cluster.run([sys.executable, "-m", "weft.slurm.batch", "--bootstrap", "file", "own.py"], check=False)
    assert done.returncode == 2 and "start it by sbatch" in done.stderr


def test_the_scaling_study(weft, cluster):
    cluster.run(
        [str(ROOT / "deploy/slurm/scaling.sh")], cwd=weft.folder, WEFT_PYTHON=sys.executable,
        WORLDS="1 2", REPETITIONS="2", ROWS="500", ITERATIONS="1", SCALING="strong",
    )  # fmt: skip
    for world in (1, 2):
        for number in (0, 1):
            folder = weft.folder / f"weft-results/scaling/strong-{world}/{number}"
            weft.wait("the repetition has ended", (folder / "end.json").exists)
            with (folder / "results/join.csv").open() as file:
                (line,) = csv.DictReader(file)
            assert int(line["tot_l"]) == joined_rows(world, 500, "strong") and line["world"] == str(world)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nodes", "5"], "--nodes 5: it is 1 to the world size, 4"),
        (["--cpus", "0"], "--cpus 0 is below 1"),
        (["--dry-run"], "no price"),
        (["--stack", "s"], "--stack is for launcher lambda, ecs, not for slurm"),
        (["--launch-type", "ec2"], "--launch-type is for launcher ecs, not for slurm"),
        (["--partition", "none"], "sbatch refused the job: sbatch: error: invalid partition specified"),
        (["--sbatch=--nonsense"], "sbatch refused the job"),
    ],
)
def test_what_is_refused(weft, arguments, words):
    done = weft.submit(WORK, "--job", "no", *arguments, ok=False)
    assert done.code == 2 and words in done.err, done
    assert not weft.job("no").exists()


def test_a_scaling_study(weft):
    """Cells of `weft bench scaling` as jobs of the cluster."""
    options = ["--rows", 2000, "--world-sizes", "2,4", "--runs", 1, "--iterations", 1, "--nodes", 2]
    done = weft("bench", "scaling", "--launcher", "slurm", "--backend", "tcp,mpi", *options, "--out", "study")
    assert done.code == 0, f"{done}\n{weft.tails()}"
    for world in (2, 4):
        for backend in ("tcp", "mpi"):
            file = weft.folder / f"study/cells/join-sort-weak-slurm-{backend}-{world:04d}-0.jsonl"
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            timed = [line for line in lines if not line["warmup"]]
            assert [line["rank"] for line in timed] == list(range(world))
            assert {line["backend"] for line in lines} == {backend}
            assert {line["machine"]["node"] for line in lines} and sum(
                line["rows_in"] for line in timed
            ) == 4000 * world


def test_where_there_is_no_slurm(tmp_path):
    command = [sys.executable, "-m", "weft.cli", "submit", str(JOIN), "--launcher", "slurm"]
    environment = {**os.environ, "PATH": "/nonexistent", "WEFT_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "there is no sbatch here" in done.stderr


@pytest.mark.skipif(not SOAK, reason="more than a minute: WEFT_SOAK=1")
def test_a_time_limit(weft):
    done = weft.submit(WORK, "--job", "long", "--time-limit", "1", "--follow", ok=False)
    assert done.code == 1 and "Slurm.Timeout\nthe job ran into its time limit" in done.err
