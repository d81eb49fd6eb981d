"""Reads every declaration under sql/ and feeds.toml into one Catalog, and refuses what is wrong."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from lakehouse.catalog.checks import parse_checks
from lakehouse.catalog.feeds import quarantine_of, read_feeds
from lakehouse.catalog.kept import Kept, code_digest, named
from lakehouse.catalog.spec import (
    PENDING,
    Column,
    Feed,
    Phi,
    Table,
    Unit,
    Write,
)
from lakehouse.catalog.views import read_definition
from lakehouse.errors import SpecError
from lakehouse.settings import Settings
from lakehouse.viewdefinition import compiler

LAYERS = (
    "landing", "bronze", "fhir", "codes", "silver", "gold", "lineage", "quarantine", "audit",
)  # fmt: skip
TYPES = {
    "varchar", "varchar[]", "bigint", "integer", "double", "decimal(18,6)", "boolean", "date",
    "timestamptz", "blob",
}  # fmt: skip
SOURCES = "codes.source"

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_RESOURCE = re.compile(r"[A-Z][A-Za-z]+\Z")
_FRONT = re.compile(r"\A/\*---\n(.*?)\n---\*/\n(.*)\Z", re.S)
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.S)
_READS = re.compile(rf"\b(?:{'|'.join(LAYERS)})\.[a-z_]\w*")
_MACRO = re.compile(r"create macro (\w+)\s*\(.*?;", re.S | re.I)
_SQL_KEYS = {
    "about", "owner", "keep", "write", "key", "columns", "by", "checks", "constants", "across",
    "resources",
}  # fmt: skip
_MOST_KNOWN = 4


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that is declared, validated: columns, tables, macros, code lists and feeds."""

    columns: Mapping[str, Column]
    tables: Mapping[str, Table]
    feeds: Mapping[str, Feed]
    macros: Mapping[str, str]
    codes: Mapping[str, Path]
    kept: Kept | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Catalog":
        """Read what these settings name; what is compiled is kept in LAKEHOUSE_HOME.

        Raises SpecError naming the file and the cure.
        """
        return cls.read(settings.sql, settings.feeds, Kept(settings.home / "compiled"))

    @classmethod
    def read(cls, roots: Iterable[Path], feeds: Path, kept: Kept | None = None) -> "Catalog":
        """Read the folders in turn, a later one laid over an earlier one.

        Raises SpecError naming the file and the cure.
        """
        roots, known = tuple(roots), read_feeds(feeds)
        declared = _declared(roots, cls.digest(roots), kept)
        refused = {feed.quarantine: quarantine_of(feed) for feed in known.values()}
        catalog = replace(declared, tables={**declared.tables, **refused}, feeds=known)
        catalog._validate()
        return catalog

    @staticmethod
    def digest(roots: Iterable[Path]) -> str:
        """Return what changes when a file of a declaration does; feeds are not among them."""
        digest = hashlib.sha256()
        for path in filter(Path.is_file, _files(roots, "*.*", "*/*.*")):
            content = path.read_bytes()
            digest.update(f"{path} {len(content)} ".encode() + content)
        return digest.hexdigest()

    def table(self, name: str) -> Table:
        """Return the table of that name; raises SpecError when nothing declares it."""
        if name in self.tables:
            return self.tables[name]
        layer, _, noun = name.partition(".")
        built = noun.replace("_", ".", 1)
        if layer == "quarantine" and built in self.tables and self.tables[built].is_model:
            return self.tables[built].quarantine()
        raise SpecError(f"no table is called {name}", hint="`lakehouse tables` lists them")

    def column(self, table: Table, name: str) -> Column:
        """What a column of a table is; a ViewDefinition says it of its own."""
        own = table.definition.columns if table.definition else {}
        return own[name] if name in own else self.columns[name]

    def models(self) -> list[Table]:
        """The tables that are built, each after what it reads."""
        graph = {name: [r for r in t.reads if r in self.tables] for name, t in self.tables.items()}
        order = TopologicalSorter(graph).static_order()
        return [self.tables[name] for name in order if self.tables[name].is_model]

    def stored_reads(self, table: Table) -> list[Table]:
        """The stored tables that a model reads, itself or through views."""
        found: dict[str, Table] = {}
        for name in table.reads:
            read = self.tables.get(name)
            if read is None:
                continue
            through = self.stored_reads(read) if read.write is Write.VIEW else [read]
            found |= {t.name: t for t in through}
        return [found[name] for name in sorted(found)]

    def views_across(self, table: Table) -> list[str]:
        """The views across units that a table reads, itself or through views."""
        views = [self.tables[name] for name in table.reads if name in self.tables]
        views = [view for view in views if view.write is Write.VIEW]
        own = [view.name for view in views if view.across]
        return own + [name for view in views for name in self.views_across(view)]

    def code_reads(self, table: Table) -> list[str]:
        """The code lists that a model reads, itself or through views."""
        found = {name for name in table.reads if name.startswith("codes.")}
        for name in table.reads:
            if name in self.tables and self.tables[name].write is Write.VIEW:
                found |= set(self.code_reads(self.tables[name]))
        return sorted(found)

    def resource_types(self, table: Table) -> frozenset[str]:
        """The FHIR resource types that a model may see of bronze; empty when it may see all."""
        if table.resources:
            return frozenset(table.resources)
        found: frozenset[str] = frozenset()
        for name in table.reads:
            read = self.tables.get(name)
            if read is None or (read.write is not Write.VIEW and read.layer != "bronze"):
                continue
            types = self.resource_types(read) if read.write is Write.VIEW else frozenset()
            if not types:
                return frozenset()
            found |= types
        return found

    def fingerprint(self, table: Table) -> str:
        """A hash of all that decides what a model's rows mean: SQL, macros, codes, checks."""
        digest = hashlib.sha256(table.sql.encode())
        for name in sorted(self._macros_of(table)):
            digest.update(self.macros[name].encode())
        for name in self.code_reads(table):
            digest.update(self._code_bytes(name))
        for name in table.reads:
            if name in self.tables and self.tables[name].write is Write.VIEW:
                digest.update(self.fingerprint(self.tables[name]).encode())
        digest.update(repr([(c, self.column(table, c).type) for c in table.columns]).encode())
        digest.update(repr((table.key, table.by, table.checks, table.resources)).encode())
        return digest.hexdigest()[:16]

    def _code_bytes(self, name: str) -> bytes:
        if name == SOURCES:
            return repr(self.zones()).encode()
        return self.codes[name].read_bytes()

    def zones(self) -> list[tuple[str, str]]:
        """Each source with the IANA time zone that its feeds declare."""
        return sorted({(feed.source, feed.zone) for feed in self.feeds.values()})

    def _macros_of(self, table: Table) -> set[str]:
        found: set[str] = set()
        waiting = list(table.macros)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += _macros_in(self.macros[name], self.macros)
        return found

    def _validate(self) -> None:
        for table in self.tables.values():
            _refuse_unknown(table, self)
        try:
            self.models()
        except CycleError as error:
            raise SpecError(f"tables read each other in a circle: {error.args[1]}") from None
        sources = [source for source, _ in self.zones()]
        if len(sources) != len(set(sources)):
            raise SpecError("one source has two time zones", hint="give its feeds one zone")


