-- The old program's database, whose people and beds never were: sqlite3 sources/gestion_camas.db <gestion_camas.sql
-- The same rows each time. Every defect is put in by an expression below, so that it can be counted.
pragma foreign_keys = off;
pragma page_size = 4096;
begin;
create table alembic_version (version_num varchar(32) not null primary key);
create table hospital (id integer primary key autoincrement, nombre varchar not null, codigo varchar not null, activo boolean, creado_en datetime);
create table servicio (id integer primary key autoincrement, hospital_id integer not null references hospital (id), nombre varchar not null,
  codigo varchar not null, tipo varchar, activo boolean);
create table sala (id integer primary key autoincrement, servicio_id integer not null references servicio (id), numero varchar, es_individual boolean, sexo_asignado varchar);
create table cama (id integer primary key autoincrement, sala_id integer not null references sala (id), identificador varchar, estado varchar,
  estado_desde integer, mensaje varchar, equipamiento json);
create table usuario (id integer primary key autoincrement, username varchar not null, email varchar, nombre_completo varchar, hashed_password varchar,
  rol varchar, is_active boolean, permisos json, ultimo_acceso datetime, hospital_id integer);
create table paciente (id integer primary key autoincrement, hospital_id integer, cama_id integer references cama (id), nombre varchar, run varchar, sexo varchar,
  fecha_nacimiento date, es_embarazada boolean, aislamiento varchar, diagnostico varchar, requerimientos json, creado_en datetime, actualizado_en datetime);
create table traslado (id integer primary key autoincrement, paciente_id integer not null references paciente (id), cama_origen_id integer, cama_destino_id integer,
  solicitado_por integer references usuario (id), estado varchar, motivo varchar, solicitado_en, completado_en);
create table configuracion (id integer primary key autoincrement, hospital_id integer, clave varchar, valor, actualizado_en datetime);
create index ix_paciente_run on paciente (run);

insert into alembic_version values ('4f2c9a1b7d3e');
insert into hospital values (1, 'Hospital Puerto Montt', 'hospital-puerto-montt', 1, '2023-06-01 12:00:00.000000'),
  (2, 'Hospital de Capacitación', 'hospital-demo', 'true', '2023-06-02 09:30:00.000000');

insert into servicio values (1, 1, 'Unidad de Cuidados Intensivos', 'UCI', 'TipoServicioEnum.UCI', 1), (2, 1, 'Unidad de Tratamiento Intermedio', 'UTI', 'uti', 1),
  (3, 1, 'Medicina', 'MED', 'medicina', 'true'), (4, 1, 'Cirugía', 'CIR', 'cirugía', 1), (5, 1, 'Pediatría', 'PED', 'PEDIATRIA', 'SI'),
  (6, 1, 'Maternidad', 'MAT', 'maternidad', 1), (7, 1, 'Aislamiento', 'AIS', 'aislamiento', 'false'), (8, 1, 'Urgencia', 'URG', 'urgencia', 1),
  (9, 2, 'Medicina (capacitación)', 'MED', 'medicina', 1);

-- 32 rooms, the last two of the training hospital
insert into sala
with recursive n(i) as (select 1 union all select i + 1 from n where i < 32)
select i, case when i > 30 then 9 else (i - 1) % 8 + 1 end, printf('%d%02d', 1 + (i - 1) / 8, (i - 1) % 8 + 1),
  case when i % 5 = 0 then case i % 2 when 0 then 'true' else 1 end else 0 end,
  case i % 3 when 0 then 'HOMBRE' when 1 then 'mujer' end
from n;

