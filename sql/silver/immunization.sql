/*---
about: One row per immunization that a source reports, also those not done; immunization_status says which.
key: [immunization_id]
write: merge
by: {immunization_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, immunization_status]
    on_fail: quarantine
  - expr: vaccine_code is not null or vaccine_text is not null
    on_fail: quarantine
  - one_of: {immunization_status: [completed, not-done]}
    on_fail: quarantine
  - not_null: [vaccine_code]
    on_fail: warn
  - expr: occurred_precision is not null or immunization_status <> 'completed'
    on_fail: warn
---*/
select
  told.immunization_id,
  told.source,
  told.patient_id,
  told.encounter_id,
  told.location_id,
  told.status as immunization_status,
  told.status_reason_code,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as vaccine_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as vaccine_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as vaccine_display,
  told.text as vaccine_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  fhir_at(told.occurred) as occurred_at,
  fhir_on(told.occurred, zones.zone) as occurred_on,
  fhir_precision(told.occurred) as occurred_precision,
  told.occurred_text,
  told.is_primary_source,
  told.lot_number,
  fhir_at(told.recorded) as recorded_at,
  greatest(fhir_at(told.recorded), told.version_at) as available_at,
  fhir_available_basis(fhir_at(told.recorded), told.version_at, told.version_basis) as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.immunization as told
left join codes.source as zones using (source)
