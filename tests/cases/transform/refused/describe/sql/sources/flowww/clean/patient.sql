-- one patient
describe raw.pacientes
