/*---
about: One row per role that a person has at an organization, as a source records it.
key: [practitioner_role_id]
write: merge
by: {practitioner_role_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - expr: practitioner_id is not null or practitioner_npi is not null or organization_id is not null
    on_fail: warn
  - expr: length(specialty_codings) > 0
    on_fail: warn
  - expr: role_until_on is null or role_from_on is null or role_until_on >= role_from_on
    on_fail: quarantine
---*/
select
  told.practitioner_role_id,
  told.source,
  told.is_active,
  told.practitioner_id,
  told.practitioner_npi,
  told.organization_id,
  fhir_pairs(told.role_systems, told.role_codes, null) as role_codings,
  fhir_pairs(told.specialty_systems, told.specialty_codes, null) as specialty_codings,
  told.location_ids,
  fhir_on(told.period_start, zones.zone) as role_from_on,
  fhir_precision(told.period_start) as role_from_precision,
  fhir_on(told.period_end, zones.zone) as role_until_on,
  fhir_precision(told.period_end) as role_until_precision,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.practitioner_role as told
left join codes.source as zones using (source)
