-- one patient
create table x as select 1;
