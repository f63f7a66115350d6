//! `fixes/<entity>.csv`: corrections by hand over `clean.<entity>`.

use super::project::{Case, table};

const MODEL: &str = "-- one patient
select id as source_id, shout(nombre) as name, null::date as birth_date, _id, without as _repairs
from raw.pacientes cross join (select ['shouted'] as without)
";

const FIXES: &str = "clinics/demo/fixes/patient.csv";

fn case() -> Case {
    let case = Case::demo();
    case.write("sql/sources/flowww/clean/patient.sql", MODEL);
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, name, _id, _repairs from golden.patient\n",
    );
    case
}

#[test]
fn a_correction_reaches_the_target_and_is_counted_as_a_repair() {
    let case = case();
    case.write(
        FIXES,
        "source_id,column,value,reason,who\n1,NAME,Ana María,she said so,Eva\n2,birth_date,1990-02-03,card,Eva\n2,name,x,typo,Eva\n2,name,,no name,Eva\n",
    );
    let staging = case.open();
    let report = case.try_run(&staging, &[]).unwrap();
    assert_eq!((report.fixes[0].applied, report.fixes[0].rows), (3, 2));
    assert!(report.fixes[0].faults.is_empty(), "{:?}", report.fixes);
    assert_eq!(
        table(
            &staging,
            "select t.name, c.birth_date::varchar, array_to_string(t._repairs, '+') from target.patient t join clean.patient c using (_id)"
        ),
        "Ana María NULL shouted+fixed\nNULL 1990-02-03 shouted+fixed\nNULL NULL shouted"
    );
    assert_eq!(
        table(&staging, "select entity, source_id, column_name, line, who, reason from meta.fix"),
        "patient 1 name 2 Eva she said so\npatient 2 birth_date 3 Eva card\npatient 2 name 5 Eva no name"
    );
    let findings = "select rule, severity, subject, count, detail from meta.finding where rule like 'fix%'";
    assert_eq!(table(&staging, findings), format!("fixed info clean.patient 2 {FIXES}"));
}

#[test]
fn a_changed_correction_rebuilds_the_table_and_what_reads_it() {
    let case = case();
    let staging = case.open();
    case.run(&staging);
    let line = "source_id,column,value,reason,who\n1,name,Ana,why,Eva\n";
    case.write(FIXES, line);
    assert_eq!(
        case.run(&staging),
        ["clean.patient", "golden.patient", "xref.patient", "target.appointment", "target.patient"]
    );
    assert!(case.run(&staging).is_empty());
    case.write(FIXES, &line.replace("why", "another reason"));
    assert!(case.run(&staging).is_empty());
    assert_eq!(table(&staging, "select reason from meta.fix"), "another reason");
    case.remove(FIXES);
    assert!(case.run(&staging).contains(&"target.patient".to_owned()));
    assert_eq!(table(&staging, "select name from target.patient"), "ANA\nLUIS\nNULL");
    assert_eq!(table(&staging, "select count(*) from meta.fix"), "0");
    assert_eq!(table(&staging, "select count(*) from meta.finding where rule like 'fix%'"), "0");
}

#[test]
fn a_correction_that_cannot_be_applied_is_a_finding_with_its_line_and_no_value() {
    let case = case();
    case.write(
        FIXES,
        "source_id,column,value,reason,who\n9,name,SECRET,a,b\n2,birth_date,SECRET,a,b\n1,SECRET,name,a,b\n1,source_id,SECRET,a,b\n9,birth_date,1990-01-01,a,b\n1,_id,7,a,b\n",
    );
    case.write("clinics/demo/fixes/patiennt.csv", "source_id,column,value,reason,who\n1,name,SECRET,a,b\n");
    case.write("clinics/demo/fixes/patient.links.csv", "left,right,decision,who,when,why\n");
    let staging = case.open();
    case.run(&staging);
    assert_eq!(
        table(
            &staging,
            "select rule, severity, subject, column_name, count, detail from meta.finding where rule like 'fix%'"
        ),
        "fix_column warning clean.patient NULL 3 clinics/demo/fixes/patient.csv:4, 5, 7\n\
         fix_entity warning clean.patiennt NULL 1 clinics/demo/fixes/patiennt.csv:2\n\
         fix_gone warning clean.patient NULL 2 clinics/demo/fixes/patient.csv:2, 6\n\
         fix_value warning clean.patient birth_date 1 clinics/demo/fixes/patient.csv:3"
    );
    assert_eq!(table(&staging, "select count(*) from meta.fix"), "0");
    assert_eq!(table(&staging, "select name from target.patient"), "ANA\nLUIS\nNULL");
}

#[test]
fn a_model_without_repairs_gets_them_and_its_rows_keep_their_order() {
    let case = Case::demo();
    case.write(FIXES, "source_id;column;value;reason;who\n2;name;Luis;typo;Eva\n");
    let staging = case.open();
    case.run(&staging);
    let rows: Vec<String> = staging
        .rows("select source_id || ' ' || _repairs::varchar from clean.patient order by rowid", |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(rows, ["1 []", "2 [fixed]", "3 []"]);
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_line() {
    let case = Case::demo();
    for (text, told) in [
        ("source_id,column,value,reason,who\n1,name,a,b,c\n,name,SECRET,b,c\n", "patient.csv:3"),
        ("source_id,column,value\n1,name,SECRET\n", "reason"),
    ] {
        case.write(FIXES, text);
        let message = case.refusal();
        assert!(message.contains(told) && !message.contains("SECRET"), "{message}");
    }
}
