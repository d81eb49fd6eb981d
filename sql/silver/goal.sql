/*---
about: One row per goal of care that a source records, with its status as last reported.
key: [goal_id]
write: merge
by: {goal_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, goal_status]
    on_fail: quarantine
  - one_of:
      goal_status:
        [proposed, planned, accepted, active, on-hold, completed, cancelled, rejected]
    on_fail: quarantine
  - expr: goal_code is not null or goal_text is not null
    on_fail: quarantine
  - expr: goal_due_on is null or goal_from_on is null or goal_due_on >= goal_from_on
    on_fail: warn
---*/
select
  told.goal_id,
  told.source,
  told.patient_id,
  told.status as goal_status,
  told.achievement_code,
  fhir_once(told.category_codes) as category_codes,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as goal_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as goal_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as goal_display,
  told.text as goal_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  fhir_on(told.start, zones.zone) as goal_from_on,
  fhir_precision(told.start) as goal_from_precision,
  fhir_on(told.due, zones.zone) as goal_due_on,
  fhir_precision(told.due) as goal_due_precision,
  fhir_on(told.status_date, zones.zone) as goal_status_on,
  told.condition_ids,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.goal as told
left join codes.source as zones using (source)