_known: dict[tuple[tuple[Path, ...], str], Catalog] = {}


def _declared(roots: tuple[Path, ...], digest: str, kept: Kept | None) -> Catalog:
    """What folders with this content declare, without feeds: one process opens many lakes."""
    place = roots, digest
    if place not in _known:
        name = named(digest, code_digest(Path(__file__).parent, Path(compiler.__file__).parent))
        found = kept.get("catalog", name, Catalog) if kept else None
        while len(_known) >= _MOST_KNOWN:
            del _known[next(iter(_known))]
        _known[place] = found or _read(roots)
        if kept and not found:
            kept.put("catalog", name, _known[place])
    return replace(_known[place], kept=kept)


def _read(roots: tuple[Path, ...]) -> Catalog:
    columns = _columns(roots)
    macros = _macros(roots)
    codes = {f"codes.{p.stem}": p for p in _files(roots, "codes/*.csv")}
    declared = [_table(path, macros) for path in _files(roots, "*/*.sql", "*/*.yml")]
    declared += [_view(path) for path in _files(roots, "fhir/*.json")]
    tables = {table.name: table for table in declared}
    if len(tables) < len(declared):
        raise SpecError("a table of the layer fhir is declared as .sql and as .json")
    return Catalog(columns, tables, {}, macros, codes)


def _refuse_unknown(table: Table, catalog: Catalog) -> None:
    own = table.definition.columns if table.definition else {}
    for name in (*table.columns, *table.key):
        if name not in catalog.columns and name not in own:
            raise SpecError(
                f"{table.path}: the column {name} is not in columns.yml",
                hint="add it with type, phi and means, or use the name that has this meaning",
            )
    for name in table.key:
        if name not in table.columns:
            raise SpecError(f"{table.path}: the key {name} is not among the columns")
    for name in table.reads:
        if name not in catalog.tables and name not in catalog.codes and name != SOURCES:
            raise SpecError(f"{table.path}: it reads {name}, which nothing declares")
    if table.by and (across := catalog.views_across(table)):
        raise SpecError(
            f"{table.path}: {across[0]} joins records across the units that by names",
            hint="leave `by` out: the table is then rebuilt whole",
        )


def _files(roots: Iterable[Path], *patterns: str) -> list[Path]:
    found: dict[str, Path] = {}
    for root in roots:
        for pattern in patterns:
            found |= {str(p.relative_to(root)): p for p in root.glob(pattern)}
    return [found[name] for name in sorted(found)]


def _yaml(path: Path, text: str) -> dict[str, Any]:
    try:
        loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise SpecError(f"{path}{line}: not valid YAML") from None
    if not isinstance(loaded, dict):
        raise SpecError(f"{path}: expected names with values")
    return loaded


