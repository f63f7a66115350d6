//! Models from files to tables: what is built, what is rebuilt, what is refused and how it is said.

mod fixes;
mod linked;
mod macros;
mod maps;
mod project;
mod rebuild;
mod refused;
mod unread;

use trasvase::error::Failure;
use trasvase::staging::{Access, Limits, Staging};

use self::project::{Case, table};

#[test]
fn models_are_built_in_the_order_in_which_they_read_each_other() {
    let case = Case::demo();
    let staging = case.open();
    let report = case.try_run(&staging, &[]).unwrap();
    let names: Vec<&str> = report.built.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "clean.appointment",
            "clean.patient",
            "golden.appointment",
            "golden.patient",
            "map.status",
            "xref.patient",
            "target.appointment",
            "target.patient",
            "xref.appointment"
        ]
    );
    assert_eq!(table(&staging, "select name, _id from target.patient"), "ANA 101\nLUIS 102\nNULL 103");
    assert_eq!(
        table(
            &staging,
            "select a.status, p.name, a._id from target.appointment a left join target.patient p on p.id = a.patient_id"
        ),
        "NULL LUIS 202\ncancelled NULL 203\ndone ANA 201"
    );
    assert_eq!(
        table(
            &staging,
            "select source_id, golden_id = ulid_for('patient', 'flowww', source_id) from xref.patient"
        ),
        "1 true\n2 true\n3 true"
    );
}

#[test]
fn a_model_may_make_the_golden_records_itself() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    case.write(
        "clinics/demo/sql/golden/patient.sql",
        "-- one person\nselect ulid_for('patient', 'demo', upper(trim(name))) as golden_id, min(source_id) as source_id, any_value(name order by source_id) as name, list(_id order by _id) as _ids\nfrom clean.patient group by upper(trim(name))\n",
    );
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, name, _ids from golden.patient\n",
    );
    assert!(case.run(&staging).contains(&"golden.patient".to_owned()));
    assert_eq!(
        table(&staging, "select name, _ids::varchar from target.patient"),
        "ANA [101]\nLUIS [102]\nNULL [103]"
    );
    case.remove("clinics/demo/sql/golden/patient.sql");
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, name, _id from golden.patient\n",
    );
    assert!(case.run(&staging).contains(&"golden.patient".to_owned()));
    assert_eq!(table(&staging, "select name, _id from target.patient"), "ANA 101\nLUIS 102\nNULL 103");
}

#[test]
fn a_table_outside_the_default_schema_has_a_dotted_name() {
    let case = Case::demo();
    case.write(
        "clinics/demo/sql/target/lml_users.main.sql",
        "-- one user\nselect golden_id as id, _id from golden.patient\n",
    );
    case.write(
        "clinics/demo/sql/target/badge.sql",
        "-- one badge\nselect id, _id from target.\"lml_users.main\"\n",
    );
    let staging = case.open();
    let built = case.run(&staging);
    assert!(built.contains(&"target.\"lml_users.main\"".to_owned()), "{built:?}");
    assert_eq!(
        table(&staging, "select count(*) from target.\"lml_users.main\" join target.badge using (id)"),
        "3"
    );
    assert!(case.run(&staging).is_empty());
    assert_eq!(case.try_run(&staging, &["target.lml_users.main+"]).unwrap().unchanged, 2);
}

#[test]
fn a_long_model_stops_when_it_is_interrupted() {
    let case = Case::new();
    case.write(
        "clinics/demo/sql/target/slow.sql",
        "-- one row in a very long time\n-- origin: none\nselect sum(a.range * b.range) as total from range(10000000) a, range(10000000) b\n",
    );
    let staging = case.open();
    let handle = staging.interrupt_handle();
    let started = std::time::Instant::now();
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ended = over.clone();
    let stopper = std::thread::spawn(move || {
        while !ended.load(std::sync::atomic::Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(300));
            handle.interrupt();
        }
    });
    let failure = Failure::from_anyhow(&case.try_run(&staging, &[]).unwrap_err());
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    stopper.join().unwrap();
    assert_eq!(failure.kind.exit_code(), 130, "{}", failure.message);
    assert!(started.elapsed().as_secs() < 60);
    assert!(!staging.has_table("target", "slow").unwrap());
}

#[test]
fn a_plan_reads_only() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    drop(staging);
    case.write(
        "sql/sources/flowww/clean/patient.sql",
        "-- one patient\nselect id as source_id, nombre as name, _id from raw.pacientes\n",
    );
    let staging =
        Staging::open(&case.project(), &case.clinic(), Access::ReadOnly, &Limits::default()).unwrap();
    assert_eq!(case.plan(&staging).unwrap().builds().count(), 5);
}
