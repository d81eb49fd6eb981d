/*---
about: >
  Every version of every FHIR resource, deletes among them, with the time for which it was the source's word: from
  known_from to just before known_to, null while it stands. The same content coming again later takes the word
  again from whatever came between. Where two versions bear one time, the one that fhir.resource would not show
  has no time at all.
owner: clinical-data
keep: 10 years
write: view
key: [resource_type, resource_id, _sequence, _line, _entry, known_from]
---*/
-- What was known on a day are the rows with known_from <= day < known_to that are not deletes; what the lake had
-- received by a day are those with _received_at before it. Neither asks for old files: compacting and removing
-- them changes nothing here. The raw record never passes through a window.
with told as (
  select
    resource_type,
    resource_id,
    _sequence,
    _line,
    _entry,
    content_hash,
    version_at,
    is_deleted,
    version_number
  from fhir.repeated
),

-- a confirmation speaks for the last version before it that had this content
again as (
  select
    told.* replace (seen.version_at as version_at)
  from bronze.fhir_seen as seen
  join told
    on told.resource_type = seen.resource_type
    and told.resource_id = seen.resource_id
    and told.content_hash = seen.content_hash
    and told.version_at <= seen.version_at
  qualify
    row_number() over (
      partition by seen.resource_type, seen.resource_id, seen._sequence, seen._line, seen._entry
      order by told.version_at desc, told._sequence desc, told._line desc, told._entry desc
    ) = 1
),

spoken as (
  select
    resource_type,
    resource_id,
    _sequence,
    _line,
    _entry,
    version_at as known_from,
    lead(version_at) over (
      partition by resource_type, resource_id
      order by version_at, is_deleted, version_number nulls first, _sequence, _line, _entry
    ) as known_to
  from (from told union all by name from again)
)

select
  version.source,
  version.resource_type,
  version.resource_id,
  version.patient_id,
  version.version_id,
  version.version_at,
  version.version_basis,
  coalesce(spoken.known_from, version.version_at) as known_from,
  spoken.known_to,
  version.is_deleted,
  version.resource,
  version._object,
  version._sequence,
  version._line,
  version._entry,
  version._received_at
from bronze.fhir_resource as version
left join spoken using (resource_type, resource_id, _sequence, _line, _entry)
