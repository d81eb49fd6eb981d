/*---
about: >
  One row per value observed: component 0 is the observation's own value, the others are its components (a blood
  pressure's systolic and diastolic). A value of a vital sign also stands in that sign's own unit, where it can.
  value_type says which FHIR type the value has, and so which columns hold it; value_text holds it as sent.
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
  - expr: vital_sign is null or value_number is null or vital_sign_value is not null
    on_fail: warn
  - expr: absent_reason_code is null or value_type is null
    on_fail: warn
  - expr: coalesce(value_text, value_code, value_display) is not null or value_type is null
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
      "performer": [{"reference": "VARCHAR"}],
      "bodySite": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]},
      "method": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}]},
      "specimen": {"reference": "VARCHAR"},
      "hasMember": [{"reference": "VARCHAR"}],
      "derivedFrom": [{"reference": "VARCHAR"}],
      "valueQuantity": {
        "value": "VARCHAR", "comparator": "VARCHAR", "unit": "VARCHAR", "system": "VARCHAR", "code": "VARCHAR"
      },
      "valueCodeableConcept": {
        "coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"
      },
      "valueString": "VARCHAR",
      "valueBoolean": "VARCHAR",
      "valueInteger": "VARCHAR",
      "valueRange": "VARCHAR",
      "valueRatio": "VARCHAR",
      "valueSampledData": "VARCHAR",
      "valueTime": "VARCHAR",
      "valueDateTime": "VARCHAR",
      "valuePeriod": "VARCHAR",
      "dataAbsentReason": "VARCHAR",
      "interpretation": "VARCHAR",
      "referenceRange": "VARCHAR",
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
        "valueRange": "VARCHAR",
        "valueRatio": "VARCHAR",
        "valueSampledData": "VARCHAR",
        "valueTime": "VARCHAR",
        "valueDateTime": "VARCHAR",
        "valuePeriod": "VARCHAR",
        "dataAbsentReason": "VARCHAR",
        "interpretation": "VARCHAR",
        "referenceRange": "VARCHAR"
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

-- What is the same for all values of an observation is made once, before they are taken apart.
whole as (
  select
    resource_id as observation_id,
    source,
    patient_id,
    fhir_reference(source, record.encounter.reference, 'Encounter') as encounter_id,
    record.status as observation_status,
    fhir_codes(record.category) as category_codes,
    fhir_preferred(record.code.coding, 'http://loinc.org').code as whole_code,
    coalesce(record.effectiveDateTime, record.effectiveInstant, record.effectivePeriod.start) as observed,
    fhir_at(record.effectivePeriod.end) as observed_until_at,
    fhir_at(record.issued) as recorded_at,
    fhir_preferred(record.bodySite.coding, 'http://snomed.info/sct') as site,
    fhir_preferred(record.method.coding, 'http://snomed.info/sct') as way,
    fhir_reference(source, record.specimen.reference, 'Specimen') as specimen_id,
    fhir_types(record.performer) as performer_types,
    fhir_references(source, record.performer, '[A-Z][A-Za-z]+') as performer_ids,
    fhir_references(source, record.hasMember, 'Observation') as member_ids,
    fhir_types(record.derivedFrom) as derived_from_types,
    fhir_references(source, record.derivedFrom, '[A-Z][A-Za-z]+') as derived_from_ids,
    record.component as components,
    coalesce(
      record.valueString, record.valueBoolean, record.valueInteger, record.valueRange, record.valueRatio,
      record.valueSampledData, record.valueTime, record.valueDateTime, record.valuePeriod
    ) is not null
      or record.valueQuantity is not null
      or record.valueCodeableConcept is not null
      or coalesce(length(record.component), 0) = 0 as has_own,
    {
      'code': record.code,
      'valueQuantity': record.valueQuantity,
      'valueCodeableConcept': record.valueCodeableConcept,
      'valueString': record.valueString,
      'valueBoolean': record.valueBoolean,
      'valueInteger': record.valueInteger,
      'valueRange': record.valueRange,
      'valueRatio': record.valueRatio,
      'valueSampledData': record.valueSampledData,
      'valueTime': record.valueTime,
      'valueDateTime': record.valueDateTime,
      'valuePeriod': record.valuePeriod,
      'dataAbsentReason': record.dataAbsentReason,
      'interpretation': record.interpretation,
      'referenceRange': record.referenceRange
    } as own,
    version_at,
    version_basis,
    zone,
    _object,
    _sequence,
    _line,
    _entry
  from told
),

-- An observation whose components carry the values has no row of its own, unless it has a value too. One entered in
-- error has no values, and so no rows. (As a condition in a WHERE it would reach through to the scan and parse every
-- record a second time.)
parted as (
  select
    * exclude (own, components),
    unnest(
      case
        when observation_status = 'entered-in-error' then null
        when has_own then fhir_parts(own, components)
        else components
      end
    ) as part,
    unnest(
      case
        when observation_status is distinct from 'entered-in-error'
          then range(if(has_own, 0, 1), 1 + coalesce(length(components), 0))
      end
    ) as component_number
  from whole
),

-- What a part holds is taken out of it in one step, for a nested column costs memory in each step that it passes. Of
-- what is rare, which is JSON until here, only what is there is taken apart.
typed as (
  select
    * exclude (part),
    part.code.coding as code_codings,
    part.code.text as observation_text,
    case
      when part.valueQuantity is not null then 'Quantity'
      when part.valueCodeableConcept is not null then 'CodeableConcept'
      when part.valueString is not null then 'string'
      when part.valueBoolean is not null then 'boolean'
      when part.valueInteger is not null then 'integer'
      when part.valueRange is not null then 'Range'
      when part.valueRatio is not null then 'Ratio'
      when part.valueSampledData is not null then 'SampledData'
      when part.valueTime is not null then 'time'
      when part.valueDateTime is not null then 'dateTime'
      when part.valuePeriod is not null then 'Period'
    end as value_type,
    fhir_number(coalesce(part.valueQuantity.value, part.valueInteger)) as number,
    part.valueQuantity.comparator as value_comparator,
    case
      when part.valueRange is not null then fhir_range_unit(part.valueRange)
      when part.valueQuantity.system = 'http://unitsofmeasure.org' then part.valueQuantity.code
    end as value_unit,
    coalesce(
      part.valueQuantity.unit, fhir_inside(part.valueRange, '$.low.unit'), fhir_inside(part.valueRange, '$.high.unit')
    ) as value_unit_text,
    fhir_number(fhir_inside(part.valueRange, '$.low.value')) as range_low,
    fhir_number(fhir_inside(part.valueRange, '$.high.value')) as range_high,
    fhir_plain_number(part.valueRatio, 'numerator') as value_numerator,
    fhir_plain_number(part.valueRatio, 'denominator') as value_denominator,
    coalesce(part.valueDateTime, fhir_inside(part.valuePeriod, '$.start')) as held,
    fhir_at(fhir_inside(part.valuePeriod, '$.end')) as value_until_at,
    part.valueBoolean as truth,
    fhir_preferred(part.valueCodeableConcept.coding, 'http://snomed.info/sct') as answer,
    coalesce(
      part.valueString, part.valueCodeableConcept.text, part.valueQuantity.value, part.valueInteger, part.valueRange,
      part.valueRatio, part.valueSampledData, part.valueTime, part.valueDateTime, part.valuePeriod
    ) as value_text,
    fhir_preferred(
      fhir_part(part.dataAbsentReason, '{"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]}').coding,
      'http://terminology.hl7.org/CodeSystem/data-absent-reason'
    ).code as absent_reason_code,
    fhir_preferred(
      fhir_part(part.interpretation, '[{"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]}]')[1].coding,
      'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation'
    ).code as interpretation_code,
    fhir_number(fhir_inside(part.referenceRange, '$[0].low.value')) as reference_range_low,
    fhir_number(fhir_inside(part.referenceRange, '$[0].high.value')) as reference_range_high,
    fhir_inside(part.referenceRange, '$[0].text') as reference_range_text
  from parted
),

-- A vital sign's own code (the one the FHIR profile demands) is chosen before other codes beside it.
plain as (
  select
    typed.* exclude (code_codings, truth, answer),
    coalesce(
      list_filter(
        code_codings,
        lambda coding: coding.system = 'http://loinc.org' and list_contains(vital.codes, coding.code)
      )[1],
      fhir_preferred(code_codings, 'http://loinc.org')
    ) as chosen,
    fhir_tokens(code_codings) as codings,
    coalesce(answer.code, truth) as value_code,
    answer.system as value_system,
    answer.display as value_display
  from typed
  cross join (select list(code order by code) as codes from codes.vital_sign) as vital
)

select
  observation_id,
  cast(component_number as integer) as component_number,
  source,
  patient_id,
  encounter_id,
  observation_status,
  category_codes,
  chosen.code as observation_code,
  chosen.system as observation_system,
  chosen.display as observation_display,
  observation_text,
  codings,
  case when component_number > 0 then whole_code end as panel_code,
  fhir_at(observed) as observed_at,
  fhir_on(observed, zone) as observed_on,
  fhir_precision(observed) as observed_precision,
  observed_until_at,
  value_type,
  case when value_comparator is null then number end as value_number,
  value_comparator,
  case when value_comparator in ('>', '>=') then number else range_low end as value_low,
  case when value_comparator in ('<', '<=') then number else range_high end as value_high,
  value_numerator,
  value_denominator,
  plain.value_unit,
  value_unit_text,
  value_code,
  value_system,
  value_display,
  value_text,
  fhir_at(held) as value_at,
  value_until_at,
  absent_reason_code,
  interpretation_code,
  reference_range_low,
  reference_range_high,
  reference_range_text,
  site.code as body_site_code,
  site.system as body_site_system,
  way.code as method_code,
  way.system as method_system,
  specimen_id,
  performer_types,
  performer_ids,
  member_ids,
  derived_from_types,
  derived_from_ids,
  sign.vital_sign,
  fhir_converted(number, unit.shift, unit.factor, unit.divisor) as vital_sign_value,
  fhir_converted(number, unit.shift, unit.factor, unit.divisor)
    between cast(sign.low as double) and cast(sign.high as double) as is_plausible,
  recorded_at,
  greatest(recorded_at, version_at) as available_at,
  fhir_available_basis(recorded_at, version_at, version_basis) as available_basis,
  _object,
  _sequence,
  _line,
  _entry
from plain
left join codes.vital_sign as sign
  on sign.system = plain.chosen.system
  and sign.code = plain.chosen.code
left join codes.vital_sign_unit as unit
  on unit.vital_sign = sign.vital_sign
  and unit.value_unit = plain.value_unit
  and plain.value_comparator is null
