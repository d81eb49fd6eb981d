/*---
about: One row per organization that a source names, also those no longer in use.
key: [organization_id]
write: merge
by: {organization_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [organization_name]
    on_fail: warn
  - not_null: [is_active]
    on_fail: warn
---*/
select
  told.organization_id,
  told.source,
  told.name as organization_name,
  told.is_active,
  told.type_codes as organization_type_codes,
  told.npi as organization_npi,
  told.clia as organization_clia,
  told.naic as organization_naic,
  told.phone as organization_phone,
  told.line as organization_line,
  told.city as organization_city,
  told.state as organization_state,
  told.postal_code as organization_postal_code,
  told.country as organization_country,
  told.part_of_organization_id,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.organization as told
