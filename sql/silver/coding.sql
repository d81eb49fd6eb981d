/*---
about: >
  One row per coding of what a current resource says, of those elements that nouns take their codes from; a noun's own
  code is one of them, chosen by the preference in docs/us-core.md. Resources entered in error are among them, those
  for payers are not.
key: [resource_type, resource_id, element, component_number, concept_number, coding_number]
write: merge
by: resource_id
owner: clinical-data
keep: 10 years
checks:
  - expr: coding_code is not null or coding_display is not null
    on_fail: warn
  - not_null: [coding_system]
    on_fail: warn
---*/
with told as (
  select
    resource_type,
    resource_id,
    source,
    patient_id,
    fhir_shape(resource, '{
      "achievementStatus": "VARCHAR",
      "bodySite": "VARCHAR",
      "category": "VARCHAR",
      "class": "VARCHAR",
      "clinicalStatus": "VARCHAR",
      "code": "VARCHAR",
      "dataAbsentReason": "VARCHAR",
      "description": "VARCHAR",
      "interpretation": "VARCHAR",
      "medicationCodeableConcept": "VARCHAR",
      "method": "VARCHAR",
      "reasonCode": "VARCHAR",
      "relationship": "VARCHAR",
      "specialty": "VARCHAR",
      "statusReason": "VARCHAR",
      "type": "VARCHAR",
      "vaccineCode": "VARCHAR",
      "valueCodeableConcept": "VARCHAR",
      "verificationStatus": "VARCHAR",
      "component": [{"code": "VARCHAR", "valueCodeableConcept": "VARCHAR"}]
    }') as record,
    version_at,
    version_basis,
    _object,
    _sequence,
    _line,
    _entry
  from fhir.resource
  where resource_type not in ('Claim', 'ClaimResponse', 'ExplanationOfBenefit')
),

-- Each element stays JSON until it is known to be there: most are not.
parted as (
  select
    * exclude (record),
    unnest(
      fhir_longer(
        [
          'achievementStatus',
          'bodySite',
          'category',
          'class',
          'clinicalStatus',
          'code',
          'dataAbsentReason',
          'description',
          'interpretation',
          'medicationCodeableConcept',
          'method',
          'reasonCode',
          'relationship',
          'specialty',
          'statusReason',
          'type',
          'vaccineCode',
          'valueCodeableConcept',
          'verificationStatus'
        ],
        list_transform(record.component, lambda one: ['component.code', 'component.valueCodeableConcept'])
      )
    ) as element,
    unnest(
      fhir_longer(
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        list_transform(record.component, lambda one, place: [place, place])
      )
    ) as component_number,
    unnest(
      fhir_longer(
        [
          record.achievementStatus,
          record.bodySite,
          record.category,
          record.class,
          record.clinicalStatus,
          record.code,
          record.dataAbsentReason,
          record.description,
          record.interpretation,
          record.medicationCodeableConcept,
          record.method,
          record.reasonCode,
          record.relationship,
          record.specialty,
          record.statusReason,
          record.type,
          record.vaccineCode,
          record.valueCodeableConcept,
          record.verificationStatus
        ],
        list_transform(record.component, lambda one: [one.code, one.valueCodeableConcept])
      )
    ) as concepts_text
  from told
),

concepts as (
  select
    * exclude (concepts_text),
    fhir_concepts(concepts_text) as concepts
  from parted
  where fhir_is_structure(concepts_text)
),

numbered as (
  select
    * exclude (concepts),
    unnest(concepts) as concept,
    generate_subscripts(concepts, 1) as concept_number
  from concepts
),

codings as (
  select
    * exclude (concept),
    unnest(fhir_codings(concept)) as coding,
    generate_subscripts(fhir_codings(concept), 1) as coding_number
  from numbered
)

select
  resource_type,
  resource_id,
  element,
  cast(component_number as integer) as component_number,
  cast(concept_number as integer) as concept_number,
  cast(coding_number as integer) as coding_number,
  source,
  patient_id,
  fhir_field(coding, 'system') as coding_system,
  fhir_field(coding, 'version') as coding_version,
  fhir_field(coding, 'code') as coding_code,
  fhir_field(coding, 'display') as coding_display,
  fhir_field(coding, 'userSelected') as is_user_selected,
  version_at as available_at,
  version_basis as available_basis,
  _object,
  _sequence,
  _line,
  _entry
from codings
