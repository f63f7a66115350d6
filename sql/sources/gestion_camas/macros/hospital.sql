-- Which hospital a row says it belongs to.

-- The known hospital's id; null where the cell names none, -1 where it names one that cannot be read or is not in the database.
create or replace macro named_hospital(cell, known_id) as
  case when trimmed(cell) is not null then coalesce(known_id, -1) end;
