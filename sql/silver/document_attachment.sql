/*---
about: One row per form in which a document is there, with what it is and where, never what it says.
key: [document_reference_id, attachment_number]
write: merge
by: {document_reference_id: resource_id}
owner: clinical-data
keep: 10 years
checks:
  - not_null: [patient_id]
    on_fail: quarantine
  - range: {attachment_bytes: [0, 2147483647]}
    on_fail: quarantine
  - expr: is_inline or attachment_url is not null
    on_fail: warn
  - not_null: [content_type]
    on_fail: warn
constants:
  attachment_number: place among the forms of the document
---*/
select
  told.document_reference_id,
  told.content_index + 1 as attachment_number,
  told.source,
  told.patient_id,
  told.content_type,
  told.format_code,
  told.language_code as attachment_language_code,
  cast(told.bytes as bigint) as attachment_bytes,
  told.hash as attachment_hash,
  told.url as attachment_url,
  told.title as attachment_title,
  told.is_inline,
  fhir_at(told.created) as attachment_created_at,
  fhir_at(told.date) as recorded_at,
  greatest(fhir_at(told.date), told.version_at) as available_at,
  fhir_available_basis(fhir_at(told.date), told.version_at, told.version_basis) as available_basis,
  told._object,
  told._sequence,
  told._line,
  told._entry
from fhir.document_attachment as told
