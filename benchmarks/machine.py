"""What this machine can do, measured in the same run: the limits beside which figures are put."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time


def copy_bandwidth(threads: int) -> float:
    """Bytes a second, read and written, of copies of memory by this many threads at once."""
    import numpy as np

    size = 256 << 20
    best = 0.0
    # Touched once, so that no page is cleared while the clock runs.
    blocks = [(np.ones(size // threads, np.uint8), np.ones(size // threads, np.uint8)) for _ in range(threads)]
    for _ in range(5):
        workers = [threading.Thread(target=np.copyto, args=(to, source)) for source, to in blocks]
        begin = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, 2 * size / (time.perf_counter() - begin))
    return best


def exchange(connection: socket.socket, total: int) -> float:
    """Seconds in which `total` bytes went out and as many came in."""
    piece = memoryview(bytearray(1 << 20))
    into = memoryview(bytearray(1 << 20))

    def send() -> None:
        left = total
        while left > 0:
            connection.sendall(piece[: min(left, len(piece))])
            left -= len(piece)

    begin = time.perf_counter()
    sender = threading.Thread(target=send)
    sender.start()
    left = total
    while left > 0:
        left -= connection.recv_into(into, min(left, len(into)))
    sender.join()
    return time.perf_counter() - begin


def end_of_a_socket(role: str, host: str, total: int, rounds: int) -> None:
    """One end of a connection on which `total` bytes go each way; the client prints its seconds as JSON."""
    if role == "serve":
        with socket.create_server((host, 0)) as listener:
            print(listener.getsockname()[1], flush=True)
            connection = listener.accept()[0]
    else:
        name, _, port = host.rpartition(":")
        connection = socket.create_connection((name, int(port)))
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seconds = [exchange(connection, total) for _ in range(rounds)]
    if role == "connect":
        print(json.dumps(seconds))


def socket_seconds(
    total: int, rounds: int, *, host: str = "127.0.0.1", within: tuple[list[str], list[str]] = ([], [])
) -> list[float]:
    """Seconds of each exchange of `total` bytes each way between two processes over a plain socket; `within` are
    commands in front of theirs (of the one at `host` first)."""
    command = [sys.executable, __file__]
    sizes = [str(total), str(rounds)]
    serving = subprocess.Popen([*within[0], *command, "serve", host, *sizes], stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout is not None
        port = serving.stdout.readline().strip()
        done = subprocess.run(
            [*within[1], *command, "connect", f"{host}:{port}", *sizes],
            stdout=subprocess.PIPE,
            text=True,
            timeout=600,
            check=True,
        )
        serving.wait(timeout=60)
    finally:
        serving.kill()
        serving.wait()
    seconds: list[float] = json.loads(done.stdout)
    return seconds


if __name__ == "__main__":
    end_of_a_socket(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
