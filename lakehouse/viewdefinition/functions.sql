-- What compiled ViewDefinitions call. Each macro gives null (FHIRPath's empty) for what it cannot read, never a guess.
-- DuckDB dialect. A leaf is JSON text as the reader writes it anew, so that a string stands in quotes (34) and no number is
-- taken for a string nor a string for a number. A number whose digits matter was put in an object before: {"$":"1.50"}.
-- What has text in its name reads a leaf that was taken without quotes.

create macro fhirpath_string(value) as
  case
    when cast(value as varchar) >= '"' and cast(value as varchar) < '#' then case
      when contains(value, '\') then json_extract_string(value, '$')
      else substr(value, 2, length(value) - 2)
    end
  end;

-- The strings at a path of the resource that may lead to several, and the first of them.
create macro fhirpath_strings(value, path) as
  list_transform(
    list_filter(json_extract(value, path), lambda part: starts_with(part, '"')), lambda part: json_extract_string(part, '$')
  );

create macro fhirpath_first_string(value, path) as
  fhirpath_strings(value, path)[1];

-- Whether a value that was taken without quotes may be no string: it looks like a number (signs and digits stand
-- before the colon), a list, an object, true or false. Where it does, and is not plainly none (a code like 8302-2, a
-- unit like [lb_av] or {score}), it is asked whether it is one.
create macro fhirpath_is_doubtful(value) as
  value < ':' or (value >= '[' and value < '\') or (value >= '{' and value < '|')
  or value = 'true' or value = 'false' or value = 'NaN' or value = 'Infinity';

create macro fhirpath_text(value, is_string) as
  case
    when fhirpath_is_doubtful(value) then case
      when value < ':' and try_cast(value as double) is null then value
      when value >= '[' and not json_valid(value) then value
      when is_string then value
    end
    else value
  end;

-- Whether a JSON text is an object with something at one of these paths, or a list at one of those.
create macro fhirpath_has_any(value, single, lists) as
  len(list_filter(json_extract(value, single), lambda part: part <> 'null')) > 0
  or len(list_filter(json_extract(value, lists), lambda part: starts_with(part, '['))) > 0;

create macro fhirpath_boolean(value) as
  case value when 'true' then true when 'false' then false end;

create macro fhirpath_decimal_text(value) as
  case
    when ascii(value) between 45 and 57 then cast(value as varchar)
    when starts_with(value, '{"$":"') then substr(value, 7, length(value) - 8)
  end;

-- The number that a decimal's text stands for.
create macro fhirpath_number(number_text) as
  nullif(nullif(try_cast(number_text as double), cast('inf' as double)), cast('-inf' as double));

-- A reader writes -Infinity for what is beyond a double.
create macro fhirpath_decimal(value) as
  case
    when cast(value as varchar) >= '0' and cast(value as varchar) < ':' then try_cast(value as double)
    when starts_with(value, '-') then nullif(try_cast(value as double), cast('-inf' as double))
    when starts_with(value, '{"$":"')
      then fhirpath_number(substr(value, 7, length(value) - 8))
  end;

-- A whole number of 32 bits, as FHIR's integer types are.
create macro fhirpath_integer(value) as
  case when regexp_full_match(value, '-?\d+') then try_cast(value as integer) end;

create macro fhirpath_integer_from(value, least) as
  case when fhirpath_integer(value) >= least then fhirpath_integer(value) end;

-- A date, a dateTime or an instant. `early` is the pattern of those that are right as they stand: days up to the 28th are
-- in every month; of those that `late` describes the calendar is asked.
create macro fhirpath_dated(value, early, late) as
  case
    when regexp_full_match(value, early) then substr(value, 2, length(value) - 2)
    when regexp_full_match(value, late) and try_cast(substr(value, 2, 10) as date) is not null
      then substr(value, 2, length(value) - 2)
  end;

-- The same for what was taken without quotes.
create macro fhirpath_text_instant(value, early, late) as
  case
    when regexp_full_match(value, early) then value
    when regexp_full_match(value, late) and try_cast(left(value, 10) as date) is not null then value
  end;

-- Only a year could be a number as well: then it is asked whether the value is a string.
create macro fhirpath_text_dated(value, early, late, is_string) as
  case
    when regexp_full_match(value, early) then case when strlen(value) > 4 then value when is_string then value end
    when regexp_full_match(value, late) and try_cast(left(value, 10) as date) is not null then value
  end;

create macro fhirpath_time(value) as
  case
    when regexp_full_match(value, '"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"')
      then substr(value, 2, length(value) - 2)
  end;

-- The id that a literal reference names, where it has the form of one by id: relative or absolute, with a version or
-- without.
create macro fhirpath_parsed_reference_id(reference, form) as
  case
    when regexp_full_match(reference, form) then split_part(split_part(reference, '/_history/', 1), '/', -1)
  end;

-- The same for one type, whose references begin with `start`; `stop` comes after all of these. The first case is the
-- usual one, and several times as fast as a regular expression.
create macro fhirpath_reference_id(reference, start, stop, form) as
  case
    when reference > start and reference < stop and not (reference like start || '%/%') and not contains(reference, '#')
      then substr(reference, length(start) + 1)
    else fhirpath_parsed_reference_id(reference, form)
  end;

-- Sums, differences and products of decimals are exact where both have at most 8 places and 10 digits before
-- them; beyond, they are those of doubles.
create macro fhirpath_is_short(value) as
  abs(value) < 1e10 and cast(try_cast(value as decimal(18, 8)) as double) = value;

create macro fhirpath_double(value) as
  cast(cast(value as varchar) as double);

-- Wide enough that no sum or product of two such overflows: a product of decimal(18, 8) is refused from 100 on.
create macro fhirpath_exactly(value) as
  cast(cast(value as decimal(18, 8)) as decimal(38, 8));

create macro fhirpath_plus(one, other) as
  case
    when fhirpath_is_short(one) and fhirpath_is_short(other)
      then fhirpath_double(fhirpath_exactly(one) + fhirpath_exactly(other))
    else one + other
  end;

create macro fhirpath_times(one, other) as
  case
    when fhirpath_is_short(one) and fhirpath_is_short(other)
      then fhirpath_double(fhirpath_exactly(one) * fhirpath_exactly(other))
    else one * other
  end;

create macro fhirpath_divide(one, other) as
  case when other <> 0 then one / other end;

-- Dates and times are compared part by part; where one ends before the other and all parts so far are alike, the
-- answer is empty. Two times with an offset are compared in UTC, two without as written. One with and one without
-- compare only where no offset (-12:00 to +14:00) could change the answer.
create macro fhirpath_is_moment(moment) as
  regexp_full_match(
    moment,
    '\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])'
    || '(?:T(?:[01]\d|2[0-3])(?::[0-5]\d(?::(?:[0-5]\d|60)(?:\.\d+)?)?)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)?)?)?)?'
  );

create macro fhirpath_zone(moment) as
  case when contains(moment, 'T') then regexp_extract(moment, '(?:Z|[+-]\d\d:\d\d)$') else '' end;

create macro fhirpath_local(moment) as
  left(moment, length(moment) - length(fhirpath_zone(moment)));

-- A local part filled up to microseconds, with the earliest or the latest that it may be.
create macro fhirpath_earliest(local_part) as
  left(local_part || substr('0000-01-01T00:00:00.000000', length(local_part) + 1), 26);

create macro fhirpath_latest(local_part) as
  left(
    case
      when length(local_part) = 4 then local_part || '-12-31T23:59:59.999999'
      when length(local_part) = 7
        then left(cast(last_day(try_cast(local_part || '-01' as date)) as varchar), 10) || 'T23:59:59.999999'
      else local_part || substr('0000-01-01T23:59:59.999999', length(local_part) + 1)
    end, 26
  );

create macro fhirpath_offset(zone) as
  case
    when zone in ('', 'Z') then interval 0 minute
    else to_minutes(
      cast(left(zone, 1) || '1' as integer)
      * (cast(substr(zone, 2, 2) as integer) * 60 + cast(substr(zone, 5, 2) as integer))
    )
  end;

-- The local part as text that compares part by part, in UTC; seconds and their fraction are one part, and there may be
-- 60 of them.
create macro fhirpath_sortable(moment) as
  case
    when length(fhirpath_local(moment)) <= 10 then fhirpath_local(moment)
    else left(
      strftime(
        try_cast(left(fhirpath_earliest(fhirpath_local(moment)), 16) as timestamp) - fhirpath_offset(fhirpath_zone(moment)),
        '%Y-%m-%dT%H:%M'
      ) || substr(fhirpath_earliest(fhirpath_local(moment)), 17),
      case length(fhirpath_local(moment)) when 13 then 13 when 16 then 16 else 26 end
    )
  end;

create macro fhirpath_order(one, other) as
  list_transform(
    [{'one': one, 'other': other, 'both': least(length(one), length(other))}],
    lambda ordered: case
      when left(ordered.one, ordered.both) < left(ordered.other, ordered.both) then -1
      when left(ordered.one, ordered.both) > left(ordered.other, ordered.both) then 1
      when length(ordered.one) = length(ordered.other) then 0
    end
  )[1];

create macro fhirpath_from(moment) as
  try_cast(replace(fhirpath_earliest(fhirpath_local(moment)), ':60', ':59') as timestamp)
  - case fhirpath_zone(moment) when '' then interval 14 hour else fhirpath_offset(fhirpath_zone(moment)) end;

create macro fhirpath_until(moment) as
  try_cast(replace(fhirpath_latest(fhirpath_local(moment)), ':60', ':59') as timestamp)
  - case fhirpath_zone(moment) when '' then interval (-12) hour else fhirpath_offset(fhirpath_zone(moment)) end;

-- -1, 0 or 1: how one moment stands to the other; null where that cannot be told.
create macro fhirpath_compare_moments(one, other) as
  case
    when not (fhirpath_is_moment(one) and fhirpath_is_moment(other)) then null
    when (fhirpath_zone(one) = '') = (fhirpath_zone(other) = '')
      then fhirpath_order(fhirpath_sortable(one), fhirpath_sortable(other))
    when fhirpath_until(one) < fhirpath_from(other) then -1
    when fhirpath_from(one) > fhirpath_until(other) then 1
  end;

create macro fhirpath_is_time(value) as
  regexp_full_match(value, '(?:[01]\d|2[0-3])(?::[0-5]\d(?::(?:[0-5]\d|60)(?:\.\d+)?)?)?');

create macro fhirpath_compare_times(one, other) as
  case
    when fhirpath_is_time(one) and fhirpath_is_time(other)
      then fhirpath_order(
        case when length(one) < 8 then one else left(one || substr('.000000000', length(one) - 7), 18) end,
        case when length(other) < 8 then other else left(other || substr('.000000000', length(other) - 7), 18) end
      )
  end;

-- The boundaries of FHIRPath: the least and the greatest that a value of this precision may stand for, at a
-- precision of `digits` (4 a year, 6 a month, 8 a day, 10 hours, 12 minutes, 14 seconds, 17 milliseconds).
create macro fhirpath_moment_length(digits) as
  case digits when 4 then 4 when 6 then 7 when 8 then 10 when 10 then 13 when 12 then 16 when 14 then 19 when 17 then 23 end;

create macro fhirpath_moment_low(moment, digits) as
  case
    when fhirpath_is_moment(moment) then
      left(fhirpath_earliest(fhirpath_local(moment)), fhirpath_moment_length(digits))
      || case when digits < 10 then '' else coalesce(nullif(fhirpath_zone(moment), ''), '+14:00') end
  end;

create macro fhirpath_moment_high(moment, digits) as
  case
    when fhirpath_is_moment(moment) then
      left(fhirpath_latest(fhirpath_local(moment)), fhirpath_moment_length(digits))
      || case when digits < 10 then '' else coalesce(nullif(fhirpath_zone(moment), ''), '-12:00') end
  end;

create macro fhirpath_time_length(digits) as
  case digits when 2 then 2 when 4 then 5 when 6 then 8 when 9 then 12 end;

create macro fhirpath_time_low(value, digits) as
  case
    when fhirpath_is_time(value)
      then left(value || substr('00:00:00.000', length(value) + 1), fhirpath_time_length(digits))
  end;

create macro fhirpath_time_high(value, digits) as
  case
    when fhirpath_is_time(value)
      then left(value || substr('23:59:59.999', length(value) + 1), fhirpath_time_length(digits))
  end;

-- The places behind the point that a number is written with: 2 in 1.50, 7 in 1e-7, none in 1e3.
create macro fhirpath_places(number_text) as
  greatest(
    length(regexp_extract(number_text, '\.(\d+)', 1))
    - coalesce(try_cast(regexp_extract(number_text, '[eE]\+?(-?\d+)$', 1) as integer), 0), 0
  );

-- Half a unit of the last place, of numbers with up to 21 digits before the point; behind the 15th place any is as
-- good as the least that is reckoned with.
create macro fhirpath_half(number_text) as
  case
    when fhirpath_places(number_text) <= 15
      then cast('0.' || repeat('0', cast(fhirpath_places(number_text) as integer)) || '5' as decimal(38, 16))
    else cast('0.0000000000000001' as decimal(38, 16))
  end;

create macro fhirpath_step(digits) as
  case
    when digits = 0 then cast(1 as decimal(38, 16))
    when digits between 1 and 15 then cast('0.' || repeat('0', cast(digits - 1 as integer)) || '1' as decimal(38, 16))
  end;

create macro fhirpath_cut(value, digits) as
  cast(
    case
      when digits = 0 then split_part(cast(value as varchar), '.', 1)
      else left(cast(value as varchar), length(split_part(cast(value as varchar), '.', 1)) + 1 + digits)
    end as decimal(38, 16)
  );

create macro fhirpath_floor(value, digits) as
  fhirpath_cut(value, digits) - case when fhirpath_cut(value, digits) > value then fhirpath_step(digits) else 0 end;

create macro fhirpath_ceiling(value, digits) as
  fhirpath_cut(value, digits) + case when fhirpath_cut(value, digits) < value then fhirpath_step(digits) else 0 end;

create macro fhirpath_decimal_low(number_text, digits) as
  case
    when fhirpath_step(digits) is not null then fhirpath_double(
      fhirpath_floor(try_cast(number_text as decimal(38, 16)) - fhirpath_half(number_text), digits)
    )
  end;

create macro fhirpath_decimal_high(number_text, digits) as
  case
    when fhirpath_step(digits) is not null then fhirpath_double(
      fhirpath_ceiling(try_cast(number_text as decimal(38, 16)) + fhirpath_half(number_text), digits)
    )
  end;
