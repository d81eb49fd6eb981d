-- The floor that the lake is measured against: the same silver and gold rows straight from the export's files, as a
-- plain DuckDB script would make them in an afternoon. It trusts what it reads: one version of each record, no
-- deletes, every line whole, times as this export writes them. It keeps no raw record and no trace, checks nothing
-- and can only begin again. It has the columns that a first draft would have, the lake some more.
-- Variables: landed (the folder of the files), codes (the folder of the code lists), zone (IANA).

create macro files(kind) as getvariable('landed') || '/' || kind || '*.ndjson*';
create macro code_list(name) as getvariable('codes') || '/' || name || '.csv';
create macro key(reference) as 'north/' || split_part(reference, '/', 2);
create macro instant(written) as cast(written as timestamptz);
create macro local_date(written) as cast(timezone(getvariable('zone'), cast(written as timestamptz)) as date);
create macro tokens(codings) as list_transform(codings, lambda c: c.system || '|' || c.code);
create macro known_at() as getvariable('received_at');

create table encounter_class as from read_csv(code_list('encounter_class'), comment = '#');
create table disposition as from read_csv(code_list('discharge_disposition'), comment = '#', all_varchar = true);
create table vital_sign as from read_csv(code_list('vital_sign'), comment = '#');
create table vital_sign_unit as from read_csv(code_list('vital_sign_unit'), comment = '#');

create table silver_patient as
select
  'north/' || id as patient_id,
  'north' as source,
  true as is_active,
  list_filter(identifier, lambda i: i.type.coding[1].code = 'MR')[1].value as medical_record_number,
  name[1].family as family_name,
  array_to_string(name[1].given, ' ') as given_name,
  gender,
  cast(birthDate as date) as birth_on,
  cast(left(birthDate, 4) as integer) as birth_year,
  'day' as birth_precision,
  deceasedDateTime is not null as is_deceased,
  instant(deceasedDateTime) as deceased_at,
  local_date(deceasedDateTime) as deceased_on,
  case when deceasedDateTime is not null then 'second' end as deceased_precision,
  list_filter(extension, lambda e: ends_with(e.url, 'us-core-race'))[1].extension[1].valueCoding.code as race_code,
  list_filter(extension, lambda e: ends_with(e.url, 'us-core-ethnicity'))[1].extension[1].valueCoding.code as ethnicity_code,
  communication[1].language.coding[1].code as language_code,
  maritalStatus.coding[1].code as marital_status_code,
  address[1].state as state,
  address[1].postalCode as postal_code
from read_json(files('Patient'), format = 'newline_delimited', columns = {
  id: 'varchar',
  identifier: 'struct("type" struct(coding struct(code varchar)[]), "value" varchar)[]',
  name: 'struct(family varchar, given varchar[])[]',
  gender: 'varchar',
  birthDate: 'varchar',
  deceasedDateTime: 'varchar',
  address: 'struct(state varchar, postalCode varchar)[]',
  maritalStatus: 'struct(coding struct(code varchar)[])',
  communication: 'struct(language struct(coding struct(code varchar)[]))[]',
  extension: 'struct(url varchar, extension struct(url varchar, valueCoding struct(code varchar))[])[]'
});

create table silver_encounter as
select
  'north/' || id as encounter_id,
  'north' as source,
  key(subject.reference) as patient_id,
  status as encounter_status,
  encounter.class.code as class_code,
  known.is_inpatient,
  known.is_acute,
  encounter.type[1].coding[1].code as encounter_type_code,
  encounter.type[1].coding[1].system as encounter_type_system,
  encounter.type[1].coding[1].display as encounter_type_display,
  priority.coding[1].code as priority_code,
  instant(period.start) as admitted_at,
  local_date(period.start) as admitted_on,
  case when period.start is not null then 'second' end as admitted_precision,
  instant(period.end) as discharged_at,
  local_date(period.end) as discharged_on,
  case when period.end is not null then 'second' end as discharged_precision,
  hospitalization.admitSource.coding[1].code as admit_source_code,
  hospitalization.dischargeDisposition.coding[1].code as discharge_disposition_code,
  hospitalization.dischargeDisposition.coding[1].system as discharge_disposition_system,
  reasonCode[1].coding[1].code as reason_code,
  reasonCode[1].coding[1].system as reason_system,
  reasonCode[1].coding[1].display as reason_display,
  key(serviceProvider.reference) as organization_id,
  key(partOf.reference) as part_of_encounter_id,
  known_at() as available_at,
  'received' as available_basis
