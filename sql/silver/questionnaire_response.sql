/*---
about: >
  One row per answer that a questionnaire was given, at any depth; items are numbered in the order of the whole
  questionnaire, those without an answer too. A response without any answer has no row.
key: [questionnaire_response_id, item_number, answer_number]
write: merge
by: {questionnaire_response_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, questionnaire_response_status]
    on_fail: quarantine
  - one_of:
      questionnaire_response_status: [in-progress, completed, amended, stopped]
    on_fail: quarantine
  - one_of: {value_comparator: [<, <=, '>=', '>']}
    on_fail: quarantine
  - not_null: [question_link, authored_precision, value_type]
    on_fail: warn
constants:
  item_number: place among the items of the questionnaire
  answer_number: place among the answers of the item
---*/
with typed as (
  select
    told.*,
    zones.zone,
    case
      when told.value_code is not null or told.value_display is not null then 'Coding'
      when told.quantity is not null or told.quantity_unit is not null then 'Quantity'
      when told.value_boolean is not null then 'boolean'
      when told.value_decimal is not null then 'decimal'
      when told.value_integer is not null then 'integer'
      when told.value_datetime is not null then 'dateTime'
      when told.value_date is not null then 'date'
      when told.value_time is not null then 'time'
      when told.value_string is not null then 'string'
      when told.value_uri is not null then 'uri'
      when told.attachment_url is not null then 'Attachment'
      when told.reference is not null then 'Reference'
    end as value_type,
    coalesce(told.quantity, told.value_decimal, told.value_integer) as number_text
  from fhir.questionnaire_response as told
  left join codes.source as zones using (source)
)

select
  told.questionnaire_response_id,
  told.item_index + 1 as item_number,
  told.answer_index + 1 as answer_number,
  told.source,
  told.patient_id,
  told.encounter_id,
  told.status as questionnaire_response_status,
  told.questionnaire as questionnaire_url,
  told.link_code as question_link,
  told.question as question_text,
  told.value_type,
  case when told.quantity_comparator is null then fhir_number(told.number_text) end as value_number,
  told.quantity_comparator as value_comparator,
  case when told.quantity_system = 'http://unitsofmeasure.org' then told.quantity_code end as value_unit,
  told.quantity_unit as value_unit_text,
  coalesce(told.value_code, told.value_boolean) as value_code,
  told.value_system,
  coalesce(
    told.value_display, told.number_text, told.value_datetime, told.value_date, told.value_time, told.value_string,
    told.value_uri, told.attachment_url, told.reference
  ) as value_text,
  fhir_at(told.authored) as authored_at,
  fhir_on(told.authored, told.zone) as authored_on,
  fhir_precision(told.authored) as authored_precision,
  told.version_at as available_at,
  told.version_basis as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from typed as told
