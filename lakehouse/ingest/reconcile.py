"""Reconcile: what a complete export of a source does not hold is not there any more.

The manifest of such an export stands in the ledger behind its files, and is loaded like them: it
gives a delete, true from the export's transaction time, for each record that its source had told
before and not since, and that none of its files holds. Where that is more than `MOST_MISSING` of a
type, or where a file of it is not here or not readable, none is made: the manifest waits in the
feed's quarantine for a person.
"""

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.ingest.landing import LEDGER, object_key
from lakehouse.ingest.manifest import Manifest, accept, parse_manifest
from lakehouse.ingest.origin import Origin, Parsed, Reader
from lakehouse.ingest.versions import ARRIVING, MISSING
from lakehouse.log import get_logger
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake

MOST_MISSING = 0.01
"""The share of a type's current records of the source that a complete export may lack."""

_PRESENT, _CURRENT = "work.present", "work.current_keys"
_MISSING, _LATE = "work.missing", "work.late"

log = get_logger()


def find_complete(lake: Lake, object_id: str, name: str) -> Manifest | None:
    """The manifest that an object of that name is, where it vouches for a complete export."""
    with lake.objects.open(object_key(object_id)) as stream:
        found = parse_manifest(name.rpartition("/")[2], io.BytesIO(stream.read()))
    return found if found and found.is_complete and found.export_at else None


def reconcile(lake: Lake, engine: Engine, reader: Reader, entry: Origin) -> Iterator[Parsed]:
    """The deletes that the complete export of an entry gives, or its manifest as refused.

    The engine shows what was loaded before, and what arrives with the same batch.
    """
    manifest = entry.manifest
    if manifest is None:
        return
    files = _files(engine, entry, manifest)
    if not _is_known_before(engine, reader, entry, files):
        return
    unreadable = _fill_present(lake, engine, reader, files)
    _fill_missing(engine, reader, entry, manifest)
    told = _reason(engine, manifest, len(files), unreadable)
    if told:
        count = engine.count(f"select count(*) from {_MISSING}")
        log.warning("export not reconciled", feed=entry.feed, missing=count)
        yield _waiting(lake, reader, entry, told)
    elif engine.count(f"select count(*) from {_MISSING}"):
        yield _deletes(engine, reader, entry, manifest)


def reconcile_late(
    lake: Lake, engine: Engine, reader: Reader, entries: list[Origin]
) -> Iterator[Parsed]:
    """The deletes of records that come after a complete export of their feed which would have held
    them: nothing of them was known, and what they say is older than the export.

    So that deliveries which are loaded in another order leave the same records.
    """
    feed = entries[0].feed
    late = _fill_late(engine, reader, feed)
    if late is None:
        return
    _hold_against_exports(lake, engine, feed, entries[-1].sequence, late)
    engine.execute(f"delete from {_LATE} where export_at is null")
    if engine.count(f"select count(*) from {_LATE}"):
        yield _rows(
            engine,
            reader,
            entries[0],
            f"""select l._key, l.resource_type, l.resource_id, l.export_at as version_at,
              o.object_id as _object, l._sequence, l._line, -1 - l._entry as _entry,
              o.received_at as _received_at
            from {_LATE} as l join {LEDGER} as o on o.sequence = l._sequence""",
        )


def _hold_against_exports(
    lake: Lake, engine: Engine, feed: str, last: int, oldest: datetime
) -> None:
    """Give what is `late` the time of the last export that lacks it."""
    told = engine.table(
        f"""select sequence, object_id, file_name from {LEDGER}
        where feed = $feed and is_manifest and export_at >= $at order by sequence""",
        {"feed": feed, "at": oldest},
    ).to_pylist()
    for row in told:
        # the one that ends this batch is still to come
        is_over = row["sequence"] < last
        manifest = find_complete(lake, row["object_id"], row["file_name"]) if is_over else None
        if manifest and not _is_waiting(lake, engine, feed, row["sequence"]):
            engine.execute(
                f"""update {_LATE} set export_at = greatest(export_at, $at)
                where version_at <= $at and _sequence > $sequence
                and (len($types::varchar[]) = 0
                  or resource_type in (select unnest($types::varchar[])))""",
                {
                    "at": manifest.export_at,
                    "sequence": row["sequence"],
                    "types": sorted(manifest.types),
                },
            )


