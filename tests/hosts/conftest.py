"""Whether there can be a Slurm here. Where CI runs the tests there must be."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

# The namespaces are those of the NAT lab, the join that of the functions' tests.
sys.path += [str(Path(__file__).parents[1] / name) for name in ("netlab", "python")]

import namespaces
import slurm_cluster

# A shell that starts the tests in the background ignores Ctrl-C for them, and for what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: With WEFT_SOAK=1 all cases run, else a sample.
SOAK = bool(os.environ.get("WEFT_SOAK"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    why = slurm_cluster.missing()
    if why is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    for name in namespaces.sweep():
        shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
    made = slurm_cluster.Cluster(tmp_path_factory.mktemp("slurm") / "cluster")
    yield made
    made.close()