from read_json(files('Encounter'), format = 'newline_delimited', columns = {
  id: 'varchar',
  status: 'varchar',
  class: 'struct(system varchar, code varchar)',
  type: 'struct(coding struct(system varchar, code varchar, display varchar)[])[]',
  subject: 'struct(reference varchar)',
  priority: 'struct(coding struct(code varchar)[])',
  period: 'struct("start" varchar, "end" varchar)',
  reasonCode: 'struct(coding struct(system varchar, code varchar, display varchar)[])[]',
  hospitalization: 'struct(admitSource struct(coding struct(code varchar)[]),
    dischargeDisposition struct(coding struct(system varchar, code varchar)[]))',
  serviceProvider: 'struct(reference varchar)',
  partOf: 'struct(reference varchar)'
}) as encounter
left join encounter_class as known on known.code = encounter.class.code and known.system = encounter.class.system;

create table silver_condition as
select
  'north/' || id as condition_id,
  'north' as source,
  key(subject.reference) as patient_id,
  key(encounter.reference) as encounter_id,
  clinicalStatus.coding[1].code as clinical_status_code,
  verificationStatus.coding[1].code as verification_status_code,
  coalesce(list_transform(category, lambda c: c.coding[1].code), []) as category_codes,
  code.coding[1].code as condition_code,
  code.coding[1].system as condition_system,
  code.coding[1].display as condition_display,
  code.text as condition_text,
  tokens(code.coding) as codings,
  instant(onsetDateTime) as onset_at,
  local_date(onsetDateTime) as onset_on,
  case when onsetDateTime is not null then 'second' end as onset_precision,
  instant(abatementDateTime) as abated_at,
  local_date(abatementDateTime) as abated_on,
  case when abatementDateTime is not null then 'second' end as abated_precision,
  instant(recordedDate) as recorded_at,
  greatest(instant(recordedDate), known_at()) as available_at,
  'received' as available_basis
from read_json(files('Condition'), format = 'newline_delimited', columns = {
  id: 'varchar',
  clinicalStatus: 'struct(coding struct(code varchar)[])',
  verificationStatus: 'struct(coding struct(code varchar)[])',
  category: 'struct(coding struct(code varchar)[])[]',
  code: 'struct(coding struct(system varchar, code varchar, display varchar)[], text varchar)',
  subject: 'struct(reference varchar)',
  encounter: 'struct(reference varchar)',
  onsetDateTime: 'varchar',
  abatementDateTime: 'varchar',
  recordedDate: 'varchar'
});

create table silver_medication_request as
select
  'north/' || id as medication_request_id,
  'north' as source,
  key(subject.reference) as patient_id,
  key(encounter.reference) as encounter_id,
  status as medication_request_status,
  intent as intent_code,
  coalesce(list_transform(category, lambda c: c.coding[1].code), []) as category_codes,
  coalesce(doNotPerform, false) as is_prohibition,
  medicationCodeableConcept.coding[1].code as medication_code,
  medicationCodeableConcept.coding[1].system as medication_system,
  medicationCodeableConcept.coding[1].display as medication_display,
  medicationCodeableConcept.text as medication_text,
  tokens(medicationCodeableConcept.coding) as codings,
  key(medicationReference.reference) as medication_id,
  instant(authoredOn) as authored_at,
  local_date(authoredOn) as authored_on,
  case when authoredOn is not null then 'second' end as authored_precision,
  known_at() as available_at,
  'received' as available_basis
from read_json(files('MedicationRequest'), format = 'newline_delimited', columns = {
  id: 'varchar',
  status: 'varchar',
  intent: 'varchar',
  category: 'struct(coding struct(code varchar)[])[]',
  doNotPerform: 'boolean',
  medicationCodeableConcept:
    'struct(coding struct(system varchar, code varchar, display varchar)[], text varchar)',
  medicationReference: 'struct(reference varchar)',
  subject: 'struct(reference varchar)',
  encounter: 'struct(reference varchar)',
  authoredOn: 'varchar'
});

create table silver_procedure as
select
  'north/' || id as procedure_id,
  'north' as source,
  key(subject.reference) as patient_id,
  key(encounter.reference) as encounter_id,
  status as procedure_status,
  code.coding[1].code as procedure_code,
  code.coding[1].system as procedure_system,
  code.coding[1].display as procedure_display,
  code.text as procedure_text,
  tokens(code.coding) as codings,
  instant(coalesce(performedDateTime, performedPeriod.start)) as performed_at,
  local_date(coalesce(performedDateTime, performedPeriod.start)) as performed_on,
  case when coalesce(performedDateTime, performedPeriod.start) is not null then 'second' end as performed_precision,
  instant(performedPeriod.end) as performed_until_at,
  known_at() as available_at,
  'received' as available_basis
