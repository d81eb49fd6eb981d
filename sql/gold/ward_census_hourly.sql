/*---
about: >
  How many inpatients were in a ward in each local hour in which there was at least one. The ward '<source>/unknown'
  holds the inpatients of that source whose ward nobody reported.
key: [ward_id, hour_at]
write: merge
by: ward_id
owner: operations
keep: 10 years
checks:
  - expr: n_patient >= n_patient_at_start
  - expr: patient_hours > 0 and patient_hours <= n_stay
  - range: {hour_of_day: [0, 23]}
---*/
-- An hour is one of the source's own clock: hour_at is the instant it begins, so that the night in which the clock
-- goes back has 25 rows a ward, two of them with hour_of_day 1 and different hour_at, and the one in which it goes
-- forward 23. (In the one zone that moves by half an hour, Lord Howe's, the hours of these two nights are off by it.)
-- A stay covers [started_at, ended_at): who leaves at 10:00 is not in the hour of 10.
-- An open stay counts up to the last time anything is known of its ward, which is the newest version of any of its
-- stays, whoever's it is, and at most 366 days: one that nobody ever closed does not fill the ward for ever. An end
-- later than the version that tells it is a plan, and such a stay is open until then. Where an encounter is over and
-- nobody wrote when, its last stay is left out. All this is decided by the rows alone, never by the time at which the
-- table is built.
with inpatient as (
  select
    stay.ward_id,
    stay.source,
    stay.patient_id,
    stay.encounter_id,
    stay.stay_number,
    zones.zone,
    stay.started_at,
    case
      when stay.ended_at <= stay.version_at then stay.ended_at
      else least(
        stay.ended_at,
        max(stay.version_at) over (partition by stay.ward_id),
        stay.started_at + interval 366 days
      )
    end as ended_at
  from silver.ward_stay as stay
  join codes.source as zones using (source)
  where stay.is_inpatient
    and stay.started_at is not null
    and (
      stay.ended_at is not null
      or stay.encounter_status in ('arrived', 'triaged', 'in-progress', 'onleave')
    )
),

-- The local hours that a stay may touch. A zone's hours need not begin with those of UTC, and its offset may change
-- during the stay, so each instant is brought back to the beginning of its own local hour.
touched as (
  select
    *,
    unnest(
      generate_series(
        started_at - (timezone(zone, started_at) - date_trunc('hour', timezone(zone, started_at))),
        ended_at,
        interval 1 hour
      )
    ) as instant
  from inpatient
  where started_at < ended_at
),

clock as (
  select zone, instant, timezone(zone, instant) as local_at
  from (select distinct zone, instant from touched)
),

present as (
  select distinct
    touched.ward_id,
    touched.source,
    touched.patient_id,
    touched.encounter_id,
    touched.stay_number,
    touched.started_at,
    touched.ended_at,
    touched.instant - (clock.local_at - date_trunc('hour', clock.local_at)) as hour_at,
    cast(clock.local_at as date) as hour_on,
    hour(clock.local_at) as hour_of_day
  from touched
  join clock using (zone, instant)
)

select
  ward_id,
  hour_at,
  source,
  hour_on,
  cast(hour_of_day as integer) as hour_of_day,
  cast(count(distinct patient_id) as integer) as n_patient,
  cast(count(distinct patient_id) filter (where started_at <= hour_at) as integer) as n_patient_at_start,
  cast(count(*) as integer) as n_stay,
  cast(
    sum(
      cast(
        epoch(least(ended_at, hour_at + interval 1 hour)) - epoch(greatest(started_at, hour_at)) as decimal(18, 6)
      )
    ) / 3600 as decimal(18, 6)
  ) as patient_hours
from present
where hour_at < ended_at
group by ward_id, hour_at, source, hour_on, hour_of_day
