-- a table of people without anything around it
create table patient (
  id text primary key,
  given_name text,
  surname1 text,
  surname2 text,
  birth_date date,
  sex text,
  national_id text,
  phone text,
  email text,
  address text,
  postcode text,
  city text
);