from read_json(files('Procedure'), format = 'newline_delimited', columns = {
  id: 'varchar',
  status: 'varchar',
  code: 'struct(coding struct(system varchar, code varchar, display varchar)[], text varchar)',
  subject: 'struct(reference varchar)',
  encounter: 'struct(reference varchar)',
  performedDateTime: 'varchar',
  performedPeriod: 'struct("start" varchar, "end" varchar)'
});

-- One row for an observation's own value (component 0), where it has one, and one for each component.
create table silver_observation as
with told as (
  from read_json(files('Observation'), format = 'newline_delimited', columns = {
    id: 'varchar',
    status: 'varchar',
    category: 'struct(coding struct(code varchar)[])[]',
    code: 'struct(coding struct(system varchar, code varchar, display varchar)[], text varchar)',
    subject: 'struct(reference varchar)',
    encounter: 'struct(reference varchar)',
    effectiveDateTime: 'varchar',
    issued: 'varchar',
    valueQuantity: 'struct("value" varchar, comparator varchar, unit varchar, system varchar, code varchar)',
    valueCodeableConcept: 'struct(coding struct(system varchar, code varchar, display varchar)[], text varchar)',
    valueString: 'varchar',
    dataAbsentReason: 'struct(coding struct(code varchar)[])',
    interpretation: 'struct(coding struct(code varchar)[])[]',
    component: 'struct(
      code struct(coding struct(system varchar, code varchar, display varchar)[], text varchar),
      valueQuantity struct("value" varchar, comparator varchar, unit varchar, system varchar, code varchar),
      valueCodeableConcept struct(coding struct(system varchar, code varchar, display varchar)[], text varchar),
      valueString varchar,
      dataAbsentReason struct(coding struct(code varchar)[]),
      interpretation struct(coding struct(code varchar)[])[]
    )[]'
  })
),
valued as (
  select
    id, status, category, subject, encounter, effectiveDateTime, issued, null as panel_code, 0 as component_number,
    code, valueQuantity, valueCodeableConcept, valueString, dataAbsentReason, interpretation
  from told
  where component is null or valueQuantity is not null or valueCodeableConcept is not null or valueString is not null
  union all
  select
    id, status, category, subject, encounter, effectiveDateTime, issued, panel_code, component_number, unnest(item)
  from (
    select
      * exclude (code, component),
      code.coding[1].code as panel_code,
      unnest(component) as item,
      generate_subscripts(component, 1) as component_number
    from told
    where component is not null
  )
)
select
  'north/' || id as observation_id,
  cast(component_number as integer) as component_number,
  'north' as source,
  key(subject.reference) as patient_id,
  key(encounter.reference) as encounter_id,
  status as observation_status,
  coalesce(list_transform(category, lambda c: c.coding[1].code), []) as category_codes,
  valued.code.coding[1].code as observation_code,
  valued.code.coding[1].system as observation_system,
  valued.code.coding[1].display as observation_display,
  valued.code.text as observation_text,
  tokens(valued.code.coding) as codings,
  panel_code,
  instant(effectiveDateTime) as observed_at,
  local_date(effectiveDateTime) as observed_on,
  case when effectiveDateTime is not null then 'second' end as observed_precision,
  cast(null as timestamptz) as observed_until_at,
  cast(valueQuantity.value as double) as value_number,
  valueQuantity.comparator as value_comparator,
  valueQuantity.code as value_unit,
  valueQuantity.unit as value_unit_text,
  valueCodeableConcept.coding[1].code as value_code,
  valueCodeableConcept.coding[1].system as value_system,
  coalesce(valueString, valueCodeableConcept.text, valueQuantity.value) as value_text,
  dataAbsentReason.coding[1].code as absent_reason_code,
  interpretation[1].coding[1].code as interpretation_code,
  sign.vital_sign,
  round((cast(valueQuantity.value as double) + shift) * factor / divisor, 6) as vital_sign_value,
  round((cast(valueQuantity.value as double) + shift) * factor / divisor, 6) between low and high as is_plausible,
  instant(issued) as recorded_at,
  greatest(instant(issued), known_at()) as available_at,
  'received' as available_basis
from valued
left join vital_sign as sign on sign.code = valued.code.coding[1].code
left join vital_sign_unit as unit on unit.vital_sign = sign.vital_sign and unit.value_unit = valueQuantity.code;

-- This export names no place, so that each inpatient encounter is one stay of unknown ward.
create table silver_ward_stay as
select
  encounter_id,
  cast(1 as integer) as stay_number,
  source,
  patient_id,
  encounter_status,
  class_code,
  is_inpatient,
  admitted_at,
  discharged_at,
  cast(null as varchar) as location_id,
  source || '/unknown' as ward_id,
  admitted_at as started_at,
  discharged_at as ended_at,
  'gap' as end_basis,
  known_at() as version_at
from silver_encounter
where is_inpatient and discharged_at - admitted_at >= interval 1 hour;

