-- E-mail addresses. Nothing is invented: a typing error in a domain (gmail.con) stays, for a check to find.

-- Whether an address that is well-formed was typed only to fill a required field (notiene@gmail.com, no@no.com, x@example.com).
create or replace macro email_is_filler(address) as
    regexp_matches(address,
        '^(?:no[._-]?tiene|no[._-]?(?:e-?)?mail|no[._-]?correo|sin[._-]?(?:e-?)?mail|sin[._-]?correo|ninguno|no[._-]?aplica|no[._-]?disponible|no[._-]?consta|x{2,}|notengo)@'
        || '|^(?:no|si|sin|na|nn|nada|a+|x|aaa|abc|asd|test|prueba|pruebas|correo|e-?mail|mail|ejemplo|usuario|123)@(?:no|sin|na|nn|nada|a+|x+|abc|asd|test|prueba|pruebas|correo|e-?mail|mail|ejemplo|dominio|notiene|no-?tiene|123)\.'
        || '|@(?:notiene|no-?tiene|no-?mail|no-?email|sin-?correo|sin-?e?mail|ejemplo|example)\.|\.(?:invalid|test|example|localhost|local)$');

-- The address if it is well-formed and no filler: no dots at the ends or in a row before the @, a domain with a dot and a
-- top level of two letters or more. The shape is that of RFC 5322 without quoting and comments.
create or replace macro email_of(text) as
    list_filter([regexp_replace(text, '^[\s.,:''"\[]*(?:mailto:)?|[\s.,:''"\]]+$', '', 'g')], lambda address:
        regexp_full_match(address, '[a-z0-9_%+&''\-]+(?:\.[a-z0-9_%+&''\-]+)*@(?:[a-z0-9ñ](?:[a-z0-9ñ\-]*[a-z0-9ñ])?\.)+[a-z]{2,24}')
            and not email_is_filler(address))[1];

-- The first valid address of a cell in lower case, without mailto:, <>, spaces round the @ and final stops. A name before the address
-- without <> or : is NULL (`juan perez@x.es` may be one address broken in two), and so are two @ in a row and fillers.
create or replace macro clean_email(t) as
    case when regexp_full_match(t, '[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*@(?:[a-z0-9]+\.)+[a-z]{2,24}') then email_of(t)
    when contains(t, '@') then list_filter(list_transform(
        regexp_split_to_array(
            regexp_replace(regexp_replace(lower(trimmed(t)), ' ?@ ?', '@', 'g'), '(@[^ ]*?) ?\. ?([a-z]{2,4}(?:\.[a-z]{2})?)\b', '\1.\2', 'g'),
            '[;,/|<>()]|(?:e-?mail|correo)\s*:'),
        lambda part: email_of(split_part(trim(part), ' ', 1))), lambda address: address is not null)[1] end;
