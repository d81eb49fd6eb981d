/*---
about: One row per plan of care that a source records, with its status as last reported.
key: [care_plan_id]
write: merge
by: {care_plan_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, care_plan_status, care_plan_intent_code]
    on_fail: quarantine
  - one_of:
      care_plan_status: [draft, active, on-hold, revoked, completed, unknown]
    on_fail: quarantine
  - one_of: {care_plan_intent_code: [proposal, plan, order, option]}
    on_fail: quarantine
  - expr: care_ended_at is null or care_began_at is null or care_ended_at >= care_began_at
    on_fail: quarantine
  - expr: care_ended_on is null or care_began_on is null or care_ended_on >= care_began_on
    on_fail: quarantine
  - expr: length(category_codings) > 0
    on_fail: warn
---*/
select
  told.care_plan_id,
  told.source,
  told.patient_id,
  told.encounter_id,
  told.status as care_plan_status,
  told.intent_code as care_plan_intent_code,
  fhir_pairs(told.category_systems, told.category_codes, null) as category_codings,
  told.title as care_plan_title,
  fhir_at(told.period_start) as care_began_at,
  fhir_on(told.period_start, zones.zone) as care_began_on,
  fhir_precision(told.period_start) as care_began_precision,
  fhir_at(told.period_end) as care_ended_at,
  fhir_on(told.period_end, zones.zone) as care_ended_on,
  fhir_precision(told.period_end) as care_ended_precision,
  told.condition_ids,
  told.goal_ids,
  told.care_team_ids,
  fhir_pairs(told.activity_systems, told.activity_codes, null) as activity_codings,
  fhir_at(told.created) as recorded_at,
  greatest(fhir_at(told.created), told.version_at) as available_at,
  fhir_available_basis(fhir_at(told.created), told.version_at, told.version_basis) as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.care_plan as told
left join codes.source as zones using (source)
