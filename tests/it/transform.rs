//! Models from files to tables: what is built, what is rebuilt, what is refused and how it is said.

use std::path::Path;

use tempfile::TempDir;
use trasvase::config::{Clinic, Project};
use trasvase::error::Failure;
use trasvase::model::run::Silent;
use trasvase::staging::{Access, Limits, Staging};
use trasvase::transform;

const CLINIC_TOML: &str = r#"
name = "demo"
uid = "01HZY3J7QG0000000000000000"
epoch = "2024-01-01T00:00:00Z"
product = "flowww"
system = "clinicsay"
timezone = "Europe/Madrid"
country = "ES"
currency = "EUR"
[variables]
organization = "Demo"
[sources.pacientes]
files = ["sources/pacientes.csv"]
"#;

/// A project folder with an open staging file that holds `raw.pacientes` and `raw.citas`.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap() };
        case.write("clinics/demo/clinic.toml", CLINIC_TOML);
        case
    }

    /// A small project: two entities, one macro, one map.
    fn demo() -> Self {
        let case = Self::new();
        case.write("sql/macros/text.sql", "-- text\ncreate or replace macro shout(t) as upper(trimmed(t));\ncreate or replace macro trimmed(t) as nullif(trim(t), '');\n");
        case.write("sql/sources/flowww/clean/patient.sql", "-- one patient\nselect id as source_id, shout(nombre) as name, _id from raw.pacientes\n");
        case.write("sql/sources/flowww/clean/appointment.sql", "-- one appointment\nselect id as source_id, paciente as patient_source_id, estado as status, _id from raw.citas;\n");
        case.write("sql/sources/flowww/maps/status.csv", "source_value,target_value,who\nhecha,done,ana\nanulada,cancelled,ana\n");
        case.write("sql/systems/clinicsay/target/patient.sql", "-- one patient\nselect golden_id as id, name, _id from golden.patient\n");
        case.write(
            "sql/systems/clinicsay/target/appointment.sql",
            "-- one appointment\nselect g.golden_id as id, p.golden_id as patient_id, m.target_value as status, g._id\nfrom golden.appointment g\nleft join xref.patient p on p.source_id = g.patient_source_id\nleft join map.status m on m.source_value = g.status\n",
        );
        case
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join(path)).unwrap();
    }

    fn project(&self) -> Project {
        Project::at(self.folder.path())
    }

    fn clinic(&self) -> Clinic {
        Clinic::read(&self.project(), &"demo".parse().unwrap()).unwrap()
    }

    fn open(&self) -> Staging {
        let staging = Staging::open(&self.project(), &self.clinic(), Access::Write, &Limits::default()).unwrap();
        staging
            .execute(
                "create table if not exists raw.pacientes as
                   select * from (values ('1', ' ana ', 101::bigint), ('2', 'luis', 102), ('3', '', 103)) t(id, nombre, _id);
                 create table if not exists raw.citas as
                   select * from (values ('a', '1', 'hecha', 201::bigint), ('b', '2', 'rara', 202), ('c', '9', 'anulada', 203)) t(id, paciente, estado, _id)",
            )
            .unwrap();
        staging
    }

    fn try_run(&self, staging: &Staging, select: &[&str]) -> anyhow::Result<transform::Report> {
        let (project, clinic) = (self.project(), self.clinic());
        let select = select.iter().map(ToString::to_string).collect();
        transform::run(&transform::Options { project: &project, clinic: &clinic, staging, select }, &Silent)
    }

    /// Names of what was built.
    fn run(&self, staging: &Staging) -> Vec<String> {
        self.try_run(staging, &[]).unwrap().built.into_iter().map(|model| model.name).collect()
    }

    fn plan(&self, staging: &Staging) -> anyhow::Result<transform::Plan> {
        let (project, clinic) = (self.project(), self.clinic());
        transform::plan(&transform::Options { project: &project, clinic: &clinic, staging, select: Vec::new() })
    }

    /// The message of a refusal.
    fn refusal(&self) -> String {
        let staging = self.open();
        Failure::from_anyhow(&self.try_run(&staging, &[]).unwrap_err()).message
    }

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

/// Rows as lines of values, sorted.
fn table(staging: &Staging, sql: &str) -> String {
    let mut lines = Vec::new();
    let mut statement = staging.connection().prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let count = row.as_ref().column_count();
        let values = (0..count).map(|index| match row.get::<_, duckdb::types::Value>(index).unwrap() {
            duckdb::types::Value::Null => "NULL".to_owned(),
            duckdb::types::Value::Text(text) => text,
            duckdb::types::Value::BigInt(number) => number.to_string(),
            duckdb::types::Value::Boolean(truth) => truth.to_string(),
            other => format!("{other:?}"),
        });
        lines.push(values.collect::<Vec<_>>().join(" "));
    }
    lines.sort();
    lines.join("\n")
}

#[test]
fn models_are_built_in_the_order_in_which_they_read_each_other() {
    let case = Case::demo();
    let staging = case.open();
    let report = case.try_run(&staging, &[]).unwrap();
    let names: Vec<&str> = report.built.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "clean.appointment", "clean.patient", "golden.appointment", "golden.patient", "map.status",
            "xref.patient", "target.appointment", "target.patient", "xref.appointment"
        ]
    );
    assert_eq!(table(&staging, "select name, _id from target.patient"), "ANA 101\nLUIS 102\nNULL 103");
    assert_eq!(
        table(&staging, "select a.status, p.name, a._id from target.appointment a left join target.patient p on p.id = a.patient_id"),
        "NULL LUIS 202\ncancelled NULL 203\ndone ANA 201"
    );
    assert_eq!(table(&staging, "select source_id, golden_id = ulid_for('patient', 'flowww', source_id) from xref.patient"), "1 true\n2 true\n3 true");
}

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
