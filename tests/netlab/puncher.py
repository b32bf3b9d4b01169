"""A plain hole puncher, so that the lab is tested by something that is not Weft.

    puncher.py serve PORT                       in the public namespace: tells each client where it is seen, pairs two
    puncher.py punch SERVER PORT                asks the server, then opens a connection to the peer at the same time
    puncher.py punch SERVER PORT send|receive BYTES     the same, and then bytes go one way; prints how many a second
    puncher.py listen PORT / dial HOST PORT     a direct connection

Prints one word: the bytes "ok" went both ways, or what went wrong.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

TRIES = 8
PATIENCE = 0.5


def bound(family: int, port: int = 0) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("", port))
    return made


def family_of(host: str) -> int:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def serve(port: int) -> None:
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True)
    print("ready", flush=True)
    while True:
        pair = [listener.accept() for _ in range(2)]
        addresses = [(peer[0].removeprefix("::ffff:"), peer[1]) for _, peer in pair]
        for (connection, _), address in zip(pair, reversed(addresses), strict=True):
            connection.sendall(json.dumps(address).encode() + b"\n")


def exchange(connection: socket.socket) -> bool:
    connection.setblocking(True)
    connection.settimeout(3)
    try:
        connection.sendall(b"ok")
        return connection.recv(2) == b"ok"
    except OSError:
        return False


def stream(connection: socket.socket, what: str, total: int) -> str:
    """As fast as a program gets it that calls send and recv, one way, until the other end has all.

    The bytes lie in and go to eight blocks of 1 MiB in turn: data, not one block that stays in the cache.
    """
    connection.settimeout(60)
    memory = memoryview(bytearray(8 << 20))
    begin, done = time.monotonic(), 0
    while done < total:
        at = done % len(memory)
        part = memory[at : min(at + (1 << 20), at + total - done, len(memory))]
        done += connection.send(part) if what == "send" else connection.recv_into(part)
    if not exchange(connection):
        return "failed: the bytes have not arrived"
    return str(total / (time.monotonic() - begin))


def punch(server: str, port: int) -> socket.socket | str:
    """The connection, or why there is none."""
    family = family_of(server)
    listener = bound(family)
    local = listener.getsockname()[1]
    listener.listen()
    listener.setblocking(False)
    control = bound(family, local)
    control.connect((server, port))
    host, there = json.loads(control.makefile().readline())
    trouble = "nothing"
    for _ in range(TRIES):
        dialer = bound(family, local)
        dialer.setblocking(False)
        begin = time.monotonic()
        try:
            dialer.connect((host, there))
        except BlockingIOError:
            pass
        except OSError as problem:
            trouble = str(problem)
        while time.monotonic() - begin < PATIENCE:
            ready = select.select([listener], [dialer], [], 0.05)
            if ready[0]:
                accepted = listener.accept()[0]
                if exchange(accepted):
                    return accepted
            if ready[1]:
                error = dialer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error == 0 and exchange(dialer):
                    return dialer
                trouble = f"error {error}"
                break
        dialer.close()
        time.sleep(0.05)
    return f"failed: {trouble}"


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "serve":
        serve(int(rest[0]))
    elif what == "punch":
        found = punch(rest[0], int(rest[1]))
        if isinstance(found, str) or len(rest) == 2:
            print(found if isinstance(found, str) else "ok", flush=True)
        else:
            print(stream(found, rest[2], int(rest[3])), flush=True)
    elif what == "listen":
        listener = socket.create_server(("::", int(rest[0])), family=socket.AF_INET6, dualstack_ipv6=True)
        print("ready", flush=True)
        while True:
            exchange(listener.accept()[0])
    elif what == "dial":
        try:
            connection = socket.create_connection((rest[0], int(rest[1])), timeout=1.5)
            print("ok" if exchange(connection) else "no bytes", flush=True)
        except OSError as problem:
            print(f"failed: {problem}", flush=True)


if __name__ == "__main__":
    main()
