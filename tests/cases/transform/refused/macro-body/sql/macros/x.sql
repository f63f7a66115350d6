-- a macro with a typo

create or replace macro broken(a) as
  upperr(a);
