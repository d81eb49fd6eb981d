/*---
about: >
  One row per reference of a current FHIR resource, wherever in it: as sent, what it points to, and whether that is
  there now. A reference resolves within its source only: by type and id, by the id of a contained resource, or by an
  identifier. It is dangling while the lake holds no such resource, ambiguous where it holds several, and unjudged where
  it is a search for more than identifiers, which is not made.
owner: clinical-data
keep: as long as the resources
write: view
across: true
key: [resource_type, resource_id, element_path]
---*/
-- A view, so that what arrives late or is deleted counts at once, and a load pays nothing for it. The JSON of a
-- resource is taken apart once, and of its members only those that hold a reference are walked. References by urn or
-- identifier are answered apart: they are few, may meet several targets, and only resources whose text may hold one
-- are read for it. Nothing else is materialized, so that a filter on the holder reaches the scan.
with told as not materialized (
  select
    source,
    resource_type,
    resource_id,
    patient_id,
    fhir_members(resource) as members,
    fhir_may_ask(resource) as may_ask,
    _object,
    _sequence,
    _line,
    _entry
  from fhir.resource
),

parted as not materialized (
  select
    *,
    unnest(members) as member,
    fhir_contained(resource_type, resource_id, members) as contained
  from told
),

sent as not materialized (
  select
    parted.source,
    parted.resource_type,
    parted.resource_id,
    parted.patient_id,
    parted.contained,
    parted.may_ask,
    fhir_element_path(parted.member.key, node.fullkey) as element_path,
    fhir_told(node.value) as told,
    parted._object,
    parted._sequence,
    parted._line,
    parted._entry
  from parted, json_tree(parted.member.value) as node
  where node.type = 'OBJECT' and fhir_is_reference(node.value)
),

named as not materialized (
  select
    *,
    told.reference as reference_text,
    fhir_reference_kind(told.reference) as reference_kind
  from sent
),

sought as not materialized (
  select
    *,
    fhir_element(element_path) as element,
    fhir_target_type(reference_kind, told) as sought_type,
    fhir_target_key(source, reference_kind, told) as sought_key,
    fhir_asked(reference_kind, told) as asked,
    fhir_target_version(reference_kind, told) as target_version_id
  from named
),

asking as (
  select *
  from sought
  where may_ask and reference_kind in ('urn', 'conditional', 'identifier')
),

criteria as (
  select
    source,
    resource_type,
    resource_id,
    element_path,
    sought_type,
    length(asked) as n_criterion,
    generate_subscripts(asked, 1) as criterion,
    unnest(asked) as tokens
  from asking
),

wanted as (
  select *, unnest(tokens) as token
  from criteria
),

answers as (
  select
    wanted.resource_type,
    wanted.resource_id,
    wanted.element_path,
    known.resource_type as target_type,
    known.resource_id as target_id
  from wanted
  join fhir.identifier as known
    on known.source = wanted.source
    and known.identifier_value = wanted.token.value
    and coalesce(known.identifier_system, '') = coalesce(wanted.token.system, known.identifier_system, '')
    and known.resource_type = coalesce(wanted.sought_type, known.resource_type)
  group by
    wanted.resource_type,
    wanted.resource_id,
    wanted.element_path,
    wanted.n_criterion,
    known.resource_type,
    known.resource_id
  having count(distinct wanted.criterion) = wanted.n_criterion
  union
  select
    asking.resource_type,
    asking.resource_id,
    asking.element_path,
    known.resource_type as target_type,
    known.resource_id as target_id
  from asking
  join fhir.resource as known
    on known.resource_id = asking.sought_key
    and known.resource_type = coalesce(asking.sought_type, known.resource_type)
),

answered as (
  select
    resource_type,
    resource_id,
    element_path,
    count(*) as n_target,
    min(target_type) as target_type,
    min(target_id) as target_id
  from answers
  group by resource_type, resource_id, element_path
),

met as not materialized (
  select
    sought.*,
    case
      when sought.reference_kind = 'contained'
        then fhir_contained_in(sought.contained, sought.reference_text)
      when keyed.resource_id is not null then fhir_target(keyed.resource_type, keyed.resource_id)
    end as targets,
    answered.n_target as n_answer,
    answered.target_type as answer_type,
    answered.target_id as answer_id
  from sought
  left join fhir.resource as keyed
    on keyed.resource_type = sought.sought_type
    and keyed.resource_id = sought.sought_key
  left join answered
    on answered.resource_type = sought.resource_type
    and answered.resource_id = sought.resource_id
    and answered.element_path = sought.element_path
),

counted as not materialized (
  select
    *,
    coalesce(n_answer, length(targets), 0) as n_target
  from met
)

select
  source,
  resource_type,
  resource_id,
  patient_id,
  element,
  element_path,
  reference_text,
  reference_kind,
  fhir_reference_status(reference_kind, asked, n_target) as reference_status,
  case when n_target = 1 then coalesce(answer_type, targets[1].type) else sought_type end as target_type,
  case when n_target = 1 then coalesce(answer_id, targets[1].key) end as target_id,
  target_version_id,
  _object,
  _sequence,
  _line,
  _entry
from counted
where resource_type || '.' || element not in (select element from codes.reference_lookalike)
