"""Rules of `astype`."""

from __future__ import annotations

import re

import pyarrow as pa

from weft.dtypes import family
from weft.lowering import Lowering, Term, rule

_NUMBERS = ("bool", "int", "float", "decimal")


@rule("astype")
def _astype(low: Lowering, terms: tuple[Term, ...], type: pa.DataType) -> Term:
    (term,) = terms
    if not low.typed:
        import pyarrow.compute as pc

        return low.call("cast", term, options=pc.CastOptions(type), type=type)
    if pa.types.is_dictionary(type):
        value = term.type if pa.types.is_null(type.value_type) else type.value_type
        if family(value) == "null":
            value = pa.string()
        if type.ordered or type.index_type != pa.int32():
            raise TypeError(f"astype: {type} is not taken; dictionaries have int32 indices and no order of their own")
        if family(value) != "text":
            raise TypeError(f"astype: {term.type} does not become a category; cast it to text first")
        return low.cast(_astype(low, (term,), pa.string()), pa.dictionary(pa.int32(), pa.string()))
    if term.type == type:
        return term
    source, target = term.family, family(type)
    if source == "null":
        return low.null(type)
    made = None
    if target == "text":
        made = _to_text(low, term, type)
    elif target == "bool" and source in (*_NUMBERS, "text"):
        made = _to_bool(low, term)
    elif target in _NUMBERS:
        made = _to_number(low, term, type)
    elif target in ("moment", "date", "time", "span"):
        made = _to_time(low, term, type)
    elif (target == "binary" and source in ("text", "binary")) or target == source == "other":
        made = low.cast(term, type, fallible=True)
    if made is None:
        raise TypeError(f"astype: {term.type} does not become {type}")
    return made


#: An error of the kernel that casts: the rank's name, the column, the type, the cause.
_FAILED = re.compile(r"(rank \d+: )?project: (?:\w+\()+(.*?)[,)].*?to_type=(.*?), allow_.*?\}\)*: (.*)", re.DOTALL)


def cast_error(problem: ValueError) -> ValueError:
    """The error of a value that does not fit, in a user's words."""
    found = _FAILED.fullmatch(str(problem))
    if found is None:
        return problem
    rank, column, type, cause = found.groups()
    value = re.fullmatch(r"Failed to parse string: ('.*') as a scalar of type .*", cause, re.DOTALL)
    told = f"{value[1]} is no {type}" if value else cause[:1].lower() + cause[1:]
    number = any(word in type for word in ("int", "double", "float"))
    way = "; weft.to_numeric(series, errors='coerce') makes it missing" if value and number else ""
    return ValueError(f"{rank or ''}astype: column {column!r}: {told}{way}")


def _without_nan(low: Lowering, term: Term) -> Term:
    return low.choose(low.is_missing(term), low.null(term.type), term)


def _to_text(low: Lowering, term: Term, type: pa.DataType) -> Term | None:
    if term.family == "bool":
        return low.choose(term, low.constant("True", type), low.constant("False", type))
    if term.family == "float":
        number = low.cast(term, pa.float32()) if pa.types.is_float16(term.type) else term
        return low.cast(low.call("weft_number_text", _without_nan(low, number), type=pa.string()), type)
    if term.family in ("int", "decimal", "text", "moment", "date", "time"):
        return low.cast(term, type, fallible=True)
    return None


def _to_bool(low: Lowering, term: Term) -> Term:
    nothing = low.constant("", term.type) if term.family == "text" else low.cast(low.constant(0), term.type)
    if pa.types.is_float16(term.type):
        term, nothing = low.cast(term, pa.float32()), low.constant(0, pa.float32())
    made = low.call("not_equal", term, nothing, type=pa.bool_())
    return low.choose(low.is_missing(term), low.null(pa.bool_()), made) if term.family == "float" else made


def _to_number(low: Lowering, term: Term, type: pa.DataType) -> Term | None:
    import pyarrow.compute as pc

    source, target = term.family, family(type)
    if source in ("moment", "span"):
        return low.cast(term, type) if type == pa.int64() else None
    if source not in (*_NUMBERS, "text"):
        return None
    if source == "float":
        # NaN has no integer; what has a fraction loses it.
        number = low.cast(term, pa.float32()) if pa.types.is_float16(term.type) else term
        if target == "int":
            number = low.call("trunc", _without_nan(low, number), type=number.type)
        return low.cast(number, type, fallible=target != "float")
    if source == "text":
        # As Python reads numbers: blanks around them, and a plus before them, count for nothing.
        term = low.call("utf8_trim_whitespace", term, type=term.type)
        if target == "int":
            plus = pc.ReplaceSubstringOptions(r"^\+(\d)", r"\1")
            term = low.call("replace_substring_regex", term, options=plus, type=term.type)
    return low.cast(term, type, truncate=source == "decimal", fallible=source == "text" or target != "float")


def _to_time(low: Lowering, term: Term, type: pa.DataType) -> Term | None:
    source, target = term.family, family(type)
    if source == "text":
        return low.cast(term, type, fallible=True) if target != "span" else None
    if source == "moment" and target == "moment" and (term.type.tz is None) != (type.tz is None):
        raise TypeError(
            f"astype: {term.type} and {type} are not both with a time zone; use .dt.tz_localize or .dt.tz_convert"
        )
    if source == "int" and target in ("moment", "span"):
        return low.cast(low.cast(term, pa.int64(), fallible=True), type)
    allowed = {"moment": ("moment", "date"), "date": ("moment", "date"), "time": ("moment", "time"), "span": ("span",)}
    if source not in allowed[target]:
        return None
    return low.cast(term, type, truncate=True, fallible=True)
