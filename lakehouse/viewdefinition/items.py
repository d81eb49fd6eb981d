"""What a view takes out of JSON, and the items of a value: navigation by R4's types, and what one
item means."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse.viewdefinition import elements
from lakehouse.viewdefinition.shape import Node
from lakehouse.viewdefinition.syntax import PathError
from lakehouse.viewdefinition.value import (
    CHOICE,
    COMPLEX,
    MOMENTS,
    Names,
    Value,
    is_only_text,
    is_text,
    member,
    quoted,
    read_leaf,
    read_text,
)

SEVERAL = "several values where the view takes one"

_DIGITS, _KEY = "digits", "key"
"""What a leaf is wanted for, if not its value: its digits as sent, or a key out of a reference."""

_NUMBERS = {"Coding.code", "Identifier.value", "ContactPoint.value", "Address.postalCode"}
"""Strings that often look like a number: without their quotes each would be a doubt."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one compilation tells the next: the JSON paths of elements to keep as texts, and of
    leaves to take without quotes, the keys that are named of the elements at a path, and the places
    of selects that fail on several values."""

    raw: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()
    asked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()


@dataclass(slots=True)
class Items:
    """Navigates the elements of one view, and notes what it reads.

    `raw` are the JSON paths of elements that are kept as texts, `exact` the names of numbers whose
    digits matter; `bare` those of leaves that the view takes so that only a string passes, `strict`
    those that it takes in other ways, `asked` which keys it names of which elements, and `failing`
    the places of selects that fail on several values.
    """

    plan: Plan = field(default_factory=Plan)
    place: str = ""
    names: Names = field(default_factory=Names)
    roots: list[Node] = field(default_factory=list)
    raw: set[str] = field(default_factory=set)
    exact: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    strict: set[str] = field(default_factory=set)
    asked: dict[str, set[str]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)

    def learned(self) -> Plan:
        """How to read what this compilation found to be read."""
        return Plan(
            frozenset(self.raw),
            frozenset(self.bare - self.strict),
            {path: frozenset(keys) for path, keys in self.asked.items()},
            frozenset(self.failing),
        )

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
            self._child(of, element.json_name(kind), kind, element.is_list, _wish(as_text))
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
        found = self._child(of, key, kind, element.is_list, _wish(as_text))
        return replace(found, origin=(of, key))

    def options(self, choice: Value) -> list[Value]:
        """All options of a choice."""
        if choice.origin is None:
            return []
        of, name = choice.origin
        element = elements.element(of.type, name)
        return [self.option(choice, kind, 0) for kind in element.types] if element else []

    def reference(self, of: Value, at: int) -> Value:
        """The literal reference of every item of a value, to take a key from."""
        if of.kind != COMPLEX or of.node is None or of.type != "Reference":
            return self.navigate(of, "reference", at)
        return self._child(of, "reference", "string", False, _KEY)

    def is_string(self, item: str, node: Node, key: str, text: str) -> str:
        """SQL that tells whether an item, a struct or still JSON, has this string at a key that
        holds a code or a URI."""
        leaf = node.child(key, "code", is_list=False)
        is_bare = self._is_bare(leaf, is_only_text(text) and not node.raw)
        found = member(item, key)
        return f"{found} = {quoted(text)}" if is_bare else is_text(found, text)

    def _is_bare(self, node: Node, is_told: bool) -> bool:
        """Whether a leaf is taken without quotes, as it is where all that is wanted of it tells a
        string from the rest."""
        (self.bare if is_told else self.strict).add(node.path)
        node.is_bare = is_told and node.path in self.plan.bare
        return node.is_bare

    def _child(self, of: Value, key: str, kind: str, is_list: bool, wish: str) -> Value:
        above: Node = of.node  # type: ignore[assignment]  # complex values have one
        node = above.child(key, kind, is_list=is_list)
        node.raw = node.raw or node.path in self.raw
        self.asked.setdefault(above.path, set()).add(key)
        if node.is_leaf and wish == _DIGITS and elements.kind_of(kind) == "decimal":
            self.exact.add(key)
        where: dict[str, Any] = {
            "trail": None if of.trail is None or above.raw else (*of.trail, key),
            "guarded": of.guarded,
            "deciders": of.deciders,
            "node": node,
            "type": kind,
        }
        if node.is_leaf:
            return self._leaf(of, node, key, wish, where)
        found = Value(member(self._struct(of, of.sql), key), COMPLEX, many=is_list, **where)
        if of.many:
            inside = self.names.each(of.sql, lambda item: member(self._struct(of, item), key))
            found = replace(found, sql=f"flatten({inside})" if is_list else inside, many=True)
        return replace(
            found, head=self._head(of, key, is_list), lists=self._lists(of, key, is_list)
        )

    def _leaf(self, of: Value, node: Node, key: str, wish: str, where: dict[str, Any]) -> Value:
        as_text = wish == _DIGITS and elements.kind_of(node.type) == "decimal"
        where |= {"paths": frozenset({node.path}), "as_text": as_text}
        is_word = _is_word(of.type, key, node) and where["trail"] is not None
        is_date = _is_date(node) and where["trail"] is not None
        is_bare = self._is_bare(node, wish == _KEY or is_word or is_date)

        def read(raw: str) -> str:
            if is_bare:
                return raw if wish == _KEY else read_text(raw, node.type, _first_at(node))
            return read_leaf(raw, node.type, as_text=as_text)

        kind = elements.kind_of(node.type)
        if not of.many and not node.is_list:
            sql = self.names.once(member(self._struct(of, of.sql), key), read)
            return Value(sql, kind, **where)
        if is_bare and is_word and wish != _KEY:
            sql = self._words(self._leaves(of, node, key, str), node)
        else:
            sql = self.names.present(self._leaves(of, node, key, read))
        where["head"] = self.names.once(self._head(of, key, node.is_list), read)
        return Value(sql, kind, many=True, lists=self._lists(of, key, node.is_list), **where)

    def _leaves(self, of: Value, node: Node, key: str, read: Callable[[str], str]) -> str:
        if node.is_list:
            return self.names.each(self._member_list(of, key), read)
        return self.names.each(of.sql, lambda item: read(member(self._struct(of, item), key)))

    def _words(self, words: str, node: Node) -> str:
        """The strings among what was taken without quotes; where one might be something else, the
        resource is read again with them."""
        doubtful = self.names.only(words, lambda word: f"fhirpath_is_doubtful({word})")
        again = f"fhirpath_strings(resource, {quoted(node.path)})"
        return f"case when len({doubtful}) > 0 then {again} else {self.names.present(words)} end"

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
        beside = self._child(parent, f"_{key}", "Element", of.node.is_list, "")
        return self.navigate(beside, name, at)

    def present(self, sql: str, node: Node) -> str:
        """SQL that tells whether an item is an object with contents."""
        if node.raw:
            single, lists = ([f"$.{key}" for key in node.keys(lists=of)] for of in (False, True))
            return f"fhirpath_has_any({sql}, {single}, {lists})"
        keys = node.contents()
        return self.names.once(sql, lambda item: _any_there(item, keys))

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
        if self.is_sparse(value):
            return self.names.once(sql, lambda items: self._some_listed(value, node, items))
        return self.names.only(sql, lambda item: self.present(item, node))

    def is_sparse(self, value: Value) -> bool:
        """True for a list of the resource of whose items some keys are taken: one that has any of
        them is there, and only for others the resource is read again."""
        node = value.node
        is_whole = value.many and value.trail is not None and not value.clean
        return bool(is_whole and node and not node.raw and self.plan.asked.get(node.path))

    def _some_listed(self, value: Value, node: Node, items: str) -> str:
        asked = self.plan.asked[node.path]

        def is_told(item: str) -> str:
            return _any_there(item, sorted(asked))

        def sifted(is_doubtful: str) -> str:
            others = self._again(value.trail or ())
            rest: Node = others.node  # type: ignore[assignment]  # elements have one
            rest.raw = True
            again = f"case when {is_doubtful} then {others.sql} end"
            kept = self.names.once(
                again,
                lambda other: self.names.only_at(
                    items,
                    lambda item, at: f"{is_told(item)} or {self.present(f'{other}[{at}]', rest)}",
                ),
            )
            return f"case when {is_doubtful} then {kept} else {items} end"

        lacking = self.names.only(items, lambda item: f"not {is_told(item)}")
        return self.names.once(f"coalesce(len({lacking}), 0) > 0", sifted)

    def _again(self, trail: tuple[str, ...]) -> Value:
        """The elements at these keys, read from the resource once more."""
        node = self.roots[0]
        other = self.root(node.type, "$")
        sql = self.opened("resource", other)
        found = Value(sql, COMPLEX, node.type, node=other, trail=())
        for key in trail:
            node = node.children[key]
            found = self._child(found, key, node.type, node.is_list, "")
        return found

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
            items = self._first_text(value) or items
            items = f"coalesce({value.head}, case when {several or 'true'} then {items} end)"
        return value.like(items, many=False, clean=value.kind == COMPLEX)

    def _first_text(self, value: Value) -> str:
        """SQL of the first string there is, short, and slow to run; empty for what is none."""
        node = value.node
        if node is None or value.trail is None or elements.kind_of(node.type) != "string":
            return ""
        return f"fhirpath_first_string(resource, {quoted(node.path)})"

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


def _is_word(type_name: str, key: str, node: Node) -> bool:
    """True for a string that hardly ever looks like something else once its quotes are gone."""
    is_number = key == "id" or f"{type_name}.{key}" in _NUMBERS
    return elements.kind_of(node.type) == "string" and not is_number


def _is_date(node: Node) -> bool:
    """True for a date at one place, which only as a year looks like a number."""
    return elements.kind_of(node.type) in MOMENTS and "[*]" not in node.path


def _first_at(node: Node) -> str:
    """The JSON path of the first of a leaf."""
    return node.path.replace("[*]", "[0]")


def _wish(as_text: bool) -> str:
    return _DIGITS if as_text else ""


def _any_there(item: str, keys: Iterable[str]) -> str:
    """SQL that tells whether an item has something at one of these keys."""
    return f"({' or '.join(f'{member(item, key)} is not null' for key in keys) or 'false'})"


def _near(type_name: str, name: str) -> str:
    """The choice that somebody meant who wrote its name in JSON."""
    for element in elements.elements(type_name):
        for kind in element.types:
            if element.is_choice and element.json_name(kind) == name:
                return f"write {element.name}.ofType({kind})"
    return ""
