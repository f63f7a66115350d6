//! A clinic without sources and a target of a few tables, made for one test.

use trasvase::config::Clinic;
use trasvase::snapshot::Snapshot;
use trasvase::{check, push};

use crate::pipeline::Run;
use crate::support;

const CLINIC: &str = r#"
name = "tiny"
uid = "01JQY2VR000000000000000000"
epoch = "2024-01-01T00:00:00Z"
product = "none"
system = "tiny"
timezone = "Europe/Madrid"
country = "ES"
currency = "EUR"
"#;

/// `settings` may name sources.
fn clinic_toml(settings: &str) -> String {
    let sources = if settings.contains("[sources.") { "" } else { "sources = {}\n" };
    format!("{CLINIC}{sources}{settings}")
}

/// A clinic whose models seldom need sources, run against a schema of its own.
pub(crate) struct Tiny {
    pub(crate) run: Run,
}

impl Tiny {
    /// `models`: table name and its SELECT; `settings` is appended to clinic.toml.
    pub(crate) async fn new(schema: &str, models: &[(&str, &str)], settings: &str) -> Self {
        let project = support::project(&[]);
        project.write("schema/tiny.sql", schema);
        project.write("clinics/tiny/clinic.toml", &clinic_toml(settings));
        for (table, query) in models {
            write_model(&project, table, query);
        }
        Self { run: Run::in_project(project, "tiny").await }
    }

    pub(crate) fn model(&self, table: &str, query: &str) {
        write_model(&self.run.project, table, query);
    }

    pub(crate) fn settings(&mut self, settings: &str) {
        self.run.project.write("clinics/tiny/clinic.toml", &clinic_toml(settings));
        self.run.clinic = Clinic::read(&self.run.project.project, &"tiny".parse().unwrap()).unwrap();
    }

    pub(crate) async fn export(&self) -> (check::Report, Snapshot) {
        let staging = self.run.staging();
        if !self.run.clinic.sources.is_empty() {
            self.run.load(&staging);
        }
        self.run.transform(&staging);
        let check = self.run.check(&staging).await;
        let snapshot = self.run.export(&staging, &check);
        (check, snapshot)
    }

    pub(crate) async fn push(&self) -> push::Report {
        let (_, snapshot) = self.export().await;
        let report = self.run.push(&snapshot).await;
        let verified = self.run.verify(&snapshot).await;
        assert!(verified.is_clean(), "{verified:#?}");
        report
    }

    pub(crate) async fn sql(&self, sql: &str) {
        self.run.session.client.batch_execute(sql).await.unwrap();
    }

    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        self.run.session.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

fn write_model(project: &support::TestProject, table: &str, query: &str) {
    let text = format!("-- one {table}\n-- origin: none\n{query}\n");
    project.write(&format!("clinics/tiny/sql/target/{table}.sql"), &text);
}
