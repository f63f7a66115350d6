//! What is refused, and how it is said.

use std::path::Path;

use trasvase::error::Failure;

use super::project::{Case, table};

impl Case {
    /// Copies a folder's files over the project's.
    fn overlay(&self, from: &Path) {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = self.folder.path().join(entry.path().strip_prefix(case_root(from)).unwrap());
            if entry.path().is_dir() {
                std::fs::create_dir_all(&to).unwrap();
                self.overlay(&entry.path());
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
}

/// The folder of a refusal's case that a path is in.
fn case_root(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.parent().is_some_and(|parent| parent.ends_with("refused"))).unwrap()
}

/// Each folder under `tests/cases/transform/refused` is laid over the demo project; `expected.txt` is the message.
/// `BLESS=1` writes it.
#[test]
fn what_cannot_be_right_is_refused_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/transform/refused");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = Case::demo();
        case.overlay(&path);
        let message = case.refusal();
        let expected = path.join("expected.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, format!("{message}\n")).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default().trim_end() != message {
            wrong.push(format!("{}:\n{message}", path.display()));
        }
        count += 1;
    }
    assert!(count > 30, "{count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_table_that_is_no_map_is_told_with_what_removes_it() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    staging.execute("create table map.\"x y\" as select 1 as a").unwrap();
    let failure = Failure::from_anyhow(&case.try_run(&staging, &[]).unwrap_err());
    assert!(failure.message.starts_with("map.\"x y\" is no map: it lacks source_value"), "{failure:?}");
    assert_eq!(failure.hints, ["trasvase sql demo --write \"drop table map.\\\"x y\\\"\""]);
    staging.execute("drop table map.\"x y\"").unwrap();
    assert!(case.run(&staging).is_empty());
}

#[test]
fn a_model_that_is_no_utf8_is_told_with_its_line() {
    let case = Case::demo();
    let path = "sql/sources/flowww/clean/patient.sql";
    let text = b"-- one patient\nselect id as source_id, _id,\n  'a\xf1o' as name from raw.pacientes\n";
    std::fs::write(case.folder.path().join(path), text).unwrap();
    let failure = Failure::from_anyhow(&case.try_run(&case.open(), &[]).unwrap_err());
    assert!(failure.message.starts_with(&format!("{path}:3: ")), "{failure:?}");
    assert!(failure.hints[0].contains("UTF-8"), "{failure:?}");
}

#[test]
fn a_model_that_fails_leaves_its_table_and_names_no_value() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id,\n  name::integer as name, _id from golden.patient\n",
    );
    case.write(
        "sql/systems/clinicsay/target/appointment.sql",
        "-- one appointment\nselect golden_id as id, _id from golden.appointment\n",
    );
    let failure = Failure::from_anyhow(&case.try_run(&staging, &[]).unwrap_err());
    assert_eq!(
        failure.message,
        "sql/systems/clinicsay/target/patient.sql:3:7: DuckDB says: Could not convert string '…' to INT32 when casting from source column name\n  \
         3 |   name::integer as name, _id from golden.patient\n    |       ^\n\
         stopped at model target.patient, which is as it was before (models built before it: 1 of 2)"
    );
    assert_eq!(table(&staging, "select name from target.patient"), "ANA\nLUIS\nNULL");
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, lower(name) as name, _id from golden.patient\n",
    );
    assert_eq!(case.run(&staging), ["target.patient"]);
}

/// What is told of a model that fails on a value: the first line of its message, and the hints.
fn told(case: &Case, model: &str) -> (String, Vec<String>) {
    case.write("sql/sources/flowww/clean/patient.sql", model);
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, columns('_ids?') from golden.patient\n",
    );
    let failure = Failure::from_anyhow(&case.try_run(&case.open(), &[]).unwrap_err());
    (failure.message.lines().next().unwrap().to_owned(), failure.hints)
}

#[test]
fn a_function_that_fails_on_a_value_is_told_with_its_line() {
    let case = Case::demo();
    case.write(
        "sql/macros/text.sql",
        "-- text\ncreate or replace macro shout(t) as upper(t);\ncreate or replace macro day_of(t) as strptime(t, '%d/%m/%Y');\n",
    );
    for (model, place) in [
        // In a CTE, beside calls that do not fail, of which one does not stand it that `try` is put around it.
        (
            "-- one patient\nwith typed as (\n  select id, upper(nombre) as name,\n    strptime(nombre, '%Y') as day,\n    list(_id order by _id) as _ids,\n  from raw.pacientes group by all\n)\nselect id as source_id, name, day, _ids from typed\n",
            "4:5",
        ),
        // In a condition, and behind a cast that would fail too.
        (
            "-- one patient\nselect id as source_id, nombre as name, _id,\nfrom raw.pacientes\nwhere length(id) = 1\n  and strptime(trim(nombre), '%Y') is not null\n",
            "5:7",
        ),
        // In a macro: the call.
        (
            "-- one patient\nselect id as source_id,\n  nombre as name,\n  day_of(nombre) as day, _id,\nfrom raw.pacientes\n",
            "4:3",
        ),
        // An operator.
        (
            "-- one patient\nselect id as source_id, nombre as name, _id,\n  2147483647::integer\n    + length(id)::integer as sum,\nfrom raw.pacientes\n",
            "4:5",
        ),
    ] {
        let (message, hints) = told(&case, model);
        assert!(message.starts_with(&format!("sql/sources/flowww/clean/patient.sql:{place}: ")), "{message}");
        for value in ["ana", "luis", "2147483647"] {
            assert!(!message.contains(value), "{message}");
        }
        assert!(hints[0].contains("try_strptime"), "{hints:?}");
    }
}

#[test]
fn a_failure_that_no_call_explains_is_told_without_a_line() {
    let case = Case::demo();
    let model = "-- one patient\nselect source_id, name, _id from (\n  select min(id) as source_id, min(nombre) as name, min(_id) as _id,\n    sum(9e307::double * 100) as much from raw.pacientes\n) where much::tinyint is null\n";
    let (message, hints) = told(&case, model);
    assert!(message.starts_with("sql/sources/flowww/clean/patient.sql"), "{message}");
    assert!(hints.len() == 2 && hints[1].ends_with("trasvase transform demo"), "{hints:?}");
}
