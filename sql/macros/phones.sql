-- Telephone numbers to E.164 (ITU-T E.164; national numbering plans as filed with the ITU) for ES, CO, CL, MX, AR, PE and EC.

-- The regular expression of `country:figures`, one group for every kind of number; figures have no separators.
-- Before a national number may stand its own country, with or without the code, or any country and + or 00 and the code.
-- ES: 6 and 70-74 mobile and personal, 8 and 9 landlines and special ones. CO: ten figures, or the landlines of before 2021, eight (CRC,
-- Resolución 5826 of 2019). CL: nine figures, or eight without the 9 of mobiles or the 2 of Santiago (SUBTEL). MX: ten after 01, 044,
-- 045 or the mobile 1 (IFT, Plan Técnico Fundamental de Numeración, 2019). AR: ten, the mobile mark 15 between area and
-- number or 9 before them; 15 and eight figures is Buenos Aires, the only area with eight (ENACOM). PE: mobiles of nine, landlines
-- of eight with area (MTC). EC: mobiles of nine, landlines of eight with area (ARCOTEL).
create or replace macro phone_pattern() as
    '^(?:(?:ES:(?:34)?|[A-Z]*:(?:\+|00)34)0?((?:6\d|7[0-4]|[89]\d)\d{7})'
    || '|(?:CO:(?:57)?|[A-Z]*:(?:\+|00)57)0?(?:(3\d{9}|60[124-8]\d{7})|([124-8][2-9]\d{6}))'
    || '|(?:CL:(?:56)?|[A-Z]*:(?:\+|00)56)0?(?:(2[1-3]\d{7}|(?:3[2-5]|4[1-5]|5[1-3578]|6[13-57]|7[1-35]|9[2-9])\d{7})|([89]\d{7})|(2\d{7}))'
    || '|(?:MX:(?:521?)?|[A-Z]*:(?:\+|00)521?)(?:04[45]|01)?([2-9]\d{9})'
    || '|(?:AR:(?:54)?|[A-Z]*:(?:\+|00)54)9?0?(?:(11)15(\d{8})|([23]\d\d)15(\d{7})|([23]\d{3})15(\d{6}))'
    || '|(?:AR:(?:54)?|[A-Z]*:(?:\+|00)54)(9?)0?(11\d{8}|[23]\d{9})|AR:0?15([2-9]\d{7})'
    || '|(?:PE:(?:51)?|[A-Z]*:(?:\+|00)51)0?(9\d{8}|1[2-8]\d{6}|(?:4[1-4]|5[1-46]|6[1-7]|7[2-46]|8[2-4])\d{6})'
    || '|(?:EC:(?:593)?|[A-Z]*:(?:\+|00)593)0?(9[2-9]\d{7}|[2-7][2-9]\d{6})'
    || '|[A-Z]*:(?:\+|00)([1-9]\d{8,14}))$';

-- Whether a number with its country code ends in eight times the same digit or is the row of keys: what a clerk types to get past a required field.
create or replace macro phone_is_filler(e164) as
    replace(right(e164, 8), right(e164, 1), '') = ''
        or substr(e164, 3) in ('12345678', '123456789', '1234567890', '223456789', '23456789', '2345678901', '98765432', '987654321', '9876543210')
        or e164 in ('593987654321', '59323456789');

-- One number with its country code, without +. One with the + or 00 of a country that is none of the seven needs 9 to 15 figures.
create or replace macro phone_of(figures, country) as
    list_filter(list_transform([regexp_extract(coalesce(upper(country), '') || ':' || figures, phone_pattern(),
            ['es', 'co', 'co8', 'cl', 'cl9', 'cl2', 'mx', 'ar2', 'n2', 'ar3', 'n3', 'ar4', 'n4', 'nine', 'ar', 'ar15', 'pe', 'ec', 'other'])],
        lambda part: case
            when part.es <> '' then '34' || part.es
            when part.co <> '' then '57' || part.co
            when part.co8 <> '' then '5760' || part.co8
            when part.cl <> '' then '56' || part.cl
            when part.cl9 <> '' then '569' || part.cl9
            when part.cl2 <> '' then '562' || part.cl2
            when part.mx <> '' then '52' || part.mx
            when part.ar <> '' then '54' || part.nine || part.ar
            when part.ar15 <> '' then '54911' || part.ar15
            when part.ar2 || part.ar3 || part.ar4 <> '' then
                '549' || part.ar2 || part.ar3 || part.ar4 || part.n2 || part.n3 || part.n4
            when part.pe <> '' then '51' || part.pe
            when part.ec <> '' then '593' || part.ec
            when part.other <> '' and left(part.other, 2) not in ('34', '57', '56', '52', '54', '51') and left(part.other, 3) <> '593'
                then part.other end),
        lambda e164: not phone_is_filler(e164))[1];

-- Two numbers written without a mark between them: the first half, if each half is a number.
create or replace macro phone_first_half(figures, country) as
    case when length(figures) between 14 and 24 and length(figures) % 2 = 0
            and phone_of(right(figures, length(figures) // 2), country) is not null
        then phone_of(left(figures, length(figures) // 2), country) end;

-- The figures of the n-th number of a cell: numbers stand between / ; , | line ends, " y ", " o ", " - ", "ext", and before a +.
create or replace macro phone_part(t, n) as
    split_part(ltrim(regexp_replace(regexp_replace(replace(regexp_replace(t,
        '[/;,|\n\r\t]|\s(?:[yoeuóYOEUÓ]|-|–)\s|ext|EXT|Ext|int\.|Int\.|anexo|Anexo|ANEXO', '|', 'g'),
        '+', '|+'), '\.0$|[^\d+|]', '', 'g'), '\|+', '|', 'g'), '|'), '|', n);

-- The number of a cell that holds nothing else, without +; NULL where words, signs or further figures stand beside it.
create or replace macro phone_alone(t, country) as
    case when not regexp_matches(t, '[^\d\s+.()\-–\x{A0}\x{202F}]|\d[^\d]*\+')
        then phone_of(regexp_replace(t, '\.0$|[^\d+]', '', 'g'), country) end;

-- The first number among what a cell holds, without +: its first three parts are tried, then its halves.
create or replace macro phone_among(t, country) as
    case when regexp_matches(t, '\d(?:\D*\d){6}') and not is_destroyed_code(t) then coalesce(
        phone_of(phone_part(t, 1), country), phone_of(phone_part(t, 2), country), phone_of(phone_part(t, 3), country),
        phone_first_half(regexp_replace(t, '\D', '', 'g'), country)) end;

-- The first number of a cell that is valid in its country, as E.164 (`+34600123456`). A number with + or 00 keeps its own country;
-- without it is one of `country` (ISO 3166, two letters). Too short or long, of no known range, filler and numbers that a spreadsheet
-- destroyed (6.12E+08) are NULL. The whole cell is tried first, then its parts.
create or replace macro phone_e164(t, country) as
    '+' || coalesce(phone_alone(t, country), phone_among(t, country));

-- Whether `phone_e164` reads a number from the cell and leaves something: a second number, an extension, whose it is. Keep such a
-- cell as it was written, and name it in `_repairs`.
create or replace macro phone_says_more(t, country) as
    case when t is not null then phone_alone(t, country) is null and phone_among(t, country) is not null end;
