/*---
about: One row per problem or diagnosis that a source records, with its status as last reported.
key: [condition_id]
write: merge
by: {condition_id: resource_id}
resources: [Condition]
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id]
    on_fail: quarantine
  - expr: condition_code is not null or condition_text is not null
    on_fail: quarantine
  - one_of: {clinical_status_code: [active, recurrence, relapse, inactive, remission, resolved]}
    on_fail: quarantine
  - one_of: {verification_status_code: [unconfirmed, provisional, differential, confirmed, refuted]}
    on_fail: quarantine
  - expr: abated_at is null or onset_at is null or abated_at >= onset_at
    on_fail: quarantine
  - expr: abated_on is null or onset_on is null or abated_on >= onset_on
    on_fail: quarantine
  - not_null: [condition_code]
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
      "clinicalStatus": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
      "verificationStatus": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
      "category": [{"coding": [{"code": "VARCHAR"}]}],
      "code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"},
      "encounter": {"reference": "VARCHAR"},
      "onsetDateTime": "VARCHAR",
      "onsetPeriod": {"start": "VARCHAR"},
      "abatementDateTime": "VARCHAR",
      "abatementPeriod": {"end": "VARCHAR"},
      "recordedDate": "VARCHAR"
    }') as record,
    current._object,
    current._sequence,
    current._line,
    current._entry
  from fhir.resource as current
  left join codes.source as zones using (source)
  where current.resource_type = 'Condition'
),

chosen as (
  select
    *,
    fhir_preferred(record.code.coding, 'http://snomed.info/sct') as coded,
    fhir_coding(
      record.clinicalStatus.coding, 'http://terminology.hl7.org/CodeSystem/condition-clinical'
    ).code as clinical_status_code,
    fhir_coding(
      record.verificationStatus.coding, 'http://terminology.hl7.org/CodeSystem/condition-ver-status'
    ).code as verification_status_code,
    coalesce(record.onsetDateTime, record.onsetPeriod.start) as onset,
    coalesce(record.abatementDateTime, record.abatementPeriod.end) as abatement
  from told
)

select
  resource_id as condition_id,
  source,
  patient_id,
  fhir_reference(source, record.encounter.reference, 'Encounter') as encounter_id,
  clinical_status_code,
  verification_status_code,
  fhir_codes(record.category) as category_codes,
  coded.code as condition_code,
  coded.system as condition_system,
  coded.display as condition_display,
  record.code.text as condition_text,
  fhir_tokens(record.code.coding) as codings,
  fhir_at(onset) as onset_at,
  fhir_on(onset, zone) as onset_on,
  fhir_precision(onset) as onset_precision,
  fhir_at(abatement) as abated_at,
  fhir_on(abatement, zone) as abated_on,
  fhir_precision(abatement) as abated_precision,
  fhir_at(record.recordedDate) as recorded_at,
  greatest(fhir_at(record.recordedDate), version_at) as available_at,
  fhir_available_basis(fhir_at(record.recordedDate), version_at, version_basis) as available_basis,
  _object,
  _sequence,
  _line,
  _entry
from chosen
where verification_status_code is distinct from 'entered-in-error'
