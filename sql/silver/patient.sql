/*---
about: One row per patient of a source, as the source last described them; the same person at two sites is two rows.
key: [patient_id]
write: merge
by: {patient_id: resource_id}
resources: [Patient]
owner: clinical-data
keep: 10 years
checks:
  - one_of: {gender: [male, female, other, unknown]}
    on_fail: warn
  - not_null: [birth_precision]
    on_fail: warn
  - expr: birth_on is null or deceased_on is null or deceased_on >= birth_on
    on_fail: warn
  - range: {birth_year: [1880, 2100]}
    on_fail: warn
---*/
with told as (
  select
    current.resource_id,
    current.source,
    zones.zone,
    fhir_shape(current.resource, '{
      "active": "BOOLEAN",
      "identifier": [{"type": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]}, "value": "VARCHAR"}],
      "name": [{"use": "VARCHAR", "family": "VARCHAR", "given": ["VARCHAR"]}],
      "gender": "VARCHAR",
      "birthDate": "VARCHAR",
      "deceasedBoolean": "BOOLEAN",
      "deceasedDateTime": "VARCHAR",
      "address": [{
        "use": "VARCHAR", "line": ["VARCHAR"], "city": "VARCHAR", "state": "VARCHAR", "postalCode": "VARCHAR"
      }],
      "telecom": [{"system": "VARCHAR", "value": "VARCHAR", "use": "VARCHAR"}],
      "maritalStatus": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
      "communication": [{"language": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]}, "preferred": "BOOLEAN"}],
      "extension": [{
        "url": "VARCHAR",
        "valueCode": "VARCHAR",
        "valueCodeableConcept": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
        "extension": [{
          "url": "VARCHAR",
          "valueCoding": {"code": "VARCHAR"},
          "valueCodeableConcept": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]}
        }]
      }]
    }') as record,
    current._object,
    current._sequence,
    current._line,
    current._entry
  from fhir.resource as current
  left join codes.source as zones using (source)
  where current.resource_type = 'Patient'
),

chosen as (
  select
    *,
    coalesce(
      list_filter(record.name, lambda item: item.use = 'official')[1],
      list_filter(record.name, lambda item: item.use is null or item.use not in ('old', 'maiden'))[1]
    ) as called,
    coalesce(
      list_filter(record.address, lambda item: item.use = 'home')[1],
      list_filter(record.address, lambda item: item.use is null or item.use <> 'old')[1]
    ) as home,
    coalesce(
      list_filter(record.communication, lambda item: item.preferred)[1],
      record.communication[1]
    ) as spoken,
    list_filter(
      record.identifier,
      lambda item: list_contains(list_transform(item.type.coding, lambda coding: coding.code), 'MR')
    )[1] as numbered
  from told
)

select
  resource_id as patient_id,
  source,
  coalesce(record.active, true) as is_active,
  numbered.value as medical_record_number,
  called.family as family_name,
  array_to_string(called.given, ' ') as given_name,
  record.gender as gender,
  fhir_on(record.birthDate, zone) as birth_on,
  case
    when fhir_precision(record.birthDate) is not null then cast(left(record.birthDate, 4) as integer)
  end as birth_year,
  fhir_precision(record.birthDate) as birth_precision,
  coalesce(record.deceasedBoolean, record.deceasedDateTime is not null) as is_deceased,
  fhir_at(record.deceasedDateTime) as deceased_at,
  fhir_on(record.deceasedDateTime, zone) as deceased_on,
  fhir_precision(record.deceasedDateTime) as deceased_precision,
  us_core_category(record.extension, 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race') as race_code,
  us_core_category(record.extension, 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity')
    as ethnicity_code,
  us_core_extension(record.extension, 'birthsex').valueCode as birth_sex_code,
  us_core_extension(record.extension, 'sex').valueCode as sex_code,
  fhir_preferred(
    us_core_extension(record.extension, 'genderIdentity').valueCodeableConcept.coding, 'http://snomed.info/sct'
  ).code as gender_identity_code,
  fhir_preferred(
    list_filter(
      us_core_extension(record.extension, 'tribal-affiliation').extension,
      lambda item: item.url = 'tribalAffiliation'
    )[1].valueCodeableConcept.coding, 'http://terminology.hl7.org/CodeSystem/v3-TribalEntityUS'
  ).code as tribe_code,
  fhir_preferred(spoken.language.coding, 'urn:ietf:bcp:47').code as language_code,
  fhir_preferred(
    record.maritalStatus.coding, 'http://terminology.hl7.org/CodeSystem/v3-MaritalStatus'
  ).code as marital_status_code,
  array_to_string(home.line, ' ') as address_line,
  home.city as city,
  home.state as state,
  home.postalCode as postal_code,
  list_filter(record.telecom, lambda item: item.system = 'phone' and coalesce(item.use, '') <> 'old')[1].value as phone,
  list_filter(record.telecom, lambda item: item.system = 'email' and coalesce(item.use, '') <> 'old')[1].value as email,
  _object,
  _sequence,
  _line,
  _entry
from chosen
