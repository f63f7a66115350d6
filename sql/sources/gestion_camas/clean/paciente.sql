-- one row a patient
-- map: sexo = raw.paciente."sexo"
-- map: aislamiento = raw.paciente."aislamiento"
with
typed as (
  select
    paciente.*,
    trimmed(sqlite_text(paciente.nombre, paciente._type_nombre)) as name,
    rut(paciente.run) as number,
    parse_date(paciente.fecha_nacimiento) as birth,
    cell_json(paciente.requerimientos) as needs,
    sqlite_instant(paciente.creado_en) as since,
    sqlite_instant(paciente.actualizado_en) as changed,
  from raw.paciente as paciente
)
select
  trimmed(typed.id) as source_id,
  try_cast(typed.id as integer) as id,
  named_hospital(typed.hospital_id, hospital.id) as hospital_id,
  try_cast(typed.cama_id as integer) as cama_id,
  typed.name as nombre,
  -- one with a wrong check digit stays as it was written: people are known by it in the old program
  coalesce(typed.number, trimmed(typed.run)) as run,
  sexo.target_value as sexo,
  typed.birth as fecha_nacimiento,
  parse_yes_no(typed.es_embarazada) as es_embarazada,
  aislamiento.target_value as aislamiento,
  typed.diagnostico,
  typed.needs as requerimientos,
  typed.since as creado_en,
  typed.changed as actualizado_en,
  typed._id,
  without_nulls([
    case when typed._type_nombre = 'bytes' then 'latin_1' end,
    case when typed._type_nombre <> 'bytes' and typed.name <> typed.nombre then 'white_space' end,
    case when typed.number <> typed.run then 'run_spelling' end,
    case when trimmed(typed.run) is not null and typed.number is null then 'run_invalid' end,
    case when is_sentinel_date(typed.fecha_nacimiento) then 'sentinel_date' end,
    case when not json_valid(trimmed(typed.requerimientos)) and typed.needs is not null then 'python_json' end
  ]) as _repairs,
from typed
left join clean.hospital as hospital on hospital.id = try_cast(typed.hospital_id as integer)
left join map.sexo as sexo on sexo.source_value = typed.sexo
left join map.aislamiento as aislamiento on aislamiento.source_value = typed.aislamiento
