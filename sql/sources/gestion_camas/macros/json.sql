-- JSON columns as the old program wrote them: JSON, or what Python prints of its own values.

-- What Python's repr prints of lists, dictionaries, True, False and None, as JSON text; not for texts that hold quotes themselves.
create or replace macro python_json(t) as
    regexp_replace(regexp_replace(regexp_replace(replace(t, '''', '"'), '\bTrue\b', 'true', 'g'), '\bFalse\b', 'false', 'g'), '\bNone\b', 'null', 'g');

-- The JSON of a cell in either spelling; NULL where it is neither, or nothing.
create or replace macro cell_json(t) as
    case when json_valid(trimmed(t)) then cast(trimmed(t) as json) when json_valid(python_json(trimmed(t))) then cast(python_json(trimmed(t)) as json) end;
