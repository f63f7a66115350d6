//! What is built again, and what is left alone.

use trasvase::error::Failure;
use trasvase::transform;

use super::project::{CLINIC_TOML, Case, table};

#[test]
fn again_is_safe() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    let before = table(&staging, "from meta.model_version");
    let report = case.try_run(&staging, &[]).unwrap();
    assert_eq!((report.built.len(), report.unchanged, report.dropped.len()), (0, 9, 0));
    assert_eq!(table(&staging, "from meta.model_version"), before);
    assert!(case.plan(&staging).unwrap().is_empty());
}

/// What one edit of the demo project rebuilds, and the reasons that the plan gives.
#[test]
fn only_what_changed_and_what_lies_below_is_rebuilt() {
    let below_patient = "clean.patient golden.patient xref.patient target.appointment target.patient";
    let edits: &[(&str, &str, &str, &str, &str)] = &[
        (
            "a comment and white space",
            "sql/sources/flowww/clean/patient.sql",
            "-- one patient, said otherwise\nselect id as source_id,\n  shout(nombre) /* loud */ as name, _id\nfrom raw.pacientes;\n",
            "",
            "",
        ),
        (
            "an expression",
            "sql/sources/flowww/clean/patient.sql",
            "-- one patient\nselect id as source_id, trimmed(nombre) as name, _id from raw.pacientes\n",
            below_patient,
            "clean.patient: changed",
        ),
        (
            "a macro that a macro calls",
            "sql/macros/text.sql",
            "-- text\ncreate or replace macro shout(t) as upper(trimmed(t));\ncreate or replace macro trimmed(t) as nullif(trim(t), '-');\n",
            below_patient,
            "clean.patient: macro trimmed changed",
        ),
        (
            "a comment in a macro, and one that nobody calls",
            "sql/macros/text.sql",
            "-- text\ncreate or replace macro shout(t) as upper( trimmed(t) ); -- loud\ncreate or replace macro trimmed(t) as nullif(trim(t), '');\ncreate or replace macro other(t) as lower(t);\n",
            "",
            "",
        ),
        (
            "a map's row",
            "clinics/demo/maps/status.csv",
            "source_value,target_value\nrara,odd\n",
            "map.status target.appointment",
            "target.appointment: map.status changed",
        ),
        (
            "a map's remark",
            "sql/sources/flowww/maps/status.csv",
            "source_value,target_value,who\nhecha,done,luis\nanulada,cancelled,\n",
            "",
            "",
        ),
        (
            "the clinic's own file over the product's",
            "clinics/demo/sql/clean/appointment.sql",
            "-- one appointment\nselect id as source_id, paciente as patient_source_id, upper(estado) as status, _id from raw.citas\n",
            "clean.appointment golden.appointment xref.appointment target.appointment",
            "golden.appointment: clean.appointment changed",
        ),
        (
            "the clinic's uid",
            "clinics/demo/clinic.toml",
            &CLINIC_TOML.replace("01HZY3J7QG0000000000000000", "01HZY3J7QG0000000000000001"),
            "golden.appointment golden.patient xref.appointment xref.patient target.appointment target.patient",
            "golden.patient: DuckDB, its functions or the clinic's uid changed",
        ),
        (
            "a variable that nobody reads",
            "clinics/demo/clinic.toml",
            &CLINIC_TOML.replace("Demo", "Other"),
            "",
            "",
        ),
    ];
    for (what, path, text, rebuilt, reason) in edits {
        let case = Case::demo();
        drop({
            let staging = case.open();
            case.run(&staging);
            staging
        });
        case.write(path, text);
        let staging = case.open();
        let plan = case.plan(&staging).unwrap();
        let planned: Vec<String> = plan.builds().map(|step| step.model.clone()).collect();
        let reasons: Vec<String> = plan
            .builds()
            .flat_map(|step| step.reasons.iter().map(|reason| format!("{}: {}", step.model, reason.text())))
            .collect();
        assert!(reason.is_empty() || reasons.iter().any(|given| given == reason), "{what}: {reasons:?}");
        let mut built = case.run(&staging);
        assert_eq!(built, planned, "{what}");
        built.sort();
        let mut expected: Vec<&str> = rebuilt.split_whitespace().collect();
        expected.sort_unstable();
        assert_eq!(built, expected, "{what}");
        assert!(case.run(&staging).is_empty(), "{what}: a second run");
    }
}

