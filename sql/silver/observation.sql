/*---
about: >
  One row per value observed: component 0 is the observation's own value, the others are its components (a blood
  pressure's systolic and diastolic). A value of a vital sign also stands in that sign's own unit, where it can.
key: [observation_id, component_number]
write: merge
by: {observation_id: resource_id}
resources: [Observation]
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, observation_status]
    on_fail: quarantine
  - expr: observation_code is not null or observation_text is not null
    on_fail: quarantine
  - one_of:
      observation_status: [registered, preliminary, final, amended, corrected, cancelled, unknown]
    on_fail: quarantine
  - one_of: {value_comparator: [<, <=, '>=', '>']}
    on_fail: quarantine
  - not_null: [observed_precision, observation_code]
    on_fail: warn
  - expr: vital_sign is null or value_number is null or value_comparator is not null or vital_sign_value is not null
    on_fail: warn
  - expr: is_plausible
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
      "category": [{"coding": [{"code": "VARCHAR"}]}],
      "code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"},
      "encounter": {"reference": "VARCHAR"},
      "effectiveDateTime": "VARCHAR",
      "effectiveInstant": "VARCHAR",
      "effectivePeriod": {"start": "VARCHAR", "end": "VARCHAR"},
      "issued": "VARCHAR",
      "valueQuantity": {
        "value": "VARCHAR", "comparator": "VARCHAR", "unit": "VARCHAR", "system": "VARCHAR", "code": "VARCHAR"
      },
      "valueCodeableConcept": {
        "coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"
      },
      "valueString": "VARCHAR",
      "valueBoolean": "VARCHAR",
      "valueInteger": "VARCHAR",
      "dataAbsentReason": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
      "interpretation": [{"coding": [{"code": "VARCHAR"}]}],
      "component": [{
        "code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"},
        "valueQuantity": {
          "value": "VARCHAR", "comparator": "VARCHAR", "unit": "VARCHAR", "system": "VARCHAR", "code": "VARCHAR"
        },
        "valueCodeableConcept": {
          "coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"
        },
        "valueString": "VARCHAR",
        "valueBoolean": "VARCHAR",
        "valueInteger": "VARCHAR",
        "dataAbsentReason": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
        "interpretation": [{"coding": [{"code": "VARCHAR"}]}]
      }]
    }') as record,
    current._object,
    current._sequence,
    current._line,
    current._entry
  from fhir.resource as current
  left join codes.source as zones using (source)
  where current.resource_type = 'Observation'
),

-- An observation entered in error has no values, and so no rows. (As a condition in a WHERE it would reach through
-- to the scan and parse every record a second time.)
counted as (
  select
    *,
    coalesce(len(record.component), 0) as n_component,
    coalesce(record.effectiveDateTime, record.effectiveInstant, record.effectivePeriod.start) as observed,
    unnest(
      case
        when record.status is distinct from 'entered-in-error' then range(1 + coalesce(len(record.component), 0))
      end
    ) as component_number
  from told
),

parted as (
  select *, record.component[component_number] as part
  from counted
),

valued as (
  select
    *,
    case when component_number = 0 then record.code else part.code end as code,
    case when component_number = 0 then record.valueQuantity else part.valueQuantity end as quantity,
    case when component_number = 0 then record.valueCodeableConcept else part.valueCodeableConcept end as concept,
    case when component_number = 0 then record.valueString else part.valueString end as words,
    case when component_number = 0 then record.valueBoolean else part.valueBoolean end as truth,
    case when component_number = 0 then record.valueInteger else part.valueInteger end as whole_number,
    case when component_number = 0 then record.dataAbsentReason else part.dataAbsentReason end as absent,
    case when component_number = 0 then record.interpretation else part.interpretation end as judged
  from parted
),

-- A vital sign's own code (the one the FHIR profile demands) is chosen before other codes beside it. An observation
-- whose components carry the values has no row of its own, unless it has a value too.
coded as (
  select
    valued.*,
    coalesce(
      list_filter(
        code.coding,
        lambda coding: coding.system = 'http://loinc.org' and list_contains(vital.codes, coding.code)
      )[1],
      fhir_preferred(code.coding, 'http://loinc.org')
    ) as chosen,
    fhir_preferred(concept.coding, 'http://snomed.info/sct') as answer
  from valued
  cross join (select list(code order by code) as codes from codes.vital_sign) as vital
  where component_number > 0
    or n_component = 0
    or coalesce(quantity.value, whole_number, truth, words) is not null
    or concept is not null
),

plain as (
  select
    resource_id as observation_id,
    cast(component_number as integer) as component_number,
    source,
    patient_id,
    fhir_reference(source, record.encounter.reference, 'Encounter') as encounter_id,
    record.status as observation_status,
    fhir_codes(record.category) as category_codes,
    chosen.code as observation_code,
    chosen.system as observation_system,
    chosen.display as observation_display,
    code.text as observation_text,
    fhir_tokens(code.coding) as codings,
    case when component_number > 0 then fhir_preferred(record.code.coding, 'http://loinc.org').code end as panel_code,
    fhir_at(observed) as observed_at,
    fhir_on(observed, zone) as observed_on,
    fhir_precision(observed) as observed_precision,
    fhir_at(record.effectivePeriod.end) as observed_until_at,
    fhir_number(coalesce(quantity.value, whole_number)) as value_number,
    quantity.comparator as value_comparator,
    case when quantity.system = 'http://unitsofmeasure.org' then quantity.code end as value_unit,
    quantity.unit as value_unit_text,
    coalesce(answer.code, truth) as value_code,
    answer.system as value_system,
    coalesce(words, concept.text) as value_text,
    absent.coding[1].code as absent_reason_code,
    judged[1].coding[1].code as interpretation_code,
    fhir_at(record.issued) as recorded_at,
    version_at,
    version_basis,
    _object,
    _sequence,
    _line,
    _entry
  from coded
),

measured as (
  select
    plain.*,
    sign.vital_sign,
    round(
      (plain.value_number + cast(unit.shift as double)) * cast(unit.factor as double) / cast(unit.divisor as double), 6
    ) as vital_sign_value,
    cast(sign.low as double) as low,
    cast(sign.high as double) as high
  from plain
  left join codes.vital_sign as sign
    on sign.system = plain.observation_system
    and sign.code = plain.observation_code
  left join codes.vital_sign_unit as unit
    on unit.vital_sign = sign.vital_sign
    and unit.value_unit = case when plain.value_comparator is null then plain.value_unit end
)

select
  observation_id,
  component_number,
  source,
  patient_id,
  encounter_id,
  observation_status,
  category_codes,
  observation_code,
  observation_system,
  observation_display,
  observation_text,
  codings,
  panel_code,
  observed_at,
  observed_on,
  observed_precision,
  observed_until_at,
  value_number,
  value_comparator,
  value_unit,
  value_unit_text,
  value_code,
  value_system,
  value_text,
  absent_reason_code,
  interpretation_code,
  vital_sign,
  vital_sign_value,
  vital_sign_value between low and high as is_plausible,
  recorded_at,
  greatest(recorded_at, version_at) as available_at,
  fhir_available_basis(recorded_at, version_at, version_basis) as available_basis,
  _object,
  _sequence,
  _line,
  _entry
from measured
