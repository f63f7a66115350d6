-- what clinicsay has of three large tables, without its rooms and metadata: keys, foreign keys, checks, indexes
create type appointment_status as enum ('SCHEDULED', 'CONFIRMED', 'COMPLETED', 'CANCELLED', 'NO_SHOW');

create table clinic (
  id text primary key check (length(id) = 26),
  name text not null
);

create table patient (
  id text primary key constraint patient_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  chart_number varchar(40) not null,
  first_name text not null constraint patient_first_name_present check (length(first_name) between 1 and 120),
  last_name text,
  birth_date date constraint patient_birth_date_plausible check (birth_date >= '1880-01-01'),
  sex text constraint patient_sex check (sex in ('M', 'F', 'X')),
  national_id varchar(40),
  email text,
  phone text,
  address text,
  postal_code varchar(12),
  city text,
  marketing_consent boolean not null default false,
  created_at timestamptz not null default now()
);
create unique index patient_chart_number_key on patient (clinic_id, chart_number);
create index patient_email_idx on patient (clinic_id, email);

create table appointment (
  id text primary key constraint appointment_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text not null references patient (id),
  room text,
  professional text,
  treatment text,
  status appointment_status not null default 'SCHEDULED',
  starts_at timestamptz not null,
  ends_at timestamptz,
  notes text,
  created_at timestamptz not null default now(),
  constraint appointment_order check (ends_at >= starts_at)
);
create index appointment_patient_idx on appointment (patient_id);
create index appointment_starts_at_idx on appointment (clinic_id, starts_at);

create table invoice (
  id text primary key constraint invoice_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text not null references patient (id),
  series varchar(20) not null,
  number varchar(40) not null,
  status text not null,
  issued_on date not null,
  subtotal numeric(12,2),
  tax numeric(12,2),
  total numeric(12,2) not null,
  created_at timestamptz not null default now(),
  constraint invoice_number_key unique (clinic_id, series, number)
);
create index invoice_patient_idx on invoice (patient_id);
create index invoice_issued_on_idx on invoice (clinic_id, issued_on);
