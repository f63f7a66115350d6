-- The laboratory's old Django database, in PostgreSQL: invented people only, the same rows on every run.
-- createdb legacy && psql -d legacy -f LEGACY_DB_URL.sql, then LEGACY_DB_URL=postgresql://.../legacy

create table auth_group (id serial primary key, name varchar(150) not null unique);
create table auth_user (
  id serial primary key, username varchar(150) not null unique, first_name varchar(150) not null, last_name varchar(150) not null,
  email varchar(254) not null, password varchar(128) not null, is_staff boolean not null, is_active boolean not null,
  date_joined timestamptz not null, last_login timestamptz
);
create table auth_user_groups (id serial primary key, user_id int not null references auth_user, group_id int not null references auth_group);
create table dispatch_patient (
  id serial primary key, user_id int not null references auth_user, birthdate date, sex varchar(1) not null, updated_at timestamptz not null
);
create table dispatch_template (
  id serial primary key, name varchar(120) not null, description text not null, is_active boolean not null, tasks text not null,
  updated_at timestamptz not null
);
create table dispatch_instruction (
  id serial primary key, code varchar(20) not null, patient_id int not null references dispatch_patient, dentist_id int references auth_user,
  template_id int references dispatch_template, title varchar(200) not null, description text not null, status varchar(3) not null,
  priority smallint not null, due_date date, price numeric(12, 2), teeth varchar(100) not null, created_at timestamptz not null,
  updated_at timestamptz not null
);
-- Django made no foreign key here: instructions were deleted under their files.
create table dispatch_project (
  id serial primary key, instruction_id int not null, name varchar(200) not null, kind varchar(10) not null, version int not null,
  file varchar(300) not null, size bigint, status varchar(10) not null, meta jsonb not null, created_at timestamptz not null,
  updated_at timestamptz not null
);
create table dispatch_state (
  id bigserial primary key, instruction_id int not null references dispatch_instruction, from_state varchar(3), state varchar(3) not null,
  user_id int references auth_user, comment text not null, created_at timestamptz not null
);

insert into auth_group (name) values ('Administradores'), ('Odontólogos'), ('Técnicos'), ('Despacho');

insert into auth_user (username, first_name, last_name, email, password, is_staff, is_active, date_joined) values
  ('admin', 'Marta', 'Olmos', 'marta@lab-inventado.es', 'pbkdf2_sha256$260000$x', true, true, '2019-01-07 09:00+01'),
  ('drsoler', 'Joan', 'Soler Vidal', 'joan.soler@dent-inventado.es', 'pbkdf2_sha256$260000$x', true, true, '2019-02-11 09:00+01'),
  ('dracano', 'Inés', 'Cano', 'INES.CANO@dent-inventado.es', 'pbkdf2_sha256$260000$x', true, true, '2019-03-04 09:00+01'),
  ('drpaz', 'Raúl', 'Paz', '', 'pbkdf2_sha256$260000$x', true, false, '2019-05-20 09:00+02'),
  ('tec1', 'Nuria', 'Vega', 'nuria@lab-inventado.es', 'pbkdf2_sha256$260000$x', true, true, '2019-01-08 09:00+01'),
  ('tec2', 'Íker', 'Lasa', 'iker@lab-inventado.es', 'pbkdf2_sha256$260000$x', true, true, '2020-01-08 09:00+01'),
  ('tec3', '', '', 'tec3@lab-inventado.es', 'pbkdf2_sha256$260000$x', true, true, '2021-01-08 09:00+01'),
  ('envios', 'Olga', 'Ruiz', 'envios@lab-inventado.es', 'pbkdf2_sha256$260000$x', true, true, '2021-06-01 09:00+02');
insert into auth_user_groups (user_id, group_id) values (1, 1), (1, 3), (2, 2), (3, 2), (4, 2), (5, 3), (6, 3), (7, 3), (8, 4);

-- 200 patients, each a user; the names of one number never come together twice
insert into auth_user (id, username, first_name, last_name, email, password, is_staff, is_active, date_joined)
select 100 + n, 'pac' || n,
  (array['Ana', 'Luis', 'Carmen', 'Javier', 'Lucía', 'Pablo', 'Sara', 'Diego', 'Elena', 'Hugo', 'Irene', 'Óscar', 'Julia', 'Marcos', 'Laia',
    'Tomás', 'Nerea', 'Simón', 'Vera', 'Adrián'])[1 + n % 20],
  (array['García', 'Muñoz', 'Peña', 'Ibáñez', 'Castro', 'Prieto', 'Núñez', 'Soto', 'Rey', 'Vidal', 'Lorca'])[1 + n % 11] || ' ' ||
  (array['Mora', 'Gil', 'Sáez', 'Roca', 'Blanco', 'Arias', 'Duarte', 'Pons', 'Ferrer', 'Nieto', 'Salas', 'Toro', 'Luna'])[1 + n % 13],
  case when n % 9 = 0 then '' else 'pac' || n || '@correo-inventado.es' end, '!', false, true, timestamptz '2020-01-01 08:00+01' + n * interval '5 days'
from generate_series(1, 200) n;
insert into dispatch_patient (id, user_id, birthdate, sex, updated_at)
select n, 100 + n, case when n % 17 <> 0 then date '1942-03-01' + (n * 7919) % 25000 end,
  case when n % 23 = 0 then '' when n % 2 = 0 then 'M' else 'F' end, timestamptz '2023-01-01 08:00:00.5+01' + n * interval '1 day'
