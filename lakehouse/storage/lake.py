"""Delta tables by name. Only this and what keeps them opened (`opened.py`) speak Delta."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import unquote

import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Table, Write
from lakehouse.errors import StoreError
from lakehouse.lineage import collect
from lakehouse.lineage.place import namespace
from lakehouse.objects import Objects, open_objects
from lakehouse.settings import Credentials, Settings
from lakehouse.storage.commit import (
    STATE,
    TRIES,
    Commit,
    Conflict,
    Note,
    Ranges,
    is_apart,
    read_commit,
)
from lakehouse.storage.opened import Opened
from lakehouse.storage.place import place_of, require_fit, storage_options
from lakehouse.storage.types import arrow_schema, plain_types

Clock = Callable[[], datetime]
Rows: TypeAlias = pa.Table | pa.RecordBatchReader

OPERATION = "_op"
_FILE_BYTES = 64 * 2**20
_GROUP_ROWS, _RAW_GROUP_ROWS = 65_536, 16_384
"""Raw records are large, and a reader wants those of one type, which come together."""
_SINGLE = (pa.int64(), pa.binary())
_Alone: TypeAlias = Callable[[int], AbstractContextManager[DeltaTable]]


class Stored:
    """One table at a snapshot. Look-ups and the commit that follows share this snapshot, so that
    a commit which another process overtook is refused instead of doubled."""

    def __init__(self, table: Table, delta: DeltaTable, schema: pa.Schema, alone: _Alone) -> None:
        self.table = table
        self.schema = schema
        self._delta = delta
        self._alone = alone
        self._writer = _writer(table, schema)

    @property
    def version(self) -> int:
        """The version this snapshot shows, or the one its commit made."""
        return int(self._delta.version())

    def mark(self, name: str) -> int | None:
        """The highest mark of that name that any commit up to here carries."""
        found = self._delta.transaction_version(name)
        return None if found is None else int(found)

    def state(self) -> Mapping[str, Any]:
        """What the newest commit of ours says of itself; empty when the log no longer tells."""
        # nearly always the first, and each is a file to read
        told = (entry for most in (1, 10) for entry in self._told(most) if STATE in entry)
        return dict(json.loads(next(told, {}).get(STATE, "{}")))

    def data_version(self) -> int:
        """The version at which the rows last changed; maintenance does not count."""
        return int(self.state().get("data_version", self.version))

    def alike(self, version: int) -> int:
        """The newest version with the same rows as `version`: after it came only maintenance."""
        told = self.since(version)
        alike = (c.version for c in told if c.state.get("data_version") == version)
        return max(alike, default=version)

    def files(self, within: Ranges | None = None) -> list[str]:
        """The data files of this snapshot, as addresses that the SQL engine can read; only those
        that can hold rows of these ledger entries."""
        # Delta escapes the names of folders as addresses do
        addresses = sorted(map(unquote, self._delta.file_uris()))
        if within is None:
            return addresses
        actions = pa.table(self._delta.get_add_actions(flatten=True)).to_pylist()
        apart = {unquote(told["path"]) for told in actions if is_apart(told, within)}
        return [address for address in addresses if address.rpartition("/")[2] not in apart]

    def measure(self) -> tuple[int, int]:
        """Rows and bytes of this snapshot, from the log."""
        actions = pa.table(self._delta.get_add_actions(flatten=True))
        rows, sizes = actions["num_records"].to_pylist(), actions["size_bytes"].to_pylist()
        return sum(filter(None, rows)), sum(filter(None, sizes))

    def count(self, addresses: Collection[str]) -> int:
        """The rows that some data files of this snapshot hold, from the log."""
        names = {address.rpartition("/")[2] for address in addresses}
        told = pa.table(self._delta.get_add_actions(flatten=True)).to_pylist()
        return sum(file["num_records"] or 0 for file in told if unquote(file["path"]) in names)

    def is_current_shape(self) -> bool:
        """True when the stored columns are the declared ones."""
        stored = pa.schema(self._delta.schema().to_arrow())
        return stored.names == self.schema.names and plain_types(stored) == plain_types(self.schema)

    def stored_columns(self) -> list[str]:
        """The names it is stored with: a table that is only added to gets those that were declared
        later when somebody opens it to write."""
        return [field.name for field in self._delta.schema().fields]

    def _widen(self) -> None:
        known = set(self.stored_columns())
        missing = [field for field in self.schema if field.name not in known]
        if missing and self.table.write is Write.APPEND:
            # whoever comes second finds the columns of the first
            with suppress(Conflict), self._committing():
                self._delta.alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))

    def append(self, rows: Rows, note: Note) -> int:
        """Add rows and return the version; raises Conflict or StoreError."""
        with self._committing():
            write_deltalake(self._delta, rows, mode="append", **self._writing(note))
        return self._report(note)

    def replace(self, rows: Rows, note: Note) -> int:
        """Put these rows in place of all there are, and return the version."""
        with self._committing():
            write_deltalake(
                self._delta, rows, mode="overwrite", schema_mode="overwrite", **self._writing(note)
            )
        return self._report(note)

    def merge(
        self, changes: pa.Table, key: tuple[str, ...], note: Note, within: Ranges | None = None
    ) -> int:
        """Apply changes, each with `_op` upsert or delete, by key; return the version.

        `within` are the ledger entries that every stored row lies in that a change meets: other
        files are not looked at.
        """
        same = " and ".join(f"stored.{name} = change.{name}" for name in key)
        if within is not None:
            # numbers of the ledger are no patient's, so the log may hold them
            ranges = (f"stored._sequence between {first} and {last}" for first, last in within)
            same = f"{same} and ({' or '.join(ranges) or 'false'})"
        with self._committing():
            (
                self._delta.merge(
                    changes,
                    same,
                    source_alias="change",
                    target_alias="stored",
                    writer_properties=self._writer,
                    commit_properties=self._properties(note, changed=True),
                )
                .when_matched_delete(f"change.{OPERATION} = 'delete'")
                .when_matched_update_all(f"change.{OPERATION} = 'upsert'", except_cols=[OPERATION])
                .when_not_matched_insert_all(
                    f"change.{OPERATION} = 'upsert'", except_cols=[OPERATION]
                )
                .execute()
            )
        return self._report(note)

    def record(self, note: Note) -> int:
        """Commit no rows, only what the note says: that this work is done."""
        with self._committing():
            write_deltalake(
                self._delta,
                self.schema.empty_table(),
                mode="append",
                commit_properties=self._properties(note, changed=False),
            )
        return self._report(note)

    def since(self, version: int) -> list[Commit]:
        """The versions after that one, as far as the log still tells of them, newest first."""
        newer = self._told(self.version - version) if version < self.version else []
        return [read_commit(self.table.name, entry) for entry in newer]

    def history(self) -> list[Commit]:
        """All versions the log still tells of, newest first."""
        return [read_commit(self.table.name, entry) for entry in self._told()]

    def _told(self, limit: int | None = None) -> list[dict[str, Any]]:
        with clean_errors(self.table.name):
            return self._delta.history(limit)

    def compact(self) -> int:
        """Join small files; the number of files removed."""
        with self._committing():
            metrics = self._delta.optimize.compact(
                target_size=_FILE_BYTES,
                writer_properties=self._writer,
                commit_properties=self._properties(self._maintenance(), changed=False),
            )
        return int(metrics["numFilesRemoved"])

    def vacuum(self, keep: timedelta) -> int:
        """Delete files that no version younger than `keep` shows; their number."""
        hours = int(keep.total_seconds() // 3600)
        with self._committing():
            if not self._delta.vacuum(hours, True, False, full=True):
                return 0
            gone = self._delta.vacuum(
                retention_hours=hours,
                dry_run=False,
                enforce_retention_duration=False,
                commit_properties=self._properties(self._maintenance(), changed=False),
                full=True,
            )
        return len(gone)

    def checkpoint(self) -> None:
        """Write the log's state in one file, so that opening stays fast."""
        with self._committing():
            self._delta.create_checkpoint()

    def _maintenance(self) -> Note:
        return Note(state={**self.state(), "maintenance": True})

    def _writing(self, note: Note) -> dict[str, Any]:
        return {
            "target_file_size": _FILE_BYTES,
            "writer_properties": self._writer,
            "commit_properties": self._properties(note, changed=True),
        }

    def _properties(self, note: Note, *, changed: bool) -> CommitProperties:
        run, job = collect.current_run()
        state = {"run": run, "job": job, **note.state}
        if changed:
            state.pop("data_version", None)
        else:
            state["data_version"] = self.data_version()
        return CommitProperties(
            custom_metadata={STATE: json.dumps(state)},
            app_transactions=[Transaction(name, mark) for name, mark in note.marks.items()],
            max_commit_retries=TRIES,
        )

    def _report(self, note: Note) -> int:
        rows, size = self.measure()
        collect.wrote(
            collect.Dataset(
                self.table.name,
                self.version,
                tuple((field.name, str(field.type)) for field in self.schema),
                rows,
                size,
                note.edges,
                note.checks,
                note.state.get("quarantined"),
            )
        )
        return self.version

    @contextmanager
    def _committing(self) -> Iterator[None]:
        with clean_errors(self.table.name), self._alone(self.version) as self._delta:
            yield


