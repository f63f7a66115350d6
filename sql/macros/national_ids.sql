-- National identity numbers, normalised: NULL where the shape or the check digit is wrong, or where one digit is repeated throughout: formally right
-- (11111111H, 11.111.111-1), but typed by a clerk for anyone without a number, so that deduplication would merge strangers.

-- Letters and figures of an identity number in capitals, without its separators and a label such as `DNI:` or `C.I.`.
create or replace macro id_figures(t) as
    regexp_replace(upper(t), '^\s*(?:DNI|NIF|NIE|RUT|RUN|CURP|RFC|CUI[TL]|C\.?I|C\.?C|C[EÉ]DULA)[\s.:]+|[\s\p{Z}.,\-–/_]+', '', 'g');

-- The sum of each character's place in an alphabet (from 0) times its weight.
create or replace macro weighted_sum(characters, weights, alphabet) as
    list_aggregate(list_transform(weights, lambda weight, place:
        weight * (strpos(alphabet, substr(characters, place, 1)) - 1)), 'sum');

-- ES: the letter of a number: its place modulo 23 (Real Decreto 1553/2005 and Orden INT/2058/2008 for DNI and NIE).
create or replace macro nif_letter(figures) as
    substr('TRWAGMYFPDXBNJZSQVHLCKE', (try_cast(figures as bigint) % 23 + 1)::int, 1);

-- ES: NIF of Spaniards (8 figures and letter), NIE (X, Y, Z) and NIF with K, L, M; missing leading zeros are added. The letter is the number modulo 23; X, Y, Z
-- count as 0, 1, 2 and K, L, M as nothing (Real Decreto 1065/2007, art. 19-20; Orden EHA/451/2008; Orden INT/2058/2008 for the NIE).
create or replace macro nif(t) as
    list_transform([regexp_extract(id_figures(t), '^(?:ES)?([XYZKLM]?)(\d{4,9})([A-Z])$', ['kind', 'figures', 'letter'])],
        lambda part: list_transform([{'kind': part.kind, 'letter': part.letter, 'figures': lpad(
            case when length(part.figures) < 8 then part.figures else ltrim(part.figures, '0') end,
            case part.kind when '' then 8 else 7 end, '0')}],
            lambda id: case when part.letter = nif_letter(case part.kind when 'Y' then '1' when 'Z' then '2' else '' end || id.figures)
                and length(ltrim(part.figures, '0')) <= length(id.figures) and not is_one_digit(id.figures)
                then id.kind || id.figures || id.letter end)[1])[1];

-- Whether a cell holds a NIF or NIE with the right letter.
create or replace macro nif_valid(t) as case when trimmed(t) is not null then nif(t) is not null end;

-- CL: RUT as 12345678-K: modulo 11 with weights 2 to 7 from the right, 10 is K, 11 is 0 (Registro Civil e Identificación, Servicio de Impuestos Internos).
create or replace macro rut(t) as
    list_transform([regexp_extract(id_figures(t), '^0*(\d{6,8})([\dK])$', ['figures', 'check'])], lambda part:
        case when part.figures <> '' and not is_one_digit(part.figures) and part.check = substr('0123456789K0',
                (12 - weighted_sum(lpad(part.figures, 8, '0'), [3, 2, 7, 6, 5, 4, 3, 2], '0123456789') % 11)::int, 1)
            then part.figures || '-' || part.check end)[1];

-- Whether a cell holds a RUT with the right check digit.
create or replace macro rut_valid(t) as case when trimmed(t) is not null then rut(t) is not null end;

-- EC: cédula of 10 figures, a missing leading zero is added: province 01 to 24 or 30, third figure below 6, modulo 10 with weights 2, 1, 2 ...
-- (products over 9 less 9; Registro Civil del Ecuador).
create or replace macro cedula_ec(t) as
    list_filter([lpad(regexp_extract(id_figures(t), '^\d{9,10}$'), 10, '0')], lambda id:
        (id[1:2] between '01' and '24' or id[1:2] = '30') and id[3] < '6' and not is_one_digit(id)
        and ord(id[10]) - 48 = (10 - list_aggregate(list_transform([2, 1, 2, 1, 2, 1, 2, 1, 2], lambda weight, place:
            weight * (ord(substr(id, place, 1)) - 48) - case when weight * (ord(substr(id, place, 1)) - 48) > 9 then 9 else 0 end),
            'sum') % 10) % 10)[1];

-- Whether a cell holds an Ecuadorean cédula with the right check digit.
create or replace macro cedula_ec_valid(t) as case when trimmed(t) is not null then cedula_ec(t) is not null end;

-- CO: cédula de ciudadanía of 6 to 10 figures; it has no check digit (Registraduría Nacional del Estado Civil).
create or replace macro cedula_co(t) as
    list_filter([regexp_extract(id_figures(t), '^[1-9]\d{5,9}$')], lambda id: id <> '' and not is_one_digit(id))[1];

-- Whether a cell can be a Colombian cédula.
create or replace macro cedula_co_valid(t) as case when trimmed(t) is not null then cedula_co(t) is not null end;

