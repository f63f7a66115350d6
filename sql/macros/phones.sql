-- Telephone numbers to E.164 (ITU-T E.164; national numbering plans as filed with the ITU) for ES, CO, CL, MX, AR, PE and EC.
-- `figures` is a number without separators; a leading + or 00 and its country code may stand before it. '' means: no such number.

-- Spain: nine figures; 6 and 70-74 mobile and personal, 8 and 9 landlines and special ones.
create or replace macro phone_es(figures) as
    regexp_extract(figures, '^(?:(?:\+|00)?34)?0?((?:6\d|7[0-4]|[89]\d)\d{7})$', 1);

-- Colombia: ten figures; the landlines of before 2021 (area and seven figures) get their 60 (CRC, Resolución 5826 of 2019).
create or replace macro phone_co(figures) as
    regexp_replace(regexp_extract(figures, '^(?:(?:\+|00)?57)?0?(3\d{9}|60[124-8]\d{7}|[124-8][2-9]\d{6})$', 1), '^(\d{8})$', '60\1');

-- Chile: nine figures; of eight, 8 and 9 are mobiles without their 9 and 2 is Santiago without its 2 (SUBTEL, 2013 and 2016).
create or replace macro phone_cl(figures) as
    regexp_replace(regexp_replace(regexp_extract(figures,
        '^(?:(?:\+|00)?56)?0?(2[1-3]\d{7}|(?:3[2-5]|4[1-5]|5[1-3578]|6[13-57]|7[1-35]|9[2-9])\d{7}|[289]\d{7})$', 1),
        '^([89]\d{7})$', '9\1'), '^(2\d{7})$', '2\1');

-- Mexico: ten figures; 01, 044, 045 and the mobile 1 after the country code go (IFT, Plan Técnico Fundamental de Numeración, 2019).
create or replace macro phone_mx(figures) as
    regexp_extract(figures, '^(?:(?:\+|00)?521?)?(?:04[45]|01)?([2-9]\d{9})$', 1);

-- Argentina: ten figures (area of 2, 3 or 4), mobiles with 9 before them: the 15 between area and number becomes that 9; 15 and eight figures
-- without area is Buenos Aires, the only area with eight. Ten figures without 15 or 9 stay so, landline or not (ENACOM).
create or replace macro phone_ar(figures) as
    regexp_replace(regexp_extract(regexp_replace(regexp_replace(figures,
        '^((?:\+|00)?54)?9?0?(?:(11)15(\d{8})|([23]\d\d)15(\d{7})|([23]\d{3})15(\d{6}))$', '9\2\3\4\5\6\7'),
        '^0?15([2-9]\d{7})$', '911\1'),
        '^(?:(?:\+|00)?54)?(9?0?(?:11\d{8}|[23]\d{9}))$', 1), '^(9?)0', '\1');

-- Peru: mobiles of nine figures, landlines of eight with their area (Lima 1); the 0 of long distance goes (MTC).
create or replace macro phone_pe(figures) as
    regexp_extract(figures, '^(?:(?:\+|00)?51)?0?(9\d{8}|1[2-8]\d{6}|(?:4[1-4]|5[1-46]|6[1-7]|7[2-46]|8[2-4])\d{6})$', 1);

-- Ecuador: mobiles of nine figures, landlines of eight with their area; the leading 0 goes (ARCOTEL).
create or replace macro phone_ec(figures) as
    regexp_extract(figures, '^(?:(?:\+|00)?593)?0?(9[2-9]\d{7}|[2-7][2-9]\d{6})$', 1);

-- A number with the + or 00 of another country than the one asked for: one of the seven by its rule, else 9 to 15 figures.
create or replace macro phone_abroad(figures) as
    case when not regexp_matches(figures, '^(?:\+|00)[1-9]') then ''
        when regexp_matches(figures, '^(?:\+|00)34') then '34' || nullif(phone_es(figures), '')
        when regexp_matches(figures, '^(?:\+|00)57') then '57' || nullif(phone_co(figures), '')
        when regexp_matches(figures, '^(?:\+|00)56') then '56' || nullif(phone_cl(figures), '')
        when regexp_matches(figures, '^(?:\+|00)52') then '52' || nullif(phone_mx(figures), '')
        when regexp_matches(figures, '^(?:\+|00)54') then '54' || nullif(phone_ar(figures), '')
        when regexp_matches(figures, '^(?:\+|00)51') then '51' || nullif(phone_pe(figures), '')
        when regexp_matches(figures, '^(?:\+|00)593') then '593' || nullif(phone_ec(figures), '')
        else regexp_extract(figures, '^(?:\+|00)([1-9]\d{8,14})$', 1) end;

-- Whether the figures are what a clerk types to get past a required field: one digit over and over, also after the first, or the row of keys.
create or replace macro phone_is_filler(figures) as
    is_one_digit(figures) or is_one_digit(figures[2:])
        or contains('12345678901234567890', figures) or contains('98765432109876543210', figures);

-- One number with its country code, without +.
create or replace macro phone_of(figures, country) as
    list_filter([coalesce(case country
            when 'ES' then '34' || nullif(phone_es(figures), '')
            when 'CO' then '57' || nullif(phone_co(figures), '')
            when 'CL' then '56' || nullif(phone_cl(figures), '')
            when 'MX' then '52' || nullif(phone_mx(figures), '')
            when 'AR' then '54' || nullif(phone_ar(figures), '')
            when 'PE' then '51' || nullif(phone_pe(figures), '')
            when 'EC' then '593' || nullif(phone_ec(figures), '') end,
        nullif(phone_abroad(figures), ''))], lambda e164:
            not phone_is_filler(case when e164[1:3] = '593' then e164[4:] else e164[3:] end))[1];

-- Two numbers written without a mark between them: the first half, if each half is a number.
create or replace macro phone_first_half(figures, country) as
    case when length(figures) between 14 and 24 and length(figures) % 2 = 0
            and phone_of(right(figures, length(figures) // 2), country) is not null
        then phone_of(left(figures, length(figures) // 2), country) end;

-- The first number of a cell that is valid in its country, as E.164 (`+34600123456`). A number with + or 00 keeps its own country;
-- without it is one of `country` (ISO 3166, two letters). Too short or long, of no known range, filler and numbers that a spreadsheet
-- destroyed (6.12E+08) are NULL. The whole cell is tried first, then its parts between / ; , | "y", "o", "-", "ext".
create or replace macro phone_e164(t, country) as
    '+' || coalesce(
        case when not regexp_matches(t, '[^\d\s+.()\-–\x{A0}\x{202F}]|\d[^\d]*\+')
            then phone_of(regexp_replace(t, '\.0$|[^\d+]', '', 'g'), upper(country)) end,
        case when regexp_matches(t, '\d.*\d.*\d.*\d.*\d.*\d.*\d.*\d') and not is_destroyed_code(t) then coalesce(
            list_filter(list_transform(
                regexp_split_to_array(lower(t), '[/;,|\n\r\t]|\s+(?:[yoeuó]|-|–)\s+|\b(?:ext|int|anexo)\b|[\s:]\+'),
                lambda part: phone_of(regexp_replace(part, '\.0$|[^\d+]', '', 'g'), upper(country))),
                lambda number: number is not null)[1],
            phone_first_half(regexp_replace(t, '\D', '', 'g'), upper(country))) end);