create table gold_vital_sign_daily as
select
  patient_id,
  vital_sign,
  observed_on,
  source,
  any_value(unit) as vital_sign_unit,
  cast(count(*) filter (where is_plausible) as integer) as n_measurement,
  cast(count(*) filter (where not is_plausible) as integer) as n_implausible,
  min(vital_sign_value) filter (where is_plausible) as vital_sign_min,
  max(vital_sign_value) filter (where is_plausible) as vital_sign_max,
  round(avg(cast(vital_sign_value as decimal(18, 6))) filter (where is_plausible), 6) as vital_sign_mean,
  arg_min(vital_sign_value, (observed_at, observation_id, component_number)) filter (where is_plausible)
    as vital_sign_first,
  arg_max(vital_sign_value, (observed_at, observation_id, component_number)) filter (where is_plausible)
    as vital_sign_last
from silver_observation
join (select distinct vital_sign, unit from vital_sign) using (vital_sign)
where vital_sign_value is not null
group by patient_id, vital_sign, observed_on, source
having n_measurement > 0;

create table gold_readmission as
with stay as (
  select
    *,
    max(discharged_at) over earlier as left_at,
    max(discharged_on) over earlier as left_on,
    arg_max(organization_id, discharged_at) over earlier as left_organization_id
  from silver_encounter
  where is_acute
  window earlier as (
    partition by patient_id order by admitted_at, encounter_id rows between unbounded preceding and 1 preceding
  )
),
numbered as (
  select
    *,
    count(*) filter (
      where left_at is null
        or not (admitted_at <= left_at or (admitted_on - left_on <= 1 and organization_id <> left_organization_id))
    ) over (partition by patient_id order by admitted_at, encounter_id) as episode
  from stay
),
episode as (
  select
    arg_min(encounter_id, admitted_at) as encounter_id,
    patient_id,
    source,
    min(admitted_on) as admitted_on,
    min(admitted_at) as admitted_at,
    max(discharged_on) as discharged_on,
    max(discharged_at) as discharged_at,
    arg_max(encounter_id, discharged_at) as discharge_encounter_id,
    cast(count(*) as integer) as n_encounter,
    arg_max(discharge_disposition_code, discharged_at) as left_to,
    arg_min(coalesce(priority_code = 'EL', false), admitted_at) as is_planned
  from numbered
  group by patient_id, source, episode
),
judged as (
  select
    episode.*,
    coalesce(deceased_at < episode.admitted_at, false) as is_after_death,
    case
      when is_after_death then 'after death'
      when deceased_at <= discharged_at or cast(disposition.is_death as boolean) then 'died'
      when cast(disposition.is_against_advice as boolean) then 'against advice'
      when cast(disposition.is_transfer as boolean) then 'transferred out'
    end as exclusion
  from episode
  left join silver_patient using (patient_id)
  left join (select distinct code, is_death, is_against_advice, is_transfer from disposition) as disposition
    on disposition.code = left_to
),
followed as (
  select
    *,
    lead(encounter_id) over later as next_encounter_id,
    lead(admitted_on) over later as next_admitted_on,
    lead(is_planned) over later as is_next_planned
  from judged
  window later as (partition by patient_id, is_after_death order by admitted_on, encounter_id)
)
select
  encounter_id,
  patient_id,
  source,
  admitted_on,
  discharged_on,
  discharge_encounter_id,
  n_encounter,
  cast(discharged_on - admitted_on as integer) as stay_days,
  exclusion,
  case
    when exclusion is null then coalesce(next_admitted_on - discharged_on <= 30 and not is_next_planned, false)
  end as is_readmitted,
  next_encounter_id,
  next_admitted_on,
  cast(next_admitted_on - discharged_on as integer) as days_to_next,
  is_next_planned
from followed;

create table gold_ward_census_hourly as
with present as (
  select
    *,
    unnest(generate_series(date_trunc('hour', started_at), ended_at, interval 1 hour)) as hour_at
  from silver_ward_stay
)
select
  ward_id,
  hour_at,
  source,
  cast(timezone(getvariable('zone'), hour_at) as date) as hour_on,
  cast(hour(timezone(getvariable('zone'), hour_at)) as integer) as hour_of_day,
  cast(count(distinct patient_id) as integer) as n_patient,
  cast(count(distinct patient_id) filter (where started_at <= hour_at) as integer) as n_patient_at_start,
  cast(count(*) as integer) as n_stay,
  cast(
    sum(epoch(least(ended_at, hour_at + interval 1 hour)) - epoch(greatest(started_at, hour_at))) / 3600
    as decimal(18, 6)
  ) as patient_hours
from present
where hour_at < ended_at
group by ward_id, hour_at, source;