from generate_series(1, 200) n;
-- Five people who opened a second account: another spelling, another e-mail, or none.
insert into auth_user (id, username, first_name, last_name, email, password, is_staff, is_active, date_joined)
select 300 + n, 'pac' || n || 'b', upper(first_name), replace(replace(upper(last_name), 'Ñ', 'N'), 'Á', 'A'),
  case when n % 2 = 0 then email else '' end, '!', false, true, '2024-01-01 08:00+01'
from auth_user, generate_series(10, 50, 10) n where auth_user.id = 100 + n;
insert into dispatch_patient (id, user_id, birthdate, sex, updated_at)
select 200 + n / 10, 300 + n, (select birthdate from dispatch_patient p where p.id = n), (select sex from dispatch_patient p where p.id = n),
  '2024-01-01 08:00+01'
from generate_series(10, 50, 10) n;
-- Somebody without a name.
update auth_user set first_name = '', last_name = '' where id = 177;

insert into dispatch_template (name, description, is_active, tasks, updated_at) values
  ('Corona de circonio', 'Corona unitaria', true, '[{"order": 1, "name": "Escaneo", "role": "TEC", "hours": 0.5}, {"order": 2, "name": "Diseño CAD", "role": "TEC", "hours": 1.25}, {"order": 3, "name": "Fresado", "role": "TEC", "hours": 2}, {"order": 4, "name": "Envío", "role": "DES"}]', '2023-02-01 08:00+01'),
  ('Férula de descarga', '', true, '[{"order": 1, "name": "Diseño", "role": "TEC", "hours": 1}, {"order": 2, "name": "Impresión", "role": "TEC", "hours": 3}, {"order": 3, "name": "Revisión", "role": "ODO", "hours": 0.25}]', '2023-02-02 08:00+01'),
  ('Alineadores', 'Serie completa', true, '[{"order": 1, "name": "Plan", "role": "ODO", "hours": 2}, {"order": 2, "name": "Series", "role": "TEC", "hours": 12.5}]', '2023-02-03 08:00+01'),
  ('Puente (antiguo)', 'Ya no se usa', false, '[]', '2022-02-03 08:00+01');

insert into dispatch_instruction (id, code, patient_id, dentist_id, template_id, title, description, status, priority, due_date, price, teeth,
  created_at, updated_at)
select n, 'MDW-' || to_char(n, 'FM0000'), 1 + (n * 37) % 205, case when n % 13 <> 0 then 2 + n % 3 end, 1 + n % 4,
  (array['Corona', 'Férula', 'Alineadores', 'Puente'])[1 + n % 4] || ' ' || n, case when n % 3 = 0 then E'Color A2\nAjuste fino' else '' end,
  (array['REC', 'DIS', 'PRO', 'CAL', 'ENV', 'ENV', 'ENV', 'CAN'])[1 + n % 8], n % 4, case when n % 7 <> 0 then date '2023-03-01' + n end,
  case when n % 11 <> 0 then 50 + n % 97 * 1.25 end, case when n % 5 = 0 then '' else (11 + n % 8)::text || ',' || (21 + n % 8) end,
  timestamptz '2023-02-15 09:30+01' + n * interval '26 hours', timestamptz '2023-03-15 09:30+01' + n * interval '27 hours'
from generate_series(1, 300) n;

-- Files; the last three belong to instructions that were deleted.
insert into dispatch_project (id, instruction_id, name, kind, version, file, size, status, meta, created_at, updated_at)
select n, case when n > 417 then 9000 + n else 1 + (n - 1) % 300 end, (array['diente', 'arcada', 'informe'])[1 + n % 3],
  (array['STL', 'SCAN', 'MODEL', 'PDF', 'stl'])[1 + n % 5], 1 + (n - 1) / 300,
  '/srv/mdw/media/projects/' || 2023 + n % 2 || '/' || n || '_' || (array['diente.stl', 'arcada.ply', 'informe.pdf'])[1 + n % 3],
  case when n % 19 <> 0 then 1000003 * n end, (array['BOR', 'APR', 'ARC'])[1 + n % 3],
  jsonb_build_object('software', 'exocad', 'units', 'mm', 'triangles', n * 1013), timestamptz '2023-02-20 10:00+01' + n * interval '20 hours',
  timestamptz '2023-02-20 10:00+01' + n * interval '21 hours'
from generate_series(1, 420) n;

-- Each instruction passed from REC to where it is now, a step in 18 hours; cancelled ones after the first.
insert into dispatch_state (instruction_id, from_state, state, user_id, comment, created_at)
select i.id, case when step > 1 then steps[step - 1] end, steps[step], case when step % 2 = 1 then 5 + i.id % 3 else 1 end,
  case when step = 3 then 'Revisar márgenes' else '' end, i.created_at + (step - 1) * interval '18 hours' + i.id * interval '1 second'
from dispatch_instruction i
cross join lateral (select case i.status when 'CAN' then array['REC', 'CAN'] else array['REC', 'DIS', 'PRO', 'CAL', 'ENV'] end as steps) s
cross join lateral generate_series(1, coalesce(array_position(s.steps, i.status::text), 1)) step
order by i.id, step;

select setval('auth_user_id_seq', 1000), setval('dispatch_patient_id_seq', 1000), setval('dispatch_instruction_id_seq', 1000),
  setval('dispatch_project_id_seq', 1000);
