-- How names sound in Spanish, for spellings of one name to meet: of plain text (lower case, no accents).

-- The phonetic form: b as v, c as k or s, g as j, h silent, ll as y, z as s, double letters once; a blank stays.
create or replace macro sound(t) as
    replace(replace(replace(replace(replace(translate(regexp_replace(regexp_replace(regexp_replace(
        replace(replace(replace(replace(replace(lower(t), 'ph', 'f'), 'ch', '1'), 'll', 'y'), 'ck', 'k'), 'qu', 'k'),
        'c([ei])', 's\1', 'g'), 'g([ei])', 'j\1', 'g'), 'gu([ei])', 'g\1', 'g'),
        'vwzcxyqh', 'bbsksik'), 'rr', 'r'), 'ss', 's'), 'nn', 'n'), 'tt', 't'), 'mm', 'm');

-- First letter and consonants of the sound, four at most: what a typing error in a vowel or at the end leaves alone.
create or replace macro skeleton(t) as
    left(regexp_replace(sound(t), '(.)[aeiouw ]*', '\1', 'g'), 4);