def _fill_late(engine: Engine, reader: Reader, feed: str) -> datetime | None:
    """Fill `late` with the newest arrival of each record that nobody knew, where it is older than
    a manifest of the feed that came before it; the time of the oldest, None where there is none."""
    newest = engine.table(
        f"""select max(export_at) as at from {LEDGER} where feed = $feed and is_manifest
          and sequence < (select max(_sequence) from {ARRIVING})
        having max(export_at) >= (select min(version_at) from {ARRIVING})""",
        {"feed": feed},
    )
    if not newest.num_rows:
        return None
    engine.execute(
        f"""create or replace table {_LATE} as
        select *, null::timestamptz as export_at from (
          select _key, resource_type, resource_id, version_at, _sequence, _line, _entry, is_deleted
          from {ARRIVING}
          qualify row_number() over (
            partition by resource_type, resource_id
            order by version_at desc, is_deleted desc, _sequence desc, _line desc, _entry desc
          ) = 1
        ) as arrived
        where not is_deleted and exists (
          select 1 from {LEDGER} as l where l.feed = $feed and l.is_manifest
            and l.export_at >= arrived.version_at and l.sequence < arrived._sequence
        )""",
        {"feed": feed},
    )
    if engine.count(f"select count(*) from {_LATE}"):
        # most loads bring nothing late, and are spared this look at all that is known
        engine.execute(f"delete from {_LATE} where _key in (select _key from {reader.TABLE})")
    found = engine.table(f"select min(version_at) as at from {_LATE}")
    oldest: datetime | None = found.column(0)[0].as_py()
    return oldest


def _is_waiting(lake: Lake, engine: Engine, feed: str, sequence: int) -> bool:
    refused = lake.find(lake.catalog.feeds[feed].quarantine)
    if refused is None:
        return False
    engine.attach(refused.table, refused.version)
    found = engine.table(
        f"select 1 from {refused.table.name} where _sequence = $sequence", {"sequence": sequence}
    )
    return bool(found.num_rows)


def _files(engine: Engine, entry: Origin, manifest: Manifest) -> list[Origin]:
    """The files that the manifest lists, as the feed delivered them last before it."""
    found = engine.table(
        f"""select feed, source, sequence, object_id, bytes, received_at, export_at, file_name
        from {LEDGER} where feed = $feed and export_at = $at and sequence < $sequence
        and not is_manifest order by sequence""",
        {"feed": entry.feed, "at": manifest.export_at, "sequence": entry.sequence},
    )
    named: dict[str, Origin] = {}
    for row in found.to_pylist():
        name = str(row.pop("file_name")).rpartition("/")[2]
        if name in manifest.names:
            named[name] = Origin(**row)
    return list(named.values())


def _is_known_before(engine: Engine, reader: Reader, entry: Origin, files: list[Origin]) -> bool:
    """False where all that is known of the source came with this export: then nothing is missing,
    and its files need not be read again."""
    own = [file.sequence for file in files]
    found = engine.table(
        f"""select 1 from (
          select _sequence from {reader.TABLE} where source = $source union all
          select _sequence from {ARRIVING} where _sequence < $sequence
        ) where _sequence not in (select unnest($own::bigint[])) limit 1""",
        {"source": entry.source, "own": own, "sequence": entry.sequence},
    )
    return bool(found.num_rows)


def _fill_present(lake: Lake, engine: Engine, reader: Reader, files: list[Origin]) -> int:
    """Fill `present` with what the files hold; the number of their records that say not what."""
    engine.execute(
        f"create or replace table {_PRESENT} (resource_type varchar, resource_id varchar)"
    )
    unreadable = 0
    for file in files:
        with lake.objects.open(object_key(file.object_id)) as stream:
            for parsed in reader.read(stream, file):
                unreadable += parsed.refused.num_rows
                engine.register("told", pa.table(parsed.rows))
                engine.execute(
                    f"insert into {_PRESENT} select resource_type, resource_id from told "
                    "where not is_deleted"
                )
                engine.unregister("told")
    return unreadable


