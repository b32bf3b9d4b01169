"""Whether there can be a lab here. Where CI runs the tests there must be."""

from __future__ import annotations

import os

import namespaces
import pytest
from figures import figure, pytest_terminal_summary  # noqa: F401
from lab import RANK, SERVER, SWITCH

#: With WEFT_SOAK=1 all cases run, else a sample.
SOAK = bool(os.environ.get("WEFT_SOAK"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    why = namespaces.missing()
    if why is None:
        absent = [str(path) for path in (RANK, SWITCH, SERVER) if not path.exists()]
        why = f"not built: {', '.join(absent)}" if absent else None
    if why is None or os.environ.get("CI") == "true":
        return
    for item in items:
        item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session", autouse=True)
def swept():
    """Labs of runs that were killed are gone before the first test."""
    if namespaces.missing() is None:
        namespaces.sweep()
