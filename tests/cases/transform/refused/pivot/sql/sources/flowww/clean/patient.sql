-- one patient
select * from (pivot raw.citas on estado using count(*) group by id)