def _columns(roots: Iterable[Path]) -> dict[str, Column]:
    found: dict[str, Column] = {}
    for path in _files(roots, "columns.yml"):
        for name, told in _yaml(path, path.read_text()).items():
            found[name] = _column(path, name, told)
    return found


def _column(path: Path, name: str, told: Any) -> Column:
    if not isinstance(told, dict) or not {"type", "phi", "means"} <= told.keys():
        raise SpecError(f"{path}: {name} needs type, phi and means")
    if told["type"] not in TYPES:
        raise SpecError(f"{path}: {name} has the unknown type {told['type']}")
    if told["phi"] not in {p.value for p in Phi}:
        raise SpecError(f"{path}: {name} has the unknown PHI class {told['phi']}")
    try:
        return Column(name=name, **(told | {"phi": Phi(told["phi"])}))
    except TypeError:
        raise SpecError(f"{path}: {name} has a key that is not known") from None


def _macros(roots: Iterable[Path]) -> dict[str, str]:
    # an engine that shows no ViewDefinition is spared their macros
    found = dict(compiler.macros()) if _files(roots, "fhir/*.json") else {}
    for path in _files(roots, "functions.sql"):
        found |= {m[1]: m[0] for m in _MACRO.finditer(path.read_text())}
    return found


def _macros_in(sql: str, macros: Iterable[str]) -> list[str]:
    called = set(re.findall(r"\b(\w+)\s*\(", _NOISE.sub(" ", sql)))
    return [name for name in macros if name in called]


def _table(path: Path, macros: Mapping[str, str]) -> Table:
    text = path.read_text()
    if path.suffix == ".sql":
        match = _FRONT.match(text)
        if not match:
            raise SpecError(
                f"{path} has no front matter", hint="begin it with /*--- and ---*/ lines"
            )
        meta, sql = _yaml(path, match[1]), match[2].strip().removesuffix(";")
    else:
        meta, sql = _yaml(path, text), ""
    unknown = meta.keys() - _SQL_KEYS
    missing = {"about", "owner", "keep", "write"} - meta.keys()
    if unknown or missing:
        raise SpecError(f"{path}: unknown {sorted(unknown)}, missing {sorted(missing)}")
    return _from_front(path, meta, sql, macros)


def _view(path: Path) -> Table:
    if not _NAME.match(path.stem):
        raise SpecError(f"fhir/{path.name} is not a name", hint="use lower case, digits and _")
    return read_definition(path)


def _from_front(path: Path, meta: dict[str, Any], sql: str, macros: Mapping[str, str]) -> Table:
    name = f"{path.parent.name}.{path.stem}"
    try:
        write = Write(meta["write"])
    except ValueError:
        raise SpecError(f"{path}: write is append, merge or view") from None
    bare = _NOISE.sub(" ", sql)
    columns = selected(bare) if sql else tuple(meta.get("columns", ()))
    if sql and write is Write.MERGE and "_sequence" in columns:
        columns = (*columns, PENDING)
    return Table(
        name=name,
        about=str(meta["about"]),
        owner=str(meta["owner"]),
        keep=str(meta["keep"]),
        write=write,
        path=f"{path.parent.name}/{path.name}",
        key=tuple(meta.get("key", ())),
        columns=columns,
        by=_unit(path, meta.get("by")),
        sql=sql,
        reads=tuple(sorted(set(_READS.findall(bare)) - {name})),
        macros=tuple(_macros_in(sql, macros)),
        checks=parse_checks(path, meta.get("checks", []), tuple(meta.get("key", ()))),
        uses_as_of="$as_of" in bare,
        constants=meta.get("constants"),
        resources=_resources(path, meta.get("resources", [])),
        across=meta.get("across") is True,
    )


def selected(sql: str) -> tuple[str, ...]:
    """The output names of a query that is bare of strings and comments: its last outer SELECT."""
    depth, start, parts = 0, 0, [""]
    for piece in re.findall(r"[()\[\]]|\w+|[^\w()\[\]]+", sql):
        depth += (piece in "([") - (piece in ")]")
        word = piece.lower()
        if depth == 0 and word == "select":
            start, parts = 1, [""]
        elif depth == 0 and word in {"from", "where", "qualify"}:
            start = 0
        elif start and depth == 0 and "," in piece:
            parts += [""]
        elif start:
            parts[-1] += piece
    return tuple(part.split()[-1].rpartition(".")[2] for part in parts if part.strip())


def _unit(path: Path, told: Any) -> Unit | None:
    match told:
        case None:
            return None
        case str():
            return Unit((told,), (told,))
        case list() if told and all(isinstance(column, str) for column in told):
            return Unit(tuple(told), tuple(told))
        case dict() if len(told) == 1:
            ((column, source),) = told.items()
            return Unit((str(column),), (str(source),))
    raise SpecError(f"{path}: by names columns, or one column and its name in the inputs")


def _resources(path: Path, told: Any) -> tuple[str, ...]:
    names = told if isinstance(told, list) else [told]
    if not all(isinstance(name, str) and _RESOURCE.match(name) for name in names):
        raise SpecError(f"{path}: resources lists types of FHIR resources")
    return tuple(names)
