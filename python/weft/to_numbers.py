"""`to_numeric`: texts as numbers."""

from __future__ import annotations

from typing import Any, Literal

from weft.arguments import one_of, place, refuse
from weft.dtypes import dense, family
from weft.series import Series

__all__ = ["to_numeric"]

_WHOLE = r"[+-]?[0-9]{1,18}"
_NUMBER = r"(?i)([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?|[+-]?nan)"


def to_numeric(
    arg: Series, errors: Literal["raise", "coerce"] = "raise", downcast: Any = None, dtype_backend: Any = None
) -> Series:
    """A Series of texts as numbers: int64 where all texts of all ranks are whole numbers, else float64. Blanks around
    them count for nothing, and an empty text is missing. Numbers and truth values stay as they are. Collective on a
    bound Series.

    Parameters
    ----------
    errors
        ``"raise"``: a text that is no number is a ValueError; ``"coerce"``: it is missing.
    """
    if not isinstance(arg, Series):
        raise TypeError(f"to_numeric: it takes a Series, not {type(arg).__name__}")
    where = f"{place(arg.env)}to_numeric"
    refuse(where, downcast=(downcast, None, "astype the result"), dtype_backend=(dtype_backend, None, "it is Arrow's"))
    one_of(arg.env, "to_numeric", "errors", errors, ("raise", "coerce"))
    kind = family(dense(arg.dtype))
    if kind in ("bool", "int", "float", "decimal"):
        return arg
    if kind == "null":
        return arg.astype("float64")
    if kind != "text":
        raise TypeError(f"{where}: {arg.name!r} is of type {arg.dtype}; it takes texts and numbers")
    text = arg.str.strip()
    text = text.where(text != "")
    if not (text.notna() & ~text.str.fullmatch(_WHOLE)).any() and text.count():
        return text.astype("int64")
    if errors == "coerce":
        text = text.where(text.str.fullmatch(_NUMBER))
    try:
        return text.astype("float64")
    except ValueError as problem:
        told = str(problem).replace("astype: ", "to_numeric: ", 1).partition("; weft.to_numeric")[0]
        raise ValueError(f"{told}; errors='coerce' makes it missing") from None
