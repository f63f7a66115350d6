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
        "sql/systems/clinicsay/target/patient.sql:3:7: Could not convert string '…' to INT32 when casting from source column name\n  \
         3 |   name::integer as name, _id from golden.patient\n    |       ^\n\
         stopped after 1 of 2 models; target.patient is as it was before"
    );
    assert_eq!(table(&staging, "select name from target.patient"), "ANA\nLUIS\nNULL");
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, lower(name) as name, _id from golden.patient\n",
    );
    assert_eq!(case.run(&staging), ["target.patient"]);
}
