"""Rendezvous servers as processes of their own, and what they are set up with: certificates, raw clients."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("WEFT_BUILD", ROOT / "build" / "release")) / "cli" / "weft-rendezvous"
#: Both forms of the server: they must do the same.
FORMS = {"program": [str(PROGRAM)], "python": [sys.executable, "-m", "weft.cli", "rendezvous"]}


class Server:
    """A server that is up; its log is gathered as it comes."""

    def __init__(self, arguments: Sequence[str], form: str = "program", port: int = 0, **environment: str) -> None:
        command = [*FORMS[form], "--listen", f"127.0.0.1:{port}", *arguments]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "WEFT_LOG": "debug", **environment},
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.address = self._line()
        self.http = self._line() if "--http-listen" in arguments else ""

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self._reader.join(timeout=10)
            raise AssertionError("the server did not start: " + "".join(self.log))
        return line.split()[-1]

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def get(self, path: str, method: str = "GET") -> tuple[int, str, str]:
        """Status, type and text of a document of the HTTP port."""
        host, _, port = self.http.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
        finally:
            connection.close()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self, timeout: float = 30.0) -> int:
        self.process.terminate()
        code = self.process.wait(timeout=timeout)
        self._reader.join(timeout=10)
        return code

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


def rank_environment(server: str, world: int, **more: str) -> dict[str, str]:
    """Of one job's ranks, all but WEFT_RANK."""
    return {
        **os.environ,
        "WEFT_RENDEZVOUS": server,
        "WEFT_JOB": f"job-{secrets.token_hex(4)}",
        "WEFT_SECRET": secrets.token_hex(32),
        "WEFT_WORLD_SIZE": str(world),
        "WEFT_THREADS": "1",
        **more,
    }


def raw(port: int, source: str = "", receive_buffer: int = 0) -> socket.socket:
    """A connection that says what a test wants."""
    made = socket.socket()
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(30)
    if source:
        made.bind((source, 0))
    made.connect(("127.0.0.1", port))
    return made


def frame(kind: int, body: bytes) -> bytes:
    """As docs/protocol.md has it."""
    return struct.pack("<IB", len(body) + 1, kind) + body


@dataclass
class Authority:
    """A CA of the test's own."""

    folder: Path
    name: str = "ca"

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Weft test {self.name}")])
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = self.folder / f"{self.name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, stem: str, names: Sequence[str], *, expired: bool = False) -> list[str]:
        """A certificate for these names and addresses, as the server's options."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        begin, end = (now - datetime.timedelta(days=9), now + datetime.timedelta(days=-2 if expired else 1))
        subjects: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)]))
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        certificate_file, key_file = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return ["--tls-certificate", str(certificate_file), "--tls-key", str(key_file)]
