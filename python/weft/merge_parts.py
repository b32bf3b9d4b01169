"""A long merge inside a stage, in parts by key, with a boundary after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.agreement import agreed

if TYPE_CHECKING:
    from weft.env import Env
    from weft.merge import Sides

__all__ = ["in_parts"]


def in_parts(sides: Sides, env: Env | None, options: dict[str, Any], make: Callable[[Sides], _core.Table]) -> Any:
    """What `make` gives for both sides; part by part where that is long, in a stage, and no order of rows is promised.
    Collective with an env.

    options
        The join's: how, algorithm, maintain_order, columns ...
    """
    ordered = options["maintain_order"] or options["algorithm"] == "sort" or not sides.left_keys
    # A table without columns is a number of rows, which no file of columns holds.
    if env is None or ordered or options["columns"] == []:
        return make(sides)
    tells = [
        {key: options[key] for key in sorted(options)},
        [[name, str(type)] for side in (sides.left, sides.right) for name, type in _fields(side)],
        [sides.left_keys, sides.right_keys],
    ]
    operator = env.long_operator("merge", tells, [sides.left, sides.right])
    if operator is None:
        return make(sides)

    def cut() -> tuple[list[list[_core.Table]], None]:
        both = ((sides.left, sides.left_keys), (sides.right, sides.right_keys))
        return [
            _core.cut_by_key(table, env.session, columns=keys, parts=operator.parts, wanted=operator.todo)
            for table, keys in both
        ], None

    if operator.todo:
        left, right = agreed(env, "merge", cut)[0]
        # What is joined is let go of.
        for part in operator.todo:
            operator.finish_part(part, make(replace(sides, left=left.pop(0), right=right.pop(0))))
    return operator.result()


def _fields(table: _core.Table) -> list[tuple[str, Any]]:
    import pyarrow as pa

    return [(field.name, field.type) for field in pa.schema(table)]
