-- one patient
select p.id as source_id, p._id from raw.pacientes p
left join target.appointment a on a.id = p.id
