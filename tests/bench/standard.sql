-- one row a record, as somebody who links with Splink would prepare it: plain letters, figures only, common short forms written out
create macro plain(t) as nullif(trim(regexp_replace(replace(lower(strip_accents(t)), 'ª', 'a'), '[^a-z0-9]+', ' ', 'g')), '');
create macro plain_given(t) as regexp_replace(regexp_replace(regexp_replace(plain(t), '^m(?:a)?( |$)', 'maria\1'), '^fco( |$)', 'francisco\1'), '^j ', 'jose ');
create macro plain_address(t) as regexp_replace(regexp_replace(regexp_replace(plain(t), '^c ', 'calle '), '^avda? ', 'avenida '), '^pza ', 'plaza ');
