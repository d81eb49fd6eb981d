/*---
about: >
  One row per current resource of a type that a silver table can have, labelled or not: its security labels, tags,
  profiles, and the system it came from. A row filter joins this by resource_type and resource_id, and whatever has no
  row here is nobody's to see.
key: [resource_type, resource_id]
write: merge
by: resource_id
owner: clinical-data
keep: 10 years
checks:
  - not_null: [source]
    on_fail: quarantine
---*/
with told as (
  select
    resource_type,
    resource_id,
    source,
    patient_id,
    fhir_shape(resource, '{"meta": {
      "security": [{"system": "VARCHAR", "code": "VARCHAR"}],
      "tag": [{"system": "VARCHAR", "code": "VARCHAR"}],
      "profile": ["VARCHAR"],
      "source": "VARCHAR"
    }}').meta as meta,
    version_at,
    version_basis,
    _object,
    _sequence,
    _line,
    _entry
  from fhir.resource
  where resource_type not in ('ClaimResponse', 'ExplanationOfBenefit')
)

select
  resource_type,
  resource_id,
  source,
  patient_id,
  fhir_labels(meta.security) as security_labels,
  fhir_labels(meta.tag) as tags,
  coalesce(meta.profile, []) as profiles,
  meta.source as system_url,
  version_at as available_at,
  version_basis as available_basis,
  _object,
  _sequence,
  _line,
  _entry
from told
