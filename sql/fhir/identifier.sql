/*---
about: One row per identifier of a current FHIR resource, as its source wrote it.
owner: clinical-data
keep: as long as the resources
write: view
key: [resource_type, resource_id, identifier_number]
---*/
with told as (
  select
    source,
    resource_type,
    resource_id,
    patient_id,
    unnest(fhir_identifiers(resource)) as identifier,
    generate_subscripts(fhir_identifiers(resource), 1) as place,
    _object,
    _sequence,
    _line,
    _entry
  from fhir.resource
)

select
  source,
  resource_type,
  resource_id,
  patient_id,
  cast(place as integer) as identifier_number,
  identifier.use as identifier_use,
  identifier.system as identifier_system,
  identifier.value as identifier_value,
  _object,
  _sequence,
  _line,
  _entry
from told
where identifier.value is not null
