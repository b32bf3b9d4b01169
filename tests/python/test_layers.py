"""The layers of the C++ sources, and that the check of them can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CHECK = ROOT / "tools" / "check_layers.py"


def check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(CHECK), str(root)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for part in ("src/weft", "python/bindings", "cli", "tests/io"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


def test_the_sources_keep_the_layers() -> None:
    done = check(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "include", "says"),
    [
        ("src/weft/table/hash.h", '#include "weft/io/read.h"', "'table' may not include 'io'"),
        ("src/weft/kernels/join.h", '#include "weft/io/read.h"', "'kernels' may not include 'io'"),
        ("src/weft/io/read.h", '#include "weft/kernels/join.h"', "'io' may not include 'kernels'"),
        ("src/weft/communicator/communicator.h", '#include "weft/table/wire.h"', "'communicator' may not include"),
        ("src/weft/table/wire.h", '#  include "weft/communicator/communicator.h"', "'table' may not include"),
        ("src/weft/session/session.h", '#include "weft/backends/local/local_backend.h"', "may include a backend"),
        ("src/weft/backends/local/local_backend.h", '#include "weft/backends/tcp/tcp_backend.h"', "may not know"),
        ("python/bindings/module.cc", '#include "weft/backends/local/local_backend.h"', "may include a backend"),
        ("src/weft/io/read.h", '#include "../kernels/join.h"', "climb"),
        ("src/weft/io/read.h", '#include "read.h"', "begins with 'weft/'"),
        ("src/weft/io/read.h", '#include "weft/util/strings.h"', "is in no layer"),
        ("src/weft/extra/new.h", '#include "weft/base/types.h"', "there is no layer 'extra'"),
    ],
)
def test_a_bad_include_is_found(copy: Path, file: str, include: str, says: str) -> None:
    path = copy / file
    path.parent.mkdir(exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{include}\n{before}")
    done = check(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{file}:1:" in done.stdout
    assert says in done.stdout


def test_what_is_allowed(copy: Path) -> None:
    for file, include in [
        ("src/weft/exchange/exchange.h", "weft/table/wire.h"),
        ("src/weft/distributed/read.h", "weft/kernels/join.h"),
        ("src/weft/backends/local/local_backend.h", "weft/bootstrap/store.h"),
        ("tests/io/files.h", "weft/backends/local/local_backend.h"),
        ("src/weft/backends/registry.cc.in", "weft/backends/local/local_backend.h"),
    ]:
        path = copy / file
        path.write_text(f'#include "{include}"\n{path.read_text()}')
    done = check(copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_sources_is_no_proof(tmp_path: Path) -> None:
    assert check(tmp_path).returncode == 2
