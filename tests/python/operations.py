"""Operators by a description in JSON, so that the same call can be made here and on the ranks of a server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import weft


def scope(frames: list[Any], names: dict[str, Any]) -> dict[str, Any]:
    """What the text of an "eval" may name."""
    made = {"frames": frames, "df": frames[0], "weft": weft, "pd": pd, "np": np, "col": weft.col, **names}
    return {**made, "other": frames[1]} if len(frames) > 1 else made


def apply(spec: dict[str, Any], frames: list[weft.DataFrame], env: weft.Env | None = None) -> Any:
    """Runs ``spec["op"]`` with the rest of `spec` as arguments."""
    if spec["op"] == "eval":
        return eval(spec["code"], scope(frames, {**spec["names"], "env": env}))
    arguments = {key: value for key, value in spec.items() if key != "op"}
    op = spec["op"]
    first = frames[0]
    if op == "merge":
        arguments["suffixes"] = tuple(arguments.get("suffixes", ("_x", "_y")))
        return first.merge(frames[1], env=env, **arguments)
    if op == "groupby":
        wanted = arguments.pop("agg")
        grouped = first.groupby(arguments.pop("by"), **arguments)
        return grouped.agg(**{name: tuple(pair) for name, pair in wanted.items()})
    if op == "concat":
        return weft.concat(frames, env=env, **arguments)
    if op == "filter":
        return first.filter(eval(spec["condition"], {"col": weft.col, "lit": weft.lit}))
    if op == "assign":
        return first.assign(**{name: eval(text, {"col": weft.col}) for name, text in spec["columns"].items()})
    if op == "rows":
        return first[slice(spec["start"], spec["stop"])]
    method = getattr(first, op)
    found: weft.DataFrame = method(**arguments)
    return found
