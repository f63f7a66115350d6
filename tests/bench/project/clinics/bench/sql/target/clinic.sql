-- the clinic itself
-- origin: none
select ulid_for('clinic', 'trasvase', name) as id, name from meta.clinic
