-- rows by tenant and table: all of them are one hospital's
select tenant_id, 'cama' as tabla, cast(count(*) as bigint) as filas from cama group by 1
union all
select tenant_id, 'paciente', cast(count(*) as bigint) from paciente group by 1
union all
select tenant_id, 'traslado', cast(count(*) as bigint) from traslado group by 1
union all
select tenant_id, 'usuario', cast(count(*) as bigint) from usuario group by 1
order by 1, 2
