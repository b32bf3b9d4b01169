"""``.str``: operations on texts, for Series and for expressions.

The rules stand on Arrow's kernels, as pandas' own ``str`` type does; regular expressions are RE2's. The accessor's
methods say what there is; how each is lowered lies in `string_rules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from weft.arguments import refuse
from weft.computed import ABSENT, Computed
from weft.string_values import StringValues
from weft.string_values import integer as _integer
from weft.string_values import text as _text

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Strings"]

T = TypeVar("T", bound=Computed)


def _pattern(operation: str, pat: Any, flags: int = 0, ignore_case: bool = False) -> str:
    """A regular expression for RE2; of Python's flags it takes those that RE2 has."""
    if isinstance(pat, re.Pattern):
        flags |= pat.flags & ~re.UNICODE.value
        pat = pat.pattern
    text = _text(operation, "pat", pat)
    letters = "i" if ignore_case or flags & re.IGNORECASE else ""
    letters += "m" if flags & re.MULTILINE else ""
    letters += "s" if flags & re.DOTALL else ""
    if int(flags) & ~int(re.IGNORECASE | re.MULTILINE | re.DOTALL):
        raise ValueError(f"str.{operation}: flags={flags!r} is not taken; IGNORECASE, MULTILINE and DOTALL are")
    return f"(?{letters}){text}" if letters else text