-- 126 beds; numbers 45 and 46 were deleted, two stand in rooms that are gone
insert into cama
with recursive n(i) as (select 1 union all select i + 1 from n where i < 128)
select i, case when i in (77, 78) then 99 when i > 124 then 31 else (i - 1) % 30 + 1 end, printf('C-%03d', i),
  case i % 12 when 0 then 'ocupada' when 1 then 'OCUPADA' when 2 then 'EstadoCamaEnum.OCUPADA' when 3 then 'ocupada' when 4 then 'en limpieza'
    when 5 then 'EN_LIMPIEZA' when 6 then 'reservada' when 7 then 'bloqueada' when 8 then 'EstadoCamaEnum.EN_TRASLADO' else 'libre' end,
  case when i % 9 = 0 then null when i % 10 = 0 then (1704067200 + i * 7919) * 1000 else 1704067200 + i * 7919 end,
  case when i % 12 = 7 then 'Falta repuesto' when i % 6 = 4 then '' end,
  case i % 4 when 0 then '["oxigeno", "monitor"]' when 1 then '[]' when 2 then '["ventilador"]' else case when i % 8 = 3 then '[''monitor'', ''bomba'']' end end
from n where i not in (45, 46);

insert into usuario
with recursive n(i) as (select 1 union all select i + 1 from n where i < 12)
select i, case i when 1 then 'admin' when 12 then 'capacitacion' else printf('usuario%02d', i) end,
  case when i = 5 then 'sin correo' when i = 6 then null else printf('hpm.persona%02d@gmail.com', i) end, printf('Persona %d', i),
  '$2b$12$' || substr('abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./abcd', i, 53),
  case i % 5 when 0 then 'medico' when 1 then 'RolEnum.ADMIN' when 2 then 'enfermería' when 3 then 'gestor_camas' else 'LECTURA' end,
  case i % 4 when 0 then 0 when 1 then 1 when 2 then 'True' else 't' end,
  case when i % 3 = 0 then '["camas:leer", "camas:mover"]' when i % 3 = 1 then '[''camas:leer'']' end,
  case when i = 7 then null when i % 2 = 0 then 1719800000 + i * 86400 else strftime('%Y-%m-%dT%H:%M:%SZ', 1719800000 + i * 86400, 'unixepoch') end,
  case when i = 12 then 2 when i > 1 then 1 end
from n;

-- 300 patients: every eleventh run has a wrong check digit, every tenth none; 25 and 26 are one person
insert into paciente
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300),
number(i, body) as (select i, printf('%08d', 7000000 + case i when 26 then 25 else i end * 61871 % 15000000) from n),
digit(i, body, sum) as (
  select i, body, substr(body, 8, 1) * 2 + substr(body, 7, 1) * 3 + substr(body, 6, 1) * 4 + substr(body, 5, 1) * 5
    + substr(body, 4, 1) * 6 + substr(body, 3, 1) * 7 + substr(body, 2, 1) * 2 + substr(body, 1, 1) * 3 from number
)
select i, case when i > 290 then 2 when i % 50 = 0 then null else 1 end,
  case when i = 150 then 45 when i > 290 then 126 when i % 3 = 0 and i <= 120 and i not in (45, 78) then i end,
  case i % 8 when 0 then 'Ana' when 1 then 'LUIS' when 2 then 'María José' when 3 then 'pedro' when 4 then 'Sofía' when 5 then 'Íñigo' when 6 then 'Rosa' else 'Juan  Pablo' end
    || ' ' || case i % 7 when 0 then 'Muñoz' when 1 then 'Oyarzún' when 2 then 'MANSILLA' when 3 then 'Barría' when 4 then 'Cárcamo' when 5 then 'Vera' else 'Añazco' end
    || ' ' || char(65 + i % 26) || case i % 5 when 0 then 'lvarado' when 1 then 'érez' when 2 then 'oto' when 3 then 'íos' else 'iaz' end,
  case when i % 10 = 0 then '' else case i % 3 when 0 then printf('%d.%s.%s', substr(body, 1, 2), substr(body, 3, 3), substr(body, 6, 3)) else ltrim(body, '0') end || '-'
    || case (11 - sum % 11 + case when i % 11 = 0 then 1 else 0 end) % 11 when 10 then case when i % 2 = 0 then 'k' else 'K' end else (11 - sum % 11 + case when i % 11 = 0 then 1 else 0 end) % 11 end end,
  case i % 8 when 0 then 'mujer' when 1 then 'HOMBRE' when 2 then 'SexoEnum.MUJER' when 3 then 'hombre' when 4 then 'F' when 5 then 'M' when 6 then 'femenino' else 'masculino' end,
  case when i % 40 = 0 then '00/00/0000' when i % 6 = 0 then strftime('%d/%m/%Y', 2433000 + i * 79) when i % 25 = 1 then null else date(2433000 + i * 79) end,
  case when i % 24 = 2 then 1 when i = 98 then 'SI' when i % 5 = 0 then 'false' when i % 9 = 0 then null else 0 end,
  case i % 9 when 0 then 'AislamientoEnum.CONTACTO' when 1 then 'gotitas' when 2 then 'aéreo' when 3 then '' when 4 then null else 'ninguno' end,
  case when i % 4 = 0 then 'Neumonía; control' when i % 4 = 1 then 'Post operatorio' || char(10) || 'día ' || i % 9 end,
  case i % 6 when 0 then '{"oxigeno": true, "litros": 2.5}' when 1 then '{''oxigeno'': False, ''nota'': None}' when 2 then '{}' when 3 then null when 4 then '' else '{"dieta": "líquida", "n": 12345678901234567890}' end,
  strftime('%Y-%m-%d %H:%M:%S.000000', 1704067200 + i * 41231, 'unixepoch'),
  case when i % 7 = 0 then null else strftime('%Y-%m-%d %H:%M:%S.123456', 1704067200 + i * 41231 + i * 600, 'unixepoch') end
