-- one patient
;
