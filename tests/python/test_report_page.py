"""The report's page in a real browser: headless Chromium, without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from test_scaling import record

from weft.scaling.plots import COLOURS
from weft.scaling.report import report
from weft.scaling.study import StudyFolder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true", reason="there is no chromium: tools/setup.sh all installs it"
)


def browse(page: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Opens a page; its console is on standard error."""
    assert CHROMIUM is not None, "there is no chromium"
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}", "--no-first-run",
        "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000",
        *options, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def console(text: str) -> list[str]:
    return re.findall(r"CONSOLE.*", text)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("page")
    (folder / "cells").mkdir()
    lines = [
        record(world, rank, iteration, (8 / world + iteration * 0.3) * (1 + 0.6 * (backend == "mpi")), scaling="strong", asked_backend=backend,
               machine={"boot": "a", "cores": 2, "cpu": "x", "memory": 1 << 34, "platform": "p"})
        for backend in ("tcp", "mpi") for world in (1, 2, 4) for rank in range(world) for iteration in range(3)
    ]  # fmt: skip
    from json import dumps

    StudyFolder.write_whole(folder / "cells" / "all.jsonl", "".join(dumps(line) + "\n" for line in lines))
    return report(folder)


def test_it_opens_without_a_console_error(made, tmp_path):
    done = browse(made / "index.html", tmp_path, "--dump-dom")
    assert done.returncode == 0 and not console(done.stderr), done.stderr
    assert done.stdout.count("<img") == 4 and "<h1>Scaling study</h1>" in done.stdout
    # What is looked for is seen where it is there.
    broken = tmp_path / "broken.html"
    broken.write_text("<script>nothing.there()</script>")
    assert console(browse(broken, tmp_path, "--dump-dom").stderr)


def test_it_fetches_nothing(made):
    text = (made / "index.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]{0,30})', text)
    assert addresses and all(address.startswith("data:") for address in addresses), addresses
    assert "<script" not in text and "@import" not in text


def test_its_plots_are_seen(made, tmp_path):
    from matplotlib import image

    shot = tmp_path / "shot.png"
    done = browse(made / "index.html", tmp_path, f"--screenshot={shot}", "--window-size=1200,4000")
    assert done.returncode == 0 and shot.exists(), done.stderr
    pixels = (image.imread(shot)[:, :, :3] * 255).round().astype(int)
    for colour in (*COLOURS[:2], "#bbbbbb"):
        wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
        # The lines of both series, and the rest of each bar.
        assert (np.abs(pixels - wanted).max(axis=2) <= 6).sum() > 200, colour
