/*---
about: One row per procedure that a source reports, also those not done or stopped; procedure_status says which.
key: [procedure_id]
write: merge
by: {procedure_id: resource_id}
resources: [Procedure]
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id, procedure_status]
    on_fail: quarantine
  - expr: procedure_code is not null or procedure_text is not null
    on_fail: quarantine
  - one_of:
      procedure_status: [preparation, in-progress, not-done, on-hold, stopped, completed, unknown]
    on_fail: quarantine
  - expr: performed_until_at is null or performed_at is null or performed_until_at >= performed_at
    on_fail: quarantine
  - not_null: [procedure_code]
    on_fail: warn
  - expr: performed_precision is not null or procedure_status not in ('completed', 'stopped')
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
      "code": {"coding": [{"system": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR"}], "text": "VARCHAR"},
      "encounter": {"reference": "VARCHAR"},
      "performedDateTime": "VARCHAR",
      "performedPeriod": {"start": "VARCHAR", "end": "VARCHAR"}
    }') as record,
    current._object,
    current._sequence,
    current._line,
    current._entry
  from fhir.resource as current
  left join codes.source as zones using (source)
  where current.resource_type = 'Procedure'
),

chosen as (
  select
    *,
    fhir_preferred(record.code.coding, 'http://snomed.info/sct') as coded,
    coalesce(record.performedDateTime, record.performedPeriod.start) as performed
  from told
)

select
  resource_id as procedure_id,
  source,
  patient_id,
  fhir_reference(source, record.encounter.reference, 'Encounter') as encounter_id,
  record.status as procedure_status,
  coded.code as procedure_code,
  coded.system as procedure_system,
  coded.display as procedure_display,
  record.code.text as procedure_text,
  fhir_tokens(record.code.coding) as codings,
  fhir_at(performed) as performed_at,
  fhir_on(performed, zone) as performed_on,
  fhir_precision(performed) as performed_precision,
  fhir_at(record.performedPeriod.end) as performed_until_at,
  version_at as available_at,
  version_basis as available_basis,
  _object,
  _sequence,
  _line,
  _entry
from chosen
where record.status is distinct from 'entered-in-error'
