-- round and round
create or replace macro one(a) as two(a) + 1;
create or replace macro two(a) as one(a) - 1;
