"""Clients that load a rendezvous server from many addresses, as a program for a namespace of the lab.

    flood.py ADDRESS PORT KEY-FILE IDLE SLOW

Opens IDLE connections: half of them are admitted and stay, half say nothing. And SLOW ones that are admitted, ask for
60 KiB over and over and never read. What the server drops comes again. Prints "ready" when all that can be open are, then a line of
JSON each second: how many were admitted, are open, and were opened in all. Source addresses are 127.0.x.y, or those of
the server's network that it is told to take."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import resource
import select
import socket
import struct
import sys
import time

VERSION = 2
BATCH = 200
PER_ADDRESS = 1000


def frame(kind: int, body: bytes) -> bytes:
    return struct.pack("<IB", len(body) + 1, kind) + body


def text(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


def source(number: int) -> str:
    return f"127.1.{number // PER_ADDRESS // 250}.{number // PER_ADDRESS % 250 + 1}"


class Flood:
    """All connections; one loop, no threads."""

    def __init__(self, address: str, port: int, key: bytes, idle: int, slow: int) -> None:
        self.target = (address, port)
        self.key = key
        self.idle = idle
        self.slow = slow
        self.poll = select.epoll()
        self.clients: dict[int, Client] = {}
        self.opened = 0
        self.admitted = 0

    def open(self, kind: str) -> None:
        made = socket.socket()
        made.setblocking(False)
        if kind == "slow":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: a port for each pair, not for each address
        made.bind((source(self.opened), 0))
        made.connect_ex(self.target)
        self.clients[made.fileno()] = Client(self, made, kind)
        self.poll.register(made.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)
        self.opened += 1

    def close(self, client: Client) -> None:
        self.poll.unregister(client.socket.fileno())
        del self.clients[client.socket.fileno()]
        client.socket.close()
        self.open(client.kind)

    def turn(self, wait: float) -> None:
        for number, events in self.poll.poll(wait, 4096):
            client = self.clients.get(number)
            if client is not None and not client.turn(events):
                self.close(client)

    def run(self) -> None:
        kinds = ["slow"] * self.slow + ["admitted", "silent"] * (self.idle // 2)
        for number, kind in enumerate(kinds):
            self.open(kind)
            if number % BATCH == 0:
                self.turn(0.02)
        end = time.monotonic() + 60
        while self.admitted < self.slow + self.idle // 2 and time.monotonic() < end:
            self.turn(0.1)
        print("ready", flush=True)
        told = 0.0
        while True:
            self.turn(0.1)
            if time.monotonic() - told > 1:
                told = time.monotonic()
                said = {"admitted": self.admitted, "open": len(self.clients), "opened": self.opened}
                print(json.dumps(said), flush=True)


class Client:
    """One connection."""

    def __init__(self, flood: Flood, made: socket.socket, kind: str) -> None:
        self.flood = flood
        self.socket = made
        self.kind = kind
        self.nonce = os.urandom(32)
        self.got = b""
        self.state = "silent" if kind == "silent" else "hello"

    def turn(self, events: int) -> bool:
        try:
            if self.state == "hello" and events & select.EPOLLOUT:
                self.socket.send(frame(1, b"WEFTRDVZ" + struct.pack("<H", VERSION) + self.nonce))
                self.state = "challenge"
            if self.state == "asking":  # and never reads
                return not events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP)
            if not events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                return True
            got = self.socket.recv(4096)
            if not got:
                return False
            self.got += got
            return self.take()
        except BlockingIOError:
            return True
        except OSError:
            return False

    def take(self) -> bool:
        if len(self.got) < 5:
            return True
        (length,) = struct.unpack_from("<I", self.got)
        if len(self.got) < 4 + length:
            return True
        kind, body = self.got[4], self.got[5 : 4 + length]
        self.got = self.got[4 + length :]
        if kind == 5:
            return False
        if kind == 2 and self.state == "challenge":
            signed = text(b"weft rendezvous client") + struct.pack("<H", VERSION) + self.nonce + body[3:35]
            self.socket.send(frame(3, hmac.new(self.flood.key, signed, hashlib.sha256).digest()))
            self.state = "welcome"
        elif kind == 4 and self.state == "welcome":
            self.flood.admitted += 1
            self.state = "admitted"
            if self.kind == "slow":
                self.ask()
        return True

    def ask(self) -> None:
        """A large value, and as many requests for it as go out."""
        self.state = "asking"
        key = b"weft:flood:0:k"
        value = text(key) + text(bytes(60000)) + struct.pack("<q", 600_000)
        self.socket.setblocking(True)
        self.socket.settimeout(0.2)
        try:
            if self.flood.admitted % 100 == 1:
                self.socket.sendall(frame(16, struct.pack("<Q", 0) + value))
            self.socket.sendall(b"".join(frame(18, struct.pack("<Q", number) + text(key)) for number in range(1, 60)))
        except OSError:
            pass
        self.socket.setblocking(False)


def main() -> None:
    address, port, key_file, idle, slow = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open(key_file, "rb") as file:
        key = file.read().strip()
    Flood(address, int(port), key, int(idle), int(slow)).run()


if __name__ == "__main__":
    main()
