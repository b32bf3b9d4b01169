"""``weft rendezvous``: the rendezvous server in a Python process. `weft-rendezvous` is the same as a program of its
own, with the same options."""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

from weft.settings import parse_seconds

__all__ = ["add_parser", "run"]

_KEY = "WEFT_RENDEZVOUS_KEY"


class _Problem(Exception):
    """What is wrong with the arguments, and the exit code that says so."""

    def __init__(self, text: str, code: int = 2):
        super().__init__(text)
        self.code = code


def _drain(text: str) -> float:
    try:
        return 0.0 if text.strip() == "0" else parse_seconds(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def add_parser(commands: Any) -> None:
    """Adds the command to a parser's subcommands."""
    from weft import _core

    parser = commands.add_parser(
        "rendezvous",
        help="hold a rendezvous server for ranks on several hosts",
        description="Serves until SIGINT or SIGTERM. SIGHUP reads keys and certificate again, for connections that "
        "come from then on.",
        epilog=f"The admission key may also be in {_KEY}, or in the file that {_KEY}_FILE names.",
    )
    parser.add_argument(
        "--listen", default="127.0.0.1:0", metavar="ADDRESS:PORT", help="where (default 127.0.0.1 and a free port)"
    )
    parser.add_argument(
        "--key-file",
        action="append",
        default=[],
        metavar="FILE",
        help="file with the key that ranks must know; given again: another key that admits, while keys are changed",
    )
    parser.add_argument("--open", action="store_true", help="allow a public address without a key")
    parser.add_argument("--tls-certificate", default="", metavar="FILE", help="PEM file: speak TLS, and nothing else")
    parser.add_argument("--tls-key", default="", metavar="FILE", help="PEM file with the certificate's private key")
    parser.add_argument(
        "--http-listen", default="", metavar="ADDRESS:PORT", help="answer GET /metrics, /healthz and /readyz there"
    )
    parser.add_argument(
        "--drain", type=_drain, default=0.0, metavar="TIME", help="at the end, what is relayed may go on so long"
    )
    if not _core.have_rendezvous:
        return
    limits = parser.add_argument_group("limits")
    for name, unit, help, default in _core.rendezvous_limits():
        limits.add_argument(f"--{name}", metavar=unit, dest=f"limit {name}", help=f"{help} (default {default})")


def _key_in(path: str, named: str) -> str:
    try:
        key = Path(path).read_text(encoding="utf-8").strip()
        if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
            print(f"weft rendezvous: others can read {path}: chmod 600 it", file=sys.stderr)
    except (OSError, UnicodeDecodeError) as problem:
        text = problem.strerror if isinstance(problem, OSError) else "it is no text"
        raise _Problem(f"{named} {path!r}: {text}") from None
    if not key:
        raise _Problem(f"{named} {path!r} is empty")
    return key


def _keys(options: argparse.Namespace) -> list[str]:
    if options.open and options.key_file:
        raise _Problem("--open and --key-file exclude each other")
    if options.open:
        return []
    if options.key_file:
        return [_key_in(path, "--key-file") for path in options.key_file]
    if os.environ.get(_KEY):
        return [os.environ[_KEY].strip()]
    path = os.environ.get(_KEY + "_FILE")
    return [_key_in(path, _KEY + "_FILE")] if path else []


def _renew(server: Any, options: argparse.Namespace) -> None:
    try:
        keys = _keys(options)
        server.renew(keys[0] if keys else "", keys[1:], options.tls_certificate, options.tls_key)
    except (_Problem, ValueError, OSError) as problem:
        print(f"weft rendezvous: keys and certificate stay as they are: {problem}", file=sys.stderr)


def _start(options: argparse.Namespace) -> Any:
    from weft import _core

    if not _core.have_rendezvous:
        raise _Problem("this Weft is built without the rendezvous server: it needs Asio and OpenSSL", 1)
    host, colon, port = options.listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise _Problem(f"--listen {options.listen!r} is no ADDRESS:PORT")
    keys = _keys(options)
    limits = {name[6:]: text for name, text in vars(options).items() if name.startswith("limit ") and text is not None}
    try:
        return _core.RendezvousServer.start(
            host.strip("[]"),
            int(port),
            keys[0] if keys else "",
            options.open,
            more_keys=keys[1:],
            tls_certificate=options.tls_certificate,
            tls_key=options.tls_key,
            http=options.http_listen,
            limits=limits,
        )
    except ValueError as problem:
        raise _Problem(str(problem), 2 if str(problem).startswith("--") else 1) from None
    except OSError as problem:
        raise _Problem(str(problem), 1) from None


def run(options: argparse.Namespace) -> int:
    """Serves until a signal comes; returns the exit code."""
    try:
        server = _start(options)
    except _Problem as problem:
        print(f"weft rendezvous: {problem}", file=sys.stderr)
        return problem.code
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    print(f"listening on {server.address}", flush=True)
    if server.http_address:
        print(f"metrics on {server.http_address}", flush=True)
    while signal.sigwait(wanted) == signal.SIGHUP:
        _renew(server, options)
    server.stop(options.drain)
    return 0
