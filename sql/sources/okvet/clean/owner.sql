-- one row a client who has a name and an e-mail or a phone; the others are left out, and checks/client_*.sql list them
select client.*
from clean.client as client
where client.first_name <> ''
  and (client.email is not null or client.phone is not null)
