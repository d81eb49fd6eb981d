"""FHIRPath text as a tree of expressions, each with the character where it begins (from 1).

The grammar is that of FHIRPath N1 2.0, without what the subset of SQL on FHIR v2 never uses: unions
by `|`, units, and the variables of iterations other than $this.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from lakehouse.errors import SpecError

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?
        (?:Z|[+-]\d\d:\d\d)?)?)?)
    |(?P<time>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<name>[A-Za-z_]\w*|`(?:[^`\\]|\\.)*`)
    |(?P<variable>\$\w+|%(?:[A-Za-z_][\w-]*|`[^`]*`|'[^']*'))
    |(?P<sign><=|>=|!=|!~|[().,\[\]=<>+\-*/&|~{}])""",
    re.X | re.S,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.S)
_ESCAPED = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_TIGHTNESS = {
    "implies": 1,
    **dict.fromkeys(("or", "xor"), 2),
    "and": 3,
    **dict.fromkeys(("=", "!="), 5),
    **dict.fromkeys(("<", "<=", ">", ">="), 6),
    **dict.fromkeys(("+", "-", "&"), 8),
    **dict.fromkeys(("*", "/", "div", "mod"), 9),
}
_UNKNOWN = {"|", "~", "!~", "in", "contains", "is", "as", "{", "}"}
_DEEPEST = 100


class Token(NamedTuple):
    """A piece of the text; `kind` is end, datetime, time, number, string, name, variable or
    sign."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the path; `kind` is boolean, integer, decimal, string, date, dateTime or
    time."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`%name`, without the sign."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class This:
    """`$this`, or the focus that a path begins from."""

    at: int


@dataclass(frozen=True, slots=True)
class Member:
    """An element of what stands before the dot."""

    of: "Expression"
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function of what stands before the dot."""

    of: "Expression"
    name: str
    arguments: tuple["Expression", ...]
    at: int


@dataclass(frozen=True, slots=True)
class Index:
    """`of[place]`, counted from 0."""

    of: "Expression"
    place: "Expression"
    at: int


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands; a sign before one operand is 0 minus it."""

    sign: str
    left: "Expression"
    right: "Expression"
    at: int


Expression = Literal | Variable | This | Member | Call | Index | Operation


class PathError(SpecError):
    """What is wrong in a path, and at which character (from 1)."""

    def __init__(self, message: str, at: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.at = at


def parse(text: str) -> Expression:
    """The tree of a path; raises PathError where it is not FHIRPath, or more than we speak."""
    return _Parser(text).whole()


def _tokens(text: str) -> list[Token]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match or not match.lastgroup:
            raise PathError(f"no FHIRPath begins with {text[place]!r} here", place + 1)
        if match.lastgroup != "blank":
            found.append(Token(match.lastgroup, match[0], place + 1))
        place = match.end()
    return [*found, Token("end", "", len(text) + 1)]


class _Parser:
    """Precedence climbing over the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0

    def whole(self) -> Expression:
        found = self._expression(0)
        if self._next.kind != "end":
            raise self._unexpected()
        return found

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += 1
        return token

    def _expect(self, sign: str) -> None:
        if self._next.text != sign or self._next.kind != "sign":
            raise PathError(f"{sign} is missing", self._next.at)
        self._place += 1

    def _unexpected(self) -> PathError:
        token = self._next
        if token.kind == "end":
            return PathError("the path ends too early", token.at)
        if token.text in _UNKNOWN:
            return PathError(f"{token.text} is not supported in a view", token.at)
        return PathError(f"{token.text} is not expected here", token.at)

    def _expression(self, above: int) -> Expression:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise PathError(f"the path is nested deeper than {_DEEPEST}", self._next.at)
        left = self._signed()
        while (tightness := self._tightness()) > above:
            token = self._take()
            left = Operation(token.text, left, self._expression(tightness), token.at)
        self._depth -= 1
        return left

    def _tightness(self) -> int:
        token = self._next
        return _TIGHTNESS.get(token.text, 0) if token.kind in ("sign", "name") else 0

    def _signed(self) -> Expression:
        token = self._next
        if token.kind != "sign" or token.text not in "+-":
            return self._chain()
        self._place += 1
        operand = self._chain()
        match operand, token.text:
            case Literal("integer" | "decimal"), "-":
                return Literal(operand.kind, f"-{operand.text}", token.at)
            case _, "-":
                return Operation("-", Literal("integer", "0", token.at), operand, token.at)
        return operand

    def _chain(self) -> Expression:
        found = self._first()
        while self._next.kind == "sign" and self._next.text in (".", "["):
            token = self._take()
            if token.text == ".":
                found = self._member(found)
            else:
                found = Index(found, self._expression(0), token.at)
                self._expect("]")
        return found

    def _first(self) -> Expression:
        token = self._next
        match token.kind:
            case "name" if token.text in ("true", "false"):
                return Literal("boolean", self._take().text, token.at)
            case "name":
                return self._member(This(token.at))
            case "variable":
                return self._variable()
            case "sign" if token.text == "(":
                self._place += 1
                found = self._expression(0)
                self._expect(")")
                return found
            case "number" | "string" | "datetime" | "time":
                return _literal(self._take())
        raise self._unexpected()

    def _variable(self) -> Expression:
        token = self._take()
        if token.text == "$this":
            return This(token.at)
        if token.text.startswith("$"):
            raise PathError(f"{token.text} is not supported in a view", token.at)
        return Variable(token.text[1:].strip("`'"), token.at)

    def _member(self, of: Expression) -> Expression:
        token = self._next
        if token.kind == "variable" and token.text == "$this":
            raise PathError("$this only begins a path", token.at)
        if token.kind != "name":
            raise self._unexpected()
        self._place += 1
        name = _unescaped(token.text[1:-1]) if token.text.startswith("`") else token.text
        if self._next.kind == "sign" and self._next.text == "(":
            self._place += 1
            return Call(of, name, self._arguments(), token.at)
        return Member(of, name, token.at)

    def _arguments(self) -> tuple[Expression, ...]:
        found: list[Expression] = []
        while not (self._next.kind == "sign" and self._next.text == ")"):
            if found:
                self._expect(",")
            found.append(self._expression(0))
        self._place += 1
        return tuple(found)


def _literal(token: Token) -> Literal:
    match token.kind:
        case "number":
            kind = "decimal" if "." in token.text else "integer"
            return Literal(kind, token.text, token.at)
        case "string":
            return Literal("string", _unescaped(token.text[1:-1]), token.at)
        case "time":
            return Literal("time", token.text[2:], token.at)
    kind = "dateTime" if "T" in token.text else "date"
    return Literal(kind, token.text[1:].removesuffix("T"), token.at)


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        told = match[1]
        return chr(int(told[1:], 16)) if len(told) > 1 else _ESCAPED.get(told, told)

    return _ESCAPE.sub(plain, text)
