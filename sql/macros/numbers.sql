-- Amounts and quantities. Four decimals are kept, the fifth rounds; text with an exponent was rounded by a spreadsheet and is NULL.

-- The figures, separators and sign of an amount, without currency: '-1.157,03' of '(1.157,03 €)'; '?' stands where anything else is in the cell.
create or replace macro bare_amount(t) as
    list_transform([regexp_replace(regexp_replace(lower(trimmed(t)),
            '[€$£¥%]|\b(?:euros?|eur|usd|us|cop|clp|mxn|mx|m\.?n|ars|ar|pen|rd|pesos?|soles|sol|dólares|s|bs)\b[./]*', ' ', 'g'),
            '[.,]-+\s*$', '')],
        lambda amount: case
            when regexp_matches(amount, '^[^\d]*[(\-−–]|\d\s*[\-−–]\s*$') then '-' else '' end
            || regexp_replace(regexp_replace(amount, '^\s*[(\-−–+]?\s*|\s*[)\-−–]?\s*$', '', 'g'), '[^\d.,'' ’]', '?', 'g'))[1];

-- The number of a bare amount whose point and commas part thousands as group says and the decimals as the other mark.
create or replace macro decimal_of(amount, group_mark, decimal_mark) as
    try_cast(replace(regexp_replace(replace(amount, group_mark, ''), '[ ''’]', '', 'g'), decimal_mark, '.') as decimal(18, 4));

-- A decimal where a comma parts the decimals (Spain, South America) and a point too when it is clear: with both marks the last one parts the decimals
-- (1.157,03 and 1,157.03); a mark that comes twice parts thousands (1.200.000); of one lone mark with exactly three figures
-- after it and one to three before, a point parts thousands (1.200 is 1200; not 0.500) and a comma decimals (1,200 is 1.2).
-- Any other lone mark parts decimals (231.4050, 12,5).
create or replace macro parse_decimal(t) as
    case when regexp_full_match(t, '-?\d{1,14}(?:,\d{1,4})?') then try_cast(replace(t, ',', '.') as decimal(18, 4))
    else list_transform([bare_amount(t)], lambda amount: case
        when regexp_full_match(amount, '-?[1-9]\d{0,2}(?:[. ''’]\d{3})+(?:,\d*)?') then decimal_of(amount, '.', ',')
        when regexp_full_match(amount, '-?[1-9]\d{0,2}(?:[, ''’]\d{3})+\.\d*|-?[1-9]\d{0,2}(?:,\d{3}){2,}') then decimal_of(amount, ',', '.')
        when regexp_full_match(amount, '-?(?:\d+[.,]?\d*|[.,]\d+)') then decimal_of(amount, '', ',') end)[1] end;

-- The same where a point parts the decimals (Mexico, Peru, Central America, files written by programs): a lone comma before three figures parts
-- thousands (1,200 is 1200) and a lone point always decimals (1.200 is 1.2).
create or replace macro parse_decimal_point(t) as
    case when regexp_full_match(t, '-?\d{1,14}(?:\.\d{1,4})?') then try_cast(t as decimal(18, 4))
    else list_transform([bare_amount(t)], lambda amount: case
        when regexp_full_match(amount, '-?[1-9]\d{0,2}(?:[, ''’]\d{3})+(?:\.\d*)?') then decimal_of(amount, ',', '.')
        when regexp_full_match(amount, '-?[1-9]\d{0,2}(?:[. ''’]\d{3})+,\d*|-?[1-9]\d{0,2}(?:\.\d{3}){2,}') then decimal_of(amount, '.', ',')
        when regexp_full_match(amount, '-?(?:\d+[.,]?\d*|[.,]\d+)') then decimal_of(amount, '', ',') end)[1] end;
