"""``weft run --hosts`` over a real sshd on loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from test_launcher import SLEEPERS, alive, pids_of

from weft import hosts
from weft.serverless.local_s3 import free_port

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else None)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """The ssh command that reaches this host, by any name of it, with a key made here."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("openssh-server is not installed")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port = free_port("127.0.0.1")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n"
    )
    key = " ".join((folder / "host.pub").read_text().split()[:2])
    names = ("127.0.0.1", "127.0.0.2", "localhost")
    (folder / "known").write_text("".join(f"[{name}]:{port} {key}\n" for name in names))
    (folder / "ssh_config").write_text(
        f"Host *\n  Port {port}\n  User {getpass.getuser()}\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking yes\n  BatchMode yes\n  LogLevel ERROR\n"
        f"Host nicknamed\n  HostName 127.0.0.2\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    server = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=(folder / "log").open("w"), start_new_session=True
    )
    command = f"ssh -F {folder}/ssh_config"
    end = time.monotonic() + 20
    while subprocess.run([*command.split(), "127.0.0.1", "true"], capture_output=True).returncode != 0:
        if server.poll() is not None or time.monotonic() > end:
            pytest.fail(f"sshd did not come up:\n{(folder / 'log').read_text()}")
        time.sleep(0.1)
    yield command
    server.kill()
    server.wait()


@pytest.fixture
def on_hosts(launch, sshd, monkeypatch):
    """As `launch`, with that ssh."""
    monkeypatch.setenv("WEFT_SSH", sshd)
    return launch


def test_hosts_and_slots():
    assert hosts.parse_hosts("a, b:4,u@c-d.e,[::1]:2") == [("a", 1), ("b", 4), ("u@c-d.e", 1), ("::1", 2)]
    shares = hosts.share_out([("a", 1), ("b", 4), ("c", 1)], 3)
    assert [(share.name, list(share.ranks)) for share in shares] == [("a", [0]), ("b", [1, 2])]
    for wrong in ("", "a,", "a:0", "a b", "-oProxyCommand=x", "a:x"):
        with pytest.raises(ValueError, match="--hosts"):
            hosts.parse_hosts(wrong)
    with pytest.raises(ValueError, match="2 slots"):
        hosts.share_out([("a", 1), ("b", 1)], 3)


def test_ranks_on_three_names_of_this_host_join(on_hosts):
    done = on_hosts.ok(
        """
        import os, sys
        from pathlib import Path
        import weft
        with weft.init() as env:
            left = weft.DataFrame({"k": [env.rank, 7], "a": [1, 2]}, env=env)
            right = weft.DataFrame({"k": [7, 1], "b": [env.rank, 0]}, env=env)
            out = left.merge(right, on="k").gather(0)
            if env.rank == 0:
                print("rows", len(out), "world", env.world_size, "folder", os.getcwd())
            print("given", os.environ["GIVEN"], "threads", env.threads, "args", sys.argv[1:])
            print("to stderr", file=sys.stderr)
            # No secret is on any command line of this host.
            words = [os.environ[name].encode() for name in ("WEFT_SECRET", "WEFT_RENDEZVOUS_KEY")]
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = line.read_bytes()
                except OSError:
                    continue
                assert not any(word in text for word in words), text
        """,
        options=["--hosts", "127.0.0.1:2,localhost,nicknamed:1", "--threads", "1", "--tag-output", "--env", "GIVEN"],
        arguments=["a b", "'c\"$x"],
        GIVEN="it's $HOME",
    )
    lines = done.out.splitlines()
    # Four sevens on each side meet, and the one row of key 1 meets four.
    assert f"[0] rows {4 * 4 + 4} world 4 folder {on_hosts.folder}" in lines
    for rank in range(4):
        assert f"""[{rank}] given it's $HOME threads 1 args ['a b', '\\'c"$x']""" in lines
        assert f"[{rank}] to stderr" in done.err


