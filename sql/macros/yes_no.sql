-- Yes or no, as exports and clerks write it; a word that is neither is NULL.
create or replace macro parse_yes_no(t) as
    list_transform([rtrim(plain_text(t), '.')], lambda word: case
        when word in ('s', 'si', 'y', 'yes', 't', 'true', 'v', 'verdadero', '1', 'x') then true
        when word in ('n', 'no', 'f', 'false', 'falso', '0') then false end)[1];
