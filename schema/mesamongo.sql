-- mesamongo: what the case management keeps of its MongoDB collections, one schema a collection. `main` is the collection, its
-- child tables are the arrays in its documents. Ids are the documents' own. Users are the truth: everything else names them.

create schema lml_users;
create table lml_users.main (
    user_id text primary key,
    username text,
    email text,
    first_name text,
    last_name text,
    dni text,
    -- also of users that only the snapshots in other documents mention
    deleted boolean not null default false,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create table lml_users.roles (
    role_id text primary key,
    name text not null
);
create table lml_users.areas (
    area_id text primary key,
    name text not null
);
create table lml_users.user_roles (
    user_id text not null references lml_users.main,
    role_id text not null references lml_users.roles,
    primary key (user_id, role_id)
);
create table lml_users.user_areas (
    user_id text not null references lml_users.main,
    area_id text not null references lml_users.areas,
    primary key (user_id, area_id)
);
create index on lml_users.user_roles (role_id);
create index on lml_users.user_areas (area_id);

create schema lml_usersgroups;
create table lml_usersgroups.main (
    group_id text primary key,
    name text not null,
    description text,
    created_by_user_id text references lml_users.main,
    updated_by_user_id text references lml_users.main,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create table lml_usersgroups.members (
    group_id text not null references lml_usersgroups.main,
    user_id text not null references lml_users.main,
    primary key (group_id, user_id)
);
create index on lml_usersgroups.members (user_id);

create schema lml_formbuilder;
create table lml_formbuilder.main (
    form_id text primary key,
    name text not null,
    version bigint,
    -- what varies from form to form and is only ever shown as a whole
    config jsonb,
    created_by_user_id text references lml_users.main,
    updated_by_user_id text references lml_users.main,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create table lml_formbuilder.fields (
    form_id text not null references lml_formbuilder.main,
    position bigint not null,
    key text not null,
    label text,
    type text,
    required boolean not null,
    options jsonb,
    primary key (form_id, position)
);

create schema lml_listbuilder;
create table lml_listbuilder.main (
    list_id text primary key,
    name text not null,
    alias text,
    page_size bigint,
    search_params jsonb,
    created_by_user_id text references lml_users.main,
    updated_by_user_id text references lml_users.main,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create table lml_listbuilder.fields (
    list_id text not null references lml_listbuilder.main,
    position bigint not null,
    key text not null,
    label text,
    sortable boolean,
    primary key (list_id, position)
);

create schema lml_processtypes;
create table lml_processtypes.main (
    process_type_id text primary key,
    code text not null unique,
    name text not null,
    active boolean not null,
    form_id text references lml_formbuilder.main,
    created_by_user_id text references lml_users.main,
    updated_by_user_id text references lml_users.main,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create schema lml_people;
create table lml_people.main (
    person_id text primary key,
    kind text not null check (kind in ('NATURAL', 'LEGAL')),
    first_name text,
    last_name text,
    legal_name text,
    document_type text,
    document_number text,
    tax_id text,
    email text,
    phone text,
    birth_date date,
    created_by_user_id text references lml_users.main,
    updated_by_user_id text references lml_users.main,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check (kind = 'LEGAL' or legal_name is null)
);
create table lml_people.addresses (
    person_id text not null references lml_people.main,
    position bigint not null,
    street text,
    number text,
    city text,
    province text,
    location jsonb,
    primary key (person_id, position)
);

create schema lml_processes;
create table lml_processes.main (
    process_id text primary key,
    number text not null,
    process_type_id text not null references lml_processtypes.main,
    status text not null,
    amount numeric(18, 2),
    data jsonb,
    created_by_user_id text references lml_users.main,
    updated_by_user_id text references lml_users.main,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create table lml_processes.movements (
    process_id text not null references lml_processes.main,
    position bigint not null,
    action text not null,
    area_id text references lml_users.areas,
    user_id text references lml_users.main,
    moved_at timestamptz,
    primary key (process_id, position)
);
create table lml_processes.initiators (
    process_id text not null references lml_processes.main,
    person_id text not null references lml_people.main,
    primary key (process_id, person_id)
);
create index on lml_processes.main (process_type_id);
create index on lml_processes.main (created_at);
create index on lml_processes.movements (user_id);
create index on lml_processes.initiators (person_id);
