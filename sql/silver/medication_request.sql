/*---
about: >
  One row per order or prescription of a medication; the code is null where the order only points to a Medication
  record.
key: [medication_request_id]
write: merge
by: {medication_request_id: resource_id}
resources: [MedicationRequest]
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, medication_request_status, intent_code]
    on_fail: quarantine
  - expr: medication_code is not null or medication_text is not null or medication_id is not null
    on_fail: quarantine
  - one_of:
      medication_request_status: [active, on-hold, cancelled, completed, stopped, draft, unknown]
    on_fail: quarantine
  - one_of:
      intent_code:
        [proposal, plan, order, original-order, reflex-order, filler-order, instance-order, option]
    on_fail: quarantine
  - not_null: [authored_precision]
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
      "intent": "VARCHAR",
      "category": [{"coding": [{"code": "VARCHAR"}]}],
      "doNotPerform": "BOOLEAN",
      "medicationCodeableConcept": {
        "coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"
      },
      "medicationReference": {"reference": "VARCHAR"},
      "encounter": {"reference": "VARCHAR"},
      "authoredOn": "VARCHAR"
    }') as record,
    current._object,
    current._sequence,
    current._line,
    current._entry
  from fhir.resource as current
  left join codes.source as zones using (source)
  where current.resource_type = 'MedicationRequest'
),

chosen as (
  select
    *,
    fhir_preferred(
      record.medicationCodeableConcept.coding, 'http://www.nlm.nih.gov/research/umls/rxnorm'
    ) as coded
  from told
)

select
  resource_id as medication_request_id,
  source,
  patient_id,
  fhir_reference(source, record.encounter.reference, 'Encounter') as encounter_id,
  record.status as medication_request_status,
  record.intent as intent_code,
  fhir_codes(record.category) as category_codes,
  coalesce(record.doNotPerform, false) as is_prohibition,
  coded.code as medication_code,
  coded.system as medication_system,
  coded.display as medication_display,
  record.medicationCodeableConcept.text as medication_text,
  fhir_tokens(record.medicationCodeableConcept.coding) as codings,
  fhir_reference(source, record.medicationReference.reference, 'Medication') as medication_id,
  fhir_at(record.authoredOn) as authored_at,
  fhir_on(record.authoredOn, zone) as authored_on,
  fhir_precision(record.authoredOn) as authored_precision,
  version_at as available_at,
  version_basis as available_basis,
  _object,
  _sequence,
  _line,
  _entry
from chosen
where record.status is distinct from 'entered-in-error'
