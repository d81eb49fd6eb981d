/*---
about: >
  One row per version, or delete, of those FHIR resources that may have several, without the record itself: what
  decides which of them stands.
owner: clinical-data
keep: 10 years
write: view
key: [resource_type, resource_id, _sequence, _line, _entry]
---*/
-- Which may have several is told by the number of their key alone, so some here have one. The raw record is not
-- here, because it should never pass through a window or the build side of a join. The join is an inner one on
-- resource_type, because through that (and not through a semi join) a filter on it reaches both scans.
with several as (
  select resource_type, _key
  from bronze.fhir_resource
  group by resource_type, _key
  having count(*) > 1
)

select
  version.source,
  version.resource_type,
  version.resource_id,
  version.patient_id,
  version.version_id,
  fhir_version_number(version.version_id) as version_number,
  version.version_at,
  version.version_basis,
  version.content_hash,
  version.is_deleted,
  version._object,
  version._sequence,
  version._line,
  version._entry,
  version._received_at
from bronze.fhir_resource as version
join several using (resource_type, _key)
