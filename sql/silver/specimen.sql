/*---
about: One row per specimen that a source records, with its status as last reported.
key: [specimen_id]
write: merge
by: {specimen_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - one_of: {specimen_status: [available, unavailable, unsatisfactory]}
    on_fail: quarantine
  - not_null: [patient_id]
    on_fail: quarantine
  - expr: specimen_code is not null or specimen_text is not null
    on_fail: warn
  - expr: specimen_received_at is null or collected_at is null or specimen_received_at >= collected_at
    on_fail: warn
  - not_null: [specimen_status]
    on_fail: warn
---*/
select
  told.specimen_id,
  told.source,
  told.patient_id,
  told.status as specimen_status,
  told.accession_number as specimen_accession_number,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as specimen_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as specimen_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as specimen_display,
  told.text as specimen_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  fhir_at(coalesce(told.collected, told.collected_start)) as collected_at,
  fhir_on(coalesce(told.collected, told.collected_start), zones.zone) as collected_on,
  fhir_precision(coalesce(told.collected, told.collected_start)) as collected_precision,
  fhir_at(told.received) as specimen_received_at,
  fhir_pairs(told.body_site_systems, told.body_site_codes, null) as body_site_codings,
  told.condition_codes as specimen_condition_codes,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.specimen as told
left join codes.source as zones using (source)
