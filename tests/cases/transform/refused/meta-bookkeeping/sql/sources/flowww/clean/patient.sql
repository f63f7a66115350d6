-- one patient
select sha256 as source_id, 1::bigint as _id from meta.source_file
