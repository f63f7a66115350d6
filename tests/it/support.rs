//! What tests share: a private PostgreSQL for the run, a database of its own for each test, projects to work in.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use trasvase::config::Project;
use trasvase::pg::embedded::{Server, ServerOptions};
use trasvase::pg::{Purpose, Secret, Session, Target};

/// The run's server and the pipe whose end tells its watchdog that the run is over.
struct Cluster {
    server: Server,
    _alive: ChildStdin,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The run's PostgreSQL, started by the first test that asks.
///
/// A test binary has no end where it could be stopped, and may be killed: so a shell waits on a pipe that only this
/// process holds open, and stops the server and removes its folder when the pipe closes.
pub(crate) fn server() -> &'static Server {
    &CLUSTER.get_or_init(start_cluster).server
}

#[expect(clippy::zombie_processes, reason = "the watchdog outlives this process: that is its task")]
fn start_cluster() -> Cluster {
    let folder = reachable_folder("trasvase-test-");
    let options = ServerOptions { durable: false, ..ServerOptions::new(&folder) };
    let server = Server::start(&options).expect("a private PostgreSQL for the tests");
    let stop = "cat > /dev/null; \"$0\" stop -D \"$1\" -m immediate -s; rm -rf \"$2\"";
    let mut watchdog = server
        .account()
        .command(Path::new("/bin/sh"))
        .args(["-c", stop])
        .args([&server.binaries().path("pg_ctl"), server.data_dir(), &folder])
        // A group of its own: Ctrl-C at the tests must not end the watchdog too.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a watchdog for the tests' PostgreSQL");
    let alive = watchdog.stdin.take().expect("stdin is piped");
    Cluster { server, _alive: alive }
}

/// A new folder under the temporary one that the server's user can enter; nobody removes it.
pub(crate) fn reachable_folder(prefix: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir().unwrap().keep();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// What a script of `.ci` installs beside the build, once: its folder of this name, and what the script says.
pub(crate) fn installed(script: &str, folder: &str) -> (PathBuf, String) {
    // Tests run at once, and none may meet what another has half done.
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let built = std::env::current_exe().unwrap();
    let folder = built.ancestors().nth(3).unwrap().join(folder);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci").join(script);
    let done = Command::new(&script).arg(&folder).stderr(Stdio::inherit()).output().unwrap();
    assert!(done.status.success(), "{} failed", script.display());
    (folder, String::from_utf8(done.stdout).unwrap().trim().to_owned())
}

/// A database of one test, dropped with this value.
pub(crate) struct TestDatabase {
    pub(crate) name: String,
    pub(crate) url: String,
}

/// A fresh, empty database.
pub(crate) async fn database() -> TestDatabase {
    database_like("template1").await
}

/// The same in another encoding.
pub(crate) async fn database_in(encoding: &str) -> TestDatabase {
    database_like(&format!("template0 encoding '{encoding}' locale 'C'")).await
}

async fn database_like(template: &str) -> TestDatabase {
    let name = format!("test_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    administer(&format!("create database {name} template {template}")).await;
    TestDatabase { url: server().url_for(&name), name }
}

/// A fresh database in which `sql` was run.
pub(crate) async fn database_with(sql: &str) -> TestDatabase {
    let database = database().await;
    database.client().await.client.batch_execute(sql).await.unwrap();
    database
}

impl TestDatabase {
    /// The target that names it.
    pub(crate) fn target(&self) -> Target {
        Target::at("DATABASE_URL", Secret::new(&self.url))
    }

    /// A new session in it, as superuser.
    pub(crate) async fn client(&self) -> Session {
        Session::open(&self.target(), Purpose::Write).await.unwrap()
    }

    /// The connection string of a session that works as another role.
    pub(crate) fn url_as(&self, role: &str) -> String {
        format!("{}&options=-c%20role%3D{role}", self.url)
    }

    /// A session that works as another role.
    pub(crate) async fn client_as(&self, role: &str) -> Session {
        let target = Target::at("DATABASE_URL", Secret::new(self.url_as(role)));
        Session::open(&target, Purpose::Write).await.unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.name);
        // A thread with a runtime of its own, since the test's may be the one we are dropped in.
        let worker = std::thread::spawn(move || runtime().block_on(administer(&sql)));
        let _ = worker.join();
    }
}

/// Runs SQL beside all tests' databases.
pub(crate) async fn administer(sql: &str) {
    let target = Target::at("DATABASE_URL", Secret::new(server().url_for("postgres")));
    let session = Session::open(&target, Purpose::Write).await.unwrap();
    session.client.batch_execute(sql).await.unwrap();
    session.close().await;
}

/// A runtime for tests that are not async themselves.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A project in a folder of its own, removed with this value.
pub(crate) struct TestProject {
    pub(crate) project: Project,
    _folder: tempfile::TempDir,
}

/// A project with this repository's `sql/` and `schema/` and the named clinics, all copied, and an empty `staging/`.
pub(crate) fn project(clinics: &[&str]) -> TestProject {
    let folder = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["sql", "schema"] {
        copy(&here.join(name), &folder.path().join(name));
    }
    for name in ["clinics", "staging"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    for clinic in clinics {
        let from = here.join("clinics").join(clinic);
        assert!(from.is_dir(), "no clinic {clinic} in this repository");
        copy(&from, &folder.path().join("clinics").join(clinic));
    }
    TestProject { project: Project::at(folder.path()), _folder: folder }
}

impl TestProject {
    pub(crate) fn path(&self) -> &Path {
        self.project.root()
    }

    /// Writes a file below the project's folder, with the folders above it.
    pub(crate) fn write(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.path().join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }
}

/// Copies a folder with all that is in it; a missing one is left out.
fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
