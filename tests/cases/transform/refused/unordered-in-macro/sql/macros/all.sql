-- a macro over whatever row comes first

create or replace macro any_status() as (
  select first(estado) from raw.citas);
