-- one row a patient
select
  ltrim(trimmed("Nº Historia"), '0') as source_id,
  trimmed("Nombre") as first_name,
  trimmed("Apellidos") as last_name,
  parse_date_pivot("F. Nacimiento", 2026) as birth_date,
  parse_sex("Sexo") as sex,
  trimmed("DNI/NIE") as national_id,
  lower(trimmed("Email")) as email,
  phone_e164(coalesce("Móvil", "Teléfono"), 'ES') as phone,
  trimmed("Dirección") as address,
  trimmed("C.P.") as postal_code,
  trimmed("Población") as city,
  "Acepta publicidad" = 'S' as marketing_consent,
  parse_date("Fecha alta") as registered_on,
  _id,
from raw.pacientes
