-- record_metadata of a migrated row: where it came from, and what the target has no column for
create or replace macro migration_metadata(product, source_id, extra) as
  case
    when extra is null then json_object('source', 'migration', 'product', product, 'source_id', source_id)
    else json_object('source', 'migration', 'product', product, 'source_id', source_id, 'extra', extra)
  end;
