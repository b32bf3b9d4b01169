"""The rendezvous server as its operator meets it: options, metrics, log, TLS, keys that change, its end and its return."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rendezvous_program import FORMS, Authority, Server, frame, rank_environment, raw

RANKS = """
import os, weft
with weft.init() as env:
    print(env.allreduce(env.rank + 1))
"""

#: One client, as an exit code and the last line of what it says.
CLIENT = """
import sys, weft
try:
    weft.init(rank=0, connect_timeout=5).close()
except weft.CommunicatorError as problem:
    print(type(problem).__name__, str(problem).replace("\\n", " "))
"""


def run_ranks(script: str, environment: dict[str, str], world: int) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**environment, "WEFT_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]


def check_job(environment: dict[str, str], world: int = 2) -> None:
    ranks = run_ranks(RANKS, environment, world)
    for rank in ranks:
        out, err = rank.communicate(timeout=120)
        assert (rank.returncode, out) == (0, f"{world * (world + 1) // 2}\n"), err


def client_says(server: str, **more: str) -> str:
    [rank] = run_ranks(CLIENT, rank_environment(server, 2, **more), 1)
    out, err = rank.communicate(timeout=120)
    assert rank.returncode == 0, err
    return out


def samples(server: Server) -> dict[str, float]:
    """Every sample by name and labels, by Prometheus' own reader."""
    status, kind, text = server.get("/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in found
            found[name] = sample.value
    return found


# -- options -----------------------------------------------------------------------------------------------------------


def help_of(form: str) -> str:
    return subprocess.run([*FORMS[form], "--help"], capture_output=True, text=True, timeout=60, check=True).stdout


def test_both_forms_have_the_same_options():
    options = [set(re.findall(r"--[a-z][a-z-]+", help_of(form))) for form in FORMS]
    assert options[0] - {"--version"} == options[1]
    for name in ("max-connections", "max-connections-per-address", "relay-quota-per-job", "relay-rate-per-job"):
        assert f"--{name}" in options[0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-connections", "many"], "--max-connections: 'many' is no whole number"),
        (["--max-connections", "0"], "--max-connections: 0 is below 1"),
        (["--max-connections", "1.5"], "--max-connections: '1.5' is no whole number"),
        (["--relay-buffer", "1"], "--relay-buffer: 1 is below 1KiB"),
        (["--relay-quota-per-job", "5 parsecs"], "--relay-quota-per-job: '5 parsecs' is no size"),
        (["--idle-timeout", "soon"], "--idle-timeout: 'soon' is no time"),
        (["--max-time-to-live", "8d"], "--max-time-to-live: '8d' is no time"),
        (["--max-time-to-live", "200h"], "--max-time-to-live: 200h is above 168h"),
        (["--tls-key", "key.pem"], "needs both a certificate"),
        (
            ["--tls-key", "/nonexistent", "--tls-certificate", "/nonexistent"],
            "'/nonexistent' cannot be used: No such file",
        ),
        (["--http-listen", "nowhere"], "'nowhere' has no port"),
        (["--drain", "ever"], "ever"),
        (["--no-such-limit", "1"], "no-such-limit"),
    ],
)
def test_bad_values_are_refused_by_name(form, arguments, words):
    command = [*FORMS[form], "--listen", "127.0.0.1:0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2), done
    assert words in done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_limits_and_the_key_of_the_environment(form, tmp_path):
    key = tmp_path / "key"
    key.write_text("of the environment\n")
    key.chmod(0o600)
    arguments = ["--max-connections-per-address=1", "--idle-timeout", "500ms"]
    with Server(arguments, form, WEFT_RENDEZVOUS_KEY_FILE=str(key)) as server:
        assert "admission key" in client_says(server.address, WEFT_RENDEZVOUS_KEY="another")
        first = raw(server.port)
        second = raw(server.port)
        assert b"connections from 127.0.0.1, its limit" in second.recv(4096)
        first.close()


# -- metrics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_metrics_of_a_job(form, wait_for):
    with Server(["--http-listen", "127.0.0.1:0"], form) as server:
        assert server.get("/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
        assert server.get("/readyz")[::2] == (200, "ready\n")
        before = samples(server)
        assert before["weft_rendezvous_admitted_total"] == 0
        check_job(rank_environment(server.address, 3), 3)
        raw(server.port).sendall(b"\xff" * 64)
        wait_for(lambda: samples(server)["weft_rendezvous_connections{state=serving}"] == 0)
        wait_for(lambda: samples(server)["weft_rendezvous_refused_total{reason=malformed}"] == 1)
        after = samples(server)
        assert after.keys() == before.keys()
        assert after["weft_rendezvous_admitted_total"] == 3
        assert after["weft_rendezvous_accepted_total"] == 4
        assert after["weft_rendezvous_requests_total{type=enter}"] == 3
        assert after["weft_rendezvous_requests_total{type=set}"] >= 3
        assert after["weft_rendezvous_members_gone_total{reason=ended}"] == 3
        assert after["weft_rendezvous_rooms"] == after["weft_rendezvous_members"] == 0
        assert after["weft_rendezvous_store_keys"] > 0 and after["weft_rendezvous_store_bytes"] > 0
        assert after["process_open_fds"] > 3 and after["process_resident_memory_bytes"] > 1e6
        assert time.time() - after["process_start_time_seconds"] < 600
        [build] = [name for name in after if name.startswith("weft_rendezvous_build_info")]
        assert re.fullmatch(r"weft_rendezvous_build_info\{protocol=\d+,version=[0-9.]+\}", build)
        assert server.get("/")[0] == 404 and server.get("/metrics", "POST")[0] == 405
        assert server.get("/metrics", "HEAD")[::2] == (200, "")


def test_the_http_port_is_bounded():
    with Server(["--http-listen", "127.0.0.1:0"]) as server:
        port = int(server.http.rpartition(":")[2])
        silent = [raw(port) for _ in range(200)]
        slow = raw(port)
        slow.sendall(b"GET /met")
        for junk in (b"\x16\x03\x01" + bytes(200), b"hello\r\n\r\n", b"GET metrics HTTP/1.1\r\n\r\n"):
            one = raw(port)
            one.sendall(junk)
            if junk.endswith(b"\r\n\r\n"):
                assert one.recv(4096).startswith(b"HTTP/1.1 400 ")
            one.close()
        long = raw(port)
        long.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000)
        assert long.recv(4096).startswith(b"HTTP/1.1 431 ")
        assert samples(server)["weft_rendezvous_http_dropped_total"] >= 200 - 64
        # Those that say nothing are ended in time, and the server serves all the while.
        begin = time.monotonic()
        slow.settimeout(15)
        assert slow.recv(100) == b""
        assert time.monotonic() - begin < 10
        check_job(rank_environment(server.address, 2))
        for one in silent:
            one.close()


# -- log, end, return --------------------------------------------------------------------------------------------------


def fields_of(line: str) -> dict[str, str]:
    match = re.fullmatch(r"weft (debug|info|warning|error): rendezvous (.*)\n", line)
    assert match, line
    return dict(part.split("=", 1) for part in shlex.split(match[2]))


def test_the_log_can_be_read_and_holds_no_secret(tmp_path):
    key = tmp_path / "key"
    key.write_text("sesame-of-the-operator")
    key.chmod(0o600)
    with Server(["--key-file", str(key)]) as server:
        environment = rank_environment(server.address, 2, WEFT_RENDEZVOUS_KEY_FILE=str(key))
        check_job(environment)
        client_says(server.address, WEFT_RENDEZVOUS_KEY="wrong-sesame")
        raw(server.port).sendall(b'junk" event=forged\n' * 40)
        time.sleep(0.5)
        assert server.end() == 0
        text = "".join(server.log)
        for secret in ("sesame", environment["WEFT_SECRET"], environment["WEFT_JOB"], "forged"):
            assert secret not in text
        events = [fields_of(line) for line in server.log]
        for event in events:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        names = [event["event"] for event in events]
        assert names[0] == "started" and names[-2:] == ["stopping", "stopped"]
        refused = {event["reason"] for event in events if event["event"] == "refused"}
        assert {"not-admitted", "malformed"} <= refused


def test_a_flood_does_not_fill_the_log():
    with Server([]) as server:
        for _ in range(600):
            one = raw(server.port)
            one.sendall(b"\xff" * 16)
            one.close()
        time.sleep(1.5)
        raw(server.port).sendall(b"\xff" * 16)
        time.sleep(0.5)
        assert server.end() == 0
        refused = [fields_of(line) for line in server.log if "event=refused" in line]
        left_out = sum(int(fields_of(line).get("suppressed", 0)) for line in server.log)
        assert 200 <= len(refused) < 500 and left_out > 0
        assert len(refused) + left_out >= 600


@pytest.mark.parametrize("form", FORMS)
def test_a_signal_ends_it_in_time(form, wait_for):
    with Server(["--http-listen", "127.0.0.1:0"], form) as server:
        held = [raw(server.port) for _ in range(50)]
        wait_for(
            lambda: sum(v for k, v in samples(server).items() if k.startswith("weft_rendezvous_connections{")) >= 50, 10
        )
        begin = time.monotonic()
        assert server.end(timeout=10) == 0
        assert time.monotonic() - begin < 5
        # Each was told why.
        assert b"the server is being stopped" in held[0].recv(4096)
        with pytest.raises(OSError):
            raw(server.port)


RANKS_THAT_STAY = """
import os, sys, time, weft
with weft.init() as env:
    print("linked", flush=True)
    for line in sys.stdin:
        print(env.allreduce(1), flush=True)
"""


@pytest.mark.parametrize("form", FORMS)
def test_a_server_that_was_killed_comes_back(form, wait_for):
    """Links that are made stay; ranks are in their rooms again; other jobs begin at the new server."""
    with Server(["--http-listen", "127.0.0.1:0"], form) as first:
        environment = rank_environment(first.address, 2)
        ranks = [
            subprocess.Popen(
                [sys.executable, "-c", RANKS_THAT_STAY],
                env={**environment, "WEFT_RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]

        def ask_all() -> None:
            for rank in ranks:
                rank.stdin.write("go\n")
                rank.stdin.flush()
            assert [rank.stdout.readline() for rank in ranks] == ["2\n", "2\n"]

        try:
            assert [rank.stdout.readline() for rank in ranks] == ["linked\n", "linked\n"]
            assert samples(first)["weft_rendezvous_members"] == 2
            first.kill()
            ask_all()
            with Server(["--http-listen", "127.0.0.1:0"], form, port=first.port) as second:
                wait_for(lambda: samples(second)["weft_rendezvous_members"] == 2)
                assert samples(second)["weft_rendezvous_requests_total{type=enter}"] == 2
                ask_all()
                check_job(rank_environment(second.address, 2))
                for rank in ranks:
                    rank.stdin.close()
                    assert rank.wait(timeout=60) == 0
        finally:
            for rank in ranks:
                rank.kill()


# -- keys and TLS ------------------------------------------------------------------------------------------------------


def test_an_admission_key_is_changed_without_a_break(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        path.write_text(path.name * 8)
        path.chmod(0o600)
    current = tmp_path / "current"
    current.write_text(old.read_text())
    current.chmod(0o600)
    with Server(["--key-file", str(current), "--key-file", str(new)]) as server:
        for path in (old, new):
            check_job(rank_environment(server.address, 2, WEFT_RENDEZVOUS_KEY_FILE=str(path)))
        current.write_text(new.read_text())
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        check_job(rank_environment(server.address, 2, WEFT_RENDEZVOUS_KEY_FILE=str(new)))
        said = client_says(server.address, WEFT_RENDEZVOUS_KEY_FILE=str(old))
        assert said.startswith("AuthenticationFailed") and "does not know its admission key" in said
        # What cannot be used changes nothing.
        current.write_text("")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        check_job(rank_environment(server.address, 2, WEFT_RENDEZVOUS_KEY_FILE=str(new)))
        assert any("event=not-renewed" in line for line in server.log)


@pytest.mark.parametrize("form", FORMS)
def test_a_job_through_tls(form, tmp_path):
    ca = Authority(tmp_path)
    with Server([*ca.issue("server", ["localhost", "127.0.0.1"]), "--http-listen", "127.0.0.1:0"], form) as server:
        for host in ("127.0.0.1", "localhost"):
            address = f"rendezvous+tls://{host}:{server.port}"
            check_job(rank_environment(address, 3, WEFT_RENDEZVOUS_CA=str(ca.file)), 3)
        store = {"WEFT_STORE": f"rendezvous+tls://localhost:{server.port}", "WEFT_RENDEZVOUS": ""}
        check_job(rank_environment("", 2, WEFT_RENDEZVOUS_CA=str(ca.file), **{**store}))
        assert samples(server)["weft_rendezvous_tls_handshakes_total"] == 8


def certificate_that(ca: Authority, other: Authority, fault: str) -> tuple[Sequence[str], Path]:
    names = ["elsewhere.example"] if fault == "name" else ["localhost"]
    return ca.issue("server", names, expired=fault == "expired"), (other if fault == "ca" else ca).file


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("name", "its certificate is not for 'localhost'"),
        ("expired", "its certificate has expired"),
        ("ca", "not signed by a CA that is trusted here"),
    ],
)
def test_certificates_that_are_not_taken(fault, words, tmp_path):
    options, trusted = certificate_that(Authority(tmp_path), Authority(tmp_path, "other"), fault)
    with Server(options) as server:
        address = f"rendezvous+tls://localhost:{server.port}"
        said = client_says(address, WEFT_RENDEZVOUS_CA=str(trusted))
        assert said.startswith("AuthenticationFailed") and words in said
        # The system's CAs do not know the test's either.
        if fault == "ca":
            assert words in client_says(address)


def test_tls_on_one_side_alone(tmp_path):
    ca = Authority(tmp_path)
    with Server(ca.issue("server", ["localhost"])) as server:
        assert "write its address as rendezvous+tls://" in client_says(server.address)
    with Server([]) as server:
        said = client_says(f"rendezvous+tls://localhost:{server.port}", WEFT_RENDEZVOUS_CA=str(ca.file))
        assert "does not speak TLS" in said


def test_a_certificate_is_renewed_and_strangers_to_tls_harm_nobody(tmp_path):
    ca = Authority(tmp_path)
    with Server(ca.issue("server", ["localhost"], expired=True)) as server:
        environment = {"WEFT_RENDEZVOUS_CA": str(ca.file)}
        address = f"rendezvous+tls://localhost:{server.port}"
        assert "has expired" in client_says(address, **environment)
        ca.issue("server", ["localhost"])
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        held = []
        for junk in (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000), b"\x15\x03"):
            for _ in range(20):
                held.append(raw(server.port))
                with contextlib.suppress(OSError):
                    held[-1].sendall(junk)
        check_job(rank_environment(address, 2, **environment))
        # Half-open handshakes are given as long as half-open greetings.
        begin = time.monotonic()
        assert held[0].recv(100) == b""
        assert time.monotonic() - begin < 5


def test_what_does_not_fit_is_refused_by_name(tmp_path):
    script = "import weft\nweft.init(rank=0, world_size=2, job='j', secret='0' * 64, **{})\n"
    for options, words in (
        ({"rendezvous": "https://h:1"}, "has another scheme"),
        ({"rendezvous": "rendezvous+tls://h"}, "has no port"),
        ({"rendezvous": "127.0.0.1:1", "rendezvous_ca": "x"}, "is without TLS"),
        ({"rendezvous": "rendezvous+tls://127.0.0.1:1", "rendezvous_ca": "/nonexistent"}, "'/nonexistent'"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script.replace("{}", repr(options))], capture_output=True, text=True, timeout=60
        )
        assert "ValueError" in done.stderr and words in done.stderr, done.stderr


# -- hostile clients ---------------------------------------------------------------------------------------------------


def hello(version: int) -> bytes:
    return frame(1, b"WEFTRDVZ" + struct.pack("<H", version) + bytes(32))


def test_a_flood_of_half_open_connections_keeps_nobody_out():
    """More than the server takes in all, from many addresses, and again as fast as it drops them."""
    with Server(["--max-connections", "200", "--http-listen", "127.0.0.1:0"]) as server:
        held: list[socket.socket] = []
        for number in range(600):
            held.append(raw(server.port, source=f"127.0.{number % 200}.9"))
        check_job(rank_environment(server.address, 2))
        found = samples(server)
        assert found["weft_rendezvous_dropped_total{reason=evicted}"] >= 300
        assert sum(value for name, value in found.items() if "connections{" in name) <= 200
        for one in held:
            one.close()


@pytest.mark.parametrize("version", [0, 1, 3, 65535])
def test_another_version_is_told_so(version):
    with Server([]) as server, raw(server.port) as client:
        client.sendall(hello(version))
        answer = client.recv(4096)
        assert f"the client version {version}".encode() in answer


def test_a_greeting_that_was_overheard_is_worth_nothing(tmp_path):
    """All that an honest client has said, said again by another."""
    key = tmp_path / "key"
    key.write_text("admission")
    key.chmod(0o600)
    with Server(["--key-file", str(key)]) as server, socket.create_server(("127.0.0.1", 0)) as tap:
        address = f"127.0.0.1:{tap.getsockname()[1]}"
        environment = rank_environment(address, 2, WEFT_RENDEZVOUS_KEY_FILE=str(key), WEFT_RANK="0")
        with subprocess.Popen([sys.executable, "-c", CLIENT], env=environment, stdout=subprocess.PIPE) as honest:
            victim, _ = tap.accept()
            victim.settimeout(30)
            with raw(server.port) as through:
                said = victim.recv(4096)
                through.sendall(said)
                victim.sendall(through.recv(4096))
                proof = victim.recv(4096)
                through.sendall(proof)
                assert through.recv(4096)[4] == 4  # Welcome
            victim.close()
            honest.kill()
        with raw(server.port) as replay:
            replay.sendall(said)
            assert replay.recv(4096)[4] == 2  # Challenge
            replay.sendall(proof)
            assert b"does not know the server's admission key" in replay.recv(4096)


def test_a_slow_writer_is_dropped(wait_for: Callable[[Callable[[], bool], float], None]):
    with Server(["--frame-timeout", "1s", "--http-listen", "127.0.0.1:0"]) as server:
        client = raw(server.port)
        client.sendall(hello(2))
        client.recv(4096)
        client.sendall(frame(3, bytes(32)))
        assert client.recv(4096)[4] == 4
        client.sendall(struct.pack("<IB", 70000, 16))
        for _ in range(8):
            time.sleep(0.2)
            try:
                client.sendall(b"x")
            except OSError:
                break
        assert b"did not come whole" in client.recv(4096)
        assert samples(server)["weft_rendezvous_refused_total{reason=too-slow}"] == 1
