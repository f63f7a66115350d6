//! `verify --replica` against a streaming replica of a server of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use trasvase::pg::{Purpose, Secret, Session, Target};

use super::clinic::Mini;
use crate::support;

/// A PostgreSQL that can be copied and followed, a copy that follows, or one of other programs.
pub(crate) struct Follower {
    /// The folder of its programs.
    programs: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
}

const SETTINGS: &str =
    "wal_level = replica\nmax_wal_senders = 4\nfsync = off\nlisten_addresses = ''\nhot_standby = on\n";

impl Follower {
    fn command(programs: &Path, program: &str) -> Command {
        let mut command = support::server().account().command(&programs.join(program));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub(crate) fn primary(folder: &Path) -> Self {
        let initdb = support::server().binaries().path("initdb");
        Self::of_programs(initdb.parent().unwrap(), folder)
    }

    /// A server that these programs make.
    pub(crate) fn of_programs(programs: &Path, folder: &Path) -> Self {
        let data = folder.join("primary");
        let made = Self::command(programs, "initdb")
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data)
            .status()
            .unwrap();
        assert!(made.success());
        Self::started(programs, data)
    }

    pub(crate) fn of(primary: &Self, folder: &Path) -> Self {
        let data = folder.join("standby");
        let copied = Self::command(&primary.programs, "pg_basebackup")
            .args(["-U", "postgres", "-X", "stream", "-R", "-c", "fast", "-h"])
            .arg(&primary.sockets)
            .arg("-D")
            .arg(&data)
            .status()
            .unwrap();
        assert!(copied.success());
        Self::started(&primary.programs, data)
    }

    fn started(programs: &Path, data: PathBuf) -> Self {
        let sockets = data.with_extension("sockets");
        support::server().account().private_folder(&sockets).unwrap();
        let line = format!("unix_socket_directories = '{}'\n", sockets.display());
        std::fs::write(data.join("postgresql.conf"), format!("{SETTINGS}{line}")).unwrap();
        let started = Self { programs: programs.to_owned(), data, sockets };
        started.control(&["-w", "-l", &started.data.join("log").to_string_lossy(), "start"]);
        started
    }

    fn control(&self, arguments: &[&str]) {
        let done = Self::command(&self.programs, "pg_ctl")
            .arg("-D")
            .arg(&self.data)
            .args(arguments)
            .status()
            .unwrap();
        assert!(done.success(), "pg_ctl {arguments:?}");
    }

    /// Again is safe.
    pub(crate) fn stop(&self) {
        let mut pg_ctl = Self::command(&self.programs, "pg_ctl");
        let _ = pg_ctl.arg("-D").arg(&self.data).args(["-m", "immediate", "stop"]).status();
    }

    pub(crate) fn url(&self) -> String {
        format!("postgresql:///postgres?host={}&user=postgres", self.sockets.display())
    }

    pub(crate) fn execute(&self, sql: &str) {
        support::runtime().block_on(async {
            let target = Target::at("DATABASE_URL", Secret::new(self.url()));
            let session = Session::open(&target, Purpose::Read).await.unwrap();
            session.client.batch_execute(sql).await.unwrap();
        });
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn a_replica_is_read_once_it_has_what_was_pushed() {
    let folder = support::reachable_folder("trasvase-replica-");
    support::server().account().private_folder(&folder).unwrap();
    let primary = Follower::primary(&folder);
    primary.execute(Mini::schema());
    let standby = Follower::of(&primary, &folder);
    let mini = Mini::new();
    let run = |arguments: &[&str], replica: &str| {
        let mut command = mini.command(arguments);
        let output = command.env("DATABASE_URL", primary.url()).env("READ_REPLICA_URL", replica).output();
        let output = output.unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), text)
    };
    let (code, text) = run(&["run", "mini"], "");
    assert_eq!(code, 0, "{text}");

    let (code, text) = run(&["verify", "mini", "--replica"], &standby.url());
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("A replica was read, 0 bytes of WAL and 0.0 s behind"), "{text}");

    // What the primary has and the replica has not yet is no difference of the replica.
    standby.execute("select pg_wal_replay_pause()");
    primary.execute("update person set name = 'Somebody'");
    let (code, text) = run(&["verify", "mini", "--replica", "--format", "json"], &standby.url());
    assert_eq!(code, 0, "{text}");
    let (_, bytes) = text.split_once("\"bytes\": ").unwrap();
    assert!(!bytes.starts_with('0'), "{text}");

    // A batch that has not come yet is waited for.
    mini.edit("clinics/mini/sources/people.csv", "1;Ana", "1;Anna");
    let (code, text) = run(&["run", "mini"], "");
    assert_eq!(code, 0, "{text}");
    let waiting = std::thread::scope(|scope| {
        let verified = scope.spawn(|| run(&["verify", "mini", "--replica"], &standby.url()));
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert!(!verified.is_finished());
        standby.execute("select pg_wal_replay_resume()");
        verified.join().unwrap()
    });
    assert_eq!(waiting.0, 0, "{}", waiting.1);

    let (code, text) = run(&["verify", "mini", "--replica"], &primary.url());
    assert!(code == 2 && text.contains("is no replica"), "{text}");
    let (code, text) = run(&["verify", "mini", "--replica"], "");
    assert!(code == 2 && text.contains("READ_REPLICA_URL"), "{text}");
    drop((standby, primary));
    std::fs::remove_dir_all(&folder).unwrap();
}
