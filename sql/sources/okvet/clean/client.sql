-- one row a client as OkVet has them, read; also those who cannot be reached
with
typed as (
  select
    trimmed(id) as source_id,
    name_parts(name_case(nombre)) as parts,
    name_case(nombre) as full_name,
    nombre,
    clean_email(email) as email_address,
    email,
    phone_e164(telefono, clinic.country) as phone_number,
    phone_says_more(telefono, clinic.country) as phone_says_more,
    telefono,
    phone_e164(celular, clinic.country) as mobile_number,
    phone_says_more(celular, clinic.country) as mobile_says_more,
    celular,
    trimmed(direccion) as address,
    name_case(ciudad) as city,
    notas,
    fecha_registro,
    local_ts(cast(parse_timestamp(fecha_registro) as varchar), clinic.timezone) as created_at,
    _id,
  from raw.clients
  cross join meta.clinic as clinic
)
select
  source_id,
  -- the first word is the first name
  split_part(full_name, ' ', 1) as first_name,
  nullif(trim(substr(full_name, length(split_part(full_name, ' ', 1)) + 1)), '') as last_name,
  email_address as email,
  coalesce(phone_number, mobile_number) as phone,
  mobile_number as mobile,
  address,
  city,
  -- what could not be read stays where people look
  nullif(concat_ws(chr(10),
    trimmed(notas),
    case when email_address is null or email_says_more(email_address, email) then 'E-mail: ' || trimmed(email) end,
    case when phone_number is null or phone_says_more then 'Teléfono: ' || trimmed(telefono) end,
    case when mobile_number is null or mobile_says_more then 'Celular: ' || trimmed(celular) end,
    kept_date('Fecha de registro', created_at, fecha_registro)
  ), '') as notes,
  created_at,
  _id,
  without_nulls([
    case when full_name <> nombre then 'name_spelling' end,
    unread_cell('email_invalid', email_address, email),
    case when email_says_more(email_address, email) then 'email_says_more' when email_address <> email then 'email_spelling' end,
    case when email_address is null and trimmed(email) is null then 'email_placeholder' end,
    unread_cell('phone_unreadable', phone_number, telefono),
    unread_cell('mobile_unreadable', mobile_number, celular),
    case when phone_says_more or mobile_says_more then 'phone_says_more' end,
    date_repair('date_unreadable', created_at, fecha_registro),
    date_spelling('date_format', created_at, fecha_registro)
  ]) as _repairs,
from typed
