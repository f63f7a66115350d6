-- Dates as Spanish-speaking offices write them. A date that no calendar holds (31/02/2020) is NULL, and the month never comes first in
-- figures: 12/31/2020 is NULL, not a guess.

-- A four-digit year from two or four digits: two digits fall in the hundred years that end with last_year.
create or replace macro full_year(year, last_year) as
    case when length(year) > 2 then try_cast(year as int)
         else last_year - (last_year - try_cast(year as int)) % 100 end;

-- The date with these parts, as text of digits; NULL where one is missing or the calendar has no such day.
create or replace macro date_of(year, month, day, last_year) as
    case when day <> '' then try_cast(full_year(year, last_year) || '-' || month || '-' || day as date) end;

-- The number of a month from three or more letters of its Spanish or English name (ene, sept, setiembre, Aug); else NULL.
create or replace macro month_number(t) as
    list_transform([lower(t)], lambda name: case
        when length(name) >= 3 and contains(
            '|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre'
            || '|january|february|march|april|june|july|august|september|october|november|december', '|' || name)
        then (list_position(
            ['ene', 'feb', 'mar', 'abr', 'may', 'jun', 'jul', 'ago', 'sep', 'oct', 'nov', 'dic',
             'jan', '', '', 'apr', '', '', '', 'aug', 'set', '', '', 'dec'], left(name, 3)) - 1) % 12 + 1 end)[1];

-- A date unless it is a program's way of saying "none" (see is_sentinel_date), or a year that no calendar in use or no clinic reaches:
-- before 1583, the first whole Gregorian year, or after 2899.
create or replace macro without_sentinel(day) as
    list_filter([day], lambda d: d between date '1583-01-01' and date '2899-12-31'
        and d not in (date '1601-01-01', date '1753-01-01', date '1899-12-30', date '1899-12-31', date '1900-01-01'))[1];

-- Figures in day-first order with any of / . - or space, year of 2 or 4 digits, a time may follow.
create or replace macro date_day_first(t, last_year) as
    list_transform([regexp_extract(t, '^[\s\x{A0}]*(\d{1,2})(?:\s*[/.\-]\s*|\s)(\d{1,2})(?:\s*[/.\-]\s*|\s)(\d{4}|\d{2})'
            || '(?:[tT,\s\x{A0}]+\d{1,2}(?:[:.hH]|\s*[aApP]).*)?[\s\x{A0}.,;]*$', ['d', 'm', 'y'])],
        lambda part: date_of(part.y, part.m, part.d, last_year))[1];

-- Figures in year-first order, a time may follow; a zone is not applied: the date is the one written.
create or replace macro date_year_first(t) as
    list_transform([regexp_extract(t, '^[\s\x{A0}]*(\d{4})\s*[/.\-]\s*(\d{1,2})\s*[/.\-]\s*(\d{1,2})'
            || '(?:[tT,\s\x{A0}]+\d{1,2}(?:[:.hH]|\s*[aApP]).*)?[\s\x{A0}.,;]*$', ['y', 'm', 'd'])],
        lambda part: date_of(part.y, part.m, part.d, 0))[1];

-- Eight figures: yyyymmdd, else ddmmyyyy. Both at once cannot be: the year's first two figures, 18 to 21, are no month.
create or replace macro date_compact(t) as
    list_transform([regexp_extract(t, '^\s*(\d{8})\s*$', 1)], lambda cell: coalesce(
        list_filter([date_of(cell[1:4], cell[5:6], cell[7:8], 0)], lambda d: year(d) between 1800 and 2199)[1],
        date_of(cell[5:8], cell[3:4], cell[1:2], 0)))[1];

-- A spreadsheet's day number (1900 system, day 0 = 1899-12-30) from 2200 to 99999, with or without a time as fraction. Smaller
-- ones are years; the leap day of 1900 that Excel invented is below them (Microsoft, "Excel incorrectly assumes that 1900 is a leap year").
create or replace macro date_serial(t) as
    list_transform([try_cast(nullif(regexp_extract(t, '^\s*(\d{4,5})(?:[.,]\d+)?\s*$', 1), '') as int)], lambda n:
        case when n >= 2200 then date '1899-12-30' + n end)[1];

