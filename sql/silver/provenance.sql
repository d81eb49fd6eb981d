/*---
about: >
  One row per resource whose origin a source tells (the target) and per agent that took part in it; agent 1 stands
  with nothing where no agent is told. patient_id is given where the target is a patient.
key: [provenance_id, target_number, agent_number]
write: merge
by: {provenance_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [recorded_at]
    on_fail: quarantine
  - not_null: [target_id, agent_type_code]
    on_fail: warn
constants:
  target_number: place among the targets of the record
  agent_number: place among the agents of the record
---*/
select
  told.provenance_id,
  told.target_index + 1 as target_number,
  told.agent_index + 1 as agent_number,
  told.source,
  fhir_reference_type(told.target_reference) as target_type,
  fhir_reference(told.source, told.target_reference, '[A-Z][A-Za-z]+') as target_id,
  told.patient_id,
  told.activity_code,
  told.activity_system,
  told.agent_type_code,
  told.agent_type_system,
  told.practitioner_id,
  told.practitioner_role_id,
  told.organization_id,
  told.agent_patient_id,
  told.related_person_id,
  told.device_id,
  told.behalf_organization_id,
  fhir_at(told.recorded) as recorded_at,
  greatest(fhir_at(told.recorded), told.version_at) as available_at,
  fhir_available_basis(fhir_at(told.recorded), told.version_at, told.version_basis) as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.provenance as told
