-- one patient
select golden_id as id, _id from golden.patient
