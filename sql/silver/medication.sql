/*---
about: One row per medication that a source keeps a record of; orders and administrations may point to it.
key: [medication_id]
write: merge
by: {medication_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - one_of: {medication_status: [active, inactive]}
    on_fail: quarantine
  - expr: medication_code is not null or medication_text is not null or length(ingredient_codings) > 0
    on_fail: quarantine
  - not_null: [medication_code]
    on_fail: warn
---*/
select
  told.medication_id,
  told.source,
  told.status as medication_status,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as medication_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as medication_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as medication_display,
  told.text as medication_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  told.form_code as medication_form_code,
  fhir_pairs(told.ingredient_systems, told.ingredient_codes, null) as ingredient_codings,
  told.manufacturer_organization_id,
  told.lot_number,
  fhir_on(told.expires, zones.zone) as expires_on,
  fhir_precision(told.expires) as expires_precision,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.medication as told
left join codes.source as zones using (source)
