-- not macros
create or replace macro fine(a) as a;
create table x (a integer);
