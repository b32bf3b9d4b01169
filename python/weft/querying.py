"""`query` and `eval`: texts in pandas' words, parsed by Python's grammar and built into expressions; no text is run."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from weft.arguments import find, place, refuse
from weft.arrow_input import is_unnamed_index
from weft.computed import ABSENT, Computed
from weft.expression import Expression, col
from weft.operands import Operands

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["evaluate", "query"]

#: Texts in quotes, names in backticks, and the signs that are not Python's here.
_TOKENS = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`|@|&|\|)""")
#: What names are called while they are parsed.
_QUOTED, _LOCAL = "weft_quoted_{}_", "weft_local_"

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.invert,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MEMBERSHIP = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
#: NumPy's functions that have a name by themselves.
_FUNCTIONS = (
    *("sin", "cos", "tan", "exp", "log", "expm1", "log1p", "sqrt", "sinh", "cosh", "tanh", "arcsin", "arccos"),
    *("arctan", "arccosh", "arcsinh", "arctanh", "abs", "log10", "floor", "ceil", "arctan2"),
)
#: Methods of a Series alone, which look at other rows, on all ranks.
_OF_SERIES = (
    *("sum", "prod", "mean", "median", "min", "max", "std", "var", "sem", "skew", "kurt", "count", "nunique"),
    *("quantile", "any", "all", "cumsum", "cumprod", "cummin", "cummax", "shift", "diff", "pct_change", "rank"),
    *("ffill", "bfill", "duplicated", "apply"),
)
_COMPUTED = frozenset(name for name in dir(Computed) if not name.startswith("_"))


def query(frame: DataFrame, expr: Any, scope: Mapping[str, Any], **options: Any) -> DataFrame:
    """See `DataFrame.query`; `scope` has what ``@name`` means."""
    _check("query", frame, expr, options)
    text = Text(frame, "query", " ".join(line.strip() for line in expr.splitlines()), scope)
    target, made = text.evaluate()
    if target is not None:
        raise ValueError(f"{text.where}: {text.source!r} assigns; that is for eval")
    if not isinstance(made, Expression):
        kind = type(made).__name__
        raise TypeError(f"{text.where}: {text.source!r} gives one {kind} for all rows, not a condition for each")
    try:
        return text.operands.filter(made)
    except TypeError as problem:
        raise TypeError(str(problem).replace("filter: ", "query: ", 1)) from None


