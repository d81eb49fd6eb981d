/*---
about: One row per person who a source says takes part in care.
key: [practitioner_id]
write: merge
by: {practitioner_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [practitioner_family_name]
    on_fail: warn
  - not_null: [practitioner_npi]
    on_fail: warn
---*/
select
  told.practitioner_id,
  told.source,
  told.is_active,
  told.npi as practitioner_npi,
  told.family_name as practitioner_family_name,
  nullif(array_to_string(told.given_names, ' '), '') as practitioner_given_name,
  told.gender as practitioner_gender,
  told.qualification_codes,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.practitioner as told
