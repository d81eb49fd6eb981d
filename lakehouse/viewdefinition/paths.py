"""FHIRPath expressions compiled to SQL, with the types of R4."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lakehouse.viewdefinition import elements
from lakehouse.viewdefinition.functions import call
from lakehouse.viewdefinition.items import Items
from lakehouse.viewdefinition.operators import operate
from lakehouse.viewdefinition.syntax import (
    Call,
    Expression,
    Index,
    Literal,
    Member,
    Operation,
    PathError,
    This,
    Variable,
)
from lakehouse.viewdefinition.value import CHOICE, Scope, Value, quoted, simple


@dataclass(frozen=True, slots=True)
class Paths:
    """Compiles the paths of one view; what they read is noted in `items`."""

    items: Items
    constants: Mapping[str, Literal] = field(default_factory=dict)
    in_lake: bool = False

    def evaluate(self, told: Expression, scope: Scope) -> Value:
        """The value of an expression; raises PathError for what it cannot be."""
        match told:
            case This():
                return _number(scope.this) if not scope.as_text else scope.this
            case Literal():
                return _literal(told, as_text=scope.as_text)
            case Variable():
                return self._variable(told, scope)
            case Member():
                return self._member(told, scope)
            case Index():
                return self._index(told, scope)
        return self._computed(told, scope)

    def _computed(self, told: Operation | Call, scope: Scope) -> Value:
        if isinstance(told, Call):
            return call(self, told, scope)
        plain = replace(scope, as_text=False)
        left, right = self.evaluate(told.left, plain), self.evaluate(told.right, plain)
        return operate(self.items, told, left, right)

    def _variable(self, told: Variable, scope: Scope) -> Value:
        if told.name == "rowIndex":
            return simple(scope.index, "integer")
        if told.name not in self.constants:
            raise PathError(f"no constant is called {told.name}", told.at)
        return _literal(replace(self.constants[told.name], at=told.at), as_text=scope.as_text)

    def _member(self, told: Member, scope: Scope) -> Value:
        of = self.evaluate(told.of, scope)
        if isinstance(told.of, This) and of.type == told.name and elements.is_resource(told.name):
            return of  # a path may begin with the type of its resource
        return self.items.navigate(of, told.name, told.at, as_text=scope.as_text)

    def _index(self, told: Index, scope: Scope) -> Value:
        of = self.evaluate(told.of, scope)
        place = self.items.single(self.evaluate(told.place, replace(scope, as_text=False)))
        if place.kind != "integer":
            raise PathError("an index is a whole number", told.at)
        if of.kind == CHOICE:
            raise PathError(f"which type has {of.type}?", told.at, hint=f"{of.type}.ofType(…)")
        if place.sql == "(0)":
            return self.items.first(of)
        # SQL counts from 1, and from the end where the number is negative
        sql = f"case when {place.sql} >= 0 then ({self.items.listed(of)})[{place.sql} + 1] end"
        return of.like(sql, many=False, clean=True).seen(place)


def _number(value: Value) -> Value:
    """The same value, for one that was taken as the text of a number."""
    if not value.as_text:
        return value
    return replace(value, sql=f"fhirpath_number({value.sql})", as_text=False)


def _literal(told: Literal, *, as_text: bool) -> Value:
    if "\0" in told.text:
        raise PathError("a text with the character NUL", told.at)
    match told.kind:
        case "decimal" if as_text:
            return replace(simple(quoted(told.text), "decimal"), as_text=True)
        case "decimal":
            return simple(f"cast({quoted(told.text)} as double)", "decimal")
        case "integer":
            if abs(int(told.text)) >= 2**63:
                raise PathError("a whole number that is too large", told.at)
            return simple(f"({told.text})", "integer")
        case "boolean":
            return simple(told.text, "boolean")
    return simple(quoted(told.text), told.kind)
