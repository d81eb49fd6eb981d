/*---
about: One row per study of images that a source has or had, with its status as last reported.
key: [imaging_study_id]
write: merge
by: {imaging_study_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, imaging_study_status]
    on_fail: quarantine
  - one_of: {imaging_study_status: [registered, available, cancelled, unknown]}
    on_fail: quarantine
  - range: {n_series: [0, 100000]}
    on_fail: quarantine
  - range: {n_image: [0, 100000000]}
    on_fail: quarantine
  - not_null: [imaged_precision]
    on_fail: warn
---*/
select
  told.imaging_study_id,
  told.source,
  told.patient_id,
  told.encounter_id,
  told.status as imaging_study_status,
  told.study_uid as imaging_study_uid,
  told.modality_codes,
  told.series_modality_codes,
  told.body_site_codes,
  told.n_series,
  told.n_instance as n_image,
  fhir_at(told.started) as imaged_at,
  fhir_on(told.started, zones.zone) as imaged_on,
  fhir_precision(told.started) as imaged_precision,
  told.procedure_code as imaging_procedure_code,
  told.text as imaging_study_text,
  told.procedure_id,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.imaging_study as told
left join codes.source as zones using (source)
