-- one patient
select id as source_id, _id
from read_csv('/etc/passwd')
