/*---
about: >
  One row per stay of an encounter in a ward (or another place of that level), in the order of time; for inpatients
  also the time that no ward accounts for, as a stay in the ward '<source>/unknown'.
key: [encounter_id, stay_number]
write: merge
by: {encounter_id: resource_id}
resources: [Encounter]
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, encounter_status]
    on_fail: quarantine
  - expr: discharged_at is null or admitted_at is null or discharged_at >= admitted_at
    on_fail: quarantine
  - expr: ended_at is null or started_at is null or ended_at >= started_at
    on_fail: quarantine
  - not_null: [started_at]
    on_fail: warn
  - expr: started_at is null or admitted_at is null or started_at >= admitted_at
    on_fail: warn
  - expr: ended_at is null or discharged_at is null or ended_at <= discharged_at
    on_fail: warn
  - expr: ended_at is not null or started_at is null or encounter_status not in ('finished', 'unknown')
    on_fail: warn
  - expr: started_at is null or coalesce(ended_at, version_at) <= started_at + interval 366 days
    on_fail: warn
---*/
-- Only times of day count here: a stay is measured in hours, its days are those of silver.encounter. How a stay
-- gets an end that its source did not write, in this order (end_basis says which):
--   'written'    the period's own end
--   'next stay'  the start of the encounter's next stay: nobody is in two wards
--   'discharge'  the end of the encounter
--   'gap'        of unknown time: the start of the next stay, or the end of the encounter
--   null         none of them: the stay is open
-- A place without a period is the whole encounter's where it is its only one, else its times are null, because
-- nobody can tell them, and the hours count as unknown. Planned and reserved places, and rooms, beds or buildings
-- beside the ward, are no stays. Unknown time below one hour is the way between two wards and is no stay either.
-- The level of a place is what the encounter says of it: where it names a bed without saying so, ward_id is the bed,
-- and silver.location tells what that is a part of.
with told as (
  select
    resource_id,
    source,
    patient_id,
    version_at,
    fhir_shape(resource, '{
      "status": "VARCHAR",
      "class": {"system": "VARCHAR", "code": "VARCHAR"},
      "period": {"start": "VARCHAR", "end": "VARCHAR"},
      "location": [{
        "location": {"reference": "VARCHAR"},
        "status": "VARCHAR",
        "physicalType": {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]},
        "period": {"start": "VARCHAR", "end": "VARCHAR"}
      }]
    }') as record,
    _object,
    _sequence,
    _line,
    _entry
  from fhir.resource
  where resource_type = 'Encounter'
),

visit as (
  select
    told.*,
    class.code as class_code,
    coalesce(cast(class.is_inpatient as boolean), false) as is_inpatient,
    fhir_at(told.record.period.start) as admitted_at,
    fhir_at(told.record.period.end) as discharged_at,
    list_filter(
      told.record.location,
      lambda place: (place.status is null or place.status in ('active', 'completed'))
        and coalesce(
          list_contains(
            level.wards,
            fhir_preferred(
              place.physicalType.coding, 'http://terminology.hl7.org/CodeSystem/location-physical-type'
            ).code
          ), true
        )
    ) as places
  from told
  left join codes.encounter_class as class
    on class.code = told.record.class.code
    and class.system = told.record.class.system
  cross join (select list(code) as wards from codes.location_level where cast(is_ward as boolean)) as level
  where told.record.status is distinct from 'entered-in-error'
    and coalesce(told.record.status, '') not in ('planned', 'cancelled')
),

place as (
  select
    resource_id,
    source,
    admitted_at,
    discharged_at,
    len(places) as n_place,
    unnest(places) as item,
    generate_subscripts(places, 1) as position
  from visit
),

begun as (
  select
    resource_id,
    position,
    fhir_reference(source, item.location.reference, 'Location') as location_id,
    case
      when item.period.start is not null then fhir_at(item.period.start)
      when n_place = 1 then admitted_at
    end as started_at,
    fhir_at(item.period.end) as written_end_at,
    discharged_at
  from place
),

followed as (
  select
    *,
    lead(started_at) over (partition by resource_id order by started_at nulls last, position) as next_at
  from begun
),

known as (
  select
    resource_id,
    position,
    location_id,
    started_at,
    case
      when started_at is null then written_end_at
      else coalesce(written_end_at, next_at, discharged_at)
    end as ended_at,
    case
      when written_end_at is not null then 'written'
      when started_at is null then null
      when next_at is not null then 'next stay'
      when discharged_at is not null then 'discharge'
    end as end_basis
  from followed
),

-- Every known stay, and the end of each inpatient encounter, ask: how far was the time before me accounted for?
mark as (
  select resource_id, position, started_at as from_at, coalesce(ended_at, timestamptz '9999-12-31 00:00:00+00') as to_at
  from known
  where started_at is not null
  union all
  select resource_id, null, coalesce(discharged_at, timestamptz '9999-12-31 00:00:00+00'), null
  from visit
  where is_inpatient
),

reached as (
  select
    mark.resource_id,
    mark.from_at,
    greatest(
      visit.admitted_at,
      max(mark.to_at) over (
        partition by mark.resource_id
        order by mark.from_at, mark.position nulls last
        rows between unbounded preceding and 1 preceding
      )
    ) as until_at
  from mark
  join visit using (resource_id)
  where visit.is_inpatient and visit.admitted_at is not null
),

stay as (
  select resource_id, position, location_id, started_at, ended_at, end_basis
  from known
  union all
  select
    resource_id,
    null,
    null,
    until_at,
    nullif(from_at, timestamptz '9999-12-31 00:00:00+00'),
    case when from_at < timestamptz '9999-12-31 00:00:00+00' then 'gap' end
  from reached
  where from_at - until_at >= interval 1 hour
)

select
  stay.resource_id as encounter_id,
  cast(
    row_number() over (
      partition by stay.resource_id
      order by stay.started_at nulls last, stay.position nulls last, stay.ended_at nulls last
    ) as integer
  ) as stay_number,
  visit.source,
  visit.patient_id,
  visit.record.status as encounter_status,
  visit.class_code,
  visit.is_inpatient,
  visit.admitted_at,
  visit.discharged_at,
  stay.location_id,
  coalesce(stay.location_id, visit.source || '/unknown') as ward_id,
  stay.started_at,
  stay.ended_at,
  stay.end_basis,
  visit.version_at,
  visit._object,
  visit._sequence,
  visit._line,
  visit._entry
from stay
join visit using (resource_id)
