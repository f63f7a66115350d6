-- Sex as the register holds it: 'M' male, 'F' female, 'X' neither; unknown, not stated and unreadable are NULL.

-- From words, letters and the codes of ISO/IEC 5218 (1 male, 2 female). M alone is male, as in M/F: where the source has H beside M
-- (hombre, mujer) use parse_sex_hm.
create or replace macro parse_sex(t) as
    list_transform([regexp_replace(plain_text(t), '[^a-z0-9 ]', '', 'g')], lambda word: case
        when word in ('m', 'h', 'v', '1', 'hombre', 'varon', 'masculino', 'masc', 'macho',
            'male', 'man', 'nino', 'chico', 'caballero', 'sr', 'senor') then 'M'
        when word in ('f', '2', 'mujer', 'femenino', 'femenina', 'fem',
            'hembra', 'female', 'woman', 'nina', 'chica', 'dama', 'sra', 'srta', 'senora', 'senorita') then 'F'
        when word in ('x', 'o', 'otro', 'otra', 'otros', 'other', 'no binario', 'no binaria',
            'nobinario', 'non binary', 'nonbinary', 'nb', 'intersexual', 'intersex', 'indeterminado', 'ambiguo')
            then 'X' end)[1];

-- The same for a source that writes H and M: M alone is mujer.
create or replace macro parse_sex_hm(t) as
    case when plain_text(t) in ('m', 'm.') then 'F' else parse_sex(t) end;
