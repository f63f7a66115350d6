//! Sources that no model reads.

use trasvase::error::Failure;

use super::project::{CLINIC_TOML, Case, table};

/// The demo project with one more source, which no model reads, and what transform finds about it.
fn with_visits(settings: &str) -> Case {
    let case = Case::demo();
    case.write(
        "clinics/demo/clinic.toml",
        &format!("{CLINIC_TOML}[sources.visitas]\nfiles = [\"sources/visitas.csv\"]\n{settings}"),
    );
    case
}

const RAW: &str = "create table raw.visitas as select 1::bigint as _id, 'a' as id;
    insert into meta.source_file (source, file_number, path, bytes, sha256, dialect, counted, loaded, refused)
    values ('visitas', 1, 'sources/visitas.csv', 10, '', '{}', 3, 1, 2)";

const FOUND: &str = "select rule, severity, subject, count, detail from meta.finding where stage = 'transform' and subject = 'visitas'";

#[test]
fn a_source_that_no_target_reads_is_a_finding_until_its_reason_is_given() {
    let case = with_visits("");
    let staging = case.open();
    staging.execute(RAW).unwrap();
    let report = case.try_run(&staging, &[]).unwrap();
    assert_eq!(
        report.unread.iter().map(|one| (one.source.as_str(), one.records)).collect::<Vec<_>>(),
        [("visitas", 3)]
    );
    assert_eq!(table(&staging, FOUND), "unread_source warning visitas 3 NULL");
    // A model that no target reads takes nothing along.
    case.write(
        "sql/sources/flowww/clean/visit.sql",
        "-- one visit\nselect id as source_id, _id from raw.visitas\n",
    );
    assert_eq!(case.try_run(&staging, &[]).unwrap().unread[0].readers, ["clean.visit"]);
    assert_eq!(table(&staging, FOUND), "unread_source warning visitas 3 clean.visit");
    // What only makes ghosts arrives with them.
    case.write(
        "sql/systems/clinicsay/ghosts/appointment.sql",
        "-- one appointment\nselect source_id as id from clean.visit\n",
    );
    assert_eq!(case.try_run(&staging, &[]).unwrap().unread.len(), 1, "no table has ghosts");
    let settings = std::fs::read_to_string(case.folder.path().join("clinics/demo/clinic.toml")).unwrap();
    case.write("clinics/demo/clinic.toml", &format!("{settings}[tables.session]\norphans = \"ghost\"\n"));
    assert!(case.try_run(&staging, &[]).unwrap().unread.is_empty());
    case.write("clinics/demo/clinic.toml", &settings);
    case.write(
        "sql/systems/clinicsay/target/visit.sql",
        "-- one visit\nselect golden_id as id, _id from golden.visit\n",
    );
    assert!(case.try_run(&staging, &[]).unwrap().unread.is_empty());
    assert_eq!(table(&staging, FOUND), "");
}

#[test]
fn a_source_that_is_left_out_says_why_and_is_not_read() {
    let case = with_visits("unused = \"the target has no visits\"\n");
    let staging = case.open();
    staging.execute(RAW).unwrap();
    case.try_run(&staging, &[]).unwrap();
    assert_eq!(table(&staging, FOUND), "unused_source info visitas 3 the target has no visits");
    case.write(
        "sql/sources/flowww/clean/visit.sql",
        "-- one visit\nselect id as source_id, _id\nfrom raw.visitas\n",
    );
    let refusal = Failure::from_anyhow(&case.try_run(&staging, &[]).unwrap_err()).message;
    assert!(refusal.starts_with("sql/sources/flowww/clean/visit.sql:3:6: clinic.toml says"), "{refusal}");
}

#[test]
fn a_reason_that_is_none_is_refused() {
    for (settings, said) in [
        ("unused = \" \"\n", "the reason why"),
        ("unused = \"x\"\nprimary = \"visit\"\n", "take one of the two out"),
    ] {
        let case = with_visits(settings);
        let error = trasvase::config::Clinic::read(&case.project(), &"demo".parse().unwrap()).unwrap_err();
        let failure = Failure::from_anyhow(&error);
        assert!(
            failure.message.contains(said) && failure.message.contains("[sources.visitas]"),
            "{}",
            failure.message
        );
    }
}
