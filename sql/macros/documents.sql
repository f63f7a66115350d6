-- Values of documents: MongoDB's Extended JSON in all its forms (version 1 and 2, relaxed and canonical), as they stand inside `_doc`,
-- in a column of a document source, or in an element of an array. They take JSON as well as text.

-- The text of a value without its wrapper: `{"$oid": "..."}`, `{"$numberLong": "5"}`, `"x"` and `x` give what is inside; a `$date` gives
-- what it holds (use mongo_ts), an object or array its JSON, null and undefined NULL.
create or replace macro mongo_text(v) as
    list_transform([trim(v::varchar)], lambda t: case
        when t in ('null', '') or starts_with(t, '{"$undefined"') then null
        when starts_with(t, '"') and json_valid(t) then t->>'$'
        when starts_with(t, '{') and json_valid(t) then coalesce(
            t->>'$."$oid"', t->>'$."$numberInt"', t->>'$."$numberLong"', t->>'$."$numberDouble"', t->>'$."$numberDecimal"',
            t->>'$."$symbol"', t->>'$."$uuid"', t->>'$."$date"."$numberLong"', t->>'$."$date"', t)
        else t end)[1];

-- The 24 hex digits of an ObjectId, bare or wrapped; else NULL.
create or replace macro mongo_oid(v) as
    list_filter([lower(mongo_text(v))], lambda t: regexp_full_match(t, '[0-9a-f]{24}'))[1];

-- An instant: a native date, `$date` as text, number or `$numberLong`, milliseconds, ISO 8601 with Z or an offset. A time without an
-- offset is NULL (it is nobody's instant: read it with parse_timestamp and local_ts), and so is one that DuckDB cannot hold.
create or replace macro mongo_ts(v) as
    list_transform([mongo_text(v)], lambda t: case
        when regexp_full_match(t, '-?\d{1,16}') then case
            when t::bigint between -9223372022400000 and 9223372036854775 then make_timestamp_ms(t::bigint) at time zone 'UTC' end
        when regexp_full_match(t, '\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*([Zz]|[+-]\d\d(:?\d\d)?)') then try_cast(t as timestamptz) end)[1];

-- A number's own digits, never rounded: `5`, `5.0`, `{"$numberDecimal": "1.10"}`; also NaN and Infinity; else NULL.
create or replace macro mongo_number(v) as
    list_filter([mongo_text(v)], lambda t: regexp_full_match(t, '[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|NaN|-?Infinity'))[1];

-- A whole number; one with a fraction other than zero is NULL, never rounded.
create or replace macro mongo_long(v) as
    list_transform([mongo_text(v)], lambda t:
        case when regexp_full_match(t, '[+-]?\d+(\.0*)?') then try_cast(regexp_replace(t, '\..*', '') as bigint) end)[1];

-- true or false as BSON has them; else NULL (for words and numbers see parse_yes_no).
create or replace macro mongo_bool(v) as
    case mongo_text(v) when 'true' then true when 'false' then false end;

-- An array's elements as JSON, for unnest; of null and missing none, of a value that is no array that one value.
create or replace macro mongo_list(v) as
    list_transform([trim(v::varchar)], lambda t: case
        when t is null or t in ('null', '') then []::json[]
        when starts_with(t, '[') and json_valid(t) then json_extract(t, '$[*]')
        when json_valid(t) then [t::json]
        else [to_json(t)] end)[1];

-- Whether a document has a field, be it null: a column tells null and missing not apart, `_doc` does.
create or replace macro doc_has(doc, field) as
    json_exists(doc, '$."' || field || '"');
