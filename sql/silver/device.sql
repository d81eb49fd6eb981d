/*---
about: One row per device that a source records; patient_id is the patient it is for, where there is one.
key: [device_id]
write: merge
by: {device_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - one_of: {device_status: [active, inactive, unknown]}
    on_fail: quarantine
  - expr: expires_on is null or manufactured_on is null or expires_on >= manufactured_on
    on_fail: warn
  - not_null: [device_status, device_code]
    on_fail: warn
---*/
select
  told.device_id,
  told.source,
  told.patient_id,
  told.status as device_status,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as device_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as device_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as device_display,
  told.text as device_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  told.name as device_name,
  told.device_identifier,
  told.udi as device_udi,
  told.distinct_identifier as device_distinct_identifier,
  told.lot_number as device_lot_number,
  told.serial_number as device_serial_number,
  fhir_on(told.manufactured, zones.zone) as manufactured_on,
  fhir_precision(told.manufactured) as manufactured_precision,
  fhir_on(told.expires, zones.zone) as expires_on,
  fhir_precision(told.expires) as expires_precision,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.device as told
left join codes.source as zones using (source)
