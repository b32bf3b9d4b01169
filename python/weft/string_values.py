"""`StringValues`: what ``.str`` computes with Python's functions, a value at a time, and texts cut at a separator."""

from __future__ import annotations

import codecs
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from weft.arguments import choose_env, refuse
from weft.computed import Computed

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["StringValues", "integer", "text"]

T = TypeVar("T", bound=Computed)


def integer(operation: str, name: str, value: Any, least: int | None = None) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"str.{operation}: {name}={value!r} is no integer")
    if least is not None and int(value) < least:
        raise ValueError(f"str.{operation}: {name}={value!r} is below {least}")
    return int(value)


def text(operation: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"str.{operation}: {name} is a text, not {type(value).__name__}")
    return value


class StringValues(Generic[T]):
    """What Python's functions make of each text, and parts of texts. Where a method says so it is of a Series alone,
    and collective where that is bound."""

    __slots__ = ("_of",)

    def __init__(self, of: T) -> None:
        self._of = of

    def _make(self, kind: str, *operands: Any, detail: Any = None) -> T:
        return self._of._apply(f"str.{kind}", *operands, detail=detail)

    def _frame(self, operation: str) -> DataFrame:
        """The frame of a Series; an expression is but one column."""
        frame: DataFrame | None = getattr(self._of, "_frame", None)
        if frame is None:
            raise TypeError(f"str.{operation}: it is made of a Series, not of an expression")
        return frame

    def _values(self, operation: str, wanted: str = "text") -> tuple[list[Any], pa.DataType]:
        """This rank's values as Python's, and their type."""
        from weft.dtypes import dense, family

        frame = self._frame(operation)
        type = dense(frame.schema.types[-1])
        if family(type) not in (wanted, "null"):
            what = "text" if wanted == "text" else "bytes"
            raise TypeError(f"str.{operation}: it is for columns of {what}, not {type}")
        return cast("Series", self._of).to_list(), type

    def _by_value(
        self, operation: str, function: Callable[[Any], Any], type: pa.DataType | None, wanted: str = "text"
    ) -> T:
        """What a Python function gives for each value that is there; of the values' own type, or `type`."""
        import pyarrow as pa

        from weft.agreement import agreed
        from weft.dtypes import family
        from weft.functions import with_columns
        from weft.series import Series

        values, own = self._values(operation, wanted)
        frame = self._frame(operation)
        wide = pa.string() if family(own) == "null" else own

        def make() -> tuple[pa.Array, None]:
            try:
                made = [None if value is None else function(value) for value in values]
            except UnicodeError as problem:
                raise ValueError(f"str.{operation}: {problem}") from None
            return pa.array(made, wide if type is None else type), None

        column = agreed(choose_env(operation, None, frame), f"str.{operation}", make)[0]
        return cast(T, Series(with_columns(frame, {frame.columns[0]: column}, operation)))

    # -- by Python's functions -----------------------------------------------------------------------------------

    def casefold(self) -> T:
        """For comparing without case: lower case, and "ss" for "ß". Of a Series; collective where it is bound."""
        return self._by_value("casefold", str.casefold, None)

    def translate(self, table: Mapping[int, Any]) -> T:
        """Characters replaced by a table that ``str.maketrans`` makes. Of a Series; collective where it is bound."""
        if not isinstance(table, Mapping):
            raise TypeError(f"str.translate: table is a dict, as str.maketrans gives, not {type(table).__name__}")
        return self._by_value("translate", lambda value: value.translate(table), None)

    def wrap(
        self,
        width: int,
        expand_tabs: bool = True,
        tabsize: int = 8,
        replace_whitespace: bool = True,
        drop_whitespace: bool = True,
        initial_indent: str = "",
        subsequent_indent: str = "",
        fix_sentence_endings: bool = False,
        break_long_words: bool = True,
        break_on_hyphens: bool = True,
        max_lines: int | None = None,
        placeholder: str = " [...]",
    ) -> T:
        """In lines of at most `width` characters; the arguments are those of Python's `textwrap.TextWrapper`. Of a
        Series; collective where it is bound."""
        wrapper = textwrap.TextWrapper(
            integer("wrap", "width", width, 1),
            initial_indent,
            subsequent_indent,
            expand_tabs,
            replace_whitespace,
            fix_sentence_endings,
            break_long_words,
            drop_whitespace,
            break_on_hyphens,
            tabsize,
            max_lines=max_lines,
            placeholder=placeholder,
        )
        return self._by_value("wrap", lambda value: "\n".join(wrapper.wrap(value)), None)

    def encode(self, encoding: str, errors: str = "strict") -> T:
        """The bytes of an encoding. A text that it does not have is a ValueError, unless `errors` says otherwise. Of a
        Series; collective where it is bound."""
        import pyarrow as pa

        codecs.lookup(text("encode", "encoding", encoding))
        codecs.lookup_error(errors)
        return self._by_value("encode", lambda value: value.encode(encoding, errors), pa.binary())

    def decode(self, encoding: str, errors: str = "strict", dtype: None = None) -> T:
        """The texts of bytes in an encoding, as `encode`."""
        import pyarrow as pa

        refuse("str.decode", dtype=(dtype, None, "astype() the result"))
        codecs.lookup(text("decode", "encoding", encoding))
        codecs.lookup_error(errors)
        return self._by_value("decode", lambda value: value.decode(encoding, errors), pa.string(), "binary")

    def findall(self, pat: Any, flags: int = 0) -> T:
        """All that a regular expression of Python's matches, as a list: of texts, or of lists of texts where it has
        several groups. Of a Series; collective where it is bound."""
        import pyarrow as pa

        pattern = _compiled("findall", pat, flags)
        item = pa.string() if pattern.groups < 2 else pa.list_(pa.string())
        return self._by_value("findall", pattern.findall, pa.list_(item))

    def extractall(self, pat: Any, flags: int = 0) -> DataFrame:
        """A row for each match of a regular expression of Python's: a column a group, named as the group or by its
        number. The index has one more column, "match", the number of the match in its text. What a group matches is
        missing where that is nothing. Of a Series; local."""
        import pyarrow as pa

        from weft import _core
        from weft.elementwise_series import table_of
        from weft.positions import take_here

        pattern = _compiled("extractall", pat, flags)
        if not pattern.groups:
            raise ValueError("str.extractall: the pattern has no groups")
        values, _ = self._values("extractall")
        frame = self._frame("extractall")
        rows: list[int] = []
        numbers: list[int] = []
        groups: list[list[str | None]] = [[] for _ in range(pattern.groups)]
        for row, value in enumerate(values):
            for number, found in enumerate([] if value is None else pattern.finditer(value)):
                rows.append(row)
                numbers.append(number)
                for group, matched in zip(groups, found.groups(), strict=True):
                    group.append(matched or None)
        named = {position: name for name, position in pattern.groupindex.items()}
        names = [named.get(number + 1, str(number)) for number in range(pattern.groups)]
        columns = {str(number): pa.array(group, pa.string()) for number, group in enumerate(groups)}
        made = table_of({"match": pa.array(numbers, pa.int64()), **columns})
        hidden = len(frame.index_names)
        labels = [take_here(frame._keep([]), rows).table] if hidden else []
        table = _core.beside([*labels, made])
        return frame._wrap(
            table.rename([f"c{i}" for i in range(table.num_columns)]),
            frame.env,
            [f"c{i}" for i in range(hidden + 1)],
        ).with_names([*frame.index_names, "match", *names], "str.extractall")

    # -- cut at a separator --------------------------------------------------------------------------------------

    def rfind(self, sub: str, start: int = 0, end: int | None = None) -> T:
        """Where `sub` is last found between `start` and `end`, in characters; -1 where it is not."""
        return self._found("rfind", sub, start, end)

    def index(self, sub: str, start: int = 0, end: int | None = None) -> T:
        """As `find`; a ValueError where a text does not have it. Of a Series; collective where it is bound."""
        return self._there("index", self._found("index", sub, start, end))

    def rindex(self, sub: str, start: int = 0, end: int | None = None) -> T:
        """As `rfind`; a ValueError where a text does not have it. Of a Series; collective where it is bound."""
        return self._there("rindex", self._found("rindex", sub, start, end))

    def _found(self, operation: str, sub: Any, start: Any, end: Any) -> T:
        stop = None if end is None else integer(operation, "end", end, 0)
        first = integer(operation, "start", start, 0)
        return self._make("find", detail=(text(operation, "sub", sub), first, stop, operation.startswith("r")))

    def _there(self, operation: str, places: T) -> T:
        self._frame(operation)
        if (cast("Series", places) == -1).any():
            raise ValueError(f"str.{operation}: a text does not have it; find gives -1 for such")
        return places

    def partition(self, sep: str = " ", expand: bool = True) -> Any:
        """What lies before the first `sep`, that itself, and what lies behind, as a frame of "0", "1" and "2"; the
        whole text in "0" where it is not found. With ``expand=False`` lists, of a Series, which is collective where it
        is bound."""
        return self._partition("partition", sep, expand)

    def rpartition(self, sep: str = " ", expand: bool = True) -> Any:
        """The same at the last `sep`; the whole text in "2" where it is not found."""
        return self._partition("rpartition", sep, expand)

    def _partition(self, operation: str, sep: Any, expand: bool) -> Any:
        import pyarrow as pa

        from weft.expression import Expression, col
        from weft.operands import Operands

        if not text(operation, "sep", sep):
            raise ValueError(f"str.{operation}: sep is empty")
        if not expand:
            return self._by_value(operation, lambda value: list(getattr(value, operation)(sep)), pa.list_(pa.string()))
        frame = self._frame(operation)
        own = col(frame.columns[0])
        parts = [Expression("str.partition", (own,), (sep, operation == "rpartition", part)) for part in range(3)]
        return Operands(frame, operation).project(["0", "1", "2"], parts)

    def get_dummies(self, sep: str = "|", dtype: Any = None) -> DataFrame:
        """A column for each of the parts that `sep` cuts texts into, in order: 1 where the text has it, else 0; or of
        `dtype`. The parts are those of all ranks. Of a Series; collective where it is bound."""
        import pyarrow as pa

        from weft.dtypes import family, of_name
        from weft.expression import Expression, col, lit
        from weft.operands import Operands
        from weft.pivoting import labels_in

        if not text("get_dummies", "sep", sep):
            raise ValueError("str.get_dummies: sep is empty")
        type = pa.int64() if dtype is None else of_name(dtype, "str.get_dummies")
        if family(type) not in ("int", "float", "bool"):
            raise ValueError(f"str.get_dummies: dtype={dtype!r} is no type of numbers or bool")
        frame = self._frame("get_dummies")
        lists = cast("Series", self._make("split", detail=(sep, -1, False, False)))
        parts = lists.reset_index(drop=True).explode().drop_duplicates().to_frame()
        labels = [label for (label,) in labels_in(parts, [0], "str.get_dummies") if label]
        whole = lit(sep) + col(frame.columns[0]) + lit(sep)
        flags: list[Expression] = [whole.str.contains(f"{sep}{label}{sep}", regex=False) for label in labels]
        made = flags if family(type) == "bool" else [flag.cast(type) for flag in flags]
        return Operands(frame, "str.get_dummies").project(labels, made)


def _compiled(operation: str, pat: Any, flags: int) -> re.Pattern[str]:
    if not isinstance(pat, str | re.Pattern):
        raise TypeError(f"str.{operation}: pat is a text, not {type(pat).__name__}")
    try:
        return re.compile(pat, flags)
    except re.error as problem:
        raise ValueError(f"str.{operation}: {pat!r} is no regular expression: {problem}") from None
