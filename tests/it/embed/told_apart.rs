//! What goes wrong in the laboratory's migration: a missing variable, a failed connection, bad data, a failed transformation and
//! a service that fails are told apart, each with what to do next, and what was done stays to be looked at.

use std::process::Command;

use serde_json::Value;

use super::{Answer, Service, project};
use crate::support::{self, TestDatabase, TestProject, runtime};

const LEGACY: &str = include_str!("../../../clinics/mdw-lab/sources/LEGACY_DB_URL.sql");

struct Laboratory {
    project: TestProject,
    legacy: TestDatabase,
    target: TestDatabase,
}

/// How a command ended.
struct Told {
    code: i32,
    cause: Value,
    message: String,
    hints: String,
}

impl Laboratory {
    fn new(service: &Service) -> Self {
        runtime().block_on(async {
            let legacy = support::database_with(LEGACY).await;
            let target = support::database_with(include_str!("../../../schema/supabase.sql")).await;
            Self { project: project(service, &legacy), legacy, target }
        })
    }

    fn command(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trasvase"));
        for name in ["EMBED_URL", "EMBED_KEY", "LEGACY_DB_URL"] {
            command.env_remove(name);
        }
        command.current_dir(self.project.path()).args(arguments);
        command.env("DATABASE_URL", &self.target.url).env("LANG", "C").output().unwrap()
    }

    /// A run that fails.
    fn fails(&self) -> Told {
        let arguments = ["run", "mdw-lab", "--format", "json", "--log-level", "error", "--max-retries", "0"];
        let output = self.command(&arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!told.contains("sesame"), "{told}");
        let error: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        let error = &error["error"];
        Told {
            code: output.status.code().unwrap(),
            cause: error["cause"].clone(),
            message: error["message"].as_str().unwrap().to_owned(),
            hints: error["hints"].to_string(),
        }
    }

