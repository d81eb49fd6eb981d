/*---
about: One row per document that a source points to; its forms are in silver.document_attachment, its text in neither.
key: [document_reference_id]
write: merge
by: {document_reference_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, document_reference_status]
    on_fail: quarantine
  - one_of: {document_reference_status: [current, superseded]}
    on_fail: quarantine
  - one_of: {document_status_code: [preliminary, final, amended]}
    on_fail: quarantine
  - expr: document_code is not null or document_text is not null
    on_fail: warn
---*/
select
  told.document_reference_id,
  told.source,
  told.patient_id,
  told.encounter_ids,
  told.status as document_reference_status,
  told.document_status_code,
  fhir_pairs(told.category_systems, told.category_codes, null) as category_codings,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as document_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as document_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as document_display,
  told.text as document_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  fhir_at(told.period_start) as period_from_at,
  fhir_on(told.period_start, zones.zone) as period_from_on,
  fhir_precision(told.period_start) as period_from_precision,
  fhir_at(told.period_end) as period_until_at,
  fhir_on(told.period_end, zones.zone) as period_until_on,
  fhir_precision(told.period_end) as period_until_precision,
  told.practitioner_ids,
  told.organization_id,
  fhir_at(told.date) as recorded_at,
  greatest(fhir_at(told.date), told.version_at) as available_at,
  fhir_available_basis(fhir_at(told.date), told.version_at, told.version_basis) as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.document_reference as told
left join codes.source as zones using (source)
