"""``weft bench exchange``: the same exchange over direct links, through S3 and through Redis: time, rate and price."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft import settings
from weft.launcher import die_with_parent
from weft.scaling.launching import start_ranks
from weft.scaling.rank import machine, versions
from weft.serverless.aws import client, split_uri
from weft.serverless.local_s3 import LocalS3, free_port, wait_until_up
from weft.serverless.plan import Prices
from weft.starting import start_command

__all__ = ["MEDIA", "Exchange", "price", "run"]

MEDIA = ("direct", "s3", "redis")


@dataclass
class Exchange:
    """What to measure. `s3` is ``s3://bucket/prefix``, `redis` a URL; None: a server is started here for it."""

    ranks: Sequence[int] = (2, 4, 8)
    sizes: Sequence[int] = (1 << 10, 1 << 16, 1 << 20)
    rows: Sequence[int] = (100_000,)
    media: Sequence[str] = MEDIA
    warmups: int = 1
    iterations: int = 5
    memory: int = 1769
    s3: str | None = None
    redis: str | None = None
    prices: str | None = None


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    """A Redis of our own, in memory alone."""
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("there is no redis-server here: install it, or name one by --redis URL")
    port, parent = free_port("127.0.0.1"), os.getpid()
    process = subprocess.Popen(
        [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
    )
    try:
        wait_until_up(process, "127.0.0.1", port, lambda: "redis-server did not start")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _s3() -> Iterator[dict[str, str]]:
    """An S3 of our own with a bucket; the variables that lead to it."""
    with tempfile.TemporaryDirectory(prefix="weft-exchange-s3-") as folder, LocalS3(Path(folder)) as server:
        before = dict(os.environ)
        os.environ.update(server.environment)
        try:
            client("s3").create_bucket(Bucket="exchange")
            yield server.environment
        finally:
            os.environ.clear()
            os.environ.update(before)


def price(one: dict[str, Any], prices: Prices, memory: int) -> dict[str, float]:
    """What one exchange costs ranks that are functions of `memory` MB, by part."""
    seconds = sum(one["seconds"]) / len(one["seconds"])
    value = prices.values
    parts = {"functions": one["ranks"] * seconds * memory / 1024 * value["lambda_gb_second"]}
    if one["medium"] == "s3":
        parts["S3 requests"] = one["requests"]["put"] * value["s3_put"] + one["requests"]["get"] * value["s3_get"]
    elif one["medium"] == "redis":
        parts["Redis"] = seconds / 3600 * value["redis_hour"]
    else:
        parts["rendezvous host"] = seconds / 3600 * value["rendezvous_hour"]
    return parts


def _measure(ranks: int, options: Exchange, where: dict[str, str]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="weft-exchange-") as folder:
        out = Path(folder) / "out.json"
        plan = {
            "media": list(options.media), "sizes": list(options.sizes), "rows": list(options.rows),
            "warmups": options.warmups, "iterations": options.iterations, "where": where, "out": str(out),
        }  # fmt: skip
        command = start_command("tcp", ranks, ["-m", "weft.scaling.exchange_rank"])
        assert command is not None
        start_ranks(command, [json.dumps(plan)], {"WEFT_THREADS": "1"}, ranks, lambda line: None)
        found: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
        return found


def run(options: Exchange, out: Path) -> int:
    """Measures all, and writes ``exchange.json`` into `out`."""
    prices = Prices.load(options.prices)
    where = {"prefix": f"weft-exchange-{secrets.token_hex(4)}"}
    results: list[dict[str, Any]] = []
    with contextlib.ExitStack() as servers:
        if "s3" in options.media:
            if options.s3 is None:
                servers.enter_context(_s3())
                where["bucket"] = "exchange"
            else:
                where["bucket"], above = split_uri(options.s3 + "/", "--s3")
                where["prefix"] = f"{above}/{where['prefix']}".strip("/")
        if "redis" in options.media:
            where["redis"] = options.redis or servers.enter_context(_redis())
        for ranks in options.ranks:
            print(f"weft bench: exchange among {ranks} ranks", file=sys.stderr, flush=True)
            results += _measure(ranks, options, where)
    for one in results:
        one["cost"] = price(one, prices, options.memory)
        one["oversubscribed"] = ranks_share(one["ranks"])
    here = {"s3": options.s3 or "versitygw on this host", "redis": options.redis or "redis-server on this host"}
    value = {
        "servers": here, "memory": options.memory, "machine": machine(), "versions": versions(),
        "prices": {"date": prices.date, "region": prices.region, "currency": prices.currency}, "results": results,
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / "exchange.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    from weft.scaling.micro_findings import micro_tables

    for table in micro_tables("exchange", value):
        print(table.markdown())
    return 0


def ranks_share(ranks: int) -> bool:
    """Whether so many ranks of one thread share the cores of this host."""
    return ranks > settings.cores()
