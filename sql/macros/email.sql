-- E-mail addresses. Nothing is invented: a typing error in a domain (gmail.con) stays, for a check to find.

-- Whether a well-formed address was typed only to fill a required field (notiene@gmail.com, no@no.com, x@example.com): by its local
-- part, by the pair of local part and domain, or by its domain.
create or replace macro email_is_filler(local_part, domain, top_level) as
    replace(translate(local_part, '._-', ''), 'email', 'mail') in (
        'notiene', 'notengo', 'nomail', 'nocorreo', 'sinmail', 'sincorreo', 'ninguno', 'noaplica',
        'nodisponible', 'noconsta', 'xx', 'xxx', 'xxxx')
    or local_part in ('no', 'si', 'sin', 'na', 'nn', 'nada', 'a', 'aa', 'aaa', 'x', 'abc', 'asd', 'test', 'prueba', 'pruebas',
            'correo', 'email', 'e-mail', 'mail', 'ejemplo', 'usuario', '123')
        and domain in ('no', 'sin', 'na', 'nn', 'nada', 'a', 'aa', 'aaa', 'x', 'xx', 'xxx', 'abc', 'asd', 'test', 'prueba',
            'pruebas', 'correo', 'email', 'e-mail', 'mail', 'ejemplo', 'dominio', '123')
    or domain in ('notiene', 'no-tiene', 'nomail', 'no-mail', 'noemail', 'no-email',
        'sincorreo', 'sin-correo', 'sinmail', 'sinemail', 'ejemplo', 'example')
    or top_level in ('invalid', 'test', 'example', 'localhost', 'local');

-- The address if it is well-formed and no filler: no dots at the ends or in a row before the @, a domain with a dot and a
-- top level of two letters or more. The shape is that of RFC 5322 without quoting and comments.
create or replace macro email_of(address) as
    list_transform([regexp_extract(address,
            '^([a-z0-9_%+&''\-]+(?:\.[a-z0-9_%+&''\-]+)*)@((?:[a-z0-9ñ](?:[a-z0-9ñ\-]*[a-z0-9ñ])?\.)+)([a-z]{2,24})$', ['local', 'domain', 'top'])],
        lambda part: case when part.top <> '' and not email_is_filler(part.local, split_part(part.domain, '.', 1), part.top)
            then part.local || '@' || part.domain || part.top end)[1];

-- The cell in lower case without mailto: or a label, quotes and stops round it, and blanks round its @ and before its top level.
create or replace macro email_text(t) as
    regexp_replace(regexp_replace(regexp_replace(lower(trimmed(t)), ' ?@ ?', '@', 'g'),
        '(@[^ ]*?) ?\. ?([a-z]{2,4}(?:\.[a-z]{2})?)\b', '\1.\2', 'g'),
        '^[ .,:''"\[<]*(?:(?:mailto|e-?mail|correo)[: ]*)?|[ .,:;''"\]>]+$', '', 'g');

-- The first valid address of a cell in lower case, without mailto:, <>, spaces round the @ and final stops. A name before the address
-- without <> or : is NULL (`juan perez@x.es` may be one address broken in two), and so are two @ in a row and fillers.
create or replace macro clean_email(t) as
    case when regexp_full_match(t, '\s*[a-zA-Z0-9_\-]+(?:\.[a-zA-Z0-9_\-]+)*@(?:[a-zA-Z0-9]+\.)+[a-zA-Z]{2,24}\s*') then email_of(lower(trim(t)))
    when contains(t, '@') then list_filter(list_transform(regexp_split_to_array(email_text(t), '[;,/|<>()]'),
        lambda part: email_of(split_part(trim(part, ' .:"'''), ' ', 1))), lambda address: address is not null)[1] end;