def test_a_host_that_is_lost(on_hosts):
    """The next epoch runs on the one that is left, from the last checkpoint."""
    done = on_hosts.ok(
        """
        import os, signal, time, weft
        from pathlib import Path
        env = weft.init()
        print("epoch", env.epoch, "of", env.world_size, flush=True)
        with env.stage("first") as s:
            if s.todo:
                print("run first", flush=True)
                s.frame = weft.DataFrame({"a": [env.rank]}, env=env)
        if env.epoch == 0:
            env.checkpoint("sure", wait=True)
            if env.rank == 2:
                # Its host's connection goes, and with it all that it runs: above the far end is sshd's process.
                far = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])
                os.kill(far, signal.SIGKILL)
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(600)  # it ends with them, but not before they are gone
        env.barrier()
        print("rows", s.frame.total_rows(), flush=True)
        env.close()
        """,
        options=["--hosts", "127.0.0.1:2,nicknamed:1", "--threads", "1", "--checkpoint-dir", "kept", "--restarts", "1"],
    )
    assert sorted(done.out.splitlines()) == sorted(
        [*["epoch 0 of 3", "run first"] * 3, *["epoch 1 of 2", "rows 3"] * 2]
    ), done.text
    assert "its ranks are lost" in done.err and "epoch 1 starts with 2 ranks" in done.err


def test_the_first_failure_ends_all_hosts(on_hosts):
    done = on_hosts(
        """
        import os, sys, time
        if os.environ["WEFT_RANK"] == "1":
            print("last words")
            sys.exit(7)
        time.sleep(600)
        """,
        options=["--hosts", "127.0.0.1,localhost,127.0.0.2"],
    )
    assert done.code == 7 and done.seconds < 60
    assert "rank 1 failed first: exit code 7" in done.err and "  | last words" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_far_end(on_hosts, wait_for, number):
    process = on_hosts.start(
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
        options=["--hosts", "127.0.0.1,localhost"],
    )
    wait_for(lambda: all((on_hosts.folder / f"ready-{rank}").exists() for rank in range(2)), 60)
    begin = time.monotonic()
    process.send_signal(number)
    done = on_hosts.finish(process, begin)
    assert done.out.splitlines() == [f"got {int(number)}"] * 2
    assert done.code == 128 + number


def ssh_children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if name == "ssh" and int(rest.split()[1]) == pid:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("whom", ["launcher", "ssh"])
def test_nothing_is_left_on_the_far_end(on_hosts, wait_for, whom):
    process = on_hosts.start(SLEEPERS, options=["--hosts", "127.0.0.1:2,localhost"])
    pids = pids_of(on_hosts.folder, 3, lambda condition: wait_for(condition, 60))
    assert len(pids) == 6 and all(map(alive, pids))
    if whom == "launcher":
        process.kill()
        process.wait(timeout=30)
    else:
        children = ssh_children(process.pid)
        assert len(children) == 2
        os.kill(children[0], signal.SIGKILL)
        done = on_hosts.finish(process, time.monotonic())
        assert done.code != 0 and "ended (signal 9 (SIGKILL)): its ranks are lost" in done.err
    wait_for(lambda: not any(map(alive, pids)), 30)


def test_hosts_that_cannot_be_had_are_named(on_hosts):
    done = on_hosts("print(1)", options=["--hosts", "127.0.0.1,127.0.0.3"])
    assert done.code != 0 and "host 127.0.0.3" in done.err
    done = on_hosts("print(1)", options=["--hosts", "127.0.0.1"], WEFT_REMOTE_PYTHON="/no/such/python")
    assert done.code == 127 and "/no/such/python" in done.err
    done = on_hosts("print(1)", options=["--hosts", "no-such-host.invalid"])
    assert done.code == 2 and "no-such-host.invalid" in done.err
    done = on_hosts("print(1)", options=["--hosts", "127.0.0.1", "-n", "2"])
    assert done.code == 2 and "1 slots" in done.err