def _escaped(text: str) -> str:
    """A regular expression that matches the text alone."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


class Strings(StringValues[T]):
    """Operations on texts, a row at a time; each gives a Series, or an expression, as it is called on. A column that
    holds no text is a TypeError. Conditions are False where the text is missing, other results are missing."""

    __slots__ = ()

    # -- case, spaces, width -------------------------------------------------------------------------------------

    def lower(self) -> T:
        """In lower case."""
        return self._make("kernel", detail="utf8_lower")

    def upper(self) -> T:
        """In upper case."""
        return self._make("kernel", detail="utf8_upper")

    def title(self) -> T:
        """Each word with an upper-case first letter."""
        return self._make("kernel", detail="utf8_title")

    def capitalize(self) -> T:
        """The first letter in upper case, the rest in lower case."""
        return self._make("kernel", detail="utf8_capitalize")

    def swapcase(self) -> T:
        """Upper and lower case swapped."""
        return self._make("kernel", detail="utf8_swapcase")

    def strip(self, to_strip: str | None = None) -> T:
        """Without white space, or any of these characters, at both ends."""
        return self._make("strip", detail=("trim", to_strip and _text("strip", "to_strip", to_strip)))

    def lstrip(self, to_strip: str | None = None) -> T:
        """The same at the left end."""
        return self._make("strip", detail=("ltrim", to_strip and _text("lstrip", "to_strip", to_strip)))

    def rstrip(self, to_strip: str | None = None) -> T:
        """The same at the right end."""
        return self._make("strip", detail=("rtrim", to_strip and _text("rstrip", "to_strip", to_strip)))

    def pad(self, width: int, side: Literal["left", "right", "both"] = "left", fillchar: str = " ") -> T:
        """At least `width` characters, filled up at the `side`."""
        if side not in ("left", "right", "both"):
            raise ValueError(f"str.pad: side={side!r} is unknown; it is left, right or both")
        if len(_text("pad", "fillchar", fillchar)) != 1:
            raise TypeError("str.pad: fillchar is one character")
        return self._make("pad", detail=(side, _integer("pad", "width", width), fillchar))

    def ljust(self, width: int, fillchar: str = " ") -> T:
        """At least `width` characters, filled up at the right."""
        return self.pad(width, "right", fillchar)

    def rjust(self, width: int, fillchar: str = " ") -> T:
        """At least `width` characters, filled up at the left."""
        return self.pad(width, "left", fillchar)

    def center(self, width: int, fillchar: str = " ") -> T:
        """At least `width` characters, filled up at both sides."""
        return self.pad(width, "both", fillchar)

    def zfill(self, width: int) -> T:
        """At least `width` characters, with zeros after the sign."""
        return self._make("zfill", detail=_integer("zfill", "width", width))

    def repeat(self, repeats: Any) -> T:
        """So many times over: a number, or one a row."""
        return self._of._apply("multiply", repeats)

    def normalize(self, form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> T:
        """In a normal form of Unicode."""
        if form not in ("NFC", "NFD", "NFKC", "NFKD"):
            raise ValueError(f"str.normalize: form={form!r} is unknown; it is NFC, NFD, NFKC or NFKD")
        return self._make("normalize", detail=form)

    # -- looking -------------------------------------------------------------------------------------------------

    def len(self) -> T:
        """The number of characters, or of a list's items."""
        return self._make("len")

    def contains(self, pat: Any, case: bool = True, flags: int = 0, na: Any = ABSENT, regex: bool = True) -> T:
        """True where a regular expression (a text, with ``regex=False``) is found. `na`: what missing texts give."""
        if not regex:
            if flags:
                raise ValueError("str.contains: flags are of regular expressions; name case=False")
            return self._make("match", detail=(_text("contains", "pat", pat), False, not case, _na("contains", na)))
        return self._make("match", detail=(_pattern("contains", pat, flags), True, not case, _na("contains", na)))

    def match(self, pat: Any, case: bool = True, flags: int = 0, na: Any = ABSENT) -> T:
        """True where a regular expression matches the beginning."""
        pattern = f"^(?:{_pattern('match', pat, flags)})"
        return self._make("match", detail=(pattern, True, not case, _na("match", na)))

    def fullmatch(self, pat: Any, case: bool = True, flags: int = 0, na: Any = ABSENT) -> T:
        """True where a regular expression matches the whole."""
        pattern = f"^(?:{_pattern('fullmatch', pat, flags)})$"
        return self._make("match", detail=(pattern, True, not case, _na("fullmatch", na)))

    def startswith(self, pat: str | tuple[str, ...], na: Any = ABSENT) -> T:
        """True where the text begins with `pat`, or with one of a tuple."""
        return self._make("ends", detail=("starts_with", _texts("startswith", pat), _na("startswith", na)))

    def endswith(self, pat: str | tuple[str, ...], na: Any = ABSENT) -> T:
        """True where the text ends with `pat`, or with one of a tuple."""
        return self._make("ends", detail=("ends_with", _texts("endswith", pat), _na("endswith", na)))

    def find(self, sub: str, start: int = 0, end: int | None = None) -> T:
        """Where `sub` is first found between `start` and `end`, in characters; -1 where it is not."""
        return self._found("find", sub, start, end)

    def count(self, pat: Any, flags: int = 0) -> T:
        """How often a regular expression is found."""
        return self._make("count", detail=_pattern("count", pat, flags))

    def isalnum(self) -> T:
        """True where there are characters, all of them letters or digits."""
        return self._make("is", detail="utf8_is_alnum")

    def isalpha(self) -> T:
        """The same for letters."""
        return self._make("is", detail="utf8_is_alpha")

    def isdecimal(self) -> T:
        """The same for decimal digits."""
        return self._make("is", detail="utf8_is_decimal")

    def isdigit(self) -> T:
        """The same for digits."""
        return self._make("is", detail="utf8_is_digit")

    def isnumeric(self) -> T:
        """The same for numerals."""
        return self._make("is", detail="utf8_is_numeric")

    def isspace(self) -> T:
        """The same for white space."""
        return self._make("is", detail="utf8_is_space")

    def islower(self) -> T:
        """True where there are letters with a case, all of them in lower case."""
        return self._make("is", detail="utf8_is_lower")

    def isupper(self) -> T:
        """The same for upper case."""
        return self._make("is", detail="utf8_is_upper")

    def istitle(self) -> T:
        """True where each word begins in upper case."""
        return self._make("is", detail="utf8_is_title")

    def isascii(self) -> T:
        """True where all characters are ASCII."""
        return self._make("is", detail="string_is_ascii")

    # -- other texts ---------------------------------------------------------------------------------------------

    def replace(
        self,
        pat: Any,
        repl: str | None = None,
        n: int = -1,
        case: bool | None = None,
        flags: int = 0,
        regex: bool = False,
    ) -> T:
        """`repl` in place of the first `n` (default: all) occurrences of a text, or of a regular expression, whose
        groups `repl` names as ``\\1``. A dict of several replacements is applied one after the other."""
        if isinstance(pat, dict):
            if repl is not None:
                raise ValueError("str.replace: with a dict of replacements there is no repl")
            made = self
            for old, new in pat.items():
                made = Strings(made.replace(old, new, n, case, flags, regex))
            return made._of
        if not isinstance(repl, str):
            raise TypeError(f"str.replace: repl is a text, not {type(repl).__name__}; use map for a function")
        if not regex and (isinstance(pat, re.Pattern) or flags):
            raise ValueError("str.replace: a compiled pattern and flags need regex=True")
        if regex and "\\g<" in repl:
            raise ValueError("str.replace: groups are named by number, \\1, in repl")
        ignore_case = case is False
        is_regex = regex or ignore_case
        if not regex:
            old = _text("replace", "pat", pat)
            pattern = f"(?i){_escaped(old)}" if ignore_case else old
            repl = repl.replace("\\", "\\\\") if ignore_case else repl
        else:
            pattern = _pattern("replace", pat, flags, ignore_case)
        count = _integer("replace", "n", n)
        return self._make("replace", detail=(pattern, repl, count if count > 0 else None, is_regex))

    def slice(self, start: int | None = None, stop: int | None = None, step: int | None = None) -> T:
        """``text[start:stop:step]``."""
        for name, value in (("start", start), ("stop", stop), ("step", step)):
            if value is not None:
                _integer("slice", name, value)
        if step is not None and step < 1:
            raise ValueError(f"str.slice: step={step} is not taken; it is above 0")
        return self._make("slice", detail=(start or 0, stop, step or 1))

    def slice_replace(self, start: int | None = None, stop: int | None = None, repl: str | None = None) -> T:
        """The text with `repl` in place of ``text[start:stop]``."""
        if any(value is not None and _integer("slice_replace", "start and stop", value) < 0 for value in (start, stop)):
            raise ValueError("str.slice_replace: start and stop below 0 are not taken")
        return self._make("slice_replace", detail=(start or 0, stop, repl or ""))

    def removeprefix(self, prefix: str) -> T:
        """Without `prefix`, where the text begins so."""
        return self._make("remove", detail=(_text("removeprefix", "prefix", prefix), True))

    def removesuffix(self, suffix: str) -> T:
        """Without `suffix`, where the text ends so."""
        return self._make("remove", detail=(_text("removesuffix", "suffix", suffix), False))

    def cat(self, others: Any = None, sep: str | None = None, na_rep: str | None = None, join: Any = "left") -> T:
        """The text, `sep`, and the texts of `others`: a Series, or several in a list. Missing where one of them is,
        unless `na_rep` stands for it."""
        refuse("str.cat", join=(join, "left", "rows go by position"))
        if others is None:
            raise ValueError("str.cat: name others; all texts of a column in one is ''.join(series.to_list())")
        many = isinstance(others, list | tuple) and all(isinstance(one, Computed) for one in others)
        operands: Sequence[Any] = others if many else [others]
        return self._make("cat", *operands, detail=(sep or "", na_rep))

    def get(self, i: int) -> T:
        """The character, or the item of a list, at `i`, from the end where it is negative; missing where there is
        none."""
        return self._make("get", detail=_integer("get", "i", i))

    def __getitem__(self, key: Any) -> T:
        """``.str[i]`` is `get`, ``.str[a:b]`` is `slice`."""
        return self.slice(key.start, key.stop, key.step) if isinstance(key, slice) else self.get(key)

    def join(self, sep: str) -> T:
        """The texts of a list, `sep` between them."""
        return self._make("join", detail=_text("join", "sep", sep))

    # -- parts ---------------------------------------------------------------------------------------------------

    def split(self, pat: Any = None, *, n: int = -1, expand: bool = False, regex: bool | None = None) -> Any:
        """The parts between occurrences of `pat` (default: white space), as a list; at most `n` splits. A `pat` of more
        than one character is a regular expression unless `regex` says otherwise.

        With `expand` a frame of the parts, "0", "1" ...: as many columns as the longest row has parts, over all ranks;
        collective on a bound Series.
        """
        return self._split("split", pat, n, expand, regex, reverse=False)

    def rsplit(self, pat: str | None = None, *, n: int = -1, expand: bool = False) -> Any:
        """The same with splits counted from the end; `pat` is a text."""
        return self._split("rsplit", pat, n, expand, False, reverse=True)

    def _split(self, operation: str, pat: Any, n: int, expand: bool, regex: bool | None, *, reverse: bool) -> Any:
        count = _integer(operation, "n", 0 if n is None else n)
        count = count if count > 0 else -1
        if pat is None or pat == "":
            if reverse and count > 0:
                raise ValueError("str.rsplit: n without pat is not taken; split by ' '")
            made = self._make("split_space", detail=count)
        else:
            if regex is None:
                regex = isinstance(pat, re.Pattern) or len(_text(operation, "pat", pat)) > 1
            if isinstance(pat, re.Pattern) and not regex:
                raise ValueError(f"str.{operation}: a compiled pattern needs regex=True")
            pattern = _pattern(operation, pat) if regex else _text(operation, "pat", pat)
            made = self._make("split", detail=(pattern, count, bool(regex), reverse))
        return self._expanded(operation, made) if expand else made

    def _expanded(self, operation: str, lists: T) -> DataFrame:
        """Lists as columns."""
        from weft.arguments import choose_env
        from weft.expression import Expression, col
        from weft.operands import Operands

        self._frame(operation)
        frame: DataFrame = lists._frame  # type: ignore[attr-defined]
        name = frame.columns[0]
        env = choose_env(operation, None, frame)
        lengths = Strings(lists).len()._frame.reset_index(drop=True).to_arrow().column(0)  # type: ignore[attr-defined]
        import pyarrow.compute as pc

        longest = pc.max(lengths).as_py() or 0
        if env is not None:
            longest = int(env.allreduce(longest, "max"))
        names = [str(number) for number in range(longest)]
        parts = [Expression("str.get", (col(name),), number) for number in range(longest)]
        return Operands(frame, operation).project(names, parts)

    def extract(self, pat: str, flags: int = 0, expand: bool = True) -> Any:
        """What the groups of a regular expression match where it is first found: a frame with a column a group, named
        as the group or by its number; of one group a Series with ``expand=False``. Missing where it is not found, or
        the group takes no part."""
        from weft.expression import Expression, col
        from weft.operands import Operands

        pattern, names = _with_named_groups(_pattern("extract", pat, flags))
        if not names:
            raise ValueError("str.extract: the pattern has no groups")
        if len(names) == 1 and not expand:
            made = self._make("extract", detail=(pattern, 0))
            rename = getattr(made, "rename", None)
            return made if rename is None or names[0] == "0" else rename(names[0])
        frame = self._frame("extract")
        groups = [Expression("str.extract", (col(frame.columns[0]),), (pattern, i)) for i in range(len(names))]
        return Operands(frame, "extract").project(names, groups)


