/*---
about: >
  The current version of every FHIR resource that its source has not deleted. Newest is the version with the
  latest update time, where the same content coming again with a later time counts as an update; on equal
  times a delete stands, then the higher whole-number version, then what was received last.
owner: clinical-data
keep: 10 years
write: view
key: [resource_type, resource_id]
---*/
-- Only resources with more than one version are ranked, and only by their keys; see fhir.repeated. The joins are inner
-- and left ones on resource_type, because through those a model's filter on it reaches every scan.
with again as (
  select resource_type, resource_id, content_hash, max(version_at) as seen_at
  from bronze.fhir_seen
  group by resource_type, resource_id, content_hash
),

ranked as (
  select
    version.resource_type,
    version.resource_id,
    version._sequence,
    version._line,
    version._entry,
    row_number() over (
      partition by version.resource_type, version.resource_id
      order by
        greatest(version.version_at, again.seen_at) desc,
        version.is_deleted desc,
        version.version_number desc nulls last,
        version._sequence desc,
        version._line desc,
        version._entry desc
    ) as age
  from fhir.repeated as version
  left join again using (resource_type, resource_id, content_hash)
),

older as (
  select resource_type, resource_id, _sequence, _line, _entry, age
  from ranked
  where age > 1
)

select
  current.source,
  current.resource_type,
  current.resource_id,
  current.patient_id,
  current.version_id,
  current.version_at,
  current.version_basis,
  current.resource,
  current._object,
  current._sequence,
  current._line,
  current._entry
from bronze.fhir_resource as current
left join older using (resource_type, resource_id, _sequence, _line, _entry)
where older.age is null and not current.is_deleted