def _fill_missing(engine: Engine, reader: Reader, entry: Origin, manifest: Manifest) -> None:
    """Fill `current_keys` with the records that stand, of the types that the export claims, and
    `missing` with those of them that it does not hold and of which nothing newer is known."""
    rank = "(version_at, is_deleted, number, _sequence, _line, _entry)"
    number = "coalesce(fhir_version_number(version_id), -1) as number"
    same = "_key, resource_type, resource_id, version_at"
    place = "_sequence, _line, _entry"
    engine.execute(
        f"""create or replace table {_CURRENT} as
        with told as (
          select {same}, is_deleted, {number}, {place} from {reader.TABLE} where source = $source
          union all
          select {same}, content_hash = $deleted::blob, -1, {place}
          from {reader.SEEN} where source = $source
          union all
          select {same}, is_deleted, number, {place} from {ARRIVING} where _sequence < $sequence
        )
        select resource_type, resource_id, any_value(_key) as _key, max(version_at) as version_at
        from told
        where len($types::varchar[]) = 0 or resource_type in (select unnest($types::varchar[]))
        group by resource_type, resource_id
        having not arg_max(is_deleted, row{rank})""",
        {
            "source": entry.source,
            "deleted": reader.TOMBSTONE,
            "sequence": entry.sequence,
            "types": sorted(manifest.types),
        },
    )
    engine.execute(
        f"""create or replace table {_MISSING} as
        select * from {_CURRENT} anti join {_PRESENT} using (resource_type, resource_id)
        where version_at <= $at""",
        {"at": manifest.export_at},
    )


def _reason(engine: Engine, manifest: Manifest, files: int, unreadable: int) -> str:
    """Why no delete may be made; empty where they may. Counts and types only."""
    if files < len(manifest.names):
        return "a complete export, of whose files some are not here"
    if manifest.is_accepted:
        return ""
    if unreadable:
        return f"a complete export, of which {unreadable} records cannot be read"
    found = engine.table(
        f"""select resource_type, count(*) as n_current,
          count(*) filter (where (resource_type, resource_id) in
            (select (resource_type, resource_id) from {_MISSING})) as n_missing
        from {_CURRENT} group by resource_type order by resource_type"""
    ).to_pylist()
    over = [
        f"{row['n_missing']} of {row['n_current']} {row['resource_type']}"
        for row in found
        if row["n_missing"] > MOST_MISSING * row["n_current"]
    ]
    return f"a complete export, which lacks {', '.join(over)}" if over else ""


def _waiting(lake: Lake, reader: Reader, entry: Origin, told: str) -> Parsed:
    with lake.objects.open(object_key(entry.object_id)) as stream:
        record = stream.read()
    row = {
        "_feed": entry.feed,
        "_object": entry.object_id,
        "_sequence": entry.sequence,
        "_line": 1,
        "_offset": 0,
        "reason": told,
        "record": record,
    }
    empty = next(iter(reader.read(io.BytesIO(b"\n"), entry)))
    refused = pa.RecordBatch.from_pylist([row], schema=empty.refused.schema)
    return Parsed(empty.rows, refused, 1, 0)


def _deletes(engine: Engine, reader: Reader, entry: Origin, manifest: Manifest) -> Parsed:
    return _rows(
        engine,
        reader,
        entry,
        f"""select _key, resource_type, resource_id, $at as version_at, $object as _object,
          $sequence as _sequence, 1 as _line,
          row_number() over (order by resource_type, resource_id) - 1 as _entry,
          $received as _received_at
        from {_MISSING}""",
        at=manifest.export_at,
        object=entry.object_id,
        sequence=entry.sequence,
        received=entry.received_at,
    )


def _rows(engine: Engine, reader: Reader, entry: Origin, query: str, **values: Any) -> Parsed:
    """Deletes as rows of the reader's first table, of the keys, times and places of a query."""
    empty = next(iter(reader.read(io.BytesIO(b"\n"), entry)))
    found = engine.table(
        f"""select *, $source as source, null as version_id, $basis as version_basis,
          case when resource_type = 'Patient' then resource_id end as patient_id,
          true as is_deleted, $hash::blob as content_hash, null as resource,
          0 as _omitted, 0 as _offset, 0 as _length
        from ({query}) order by resource_type, resource_id""",
        {"source": entry.source, "basis": MISSING, "hash": reader.TOMBSTONE} | values,
    )
    schema = empty.rows.schema
    rows = found.select(schema.names).cast(schema).combine_chunks()
    return Parsed(rows.to_batches()[0], empty.refused, 0, 0)


def find_last(lake: Lake, feed: str) -> bytes | None:
    """The manifest of the feed's last complete export, as it is delivered once more to say that
    what the export lacks is gone; None where there was none."""
    ledger = lake.find(LEDGER)
    if ledger is None:
        return None
    with engine_for(lake) as engine:
        engine.attach(ledger.table, ledger.version)
        found = engine.table(
            f"select object_id, file_name from {LEDGER} where feed = $feed and is_manifest "
            "order by sequence desc",
            {"feed": feed},
        ).to_pylist()
    for row in found:
        if find_complete(lake, row["object_id"], row["file_name"]):
            with lake.objects.open(object_key(row["object_id"])) as stream:
                return accept(row["file_name"], stream.read())
    return None
