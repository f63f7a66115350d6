-- a process is no ghost: documents mention nothing of one but its id, so rows that name a missing one are rejected
-- origin: none
select
  null::varchar as process_id,
where false
