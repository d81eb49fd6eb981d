/*---
about: One row per report of tests, images or a note on them that a source issues, as last reported.
key: [diagnostic_report_id]
write: merge
by: {diagnostic_report_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, diagnostic_report_status]
    on_fail: quarantine
  - expr: report_code is not null or report_text is not null
    on_fail: quarantine
  - one_of:
      diagnostic_report_status:
        [registered, partial, preliminary, final, amended, corrected, appended, cancelled, unknown]
    on_fail: quarantine
  - expr: effective_until_at is null or effective_at is null or effective_until_at >= effective_at
    on_fail: quarantine
  - not_null: [report_code]
    on_fail: warn
  - expr: effective_precision is not null or diagnostic_report_status in ('registered', 'cancelled')
    on_fail: warn
---*/
select
  told.diagnostic_report_id,
  told.source,
  told.patient_id,
  told.encounter_id,
  told.status as diagnostic_report_status,
  fhir_once(told.category_codes) as category_codes,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as report_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as report_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as report_display,
  told.text as report_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  fhir_at(coalesce(told.effective, told.effective_start)) as effective_at,
  fhir_on(coalesce(told.effective, told.effective_start), zones.zone) as effective_on,
  fhir_precision(coalesce(told.effective, told.effective_start)) as effective_precision,
  fhir_at(told.effective_end) as effective_until_at,
  told.practitioner_ids,
  told.organization_ids,
  told.observation_ids,
  told.imaging_study_ids,
  told.specimen_ids,
  told.conclusion_text,
  told.attachment_types,
  fhir_at(told.issued) as recorded_at,
  greatest(fhir_at(told.issued), told.version_at) as available_at,
  fhir_available_basis(fhir_at(told.issued), told.version_at, told.version_basis) as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.diagnostic_report as told
left join codes.source as zones using (source)
