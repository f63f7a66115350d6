-- The tables of clinicsay that a clinic's data is moved into, in order of dependence.
-- Run it on an empty database (PostgreSQL 14 or newer) as the database's owner.
-- Every `id` holds a ULID. Every table that belongs to one clinic has `clinic_id`.

create extension if not exists btree_gist;

create type record_status as enum ('ACTIVE', 'ARCHIVED', 'DELETED');
create type user_type as enum ('SYSTEM', 'ADMIN', 'STAFF');
create type user_role as enum ('OWNER', 'PROFESSIONAL', 'RECEPTION', 'MIGRATION');
create type sex as enum ('M', 'F', 'X');
create type care_plan_status as enum ('PROPOSED', 'ACTIVE', 'COMPLETED', 'CANCELLED');
create type appointment_status as enum ('SCHEDULED', 'CONFIRMED', 'ARRIVED', 'COMPLETED', 'CANCELLED', 'NO_SHOW');
create type note_kind as enum ('CLINICAL', 'DIAGNOSIS', 'PROCEDURE', 'IMMUNIZATION', 'ALLERGY', 'ADMINISTRATIVE');
create type budget_status as enum ('DRAFT', 'SENT', 'ACCEPTED', 'REJECTED', 'EXPIRED');
create type invoice_status as enum ('DRAFT', 'ISSUED', 'PAID', 'CANCELLED');
create type payment_method as enum ('CASH', 'CARD', 'TRANSFER', 'DIRECT_DEBIT', 'FINANCING', 'INSURANCE', 'OTHER');
create type task_status as enum ('OPEN', 'DONE', 'CANCELLED');
create type automation_channel as enum ('EMAIL', 'SMS', 'WHATSAPP');
create type cash_direction as enum ('IN', 'OUT');
create type document_kind as enum ('CONSENT', 'IMAGE', 'REPORT', 'OTHER');

create domain email_address as text
  constraint email_address_shape check (value ~ '^[^@[:space:]]+@[^@[:space:]]+\.[^@[:space:]]+$');
create domain phone_e164 as text
  constraint phone_e164_shape check (value ~ '^\+[1-9][0-9]{6,14}$');

