"""The parts of a resource that a view reads: a tree, and the shape that takes them out of JSON.

A leaf is taken as JSON text, which tells a string from a number; without its quotes where nothing
but a string can pass for what the view wants of it. An element whose own presence matters is taken
with all that it may have inside, because what json_transform gives for a wrong shape (a text where
an object should be) looks like an object without contents.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lakehouse.viewdefinition import elements


@dataclass(slots=True, eq=False)
class Node:
    """One element that is read: of which FHIR type, whether it repeats, and where it stands in
    JSON; `raw` is kept as JSON text, and the text of a `is_bare` leaf has no quotes."""

    type: str
    is_list: bool
    path: str
    raw: bool = False
    is_bare: bool = False
    children: dict[str, "Node"] = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        """True for a value without parts."""
        return elements.is_primitive(self.type)

    def child(self, key: str, kind: str, *, is_list: bool) -> "Node":
        """The node of a key below this one, made when it is first asked for."""
        if key not in self.children:
            path = f"{self.path}.{key}{'[*]' if is_list else ''}"
            self.children[key] = Node(kind, is_list, path)
        return self.children[key]

    def contents(self) -> list[str]:
        """Every key that an element of this type may have, each now read; those read before come
        first."""
        for key, kind, is_list in self._known():
            self.child(key, kind, is_list=is_list)
        return list(self.children)

    def keys(self, *, lists: bool) -> list[str]:
        """Every key that an element of this type may have: those that repeat, or the others."""
        return [key for key, _, is_list in self._known() if is_list == lists]

    def _known(self) -> Iterator[tuple[str, str, bool]]:
        """Key, type and whether it repeats; a primitive's id and extensions have a key of their
        own."""
        for element in elements.elements(self.type):
            for kind in element.types:
                key = element.json_name(kind)
                yield key, kind, element.is_list
                if elements.is_primitive(kind):
                    yield f"_{key}", "Element", element.is_list

    def shape(self) -> Any:
        """What json_transform is to take out."""
        if self.raw or not self.children:
            inside: Any = "VARCHAR" if self.is_bare else "JSON"
        else:
            inside = {key: child.shape() for key, child in self.children.items()}
        return [inside] if self.is_list else inside

    def root_shape(self) -> str:
        """The shape of a whole text, as json_transform wants it."""
        inside = {key: child.shape() for key, child in self.children.items()}
        return json.dumps(inside or {"id": "JSON"}, separators=(",", ":"))

    def below(self) -> Iterator["Node"]:
        """All nodes below this one."""
        for child in self.children.values():
            yield child
            yield from child.below()