    fn runs(&self) {
        let output = self.command(&["run", "mdw-lab"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the staging file holds: it stays for whoever looks.
    fn staged(&self, sql: &str) -> Value {
        let output = self.command(&["sql", "mdw-lab", sql, "--format", "json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn variables(&self, change: impl Fn(&str) -> String) {
        let path = self.project.path().join(".env");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, change(&text)).unwrap();
    }

    fn old(&self, sql: &str) {
        runtime().block_on(async { self.legacy.client().await.client.batch_execute(sql).await.unwrap() });
    }
}

fn without(variable: &str) -> impl Fn(&str) -> String + '_ {
    move |text| {
        text.lines().filter(|line| !line.starts_with(variable)).map(|line| format!("{line}\n")).collect()
    }
}

#[test]
fn a_missing_variable_is_told_before_anything_is_opened() {
    let laboratory = Laboratory::new(&Service::start());
    laboratory.variables(without("EMBED_KEY"));
    let told = laboratory.fails();
    assert_eq!((told.code, &told.cause), (2, &"variable".into()), "{}", told.message);
    assert!(told.message.contains("[embed.project_embeddings]") && told.message.contains("EMBED_KEY"));
    assert!(
        told.hints.contains(".env") && told.hints.contains("trasvase run mdw-lab --no-ai"),
        "{}",
        told.hints
    );
    laboratory.variables(without("LEGACY_DB_URL"));
    let told = laboratory.fails();
    assert_eq!((told.code, &told.cause), (2, &"variable".into()), "{}", told.message);
    assert!(told.message.contains("LEGACY_DB_URL") && told.hints.contains("LEGACY_DB_URL=postgresql://"));
    assert!(!laboratory.project.path().join("staging/mdw-lab/mdw-lab.duckdb").exists());
    // Where the clinic can do without vectors, it goes on and says so.
    let toml = laboratory.project.path().join("clinics/mdw-lab/clinic.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, text.replace("timeout = 1", "timeout = 1\noptional = true")).unwrap();
    laboratory.variables(|text| format!("{text}LEGACY_DB_URL='{}'\n", laboratory.legacy.url));
    let output = laboratory.command(&["run", "mdw-lab", "--until", "transform"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && told.contains("rows without a vector: 420, because EMBED_KEY"),
        "{told}"
    );
}

#[test]
fn a_connection_that_fails_leaves_what_was_loaded() {
    let laboratory = Laboratory::new(&Service::start());
    laboratory.runs();
    // Whether a live source has more by now is known only once it is asked; until then, what was loaded stands.
    let says = |arguments: &[&str]| String::from_utf8(laboratory.command(arguments).stdout).unwrap();
    let status = says(&["status", "--format", "json"]);
    assert!(status.contains("\"load\"") && !status.contains("stale"), "{status}");
    let doctor = says(&["doctor", "mdw-lab"]);
    assert!(doctor.contains("LEGACY_DB_URL is set") && !doctor.contains("no files are named"), "{doctor}");
    laboratory.variables(without("LEGACY_DB_URL"));
    laboratory
        .variables(|text| format!("{text}LEGACY_DB_URL='postgresql://mdw:open%20sesame@127.0.0.1:1/mdw'\n"));
    let told = laboratory.fails();
    assert_eq!((told.code, &told.cause), (1, &"connection".into()), "{}", told.message);
    assert!(
        told.message.contains("127.0.0.1:1") && told.hints.contains("LEGACY_DB_URL"),
        "{} {}",
        told.message,
        told.hints
    );
    let kept = laboratory.staged("select (select count(*) from raw.dispatch_project)::int as n, status from meta.stage where stage = 'load'");
    assert_eq!(kept[0], serde_json::json!({"n": 420, "status": "failed"}), "{kept}");
}

#[test]
fn bad_data_is_in_reject_with_its_reason() {
    let laboratory = Laboratory::new(&Service::start());
    laboratory.old("update dispatch_instruction set status = 'ODD' where id = 5");
    let told = laboratory.fails();
    assert_eq!((told.code, &told.cause), (3, &"data".into()), "{}", told.message);
    assert!(
        told.message.contains("orders") && told.hints.contains("trasvase check mdw-lab"),
        "{} {}",
        told.message,
        told.hints
    );
    let rejected = laboratory.staged("select count(*)::int as n from reject.orders");
    assert_eq!(rejected[0]["n"], 1, "{rejected}");
}

#[test]
fn a_transformation_that_fails_names_its_file_and_leaves_the_others() {
    let laboratory = Laboratory::new(&Service::start());
    laboratory.old("alter table dispatch_project alter version type text; update dispatch_project set version = 'Ana II' where id = 9");
    // A model of the clinic's own, whose cast does not expect that.
    let model = std::fs::read_to_string(laboratory.project.path().join("sql/sources/mdw/clean/projects.sql"));
    let bare =
        model.unwrap().replace("try_cast(django_integer(version) as integer)", "cast(version as integer)");
    laboratory.project.write("clinics/mdw-lab/sql/clean/projects.sql", &bare);
    let told = laboratory.fails();
    assert_eq!((told.code, &told.cause), (1, &"transformation".into()), "{}", told.message);
    assert!(
        told.message.contains("clinics/mdw-lab/sql/clean/projects.sql:8")
            && told.message.contains("column version"),
        "{}",
        told.message
    );
    assert!(!told.message.contains("Ana") && told.hints.contains("try"), "{}", told.message);
    let kept =
        laboratory.staged("select count(*)::int as n from raw.dispatch_project where version = 'Ana II'");
    assert_eq!(kept[0]["n"], 1);
}

#[test]
fn a_service_that_fails_leaves_the_vectors_that_it_gave() {
    let service = Service::start();
    let laboratory = Laboratory::new(&service);
    service.will(&[Answer::Good, Answer::Status(401)]);
    let told = laboratory.fails();
    assert_eq!((told.code, &told.cause), (1, &"service".into()), "{}", told.message);
    assert!(
        told.message.contains("HTTP 401") && told.hints.contains("EMBED_KEY"),
        "{} {}",
        told.message,
        told.hints
    );
    let kept = laboratory.staged("select count(*)::int as n from meta.embedding");
    assert_eq!(kept[0]["n"], 100);
    laboratory.runs();
    assert_eq!(service.paid().1, 1);
}
