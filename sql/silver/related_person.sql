/*---
about: One row per person with a tie to a patient, as a source records it.
key: [related_person_id]
write: merge
by: {related_person_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id]
    on_fail: quarantine
  - not_null: [is_active]
    on_fail: warn
  - expr: length(relationship_codings) > 0
    on_fail: warn
---*/
select
  told.related_person_id,
  told.source,
  told.patient_id,
  told.is_active,
  fhir_pairs(told.relationship_systems, told.relationship_codes, null) as relationship_codings,
  told.family_name as related_family_name,
  nullif(array_to_string(told.given_names, ' '), '') as related_given_name,
  told.gender as related_gender,
  told.postal_code as related_postal_code,
  told.state as related_state,
  fhir_on(told.period_start, zones.zone) as related_from_on,
  fhir_precision(told.period_start) as related_from_precision,
  fhir_on(told.period_end, zones.zone) as related_until_on,
  fhir_precision(told.period_end) as related_until_precision,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.related_person as told
left join codes.source as zones using (source)
