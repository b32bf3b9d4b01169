"""Rules of ``.str``."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.dtypes import family
from weft.lowering import Lowering, Term, rule

__all__: list[str] = []

#: White space of Python in RE2's classes.
_SPACE = r"[\s\x0b\x1c-\x1f\x{85}\p{Z}]+"


def _texts(term: Term) -> Term:
    if term.family not in ("text", "null"):
        raise TypeError(f".str is for columns of text, not {term.type}")
    return term if term.family == "text" else term.lowering.null(pa.string())


def _condition(low: Lowering, made: Term, na: bool | None) -> Term:
    return made if na is None else low.call("coalesce", made, low.constant(na), type=pa.bool_())


@rule("str.kernel")
def _kernel(low: Lowering, terms: tuple[Term, ...], function: str) -> Term:
    text = _texts(terms[0])
    return low.call(function, text, type=text.type)


@rule("str.is")
def _is(low: Lowering, terms: tuple[Term, ...], function: str) -> Term:
    return _condition(low, low.call(function, _texts(terms[0]), type=pa.bool_()), False)


@rule("str.strip")
def _strip(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, str | None]) -> Term:
    text = _texts(terms[0])
    side, characters = detail
    if not characters:
        return low.call(f"utf8_{side}_whitespace", text, type=text.type)
    return low.call(f"utf8_{side}", text, options=pc.TrimOptions(characters), type=text.type)


@rule("str.pad")
def _pad(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, int, str]) -> Term:
    text = _texts(terms[0])
    side, width, character = detail
    function = {"left": "utf8_lpad", "right": "utf8_rpad", "both": "utf8_center"}[side]
    # Python puts the odd one to the left where the width is odd.
    options = pc.PadOptions(max(width, 0), character, lean_left_on_odd_padding=width % 2 == 0)
    return low.call(function, text, options=options, type=text.type)


@rule("str.zfill")
def _zfill(low: Lowering, terms: tuple[Term, ...], width: int) -> Term:
    text = _texts(terms[0])
    return low.call("utf8_zero_fill", text, options=pc.ZeroFillOptions(max(width, 0), "0"), type=text.type)


@rule("str.normalize")
def _normalize(low: Lowering, terms: tuple[Term, ...], form: str) -> Term:
    text = _texts(terms[0])
    return low.call("utf8_normalize", text, options=pc.Utf8NormalizeOptions(form), type=text.type)


@rule("str.len")
def _len(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    (term,) = terms
    lists = pa.types.is_list(term.type) or pa.types.is_large_list(term.type) or pa.types.is_fixed_size_list(term.type)
    made = low.call("list_value_length" if lists else "utf8_length", term if lists else _texts(term))
    return low.cast(made, pa.int64())


@rule("str.match")
def _match(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, bool, bool, bool | None]) -> Term:
    pattern, regex, ignore_case, na = detail
    function = "match_substring_regex" if regex else "match_substring"
    options = pc.MatchSubstringOptions(pattern, ignore_case=ignore_case)
    return _condition(low, low.call(function, _texts(terms[0]), options=options, type=pa.bool_()), na)


@rule("str.ends")
def _ends(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, tuple[str, ...], bool | None]) -> Term:
    text = _texts(terms[0])
    function, patterns, na = detail
    made = low.call("and", low.constant(False), low.call("is_valid", text, type=pa.bool_()), type=pa.bool_())
    for number, pattern in enumerate(patterns):
        one = low.call(function, text, options=pc.MatchSubstringOptions(pattern), type=pa.bool_())
        made = one if number == 0 else low.call("or", made, one, type=pa.bool_())
    return _condition(low, made, na)


@rule("str.find")
def _find(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, int, int | None, bool]) -> Term:
    text = _texts(terms[0])
    sub, start, stop, last = detail
    part = text
    if start or stop is not None:
        part = low.call("utf8_slice_codeunits", text, options=pc.SliceOptions(start, stop), type=text.type)
    if not sub:
        long = low.call("utf8_length", text)
        fits = low.call("less_equal", low.constant(start), low.cast(long, pa.int64()), type=pa.bool_())
        fits = fits if stop is None or stop >= start else low.call("and", fits, low.constant(False), type=pa.bool_())
        end = low.cast(long, pa.int64())
        if stop is not None:
            shorter = low.call("less", end, low.constant(stop), type=pa.bool_())
            end = low.choose(shorter, end, low.constant(stop))
        return low.choose(fits, end if last else low.constant(start), low.constant(-1))
    function = "weft_rfind" if last else "weft_find"
    at = low.call(function, part, options=pc.MatchSubstringOptions(sub), type=pa.int64())
    if not start:
        return at
    found = low.call("greater_equal", at, low.constant(0), type=pa.bool_())
    return low.choose(found, low.call("add", at, low.constant(start), type=pa.int64()), at)


@rule("str.partition")
def _partition(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, bool, int]) -> Term:
    """Before (0), the separator (1), or behind (2)."""
    text = _texts(terms[0])
    separator, last, part = detail
    found = low.call("match_substring", text, options=pc.MatchSubstringOptions(separator), type=pa.bool_())
    nothing = low.constant("", text.type)
    if part == 1:
        return low.choose(found, low.constant(separator, text.type), nothing)
    halves = low.call("split_pattern", text, options=pc.SplitPatternOptions(separator, max_splits=1, reverse=last))
    half = low.call("weft_list_get", halves, low.constant(part // 2), type=text.type)
    return low.choose(found, half, text if (part == 2) == last else nothing)


@rule("str.count")
def _count(low: Lowering, terms: tuple[Term, ...], pattern: str) -> Term:
    made = low.call("count_substring_regex", _texts(terms[0]), options=pc.MatchSubstringOptions(pattern))
    return low.cast(made, pa.int64())


@rule("str.replace")
def _replace(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, str, int | None, bool]) -> Term:
    text = _texts(terms[0])
    pattern, new, count, regex = detail
    function = "replace_substring_regex" if regex else "replace_substring"
    options = pc.ReplaceSubstringOptions(pattern, new, max_replacements=count)
    return low.call(function, text, options=options, type=text.type)


@rule("str.slice")
def _slice(low: Lowering, terms: tuple[Term, ...], detail: tuple[int, int | None, int]) -> Term:
    text = _texts(terms[0])
    return low.call("utf8_slice_codeunits", text, options=pc.SliceOptions(*detail), type=text.type)


@rule("str.slice_replace")
def _slice_replace(low: Lowering, terms: tuple[Term, ...], detail: tuple[int, int | None, str]) -> Term:
    text = _texts(terms[0])
    start, stop, new = detail
    options = pc.ReplaceSliceOptions(start, 2**62 if stop is None else max(stop, start), new)
    return low.call("utf8_replace_slice", text, options=options, type=text.type)


@rule("str.remove")
def _remove(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, bool]) -> Term:
    text = _texts(terms[0])
    affix, at_start = detail
    if not affix:
        return text
    options = pc.MatchSubstringOptions(affix)
    found = low.call("starts_with" if at_start else "ends_with", text, options=options, type=pa.bool_())
    cut = pc.SliceOptions(len(affix)) if at_start else pc.SliceOptions(0, -len(affix))
    return low.choose(found, low.call("utf8_slice_codeunits", text, options=cut, type=text.type), text)


@rule("str.cat")
def _cat(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, str | None]) -> Term:
    separator, of_missing = detail
    texts = [_texts(term) for term in terms]
    type = pa.large_string() if any(text.type == pa.large_string() for text in texts) else pa.string()
    options = pc.JoinOptions() if of_missing is None else pc.JoinOptions("replace", of_missing)
    parts = [*(low.cast(text, type) for text in texts), low.constant(separator, type)]
    return low.call("binary_join_element_wise", *parts, options=options, type=type)


@rule("str.get")
def _get(low: Lowering, terms: tuple[Term, ...], index: int) -> Term:
    (term,) = terms
    if term.family == "other":
        return low.call("weft_list_get", term, low.constant(index))
    text = _texts(term)
    stop = None if index == -1 else index + 1
    made = low.call("utf8_slice_codeunits", text, options=pc.SliceOptions(index, stop), type=text.type)
    least = index + 1 if index >= 0 else -index
    length = low.cast(low.call("utf8_length", text), pa.int64())
    long = low.call("greater_equal", length, low.constant(least), type=pa.bool_())
    return low.choose(long, made, low.null(text.type))


@rule("str.join")
def _join(low: Lowering, terms: tuple[Term, ...], separator: str) -> Term:
    (term,) = terms
    if term.family != "other" or not hasattr(term.type, "value_type") or family(term.type.value_type) != "text":
        raise TypeError(f"str.join is for columns of lists of texts, not {term.type}")
    return low.call("binary_join", term, low.constant(separator, term.type.value_type), type=term.type.value_type)


@rule("str.split")
def _split(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, int, bool, bool]) -> Term:
    pattern, count, regex, reverse = detail
    options = pc.SplitPatternOptions(pattern, max_splits=None if count < 0 else count, reverse=reverse)
    return low.call("split_pattern_regex" if regex else "split_pattern", _texts(terms[0]), options=options)


@rule("str.split_space")
def _split_space(low: Lowering, terms: tuple[Term, ...], count: int) -> Term:
    """As Python's split(None, count): white space at the ends makes no parts; what is left after the last split keeps
    its end."""
    text = _texts(terms[0])
    trimmed = low.call("utf8_trim_whitespace", text, type=text.type)
    whole = trimmed
    if count > 0:
        gaps = low.call("count_substring_regex", trimmed, options=pc.MatchSubstringOptions(_SPACE))
        left_over = low.call("greater_equal", low.cast(gaps, pa.int64()), low.constant(count), type=pa.bool_())
        whole = low.choose(left_over, low.call("utf8_ltrim_whitespace", text, type=text.type), trimmed)
    made = low.call("utf8_split_whitespace", whole, options=pc.SplitOptions(max_splits=None if count < 0 else count))
    empty = low.call("equal", trimmed, low.constant("", text.type), type=pa.bool_())
    none = low.constant([], made.type)
    return low.choose(empty, none, made)


@rule("str.extract")
def _extract(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, int]) -> Term:
    text = _texts(terms[0])
    pattern, group = detail
    field = pc.StructFieldOptions([group])
    found = low.call("extract_regex", text, options=pc.ExtractRegexOptions(pattern))
    value = low.call("struct_field", found, options=field, type=text.type)
    # A group that takes no part is an empty text there; only its span tells.
    spans = low.call("extract_regex_span", text, options=pc.ExtractRegexSpanOptions(pattern))
    there = low.call("is_valid", low.call("struct_field", spans, options=field), type=pa.bool_())
    return low.choose(there, value, low.null(text.type))
