//! A small project with an open staging file.

use tempfile::TempDir;
use trasvase::config::{Clinic, Project};
use trasvase::error::Failure;
use trasvase::model::run::Silent;
use trasvase::staging::{Access, Limits, Staging};
use trasvase::transform;

pub(super) const CLINIC_TOML: &str = r#"
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
pub(super) struct Case {
    pub(super) folder: TempDir,
}

impl Case {
    pub(super) fn new() -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap() };
        case.write("clinics/demo/clinic.toml", CLINIC_TOML);
        case
    }

    /// A small project: two entities, one macro, one map.
    pub(super) fn demo() -> Self {
        let case = Self::new();
        case.write("sql/macros/text.sql", "-- text\ncreate or replace macro shout(t) as upper(trimmed(t));\ncreate or replace macro trimmed(t) as nullif(trim(t), '');\n");
        case.write(
            "sql/sources/flowww/clean/patient.sql",
            "-- one patient\nselect id as source_id, shout(nombre) as name, _id from raw.pacientes\n",
        );
        case.write("sql/sources/flowww/clean/appointment.sql", "-- one appointment\nselect id as source_id, paciente as patient_source_id, estado as status, _id from raw.citas;\n");
        case.write(
            "sql/sources/flowww/maps/status.csv",
            "source_value,target_value,who\nhecha,done,ana\nanulada,cancelled,ana\n",
        );
        case.write(
            "sql/systems/clinicsay/target/patient.sql",
            "-- one patient\nselect golden_id as id, name, _id from golden.patient\n",
        );
        case.write(
            "sql/systems/clinicsay/target/appointment.sql",
            "-- one appointment\nselect g.golden_id as id, p.golden_id as patient_id, m.target_value as status, g._id\nfrom golden.appointment g\nleft join xref.patient p on p.source_id = g.patient_source_id\nleft join map.status m on m.source_value = g.status\n",
        );
        case
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join(path)).unwrap();
    }

    pub(super) fn project(&self) -> Project {
        Project::at(self.folder.path())
    }

    pub(super) fn clinic(&self) -> Clinic {
        Clinic::read(&self.project(), &"demo".parse().unwrap()).unwrap()
    }

    pub(super) fn open(&self) -> Staging {
        let staging =
            Staging::open(&self.project(), &self.clinic(), Access::Write, &Limits::default()).unwrap();
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

    pub(super) fn try_run(&self, staging: &Staging, select: &[&str]) -> anyhow::Result<transform::Report> {
        let (project, clinic) = (self.project(), self.clinic());
        let select = select.iter().map(ToString::to_string).collect();
        transform::run(&transform::Options { project: &project, clinic: &clinic, staging, select }, &Silent)
    }

    /// Names of what was built.
    pub(super) fn run(&self, staging: &Staging) -> Vec<String> {
        self.try_run(staging, &[]).unwrap().built.into_iter().map(|model| model.name).collect()
    }

    pub(super) fn plan(&self, staging: &Staging) -> anyhow::Result<transform::Plan> {
        let (project, clinic) = (self.project(), self.clinic());
        transform::plan(&transform::Options {
            project: &project,
            clinic: &clinic,
            staging,
            select: Vec::new(),
        })
    }

    /// The message of a refusal.
    pub(super) fn refusal(&self) -> String {
        let staging = self.open();
        Failure::from_anyhow(&self.try_run(&staging, &[]).unwrap_err()).message
    }
}

/// Rows as lines of values, sorted.
pub(super) fn table(staging: &Staging, sql: &str) -> String {
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
