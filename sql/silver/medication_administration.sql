/*---
about: >
  One row per dose of a medication given, or not given: medication_administration_status says which. The code is that
  of the record itself, else that of the Medication that it contains or points to; it is null while the source has
  not sent that one.
key: [medication_administration_id]
write: merge
by: {medication_administration_id: resource_id}
resources: [MedicationAdministration]
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, medication_administration_status]
    on_fail: quarantine
  - expr: medication_code is not null or medication_text is not null or medication_id is not null
    on_fail: quarantine
  - one_of:
      medication_administration_status: [in-progress, not-done, on-hold, completed, stopped, unknown]
    on_fail: quarantine
  - expr: administered_until_at is null or administered_at is null or administered_until_at >= administered_at
    on_fail: quarantine
  - expr: dose_number is null or dose_number >= 0
    on_fail: quarantine
  - not_null: [administered_precision]
    on_fail: warn
---*/
-- silver.medication is a reference table: any change of it rebuilds this table whole, a full build's cost once per
-- delivery with new or changed medications and nothing else. A late Medication so corrects the doses before it.
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
      "statusReason": [{"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]}],
      "category": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
      "medicationCodeableConcept": {
        "coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"
      },
      "medicationReference": {"reference": "VARCHAR"},
      "contained": [{
        "resourceType": "VARCHAR",
        "id": "VARCHAR",
        "code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"}
      }],
      "context": {"reference": "VARCHAR"},
      "request": {"reference": "VARCHAR"},
      "effectiveDateTime": "VARCHAR",
      "effectivePeriod": {"start": "VARCHAR", "end": "VARCHAR"},
      "performer": [{"actor": {"reference": "VARCHAR"}}],
      "dosage": {
        "text": "VARCHAR",
        "route": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
        "dose": {"value": "VARCHAR", "unit": "VARCHAR", "system": "VARCHAR", "code": "VARCHAR"}
      }
    }') as record,
    current._object,
    current._sequence,
    current._line,
    current._entry
  from fhir.resource as current
  left join codes.source as zones using (source)
  where current.resource_type = 'MedicationAdministration'
),

concept_told as (
  select
    *,
    coalesce(
      record.medicationCodeableConcept,
      fhir_contained_medication(record.contained, record.medicationReference.reference)
    ) as concept,
    fhir_reference(source, record.medicationReference.reference, 'Medication') as medication_id,
    coalesce(record.effectiveDateTime, record.effectivePeriod.start) as administered
  from told
),

chosen as (
  select
    *,
    fhir_preferred(concept.coding, 'http://www.nlm.nih.gov/research/umls/rxnorm') as coded,
    case when concept is null then medication_id end as asked_id
  from concept_told
)

select
  chosen.resource_id as medication_administration_id,
  chosen.source,
  chosen.patient_id,
  fhir_reference(chosen.source, chosen.record.context.reference, 'Encounter') as encounter_id,
  fhir_reference(chosen.source, chosen.record.request.reference, 'MedicationRequest') as medication_request_id,
  chosen.record.status as medication_administration_status,
  fhir_preferred(chosen.record.statusReason[1].coding, 'http://snomed.info/sct').code as status_reason_code,
  fhir_preferred(
    chosen.record.category.coding, 'http://terminology.hl7.org/CodeSystem/medication-admin-category'
  ).code as administration_category_code,
  coalesce(chosen.coded.code, known.medication_code) as medication_code,
  coalesce(chosen.coded.system, known.medication_system) as medication_system,
  coalesce(chosen.coded.display, known.medication_display) as medication_display,
  coalesce(chosen.concept.text, known.medication_text) as medication_text,
  coalesce(fhir_tokens(chosen.concept.coding), known.codings) as codings,
  chosen.medication_id,
  fhir_at(chosen.administered) as administered_at,
  fhir_on(chosen.administered, chosen.zone) as administered_on,
  fhir_precision(chosen.administered) as administered_precision,
  fhir_at(chosen.record.effectivePeriod.end) as administered_until_at,
  fhir_number(chosen.record.dosage.dose.value) as dose_number,
  case
    when chosen.record.dosage.dose.system = 'http://unitsofmeasure.org' then chosen.record.dosage.dose.code
  end as dose_unit,
  chosen.record.dosage.dose.unit as dose_unit_text,
  chosen.record.dosage.text as dosage_text,
  fhir_preferred(chosen.record.dosage.route.coding, 'http://snomed.info/sct').code as route_code,
  fhir_references(
    chosen.source, list_transform(chosen.record.performer, lambda one: one.actor), 'Practitioner'
  ) as practitioner_ids,
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
