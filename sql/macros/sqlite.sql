-- What SQLite databases hold: it has no type for times, and lets any bytes stand as text.

-- An instant from any way in which SQLite's functions read a time, as UTC: a day number (Julian, with a fraction) below 5373484.5,
-- other numbers as seconds since 1970, or as milliseconds from 1e11 on, which programs in JavaScript and Java write; text in ISO form, with or
-- without a zone (https://sqlite.org/lang_datefunc.html, modifier `auto`). To the millisecond where it is a number.
create or replace macro sqlite_instant(t) as
    list_transform([trimmed(t)], lambda cell: case
        when regexp_full_match(cell, '-?\d+(?:\.\d+)?(?:e[+-]?\d+)?') then list_transform([try_cast(cell as double)], lambda number:
            timezone('UTC', make_timestamp(1000 * cast(round(case
                when number between 0 and 5373484.5 then (number - 2440587.5) * 86400000
                when abs(number) < 1e11 then number * 1000
                when abs(number) < 1e14 then number end) as bigint))))[1]
        when regexp_full_match(cell, '\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?')
            then list_transform([regexp_extract(cell, '^(.{10})(?:.(.{5})(:\d+[.\d]*)?(Z|[+-].*)?)?$', ['day', 'clock', 'second', 'zone'])],
                lambda part: try_cast(part.day || ' ' || case part.clock when '' then '00:00' else part.clock end || case part.second when '' then ':00' else part.second end
                    || case when part.zone in ('', 'Z') then '+00' else part.zone end as timestamptz))[1] end)[1];

-- The text of bytes that are not UTF-8 and came as `\x` hex (`_type_<column>` says `bytes`), read as Latin-1 (ISO 8859-1), in which every byte but
-- the controls is a character; any other kind stays as it is.
create or replace macro sqlite_text(t, kind) as
    case when kind = 'bytes' then array_to_string(list_transform(range(3, length(t), 2), lambda place: chr(cast('0x' || substr(t, place, 2) as int))), '') else t end;
