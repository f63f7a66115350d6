-- Times of day, and dates with a time, as local time: what the clock on the wall of the clinic showed.

-- The time with these parts; half is 'a', 'p', 'm' (Colombian `12 m`, noon) or ''. Hour 0 may be AM, an hour above 12 may be PM but not AM.
create or replace macro time_of(hour, minute, second, fraction, half) as
    list_transform([try_cast(hour as int)], lambda h: try_cast(case
            when half = '' then h
            when half = 'm' then case when h = 12 then 12 end
            when half = 'p' then case when h < 12 then h + 12 when h < 24 then h end
            when h < 12 then h
            when h = 12 then 0 end
        || ':' || case minute when '' then '00' else minute end
        || ':' || case second when '' then '00' else second end
        || '.' || case fraction when '' then '0' else fraction end as time))[1];

-- The time of day of a spreadsheet's day fraction, to the millisecond (15 significant figures hold no more with a date before them).
create or replace macro time_serial(t) as
    list_transform([round((try_cast(t as double) % 1) * 86400000)::bigint], lambda ms:
        case when ms < 86400000 then time '00:00:00' + to_milliseconds(ms) end)[1];

-- A time: `15:05`, `9.05h`, `15h30`, `3:05 p. m.`, `12:00 am`, `1530`, `24:00` (the end of the day: PostgreSQL has it too); a date may stand before it.
-- An hour alone (`9`) is NULL, and so is a time with a zone. A fraction of a day is a spreadsheet's if it has three or
-- more decimals or is .25, .5 or .75; otherwise a point parts hours and minutes (`0.30`).
create or replace macro parse_time(t) as
    case when regexp_full_match(t, '\d{1,2}:\d{2}(?::\d{2})?') then try_cast(case when t[2] = ':' then '0' || t else t end as time)
    else list_transform([lower(trimmed(t))], lambda cell: case
        when regexp_full_match(cell, '0?[.,](?:25|5|75|\d{3,})|[2-9]\d{3}[.,]\d+|\d{5}[.,]\d+') then time_serial(replace(cell, ',', '.'))
        when regexp_full_match(cell, '[01]\d[0-5]\d|2[0-3][0-5]\d') then try_cast(cell[1:2] || ':' || cell[3:4] || ':00' as time)
        else list_transform([regexp_extract(cell,
                '^(?:[^:]*\d{2}[t,\s]+)?(?:a las? )?(\d{1,2})(?:\s?[:.h]\s?(\d{2})(?:\s?[:.m]\s?(\d{2})(?:[.,](\d{1,6})\d*)?)?)?'
                || '\s?(h|hs|hrs?|horas?)?[.,]?\s?(?:([apm])(?:\s?\.?\s?m)?)?[.\s]*$', ['h', 'm', 's', 'f', 'mark', 'half'])],
            lambda part: case when part.m <> '' or part.mark <> '' or part.half <> ''
                then time_of(part.h, part.m, part.s, part.f, part.half) end)[1]
        end)[1] end;

-- A date and time from a cell that may hold a date only (then midnight). Text with a zone or offset is NULL: it is no local time; cast it to timestamptz.
create or replace macro timestamp_of(t) as
    list_transform([regexp_extract(t, '^(.*?)(?:(?:\s*[T,]\s*|\s+)(?:a las? )?(\d{1,2}(?:\s?[:.hH].*|\s*[aApP]\s?\.?\s?[mM].*)))?$', ['day', 'clock'])],
        lambda part: parse_date(part.day)
            + case part.clock when '' then time '00:00:00' else parse_time(part.clock) end)[1];

-- A local timestamp: any date of parse_date, then any time of parse_time, or a spreadsheet's day number with a fraction (`44197.5`).
create or replace macro parse_timestamp(t) as
    case
        when regexp_full_match(t, '\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?')
            then without_sentinel(try_cast(left(t, 10) as date)) + try_cast(substr(t, 12) as time)
        when regexp_full_match(t, '\d{2}/\d{2}/\d{4} \d{2}:\d{2}(?::\d{2})?')
            then without_sentinel(try_strptime(left(t, 10), '%d/%m/%Y')::date) + try_cast(substr(t, 12) as time)
        when regexp_full_match(t, '\s*\d{4,5}[.,]\d+\s*') then list_transform([try_cast(replace(t, ',', '.') as double)], lambda number:
            case when number >= 2200 then date '1899-12-30' + to_milliseconds(round(number * 86400000)::bigint) end)[1]
        else timestamp_of(trimmed(t)) end;

-- A length of time in minutes: `45`, `45 min`, `45'`, `1 h`, `1h30`, `1:30`, `01:30:00`, `1 hora y 30 minutos`. Figures alone are minutes; words
-- (media hora), fractions and seconds are NULL.
create or replace macro parse_minutes(t) as
    list_transform([regexp_extract(lower(trimmed(t)),
            '^(?:(\d{1,2}):([0-5]\d)(?::00)?(?: ?h| ?hrs?)?'
            || '|(\d{1,2}) ?(?:h|hs|hrs?|horas?)\.?(?: ?(?:y )?([0-5]?\d) ?(?:''|m|mins?|minutos?)?\.?)?'
            || '|(\d{1,4})(?:[.,]0+)? ?(?:''|m|mins?|minutos?)?\.?)$', ['h1', 'm1', 'h2', 'm2', 'm3'])],
        lambda part: case when part.h1 || part.h2 || part.m3 <> '' then
            60 * coalesce(try_cast(part.h1 || part.h2 as int), 0) + coalesce(try_cast(part.m1 || part.m2 || part.m3 as int), 0) end)[1];
