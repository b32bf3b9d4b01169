"""``weft run``: exit codes, signals, output, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weft import _core, launcher


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Ranks that need no communicator: the launcher alone is looked at.
SLEEPERS = """
    import os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(f"pids-{os.environ['WEFT_RANK']}", "w") as file:
        file.write(f"{os.getpid()} {child.pid}\\n")
    print("up", flush=True)
    time.sleep(600)
"""


def pids_of(folder: Path, ranks: int, wait_for) -> list[int]:
    files = [folder / f"pids-{rank}" for rank in range(ranks)]
    wait_for(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files))
    return [int(pid) for file in files for pid in file.read_text().split()]


def test_ranks_know_who_they_are(launch):
    done = launch.ok(
        """
        import os
        keys = ["WEFT_RANK", "WEFT_WORLD_SIZE", "WEFT_THREADS"]
        print(*(os.environ[key] for key in keys), len(os.environ["WEFT_SECRET"]), len(os.environ["WEFT_RENDEZVOUS_KEY"]))
        """,
        ranks=3,
    )
    assert sorted(done.out.splitlines()) == [f"{rank} 3 1 64 64" for rank in range(3)]


def test_secrets_are_on_no_command_line(launch):
    done = launch.ok(
        """
        import os
        from pathlib import Path
        secret = os.environ["WEFT_SECRET"].encode(), os.environ["WEFT_RENDEZVOUS_KEY"].encode()
        for pid in (os.getpid(), os.getppid()):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            assert not any(word in line for word in secret), line
        """
    )
    assert done.err == ""


@pytest.mark.parametrize("code", [1, 3, 255])
def test_the_first_failure_is_the_exit_code(launch, code):
    done = launch(
        f"""
        import os, sys, time
        if os.environ["WEFT_RANK"] == "1":
            for line in range(30):
                print("line", line)
            sys.exit({code})
        time.sleep(600)
        """,
        ranks=3,
    )
    assert done.code == code
    assert f"rank 1 failed first: exit code {code}" in done.err
    last = done.err.split("last lines of rank 1:")[1].splitlines()[1:]
    assert last == [f"  | line {line}" for line in range(10, 30)]


def test_a_rank_killed_by_a_signal(launch):
    done = launch(
        """
        import os, signal, time
        if os.environ["WEFT_RANK"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
        """
    )
    assert done.code == 128 + signal.SIGKILL
    assert "rank 0 failed first: signal 9 (SIGKILL)" in done.err


def test_who_ignores_sigterm_is_killed(launch):
    done = launch(
        """
        import os, signal, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.environ["WEFT_RANK"] == "0":
            sys.exit(7)
        time.sleep(600)
        """
    )
    assert done.code == 7
    assert done.seconds < 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on(launch, wait_for, number):
    process = launch.start(
        """
        import os, signal, sys, time
        def ended(got, frame):
            print("got", got, flush=True)
            sys.exit(0)
        signal.signal(signal.SIGINT, ended)
        signal.signal(signal.SIGTERM, ended)
        open(f"ready-{os.environ['WEFT_RANK']}", "w").close()
        time.sleep(600)
        """,
        ranks=2,
    )
    wait_for(lambda: all((launch.folder / f"ready-{rank}").exists() for rank in range(2)))
    begin = time.monotonic()
    process.send_signal(number)
    done = launch.finish(process, begin)
    assert done.out.splitlines() == [f"got {int(number)}"] * 2
    assert done.code == 128 + number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_launcher_is_killed(launch, wait_for, number):
    process = launch.start(SLEEPERS, ranks=3)
    pids = pids_of(launch.folder, 3, wait_for)
    assert len(pids) == 6 and all(map(alive, pids))
    os.kill(process.pid, number)
    process.wait(timeout=30)
    wait_for(lambda: not any(map(alive, pids)), 20)


def test_a_rank_takes_what_it_started_with_it(launch):
    done = launch.ok(
        """
        import os, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(child.pid)
        """
    )
    time.sleep(0.2)
    assert not any(alive(int(pid)) for pid in done.out.split())


def test_tagged_lines_are_whole(launch):
    done = launch.ok(
        """
        import os, sys
        for line in range(200):
            sys.stdout.write("a" * 100)
            sys.stdout.write("b" * 100 + "\\n")
        sys.stdout.write("no end of line")
        """,
        ranks=3,
        options=["--tag-output"],
    )
    lines = done.out.splitlines()
    assert len(lines) == 603
    for rank in range(3):
        assert lines.count(f"[{rank}] " + "a" * 100 + "b" * 100) == 200
        assert lines.count(f"[{rank}] no end of line") == 1


def test_output_whose_reader_is_gone_ends_the_job(launch, wait_for):
    process = launch.start(
        """
        import time
        while True:
            print("x" * 1000, flush=True)
            time.sleep(0.01)
        """
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    process.stderr.close()


def test_modules_and_arguments(launch):
    (launch.folder / "package.py").write_text("import sys; print(sys.argv[1:])")
    command = [sys.executable, "-m", "weft.cli", "run", "-n", "1", "-m", "package", "-n", "5", "--x"]
    done = subprocess.run(command, cwd=launch.folder, capture_output=True, text=True, timeout=60)
    assert done.stdout == "['-n', '5', '--x']\n", done.stderr


def test_ctrl_c_is_said_once_by_each_rank(launch, wait_for):
    """Not a second time because of what another rank has made of it."""
    process = launch.start(
        """
        import time, weft
        from pathlib import Path
        env = weft.init()
        Path(f"up-{env.rank}").touch()
        if env.rank == 0:
            time.sleep(100)
        env.barrier()
        """,
        3,
    )
    begin = time.monotonic()
    wait_for(lambda: len(list(launch.folder.glob("up-*"))) == 3, 60)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    done = launch.finish(process, begin)
    assert done.code == 130 and done.err.count("Traceback") == 3, done.err
    assert done.err.count("\nKeyboardInterrupt\n") == 3 and "excepthook" not in done.err, done.err


def test_a_signal_while_ranks_are_started(monkeypatch):
    """No more are started: a world that is far too large can be given up."""
    started = []

    def start(run: launcher._Run, rank: int, *_: object) -> None:
        started.append(rank)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(launcher._Run, "_start", start)
    assert launcher.run(launcher.Launch(["script.py"], 1000)) == 130
    assert started == [0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "-n", "0", "x.py"], "0 is below 1"),
        (["run", "-n", "two", "x.py"], "'two' is no whole number"),
        (["run", "-n", "2", "missing.py"], "there is no script 'missing.py'"),
        (["run", "-n", "2"], "name a script"),
        (["run", "-n", "2", "--restart-world-size", "1", "x.py"], "is for --restarts"),
        (["bench", "scaling", "--out", "x", "--world-sizes", "1,x"], "'x' is no number"),
        (["rendezvous", "--listen", "nowhere"], "is no ADDRESS:PORT"),
        (["rendezvous", "--listen", "127.0.0.1:0", "--key-file", "missing"], "No such file"),
        (["rendezvous", "--listen", "0.0.0.0:0"], "key"),
        (["nonsense"], "invalid choice"),
    ],
)
def test_wrong_arguments(launch, arguments, words):
    command = [sys.executable, "-m", "weft.cli", *arguments]
    done = subprocess.run(command, cwd=launch.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.parametrize("name", ["WEFT_THREADS", "WEFT_EPOCH"])
def test_wrong_numbers_of_the_environment(launch, name):
    done = launch.start_by([sys.executable, "-m", "weft.cli", "run", "-n", "2"], "pass\n", **{name: "many"})
    assert f"{name}='many' cannot be taken: it is no whole number" in launch.finish(done, time.monotonic()).err


def test_a_file_that_takes_the_name_of_pythons(launch):
    """It is Python's error, and not the end of the process."""
    launch.write("from functools import nothing\n", "types.py")
    done = subprocess.run(
        [sys.executable, "-c", "import weft"],
        cwd=launch.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1 and "ImportError" in done.stderr, (done.returncode, done.stderr)


def test_version():
    done = subprocess.run([sys.executable, "-m", "weft.cli", "--version"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith("weft 0.")


def test_doctor_of_peers():
    command = [sys.executable, "-m", "weft.cli", "doctor", "--peers"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for one in (0, 1):
        (line,) = [line for line in done.stdout.splitlines() if f"rank {one} to {1 - one}: host " in line]
        for words in ("linked in", "tries 1", "errors 0", "made again 0", "round trip", "us, sent", "received"):
            assert words in line


def test_doctor_of_the_peers_of_a_launch():
    command = [sys.executable, "-m", "weft.cli", "run", "-n", "3", "-m", "weft.doctor", "--peers"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(" to " in line and "round trip" in line for line in done.stdout.splitlines()) == 6


def test_doctor():
    done = subprocess.run([sys.executable, "-m", "weft.cli", "doctor"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "tcp: built",
        "local: built",
        "rendezvous: built",
        "file: built",
        "tcp: path",
        "linked in",
        "hot loops: ",
    ):
        assert words in done.stdout
    for backend in _core.backends():
        if backend["built"] and backend["name"] != "local":
            assert f"  {backend['name']}: barrier" in done.stdout
