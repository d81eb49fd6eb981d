/*---
about: One row per insurance of a patient, with its status as last reported.
key: [coverage_id]
write: merge
by: {coverage_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, coverage_status]
    on_fail: quarantine
  - one_of: {coverage_status: [active, cancelled, draft]}
    on_fail: quarantine
  - expr: covered_until_on is null or covered_from_on is null or covered_until_on >= covered_from_on
    on_fail: quarantine
  - not_null: [payor_organization_id]
    on_fail: warn
---*/
select
  told.coverage_id,
  told.source,
  told.patient_id,
  told.status as coverage_status,
  told.type_code as coverage_type_code,
  told.type_system as coverage_type_system,
  told.member_number as coverage_member_number,
  told.subscriber_number as coverage_subscriber_number,
  told.relationship_code as coverage_relationship_code,
  told.group_number as coverage_group_number,
  told.plan_number as coverage_plan_number,
  told.payor_organization_id,
  fhir_on(told.period_start, zones.zone) as covered_from_on,
  fhir_precision(told.period_start) as covered_from_precision,
  fhir_on(told.period_end, zones.zone) as covered_until_on,
  fhir_precision(told.period_end) as covered_until_precision,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.coverage as told
left join codes.source as zones using (source)
