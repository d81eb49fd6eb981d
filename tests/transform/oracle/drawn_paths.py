"""FHIRPath expressions along the element table, of a wanted type.

A path is a route through the table to an element, decorated on the way with [n], first(), where()
and ofType(); a truth is built of such paths, literals, constants and the boolean functions.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.transform.oracle import elements, values
from tests.transform.oracle.drawn_resources import URLS, Below, Json, Wanted, choose, pool

NUMERIC = frozenset(["decimal", "integer", "positiveInt", "unsignedInt"])
ORDERED = NUMERIC | {"date", "dateTime", "instant", "time", "string"}
COMPARED = ["string", "code", "decimal", "dateTime", "date", "boolean", "dateTime", "instant"] * 2
EXTENDED = ["code", "boolean", "decimal", "dateTime", "Coding"]
UNDRAWN = frozenset(["Extension", "Narrative", "Meta"])

Route = tuple[tuple[str, elements.Element, str], ...]


@cache
def routes(kind: str, depth: int = 3) -> list[Route]:
    """Every way from a type down to any element, the shortest first."""
    found: list[Route] = []
    for element in elements.types().get(kind, {}).values():
        for of in element.types:
            if of in UNDRAWN or (element.name == "id" and kind not in elements.resources()):
                continue
            step = (kind, element, of)
            found.append((step,))
            found += [(step, *rest) for rest in routes(of, depth - 1)] if depth > 1 else []
    return sorted(found, key=len)


@cache
def leading(kind: str, goals: frozenset[str] | None, *, repeating: bool = False) -> list[Route]:
    """The routes to a leaf of one of these types; without goals those to a complex element."""
    return [
        route
        for route in routes(kind)
        if (route[-1][2] in goals if goals else route[-1][2] not in values.PRIMITIVES)
        and (not repeating or any(element.repeats for _, element, _ in route))
    ]


@dataclass(frozen=True)
class Found:
    """A path as it stands in the view, the type it leads to, and whether to one item at most."""

    text: str
    kind: str
    is_single: bool


@dataclass
class Paths:
    """The paths of a view while it is drawn: what they ask for, the constants they use."""

    below: Below
    wanted: Wanted = field(default_factory=dict)
    constants: list[Json] = field(default_factory=list)

    def pick(self, *options: Any) -> Any:
        return choose(self.below, options)

    def want(self, kind: str, name: str, of: str) -> None:
        self.wanted.setdefault((kind, name), set()).add(of)

    # --- paths ---

    def path(self, options: list[Route], depth: int | None = 1, steps: str = "12233") -> Found:
        """One of these routes, decorated (unless depth is None) where several items may stand."""
        near = min(len(options[-1]), max(len(options[0]), int(self.pick(*steps))))
        route = choose(self.below, [r for r in options if len(r) == near] or options)
        text, single = "", True
        for on, element, of in route:
            self.want(on, element.name, of)
            text += ("." if text else "") + element.name
            text += f".ofType({of})" if element.is_choice else ""
            single = single and not element.repeats
            if depth is not None and not single:
                added = self.decoration(of, depth)
                text, single = text + added, added in ("[0]", "[1]", ".first()")
        return Found(text, route[-1][2], single)

    def decoration(self, kind: str, depth: int) -> str:
        how = self.pick("", "", "[0]", ".first()", "where", "[1]")
        if how != "where":
            return how
        if kind in values.PRIMITIVES:
            return f".where($this {self.pick('=', '!=')} {self.operand(kind)})"
        return f".where({self.truth(kind, depth - 1)})" if depth else ""

    def scalar(self, kind: str, goals: frozenset[str], depth: int = 1) -> Found | None:
        """A path to one item at most."""
        options = leading(kind, goals)
        if not options:
            return None
        found = self.path(options, depth)
        return found if found.is_single else Found(found.text + ".first()", found.kind, True)

    def extension(self, kind: str) -> Found | None:
        if "extension" not in elements.types().get(kind, {}):
            return None
        url, of = self.pick(*URLS), self.pick(*EXTENDED)
        self.want(kind, "extension", "Extension")
        self.want("Extension", "url", "uri")
        self.want("Extension", "value", of)
        inner, text = "", f"extension('{url}')"
        if self.pick(False, True):
            self.want("Extension", "extension", "Extension")
            inner = f".extension('{self.pick(*URLS)}')"
        if of == "Coding":
            self.want("Coding", "code", "code")
        text += f"{inner}.value.ofType({of})" + (".code" if of == "Coding" else "")
        return Found(text + ".first()", "code" if of == "Coding" else of, True)

    # --- truths ---

    def operand(self, kind: str) -> str:
        """A literal where there is one for the type, or a constant."""
        value = self.pick(*pool(kind))
        if (
            kind not in values.TEXTS | NUMERIC | {"boolean"}
            or self.pick(*"llc") == "c"
            or value == ""
        ):
            return self.constant(kind, value)
        if kind == "boolean":
            return str(value).lower()
        if kind in NUMERIC:
            return self.constant(kind, value) if value < 0 or "E" in str(value) else str(value)
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"

    def constant(self, kind: str, value: Any) -> str:
        kind = "string" if kind in ("markdown", "xhtml") else kind
        name = f"k{len(self.constants)}"
        self.constants.append({"name": name, "value" + kind[0].upper() + kind[1:]: value})
        return f"%{name}"

    def comparison(self, kind: str) -> str:
        goals = frozenset([self.pick(*COMPARED, *sorted(values.PRIMITIVES))])
        left = self.scalar(kind, goals, 0) or self.scalar(kind, values.PRIMITIVES, 0)
        if left is None:
            return "true"
        signs = ["=", "!=", "<", "<=", ">", ">="] if left.kind in ORDERED else ["=", "!="]
        right = self.operand(left.kind)
        if self.pick(*range(4)) == 3:
            other = self.scalar(kind, frozenset([left.kind]), 0)
            right = other.text if other else right
        return f"{left.text} {self.pick(*signs)} {right}"

    def truth(self, kind: str, depth: int) -> str:
        """An expression that gives a boolean or nothing."""
        if kind in values.PRIMITIVES:
            return f"$this = {self.operand(kind)}"
        how = self.pick(
            "compare", "compare", "exists", "empty", "some", "and", "or", "not", "refer", "leaf"
        )
        if how in ("and", "or", "not", "some") and depth > 0:
            made = self.some(kind, depth) if how == "some" else self.logic(how, kind, depth)
        elif how in ("exists", "empty") and routes(kind):
            made = f"{self.path(routes(kind), 0).text}.{how}()"
        else:
            made = self.referring(kind) if how == "refer" else self.leaf(kind, how)
        return made or self.comparison(kind)

    def logic(self, sign: str, kind: str, depth: int) -> str:
        left = self.truth(kind, depth - 1)
        return (
            f"({left}).not()"
            if sign == "not"
            else f"({left}) {sign} ({self.truth(kind, depth - 1)})"
        )

    def some(self, kind: str, depth: int) -> str:
        options = leading(kind, None, repeating=True)
        if not options:
            return ""
        found = self.path(options, 0)
        return f"{found.text}.exists({self.truth(found.kind, depth - 1)})"

    def referring(self, kind: str) -> str:
        found = self.scalar(kind, frozenset(["Reference"]), 0)
        self.want("Reference", "reference", "string")
        to = self.pick("Patient", "")
        return f"{found.text}.getReferenceKey({to}) = '{self.pick('p1', 'p2')}'" if found else ""

    def leaf(self, kind: str, how: str) -> str:
        found = self.scalar(kind, frozenset(["boolean"]), 0) if how == "leaf" else None
        return found.text if found else ""
