-- clients without an e-mail or phone that can be read: they are left out
-- severity: warning
select client._id
from clean.client as client
where client.email is null and client.phone is null
