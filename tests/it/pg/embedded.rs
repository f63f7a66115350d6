//! The private server: started once, shared, stopped by the last, found again after a crash.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, Uid};
use trasvase::error::Failure;
use trasvase::pg::embedded::{self, Server, ServerOptions, Status};
use trasvase::pg::{Purpose, ReadOnly, Secret, Session, Target};

use crate::support;

/// A folder for one server; whatever runs there is stopped, and all of it removed, with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(support::reachable_folder("trasvase-embedded-"))
    }

    fn options(&self) -> ServerOptions {
        ServerOptions { durable: false, ..ServerOptions::new(&self.0) }
    }

    fn process(&self) -> Option<i32> {
        match embedded::status(&self.0).unwrap() {
            Status::Running { process, .. } => Some(process),
            Status::Absent | Status::Stopped => None,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = embedded::stop(&self.0);
        if let Ok(home) = fs::read_to_string(self.0.join("location")) {
            let _ = fs::remove_dir_all(home.trim());
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn query(server: &Server, sql: &str) -> String {
    support::runtime().block_on(async {
        let target = Target::at("TEST_URL", Secret::new(server.url()));
        let session = Session::open(&target, Purpose::Write).await.unwrap();
        let rows = session.client.simple_query(sql).await.unwrap();
        let text = rows.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        text.unwrap_or_default()
    })
}

#[test]
fn a_standby_is_read_and_not_written() {
    let folder = Folder::new();
    let settings = vec![("wal_level".to_owned(), "replica".to_owned())];
    let options = ServerOptions { settings, ..folder.options() };
    let primary = Server::start(&options).unwrap();
    let signal = primary.data_dir().join("standby.signal");
    primary.account().private_file(&signal, "").unwrap();
    primary.release().unwrap();
    let standby = Server::start(&options).unwrap();
    let target = Target::at("TEST_URL", Secret::new(standby.url()));
    support::runtime().block_on(async {
        let session = Session::open(&target, Purpose::Read).await.unwrap();
        assert_eq!(session.read_only, Some(ReadOnly::Standby));
        let refused = Session::open(&target, Purpose::Write).await.unwrap_err();
        let failure = Failure::from_anyhow(&refused);
        assert!(failure.message.contains("is a standby"), "{failure:?}");
        assert!(failure.hints[0].contains("let TEST_URL name the primary"), "{failure:?}");
    });
}

fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn data_outlive_the_server_and_the_last_user_stops_it() {
    let folder = Folder::new();
    assert_eq!(embedded::status(&folder.0).unwrap(), Status::Absent);
    assert!(Server::attach(&folder.0).unwrap().is_none(), "attaching never starts one");
    let first = Server::start(&folder.options()).unwrap();
    query(&first, "create table kept (a int); insert into kept values (42)");
    let process = folder.process().unwrap();
    let second = Server::attach(&folder.0).unwrap().unwrap();
    assert_eq!(first.url(), second.url());
    first.release().unwrap();
    assert_eq!(folder.process(), Some(process), "somebody still uses it");
    assert_eq!(query(&second, "select a from kept"), "42");
    drop(second);
    assert_eq!(embedded::status(&folder.0).unwrap(), Status::Stopped);
    let again = Server::start(&folder.options()).unwrap();
    assert_eq!(query(&again, "select a from kept"), "42");
    let log = fs::read_to_string(again.data_dir().with_file_name("log")).unwrap();
    assert!(!log.contains("kept"), "{log}");
}

#[test]
fn a_server_that_is_to_be_kept_stays_until_it_is_stopped() {
    let folder = Folder::new();
    let server = Server::start(&ServerOptions { keep_running: true, ..folder.options() }).unwrap();
    let psql = server.psql("trasvase").args(["-Atc", "select 6 * 7"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&psql.stdout).trim(), "42", "{psql:?}");
    drop(server);
    assert!(matches!(embedded::status(&folder.0).unwrap(), Status::Running { kept: true, .. }));
    assert!(embedded::stop(&folder.0).unwrap());
    assert!(!embedded::stop(&folder.0).unwrap());
    drop(Server::start(&folder.options()).unwrap());
    assert_eq!(folder.process(), None, "stopping forgets that it was to be kept");
}

#[test]
fn two_that_start_at_once_share_one_server() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        let start = || Server::start(&folder.options()).unwrap();
        let (one, other) = (scope.spawn(start), scope.spawn(start));
        let (one, other) = (one.join().unwrap(), other.join().unwrap());
        assert_eq!(
            query(&one, "select pg_postmaster_start_time()"),
            query(&other, "select pg_postmaster_start_time()")
        );
    });
    assert_eq!(folder.process(), None);
}

#[test]
fn a_server_that_was_killed_is_started_again() {
    let folder = Folder::new();
    let durable = ServerOptions::new(&folder.0);
    let server = Server::start(&durable).unwrap();
    query(&server, "create table kept as select 42 as a");
    let process = folder.process().unwrap();
    kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
    until("the server dies", || folder.process().is_none());
    let again = Server::start(&durable).unwrap();
    assert_ne!(folder.process(), Some(process));
    assert_eq!(query(&again, "select a from kept"), "42");
    drop(server);
    assert!(folder.process().is_some(), "the one that was lost does not stop the one in use");
}