-- MX: CURP of 18 characters: shape, state, a birth date that exists (17th character: figure until 1999, letter since 2000), and check digit: weights
-- 18 to 2 on the places in 0-9 A-N Ñ O-Z, modulo 10 (RENAPO, Instructivo normativo para la asignación de la CURP).
create or replace macro curp(t) as
    list_filter([regexp_extract(id_figures(t),
            '^[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX](?:AS|B[CS]|C[CHLMS]|D[FG]|G[RT]|HG|JC|M[CNS]|N[ELT]|OC|PL|Q[RT]|S[LPR]|T[CLS]|VZ|YN|ZS)[B-DF-HJ-NP-TV-Z]{3}[A-Z\d]\d$')],
        lambda id: id <> ''
            and date_of(case when id[17] between '0' and '9' then '19' else '20' end || id[5:6], id[7:8], id[9:10], 0) is not null
            and ord(id[18]) - 48 = (10 - weighted_sum(id, [18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2],
                '0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ') % 10) % 10)[1];

-- Whether a cell holds a CURP with the right check digit.
create or replace macro curp_valid(t) as case when trimmed(t) is not null then curp(t) is not null end;

-- MX: RFC of a person (13 characters) or company (12) with a date that exists and its check character: weights 13 to 2 on the places in the SAT's alphabet,
-- modulo 11, 10 is A (SAT, Anexo del RFC). The generic ones for the public (XAXX010101000, XEXX010101000) fail.
create or replace macro rfc(t) as
    list_filter([regexp_extract(id_figures(t), '^[A-ZÑ&]{3,4}\d{6}[1-9A-V][1-9A-Z][\dA]$')], lambda id:
        id <> '' and id not in ('XAXX010101000', 'XEXX010101000')
        and coalesce(date_of('20' || id[-9:-8], id[-7:-6], id[-5:-4], 0), date_of('19' || id[-9:-8], id[-7:-6], id[-5:-4], 0)) is not null
        and id[-1] = substr('0123456789A', ((11 - weighted_sum(lpad(id[:-2], 12, ' '), [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2],
            '0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ') % 11) % 11 + 1)::int, 1))[1];

-- Whether a cell holds an RFC with the right check character.
create or replace macro rfc_valid(t) as case when trimmed(t) is not null then rfc(t) is not null end;

-- AR: DNI of 7 or 8 figures, leading zeros go; it has no check digit (RENAPER).
create or replace macro dni_ar(t) as
    list_filter([regexp_extract(id_figures(t), '^0*([1-9]\d{6,7})$', 1)], lambda id: id <> '' and not is_one_digit(id))[1];

-- Whether a cell can be an Argentine DNI.
create or replace macro dni_ar_valid(t) as case when trimmed(t) is not null then dni_ar(t) is not null end;

-- AR: CUIT or CUIL of 11 figures: known prefix, modulo 11 with weights 5, 4, 3, 2, 7, 6, 5, 4, 3, 2; 10 is 9, 11 is 0 (AFIP/ARCA, ANSES).
create or replace macro cuit(t) as
    list_filter([regexp_extract(id_figures(t), '^(?:2[03-7]|3[034]|5[015])\d{9}$')], lambda id: id <> ''
        and not is_one_digit(id[3:10])
        and id[11] = substr('012345678990', (12 - weighted_sum(id, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2], '0123456789') % 11)::int, 1))[1];

-- Whether a cell holds a CUIT or CUIL with the right check digit.
create or replace macro cuit_valid(t) as case when trimmed(t) is not null then cuit(t) is not null end;

-- PE: DNI of 8 figures, one missing leading zero is added; the check character that the card shows apart is verified where it is given and dropped: weights
-- 3, 2, 7, 6, 5, 4, 3, 2, modulo 11, as a figure or a letter (RENIEC, Código Único de Identificación).
create or replace macro dni_pe(t) as
    list_transform([regexp_extract(case when regexp_full_match(trimmed(t), '\d{7}') then '0' || trimmed(t) else id_figures(t) end,
            '^(\d{8})([\dA-K]?)$', ['figures', 'check'])], lambda part:
        case when part.figures <> '' and not is_one_digit(part.figures) and (part.check = ''
                or list_transform([(weighted_sum(part.figures, [3, 2, 7, 6, 5, 4, 3, 2], '0123456789') % 11 + 1)::int],
                    lambda place: part.check in (substr('65432110987', place, 1), substr('KJIHGFEDCBA', place, 1)))[1])
            then part.figures end)[1];

-- Whether a cell holds a Peruvian DNI, with the right check character if it has one.
create or replace macro dni_pe_valid(t) as case when trimmed(t) is not null then dni_pe(t) is not null end;

-- The usual identity number of a country (ISO 3166, two letters), normalised: ES NIF or NIE, CL RUT, EC and CO cédula, MX CURP (or RFC), AR DNI (or CUIT), PE DNI.
create or replace macro national_id(t, country) as
    case upper(country)
        when 'ES' then nif(t) when 'CL' then rut(t) when 'EC' then cedula_ec(t) when 'CO' then cedula_co(t)
        when 'MX' then coalesce(curp(t), rfc(t)) when 'AR' then coalesce(dni_ar(t), cuit(t)) when 'PE' then dni_pe(t) end;

-- Whether an identity number of a country carries a check digit, and the right one: an equal number is then no slip of the keyboard.
create or replace macro has_check_digit(t, country) as
    coalesce(case upper(country)
        when 'ES' then nif_valid(t) when 'CL' then rut_valid(t) when 'EC' then cedula_ec_valid(t)
        when 'MX' then curp_valid(t) when 'AR' then cuit_valid(t) end, false);
