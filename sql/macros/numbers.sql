-- Amounts and quantities. Four decimals are kept, the fifth rounds; text with an exponent was rounded by a spreadsheet and is NULL.

-- A decimal from the parts of an amount; a minus or a parenthesis on either side makes it negative.
create or replace macro decimal_of(sign, whole, fraction) as
    case when whole <> '' or fraction <> '' then try_cast(
        case when translate(sign, '(-−–', '') <> sign then '-' else '' end
        || translate(whole, '., ''’' || chr(160) || chr(8239), '') || '.' || fraction as decimal(18, 4)) end;

-- The currencies of the seven countries as they stand beside an amount, and %.
create or replace macro currency_pattern() as
    '(?:(?:US\$|RD\$|S/\.?|[€$£¥%]|euros?|EUR|USD|COP|CLP|MXN|M\.?N\.?|ARS|PEN|pesos?|soles|sol|dólares)[\s\x{A0}]*)*';

-- The regular expression of a whole cell with an amount: currency and sign on either side, then the given shapes of grouped figures or plain ones.
create or replace macro amount_pattern(grouped) as
    '(?i)^[\s\x{A0}]*' || currency_pattern() || '([(\-−–+]?)[\s\x{A0}]*' || currency_pattern()
    || '(?:' || grouped || '|(\d+)?(?:[.,]-+|[.,](\d*))?)'
    || '[\s\x{A0}]*(?:[.,]-+)?' || currency_pattern() || '([)\-−–]?)[\s\x{A0}]*' || currency_pattern() || '$';

-- A decimal where a comma parts the decimals (Spain, South America) and a point too when it is clear: with both marks the last one parts the decimals
-- (1.157,03 and 1,157.03); a mark that comes twice parts thousands (1.200.000); of one lone mark with exactly three figures
-- after it and one to three before, a point parts thousands (1.200 is 1200; not 0.500) and a comma decimals (1,200 is 1.2).
-- Any other lone mark parts decimals (231.4050, 12,5). Blanks and apostrophes part thousands. Currency signs and words go, as does %.
create or replace macro parse_decimal(t) as
    case when regexp_full_match(t, '-?\d{1,14}(?:,\d{1,4})?') then try_cast(replace(t, ',', '.') as decimal(18, 4))
    else list_transform([regexp_extract(t, amount_pattern(
            '([1-9]\d{0,2}(?:[. ''’\x{A0}\x{202F}]\d{3})+)(?:,-+|,(\d*))?|([1-9]\d{0,2}(?:[, ''’\x{A0}\x{202F}]\d{3})+)\.(\d*)|([1-9]\d{0,2}(?:,\d{3}){2,})'),
            ['s1', 'w1', 'f1', 'w2', 'f2', 'w3', 'w4', 'f4', 's2'])],
        lambda part: decimal_of(part.s1 || part.s2, part.w1 || part.w2 || part.w3 || part.w4, part.f1 || part.f2 || part.f4))[1] end;

-- The same where a point parts the decimals (Mexico, Peru, Central America, files written by programs): a lone comma before three figures parts
-- thousands (1,200 is 1200) and a lone point always decimals (1.200 is 1.2).
create or replace macro parse_decimal_point(t) as
    case when regexp_full_match(t, '-?\d{1,14}(?:\.\d{1,4})?') then try_cast(t as decimal(18, 4))
    else list_transform([regexp_extract(t, amount_pattern(
            '([1-9]\d{0,2}(?:[, ''’\x{A0}\x{202F}]\d{3})+)(?:\.-+|\.(\d*))?|([1-9]\d{0,2}(?:[. ''’\x{A0}\x{202F}]\d{3})+),(\d*)|([1-9]\d{0,2}(?:\.\d{3}){2,})'),
            ['s1', 'w1', 'f1', 'w2', 'f2', 'w3', 'w4', 'f4', 's2'])],
        lambda part: decimal_of(part.s1 || part.s2, part.w1 || part.w2 || part.w3 || part.w4, part.f1 || part.f2 || part.f4))[1] end;

-- A whole number, written as parse_decimal takes it (`8`, `8,00`, `1.200`); one with a fraction is NULL, never rounded.
create or replace macro parse_integer(t) as
    list_transform([parse_decimal(t)], lambda number: case when number = trunc(number) then cast(number as bigint) end)[1];

-- An amount by its figures alone, a second way for `control/`: a last mark before one or two figures parts the decimals.
create or replace macro control_amount(t) as
  case when regexp_matches(t, '\d') then try_cast(
    case when regexp_matches(t, '[-(−–]') then '-' else '' end
    || regexp_replace(regexp_replace(t, '[.,]\d{1,2}\D*$', ''), '\D', '', 'g')
    || '.' || coalesce(nullif(regexp_extract(t, '[.,](\d{1,2})\D*$', 1), ''), '0') as decimal(18, 2)
  ) end;
