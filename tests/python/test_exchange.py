"""``weft bench exchange`` and ``weft bench memory``, small."""

from __future__ import annotations

import json
import shutil

import pytest
from test_scaling import weft

from weft.scaling.exchange import price
from weft.serverless.plan import Prices


def test_the_same_exchange_through_real_stores(tmp_path):
    pytest.importorskip("redis")
    pytest.importorskip("boto3")
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server")
    done = weft("bench", "exchange", "--ranks", "2,3", "--sizes", "1KiB,64KiB", "--rows", "1e4", "--iterations", 3,
                "--out", tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    value = json.loads((tmp_path / "exchange.json").read_text())
    results = value["results"]
    assert {(one["medium"], one["ranks"], one["kind"]) for one in results} == {
        (medium, ranks, kind)
        for medium in ("direct", "s3", "redis")
        for ranks in (2, 3)
        for kind in ("blocks", "shuffle")
    }
    assert len(results) == 3 * 2 * 3
    prices = Prices.load()
    for one in results:
        assert len(one["seconds"]) == 3 and min(one["seconds"]) > 0
        pairs = one["ranks"] * (one["ranks"] - 1)
        assert one["requests"]["put"] == (0 if one["medium"] == "direct" else pairs)
        assert one["requests"]["get"] >= one["requests"]["put"]
        assert one["cost"] == pytest.approx(price(one, prices, 1769))
    for size in (1 << 10, 1 << 16):
        # Objects of an S3 server are slower than links, whatever else the machine does.
        by = {one["medium"]: min(one["seconds"]) for one in results if one.get("size") == size and one["ranks"] == 2}
        assert by["direct"] < by["s3"]
    assert "time against direct" in done.stdout and "DynamoDB was not measured here" in done.stdout
    report = weft("bench", "report", tmp_path, "--no-plots")
    assert report.returncode == 0 and "The same exchange" in (tmp_path / "report" / "tables.md").read_text()


def test_how_many_rows_fit(tmp_path):
    done = weft("bench", "memory", "--bounds", "500MB", "--algorithm", "hash", "--out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    value = json.loads((tmp_path / "memory.json").read_text())
    (one,) = value["results"]
    assert 0 < one["rows"] < one["too_many"] <= one["rows"] * 1.06
    # Both sides and what is joined of them are at least there at once.
    assert one["rows"] * 32 < one["bound"] and one["peak_rss"] < one["bound"] * 1.2
    assert "Rows that fit" in done.stdout
    refused = weft("bench", "memory", "--bounds", "900TB", "--out", tmp_path / "more")
    assert refused.returncode == 1 and "left out: 2 ranks of 900000 GB" in refused.stderr


def test_what_it_refuses(tmp_path):
    done = weft("bench", "exchange", "--ranks", "1", "--out", tmp_path)
    assert done.returncode == 2 and "begin at 2" in done.stderr
    done = weft("bench", "exchange", "--through", "pigeon", "--out", tmp_path)
    assert done.returncode == 2 and "'pigeon' is none of direct, s3, redis" in done.stderr