def _na(operation: str, na: Any) -> bool | None:
    """What a condition gives for missing texts: False unless named otherwise."""
    if na is ABSENT:
        return False
    if na is not None and not isinstance(na, bool):
        raise ValueError(f"str.{operation}: na={na!r} is not taken; it is True, False or None")
    return na


def _texts(operation: str, pat: Any) -> tuple[str, ...]:
    if isinstance(pat, tuple):
        return tuple(_text(operation, "pat", one) for one in pat)
    return (_text(operation, "pat", pat),)


def _with_named_groups(pattern: str) -> tuple[str, list[str]]:
    """The pattern with a name for each group, as Arrow wants it; and pandas' names for the groups."""
    made: list[str] = []
    names: list[str] = []
    at = 0
    in_class = False
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            made.append(pattern[at : at + 2])
            at += 2
            continue
        if in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
            # A ] that comes first is a member.
            first = re.match(r"\[\^?\]", pattern[at:])
            if first:
                made.append(first.group())
                at += first.end()
                continue
        elif character == "(":
            named = re.match(r"\(\?P?<(\w+)>", pattern[at:])
            if named or not pattern.startswith("(?", at):
                made.append(f"(?P<g{len(names)}>")
                names.append(named.group(1) if named else str(len(names)))
                at += named.end() if named else 1
                continue
        made.append(character)
        at += 1
    return "".join(made), names
