-- processes that were changed before they were made
-- severity: warning
select process_id
from target."lml_processes.main"
where updated_at < created_at
