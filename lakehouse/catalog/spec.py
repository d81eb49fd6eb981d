"""What is declared: columns, checks, tables, feeds. Pure data; imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from lakehouse.catalog.expectation import Expectation

QUARANTINE_COLUMNS = ("_feed", "_object", "_sequence", "_line", "_offset", "reason", "record")
VERSION = ("_sequence", "_line", "_entry")
"""The columns that tell the versions of a record apart: where each stood."""

PENDING = "_pending"
BROKE = "_broke"
DISMISSED = "_dismissed"


class Phi(StrEnum):
    """How far a column identifies a patient; the order is from harmless to worst."""

    NONE = "none"
    DATE = "date"
    PSEUDONYM = "pseudonym"
    DIRECT = "direct"
    FREE_TEXT = "free_text"


class Write(StrEnum):
    """How a table is written; a view is not."""

    APPEND = "append"
    MERGE = "merge"
    VIEW = "view"


@dataclass(frozen=True, slots=True)
class Column:
    """One column name: the same type, unit, PHI class and meaning wherever it stands."""

    name: str
    type: str
    phi: Phi
    means: str
    unit: str | None = None
    system: str | None = None

    @property
    def hidden(self) -> bool:
        """True for the envelope: it says where a row came from, not what it means."""
        return self.name.startswith("_")

    @property
    def is_counted(self) -> bool:
        """True when the table's log may tell its bounds: a number that is no patient's."""
        return self.hidden and self.type == "bigint" and self.phi is Phi.NONE


@dataclass(frozen=True, slots=True)
class Check:
    """What must hold for each row; `broken` is the SQL predicate of a row that breaks it."""

    name: str
    kind: str
    columns: tuple[str, ...]
    broken: str
    on_fail: str


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of recomputation: the output's columns, and the names they have in the inputs."""

    columns: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def row(self) -> str:
        """The unit of a row of the output, as an expression."""
        return f"({', '.join(self.columns)})"

    @property
    def source_row(self) -> str:
        """The unit of a row of an input."""
        return f"({', '.join(self.sources)})"

    def is_told(self, read: "Table") -> bool:
        """True when each row of an input says of which unit it is."""
        return set(self.sources) <= set(read.columns)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a ViewDefinition says of its view: columns of its own, and what they are read from.

    `paths` are, by column, the JSON paths ($…) or columns of fhir.resource that a value is made of;
    `deciders` those that only decide which value; `rows` those that decide which rows there are.
    """

    columns: Mapping[str, Column]
    paths: Mapping[str, frozenset[str]]
    deciders: Mapping[str, frozenset[str]]
    rows: frozenset[str]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the lake: `layer.noun` in SQL, in Airflow and in lineage.

    `resources` are the FHIR resource types that it may see of bronze, directly or through
    fhir.resource; none named means all.
    A view `across` units has rows that other records decide too: what is recomputed by unit may not
    read it.
    """

    name: str
    about: str
    owner: str
    keep: str
    write: Write
    path: str
    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    by: Unit | None = None
    sql: str = ""
    reads: tuple[str, ...] = ()
    macros: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    uses_as_of: bool = False
    constants: Mapping[str, str] | None = None
    resources: tuple[str, ...] = ()
    across: bool = False
    definition: "Definition | None" = None

    @property
    def layer(self) -> str:
        """The part of the name before the dot."""
        return self.name.split(".")[0]

    @property
    def noun(self) -> str:
        """The part of the name behind the dot."""
        return self.name.split(".")[1]

    @property
    def is_model(self) -> bool:
        """True when the rows come from a SELECT and are stored."""
        return bool(self.sql) and self.write is not Write.VIEW

    def quarantine(self) -> "Table":
        """Where the rows that broke a check wait, with the names of the checks."""
        return replace(
            self,
            name=f"quarantine.{self.layer}_{self.noun}",
            about=f"Rows refused from {self.name}, with the names of the checks they broke.",
            columns=(*self.columns, BROKE, DISMISSED),
            sql="",
            checks=(),
        )


@dataclass(frozen=True, slots=True)
class Export:
    """What a feed asks of a FHIR server's bulk export, as whom, and within which limits.

    `of` is `system`, `Patient` or `Group/<id>`; no `types` means all. A full export is asked for
    again when the last is older than `full_seconds`. `most_errors` is how many errors of its own a
    server may report and the rest still lands.
    """

    of: str = "system"
    types: tuple[str, ...] = ()
    client_id: str | None = None
    key_file: str | None = None
    scope: str = "system/*.read"
    full_seconds: int | None = None
    within_seconds: int = 12 * 3600
    most_bytes: int = 256 * 2**30
    most_errors: int = 0


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of deliveries from one sender. A batch of which a larger share than `most_refused`
    could not be read waits for a person."""

    name: str
    about: str
    source: str
    reads: str
    zone: str
    owner: str
    receives: str = "inbox:"
    export: Export | None = None
    every: str | None = None
    expect: Expectation | None = None
    most_refused: float | None = None
    settle_seconds: int = 30
    batch_bytes: int = 128 * 2**20

    @property
    def quarantine(self) -> str:
        """The table where what this feed sent and could not be read waits."""
        return f"quarantine.{self.name}"

    @property
    def dag_id(self) -> str:
        """The DAG that ingests this feed."""
        return f"ingest__{self.name}"

    @property
    def question_dag_id(self) -> str:
        """The DAG that asks people about this feed's deliveries."""
        return f"approve__{self.name}"
