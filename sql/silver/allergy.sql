/*---
about: One row per allergy or intolerance that a source records, with its status as last reported.
key: [allergy_id]
write: merge
by: {allergy_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id]
    on_fail: quarantine
  - expr: allergy_code is not null or allergy_text is not null
    on_fail: quarantine
  - one_of: {allergy_clinical_status_code: [active, inactive, resolved]}
    on_fail: quarantine
  - one_of: {allergy_verification_status_code: [unconfirmed, presumed, confirmed, refuted]}
    on_fail: quarantine
  - one_of: {allergy_type_code: [allergy, intolerance]}
    on_fail: quarantine
  - one_of: {criticality_code: [low, high, unable-to-assess]}
    on_fail: quarantine
  - expr: allergy_clinical_status_code is not null or coalesce(allergy_verification_status_code, '') = 'refuted'
    on_fail: warn
  - not_null: [allergy_verification_status_code, allergy_code]
    on_fail: warn
---*/
select
  told.allergy_id,
  told.source,
  told.patient_id,
  told.encounter_id,
  told.clinical_status_code as allergy_clinical_status_code,
  told.verification_status_code as allergy_verification_status_code,
  told.type_code as allergy_type_code,
  fhir_once(told.category_codes) as category_codes,
  told.criticality_code,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as allergy_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as allergy_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as allergy_display,
  told.text as allergy_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  fhir_at(coalesce(told.onset, told.onset_start)) as onset_at,
  fhir_on(coalesce(told.onset, told.onset_start), zones.zone) as onset_on,
  fhir_precision(coalesce(told.onset, told.onset_start)) as onset_precision,
  fhir_at(told.last_occurred) as last_reaction_at,
  fhir_on(told.last_occurred, zones.zone) as last_reaction_on,
  fhir_precision(told.last_occurred) as last_reaction_precision,
  fhir_pairs(told.manifestation_systems, told.manifestation_codes, null) as manifestation_codings,
  told.severity_codes as reaction_severity_codes,
  fhir_at(told.recorded) as recorded_at,
  greatest(fhir_at(told.recorded), told.version_at) as available_at,
  fhir_available_basis(fhir_at(told.recorded), told.version_at, told.version_basis) as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.allergy as told
left join codes.source as zones using (source)
