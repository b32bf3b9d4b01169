"""docs/pandas.md says what the tests show."""

from __future__ import annotations

import pandas_table


def test_page_is_what_the_tests_cover():
    assert pandas_table.PAGE.read_text() == pandas_table.render(), "run: python tests/python/pandas_table.py"
