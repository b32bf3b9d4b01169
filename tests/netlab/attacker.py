"""Stands between ranks and their rendezvous server, so also between relayed peers, and does harm to what it carries.

attacker.py ATTACK LISTEN_PORT SERVER_HOST SERVER_PORT

What ranks and server say to each other is short; harm is done behind the first `AFTER` bytes of a connection's direction,
where only relayed links have any. Says "ready" on standard output. What it hears goes to the file that HEARD names.
"""

from __future__ import annotations

import asyncio
import os
import sys

AFTER = 100_000


class Harm:
    """One direction of one connection."""

    def __init__(self, attack: str) -> None:
        self.attack = attack
        self.passed = 0
        self.held = b""

    def __call__(self, data: bytes) -> bytes | None:
        """What goes on in place of `data`; None: nothing any more, and the connection is cut."""
        begin = max(0, AFTER - self.passed)
        self.passed += len(data)
        if begin >= len(data) or self.attack == "pass":
            return data
        good, bad = data[:begin], data[begin:]
        if self.attack == "alter":
            return good + bytes([bad[0] ^ 1]) + bad[1:]
        if self.attack == "drop":
            return good + bad[1:]
        if self.attack == "reorder":
            if not self.held:
                self.held = bad
                return good
            self.held, bad = b"", bad + self.held
            return good + bad
        if self.attack == "silence":
            return good
        if self.attack == "truncate":
            return None
        raise SystemExit(f"no attack {self.attack!r}")


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, harm: Harm, heard: str) -> None:
    try:
        while data := await reader.read(1 << 16):
            if heard:
                with open(heard, "ab") as file:
                    file.write(data)
            changed = harm(data)
            if changed is None:
                break
            writer.write(changed)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(attack: str, port: int, host: str, server_port: int) -> None:
    heard = os.environ.get("HEARD", "")

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, server_port)
        await asyncio.gather(carry(reader, back, Harm(attack), heard), carry(there, writer, Harm(attack), heard))

    async with await asyncio.start_server(meet, "0.0.0.0", port) as server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