class Lake:
    """The tables and landed objects under one address, seen with the keys of one role."""

    def __init__(
        self, catalog: Catalog, settings: Settings, credentials: Credentials | None, clock: Clock
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self.url = settings.lake_url()
        self.credentials = credentials
        self.objects: Objects = open_objects(self.url, credentials)
        self.clock = clock
        self._options = storage_options(credentials)
        self._opened = Opened(self._options)

    @property
    def namespace(self) -> str:
        """The lake's place as lineage names it."""
        return namespace(self.settings)

    def place(self, name: str) -> str:
        """Where a table lies."""
        return place_of(self.url, name)

    def find(self, name: str, version: int | None = None) -> Stored | None:
        """The table at `version` or now; None when nothing was ever written.

        Raises SpecError for a name nothing declares, StoreError for a version that is gone.
        """
        table = self.catalog.table(name)
        schema = arrow_schema(self.catalog.columns[c] for c in table.columns)
        place = self.place(name)
        with clean_errors(name):
            delta = self._opened.newest(place)
            if delta and version is not None and version > delta.version():
                # Delta would look for each of the versions between
                raise StoreError(f"{name} has no version {version}")
            if delta and version is not None and version < delta.version():
                delta = self._opened.at(place, version)
        return Stored(table, delta, schema, partial(self._opened.alone, place)) if delta else None

    def open(self, name: str) -> Stored:
        """The table now, created empty when it is new: a race could double a first commit."""
        found = self.find(name)
        if found:
            found._widen()
            return found
        table = self.catalog.table(name)
        columns = [self.catalog.columns[c] for c in table.columns]
        counted = [c.name for c in columns if c.is_counted]
        # whoever comes second finds the table of the first
        with suppress(Conflict), clean_errors(name):
            DeltaTable.create(
                self.place(name),
                Schema.from_arrow(arrow_schema(columns)),
                mode="ignore",
                storage_options=self._options,
                # bounds of what a sender wrote would put patients' values into the log: a name may
                # stand where a code should
                configuration={"delta.dataSkippingStatsColumns": ",".join(counted)},
                commit_properties=CommitProperties(
                    custom_metadata={STATE: "{}"}, max_commit_retries=0
                ),
            )
        return self.open(name)

    def version_at(self, name: str, instant: datetime) -> int | None:
        """The version a reader saw at `instant`; None when there was none yet."""
        stored = self.find(name)
        versions = [c.version for c in stored.history() if c.at <= instant] if stored else []
        return max(versions, default=None)


def open_lake(settings: Settings, role: str, clock: Clock | None = None) -> Lake:
    """Open the lake with the keys of `role`; raises SpecError for wrong declarations."""
    require_fit(settings.lake_url())
    catalog = Catalog.of(settings)
    return Lake(catalog, settings, settings.credentials(role), clock or (lambda: datetime.now(UTC)))


@contextmanager
def clean_errors(table: str) -> Iterator[None]:
    """Re-raise what Delta raises with class and table only: its messages may quote values."""
    try:
        yield
    except CommitFailedError:
        raise Conflict(f"{table}: another commit came first") from None
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise StoreError(f"{table}: storage failed with {type(error).__name__}") from None


def _writer(table: Table, schema: pa.Schema) -> WriterProperties:
    is_raw = table.layer == "bronze"
    # there is no value twice in these: to look for one takes a tenth of the time of writing
    single = [f.name for f in schema if is_raw and (f.name == "resource" or f.type in _SINGLE)]
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        max_row_group_size=_RAW_GROUP_ROWS if is_raw else _GROUP_ROWS,
        column_properties=dict.fromkeys(single, ColumnProperties(dictionary_enabled=False)),
    )
