"""FHIRPath expressions compiled to SQL, with the types of R4: navigation, operators, and what one item means."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lakehouse.viewdefinition import elements
from lakehouse.viewdefinition.shape import Node
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
from lakehouse.viewdefinition.value import (
    CHOICE,
    COMPLEX,
    MOMENTS,
    NUMBERS,
    TEXTS,
    Names,
    Value,
    member,
    quoted,
    read_leaf,
    simple,
)

SEVERAL = "several values where the view takes one"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a path begins from: its focus, and the SQL of %rowIndex."""

    this: Value
    index: str = "0"
    as_text: bool = False

    def inside(self, item: Value) -> "Scope":
        """The scope of a criterion on each item."""
        return replace(self, this=replace(item, guarded=True), as_text=False)


@dataclass(slots=True)
class Paths:
    """Compiles the paths of one view; what they read is noted in the nodes and in `exact`."""

    constants: Mapping[str, Literal]
    in_lake: bool
    place: str = ""
    names: Names = field(default_factory=Names)
    roots: list[Node] = field(default_factory=list)
    raw: set[str] = field(default_factory=set)
    exact: set[str] = field(default_factory=set)

    def root(self, type_name: str, path: str) -> Node:
        """A new tree of what is taken out of one JSON text."""
        self.roots.append(Node(type_name, False, path))
        return self.roots[-1]

    def opened(self, text: str, node: Node) -> str:
        """SQL of the struct that a JSON text is read into; its shape is known when all is compiled."""
        if node not in self.roots:
            self.roots.append(node)
        return f"json_transform({text}, \0{self.roots.index(node)}\0)"

    def finished(self, sql: str) -> str:
        """The SQL with all shapes in their places."""
        for number, node in enumerate(self.roots):
            sql = sql.replace(f"\0{number}\0", quoted(node.root_shape()))
        return sql

    def evaluate(self, told: Expression, scope: Scope) -> Value:
        """The value of an expression; raises PathError for what it cannot be."""
        match told:
            case This():
                return scope.this
            case Literal():
                return self._literal(told, scope)
            case Variable("rowIndex"):
                return simple(scope.index, "integer")
            case Variable():
                if told.name not in self.constants:
                    raise PathError(f"no constant is called {told.name}", told.at)
                return self._literal(replace(self.constants[told.name], at=told.at), scope)
            case Member():
                return self._member(told, scope)
            case Index():
                return self._index(told, scope)
            case Operation():
                return self._operation(told, replace(scope, as_text=False))
            case Call():
                from lakehouse.viewdefinition.functions import call  # noqa: PLC0415  # each needs the other

                return call(self, told, scope)

    def _literal(self, told: Literal, scope: Scope) -> Value:
        if "\0" in told.text:
            raise PathError("a text with the character NUL", told.at)
        match told.kind:
            case "decimal" if scope.as_text:
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

    def _member(self, told: Member, scope: Scope) -> Value:
        of = self.evaluate(told.of, scope)
        if isinstance(told.of, This) and of.type == told.name and elements.is_resource(told.name):
            return of  # a path may begin with the type of its resource
        return self.navigate(of, told.name, told.at, as_text=scope.as_text)

    def navigate(self, of: Value, name: str, at: int, *, as_text: bool = False) -> Value:
        """An element of every item of a value; a choice without its type is one of its options."""
        if of.kind == CHOICE:
            raise PathError(f"which type has {of.type}?", at, hint=f"{of.type}.ofType(…)")
        if of.kind != COMPLEX or of.node is None:
            return self._beside(of, name, at)
        element = elements.element(of.type, name)
        if element is None:
            raise PathError(f"{of.type} has no element {name}", at, hint=_near(of.type, name))
        options = tuple(
            self._child(of, element.json_name(kind), kind, element.is_list, as_text)
            for kind in element.types
            if not element.is_choice
        )
        if options:
            return replace(options[0], origin=(of, element.name))
        return Value("", CHOICE, name, of.many, origin=(of, element.name), guarded=of.guarded)

    def option(self, choice: Value, kind: str, at: int, *, as_text: bool = False) -> Value:
        """The option of a choice that has this type."""
        if choice.origin is None:
            raise PathError("a choice without its type", at)
        of, name = choice.origin
        element = elements.element(of.type, name)
        if element is None or kind not in element.types:
            raise PathError(f"{of.type}.{name} is never of type {kind}", at)
        key = element.json_name(kind)
        return replace(self._child(of, key, kind, element.is_list, as_text), origin=(of, key))

    def options(self, choice: Value) -> list[Value]:
        """All options of a choice."""
        if choice.origin is None:
            return []
        of, name = choice.origin
        element = elements.element(of.type, name)
        return [self.option(choice, kind, 0) for kind in element.types] if element else []

    def _child(self, of: Value, key: str, kind: str, is_list: bool, as_text: bool) -> Value:
        node = of.node.child(key, kind, is_list=is_list)  # type: ignore[union-attr]  # complex values have one
        node.raw = node.raw or node.path in self.raw
        if node.is_leaf and as_text and elements.kind_of(kind) == "decimal":
            self.exact.add(key)
        where = {"guarded": of.guarded, "deciders": of.deciders, "node": node, "type": kind}
        if node.is_leaf:
            return self._leaf(of, node, key, as_text and elements.kind_of(kind) == "decimal", where)
        found = Value(member(self._struct(of, of.sql), key), COMPLEX, many=is_list, **where)  # type: ignore[arg-type]
        if of.many:
            inside = self.names.each(of.sql, lambda item: member(self._struct(of, item), key))
            found = replace(found, sql=f"flatten({inside})" if is_list else inside, many=True)
        return replace(found, head=self._head(of, key, is_list), lists=self._lists(of, key, is_list))

    def _leaf(
        self, of: Value, node: Node, key: str, as_text: bool, where: dict[str, object]
    ) -> Value:
        def read(raw: str) -> str:
            return read_leaf(raw, node.type, as_text=as_text)

        kind = elements.kind_of(node.type)
        head = read(self._head(of, key, node.is_list))
        if of.many and not node.is_list:
            inside = self.names.each(of.sql, lambda item: read(member(self._struct(of, item), key)))
        elif node.is_list:
            raw = member(self._struct(of, of.sql), key)
            if of.many:
                raw = f"flatten({self.names.each(of.sql, lambda item: member(self._struct(of, item), key))})"
            inside = self.names.each(raw, read)
        else:
            sql = read(member(self._struct(of, of.sql), key))
            return Value(sql, kind, paths=frozenset({node.path}), as_text=as_text, **where)  # type: ignore[arg-type]
        return Value(
            self.names.present(inside),
            kind,
            many=True,
            head=head,
            lists=self._lists(of, key, node.is_list),
            paths=frozenset({node.path}),
            as_text=as_text,
            **where,  # type: ignore[arg-type]
        )

    def _head(self, of: Value, key: str, is_list: bool) -> str:
        return self._first_member(of, key) + ("[1]" if is_list else "")

    def _lists(self, of: Value, key: str, is_list: bool) -> tuple[str, ...]:
        before = (of.lists or (of.sql,)) if of.many else ()
        return (*before, self._first_member(of, key)) if is_list else before

    def _first_member(self, of: Value, key: str) -> str:
        first = of.head or f"{of.sql}[1]" if of.many else of.sql
        return member(self._struct(of, first), key)

    def _struct(self, of: Value, sql: str) -> str:
        return self.opened(sql, of.node) if of.node and of.node.raw else sql

    def _beside(self, of: Value, name: str, at: int) -> Value:
        """The id or the extensions of a primitive, which JSON keeps under its name with _ before it."""
        if name not in ("extension", "id") or of.origin is None or of.node is None:
            raise PathError(f"{of.type or of.kind} has no element {name}", at)
        parent, key = of.origin
        beside = self._child(parent, f"_{key}", "Element", of.node.is_list, False)
        return self.navigate(beside, name, at)

    def present(self, sql: str, node: Node) -> str:
        """SQL that tells whether an item is an object with contents."""
        if node.raw:
            return f"coalesce(starts_with({sql}, '{{'), false)"
        return "(" + " or ".join(f"{member(sql, key)} is not null" for key in node.contents()) + ")"

    def items(self, value: Value) -> str:
        """SQL of the list of all items of a value."""
        sql, node = value.sql, value.node
        if not value.many:
            there = self.present(sql, node) if node and value.kind == COMPLEX else f"{sql} is not null"
            return f"case when {there} then [{sql}] end"
        if value.kind != COMPLEX or value.clean or node is None:
            return sql
        return self.names.only(sql, lambda item: self.present(item, node))

    def first(self, value: Value) -> Value:
        """The first item."""
        if not value.many:
            return value
        items = f"{self.items(value)}[1]"
        if value.kind == COMPLEX and value.node and not value.clean:
            head = value.head or f"{value.sql}[1]"
            items = f"case when {self.present(head, value.node)} then {head} else {items} end"
        elif value.kind != COMPLEX and value.head:
            # the first of each list on the way is the answer, unless it has none and there are others
            several = " or ".join(f"len({listed}) > 1" for listed in value.lists)
            items = f"coalesce({value.head}, case when {several or 'true'} then {items} end)"
        return value.like(items, many=False, clean=value.kind == COMPLEX)

    def single(self, value: Value) -> Value:
        """The only item of a value; with several, the query fails."""
        if not value.many:
            return value
        items = self.items(value)
        told = quoted(f"{self.place}: {SEVERAL}")
        sql = f"case when len({items}) > 1 then error({told}) else {items}[1] end"
        return value.like(sql, many=False, clean=True)

    def truth(self, value: Value, at: int) -> Value:
        """A value as a condition: one item that is not a boolean is true."""
        if value.kind == CHOICE:
            raise PathError(f"which type has {value.type}?", at, hint=f"{value.type}.ofType(…)")
        one = self.single(value)
        if one.kind == "boolean":
            return one
        there = self.present(one.sql, one.node) if one.kind == COMPLEX and one.node else f"{one.sql} is not null"
        return one.like(f"case when {there} then true end", kind="boolean", type="", node=None)

    def _index(self, told: Index, scope: Scope) -> Value:
        of = self.evaluate(told.of, scope)
        place = self.single(self.evaluate(told.place, replace(scope, as_text=False)))
        if place.kind != "integer":
            raise PathError("an index is a whole number", told.at)
        if of.kind == CHOICE:
            raise PathError(f"which type has {of.type}?", told.at, hint=f"{of.type}.ofType(…)")
        if place.sql == "(0)":
            return self.first(of)
        # SQL counts from 1, and from the end where the number is negative
        sql = f"case when {place.sql} >= 0 then ({self.items(of)})[{place.sql} + 1] end"
        return of.like(sql, many=False, clean=True).seen(place)

    def _operation(self, told: Operation, scope: Scope) -> Value:
        left, right = self.evaluate(told.left, scope), self.evaluate(told.right, scope)
        match told.sign:
            case "and" | "or" | "xor" | "implies":
                return self._logic(told, left, right)
        if COMPLEX in (left.kind, right.kind) or CHOICE in (left.kind, right.kind):
            raise PathError(f"{told.sign} takes values, not elements with parts", told.at)
        match told.sign:
            case "=" | "!=":
                return self._equal(told, left, right)
            case "<" | "<=" | ">" | ">=":
                return self._compare(told, self.single(left), self.single(right))
        return self._calculate(told, self.single(left), self.single(right))

    def _logic(self, told: Operation, left: Value, right: Value) -> Value:
        one, other = self.truth(left, told.at), self.truth(right, told.at)
        both, either = one.guarded and other.guarded, one.guarded or other.guarded
        match told.sign:
            case "and":
                sql, guarded = f"({one.sql} and {other.sql})", either
            case "or":
                sql, guarded = f"({one.sql} or {other.sql})", both
            case "xor":
                sql, guarded = f"({one.sql} <> {other.sql})", either
            case _:
                sql, guarded = f"(not {one.sql} or {other.sql})", False
        return simple(sql, "boolean", one, other, guarded=guarded)

    def _equal(self, told: Operation, left: Value, right: Value) -> Value:
        family = self._family(told, left, right)
        guarded = left.guarded or right.guarded
        if not left.many and not right.many:
            sql = _compared(family, "=", left.sql, right.sql)
        else:
            one, other = (v.sql if v.many else f"case when {v.sql} is not null then [{v.sql}] end" for v in (left, right))
            same = _compared(family, "=", f"{one}[1]", f"{other}[1]")
            alike = f"case when {one} = {other} then true end" if family != "plain" else f"{one} = {other}"
            sql = (
                f"case when coalesce(len({one}), 0) = 0 or coalesce(len({other}), 0) = 0 then null "
                f"when len({one}) <> len({other}) then false when len({one}) = 1 then {same} else {alike} end"
            )
        return simple(f"({sql})" if told.sign == "=" else f"(not ({sql}))", "boolean", left, right, guarded=guarded)

    def _compare(self, told: Operation, left: Value, right: Value) -> Value:
        family = self._family(told, left, right)
        if left.kind == "boolean":
            raise PathError(f"{told.sign} does not order booleans", told.at)
        sql = _compared(family, told.sign, left.sql, right.sql)
        return simple(f"({sql})", "boolean", left, right, guarded=left.guarded or right.guarded)

    def _family(self, told: Operation, left: Value, right: Value) -> str:
        """How two values compare: as they are, as moments, or as times of day."""
        kinds = (left.kind, right.kind)
        if all(kind in MOMENTS for kind in kinds):
            return "moments"
        if kinds == ("time", "time"):
            return "times"
        if left.kind != right.kind and not all(kind in NUMBERS for kind in kinds):
            hint = "write a date as @2020-01-31, a time as @T10:00" if "string" in kinds else ""
            raise PathError(f"{left.kind} {told.sign} {right.kind} has no meaning", told.at, hint=hint)
        return "plain"

    def _calculate(self, told: Operation, left: Value, right: Value) -> Value:
        kinds = {left.kind, right.kind}
        if told.sign == "&" and kinds <= set(TEXTS):
            sql = f"(coalesce({left.sql}, '') || coalesce({right.sql}, ''))"
            return simple(sql, "string", left, right)
        guarded = left.guarded or right.guarded
        if told.sign == "+" and kinds == {"string"}:
            return simple(f"({left.sql} || {right.sql})", "string", left, right, guarded=guarded)
        if not kinds <= set(NUMBERS):
            raise PathError(f"{left.kind} {told.sign} {right.kind} has no meaning", told.at)
        kind, sql = _arithmetic(told.sign, left, right)
        return simple(sql, kind, left, right, guarded=guarded)


