-- The five views of views.json as somebody who knows DuckDB writes them by hand: pruned json_transform, list functions,
-- one scan each. No check of shapes, of numbers or of references beyond what the answer needs on right data.
-- Patient
with read as (
  select json_transform(resource, '{"id": "VARCHAR", "gender": "VARCHAR", "birthDate": "VARCHAR",
    "deceasedDateTime": "VARCHAR", "maritalStatus": {"text": "VARCHAR"},
    "name": [{"use": "VARCHAR", "family": "VARCHAR", "given": ["VARCHAR"]}],
    "address": [{"city": "VARCHAR", "state": "VARCHAR", "postalCode": "VARCHAR"}],
    "extension": [{"url": "VARCHAR", "valueCode": "VARCHAR",
      "extension": [{"url": "VARCHAR", "valueCoding": {"code": "VARCHAR"}}]}],
    "identifier": [{"value": "VARCHAR", "type": {"coding": [{"code": "VARCHAR"}]}}]}') as r
  from resources
)
select
  r.id as key, r.gender, r.birthDate as born, r.deceasedDateTime as died, r.maritalStatus.text as marital_status,
  list_filter(r.name, lambda n: n.use = 'official')[1].family as family,
  list_filter(r.name, lambda n: n.use = 'official')[1].given[1] as given,
  r.address[1].city as city, r.address[1].state as state, r.address[1].postalCode as postal_code,
  list_filter(
    list_filter(r.extension, lambda e: e.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race')[1].extension,
    lambda e: e.url = 'ombCategory'
  )[1].valueCoding.code as race,
  list_filter(
    r.extension, lambda e: e.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex'
  )[1].valueCode as birth_sex,
  list_filter(
    r.identifier, lambda i: len(list_filter(i.type.coding, lambda c: c.code = 'MR')) > 0
  )[1].value as record_number
from read;
-- Observation
with read as (
  select json_transform(resource, '{"id": "VARCHAR", "status": "VARCHAR", "subject": {"reference": "VARCHAR"},
    "encounter": {"reference": "VARCHAR"}, "category": [{"coding": [{"code": "VARCHAR"}]}],
    "effectiveDateTime": "VARCHAR", "issued": "VARCHAR",
    "code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]},
    "valueQuantity": {"value": "DOUBLE", "unit": "VARCHAR"},
    "valueCodeableConcept": {"coding": [{"code": "VARCHAR"}]}, "valueString": "VARCHAR",
    "component": [{"code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]},
      "valueQuantity": {"value": "DOUBLE", "unit": "VARCHAR"},
      "valueCodeableConcept": {"coding": [{"code": "VARCHAR"}]}, "valueString": "VARCHAR"}]}') as r
  from resources
),

numbered as (
  select r, unnest(range(1 + coalesce(len(r.component), 0))) as number, unnest(list_concat([null], r.component)) as part
  from read
)
select
  r.id as key, split_part(r.subject.reference, '/', 2) as patient_key,
  split_part(r.encounter.reference, '/', 2) as encounter_key, r.status, r.category[1].coding[1].code as category,
  r.effectiveDateTime as effective, r.issued,
  case number when 0 then r.code.coding[1].system else part.code.coding[1].system end as code_system,
  case number when 0 then r.code.coding[1].code else part.code.coding[1].code end as code,
  case number when 0 then r.code.coding[1].display else part.code.coding[1].display end as display,
  case number when 0 then r.valueQuantity.value else part.valueQuantity.value end as number,
  case number when 0 then r.valueQuantity.unit else part.valueQuantity.unit end as unit,
  case number when 0 then r.valueCodeableConcept.coding[1].code else part.valueCodeableConcept.coding[1].code end as answer,
  case number when 0 then r.valueString else part.valueString end as words
from numbered;
-- Condition
with read as (
  select json_transform(resource, '{"id": "VARCHAR", "subject": {"reference": "VARCHAR"},
    "encounter": {"reference": "VARCHAR"}, "clinicalStatus": {"coding": [{"code": "VARCHAR"}]},
    "verificationStatus": {"coding": [{"code": "VARCHAR"}]}, "onsetDateTime": "VARCHAR",
    "abatementDateTime": "VARCHAR", "recordedDate": "VARCHAR",
    "code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]}}') as r
  from resources
),

coded as (select r, unnest(coalesce(nullif(r.code.coding, []), [null])) as c from read)
select
  r.id as key, split_part(r.subject.reference, '/', 2) as patient_key,
  split_part(r.encounter.reference, '/', 2) as encounter_key, r.clinicalStatus.coding[1].code as clinical_status,
  r.verificationStatus.coding[1].code as verification, r.onsetDateTime as onset, r.abatementDateTime as abatement,
  r.recordedDate as recorded, c.system as code_system, c.code, c.display
from coded;
-- Encounter
with read as (
  select json_transform(resource, '{"id": "VARCHAR", "status": "VARCHAR", "subject": {"reference": "VARCHAR"},
    "class": {"code": "VARCHAR"}, "type": [{"coding": [{"code": "VARCHAR", "display": "VARCHAR"}]}],
    "period": {"start": "VARCHAR", "end": "VARCHAR"}, "reasonCode": [{"coding": [{"code": "VARCHAR"}]}],
    "serviceProvider": {"reference": "VARCHAR"},
    "hospitalization": {"dischargeDisposition": {"coding": [{"code": "VARCHAR"}]}}}') as r
  from resources
)
select
  r.id as key, split_part(r.subject.reference, '/', 2) as patient_key, r.status, r.class.code as class,
  r.type[1].coding[1].code as type_code, r.type[1].coding[1].display as type_display, r.period.start as started,
  r.period.end as ended, r.reasonCode[1].coding[1].code as reason,
  split_part(r.serviceProvider.reference, '/', 2) as provider,
  r.hospitalization.dischargeDisposition.coding[1].code as disposition
from read;
-- MedicationRequest
with read as (
  select json_transform(resource, '{"id": "VARCHAR", "status": "VARCHAR", "intent": "VARCHAR",
    "authoredOn": "VARCHAR", "subject": {"reference": "VARCHAR"}, "encounter": {"reference": "VARCHAR"},
    "medicationCodeableConcept": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]},
    "dosageInstruction": [{"text": "VARCHAR", "timing": {"repeat": {"frequency": "INTEGER"}},
      "asNeededBoolean": "BOOLEAN"}]}') as r
  from resources
),

coded as (
  select r, unnest(coalesce(nullif(r.medicationCodeableConcept.coding, []), [null])) as c from read
),

dosed as (select r, c, unnest(coalesce(nullif(r.dosageInstruction, []), [null])) as d from coded)
select
  r.id as key, split_part(r.subject.reference, '/', 2) as patient_key,
  split_part(r.encounter.reference, '/', 2) as encounter_key, r.status, r.intent, r.authoredOn as authored,
  c.system as code_system, c.code, c.display, d.text as dose_text, d.timing.repeat.frequency as frequency,
  d.asNeededBoolean as as_needed
from dosed;
