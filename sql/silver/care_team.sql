/*---
about: One row per member of a team that cares for a patient; a team without members has one without a member.
key: [care_team_id, member_number]
write: merge
by: {care_team_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id]
    on_fail: quarantine
  - one_of: {care_team_status: [proposed, active, suspended, inactive]}
    on_fail: quarantine
  - expr: care_ended_at is null or care_began_at is null or care_ended_at >= care_began_at
    on_fail: quarantine
  - expr: care_ended_on is null or care_began_on is null or care_ended_on >= care_began_on
    on_fail: quarantine
  - not_null: [member_role_code]
    on_fail: warn
constants:
  member_number: place among the members of the team
---*/
select
  told.care_team_id,
  told.participant_index + 1 as member_number,
  told.source,
  told.patient_id,
  told.encounter_id,
  told.status as care_team_status,
  told.name as care_team_name,
  told.role_code as member_role_code,
  told.role_system as member_role_system,
  told.practitioner_id,
  told.practitioner_role_id,
  told.organization_id,
  told.member_patient_id,
  told.related_person_id,
  fhir_at(told.period_start) as care_began_at,
  fhir_on(told.period_start, zones.zone) as care_began_on,
  fhir_precision(told.period_start) as care_began_precision,
  fhir_at(told.period_end) as care_ended_at,
  fhir_on(told.period_end, zones.zone) as care_ended_on,
  fhir_precision(told.period_end) as care_ended_precision,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.care_team as told
left join codes.source as zones using (source)