from digit join number using (i, body);

-- a name that another program wrote in Latin-1
update paciente set nombre = cast(x'49F16967756F204D75F16F7A' as text) where id = 13;

-- 420 transfers in four ways to write a time; 5 of patients who are gone
insert into traslado
with recursive n(i) as (select 1 union all select i + 1 from n where i < 420),
timed(i, asked, patient) as (select i, 1706745600 + i * 23456, case when i % 84 = 0 then 900 + i else (i * 7) % 300 + 1 end from n)
select i, patient,
  case when i % 6 = 0 or patient between 291 and 300 then null else (i * 5) % 40 + 1 end, case when patient between 291 and 300 then 125 + i % 4 when i % 13 = 0 then 45 else (i * 5) % 40 + 81 end,
  case when patient between 291 and 300 then 12 when i % 17 = 0 then null else i % 11 + 1 end,
  case when i in (100, 200) then 'perdido' else case i % 8 when 0 then 'completado' when 1 then 'COMPLETADO' when 2 then 'EstadoTrasladoEnum.COMPLETADO' when 3 then 'solicitado'
    when 4 then 'completado' when 5 then 'aceptado' when 6 then 'cancelado' else 'CANCELADO' end end,
  case i % 3 when 0 then 'Alta de UCI' when 1 then 'Aislamiento' end,
  case i % 4 when 0 then asked when 1 then asked * 1000 when 2 then strftime('%Y-%m-%d %H:%M:%S', asked, 'unixepoch') else 2440587.5 + asked / 86400.0 end,
  case when i % 8 in (0, 1, 2, 4) then case when i = 313 then asked - 3600 when i % 2 = 0 then asked + 5400 else 2440587.5 + (asked + 5400) / 86400.0 end end
from timed;

insert into configuracion values (1, 1, 'intervalo_priorizacion_segundos', 60, '2024-01-05 10:00:00'), (2, 1, 'factor_ocupacion', 0.85, '2024-01-05 10:00:00'),
  (3, 1, 'derivacion_automatica', 'true', 1704448800), (4, 1, 'mensaje_bienvenida', 'Bienvenida, urgencia', null), (5, 1, 'tiempos_espera', '{"uci": 30, "uti": 45}', 2460314.75),
  (6, 1, 'plantilla', '', null), (7, 2, 'intervalo_priorizacion_segundos', 5, null), (8, null, 'version_esquema', '0042', '2024-02-29 23:59:59');
commit;
vacuum;