#[test]
fn an_initdb_that_broke_off_is_done_again() {
    let folder = Folder::new();
    drop(Server::start(&folder.options()).unwrap());
    let data = folder.0.join("data");
    fs::rename(&data, folder.0.join("data.partial")).unwrap();
    let server = Server::start(&folder.options()).unwrap();
    assert_eq!(query(&server, "select 42"), "42");
    assert!(!folder.0.join("data.partial").exists());
}

#[test]
fn a_server_left_by_a_killed_process_is_used_and_stopped_by_the_next() {
    let folder = Folder::new();
    let mut child = spawn_child(&folder.0);
    let process = folder.process().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(folder.process(), Some(process), "kill -9 leaves it");
    let server = Server::start(&folder.options()).unwrap();
    assert_eq!(folder.process(), Some(process), "it is used again");
    drop(server);
    assert_eq!(folder.process(), None);
}

#[test]
fn ctrl_c_reaches_us_but_not_the_server_which_we_stop() {
    let folder = Folder::new();
    let mut child = spawn_child(&folder.0);
    assert!(folder.process().is_some());
    // As a terminal does: to the whole process group.
    killpg(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert!(child.wait().unwrap().success());
    let said = fs::read_to_string(folder.0.join("after-interrupt")).unwrap();
    assert_eq!(said, "still here", "the server answered after Ctrl-C");
    assert_eq!(folder.process(), None);
}

/// A process of its own (and a process group of its own) that holds the folder's server.
fn spawn_child(folder: &Path) -> Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pg::embedded::child_that_holds_a_server", "--ignored"])
        .env("TRASVASE_TEST_FOLDER", folder)
        .process_group(0)
        .spawn()
        .unwrap();
    until("the child has its server", || folder.join("child-ready").exists());
    child
}

#[test]
#[ignore = "other tests run it as a process of its own"]
fn child_that_holds_a_server() {
    let Some(folder) = std::env::var_os("TRASVASE_TEST_FOLDER").map(PathBuf::from) else { return };
    support::runtime().block_on(async {
        let mut interrupted =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
        let server = Server::start(&ServerOptions { durable: false, ..ServerOptions::new(&folder) }).unwrap();
        let target = Target::at("TEST_URL", Secret::new(server.url()));
        let session = Session::open(&target, Purpose::Write).await.unwrap();
        fs::write(folder.join("child-ready"), "").unwrap();
        interrupted.recv().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let row = session.client.query_one("select 'still here'", &[]).await.unwrap();
        fs::write(folder.join("after-interrupt"), row.get::<_, String>(0)).unwrap();
    });
}

#[test]
fn as_root_data_lie_where_the_other_user_can_reach_them() {
    if !Uid::effective().is_root() {
        return;
    }
    // Closed to others, as /root is.
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let folder = Folder(closed.path().join("staging/.postgres"));
    let server = Server::start(&folder.options()).unwrap();
    assert!(!server.data_dir().starts_with(closed.path()), "{}", server.data_dir().display());
    let location = fs::read_to_string(folder.0.join("location")).unwrap();
    assert!(server.data_dir().starts_with(location.trim()));
    assert_eq!(query(&server, "select current_user"), "postgres");
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(server.data_dir()).unwrap());
    assert_ne!(owner, 0);
    let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap()) & 0o777;
    assert_eq!((mode(location.trim().as_ref()), mode(&folder.0)), (0o700, 0o700));
    assert_eq!((mode(&folder.0.join("lock")), mode(&folder.0.join("users"))), (0o600, 0o600));
    drop(server);
    assert_eq!(folder.process(), None);
}

#[test]
fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let base = Folder::new();
    let deep = base
        .0
        .join("a-folder-with-a-name-that-goes-on-and-on")
        .join("and-another-one-that-goes-on-and-on-and-on");
    fs::create_dir_all(&deep).unwrap();
    for folder in [deep.parent().unwrap(), &deep] {
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    }
    let folder = Folder(deep);
    let server = Server::start(&folder.options()).unwrap();
    let socket = server.socket_dir().to_owned();
    assert!(socket.starts_with("/tmp") && socket.is_dir());
    assert_eq!(query(&server, "select 42"), "42");
    drop(server);
    assert!(!socket.exists(), "nothing is left in /tmp");
}

#[test]
fn data_of_a_version_that_is_not_here_are_left_alone() {
    let folder = Folder::new();
    drop(Server::start(&folder.options()).unwrap());
    let version = folder.0.join("data/PG_VERSION");
    let real = fs::read_to_string(&version).unwrap();
    fs::write(&version, "99\n").unwrap();
    let error = Failure::from_anyhow(&Server::start(&folder.options()).unwrap_err());
    assert!(error.message.contains("99") && error.hints[0].contains("postgresql-99"), "{error:?}");
    fs::write(&version, real).unwrap();
    drop(Server::start(&folder.options()).unwrap());
}