def evaluate(frame: DataFrame, expr: Any, scope: Mapping[str, Any], **options: Any) -> Any:
    """See `DataFrame.eval`; `scope` has what ``@name`` means."""
    _check("eval", frame, expr, options)
    lines = [line.strip() for line in expr.splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{place(frame.env)}eval: the text is empty")
    for line in lines:
        text = Text(frame, "eval", line, scope)
        target, made = text.evaluate()
        if target is None:
            if len(lines) > 1:
                raise ValueError(f"{text.where}: of several lines each assigns to a column; {line!r} does not")
            return text.series(made) if isinstance(made, Expression) else made
        columns: dict[str, Any] = {name: col(name) for name in frame.columns}
        columns[target] = made if isinstance(made, Expression) else text.operands.expression(made)
        frame = text.operands.project(list(columns), list(columns.values()))
    return frame


def _check(operation: str, frame: DataFrame, expr: Any, options: dict[str, Any]) -> None:
    where = f"{place(frame.env)}{operation}"
    if not isinstance(expr, str):
        raise TypeError(f"{where}: expr is a text, not {type(expr).__name__}")
    engine, inplace = options.pop("engine", None), options.pop("inplace", ABSENT)
    refuse(
        where,
        parser=(options.pop("parser", "pandas"), "pandas", "& and | are read as and, or"),
        engine=(None if engine == "python" else engine, None, "there is but one"),
        resolvers=(options.pop("resolvers", None), None, "give names by local_dict"),
        inplace=(False if inplace is ABSENT else inplace, False, "frames do not change: use the result"),
    )
    if options:
        raise TypeError(f"{where}: there is no argument {next(iter(options))!r}")


class Text:
    """One line over a frame's columns."""

    def __init__(self, frame: DataFrame, operation: str, source: str, scope: Mapping[str, Any]) -> None:
        self.frame = frame
        self.source = source
        self.where = f"{place(frame.env)}{operation}"
        self.operands = Operands(frame, operation)
        self._scope = scope
        self._quoted: list[str] = []

    def evaluate(self) -> tuple[str | None, Any]:
        """The column that is assigned to, if any, and what the text gives: an expression or a Python value."""
        text = _TOKENS.sub(self._token, self.source)
        try:
            body = ast.parse(text.strip()).body
        except (SyntaxError, ValueError) as problem:
            told = problem.msg if isinstance(problem, SyntaxError) else str(problem)
            raise ValueError(f"{self.where}: {self.source!r} cannot be read: {told}") from None
        if len(body) != 1:
            raise ValueError(f"{self.where}: {self.source!r} is not one expression")
        line = body[0]
        if isinstance(line, ast.Expr):
            return None, self._visit(line.value)
        if isinstance(line, ast.Assign) and len(line.targets) == 1:
            return self._target(line.targets[0]), self._visit(line.value)
        self._refuse(line)

    def series(self, expression: Expression) -> Series:
        """What an expression gives, as a Series named after its first column."""
        from weft.series import Series

        names = [name for name in _in_order(expression) if name in self.frame.columns]
        return Series(self.operands.project([names[0] if names else "0"], [expression]))

    # -- names ---------------------------------------------------------------------------------------------------

    def _token(self, found: re.Match[str]) -> str:
        token = found[0]
        if token.startswith("`"):
            self._quoted.append(token[1:-1])
            return _QUOTED.format(len(self._quoted) - 1)
        return {"@": _LOCAL, "&": " and ", "|": " or "}.get(token, token)

    def _name(self, name: str) -> str:
        """A name as it was in the text."""
        found = re.fullmatch(_QUOTED.format(r"(\d+)"), name)
        return self._quoted[int(found[1])] if found else name

    def _shown(self, node: ast.AST) -> str:
        """A piece of the text, for errors."""
        text = ast.unparse(node).replace(_LOCAL, "@")
        return re.sub(_QUOTED.format(r"(\d+)"), lambda found: f"`{self._quoted[int(found[1])]}`", text)

    def _refuse(self, node: ast.AST, why: str = "is not taken here") -> NoReturn:
        raise ValueError(f"{self.where}: {self._shown(node)!r} {why}")

    def _target(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name) or node.id.startswith(_LOCAL):
            self._refuse(node, "is no column to assign to")
        return self._name(node.id)

    def _column(self, name: str) -> Expression:
        index = self.frame.index_names
        if name in self.frame.columns:
            return col(name)
        level = re.fullmatch(r"ilevel_(\d+)", name)
        if level and int(level[1]) < len(index) and is_unnamed_index(index[int(level[1])]):
            return col(index[int(level[1])])
        if name == "index" and name not in index:
            if len(index) != 1:
                told = "has no index: rows go by position" if not index else f"has an index of {len(index)} columns"
                raise ValueError(f"{self.where}: 'index' is named, and the frame {told}; reset_index() makes columns")
            return col(index[0])
        if name not in index and name in self._scope:
            raise KeyError(f"{self.where}: there is no column {name!r}; the variable of this name is @{name}")
        return col(self.frame.table.column_names[find(self.frame, name, self.where.rpartition(": ")[2])])

    # -- values --------------------------------------------------------------------------------------------------

    def _visit(self, node: ast.expr) -> Any:
        """An expression, or a Python value: a constant, a variable, or what a method gives."""
        kind = type(node).__name__
        visit = getattr(self, f"_visit_{kind.lower()}", None)
        if visit is None:
            self._refuse(node)
        return visit(node)

    def _visit_constant(self, node: ast.Constant) -> Any:
        if not isinstance(node.value, bool | int | float | str | bytes | None):
            self._refuse(node)
        return node.value

    def _visit_name(self, node: ast.Name) -> Any:
        if not node.id.startswith(_LOCAL):
            return self._column(self._name(node.id))
        name = node.id.removeprefix(_LOCAL)
        if name not in self._scope:
            raise KeyError(f"{self.where}: there is no variable {name!r} where it was called")
        return self._operand(self._scope[name])

    def _operand(self, value: Any) -> Any:
        """A Series as an expression over columns that lie beside the frame's; other values as they are."""
        from weft.series import Series

        return self.operands.expression(value) if isinstance(value, Series) else value

    def _visit_list(self, node: ast.List | ast.Tuple | ast.Set) -> list[Any]:
        values = [self._visit(element) for element in node.elts]
        if any(isinstance(value, Expression) for value in values):
            self._refuse(node, "is a list of columns; a list has constants")
        return values

    _visit_tuple = _visit_set = _visit_list

    def _computed(self, node: ast.expr, function: Callable[..., Any], *values: Any) -> Any:
        """``function(*values)``; its error names the place."""
        try:
            return function(*values)
        except (ArithmeticError, LookupError, TypeError, ValueError) as problem:
            kind = TypeError if isinstance(problem, TypeError) else ValueError
            raise kind(f"{self.where}: {self._shown(node)!r}: {problem}") from None

    def _visit_unaryop(self, node: ast.UnaryOp) -> Any:
        value = self._visit(node.operand)
        if isinstance(node.op, ast.Not | ast.Invert) and isinstance(value, bool):
            return not value
        return self._computed(node, _UNARY[type(node.op)], value)

    def _visit_binop(self, node: ast.BinOp) -> Any:
        function = _BINARY.get(type(node.op))
        if function is None:
            self._refuse(node)
        return self._computed(node, function, self._visit(node.left), self._visit(node.right))

    def _visit_boolop(self, node: ast.BoolOp) -> Any:
        function = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        made = self._visit(node.values[0])
        for value in node.values[1:]:
            made = self._computed(node, function, made, self._visit(value))
        return made

    def _visit_compare(self, node: ast.Compare) -> Any:
        made: Any = None
        left = self._visit(node.left)
        for sign, following in zip(node.ops, node.comparators, strict=True):
            right = self._visit(following)
            compared = self._compared(node, left, sign, right)
            made = compared if made is None else made & compared
            left = right
        return made

    def _compared(self, node: ast.Compare, left: Any, sign: ast.cmpop, right: Any) -> Any:
        if isinstance(sign, _MEMBERSHIP):
            listed = isinstance(sign, ast.In | ast.NotIn) or isinstance(left, list) or isinstance(right, list)
            if listed:
                found = self._member(node, left, right)
                return found if isinstance(sign, ast.Eq | ast.In) else self._opposite(found)
        function = _COMPARISONS.get(type(sign))
        if function is None:
            self._refuse(node, "compares with is; == None and isna() do that")
        return self._computed(node, function, left, right)

    @staticmethod
    def _opposite(found: Any) -> Any:
        return ~found if isinstance(found, Expression) else not found

    def _member(self, node: ast.Compare, left: Any, right: Any) -> Any:
        """Whether the left side is among the right one's values; a text or list on the left is what is looked for."""
        if not isinstance(left, Expression):
            if not isinstance(right, Expression):
                return self._computed(node, operator.contains, right, left)
            if not isinstance(left, str | list):
                self._refuse(node, "looks for one value in a column; write column == value")
            left, right = right, left
        if isinstance(right, str):
            right = [right]
        if isinstance(right, Expression):
            return self._operand(self.series(left).isin(self.series(right)))
        return self._computed(node, left.isin, right)

    def _visit_subscript(self, node: ast.Subscript) -> Any:
        value, key = self._visit(node.value), self._visit(node.slice)
        if isinstance(value, Expression) or isinstance(key, Expression):
            self._refuse(node, "takes rows of a column by place; slices and iloc do that")
        return self._operand(self._computed(node, operator.getitem, value, key))

    # -- attributes and calls ------------------------------------------------------------------------------------

    def _visit_attribute(self, node: ast.Attribute) -> Any:
        owner = self._visit(node.value)
        if node.attr.startswith("_"):
            self._refuse(node)
        if not isinstance(owner, Expression):
            if not hasattr(owner, node.attr):
                self._refuse(node, f"is no attribute of {type(owner).__name__}")
            return self._operand(getattr(owner, node.attr))
        if node.attr in ("str", "dt"):
            return getattr(owner, node.attr)
        self._refuse(node, "is no part of a column; methods are called, and .str and .dt have more")

    def _visit_call(self, node: ast.Call) -> Any:
        if any(isinstance(value, ast.Starred) for value in node.args) or any(one.arg is None for one in node.keywords):
            self._refuse(node, "takes arguments with a star")
        called = node.func
        args = [self._visit(value) for value in node.args]
        named = {str(one.arg): self._visit(one.value) for one in node.keywords}
        if isinstance(called, ast.Attribute) and not called.attr.startswith("_"):
            owner = self._visit(called.value)
            if isinstance(owner, Expression):
                return self._method(node, owner, called.attr, args, named)
        if isinstance(called, ast.Name) and called.id in _FUNCTIONS and called.id not in self.frame.columns:
            import numpy

            return self._computed(node, partial(getattr(numpy, called.id), **named), *args)
        function = self._visit(called)
        if isinstance(function, Expression) or not callable(function):
            self._refuse(node, "calls what is no function")
        if not hasattr(function, "nin") and not isinstance(getattr(function, "__self__", None), _accessors()):
            # Of a function of the caller's columns are Series; NumPy's and the accessors' take expressions.
            args, named = self._as_series(args, named)
        return self._operand(function(*args, **named))

    def _method(self, node: ast.Call, owner: Expression, name: str, args: list[Any], named: dict[str, Any]) -> Any:
        """A method of a column: of its expression where that has it, else of the Series."""
        computed = name in _COMPUTED and name not in ("str", "dt")
        if not computed and name not in _OF_SERIES:
            self._refuse(node, f"calls {name!r}, which is no method of a column here")
        given = [*args, *named.values()]
        whole = any(callable(value) and not isinstance(value, Computed) for value in given)
        if computed and not whole and not (name == "isin" and any(isinstance(one, Expression) for one in given)):
            return getattr(owner, name)(*args, **named)
        args, named = self._as_series(args, named)
        return self._operand(getattr(self.series(owner), name)(*args, **named))

    def _as_series(self, args: list[Any], named: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        def made(value: Any) -> Any:
            return self.series(value) if isinstance(value, Expression) else value

        return [made(value) for value in args], {name: made(value) for name, value in named.items()}


def _accessors() -> tuple[type, ...]:
    from weft.datetimes import Datetimes
    from weft.strings import Strings

    return Strings, Datetimes


def _in_order(expression: Expression) -> list[str]:
    """The columns that it reads, from left to right."""
    if expression.kind == "column":
        return [expression.detail]
    return [name for argument in expression.arguments for name in _in_order(argument)]
