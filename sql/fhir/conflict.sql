/*---
about: >
  One row per version of a FHIR resource that another version of the same time and the same whole-number version
  contradicts: the later received stands, and this one does not. With both contents as hashes, not as values.
owner: clinical-data
keep: 10 years
write: view
key: [resource_type, resource_id, _sequence, _line, _entry]
---*/
-- Where the time is the record's own (version_basis is updated) its source contradicts itself; in one export, or in what
-- was received at one time, it told one resource twice. A delete stands against every version of its time, without
-- any conflict.
with ranked as (
  select
    *,
    arg_max(content_hash, {s: _sequence, l: _line, e: _entry}) over same as standing_hash,
    max(_received_at) over same as standing_received_at
  from fhir.repeated
  where not is_deleted
  window same as (partition by resource_type, resource_id, version_at, version_number)
)

select
  source,
  resource_type,
  resource_id,
  patient_id,
  version_id,
  version_at,
  version_basis,
  content_hash,
  standing_hash,
  standing_received_at,
  _object,
  _sequence,
  _line,
  _entry,
  _received_at
from ranked
where standing_hash <> content_hash
