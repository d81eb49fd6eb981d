/*---
about: One row per encounter of any class, from every feed that reports encounters.
key: [encounter_id]
write: merge
by: {encounter_id: resource_id}
resources: [Encounter]
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, encounter_status]
    on_fail: quarantine
  - one_of:
      encounter_status:
        [planned, arrived, triaged, in-progress, onleave, finished, cancelled, unknown]
    on_fail: quarantine
  - expr: discharged_at is null or admitted_at is null or discharged_at >= admitted_at
    on_fail: quarantine
  - expr: discharged_on is null or admitted_on is null or discharged_on >= admitted_on
    on_fail: quarantine
  - not_null: [is_inpatient]
    on_fail: warn
  - expr: admitted_on is not null or encounter_status in ('planned', 'cancelled')
    on_fail: warn
  - expr: discharged_on is not null or encounter_status <> 'finished'
    on_fail: warn
---*/
with told as (
  select
    current.resource_id,
    current.source,
    current.patient_id,
    current.version_at,
    current.version_basis,
    zones.zone,
    fhir_shape(current.resource, '{
      "status": "VARCHAR",
      "class": {"system": "VARCHAR", "code": "VARCHAR"},
      "type": [{"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]}],
      "priority": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
      "period": {"start": "VARCHAR", "end": "VARCHAR"},
      "reasonCode": [{"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]}],
      "hospitalization": {
        "admitSource": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
        "dischargeDisposition": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]}
      },
      "serviceProvider": {"reference": "VARCHAR"},
      "partOf": {"reference": "VARCHAR"}
    }') as record,
    current._object,
    current._sequence,
    current._line,
    current._entry
  from fhir.resource as current
  left join codes.source as zones using (source)
  where current.resource_type = 'Encounter'
),

chosen as (
  select
    *,
    fhir_preferred(record.type[1].coding, 'http://snomed.info/sct') as kind,
    fhir_preferred(record.reasonCode[1].coding, 'http://snomed.info/sct') as reason,
    fhir_preferred(
      record.hospitalization.dischargeDisposition.coding, 'http://terminology.hl7.org/CodeSystem/discharge-disposition'
    ) as disposition
  from told
)

select
  chosen.resource_id as encounter_id,
  chosen.source,
  chosen.patient_id,
  chosen.record.status as encounter_status,
  chosen.record.class.code as class_code,
  cast(class.is_inpatient as boolean) as is_inpatient,
  cast(class.is_acute as boolean) as is_acute,
  chosen.kind.code as encounter_type_code,
  chosen.kind.system as encounter_type_system,
  chosen.kind.display as encounter_type_display,
  fhir_preferred(chosen.record.priority.coding, 'http://terminology.hl7.org/CodeSystem/v3-ActPriority').code
    as priority_code,
  fhir_at(chosen.record.period.start) as admitted_at,
  fhir_on(chosen.record.period.start, chosen.zone) as admitted_on,
  fhir_precision(chosen.record.period.start) as admitted_precision,
  fhir_at(chosen.record.period.end) as discharged_at,
  fhir_on(chosen.record.period.end, chosen.zone) as discharged_on,
  fhir_precision(chosen.record.period.end) as discharged_precision,
  fhir_preferred(
    chosen.record.hospitalization.admitSource.coding, 'http://terminology.hl7.org/CodeSystem/admit-source'
  ).code as admit_source_code,
  chosen.disposition.code as discharge_disposition_code,
  chosen.disposition.system as discharge_disposition_system,
  chosen.reason.code as reason_code,
  chosen.reason.system as reason_system,
  chosen.reason.display as reason_display,
  fhir_reference(chosen.source, chosen.record.serviceProvider.reference, 'Organization') as organization_id,
  fhir_reference(chosen.source, chosen.record.partOf.reference, 'Encounter') as part_of_encounter_id,
  chosen.version_at as available_at,
  chosen.version_basis as available_basis,
  chosen._object,
  chosen._sequence,
  chosen._line,
  chosen._entry
from chosen
left join codes.encounter_class as class
  on class.code = chosen.record.class.code
  and class.system = chosen.record.class.system
where chosen.record.status is distinct from 'entered-in-error'