#[test]
fn a_source_that_was_loaded_anew_rebuilds_what_reads_it() {
    let case = Case::demo();
    let staging = case.open();
    let fact = |sha: &str| {
        format!(
            "delete from meta.source; insert into meta.source values ('citas', 1, 'o', ['id'], now());
             insert or replace into meta.source_file values ('citas', 1, 'citas.csv', 10, '{sha}', '{{}}', 3, 0, 3)"
        )
    };
    staging.execute(&fact("aaaa")).unwrap();
    case.run(&staging);
    staging.execute(&fact("aaaa")).unwrap();
    assert!(case.run(&staging).is_empty());
    staging.execute(&fact("bbbb")).unwrap();
    assert_eq!(
        case.run(&staging),
        ["clean.appointment", "golden.appointment", "target.appointment", "xref.appointment"]
    );
    staging.execute("update raw.pacientes set nombre = 'eva' where id = '3'").unwrap();
    assert_eq!(case.run(&staging)[0], "clean.patient");
    assert_eq!(table(&staging, "select name from target.patient where _id = 103"), "EVA");
}

#[test]
fn every_build_is_a_version() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    case.write(
        "sql/sources/flowww/clean/patient.sql",
        "-- one patient\nselect id as source_id, nombre as name, _id from raw.pacientes\n",
    );
    case.run(&staging);
    staging.execute("drop table target.patient").unwrap();
    let report = case.try_run(&staging, &[]).unwrap();
    assert_eq!(report.built.len(), 1);
    assert_eq!(report.built[0].reasons, [transform::Reason::Missing]);
    assert_eq!(
        table(
            &staging,
            "select model, version, rows, sql like '-- one patient%' from meta.model_version where model in ('clean.patient', 'target.patient')"
        ),
        "clean.patient 1 3 true\nclean.patient 2 3 true\ntarget.patient 1 3 true\ntarget.patient 2 3 true\ntarget.patient 3 3 true"
    );
    assert_eq!(
        table(
            &staging,
            "select count(distinct fingerprint) from meta.model_version where model = 'target.patient'"
        ),
        "2"
    );
}

#[test]
fn the_same_files_give_the_same_tables_and_the_same_output() {
    let content = |_: u8| {
        let case = Case::demo();
        let staging = case.open();
        let report = case.try_run(&staging, &[]).unwrap();
        (report.output, table(&staging, "from target.appointment"), table(&staging, "from xref.patient"))
    };
    let (first, second) = (content(1), content(2));
    assert_eq!(first, second);
    let case = Case::demo();
    case.write("clinics/demo/maps/status.csv", "source_value,target_value\nrara,odd\n");
    let staging = case.open();
    assert_ne!(case.try_run(&staging, &[]).unwrap().output, first.0);
}

#[test]
fn a_model_that_is_gone_takes_its_table_along() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    case.remove("sql/systems/clinicsay/target/appointment.sql");
    case.remove("sql/sources/flowww/clean/appointment.sql");
    assert_eq!(
        case.plan(&staging).unwrap().dropped,
        ["clean.appointment", "golden.appointment", "target.appointment", "xref.appointment"]
    );
    let report = case.try_run(&staging, &[]).unwrap();
    assert_eq!((report.built.len(), report.dropped.len()), (0, 4));
    assert!(
        !staging.has_table("target", "appointment").unwrap()
            && !staging.has_table("golden", "appointment").unwrap()
    );
    assert!(case.plan(&staging).unwrap().is_empty());
}

#[test]
fn a_selection_builds_a_part() {
    let case = Case::demo();
    let staging = case.open();
    let failure = Failure::from_anyhow(&case.try_run(&staging, &["target.patient"]).unwrap_err());
    assert_eq!(
        failure.message,
        "target.patient reads golden.patient, which was not built yet and is not selected"
    );
    assert_eq!(failure.hints, ["select what it reads too: --select +target.patient"]);
    let built = |select: &[&str]| -> Vec<String> {
        case.try_run(&staging, select).unwrap().built.into_iter().map(|model| model.name).collect()
    };
    assert_eq!(
        built(&["+target.patient"]),
        ["clean.patient", "golden.patient", "xref.patient", "target.patient"]
    );
    assert_eq!(
        built(&["clean.appointment", "map.status"]),
        ["clean.appointment", "golden.appointment", "map.status", "xref.appointment"]
    );
    case.write(
        "sql/sources/flowww/clean/patient.sql",
        "-- one patient\nselect id as source_id, nombre as name, 7 as more, _id from raw.pacientes\n",
    );
    assert_eq!(built(&["clean.patient"]), ["clean.patient", "golden.patient", "xref.patient"]);
    // What was not selected is still known to be stale.
    assert_eq!(built(&["clean.patient+"]), ["target.appointment", "target.patient"]);
    assert!(built(&[]).is_empty());
    let failure = Failure::from_anyhow(&case.try_run(&staging, &["clean.patent+"]).unwrap_err());
    assert_eq!(failure.message, "there is no model clean.patent: did you mean clean.patient?");
}