create function touch_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create table organization (
  id text primary key constraint organization_id_ulid check (length(id) = 26),
  name text not null constraint organization_name_present check (length(name) between 1 and 200),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table company (
  id text primary key constraint company_id_ulid check (length(id) = 26),
  organization_id text not null references organization (id),
  name text not null constraint company_name_present check (length(name) between 1 and 200),
  tax_id varchar(20),
  country char(2) not null constraint company_country_upper check (country = upper(country)),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table clinic (
  id text primary key constraint clinic_id_ulid check (length(id) = 26),
  company_id text not null references company (id),
  name text not null constraint clinic_name_present check (length(name) between 1 and 200),
  timezone text not null,
  country char(2) not null,
  currency char(3) not null constraint clinic_currency_code check (currency ~ '^[A-Z]{3}$'),
  locale varchar(10) not null,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table site (
  id text primary key constraint site_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  name text not null constraint site_name_present check (length(name) between 1 and 200),
  timezone text not null,
  phone phone_e164,
  address text,
  city text,
  province text,
  postal_code varchar(12),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index site_clinic_idx on site (clinic_id);

create table app_user (
  id text primary key constraint app_user_id_ulid check (length(id) = 26),
  type user_type not null,
  name text not null,
  email email_address not null,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index app_user_email_key on app_user (lower(email));

create table user_clinic (
  id text primary key constraint user_clinic_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  user_id text not null references app_user (id),
  role user_role not null,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint user_clinic_user_clinic_key unique (user_id, clinic_id)
);

create table professional (
  id text primary key constraint professional_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  user_id text references app_user (id),
  site_id text references site (id),
  first_name text not null constraint professional_first_name_present check (length(first_name) > 0),
  last_name text,
  sex sex,
  specialty text,
  license_number varchar(40),
  email email_address,
  phone phone_e164,
  color varchar(7) constraint professional_color_hex check (color ~ '^#[0-9A-Fa-f]{6}$'),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index professional_email_key on professional (clinic_id, lower(email)) where email is not null;

create table patient (
  id text primary key constraint patient_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  site_id text references site (id),
  chart_number varchar(40),
  first_name text not null constraint patient_first_name_present check (length(first_name) between 1 and 120),
  last_name text constraint patient_last_name_length check (length(last_name) between 1 and 120),
  second_last_name text constraint patient_second_last_name_length check (length(second_last_name) between 1 and 120),
  full_name text generated always as
    (first_name || coalesce(' ' || last_name, '') || coalesce(' ' || second_last_name, '')) stored,
  birth_date date constraint patient_birth_date_plausible check (birth_date >= '1880-01-01'),
  death_date date,
  sex sex,
  national_id varchar(40),
  email email_address,
  phone phone_e164,
  second_phone phone_e164,
  address text,
  city text,
  province text,
  postal_code varchar(12),
  country char(2) constraint patient_country_code check (country ~ '^[A-Z]{2}$'),
  marketing_consent boolean not null default false,
  notes text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint patient_death_after_birth check (death_date >= birth_date)
);
create unique index patient_chart_number_key on patient (clinic_id, chart_number) where chart_number is not null;
create unique index patient_national_id_key on patient (clinic_id, upper(national_id))
  where national_id is not null and record_status = 'ACTIVE';
create index patient_email_idx on patient (clinic_id, lower(email));
create index patient_phone_idx on patient (clinic_id, phone);

create table service (
  id text primary key constraint service_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  name text not null constraint service_name_present check (length(name) > 0),
  description text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index service_name_key on service (clinic_id, lower(name));

create table category (
  id text primary key constraint category_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  service_id text not null references service (id),
  name text not null constraint category_name_present check (length(name) > 0),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index category_name_key on category (service_id, lower(name));

create table treatment (
  id text primary key constraint treatment_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  category_id text not null references category (id),
  code varchar(40),
  name text not null constraint treatment_name_present check (length(name) > 0),
  description text,
  duration_minutes smallint constraint treatment_duration_range check (duration_minutes between 0 and 1440),
  price numeric(12,2) constraint treatment_price_positive check (price >= 0),
  tax_rate numeric(5,2) not null default 0 constraint treatment_tax_rate_range check (tax_rate between 0 and 100),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index treatment_code_key on treatment (category_id, upper(code)) where code is not null;

create table room (
  id text primary key constraint room_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  site_id text not null references site (id),
  name text not null constraint room_name_present check (length(name) > 0),
  capacity smallint not null default 1 constraint room_capacity_range check (capacity between 1 and 100),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index room_name_key on room (site_id, lower(name));

create table availability (
  id text primary key constraint availability_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  professional_id text not null references professional (id),
  site_id text references site (id),
  room_id text references room (id),
  weekday smallint not null constraint availability_weekday_iso check (weekday between 1 and 7),
  starts_at time not null,
  ends_at time not null,
  valid_from date,
  valid_until date,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint availability_order check (ends_at > starts_at),
  constraint availability_validity check (valid_until >= valid_from)
);

create table commission (
  id text primary key constraint commission_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  professional_id text not null references professional (id),
  treatment_id text references treatment (id),
  percentage numeric(5,2) constraint commission_percentage_range check (percentage between 0 and 100),
  amount numeric(12,2) constraint commission_amount_positive check (amount >= 0),
  valid_from date,
  valid_until date,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint commission_one_of check (num_nonnulls(percentage, amount) = 1),
  constraint commission_validity check (valid_until >= valid_from)
);

create table care_plan (
  id text primary key constraint care_plan_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text not null references patient (id),
  professional_id text references professional (id),
  treatment_id text references treatment (id),
  name text not null constraint care_plan_name_present check (length(name) > 0),
  status care_plan_status not null default 'PROPOSED',
  starts_on date,
  ends_on date,
  session_count smallint constraint care_plan_session_count_positive check (session_count > 0),
  reason text,
  notes text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint care_plan_order check (ends_on >= starts_on)
);
create index care_plan_patient_idx on care_plan (patient_id);

create table appointment (
  id text primary key constraint appointment_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  site_id text references site (id),
  room_id text references room (id),
  patient_id text not null references patient (id),
  professional_id text references professional (id),
  treatment_id text references treatment (id),
  care_plan_id text references care_plan (id),
  status appointment_status not null default 'SCHEDULED',
  starts_at timestamptz not null,
  ends_at timestamptz,
  reason text,
  notes text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint appointment_order check (ends_at >= starts_at),
  constraint appointment_room_free exclude using gist (room_id with =, tstzrange(starts_at, ends_at) with &&)
    where (room_id is not null and ends_at is not null and status not in ('CANCELLED', 'NO_SHOW'))
);
create index appointment_patient_idx on appointment (patient_id);
create index appointment_starts_at_idx on appointment (clinic_id, starts_at);

create table note (
  id text primary key constraint note_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text not null references patient (id),
  appointment_id text references appointment (id),
  professional_id text references professional (id),
  treatment_id text references treatment (id),
  author_id text references app_user (id),
  kind note_kind not null,
  noted_at timestamptz not null,
  title text,
  body text not null constraint note_body_present check (length(body) > 0),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index note_patient_idx on note (patient_id);

create table budget (
  id text primary key constraint budget_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text not null references patient (id),
  professional_id text references professional (id),
  number varchar(40),
  status budget_status not null default 'DRAFT',
  issued_on date not null,
  valid_until date,
  currency char(3) not null constraint budget_currency_code check (currency ~ '^[A-Z]{3}$'),
  discount numeric(12,2) not null default 0 constraint budget_discount_positive check (discount >= 0),
  total numeric(12,2) not null constraint budget_total_positive check (total >= 0),
  notes text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint budget_validity check (valid_until >= issued_on)
);
create unique index budget_number_key on budget (clinic_id, number) where number is not null;
create index budget_patient_idx on budget (patient_id);

create table budget_line (
  id text primary key constraint budget_line_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  budget_id text not null references budget (id),
  treatment_id text references treatment (id),
  position integer not null constraint budget_line_position_positive check (position > 0),
  description text not null,
  quantity numeric(10,2) not null default 1 constraint budget_line_quantity_positive check (quantity > 0),
  unit_price numeric(12,2) not null,
  discount numeric(12,2) not null default 0,
  tax_rate numeric(5,2) not null default 0 constraint budget_line_tax_rate_range check (tax_rate between 0 and 100),
  total numeric(12,2) not null,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint budget_line_position_key unique (budget_id, position)
);

create table invoice (
  id text primary key constraint invoice_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text not null references patient (id),
  appointment_id text references appointment (id),
  budget_id text references budget (id),
  rectifies_id text references invoice (id),
  series varchar(20),
  number varchar(40),
  status invoice_status not null default 'ISSUED',
  issued_on date not null,
  due_on date,
  currency char(3) not null constraint invoice_currency_code check (currency ~ '^[A-Z]{3}$'),
  subtotal numeric(12,2),
  tax numeric(12,2),
  total numeric(12,2) not null,
  notes text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint invoice_due_after_issue check (due_on >= issued_on),
  constraint invoice_rectifies_other check (rectifies_id <> id)
);
create unique index invoice_number_key on invoice (clinic_id, coalesce(series, ''), number) where number is not null;
create index invoice_patient_idx on invoice (patient_id);
create index invoice_issued_on_idx on invoice (clinic_id, issued_on);

create table invoice_line (
  id text primary key constraint invoice_line_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  invoice_id text not null references invoice (id),
  treatment_id text references treatment (id),
  professional_id text references professional (id),
  position integer not null constraint invoice_line_position_positive check (position > 0),
  description text not null,
  quantity numeric(10,2) not null default 1 constraint invoice_line_quantity_not_zero check (quantity <> 0),
  unit_price numeric(12,2) not null,
  discount numeric(12,2) not null default 0,
  tax_rate numeric(5,2) not null default 0 constraint invoice_line_tax_rate_range check (tax_rate between 0 and 100),
  total numeric(12,2) not null,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint invoice_line_position_key unique (invoice_id, position)
);

create table payment (
  id text primary key constraint payment_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text not null references patient (id),
  invoice_id text references invoice (id),
  budget_id text references budget (id),
  method payment_method not null,
  paid_at timestamptz not null,
  amount numeric(12,2) not null constraint payment_amount_not_zero check (amount <> 0),
  reference text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index payment_invoice_idx on payment (invoice_id);

create table task (
  id text primary key constraint task_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text references patient (id),
  professional_id text references professional (id),
  author_id text references app_user (id),
  title text not null constraint task_title_present check (length(title) > 0),
  description text,
  status task_status not null default 'OPEN',
  priority smallint not null default 3 constraint task_priority_range check (priority between 1 and 5),
  due_at timestamptz,
  completed_at timestamptz,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint task_completed_is_done check (completed_at is null or status = 'DONE')
);

create table automation (
  id text primary key constraint automation_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  name text not null constraint automation_name_present check (length(name) > 0),
  channel automation_channel not null,
  enabled boolean not null default false,
  offset_minutes integer,
  template text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index automation_name_key on automation (clinic_id, lower(name));

create table cash_register (
  id text primary key constraint cash_register_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  site_id text references site (id),
  name text not null constraint cash_register_name_present check (length(name) > 0),
  opened_at timestamptz,
  closed_at timestamptz,
  opening_amount numeric(12,2) not null default 0,
  closing_amount numeric(12,2),
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint cash_register_order check (closed_at >= opened_at)
);

create table cash_movement (
  id text primary key constraint cash_movement_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  cash_register_id text not null references cash_register (id),
  payment_id text references payment (id),
  direction cash_direction not null,
  amount numeric(12,2) not null constraint cash_movement_amount_positive check (amount > 0),
  moved_at timestamptz not null,
  concept text,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table document (
  id text primary key constraint document_id_ulid check (length(id) = 26),
  clinic_id text not null references clinic (id),
  patient_id text references patient (id),
  appointment_id text references appointment (id),
  kind document_kind not null,
  name text not null constraint document_name_present check (length(name) > 0),
  mime_type varchar(100),
  storage_key text,
  byte_count bigint constraint document_byte_count_positive check (byte_count >= 0),
  sha256 varchar(64) constraint document_sha256_hex check (sha256 ~ '^[0-9a-f]{64}$'),
  signed_at timestamptz,
  record_status record_status not null default 'ACTIVE',
  record_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index document_storage_key_key on document (storage_key) where storage_key is not null;

create trigger organization_touch before update on organization for each row execute function touch_updated_at();
create trigger company_touch before update on company for each row execute function touch_updated_at();
create trigger clinic_touch before update on clinic for each row execute function touch_updated_at();
create trigger site_touch before update on site for each row execute function touch_updated_at();
create trigger app_user_touch before update on app_user for each row execute function touch_updated_at();
create trigger user_clinic_touch before update on user_clinic for each row execute function touch_updated_at();
create trigger professional_touch before update on professional for each row execute function touch_updated_at();
create trigger patient_touch before update on patient for each row execute function touch_updated_at();
create trigger service_touch before update on service for each row execute function touch_updated_at();
create trigger category_touch before update on category for each row execute function touch_updated_at();
create trigger treatment_touch before update on treatment for each row execute function touch_updated_at();
create trigger room_touch before update on room for each row execute function touch_updated_at();
create trigger availability_touch before update on availability for each row execute function touch_updated_at();
create trigger commission_touch before update on commission for each row execute function touch_updated_at();
create trigger care_plan_touch before update on care_plan for each row execute function touch_updated_at();
create trigger appointment_touch before update on appointment for each row execute function touch_updated_at();
create trigger note_touch before update on note for each row execute function touch_updated_at();
create trigger budget_touch before update on budget for each row execute function touch_updated_at();
create trigger budget_line_touch before update on budget_line for each row execute function touch_updated_at();
create trigger invoice_touch before update on invoice for each row execute function touch_updated_at();
create trigger invoice_line_touch before update on invoice_line for each row execute function touch_updated_at();
create trigger payment_touch before update on payment for each row execute function touch_updated_at();
create trigger task_touch before update on task for each row execute function touch_updated_at();
create trigger automation_touch before update on automation for each row execute function touch_updated_at();
create trigger cash_register_touch before update on cash_register for each row execute function touch_updated_at();
create trigger cash_movement_touch before update on cash_movement for each row execute function touch_updated_at();
create trigger document_touch before update on document for each row execute function touch_updated_at();
