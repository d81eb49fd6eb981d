/*---
about: One row per patient, vital sign and local day on which it was measured, in the vital sign's own unit.
key: [patient_id, vital_sign, observed_on]
write: merge
by: [patient_id, observed_on]
owner: clinical-data
keep: 10 years
checks:
  - expr: vital_sign_min <= vital_sign_mean and vital_sign_mean <= vital_sign_max
  - expr: n_measurement > 0
---*/
-- Counted: values of reported observations (final, amended, corrected or preliminary) that a plain number in a unit
-- that converts, within what is plausible (codes.vital_sign). The others are counted in n_implausible where they
-- share a day with a good one; all stay in silver.observation. First and last go by time, then by key.
with measured as (
  select
    patient_id,
    source,
    vital_sign,
    observed_on,
    is_plausible,
    vital_sign_value,
    row_number() over (
      partition by patient_id, vital_sign, observed_on, is_plausible
      order by observed_at nulls last, observation_id, component_number
    ) as age
  from silver.observation
  where vital_sign_value is not null
    and observed_on is not null
    and observation_status in ('final', 'amended', 'corrected', 'preliminary')
),

daily as (
  select
    patient_id,
    vital_sign,
    observed_on,
    source,
    count(*) filter (where is_plausible) as n_measurement,
    count(*) filter (where not is_plausible) as n_implausible,
    min(vital_sign_value) filter (where is_plausible) as vital_sign_min,
    max(vital_sign_value) filter (where is_plausible) as vital_sign_max,
    avg(try_cast(vital_sign_value as decimal(18, 6))) filter (where is_plausible) as vital_sign_mean,
    arg_min(vital_sign_value, age) filter (where is_plausible) as vital_sign_first,
    arg_max(vital_sign_value, age) filter (where is_plausible) as vital_sign_last
  from measured
  group by patient_id, vital_sign, observed_on, source
)

select
  daily.patient_id,
  daily.vital_sign,
  daily.observed_on,
  daily.source,
  unit.unit as vital_sign_unit,
  cast(daily.n_measurement as integer) as n_measurement,
  cast(daily.n_implausible as integer) as n_implausible,
  daily.vital_sign_min,
  daily.vital_sign_max,
  round(daily.vital_sign_mean, 6) as vital_sign_mean,
  daily.vital_sign_first,
  daily.vital_sign_last
from daily
join (select distinct vital_sign, unit from codes.vital_sign) as unit using (vital_sign)
where daily.n_measurement > 0
