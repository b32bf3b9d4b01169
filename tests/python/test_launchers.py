"""What launchers imply, and ranks that torchrun's variables bring together."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time

import pytest

import weft
from weft import launchers, meeting

TORCH = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.5", "MASTER_PORT": "29500"}
NOTHING = launchers.Place("", "", "", "", "", "", -1, -1)


@pytest.mark.parametrize(
    ("variables", "name", "rank", "size", "backend"),
    [
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3"}, "mpirun", 2, 3, "mpi"),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, "mpiexec", 0, 2, "mpi"),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "6", "PMIX_RANK": "5"}, "srun", 5, 6, "mpi"),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "8", "PMI_RANK": "1"}, "srun", 1, 2, "mpi"),
        (TORCH, "torchrun", 1, 4, "tcp"),
    ],
)
def test_launchers_are_seen(variables, name, rank, size, backend):
    found = launchers.find(variables)
    assert found is not None
    assert (found.launcher, found.rank, found.world_size, found.backend) == (name, rank, size, backend)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        # A batch script of Slurm, and a step without PMI: not ranks.
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"},
        {name: value for name, value in TORCH.items() if name != "MASTER_PORT"},
        {"RANK": "0"},
    ],
)
def test_what_is_no_launcher(variables):
    assert launchers.find(variables) is None


def test_torchruns_job_and_port():
    found = launchers.find({**TORCH, "TORCHELASTIC_RUN_ID": "my run/7"})
    assert found is not None and found.job == "torch-my-run-7" and found.master == ("10.0.0.5", 29501)
    plain = launchers.find({**TORCH, "TORCHELASTIC_RUN_ID": "none"})
    assert plain is not None and plain.job == "torch-10.0.0.5-29500"
    long = launchers.find({**TORCH, "TORCHELASTIC_RUN_ID": "x" * 300})
    assert long is not None and len(long.job) <= 128
    with pytest.raises(ValueError, match="MASTER_PORT=65535"):
        launchers.find({**TORCH, "MASTER_PORT": "65535"})
    with pytest.raises(ValueError, match="RANK='one'"):
        launchers.find({**TORCH, "RANK": "one"})


@pytest.mark.parametrize(
    "given",
    [{"backend": "local"}, {"world_size": 2}, {"rendezvous": "h:1"}, {"store": "redis://h"}],
)
def test_what_is_given_goes_first(monkeypatch, given):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    place = launchers.Place(**{**vars(NOTHING), **given})
    assert launchers.implied(place, 1.0, False) == place


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rendezvous": "127.0.0.1:1"}, "rendezvous is given, and world_size is not"),
        ({"store": "file:///nowhere"}, "store is given, and world_size is not"),
        ({"rank": 1, "backend": "tcp"}, "rank is given, and world_size is not"),
        ({"backend": "tcp"}, "backend 'tcp' needs rendezvous"),
        ({"world_size": "two"}, "'two' cannot be taken: it is no whole number"),
    ],
)
def test_what_is_missing_beside_what_is_given(given, words):
    """No rank takes itself for all of a world because one option of it was forgotten."""
    with pytest.raises(ValueError, match=words):
        weft.init(**given)


def test_a_master_that_is_not_this_host(monkeypatch):
    for name, value in {**TORCH, "MASTER_ADDR": "192.0.2.1", "WEFT_SECRET": "ab" * 32, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="rank 0 cannot hold .* 192.0.2.1:29501.*; set MASTER_ADDR to an address of"):
        weft.init()


def test_no_secret_between_hosts(monkeypatch):
    for name, value in TORCH.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="WEFT_SECRET"):
        launchers.implied(NOTHING, 1.0, False)
    secret = secrets.token_hex(32)
    place = launchers.implied(launchers.Place(**{**vars(NOTHING), "secret": secret}), 1.0, False)
    assert place.rendezvous == "10.0.0.5:29501" and place.secret == secret
    # The key is of the secret, and does not tell it.
    assert len(place.rendezvous_key) == 64 and secret not in place.rendezvous_key


def test_the_secrets_file_is_closed_to_others(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"weft-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(ValueError, match="closed to others"):
        meeting.meet("127.0.0.1", 1, hold=False, secret="", key="", within=0.1)


def test_a_dead_ranks_file_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"weft-{os.getuid()}"
    folder.mkdir(mode=0o700)
    path = meeting._path("127.0.0.1:1")
    ended = subprocess.Popen(["true"])
    ended.wait()
    path.write_text(f'{{"secret": "{"0" * 64}", "pid": {ended.pid}, "started": "5"}}')
    with pytest.raises(RuntimeError, match="rank 0 did not come"):
        meeting.meet("127.0.0.1", 1, hold=False, secret="", key="", within=0.1)


def free_ports() -> int:
    """A port that is free, and the next one too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def start(launch, script: str, ranks: int, **more: str) -> list[subprocess.Popen[str]]:
    path = launch.write(script)
    shared = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_ports()), **more}
    processes = []
    # Rank 0 comes last: the others wait for it.
    for rank in reversed(range(ranks)):
        environment = {**os.environ, "WEFT_THREADS": "1", "TMPDIR": str(launch.folder), "RANK": str(rank), **shared}
        processes.append(
            subprocess.Popen(
                [sys.executable, str(path)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=launch.folder,
            )
        )
        if rank == 1:
            time.sleep(0.5)
    launch.started.extend(processes)
    return processes[::-1]


@pytest.mark.parametrize("with_secret", [False, True])
def test_ranks_by_torchruns_variables(launch, with_secret):
    script = """
        import weft
        for _ in range(2):
            with weft.init() as env:
                print(env.backend, env.rank, env.allreduce(1), env.job)
    """
    more = {"WEFT_SECRET": secrets.token_hex(32)} if with_secret else {}
    ranks = start(launch, script, 3, TORCHELASTIC_RUN_ID="night 7", **more)
    for rank, process in enumerate(ranks):
        out = process.communicate(timeout=120)[0]
        assert process.returncode == 0, out
        assert out == f"tcp {rank} 3 torch-night-7\n" * 2
    left = launch.folder / f"weft-{os.getuid()}"
    assert not left.exists() or not list(left.iterdir())


def test_master_port_may_be_torchs(launch):
    """What listens on MASTER_PORT itself is not in the way."""
    with socket.socket() as torch:
        torch.bind(("127.0.0.1", 0))
        torch.listen()
        port = str(torch.getsockname()[1])
        ranks = start(launch, "import weft\nwith weft.init() as env:\n    env.barrier()\n", 2, MASTER_PORT=port)
        for process in ranks:
            out = process.communicate(timeout=120)[0]
            assert process.returncode == 0, out


def test_a_rank_without_rank_0(launch):
    script = launch.write("import weft\nweft.init(connect_timeout=1)\n")
    environment = {
        **os.environ,
        "TMPDIR": str(launch.folder),
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(free_ports()),
    }
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and "rank 0 did not come" in done.stderr
