/*---
about: >
  One row per order or prescription of a medication. The code is that of the order itself, else that of the
  Medication that it contains or points to; it is null while the source has not sent that one.
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
-- silver.medication is a reference table: any change of it rebuilds this table whole, a full build's cost once per
-- delivery with new or changed medications and nothing else. A late Medication so corrects the orders before it.
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
      "contained": [{
        "resourceType": "VARCHAR",
        "id": "VARCHAR",
        "code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"}
      }],
      "encounter": {"reference": "VARCHAR"},
      "requester": {"reference": "VARCHAR"},
      "reportedBoolean": "BOOLEAN",
      "reportedReference": {"reference": "VARCHAR"},
      "reasonReference": [{"reference": "VARCHAR"}],
      "dosageInstruction": [{
        "text": "VARCHAR",
        "doseAndRate": [{
          "doseQuantity": {"value": "VARCHAR", "unit": "VARCHAR", "system": "VARCHAR", "code": "VARCHAR"}
        }]
      }],
      "dispenseRequest": {
        "numberOfRepeatsAllowed": "INTEGER", "quantity": {"value": "VARCHAR", "unit": "VARCHAR"}
      },
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

concept_told as (
  select
    *,
    coalesce(
      record.medicationCodeableConcept,
      fhir_contained_medication(record.contained, record.medicationReference.reference)
    ) as concept,
    fhir_reference(source, record.medicationReference.reference, 'Medication') as medication_id
  from told
),

chosen as (
  select
    *,
    fhir_preferred(concept.coding, 'http://www.nlm.nih.gov/research/umls/rxnorm') as coded,
    case when concept is null then medication_id end as asked_id,
    record.dosageInstruction[1].doseAndRate[1].doseQuantity as dose
  from concept_told
)

select
  chosen.resource_id as medication_request_id,
  chosen.source,
  chosen.patient_id,
  fhir_reference(chosen.source, chosen.record.encounter.reference, 'Encounter') as encounter_id,
  chosen.record.status as medication_request_status,
  chosen.record.intent as intent_code,
  fhir_codes(chosen.record.category) as category_codes,
  coalesce(chosen.record.doNotPerform, false) as is_prohibition,
  coalesce(chosen.coded.code, known.medication_code) as medication_code,
  coalesce(chosen.coded.system, known.medication_system) as medication_system,
  coalesce(chosen.coded.display, known.medication_display) as medication_display,
  coalesce(chosen.concept.text, known.medication_text) as medication_text,
  coalesce(fhir_tokens(chosen.concept.coding), known.codings) as codings,
  chosen.medication_id,
  fhir_reference(chosen.source, chosen.record.requester.reference, 'Practitioner') as practitioner_id,
  coalesce(chosen.record.reportedBoolean, chosen.record.reportedReference.reference is not null) as is_reported,
  fhir_references(chosen.source, chosen.record.reasonReference, 'Condition') as condition_ids,
  chosen.record.dosageInstruction[1].text as dosage_text,
  fhir_number(chosen.dose.value) as dose_number,
  case when chosen.dose.system = 'http://unitsofmeasure.org' then chosen.dose.code end as dose_unit,
  chosen.dose.unit as dose_unit_text,
  chosen.record.dispenseRequest.numberOfRepeatsAllowed as n_refill,
  fhir_number(chosen.record.dispenseRequest.quantity.value) as dispense_number,
  chosen.record.dispenseRequest.quantity.unit as dispense_unit_text,
  fhir_at(chosen.record.authoredOn) as authored_at,
  fhir_on(chosen.record.authoredOn, chosen.zone) as authored_on,
  fhir_precision(chosen.record.authoredOn) as authored_precision,
  greatest(chosen.version_at, known.available_at) as available_at,
  case
    when known.available_at > chosen.version_at then known.available_basis else chosen.version_basis
  end as available_basis,
  chosen._object,
  chosen._sequence,
  chosen._line,
  chosen._entry
from chosen
left join silver.medication as known on known.medication_id = chosen.asked_id
where chosen.record.status is distinct from 'entered-in-error'
