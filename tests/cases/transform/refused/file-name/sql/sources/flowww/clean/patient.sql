-- one patient
select * from 'pacientes.csv'
