"""ViewDefinitions that are valid and ask for something.

A view is grown from its root type, so that every name in it is an element of the type it stands on.
What the specification leaves open is not drawn: ofType() of a type that has subtypes among the
choices, absolute and versioned references, unary minus, %rowIndex in an iteration below
forEachOrNull.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from tests.transform.oracle import elements, values
from tests.transform.oracle.drawn_paths import NUMERIC, Paths, leading
from tests.transform.oracle.drawn_resources import Below, Json, Wanted, choose, resource

KINDS = ["Patient", "Observation", "Condition", "Encounter", "MedicationRequest",
         "QuestionnaireResponse"]  # fmt: skip
ITEM = "QuestionnaireResponse.item"
BOUNDED = frozenset(["decimal", "date", "dateTime", "instant", "time"])

Case = tuple[Json, list[Json]]
# a path, its type, whether it is a collection
Sort = tuple[str, str, bool] | None


@dataclass
class Sketch(Paths):
    """A view while it is drawn."""

    columns: int = 0
    # iterations still to be had: those side by side multiply the rows
    iterations: int = 4

    def name(self) -> str:
        self.columns += 1
        return f"c{self.columns}"

    # --- columns ---

    def column(self, kind: str, *, indexed: bool) -> Json:
        """A column of any sort that this type has."""
        sorts = dict(SORTS)
        if kind in values.PRIMITIVES:
            sorts = {"leaf": lambda sketch, _: ("$this", kind, False)}
            sorts |= {sort: SORTS[sort] for sort in ("truth", "literal")}
        if indexed:
            sorts["index"] = lambda sketch, _: ("%rowIndex", "integer", False)
        made = sorts[self.pick(*sorts, "truth", "truth", "leaf")](self, kind)
        path, of, many = made or ("'x'", "string", False)
        told: Json = {"name": self.name(), "path": path, "type": of}
        return told | {"collection": True} if many else told

    def literal(self, _: str) -> Sort:
        literals = [("'x'", "string"), ("7", "integer"), ("1.50", "decimal"), ("true", "boolean")]
        return (*self.pick(*literals), False)

    def boundary(self, kind: str) -> Sort:
        found, which = self.scalar(kind, BOUNDED), self.pick("low", "high")
        return found and (f"{found.text}.{which}Boundary()", found.kind, False)

    def single(self, kind: str) -> Sort:
        found = self.scalar(kind, values.PRIMITIVES)
        return found and (found.text, found.kind, False)

    def extended(self, kind: str) -> Sort:
        found = self.extension(kind)
        return found and (found.text, found.kind, False)

    def listed(self, kind: str) -> Sort:
        options = leading(kind, values.PRIMITIVES, repeating=True)
        found = self.path(options) if options else None
        return found and (found.text, found.kind, True)

    def joined(self, kind: str) -> Sort:
        options = leading(kind, frozenset(["string"]), repeating=True)
        separator = self.pick("", "','", "' | '")
        return (
            (f"{self.path(options).text}.join({separator})", "string", False) if options else None
        )

    def unguarded(self, kind: str) -> Sort:
        """A column that does not say that it may have several values: an error where it has."""
        options = leading(kind, values.PRIMITIVES, repeating=True)
        if not options or self.pick(True, True, False):
            return self.single(kind)
        found = self.path(options, None)
        return found.text, found.kind, False

    def number(self, kind: str) -> Sort:
        left, right = self.scalar(kind, NUMERIC), self.scalar(kind, NUMERIC)
        if left is None or right is None:
            return None
        sign, other = self.pick(*"+-*/"), self.pick("", "2", "0", "1.5")
        whole = left.kind != "decimal" and "." not in other and sign != "/"
        whole = whole and (bool(other) or right.kind != "decimal")
        return f"{left.text} {sign} {other or right.text}", "integer" if whole else "decimal", False

    def key(self, kind: str) -> Sort:
        if kind in elements.resources() and self.pick(False, True):
            return "getResourceKey()", "string", False
        found = self.scalar(kind, frozenset(["Reference"]))
        self.want("Reference", "reference", "string")
        which = self.pick("", "Patient", "Encounter")
        return found and (f"{found.text}.getReferenceKey({which})", "string", False)

    # --- selects ---

    def select(self, kind: str, depth: int, *, or_null: bool = False) -> Json:
        told, kind, or_null, indexed = self.iteration(kind, depth, or_null=or_null)
        number = self.pick(1, 2, 2, 3, 4, 0) if depth else 1
        told["column"] = [self.column(kind, indexed=indexed) for _ in range(number)]
        if depth and kind not in values.PRIMITIVES and self.pick(*range(3)) == 2:
            count = self.pick(1, 2)
            told["select"] = [self.select(kind, depth - 1, or_null=or_null) for _ in range(count)]
        if depth and self.pick(*range(3)) == 2:
            told["unionAll"] = self.union(kind, or_null=or_null)
        if not told["column"] and not ("select" in told or "unionAll" in told):
            told["column"] = [self.column(kind, indexed=indexed)]
        return told

    def iteration(self, kind: str, depth: int, *, or_null: bool) -> tuple[Json, str, bool, bool]:
        """What a select iterates over: its keyword, the type there, and what holds below."""
        kinds = ["", "forEach", "forEachOrNull", "repeat"][: 1 + self.iterations]
        how = self.pick(*kinds) if depth else ""
        self.iterations -= {"": 0, "repeat": 2}.get(how, 1)
        repeats = ITEM if kind in ("QuestionnaireResponse", ITEM) else "Extension"
        if how == "repeat" and (repeats == ITEM or "extension" in elements.types().get(kind, {})):
            return {"repeat": self.repeats(kind, repeats)}, repeats, or_null, not or_null
        options = leading(kind, None) + leading(kind, values.PRIMITIVES, repeating=True)
        if how in ("", "repeat") or not options:
            return {}, kind, or_null, not or_null
        found = self.path(options, steps="112")
        return {how: found.text}, found.kind, or_null or how == "forEachOrNull", not or_null

    def repeats(self, kind: str, below: str) -> list[str]:
        name = "item" if below == ITEM else "extension"
        for on in (kind, below):
            self.want(on, name, below)
        if below != ITEM or self.pick(False, True):
            return [name]
        self.want(ITEM, "answer", f"{ITEM}.answer")
        self.want(f"{ITEM}.answer", "item", ITEM)
        return self.pick(["item", "answer.item"], ["answer.item", "item"])

    def union(self, kind: str, *, or_null: bool) -> list[Json]:
        """Branches of the same columns, each with an iteration of its own."""
        sought = [
            (self.name(), self.pick("string", "boolean", "decimal")) for _ in range(self.pick(1, 2))
        ]
        branches = []
        for _ in range(self.pick(2, 1)):
            branch, below, _, _ = self.iteration(kind, 1, or_null=or_null)
            branch["column"] = [self.typed(name, of, below) for name, of in sought]
            branches.append(branch)
        return branches

    def typed(self, name: str, of: str, kind: str) -> Json:
        if of == "boolean":
            path = self.truth(kind, 1)
        elif found := self.scalar(kind, frozenset([of])):
            path = found.text
        else:
            path = "'x'" if of == "string" else "1.50"
        return {"name": name, "path": path, "type": of}


SORTS: dict[str, Callable[[Sketch, str], Sort]] = {
    "leaf": Sketch.single,
    "list": Sketch.listed,
    "truth": lambda sketch, kind: (sketch.truth(kind, 2), "boolean", False),
    "number": Sketch.number,
    "boundary": Sketch.boundary,
    "key": Sketch.key,
    "join": Sketch.joined,
    "extension": Sketch.extended,
    "literal": Sketch.literal,
    "unguarded": Sketch.unguarded,
}


def view(below: Below) -> tuple[Json, Wanted]:
    """A ViewDefinition, and the elements it asks for."""
    sketch = Sketch(below)
    kind = choose(below, KINDS)
    told: Json = {"resource": kind, "status": "active"}
    told["select"] = [sketch.select(kind, sketch.pick(2, 1, 3)) for _ in range(sketch.pick(1, 2))]
    told["where"] = [{"path": sketch.truth(kind, 2)} for _ in range(sketch.pick(0, 0, 0, 1))]
    told["constant"] = sketch.constants
    return {key: value for key, value in told.items() if value}, sketch.wanted


def case(below: Below, *, beside: bool = False) -> Case:
    """A view with the resources to run it on, one of them of another type at times."""
    made, wanted = view(below)
    kinds = [made["resource"]] * choose(below, [1, 2, 3, 4])
    kinds += [choose(below, KINDS)] * choose(below, [0, 0, 1])
    return made, [resource(below, kind, wanted, beside=beside) for kind in kinds]


@cache
def _number(below: int) -> st.SearchStrategy[int]:
    return st.integers(0, below - 1)


@st.composite
def cases(draw: st.DrawFn, *, beside: bool = False) -> Case:
    """The same as a strategy, so that a failure shrinks."""
    return case(lambda below: draw(_number(below)), beside=beside)


def _first(view: Json) -> Json:
    """The first select that has columns of its own."""
    queue = list(view["select"])
    while not queue[0].get("column"):
        queue = queue[0].get("select", []) + queue[0].get("unionAll", []) + queue[1:]
    return queue[0]


BREAKS = {
    "no resource": lambda view: view.pop("resource"),
    "no select": lambda view: view.update(select=[]),
    "a column twice": lambda view: view["select"].append(
        {"column": [dict(_first(view)["column"][0])]}
    ),
    "no name": lambda view: _first(view)["column"][0].pop("name"),
    "no path": lambda view: _first(view)["column"][0].pop("path"),
    "a bad name": lambda view: _first(view)["column"][0].update(name="1 x"),
    "no expression": lambda view: _first(view)["column"][0].update(path="id.."),
    "an open bracket": lambda view: _first(view)["column"][0].update(path="(id"),
    "no such function": lambda view: _first(view)["column"][0].update(path="id.guess()"),
    "no such constant": lambda view: _first(view)["column"][0].update(path="%nowhere"),
    "two iterations": lambda view: view["select"][0].update(forEach="id", forEachOrNull="id"),
    "a number for a path": lambda view: view["select"].append({"forEach": 1, "column": []}),
    "an empty constant": lambda view: view.setdefault("constant", []).append({"name": "empty"}),
    "branches that differ": lambda view: view["select"].append(
        {"unionAll": [{"column": [{"name": n, "path": "id", "type": "id"}]} for n in ("u1", "u2")]}
    ),
}


@st.composite
def broken(draw: st.DrawFn) -> Json:
    """A view with one thing wrong that every runner has to refuse."""
    made, _ = view(lambda below: draw(_number(below)))
    BREAKS[draw(st.sampled_from(sorted(BREAKS)))](made)
    return made
