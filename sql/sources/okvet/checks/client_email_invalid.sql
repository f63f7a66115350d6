-- clients whose e-mail is none: with a phone they get a placeholder, and what was written stays in their notes
-- severity: warning
select client._id
from clean.client as client
where list_contains(client._repairs, 'email_invalid')
