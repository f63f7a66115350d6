-- días: a macro that takes no text, and one that hands it on

create or replace macro year_of(day) as
  extract(year from
    day);
create or replace macro age_at(day, moment) as -- años
  year_of(moment)
    - year_of(day);
