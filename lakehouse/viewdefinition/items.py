"""What a view takes out of JSON, and the items of a value: navigation by R4's types, and what one
item means."""

from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse.viewdefinition import elements
from lakehouse.viewdefinition.shape import Node
from lakehouse.viewdefinition.syntax import PathError
from lakehouse.viewdefinition.value import (
    CHOICE,
    COMPLEX,
    Names,
    Value,
    member,
    quoted,
    read_leaf,
)

SEVERAL = "several values where the view takes one"


@dataclass(slots=True)
class Items:
    """Navigates the elements of one view, and notes what it reads.

    `raw` are the JSON paths of elements that are kept as texts, `exact` the names of numbers whose
    digits matter.
    """

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
        """SQL of the struct that a JSON text is read into; its shape is known when all is
        compiled."""
        if node not in self.roots:
            self.roots.append(node)
        return f"json_transform({text}, \0{self.roots.index(node)}\0)"

    def finished(self, sql: str) -> str:
        """The SQL with all shapes in their places."""
        for number, node in enumerate(self.roots):
            sql = sql.replace(f"\0{number}\0", quoted(node.root_shape()))
        return sql

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
        where: dict[str, Any] = {
            "guarded": of.guarded,
            "deciders": of.deciders,
            "node": node,
            "type": kind,
        }
        if node.is_leaf:
            return self._leaf(of, node, key, as_text and elements.kind_of(kind) == "decimal", where)
        found = Value(member(self._struct(of, of.sql), key), COMPLEX, many=is_list, **where)
        if of.many:
            inside = self.names.each(of.sql, lambda item: member(self._struct(of, item), key))
            found = replace(found, sql=f"flatten({inside})" if is_list else inside, many=True)
        return replace(
            found, head=self._head(of, key, is_list), lists=self._lists(of, key, is_list)
        )

    def _leaf(self, of: Value, node: Node, key: str, as_text: bool, where: dict[str, Any]) -> Value:
        def read(raw: str) -> str:
            return read_leaf(raw, node.type, as_text=as_text)

        kind = elements.kind_of(node.type)
        head = self.names.once(self._head(of, key, node.is_list), read)
        if of.many and not node.is_list:
            inside = self.names.each(of.sql, lambda item: read(member(self._struct(of, item), key)))
        elif node.is_list:
            inside = self.names.each(self._member_list(of, key), read)
        else:
            sql = self.names.once(member(self._struct(of, of.sql), key), read)
            return Value(sql, kind, paths=frozenset({node.path}), as_text=as_text, **where)
        return Value(
            self.names.present(inside),
            kind,
            many=True,
            head=head,
            lists=self._lists(of, key, node.is_list),
            paths=frozenset({node.path}),
            as_text=as_text,
            **where,
        )

    def _member_list(self, of: Value, key: str) -> str:
        if not of.many:
            return member(self._struct(of, of.sql), key)
        return (
            f"flatten({self.names.each(of.sql, lambda item: member(self._struct(of, item), key))})"
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
        """The id or the extensions of a primitive, which JSON keeps under its name with _ before
        it."""
        if name not in ("extension", "id") or of.origin is None or of.node is None:
            raise PathError(f"{of.type or of.kind} has no element {name}", at)
        parent, key = of.origin
        beside = self._child(parent, f"_{key}", "Element", of.node.is_list, False)
        return self.navigate(beside, name, at)

    def present(self, sql: str, node: Node) -> str:
        """SQL that tells whether an item is an object with contents."""
        if node.raw:
            single, lists = ([f"$.{key}" for key in node.keys(lists=of)] for of in (False, True))
            return f"fhirpath_has_any({sql}, {single}, {lists})"
        keys = node.contents()
        return self.names.once(
            sql,
            lambda item: f"({' or '.join(f'{member(item, key)} is not null' for key in keys)})",
        )

    def listed(self, value: Value) -> str:
        """SQL of the list of all items of a value."""
        sql, node = value.sql, value.node
        if not value.many:
            return self.names.once(
                sql,
                lambda item: f"case when {self._is_there(value, item)} then [{item}] end",
            )
        if value.kind != COMPLEX or value.clean or node is None:
            return sql
        return self.names.only(sql, lambda item: self.present(item, node))

    def _is_there(self, value: Value, item: str) -> str:
        if value.kind == COMPLEX and value.node:
            return self.present(item, value.node)
        return f"{item} is not null"

    def first(self, value: Value) -> Value:
        """The first item."""
        if not value.many:
            return value
        items = f"({self.listed(value)})[1]"
        if value.kind == COMPLEX and value.node and not value.clean:
            rest = items
            items = self.names.once(
                value.head or f"({value.sql})[1]",
                lambda head: f"case when {self._is_there(value, head)} then {head} else {rest} end",
            )
        elif value.kind != COMPLEX and value.head:
            # the first of each list on the way is the answer, unless it has none and there are
            # others
            several = " or ".join(f"len({listed}) > 1" for listed in value.lists)
            items = f"coalesce({value.head}, case when {several or 'true'} then {items} end)"
        return value.like(items, many=False, clean=value.kind == COMPLEX)

    def single(self, value: Value) -> Value:
        """The only item of a value; with several, the query fails."""
        if not value.many:
            return value
        items = self.listed(value)
        told = quoted(f"{self.place}: {SEVERAL}")
        sql = self.names.once(
            items,
            lambda found: f"case when len({found}) > 1 then error({told}) else {found}[1] end",
        )
        return value.like(sql, many=False, clean=True)

    def truth(self, value: Value, at: int) -> Value:
        """A value as a condition: one item that is not a boolean is true."""
        if value.kind == CHOICE:
            raise PathError(f"which type has {value.type}?", at, hint=f"{value.type}.ofType(…)")
        one = self.single(value)
        if one.kind == "boolean":
            return one
        there = self._is_there(one, one.sql)
        return one.like(f"case when {there} then true end", kind="boolean", type="", node=None)


def _near(type_name: str, name: str) -> str:
    """The choice that somebody meant who wrote its name in JSON."""
    for element in elements.elements(type_name):
        for kind in element.types:
            if element.is_choice and element.json_name(kind) == name:
                return f"write {element.name}.ofType({kind})"
    return ""
