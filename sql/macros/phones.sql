-- Telephone numbers to E.164 (ITU-T E.164; national numbering plans as filed with the ITU) for ES, CO, CL, MX, AR, PE and EC.

-- The country a number with + or 00 belongs to, from its digits after that mark; 'other' for any country that is none of the seven.
create or replace macro phone_country(digits) as
    case when left(digits, 2) = '34' then 'ES' when left(digits, 2) = '57' then 'CO' when left(digits, 2) = '56' then 'CL'
         when left(digits, 2) = '52' then 'MX' when left(digits, 2) = '54' then 'AR' when left(digits, 2) = '51' then 'PE'
         when left(digits, 3) = '593' then 'EC' else 'other' end;

-- Argentina: the mobile mark 15 after the area code (2, 3 or 4 figures, 10 with the number) becomes the 9 before it;
-- 15 and eight figures without area is Buenos Aires, the only area with eight-figure numbers.
create or replace macro phone_ar_mobile(digits) as
    regexp_replace(regexp_replace(digits,
        '^(?:54)?9?0?(?:(11)15(\d{8})|([23]\d\d)15(\d{7})|([23]\d{3})15(\d{6}))$', '9\1\2\3\4\5\6'),
        '^0?15([2-9]\d{7})$', '911\1');

-- The number with its country code but without +, from digits with or without that code and the prefixes of long distance; '' if there is no such number.
-- CO: landlines before 2021 (area and 7 figures) get their 60. CL: 8 figures get the 9 of mobiles (8, 9) or the 2 of Santiago (2). MX: 01, 044, 045
-- and the mobile 1 after 52 go. AR: see above; ten figures without 15 or 9 stay as they are, landline or not.
create or replace macro phone_digits(digits, country) as
    case country
        when 'ES' then regexp_replace(regexp_extract(digits, '^(?:34)?0?[6-9]\d{8}$'), '^(?:34)?0?(\d{9})$', '34\1')
        when 'CO' then regexp_replace(regexp_replace(
            regexp_extract(digits, '^(?:57)?0?(?:3\d{9}|60[124-8]\d{7}|[124-8][2-9]\d{6})$'),
            '^(?:57)?0?(\d{10})$', '57\1'), '^(?:57)?0?(\d{8})$', '5760\1')
        when 'CL' then regexp_replace(regexp_replace(regexp_replace(
            regexp_extract(digits, '^(?:56)?0?(?:[2-79]\d{8}|[289]\d{7})$'),
            '^(?:56)?0?(\d{9})$', '56\1'), '^(?:56)?0?([89]\d{7})$', '569\1'), '^(?:56)?0?(2\d{7})$', '562\1')
        when 'MX' then regexp_replace(regexp_extract(digits, '^(?:521?)?(?:04[45]|01)?[2-9]\d{9}$'), '^.*(\d{10})$', '52\1')
        when 'AR' then regexp_replace(regexp_extract(phone_ar_mobile(digits), '^(?:54)?9?0?(?:11\d{8}|[23]\d{9})$'),
            '^(?:54)?(9?)0?(\d{10})$', '54\1\2')
        when 'PE' then regexp_replace(regexp_extract(digits, '^(?:51)?0?(?:9\d{8}|[14-8]\d{7})$'), '^(?:51)?0?(\d{8,9})$', '51\1')
        when 'EC' then regexp_replace(regexp_extract(digits, '^(?:593)?0?(?:9\d{8}|[2-7]\d{7})$'), '^(?:593)?0?(\d{8,9})$', '593\1')
        when 'other' then regexp_extract(digits, '^[1-9]\d{7,14}$')
        else '' end;

-- Whether the digits are what a clerk types to get past a required field: one digit over and over, zeros after the first, the row of keys.
create or replace macro phone_is_filler(digits) as
    is_one_digit(digits) or regexp_full_match(digits, '\d0+')
        or contains('12345678901234567890', digits) or contains('98765432109876543210', digits);

-- One number: figures and a leading + only.
create or replace macro phone_of(figures, country) as
    list_transform([case when figures[1] = '+' then {'digits': figures[2:], 'country': phone_country(figures[2:])}
            when figures[1:2] = '00' then {'digits': figures[3:], 'country': phone_country(figures[3:])}
            else {'digits': figures, 'country': country} end],
        lambda number: case when not phone_is_filler(number.digits) then
            list_filter([phone_digits(number.digits, number.country)], lambda e164:
                e164 <> '' and not phone_is_filler(e164[3:]) and not phone_is_filler(e164[4:]))[1] end)[1];

-- Two numbers written without a mark between them: the first half, if each half is a number.
create or replace macro phone_first_half(digits, country) as
    case when length(digits) between 14 and 24 and length(digits) % 2 = 0
            and phone_of(right(digits, length(digits) // 2), country) is not null
        then phone_of(left(digits, length(digits) // 2), country) end;

-- The first number of a cell that is valid in its country, as E.164 (`+34600123456`). A number with + or 00 keeps its own country;
-- without it is one of `country` (ISO 3166, two letters). Too short or long, of no known range, filler and numbers that a spreadsheet
-- destroyed (6.12E+08) are NULL. The whole cell is tried first, then its parts between / ; , | "y", "o", "-", "ext".
create or replace macro phone_e164(t, country) as
    '+' || coalesce(
        case when regexp_full_match(t, '[\s\p{Z}+()]*\d[\d\s\p{Z}.()\-–]*') then
            phone_of(regexp_replace(regexp_replace(t, '\.0$', ''), '[^\d+]', '', 'g'), upper(country)) end,
        case when not is_destroyed_code(t) then coalesce(
            list_filter(list_transform(
                regexp_split_to_array(lower(t), '[/;,|\n\r\t]|\s+(?:[yoeuó]|-|–)\s+|\b(?:ext|int|anexo)\b|[\s:]\+'),
                lambda part: phone_of(regexp_replace(regexp_replace(part, '\.0$', ''), '[^\d+]', '', 'g'), upper(country))),
                lambda number: number is not null)[1],
            phone_first_half(regexp_replace(t, '\D', '', 'g'), upper(country))) end);
