/*---
about: One row per place that a source names, from a building to a ward or a bed.
key: [location_id]
write: merge
by: {location_id: resource_id}
resources: [Location]
owner: clinical-data
keep: 10 years
checks:
  - one_of: {location_status: [active, suspended, inactive]}
    on_fail: warn
  - not_null: [location_name]
    on_fail: warn
---*/
with told as (
  select
    resource_id,
    source,
    fhir_shape(resource, '{
      "status": "VARCHAR",
      "name": "VARCHAR",
      "physicalType": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
      "managingOrganization": {"reference": "VARCHAR"},
      "partOf": {"reference": "VARCHAR"}
    }') as record,
    _object,
    _sequence,
    _line,
    _entry
  from fhir.resource
  where resource_type = 'Location'
)

select
  resource_id as location_id,
  source,
  record.name as location_name,
  record.status as location_status,
  fhir_preferred(
    record.physicalType.coding, 'http://terminology.hl7.org/CodeSystem/location-physical-type'
  ).code as location_level_code,
  fhir_reference(source, record.managingOrganization.reference, 'Organization') as organization_id,
  fhir_reference(source, record.partOf.reference, 'Location') as part_of_location_id,
  _object,
  _sequence,
  _line,
  _entry
from told
