-- of a row that stands as it was sent, stored would be the same 32 bytes again: a quarter of what the digests of a first load take

-- null where it is the same as sent
alter table trasvase.row_digest alter column stored drop not null;
