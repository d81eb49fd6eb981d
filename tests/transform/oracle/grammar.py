"""FHIRPath text to a tree: the part of the grammar (FHIRPath §Grammar) that views may use.

Precedence, tightest first: path and index, unary minus, * /, + -, < <= > >=, = !=, and, or.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.transform.oracle import values

# the least and greatest number of arguments
FUNCTIONS = {
    "where": (1, 1), "exists": (0, 1), "empty": (0, 0), "first": (0, 0), "ofType": (1, 1),
    "extension": (1, 1), "join": (0, 1), "not": (0, 0), "lowBoundary": (0, 0), "highBoundary": (0, 0),
    "getResourceKey": (0, 0), "getReferenceKey": (0, 1),
}  # fmt: skip
LEVELS = [("or",), ("and",), ("=", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/")]
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
TOKEN = re.compile(
    r"""\s*(?:(?P<end>\Z)
    |(?P<string>'(?:[^'\\]|\\(?:[`'"\\/fnrt]|u[0-9A-Fa-f]{4}))*')
    |(?P<date>@(?:\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?
              |T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?))
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<constant>%(?:[A-Za-z_]\w*|`[^`]+`))
    |(?P<name>[A-Za-z_]\w*|`[^`]+`)
    |(?P<this>\$this)
    |(?P<sign><=|>=|!=|[=<>()\[\].,+\-*/{}]))""",
    re.VERBOSE | re.ASCII,
)


class PathError(Exception):
    """The text is not an expression of the subset."""


@dataclass(frozen=True)
class Literal:
    kind: str
    value: Any


@dataclass(frozen=True)
class Empty:
    """{ }"""


@dataclass(frozen=True)
class This:
    """$this"""


@dataclass(frozen=True)
class Constant:
    name: str


@dataclass(frozen=True)
class Member:
    of: Any  # None: of the focus
    name: str


@dataclass(frozen=True)
class Index:
    of: Any
    at: Any


@dataclass(frozen=True)
class Call:
    of: Any  # None: on the focus
    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Negative:
    of: Any


@dataclass(frozen=True)
class Operation:
    sign: str
    left: Any
    right: Any


def parse(text: str) -> Any:
    """The tree of an expression; PathError says where it stops being one."""
    parser = Parser(text)
    tree = parser.operation(0)
    if parser.kind != "end":
        raise parser.error("the expression should end")
    return tree


def constants_of(tree: Any) -> set[str]:
    """The names of the %constants that a tree uses."""
    if isinstance(tree, Constant):
        return {tree.name}
    inner = vars(tree).values() if hasattr(tree, "__dict__") else ()
    found: set[str] = set()
    for part in inner:
        for one in part if isinstance(part, tuple) else (part,):
            found |= constants_of(one)
    return found


class Parser:
    """Recursive descent over one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.next()

    def next(self) -> str:
        """Go on by a token and return the one left behind."""
        told = getattr(self, "token", "")
        found = TOKEN.match(self.text, self.at)
        if not found:
            raise self.error("no token of FHIRPath")
        self.kind = str(found.lastgroup)
        self.token, self.at = found[self.kind], found.end()
        return told

    def error(self, why: str) -> PathError:
        return PathError(f"{why} at {self.at} of {self.text!r}")

    def accept(self, *tokens: str) -> bool:
        if self.token not in tokens or self.kind not in ("sign", "name"):
            return False
        self.next()
        return True

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.error(f"{token} expected")

    def operation(self, level: int) -> Any:
        """Operators of one level, from left to right."""
        if level == len(LEVELS):
            return self.unary()
        left = self.operation(level + 1)
        while self.token in LEVELS[level] and self.kind in ("sign", "name"):
            sign = self.next()
            left = Operation(sign, left, self.operation(level + 1))
        return left

    def unary(self) -> Any:
        if self.accept("-"):
            return Negative(self.unary())
        return self.unary() if self.accept("+") else self.path()

    def path(self) -> Any:
        tree = self.term()
        while self.kind == "sign" and self.token in (".", "["):
            if self.accept("."):
                if self.kind != "name":
                    raise self.error("a name expected")
                tree = self.invocation(tree)
            else:
                self.next()
                tree = Index(tree, self.operation(0))
                self.expect("]")
        return tree

    def term(self) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "string": lambda: Literal("string", _unescape(self.next()[1:-1])),
            "number": lambda: _number(self.next()),
            "date": self.date,
            "constant": lambda: Constant(self.next()[1:].strip("`")),
            "name": self.named,
            "this": lambda: self.next() and This(),
        }
        if self.kind in made:
            return made[self.kind]()
        if self.accept("{"):
            self.expect("}")
            return Empty()
        self.expect("(")
        tree = self.operation(0)
        self.expect(")")
        return tree

    def named(self) -> Any:
        if self.token in ("true", "false"):
            return Literal("boolean", self.next() == "true")
        return self.invocation(None)

    def date(self) -> Literal:
        value = values.literal(self.token[1:], "date")
        if value is None:
            raise self.error("no such date")
        self.next()
        return Literal(value.kind, value)

    def invocation(self, of: Any) -> Any:
        name = self.next().strip("`")
        if not self.accept("("):
            return Member(of, name)
        if name not in FUNCTIONS:
            raise self.error(f"{name}() is not a function of views")
        arguments = []
        while not self.accept(")"):
            if arguments:
                self.expect(",")
            arguments.append(self.operation(0))
        least, most = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise self.error(f"{name}() takes {least} to {most} arguments")
        return Call(of, name, tuple(arguments))


def _number(token: str) -> Literal:
    return Literal("decimal", Decimal(token)) if "." in token else Literal("integer", int(token))


def _unescape(text: str) -> str:
    """FHIRPath §String: \\uXXXX, \\n and the like; two halves of a surrogate pair become one."""

    def one(found: re.Match[str]) -> str:
        escaped = found[1]
        return chr(int(escaped[1:], 16)) if len(escaped) > 1 else ESCAPES.get(escaped, escaped)

    plain = re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", one, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")
