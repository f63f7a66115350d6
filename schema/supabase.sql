-- The tables of the dental laboratory's Supabase project that a clinic's data is moved into, in order of dependence.
-- Run it on an empty database (PostgreSQL 14 or newer), or on a Supabase project: what that has already stays as it is.

-- Supabase's own roles and the part of its `auth` schema that these tables need; roles are the whole server's.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
    begin
      execute format('create role %I nologin', wanted);
    exception
      when duplicate_object or unique_violation then null;
    end;
  end loop;
end
$$;

create schema if not exists auth;

create table if not exists auth.users (
  id uuid primary key,
  aud varchar(255),
  role varchar(255),
  email varchar(255),
  encrypted_password varchar(255),
  email_confirmed_at timestamptz,
  raw_app_meta_data jsonb,
  raw_user_meta_data jsonb,
  created_at timestamptz,
  updated_at timestamptz
);
create unique index if not exists users_email_partial_key on auth.users (email);

do $$
begin
  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid language sql stable as
      'select nullif(current_setting(''request.jwt.claim.sub'', true), '''')::uuid';
  end if;
end
$$;

-- pgvector where the server has it; elsewhere its text stands in its place.
do $$
begin
  if exists (select from pg_available_extensions where name = 'vector') then
    create extension if not exists vector;
  else
    create domain vector as text constraint vector_shape check (value ~ '^\[[-0-9.e,]+\]$');
  end if;
end
$$;

create type user_role as enum ('admin', 'dentist', 'technician', 'dispatcher');
create type sex as enum ('female', 'male', 'other');
create type order_status as enum ('received', 'in_design', 'in_production', 'quality_check', 'shipped', 'cancelled');
create type order_priority as enum ('low', 'normal', 'high', 'urgent');
create type project_kind as enum ('stl', 'scan', 'model', 'document');
create type project_status as enum ('draft', 'approved', 'archived');

create table profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  username text not null constraint profiles_username_key unique,
  first_name text,
  last_name text,
  role user_role not null,
  is_active boolean not null default true,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table patients (
  id uuid primary key,
  first_name text not null constraint patients_first_name_present check (length(first_name) > 0),
  last_name text,
  full_name text generated always as (first_name || coalesce(' ' || last_name, '')) stored,
  birth_date date constraint patients_birth_date_plausible check (birth_date >= '1900-01-01'),
  sex sex,
  email text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index patients_last_name_idx on patients (lower(last_name));

create table workflow_templates (
  id uuid primary key,
  name text not null constraint workflow_templates_name_key unique,
  description text,
  is_active boolean not null default true,
  settings jsonb not null default '{}',
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table workflow_template_tasks (
  id uuid primary key,
  template_id uuid not null references workflow_templates (id) on delete cascade,
  position integer not null constraint workflow_template_tasks_position_positive check (position > 0),
  name text not null,
  role user_role not null,
  estimated_hours numeric(6, 2) constraint workflow_template_tasks_hours_positive check (estimated_hours > 0),
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint workflow_template_tasks_position_key unique (template_id, position)
);

create table orders (
  id uuid primary key,
  code text not null constraint orders_code_key unique,
  patient_id uuid not null references patients (id),
  dentist_id uuid references profiles (id),
  template_id uuid references workflow_templates (id),
  title text not null,
  description text,
  status order_status not null,
  priority order_priority not null default 'normal',
  due_on date,
  price numeric(12, 2) constraint orders_price_not_negative check (price >= 0),
  teeth jsonb not null default '[]',
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index orders_patient_idx on orders (patient_id);
create index orders_status_idx on orders (status) where status <> 'shipped';

create table projects (
  id uuid primary key,
  order_id uuid not null references orders (id),
  name text not null,
  kind project_kind not null,
  status project_status not null,
  version integer not null constraint projects_version_positive check (version > 0),
  storage_bucket text not null,
  storage_path text not null,
  file_size bigint constraint projects_file_size_not_negative check (file_size >= 0),
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint projects_version_key unique (order_id, name, version),
  constraint projects_storage_key unique (storage_bucket, storage_path)
);

create table project_embeddings (
  id uuid primary key,
  project_id uuid not null references projects (id) on delete cascade constraint project_embeddings_project_key unique,
  content text not null,
  model text,
  embedding vector,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table instruction_states (
  id uuid primary key,
  order_id uuid not null references orders (id) on delete cascade,
  from_status order_status,
  to_status order_status not null,
  changed_by uuid references profiles (id),
  comment text,
  changed_at timestamptz not null,
  metadata jsonb not null default '{}'
);
create index instruction_states_order_idx on instruction_states (order_id, changed_at);

create table state_analytics (
  id uuid primary key,
  order_id uuid not null references orders (id) on delete cascade,
  status order_status not null,
  entered_at timestamptz not null,
  left_at timestamptz,
  seconds bigint generated always as (extract(epoch from left_at - entered_at)::bigint) stored,
  constraint state_analytics_order check (left_at >= entered_at)
);
create index state_analytics_status_idx on state_analytics (status);

create table workflow_performance (
  id uuid primary key,
  template_id uuid not null references workflow_templates (id) on delete cascade
    constraint workflow_performance_template_key unique,
  orders integer not null,
  shipped integer not null,
  average_hours numeric(12, 2),
  metadata jsonb not null default '{}',
  updated_at timestamptz not null default now()
);

-- Staff who are signed in see everything; only they themselves, and the server, change their profile.
alter table profiles enable row level security;
alter table patients enable row level security;
alter table workflow_templates enable row level security;
alter table workflow_template_tasks enable row level security;
alter table orders enable row level security;
alter table projects enable row level security;
alter table project_embeddings enable row level security;
alter table instruction_states enable row level security;
alter table state_analytics enable row level security;
alter table workflow_performance enable row level security;

create policy "staff read profiles" on profiles for select to authenticated using (true);
create policy "own profile" on profiles for update to authenticated using (id = auth.uid()) with check (id = auth.uid());
create policy "staff read patients" on patients for select to authenticated
  using (exists (select from profiles where profiles.id = auth.uid() and profiles.is_active));
create policy "staff read templates" on workflow_templates for select to authenticated using (true);
create policy "staff read tasks" on workflow_template_tasks for select to authenticated using (true);
create policy "staff read orders" on orders for select to authenticated
  using (exists (select from profiles where profiles.id = auth.uid() and profiles.is_active));
create policy "dentists change their orders" on orders for update to authenticated using (dentist_id = auth.uid());
create policy "staff read projects" on projects for select to authenticated
  using (exists (select from profiles where profiles.id = auth.uid() and profiles.is_active));
create policy "staff read embeddings" on project_embeddings for select to authenticated
  using (exists (select from profiles where profiles.id = auth.uid() and profiles.is_active));
create policy "staff read states" on instruction_states for select to authenticated using (true);
create policy "staff read analytics" on state_analytics for select to authenticated using (true);
create policy "staff read performance" on workflow_performance for select to authenticated using (true);
