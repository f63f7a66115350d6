-- every kind of object that a target may have
create schema "Annex";
create type mood as enum ('sad', 'ok', 'very "happy"');
create domain positive as numeric(12, 2) check (value > 0) not null;
create domain positives as positive[];
create type address as (street text, amount numeric(8, 3)[], since date);
create type float_range as range (subtype = float8);
create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

create table parent (
    id text primary key,
    code varchar(12) not null unique,
    rank int unique deferrable initially deferred,
    kind mood not null default 'ok'
);

create table child (
    id bigint generated always as identity primary key,
    serial_no serial,
    parent_id text constraint child_parent references parent (id) on delete cascade,
    other_code varchar(12) references parent (code) match full on delete set null deferrable,
    amount numeric(12, 2) default 0.5,
    prices numeric(8, 3)[],
    net positive,
    many positives,
    home address,
    span float_range,
    spans float_multirange,
    name text collate folded,
    upper_name text generated always as (upper(name)) stored,
    body json,
    fast "char",
    constraint sane check (amount >= 0 and serial_no > 0),
    constraint no_overlap exclude using gist (span with &&)
);
alter table child add constraint later check (amount < 1000) not valid;
create index child_by_name on child (lower(name), amount desc) where amount > 1;
create unique index child_once on child (parent_id, (prices[1]));
alter index child_by_name alter column 1 set statistics 500;
create index child_plain on child (parent_id);
alter table child cluster on child_plain;
alter table child replica identity using index child_pkey;
create view totals as select id, count(*) from child group by id;
create view by_child as select c.id, c.parent_id from child c group by c.id;

create function touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touched before insert or update of amount on child for each row execute function touch();
create trigger sleeping after truncate on child execute function touch();
alter table child disable trigger sleeping;
create policy mine on child using (parent_id = current_user);
create policy all_of_them on child for select using (true);

create table "Annex"."Odd ""name""" (
    "user" int not null,
    "día" timestamptz(3),
    primary key ("user", "día"),
    foreign key ("user", "día") references "Annex"."Odd ""name""" ("user", "día")
);
create table log (at date not null, line text) partition by range (at);
create table log_2024 partition of log for values from ('2024-01-01') to ('2025-01-01');
create table base (a int);
create table heir (b int) inherits (base);
create table trasvase_like (a int);
create schema trasvase;
create table trasvase.batch (id int);
