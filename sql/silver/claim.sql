/*---
about: One row per claim, preauthorization or predetermination that a source sent, with its status as last reported.
key: [claim_id]
write: merge
by: {claim_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, claim_status, claim_use_code]
    on_fail: quarantine
  - one_of: {claim_status: [active, cancelled, draft]}
    on_fail: quarantine
  - one_of: {claim_use_code: [claim, preauthorization, predetermination]}
    on_fail: quarantine
  - expr: billed_until_on is null or billed_from_on is null or billed_until_on >= billed_from_on
    on_fail: quarantine
  - not_null: [claim_type_code, recorded_at]
    on_fail: warn
---*/
select
  told.claim_id,
  told.source,
  told.patient_id,
  told.status as claim_status,
  told.use_code as claim_use_code,
  told.type_code as claim_type_code,
  told.type_system as claim_type_system,
  told.priority_code as claim_priority_code,
  fhir_on(told.billed_start, zones.zone) as billed_from_on,
  fhir_precision(told.billed_start) as billed_from_precision,
  fhir_on(told.billed_end, zones.zone) as billed_until_on,
  fhir_precision(told.billed_end) as billed_until_precision,
  told.provider_organization_id,
  told.provider_practitioner_id as practitioner_id,
  told.insurer_organization_id,
  told.coverage_ids,
  told.encounter_ids,
  told.condition_ids,
  told.procedure_ids,
  fhir_pairs(told.diagnosis_systems, told.diagnosis_codes, null) as diagnosis_codings,
  fhir_pairs(told.item_systems, told.item_codes, null) as item_codings,
  fhir_number(told.total) as claimed_amount,
  told.total_currency as claimed_currency_code,
  fhir_at(told.created) as recorded_at,
  greatest(fhir_at(told.created), told.version_at) as available_at,
  fhir_available_basis(fhir_at(told.created), told.version_at, told.version_basis) as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.claim as told
left join codes.source as zones using (source)
