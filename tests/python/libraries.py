"""Where scripts of the tests find PyTorch and TensorFlow, neither of which Weft needs.

PyTorch is Debian's where the environment has none: its package alone, by a link, since what lies beside it (NumPy, PyYAML
...) would hide the environment's own. It was built for another NumPy than ours and says so when it is imported; between
the two go DLPack capsules.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

DEBIAN = Path("/usr/lib/python3/dist-packages")


def with_torch(folder: Path) -> dict[str, str]:
    """The environment of a script that imports PyTorch."""
    if importlib.util.find_spec("torch") is not None:
        return {}
    version = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    if not list((DEBIAN / "torch").glob(f"_C.{version}-*.so")):
        pytest.skip(f"there is no PyTorch for {version}: apt-get install python3-torch")
    links = folder / "debian"
    if not links.exists():
        links.mkdir()
        (links / "torch").symlink_to(DEBIAN / "torch")
    return {"PYTHONPATH": os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(links)])}


def with_tensorflow() -> dict[str, str]:
    """The environment of a script that imports TensorFlow."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install tensorflow-cpu")
    # Its own log, and GPUs that are not there.
    return {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
