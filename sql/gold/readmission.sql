/*---
about: >
  One row per episode of acute inpatient care. is_readmitted says whether the patient came back within 30 days of the
  discharge; it is null for an episode that is no index (exclusion says why), so its mean is the 30-day rate.
key: [encounter_id]
write: merge
by: patient_id
owner: quality
keep: 10 years
checks:
  - expr: n_encounter >= 1
  - one_of: {exclusion: [after death, no discharge day, died, against advice, transferred out]}
  - expr: exclusion is null or exclusion <> 'after death'
    on_fail: warn
  - expr: (exclusion is null) = (is_readmitted is not null)
  - range: {days_to_next: [0, 40000]}
    on_fail: warn
  - range: {stay_days: [0, 1000]}
    on_fail: warn
---*/
-- After the hospital-wide all-cause readmission measure of the US Centers for Medicare & Medicaid Services (CBE 1789;
-- Horwitz LI et al., Ann Intern Med 2014;161:S66-S75).
--
-- Episode    Encounters of an acute inpatient class (codes.encounter_class; not planned or cancelled, day of
--            admission known) of one patient of one source. Encounters that touch or overlap are one episode; so is
--            one that begins on the day of the discharge before it or on the next, where that discharge was a
--            transfer: its disposition says so, or another organization admits. It is known by its first encounter.
-- Index      Each episode with a known day of discharge from which the patient was discharged alive, not against
--            advice, and not to another hospital that reports nothing. A readmission may itself be an index. An
--            admission after the patient's recorded death is a contradiction: no index, and nobody's readmission.
-- Outcome    The next episode begins at most 30 days after the day of discharge (local days, 0 to 30), whatever its
--            reason, unless it is planned; after a planned one nothing later counts for this index.
-- Planned    Only what the record itself calls elective (Encounter.priority EL). The measure's algorithm that finds
--            planned readmissions in procedures and diagnoses is not applied.
-- Not done   No limits of age, insurance or specialty (cancer, psychiatry, rehabilitation); a return on the day of
--            discharge for the same reason counts; no risk adjustment; patients are not linked between sources.
--            Discharges of the last 30 days are here as soon as they are known: whoever computes a rate decides
--            which of them had their 30 days.
with stay as (
  select
    visit.encounter_id,
    visit.patient_id,
    visit.source,
    visit.organization_id,
    visit.admitted_at,
    visit.admitted_on,
    visit.discharged_at,
    visit.discharged_on,
    visit.priority_code is not distinct from 'EL' as is_planned,
    coalesce(cast(disposition.is_death as boolean), false) as is_death,
    coalesce(cast(disposition.is_against_advice as boolean), false) as is_against_advice,
    coalesce(cast(disposition.is_transfer as boolean), false) as is_transfer,
    row_number() over (
      partition by visit.patient_id
      order by visit.admitted_on, visit.admitted_at nulls first, visit.discharged_on nulls last, visit.encounter_id
    ) as position
  from silver.encounter as visit
  left join codes.discharge_disposition as disposition
    on disposition.code = visit.discharge_disposition_code
    and disposition.system = visit.discharge_disposition_system
  where visit.is_acute
    and visit.encounter_status not in ('planned', 'cancelled')
    and visit.admitted_on is not null
),

-- The discharge that reaches farthest; an encounter nobody closed reaches nowhere and swallows nothing.
reach as (
  select
    stay.*,
    case
      when discharged_on is not null
        then struct_pack(
          left_on := discharged_on,
          left_at := discharged_at,
          encounter_id := encounter_id,
          organization_id := organization_id,
          is_death := is_death,
          is_against_advice := is_against_advice,
          is_transfer := is_transfer
        )
    end as discharge
  from stay
),

before as (
  select
    reach.*,
    max(discharge) over (
      partition by patient_id order by position rows between unbounded preceding and 1 preceding
    ) as earlier
  from reach
),

numbered as (
  select
    before.*,
    sum(
      case
        when admitted_at <= earlier.left_at then 0
        when (admitted_at is null or earlier.left_at is null) and admitted_on < earlier.left_on then 0
        when admitted_on - earlier.left_on <= 1
          and (earlier.is_transfer or organization_id <> earlier.organization_id) then 0
        else 1
      end
    ) over (partition by patient_id order by position) as episode
  from before
),

episode as (
  select
    patient_id,
    source,
    episode,
    arg_min(encounter_id, position) as encounter_id,
    arg_min(is_planned, position) as is_planned,
    min(admitted_on) as admitted_on,
    min(admitted_at) as admitted_at,
    max(discharge) as discharge,
    count(*) as n_encounter
  from numbered
  group by patient_id, source, episode
),

judged as (
  select
    episode.*,
    case
      when patient.deceased_at < episode.admitted_at then true
      when patient.deceased_at is null or episode.admitted_at is null then patient.deceased_on < episode.admitted_on
      else false
    end is true as is_after_death,
    case
      when patient.deceased_at <= episode.discharge.left_at then true
      when patient.deceased_at is null or episode.discharge.left_at is null
        then patient.deceased_on <= episode.discharge.left_on
      else false
    end is true as is_dead_at_discharge
  from episode
  left join silver.patient as patient using (patient_id)
),

-- Who has died is not readmitted: admissions after the death follow one another, and no episode before it.
followed as (
  select
    judged.*,
    case
      when is_after_death then 'after death'
      when discharge is null then 'no discharge day'
      when discharge.is_death or is_dead_at_discharge then 'died'
      when discharge.is_against_advice then 'against advice'
      when discharge.is_transfer then 'transferred out'
    end as exclusion,
    lead(encounter_id) over later as next_encounter_id,
    lead(admitted_on) over later as next_admitted_on,
    lead(is_planned) over later as is_next_planned
  from judged
  window later as (partition by patient_id, is_after_death order by episode)
)

select
  encounter_id,
  patient_id,
  source,
  admitted_on,
  followed.discharge.left_on as discharged_on,
  followed.discharge.encounter_id as discharge_encounter_id,
  cast(n_encounter as integer) as n_encounter,
  cast(followed.discharge.left_on - admitted_on as integer) as stay_days,
  exclusion,
  case
    when exclusion is null
      then coalesce(next_admitted_on - followed.discharge.left_on <= 30 and not is_next_planned, false)
  end as is_readmitted,
  next_encounter_id,
  next_admitted_on,
  cast(next_admitted_on - followed.discharge.left_on as integer) as days_to_next,
  is_next_planned
from followed
