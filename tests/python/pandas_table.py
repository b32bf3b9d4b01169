"""Makes docs/pandas.md of what the tests cover: `python tests/python/pandas_table.py` writes it anew."""

from __future__ import annotations

import importlib
import inspect
from collections import defaultdict
from pathlib import Path
from typing import Any

import oracle
import pandas as pd

import weft
from weft.groupby import GroupBy, SeriesGroupBy
from weft.resample import Resampler
from weft.windows import Expanding, ExponentialMovingWindow, Rolling

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "pandas.md"

_FRAME = pd.DataFrame({"k": [1], "v": [1]})
_DATES = pd.Series(pd.to_datetime(["2020-01-01"]))
_TEXTS = pd.Series(["a"])


def pairs() -> list[tuple[str, Any, Any]]:
    """Name, what pandas has, what Weft has."""
    found = [
        ("DataFrame", pd.DataFrame, weft.DataFrame),
        ("Series", pd.Series, weft.Series),
        ("DataFrameGroupBy", type(_FRAME.groupby("k")), GroupBy),
        ("SeriesGroupBy", type(_FRAME.groupby("k")["v"]), SeriesGroupBy),
        ("pandas", pd, weft),
    ]
    timed = _FRAME.set_index(pd.DatetimeIndex(_DATES))
    found += [
        ("Rolling", type(_FRAME.rolling(1)), Rolling),
        ("Expanding", type(_FRAME.expanding()), Expanding),
        ("ExponentialMovingWindow", type(_FRAME.ewm(1)), ExponentialMovingWindow),
        ("Resampler", type(timed.resample("D")), Resampler),
    ]
    series = weft.DataFrame({"s": ["a"], "t": _DATES})
    for accessor, column, of_pandas in (("str", "s", _TEXTS), ("dt", "t", _DATES)):
        if hasattr(weft.Series, accessor):
            ours, theirs = getattr(series[column], accessor), getattr(of_pandas, accessor)
            found.append((f"Series.{accessor}", type(theirs), type(ours)))
    return found


def members(owner: Any) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


def arguments(function: Any) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return []
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, one in parameters.items() if one.kind in plain and name not in ("self", "cls")]


def rows() -> list[tuple[str, str, str]]:
    """(method, argument, outcome) for everything that Weft has under a name of pandas."""
    for path in sorted(HERE.glob("test_*.py")):
        importlib.import_module(path.stem)
    covered: dict[tuple[str, str], list[str]] = defaultdict(list)
    for method, argument, outcome in oracle.COVERED:
        if outcome not in covered[method, argument]:
            covered[method, argument].append(outcome)
    made = []
    for owner, theirs, ours in pairs():
        for name in sorted(members(theirs) & members(ours)):
            if owner == "pandas" and (not callable(getattr(ours, name)) or inspect.ismodule(getattr(ours, name))):
                continue
            method = name if owner == "pandas" else f"{owner}.{name}"
            made.append((method, "", _outcome(covered[method, ""])))
            if owner != "pandas" and isinstance(getattr(ours, name), property):
                continue
            taken = arguments(getattr(ours, name))
            for argument in arguments(getattr(theirs, name)):
                told = covered[method, argument]
                made.append((method, argument, _outcome(told) if told or argument in taken else "refused"))
    return made


def _outcome(told: list[str]) -> str:
    """One outcome of several tests'."""
    if not told:
        return "not tested"
    differences = [outcome for outcome in told if outcome != "same"]
    told_more = [one if number == 0 else one.removeprefix("different: ") for number, one in enumerate(differences)]
    return "; ".join(told_more) if differences else "same"


def render() -> str:
    lines = [
        "# Weft beside pandas",
        "",
        "Made by the tests (`python tests/python/pandas_table.py`); `test_pandas_table.py` fails when it is out of date. pandas 3",
        "is the specification: *same* was compared with it, on generated tables, on this process' rows and over 1 to 8 ranks;",
        "*refused* is an error that names the argument; *different* says how. An index that only counts rows, which pandas always",
        "has, Weft has not. What is not listed is not there (an AttributeError); Weft's own arguments are in the docstrings.",
        "",
        "What holds everywhere:",
        "",
        '- Operations keep the name of what they are called on: `(df.a - df.b).name` is `"a"`. pandas\' Series without a name are',
        '  named `"duplicated"`, `"0"` and so on here. Column names are texts, all different.',
        '- Rows have no labels unless an index is set: without one `df["c"] = series` and `a + b` go by position, whatever',
        "  order the Series was brought into.",
        "- Regular expressions are RE2's: no look-around and back references, and `\\w`, `\\d`, `\\s`, `\\b` know ASCII alone.",
        "- Periods and unions are refused; extension types are their storage, so UUIDs are their 16 bytes.",
        "",
        "| method | argument | outcome |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{method}` | {f'`{argument}`' if argument else ''} | {outcome} |" for method, argument, outcome in rows()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render())
