-- Personal names as Spanish writes them: particles in lower case, one or more given names, two surnames.

-- The words of a trimmed name, each with the mark after it: a blank, hyphen, apostrophe, point or parenthesis.
create or replace macro name_words(t) as
    string_split(replace(replace(replace(
        case when regexp_matches(t, '[.(’\x{300}-\x{36F}]')
            then regexp_replace(nfc_normalize(t), '([.(’])', '\1' || chr(1), 'g') else t end,
        ' ', ' ' || chr(1)), '-', '-' || chr(1)), '''', '''' || chr(1)), chr(1));

-- Name case: each word with a capital, particles within the name without (`María del Carmen de la O`), Roman figures whole.
-- The first word always gets its capital, as the Ortografía of the RAE wants it for a surname that stands alone (De la Fuente); a word
-- that is already in mixed case (McDonald) stays; letters are composed (NFC). A word is taken with the marks after it, so a particle ends in a space.
create or replace macro name_case(t) as
    nullif(list_aggregate(list_transform(name_words(trimmed(t)), lambda word, place: case
        when place > 1 and length(word) < 5 and lower(word) in ('de ', 'del ', 'la ', 'las ', 'los ', 'el ', 'y ', 'i ',
            'da ', 'das ', 'do ', 'dos ', 'di ', 'van ', 'von ', 'der ', 'den ') then lower(word)
        when length(word) < 5 and upper(word) in ('II', 'II ', 'III', 'III ', 'IV', 'IV ') then upper(word)
        when word <> upper(word) and word <> lower(word) and length(word) > 4 and left(word, 1) <> lower(left(word, 1))
            and substr(word, 2, 1) <> upper(substr(word, 2, 1)) and substr(rtrim(word, ' -'), -1) = lower(substr(rtrim(word, ' -'), -1)) then word
        else upper(left(word, 1)) || lower(substr(word, 2)) end), 'string_agg', ''), '');

-- The parts of a name that stay together: a word with the particles before it (`de la Fuente`), and what "y" or "i" joins (`Ortega y Gasset`).
create or replace macro name_parts(t) as
    regexp_extract_all(trimmed(t),
        '(?i)(?:(?:de|del|la|las|los|el|da|das|do|dos|di|van|von|der|den|san|santa|santo) )*[^ ]+'
        || '(?: [yi] (?:(?:de|del|la|las|los|el|san|santa|santo) )*[^ ]+)*');

-- Parts joined again; no parts give NULL.
create or replace macro name_of(parts) as list_aggregate(parts, 'string_agg', ' ');

-- Whether a part is usual as a second given name (`José Luis`, `María del Carmen`, `Juan de Dios`) and rare as a surname:
-- names that are both (Martín, Alonso, Santiago, Tomás, Vicente) are left out.
create or replace macro is_second_given_name(part) as
    list_contains([
        'adriana', 'agustin', 'alberto', 'alejandra', 'alejandro', 'alfonso', 'alfredo', 'alicia', 'amparo', 'ana', 'andrea', 'andres', 'angel',
        'angela', 'angeles', 'antonia', 'antonio', 'armando', 'arturo', 'asuncion', 'augusto', 'beatriz', 'belen', 'camila', 'carlos',
        'carmen', 'carolina', 'catalina', 'cecilia', 'cesar', 'claudia', 'concepcion', 'consuelo', 'cristina', 'daniel', 'daniela', 'david',
        'dolores', 'eduardo', 'elena', 'emilio', 'encarnacion', 'enrique', 'ernesto', 'esperanza', 'esteban', 'esther', 'eugenia', 'eugenio',
        'felipe', 'felix', 'fernanda', 'fernando', 'francisca', 'francisco', 'gabriel', 'gabriela', 'gloria', 'guillermo', 'gustavo', 'hector',
        'humberto', 'ignacio', 'ines', 'inmaculada', 'isabel', 'javier', 'jesus', 'joaquin', 'jorge', 'jose', 'josefa', 'juan', 'juana', 'julia',
        'julian', 'julio', 'laura', 'leonor', 'lourdes', 'lucia', 'luis', 'luisa', 'luz', 'magdalena', 'manuel', 'manuela', 'marcela', 'margarita',
        'maria', 'mariana', 'mario', 'marta', 'martha', 'mauricio', 'mercedes', 'miguel', 'monica', 'montserrat', 'natalia', 'nieves', 'octavio',
        'oscar', 'pablo', 'paola', 'patricia', 'paula', 'pedro', 'pilar', 'rafael', 'ramon', 'raquel', 'raul', 'ricardo', 'roberto', 'rocio',
        'rodolfo', 'rosa', 'rosalia', 'rosario', 'ruben', 'sebastian', 'sergio', 'silvia', 'sofia', 'soledad', 'susana', 'teresa', 'valentina',
        'vanessa', 'veronica', 'victor', 'victoria', 'virginia', 'ximena', 'yolanda',
        'de dios', 'de jesus', 'del carmen', 'del pilar', 'del mar', 'del rosario', 'del rocio', 'del sol', 'del socorro', 'del valle',
        'de la cruz', 'de la concepcion', 'de la luz', 'de la o', 'de la paz', 'de la soledad', 'de las mercedes', 'de las nieves',
        'de los angeles', 'de los dolores', 'de lourdes', 'de fatima', 'de guadalupe', 'de montserrat', 'de todos los santos'
    ], plain_text(part));

-- "Apellidos, Nombre" or "Apellidos Nombre" in the same three parts. Before a comma the first part is the first surname, the rest the second. Without one
-- the first two are surnames; of three parts the second belongs to the given name where it is usual there. One part is a given name.
create or replace macro split_surnames_first(t) as
    case when contains(t, ',') then list_transform(
        [{'surname': name_parts(regexp_extract(t, '^([^,]*),', 1)), 'given': trimmed(replace(regexp_extract(t, '^[^,]*,(.*)$', 1), ',', ' '))}],
        lambda side: struct_pack(given := side.given, surname1 := side.surname[1], surname2 := name_of(side.surname[2:])))[1]
    else list_transform([name_parts(t)], lambda part: case
        when len(part) > 3 or len(part) = 3 and not is_second_given_name(part[2])
            then struct_pack(given := name_of(part[3:]), surname1 := part[1], surname2 := part[2])
        when len(part) > 0 then struct_pack(given := case len(part) when 1 then part[1] else name_of(part[2:]) end,
            surname1 := case when len(part) > 1 then part[1] end, surname2 := null::varchar) end)[1] end;

-- A name in the order of an identity card in three parts. The last two parts are the surnames; of three parts the second
-- belongs to the given name where it is usual there. Letters stay as they are; a comma means surnames first. One part is a given name.
create or replace macro split_name(t) as
    case when contains(t, ',') then split_surnames_first(t)
    else list_transform([name_parts(t)], lambda part: case
        when len(part) > 3 then struct_pack(given := name_of(part[:-3]), surname1 := part[-2], surname2 := part[-1])
        when len(part) = 3 and not is_second_given_name(part[2])
            then struct_pack(given := part[1], surname1 := part[2], surname2 := part[3])
        when len(part) = 3 then struct_pack(given := name_of(part[:2]), surname1 := part[3], surname2 := null::varchar)
        when len(part) = 2 and not is_second_given_name(part[2])
            then struct_pack(given := part[1], surname1 := part[2], surname2 := null::varchar)
        when len(part) > 0 then struct_pack(given := name_of(part), surname1 := null::varchar, surname2 := null::varchar) end)[1] end;
