-- How Django's cells become values. One that says something else than its column should is NULL: checks/unreadable.sql names it, and
-- the row's metadata keeps what was written.

-- An instant; ±infinity is none.
create or replace macro django_instant(t) as
  list_filter([try_cast(t as timestamptz)], lambda instant: isfinite(instant))[1];

-- A whole number; one with a fraction is NULL, never rounded.
create or replace macro django_integer(t) as
  case when regexp_full_match(trimmed(t), '[+-]?\d+') then try_cast(trimmed(t) as bigint) end;

-- A decimal with at most the given places; one with more is NULL, never rounded.
create or replace macro django_decimal(t, places) as
  list_filter([try_cast(t as decimal(38, 10))], lambda number: number = round(number, places))[1];

-- The teeth of a cell, `11,21`, as a JSON list; NULL if one of them is no number: half a list would look like a whole one.
create or replace macro teeth_list(t) as
  list_transform([list_filter(string_split(t, ','), lambda tooth: trimmed(tooth) is not null)], lambda teeth:
    case when len(list_filter(teeth, lambda tooth: django_integer(tooth) is null)) = 0
      then to_json(list_transform(teeth, lambda tooth: django_integer(tooth))) end)[1];

-- The tasks of a template, each as JSON; NULL if the cell is no JSON.
create or replace macro task_list(t) as
  case when json_valid(t) then doc_elements(t) when trimmed(t) is null then [] end;

-- What was written, where nothing could be read from it; "no date" is read as that.
create or replace macro unread_text(value, cell) as
  case when value is null and trimmed(cell) is not null and not is_sentinel_date(cell) then cell end;

-- Of the texts of such cells, by name, those that are there; NULL if none is.
create or replace macro unread_texts(texts) as
  list_filter([json_merge_patch('{}', texts)], lambda kept: kept <> '{}')[1];

-- An object with those texts beside its own fields.
create or replace macro unread_beside(fields, texts) as
  case when texts is null then fields else json_merge_patch(fields, texts) end;
