-- The only place where JSON is parsed and where FHIR's data types are read. Each macro gives null for what it
-- cannot convert, never a guess. DuckDB dialect; all zones are IANA names.

-- The parts of a resource that `shape` names, as a struct; the rest is never built. Missing or of another type
-- is null. Numbers are asked for as text and read by fhir_number, which refuses what is no number.
create macro fhir_shape(resource, shape) as
  json_transform(resource, shape);

-- The same of a part that was kept as its JSON text; null where that is none.
create macro fhir_part(part_text, shape) as
  case when json_valid(part_text) then json_transform(part_text, shape) end;

-- One text or number inside of such a part, at a JSON path.
create macro fhir_inside(part_text, path) as
  case when json_valid(part_text) then json_extract_string(part_text, path) end;

-- A JSON number from its text. The text 'NaN' (a string where a number should be) or an overflow is null.
create macro fhir_number(number_text) as
  case
    when regexp_full_match(number_text, '-?(?:0|[1-9]\d{0,30})(?:\.\d+)?(?:[eE][+-]?\d{1,2})?')
      then try_cast(number_text as double)
  end;

-- The key of the record that a reference points to, '<source>/<id>', where it points to a `target` by its id:
-- relative (Patient/7), absolute (https://…/Patient/7), either with a version (/_history/2). An absolute one is
-- taken to be of the feed's own server. Null for searches, urn:uuid:, contained and other types of resource.
create macro fhir_reference(source, reference, target) as
  case
    when regexp_full_match(
      reference,
      '(?:https?://[^?#]+/)?' || target || '/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?'
    ) then source || '/' || split_part(split_part(reference, '/_history/', 1), '/', -1)
  end;

-- The keys of those of a list of references that point to a `target`, in the order written; empty where there are none.
create macro fhir_references(source, pointers, target) as
  coalesce(
    list_filter(
      list_transform(pointers, lambda pointer: fhir_reference(source, pointer.reference, target)),
      lambda target_key: target_key is not null
    ), []
  );

-- The type of the resource that such a reference points to.
create macro fhir_reference_type(reference) as
  nullif(
    regexp_extract(
      reference,
      '^(?:https?://[^?#]+/)?([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?$', 1
    ), ''
  );

-- The types of those of a list of references that point to a resource by its id, beside their fhir_references.
create macro fhir_types(pointers) as
  coalesce(
    list_filter(
      list_transform(pointers, lambda pointer: fhir_reference_type(pointer.reference)),
      lambda target_type: target_type is not null
    ), []
  );

-- The UCUM unit of a Range, which is JSON: that of the end that has one, where the other has none or the same.
create macro fhir_range_unit(range_text) as
  case
    when range_text is null then null
    when coalesce(fhir_inside(range_text, '$.low.system'), 'http://unitsofmeasure.org') = 'http://unitsofmeasure.org'
      and coalesce(fhir_inside(range_text, '$.high.system'), 'http://unitsofmeasure.org') = 'http://unitsofmeasure.org'
      and coalesce(fhir_inside(range_text, '$.low.system'), fhir_inside(range_text, '$.high.system')) is not null
      and coalesce(fhir_inside(range_text, '$.low.code'), fhir_inside(range_text, '$.high.code'))
        = coalesce(fhir_inside(range_text, '$.high.code'), fhir_inside(range_text, '$.low.code'))
      then coalesce(fhir_inside(range_text, '$.low.code'), fhir_inside(range_text, '$.high.code'))
  end;

-- The number of a Quantity without a comparator that a part, which is JSON, has under that name.
create macro fhir_plain_number(part_text, name) as
  case
    when part_text is not null and fhir_inside(part_text, '$.' || name || '.comparator') is null
      then fhir_number(fhir_inside(part_text, '$.' || name || '.value'))
  end;

-- The observation's own part before its components, where it has any.
create macro fhir_parts(own, components) as
  list_concat([own], components);

-- A number in another unit, by the numbers that codes.vital_sign_unit has as text.
create macro fhir_converted(number, shift, factor, divisor) as
  round((number + cast(shift as double)) * cast(factor as double) / cast(divisor as double), 6);

-- How far a FHIR date or dateTime goes: 'year', 'month', 'day' or 'second'; null where it is neither.
-- A time of day without an offset says no instant, so it counts as a day.
create macro fhir_precision(time_text) as
  case
    when regexp_full_match(
      time_text,
      '\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)'
    ) and try_cast(time_text as timestamptz) is not null then 'second'
    when regexp_full_match(time_text, '\d{4}-\d{2}-\d{2}(?:T[0-9:.]+)?')
      and try_cast(left(time_text, 10) as date) is not null then 'day'
    when regexp_full_match(time_text, '\d{4}-(?:0[1-9]|1[0-2])') then 'month'
    when regexp_full_match(time_text, '\d{4}') then 'year'
  end;

-- The instant, in UTC; null without a time of day or without an offset.
create macro fhir_at(time_text) as
  case
    when fhir_precision(time_text) = 'second' then try_cast(time_text as timestamptz)
  end;

-- The date where the patient was: as written, except that an instant written in UTC (Z, +00:00 or -00:00) is
-- first turned into the source's zone, because servers that store UTC lose the local day. Null where only a
-- year or a month is known: x_precision says so, and the text stays in bronze.
create macro fhir_on(time_text, zone) as
  case
    when fhir_precision(time_text) = 'second' and regexp_matches(time_text, '(?:Z|[+-]00:00)$')
      then cast(timezone(zone, try_cast(time_text as timestamptz)) as date)
    when fhir_precision(time_text) in ('second', 'day') then try_cast(left(time_text, 10) as date)
  end;

-- The first coding of that code system, else null.
create macro fhir_coding(codings, code_system) as
  list_filter(codings, lambda coding: coding.system = code_system)[1];

-- The coding to show: the first of the preferred code system, else the first that has a code.
create macro fhir_preferred(codings, code_system) as
  coalesce(
    list_filter(codings, lambda coding: coding.system = code_system and coding.code is not null)[1],
    list_filter(codings, lambda coding: coding.code is not null)[1]
  );

-- The concept of the Medication that the record itself contains and points to by '#<id>'.
create macro fhir_contained_medication(contained, reference) as
  list_filter(
    contained, lambda item: item.resourceType = 'Medication' and '#' || item.id = reference
  )[1].code;

-- Every coding that has a code as FHIR's token, 'system|code', in the order written; what one column cannot show is
-- not lost.
create macro fhir_tokens(codings) as
  list_transform(
    list_filter(codings, lambda coding: coding.code is not null),
    lambda coding: coalesce(coding.system, '') || '|' || coding.code
  );

-- The OMB category of US Core's race and ethnicity extensions; its first where there are several.
create macro us_core_category(extensions, extension_url) as
  list_filter(
    list_filter(extensions, lambda outer_item: outer_item.url = extension_url)[1].extension,
    lambda inner_item: inner_item.url = 'ombCategory'
  )[1].valueCoding.code;

-- US Core's extension of that name.
create macro us_core_extension(extensions, name) as
  list_filter(
    extensions, lambda item: item.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-' || name
  )[1];

-- The codes of a list, each once, in the order in which each is first written; empty where there are none.
create macro fhir_once(codes) as
  coalesce(
    list_filter(codes, lambda code, place: code is not null and list_position(codes, code) = place), []
  );

-- All codes of a list of concepts, in that way.
create macro fhir_codes(concepts) as
  fhir_once(flatten(list_transform(concepts, lambda concept: list_transform(concept.coding, lambda coding: coding.code))));

-- What fhir's available time rests on: 'recorded' where the source says it wrote the fact down after the time
-- of this version, else the basis of the version's own time (updated, export or received).
create macro fhir_available_basis(recorded_at, version_at, version_basis) as
  case when recorded_at > version_at then 'recorded' else version_basis end;

-- The rank that a version id gives: its whole number, where it is one of at most 18 digits, else null.
create macro fhir_version_number(version_id) as
  case when regexp_full_match(version_id, '[0-9]{1,18}') then try_cast(version_id as bigint) end;

-- The same tokens for codings that a view hands out as lists: those with a system in the order written, then the
-- codes without one.
create macro fhir_pairs(systems, codes, bare_codes) as
  list_concat(
    list_transform(codes, lambda code, place: systems[place] || '|' || code),
    list_transform(bare_codes, lambda code: '|' || code)
  );

-- A part of the coding to show, of two that a view hands out: the preferred one where it has a code.
create macro fhir_either(preferred_code, preferred_part, first_part) as
  case when preferred_code is not null then preferred_part else first_part end;

-- The members of a resource in which references may stand, each with its JSON; always the contained resources.
create macro fhir_members(resource) as
  list_filter(
    map_entries(json_transform(resource, '"MAP(VARCHAR, JSON)"')),
    lambda member: member.key = 'contained'
      or contains(member.value, '"reference"')
      or contains(member.value, '"identifier"')
  );

-- True for a FHIR Reference, of a JSON object: one with a `reference`, or with an identifier and nothing that a Reference has not.
-- An Expression, which has a `reference` too, has a language.
create macro fhir_is_reference(json) as
  (json_type(json, '$.reference') = 'VARCHAR' and not json_exists(json, '$.language'))
  or (
    json_type(json, '$.identifier') = 'OBJECT'
    and list_has_all(['id', 'extension', 'type', '_type', 'identifier', 'display', '_display'], json_keys(json))
    and coalesce(json_type(json, '$.type'), 'VARCHAR') = 'VARCHAR'
  );

-- What a Reference says of its target.
create macro fhir_told(json) as
  json_transform(json, '{
    "reference": "VARCHAR", "type": "VARCHAR", "identifier": {"system": "VARCHAR", "value": "VARCHAR"}
  }');

-- How a Reference names its target (FHIR R4 §2.3.0.1); 'other' is a text that names none.
create macro fhir_reference_kind(reference) as
  case
    when regexp_full_match(reference, '[A-Z][A-Za-z]{1,63}/[^/|?#\s]{1,255}') then 'relative'
    when starts_with(reference, '#') then 'contained'
    when regexp_full_match(reference, 'urn:(?:uuid|oid):\S+') then 'urn'
    when regexp_full_match(reference, '(?:https?://[^?#]+/)?[A-Z][A-Za-z]{1,63}\?.*') then 'conditional'
    when regexp_full_match(
      reference, '(?:https?://[^?#]+/)?[A-Z][A-Za-z]{1,63}/[^/|?#\s]{1,255}/_history/[^/|?#\s]{1,64}'
    ) then 'versioned'
    when regexp_full_match(reference, 'https?://\S+') then 'absolute'
    when reference is not null then 'other'
    else 'identifier'
  end;

-- The 'Type/id' at the end of a literal reference, relative or absolute, with a version or without; else empty.
create macro fhir_literal(reference) as
  regexp_extract(split_part(reference, '/_history/', 1), '(?:^|/)([A-Z][A-Za-z]{1,63}/[^/|?#\s]{1,255})$', 1);

-- Text of a search parameter in which only what is not escaped by \ is still , or | (FHIR R4 §3.1.1.4.4); and the same with
-- what was escaped in its place. Null for one with a control character, which could be taken for what stands in for it.
create macro fhir_unescaped(parameter_text) as
  case
    when not regexp_matches(parameter_text, '[[:cntrl:]]')
      then replace(
        replace(replace(replace(parameter_text, '\\', chr(1)), '\,', chr(2)), '\|', chr(3)), '\$', '$'
      )
  end;

create macro fhir_restored(parameter_text) as
  replace(replace(replace(parameter_text, chr(1), '\'), chr(2), ','), chr(3), '|');

-- The tokens among which a parameter `identifier=…` of a search wants one (§3.1.1.4.10), written with % as RFC 3986 has it; a system
-- of null is any, and an empty one is none. Null for what is no such parameter, has a modifier, or is not text.
create macro fhir_wanted_tokens(parameter) as
  case
    when starts_with(parameter, 'identifier=')
      and not regexp_matches(regexp_replace(parameter, '%[0-9A-Fa-f]{2}', '', 'g'), '%')
      then list_transform(
        string_split(fhir_unescaped(try(url_decode(substr(parameter, 12)))), ','),
        lambda token: {
          system: case when contains(token, '|') then fhir_restored(split_part(token, '|', 1)) end,
          value: fhir_restored(substr(token, 1 + strpos(token, '|')))
        }
      )
  end;

-- What a conditional reference asks of its target: a list of tokens for each criterion, of which all must hold. Null where one of
-- them is not to be judged by identifiers: another parameter or a modifier, a token without a value, a fragment, or none.
create macro fhir_criteria(reference) as
  list_filter(
    [
      list_transform(
        list_filter(
          string_split(regexp_extract(reference, '\?([^#]*)$', 1), '&'), lambda parameter: parameter <> ''
        ),
        lambda parameter: fhir_wanted_tokens(parameter)
      )
    ],
    lambda criteria: len(criteria) > 0 and len(
      list_filter(
        criteria,
        lambda tokens: tokens is null or len(list_filter(tokens, lambda token: token.value = '')) > 0
      )
    ) = 0
  )[1];

-- The type that a Reference names, of which its own text knows best; null where it names none.
create macro fhir_target_type(kind, told) as
  nullif(
    case kind
      when 'relative' then split_part(told.reference, '/', 1)
      when 'versioned' then split_part(fhir_literal(told.reference), '/', 1)
      when 'absolute' then split_part(fhir_literal(told.reference), '/', 1)
      when 'conditional' then regexp_extract(told.reference, '([A-Z][A-Za-z]{1,63})\?', 1)
      else split_part(told.type, '/', -1)
    end,
    ''
  );

-- The id that a Reference names; null where it names none. A record that came in a Bundle without an id has that of
-- its urn.
create macro fhir_target_key(source, kind, told) as
  source || '/' || nullif(
    case kind
      when 'relative' then split_part(told.reference, '/', 2)
      when 'versioned' then split_part(fhir_literal(told.reference), '/', 2)
      when 'absolute' then split_part(fhir_literal(told.reference), '/', 2)
      when 'urn' then split_part(told.reference, ':', -1)
    end,
    ''
  );

-- The identifiers by which a Reference asks for its target, as criteria; else null. A urn is an identifier of the system
-- that FHIR has for addresses.
create macro fhir_asked(kind, told) as
  case kind
    when 'identifier'
      then case
        when told.identifier.value <> ''
          then [[{system: coalesce(told.identifier.system, ''), value: told.identifier.value}]]
      end
    when 'urn' then [[{system: 'urn:ietf:rfc:3986', value: told.reference}]]
    when 'conditional' then fhir_criteria(told.reference)
  end;

-- The version that a reference names, which does not decide what it points to.
create macro fhir_target_version(kind, told) as
  case when kind = 'versioned' then split_part(told.reference, '/_history/', 2) end;

-- The contained resources among the members of a resource, and the resource itself under an empty id.
create macro fhir_contained(resource_type, resource_id, members) as
  list_concat(
    [{id: '', type: resource_type, key: resource_id}],
    list_transform(
      json_transform(
        list_filter(members, lambda member: member.key = 'contained')[1].value,
        '[{"resourceType": "VARCHAR", "id": "VARCHAR"}]'
      ),
      lambda held: {id: held.id, type: held.resourceType, key: resource_id || '#' || held.id}
    )
  );

-- One target as such a list.
create macro fhir_target(target_type, target_key) as
  [{id: '', type: target_type, key: target_key}];

-- Those among them that a reference '#id' names.
create macro fhir_contained_in(contained, reference) as
  list_filter(contained, lambda held: held.id = substr(reference, 2));

-- False for a text of JSON in which no Reference can ask by urn or by identifier; to be told without reading the JSON.
-- What is escaped may be anything.
create macro fhir_may_ask(resource) as
  contains(resource, 'identifier=') or contains(resource, 'urn:') or contains(resource, '\u')
  or case when contains(resource, '"identifier"') then regexp_matches(resource, '"identifier"\s*:\s*\{') end;

-- What the number of its targets makes of a reference; a conditional one is not looked for where nothing was asked.
create macro fhir_reference_status(kind, asked, n_target) as
  case
    when kind = 'conditional' and asked is null then 'unjudged'
    when n_target = 0 then 'dangling'
    when n_target = 1 then 'resolved'
    else 'ambiguous'
  end;

-- The identifiers of a resource, of which most types may have several and some have one.
create macro fhir_identifiers(resource) as
  json_transform(
    case json_type(resource, '$.identifier')
      when 'ARRAY' then json_extract(resource, '$.identifier')
      when 'OBJECT' then json_array(json_extract(resource, '$.identifier'))
    end,
    '[{"use": "VARCHAR", "system": "VARCHAR", "value": "VARCHAR"}]'
  );

-- The path of an element below a member of a resource; and a path without its places.
create macro fhir_element_path(member, path) as
  member || substr(path, 2);

create macro fhir_element(element_path) as
  regexp_replace(element_path, '\[\d+\]', '', 'g');

-- A list and the members of further lists behind it.
create macro fhir_longer(members, further) as
  case when further is null then members else list_concat(members, flatten(further)) end;

-- True for the text of a JSON object or array: [ and { (91 and 123) differ in one bit.
create macro fhir_is_structure(part_text) as
  coalesce(ascii(part_text) & 223 = 91 and json_valid(part_text), false);

-- The concepts of an element that was kept as its JSON text: one, or a list of them. A Coding is told from a
-- CodeableConcept by a system or code of its own.
create macro fhir_concepts(concepts_text) as
  json_transform(
    case when left(concepts_text, 1) = '[' then concepts_text else '[' || concepts_text || ']' end,
    '[{
      "coding": [{
        "system": "VARCHAR", "version": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR", "userSelected": "BOOLEAN"
      }],
      "system": "VARCHAR", "version": "VARCHAR", "code": "VARCHAR", "display": "VARCHAR", "userSelected": "BOOLEAN"
    }]'
  );

-- The codings of such a concept.
create macro fhir_codings(concept) as
  case
    when concept.coding is not null then concept.coding
    when concept.system is not null or concept.code is not null
      then [
        {
          'system': concept.system,
          'version': concept.version,
          'code': concept.code,
          'display': concept.display,
          'userSelected': concept.userSelected
        }
      ]
  end;

-- Labels as tokens, also those of which only the system is told: a filter must see that there is one. Empty where
-- there are none.
create macro fhir_labels(labels) as
  coalesce(
    list_transform(
      labels, lambda label: coalesce(label.system, '') || '|' || coalesce(label.code, '')
    ), []
  );

-- A field of what was opened late: lineage follows it to the element that was kept as text.
create macro fhir_field(opened, name) as
  struct_extract(opened, name);
