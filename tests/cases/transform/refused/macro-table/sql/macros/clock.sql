-- a look-up
create or replace macro lookup(v) as (
  select max(target_value) from map.statsu where source_value = v
);
