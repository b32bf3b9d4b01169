"""Makes the tables of TPC-H as Parquet files by tpchgen-cli (PyPI), where they are not there yet.

    python examples/tpch/generate.py --data tpch-1 --scale 1

Scale 1 is 8.7 million rows in eight tables, 0.4 GB of Parquet; it takes some seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")


def generate(folder: Path, scale: float) -> None:
    """Writes folder/lineitem.parquet and the others. RuntimeError where the generator is missing or fails."""
    if all((folder / f"{name}.parquet").exists() for name in TABLES):
        return
    where = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which("tpchgen-cli", path=where)
    if program is None:
        raise RuntimeError("tpchgen-cli is not installed: pip install tpchgen-cli")
    folder.mkdir(parents=True, exist_ok=True)
    command = [program, "parquet", "-s", f"{scale:g}", "--output-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"tpchgen-cli failed with exit code {done.returncode}: {done.stderr.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder for the tables")
    parser.add_argument("--scale", type=float, default=1.0, help="the scale factor, 1 by default")
    options = parser.parse_args()
    generate(options.data, options.scale)


if __name__ == "__main__":
    main()