def _compared(family: str, sign: str, one: str, other: str) -> str:
    if family == "plain":
        return f"{one} {sign} {other}"
    return f"fhirpath_compare_{family}({one}, {other}) {sign} 0"


def _arithmetic(sign: str, left: Value, right: Value) -> tuple[str, str]:
    one, other = f"cast({left.sql} as double)", f"cast({right.sql} as double)"
    whole = left.kind == right.kind == "integer"
    if sign in ("div", "mod"):
        operator = "//" if sign == "div" else "%"
        parts = [v.sql if whole else f"cast({v.sql} as double)" for v in (left, right)]
        sql = f"case when {parts[1]} <> 0 then {parts[0]} {operator} {parts[1]} end"
        if sign == "div":
            sql = f"case when {parts[1]} <> 0 then try_cast(trunc({parts[0]} / {parts[1]}) as bigint) end"
        return ("integer" if whole or sign == "div" else "decimal"), f"({sql})"
    if sign == "/":
        return "decimal", f"fhirpath_divide({one}, {other})"
    if whole:
        return "integer", f"(cast({left.sql} as bigint) {sign} cast({right.sql} as bigint))"
    name = {"+": "fhirpath_plus", "-": "fhirpath_plus", "*": "fhirpath_times"}[sign]
    return "decimal", f"{name}({one}, {'-' if sign == '-' else ''}{other})"


def _near(type_name: str, name: str) -> str:
    """The choice that somebody meant who wrote its name in JSON."""
    for element in elements.elements(type_name):
        for kind in element.types:
            if element.is_choice and element.json_name(kind) == name:
                return f"write {element.name}.ofType({kind})"
    return ""
