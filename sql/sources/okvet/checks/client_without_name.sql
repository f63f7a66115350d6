-- clients without a name: they are left out
-- severity: warning
select client._id
from clean.client as client
where coalesce(client.first_name, '') = ''
