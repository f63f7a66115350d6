-- The tables number their rows themselves (`keys = "new"`), so the models give placeholders below zero.

-- The placeholder of a record, by the table and the record's key as text: children name a parent by the same call, and one that
-- is missing keeps a placeholder that no row has, so that check finds the orphan. 60 bits of a digest.
create or replace macro new_key(table_name, source_id) as
  -1 - cast(md5_number_lower(table_name || '/' || source_id) >> 4 as bigint);
