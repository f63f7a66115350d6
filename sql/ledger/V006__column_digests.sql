-- what each column of a written row was, so that the next push can tell people's changes from the source's

alter table trasvase.row_digest
  -- of each sent column the first 8 bytes of the digest of what the source said, in the order of batch.shape's sent; eight
  -- zeros where that is not known. Null in tables whose rows no push changes.
  add column columns bytea,
  -- the same of what was stored, where that is something else
  add column stored_columns bytea;
