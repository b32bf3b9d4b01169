"""Notebooks written for pandas give the same answers with Weft in its place, here and over ranks."""

from __future__ import annotations

import notebooks
import oracle
import pandas as pd
import pytest

import weft


@pytest.mark.parametrize("name", sorted(notebooks.NOTEBOOKS))
def test_answers(servers, name):
    table = notebooks.NOTEBOOKS[name][1]()
    expected = notebooks.answers(name, pd, table.to_pandas())
    spec = {"op": "eval", "code": f"__import__('notebooks').answers('{name}', weft, df)", "names": {}}
    third = table.num_rows // 3
    outcome = servers[3].run(spec, [table], [[0, third, third, table.num_rows]])
    assert outcome.errors == [None] * 3
    for found in (notebooks.answers(name, weft, weft.DataFrame(table)), *outcome.values):
        assert len(found) == len(expected)
        for number, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
            assert oracle.close(mine, theirs, 1e-9), f"{name}, answer {number}:\n{mine}\n{theirs}"
