/*---
about: >
  One row per other record that a source links a patient's record with; `replaced-by` says that the other one is to
  be used instead of this.
key: [patient_id, link_number]
write: merge
by: {patient_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [link_type_code]
    on_fail: quarantine
  - one_of: {link_type_code: [replaced-by, replaces, refer, seealso]}
    on_fail: quarantine
  - expr: linked_patient_id is not null or related_person_id is not null
    on_fail: warn
  - expr: linked_patient_id is null or linked_patient_id <> patient_id
    on_fail: warn
constants:
  link_number: place among the links of the patient
---*/
select
  told.patient_id,
  told.link_index + 1 as link_number,
  told.source,
  told.linked_patient_id,
  told.related_person_id,
  told.type_code as link_type_code,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.patient_link as told
