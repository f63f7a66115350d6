-- one patient
select * from query('select 1 as source_id, 2 as _id')
