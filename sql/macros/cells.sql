-- What a cell holds before it becomes a value. The other files call these macros; this one runs first (files run in name order,
-- and DuckDB looks macros up when it creates one that calls them).
--
-- Through all files `list_transform([a], lambda b: ...)[1]` is a "let": a macro's argument is pasted wherever it is
-- named, so without it a long expression would be evaluated once for every mention. A lambda's body is prepared anew for every 2,048 rows:
-- a regular expression with Unicode classes or long alternatives stays outside, where it is compiled once.

-- The text without outer white space, inner runs as one space; white space includes NBSP, narrow and zero-width spaces and BOM; '' is NULL.
create or replace macro trimmed(t) as
    nullif(case when regexp_matches(t, '^\s|\s$|\s\s|[\t\n\v\f\r\x{A0}\x{1680}\x{2000}-\x{200B}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}]')
        then trim(regexp_replace(t, '[\s\v\p{Z}\x{200B}\x{FEFF}]+', ' ', 'g')) else t end, '');

-- The same in lower case and without accents, to compare words; ñ becomes n.
create or replace macro plain_text(t) as
    lower(strip_accents(trimmed(t)));

-- Whether a spreadsheet has already rounded a long code (`1.24E+14`, `6,12E+08`): its digits are gone, so it can be reported but never repaired.
create or replace macro is_destroyed_code(t) as
    regexp_full_match(trimmed(t), '[+-]?\d(?:[.,]\d+)?[eE]\+\d{1,3}');

-- Whether text, once its separators are gone, is one and the same digit over and over: what a clerk types to get past a required field.
create or replace macro is_one_digit(t) as
    length(t) > 1 and replace(t, left(t, 1), '') = '';

-- `name` where a cell says something and nothing could be read from it: for `_repairs`, and for checks that list such cells.
create or replace macro unread_cell(name, value, cell) as
    case when value is null and trimmed(cell) is not null then name end;

-- A list without its nulls: names that hold, of a list of `case when ... then name end`.
create or replace macro without_nulls(names) as list_filter(names, lambda item: item is not null);
