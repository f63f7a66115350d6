-- one row a person that began a process
select
  parent_source_id as process_id,
  member_source_id as person_id,
  columns('^_(id|ids|repairs)$'),
from clean.process_initiator
