-- one row a record, as somebody who links with Splink would prepare it: plain letters, figures only, common short forms written out
create macro plain(t) as nullif(trim(regexp_replace(replace(lower(strip_accents(t)), 'ª', 'a'), '[^a-z0-9]+', ' ', 'g')), '');
create macro plain_given(t) as regexp_replace(regexp_replace(regexp_replace(plain(t), '^ma?( |$)', 'maria\1'), '^fco( |$)', 'francisco\1'), '^j ', 'jose ');
create macro plain_address(t) as regexp_replace(regexp_replace(regexp_replace(plain(t), '^c ', 'calle '), '^avda? ', 'avenida '), '^pza ', 'plaza ');
-- as trasvase reads a role before its blocking rules see it
create macro read_text(t) as nullif(trim(regexp_replace(strip_accents(lower(t)), '[^\p{L}\p{N}]+', ' ', 'g')), '');
create macro read_name(t) as nullif(trim(regexp_replace(strip_accents(lower(t)), '[^\p{L}]+', ' ', 'g')), '');
create macro read_code(t) as nullif(upper(regexp_replace(strip_accents(t), '[^\p{L}\p{N}]+', '', 'g')), '');
create macro read_list(items) as list_filter([list_filter(items, lambda item: item is not null)], lambda items: length(items) > 0)[1];
create macro sound(t) as
    replace(replace(replace(replace(replace(translate(regexp_replace(regexp_replace(regexp_replace(
        replace(replace(replace(replace(replace(lower(t), 'ph', 'f'), 'ch', '1'), 'll', 'y'), 'ck', 'k'), 'qu', 'k'),
        'c([ei])', 's\1', 'g'), 'g([ei])', 'j\1', 'g'), 'gu([ei])', 'g\1', 'g'),
        'vwzcxyqh', 'bbsksik'), 'rr', 'r'), 'ss', 's'), 'nn', 'n'), 'tt', 't'), 'mm', 'm');
create macro skeleton(t) as left(regexp_replace(sound(t), '(.)[aeiouw ]*', '\1', 'g'), 4);