-- A month by name: `02 de nov de 1977`, `2-ENE-98`, `lunes, 3 de mayo del 2021`, `Mayo 3, 2001`, `2001-ene-03`; a time may follow.
create or replace macro date_named(t, last_year) as
    list_transform([regexp_extract(t,
            '^[\s\x{A0}]*(?:[lmjvsdtwfLMJVSDTWF][a-zA-ZáéÁÉ]{1,8}[.,]*\s+)?(?:[eE][lL]\s+)?(\d{1,2})(?:[º°ª]|[rnstRNST][a-zA-Z])?[\s\x{A0}\-/.,]*(?:[dD][eE]\s+)?'
            || '([a-zA-Z]{3,10})[\s\x{A0}\-/.,]*(?:[dD][eE][lL]?\s+)?(?:[aA][ñÑ][oO]\s+)?''?(\d{4}|\d{2})(?:[tT,\s\x{A0}]+\d{1,2}(?:[:.hH]|\s*[aApP]).*)?[\s\x{A0}.,;]*$'
            || '|^\s*([a-zA-Z]{3,10})[\s.]+(\d{1,2})(?:[rnstRNST][a-zA-Z])?[\s,]+(\d{4})\s*$|^\s*(\d{4})[\s\-/.]+([a-zA-Z]{3,10})[\s\-/.]+(\d{1,2})\s*$',
            ['d1', 'm1', 'y1', 'm2', 'd2', 'y2', 'y3', 'm3', 'd3'])],
        lambda part: date_of(part.y1 || part.y2 || part.y3, month_number(part.m1 || part.m2 || part.m3)::varchar,
            part.d1 || part.d2 || part.d3, last_year))[1];

-- A date in any of the spellings above; last_year is the last year that a two-digit year may mean. The two common
-- spellings are told by their shape first: a failed strptime costs as much as five regular expressions.
create or replace macro parse_date_pivot(t, last_year) as
    without_sentinel(case
        when regexp_full_match(t, '\d{1,2}/\d{1,2}/\d{4}') then try_strptime(t, '%d/%m/%Y')::date
        when regexp_full_match(t, '\d{4}-\d{1,2}-\d{1,2}') then try_cast(t as date)
        when regexp_matches(t, '[a-zA-Z]{3}') then date_named(t, last_year)
        else coalesce(date_day_first(t, last_year), date_year_first(t), date_serial(t), date_compact(t)) end);

-- A date; two-digit years mean 1930 to 2029, as in Excel. For birth dates give the year of the export: parse_date_pivot(t, 2026).
create or replace macro parse_date(t) as parse_date_pivot(t, 2029);

-- Whether the cell is a program's way of saying "no date": day, month or year of zeros, a year below 2 or of 9999, and the first days of
-- FILETIME (1601-01-01), SQL Server (1753-01-01, 1900-01-01), Delphi, Access and Excel (1899-12-30 and -31, 1900-01-00, numbers 0 and 2958465), 2999-12-31.
create or replace macro is_sentinel_date(t) as
    regexp_matches(trimmed(t),
        '^(?:-?\d{1,4}[/.\-]0{1,2}[/.\-]\d{1,4}|\d{3,4}[/.\-]\d{1,2}[/.\-]0{1,2}|0{1,2}[/.\-]\d{1,2}[/.\-]-?\d{1,4}'
        || '|(?:-\d{1,4}|0{4}|0001|9999)[/.\-]\d{1,2}[/.\-]\d{1,2}|\d{1,2}[/.\-]\d{1,2}[/.\-](?:-\d{1,4}|0{4}|0001|9999)'
        || '|1899[/.\-]12[/.\-]3[01]|3[01][/.\-]12[/.\-]1899|(?:1601|1753|1900)[/.\-]0?1[/.\-]0?1|0?1[/.\-]0?1[/.\-](?:1601|1753|1900)'
        || '|2999[/.\-]12[/.\-]31|31[/.\-]12[/.\-]2999|0{8}|(?:0|2958465)(?:[.,]0+)?)(?:[tT\s].*)?$');
