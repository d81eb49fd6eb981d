/*---
about: One row per request for a test, procedure or other service, as last reported.
key: [service_request_id]
write: merge
by: {service_request_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, service_request_status, service_request_intent_code]
    on_fail: quarantine
  - one_of:
      service_request_status: [draft, active, on-hold, revoked, completed, unknown]
    on_fail: quarantine
  - one_of:
      service_request_intent_code:
        [proposal, plan, directive, order, original-order, reflex-order, filler-order, instance-order, option]
    on_fail: quarantine
  - one_of: {service_request_priority_code: [routine, urgent, asap, stat]}
    on_fail: quarantine
  - expr: service_code is not null or service_text is not null
    on_fail: quarantine
  - not_null: [authored_precision]
    on_fail: warn
---*/
select
  told.service_request_id,
  told.source,
  told.patient_id,
  told.encounter_id,
  told.status as service_request_status,
  told.intent_code as service_request_intent_code,
  told.priority_code as service_request_priority_code,
  fhir_once(told.category_codes) as category_codes,
  coalesce(told.is_prohibition, false) as is_prohibition,
  fhir_either(told.preferred_code, told.preferred_code, told.first_code) as service_code,
  fhir_either(told.preferred_code, told.preferred_system, told.first_system) as service_system,
  fhir_either(told.preferred_code, told.preferred_display, told.first_display) as service_display,
  told.text as service_text,
  fhir_pairs(told.coding_systems, told.coding_codes, told.bare_codes) as codings,
  fhir_at(coalesce(told.occurs, told.occurs_start)) as requested_for_at,
  fhir_on(coalesce(told.occurs, told.occurs_start), zones.zone) as requested_for_on,
  fhir_precision(coalesce(told.occurs, told.occurs_start)) as requested_for_precision,
  fhir_at(told.authored) as authored_at,
  fhir_on(told.authored, zones.zone) as authored_on,
  fhir_precision(told.authored) as authored_precision,
  told.practitioner_id,
  told.organization_id,
  fhir_pairs(told.reason_systems, told.reason_codes, null) as reason_codings,
  told.condition_ids,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.service_request as told
left join codes.source as zones using (source)
