//! A PostgreSQL that nobody keeps up any more, as a source: version 10, which `.ci/postgresql10` installs beside the build.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use trasvase::pg::{Purpose, Secret, Session, Target};

use super::desk::Desk;
use super::postgres::{EVERY_TYPE, VISIT, VISITS, connect, desk, incremental};
use crate::cli::replica::Follower;
use crate::support::{self, runtime};

/// The server's programs where the user can reach them as whom root runs a server.
fn programs(folder: &Path) -> PathBuf {
    let (installed, _) = support::installed("postgresql10", "postgresql10");
    let native = installed.join("package/native");
    let copied = Command::new("cp").arg("-R").arg(native).arg(folder).status().unwrap();
    assert!(copied.success());
    folder.join("native/bin")
}

/// A database of such a server with this in it, and a clinic that asks it.
struct Old {
    server: Follower,
    folder: PathBuf,
}

impl Old {
    fn new() -> Self {
        let folder = support::reachable_folder("trasvase-old-");
        let programs = programs(&folder);
        let data = folder.join("server");
        support::server().account().private_folder(&data).unwrap();
        Self { server: Follower::of_programs(&programs, &data), folder }
    }

    fn run(&self, sql: &str) {
        runtime().block_on(async {
            let target = Target::at("OLD_URL", Secret::new(self.server.url()));
            let session = Session::open(&target, Purpose::Ask).await.unwrap();
            session.client.batch_execute("set default_transaction_read_only = off").await.unwrap();
            session.client.batch_execute(sql).await.unwrap();
        });
    }

    fn desk(&self, sources: &str) -> Desk {
        let desk = Desk::new(sources);
        connect(&desk, &self.server.url());
        desk
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        self.server.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn an_old_server_gives_what_a_new_one_gives() {
    let old = Old::new();
    // Version 10 has no generated columns, and prints floating-point numbers within other types with more digits.
    let known = EVERY_TYPE
        .replace(",\n  doubled int generated always as (id * 2) stored", "")
        .replace("'(1e20,1e-20)'", "'(3,4)'");
    old.run(&known);
    let source = "[sources.t]\nurl = 'OLD_URL'\ntable = 't'";
    let theirs = old.desk(source);
    let (_database, ours) = desk(&known, source);
    assert_eq!((theirs.load().unwrap().rows(), ours.load().unwrap().rows()), (6, 6));
    let all = "select columns(* exclude (_id, _file)) from raw.t order by id";
    assert_eq!(theirs.rows(all), ours.rows(all));
    assert_eq!(
        theirs.rows("select f4, f8 from raw.t where id = '3'"),
        [json!(["1e-10", "123456789.12345679"])]
    );
}

#[test]
fn an_old_server_is_asked_for_what_changed_since() {
    let old = Old::new();
    old.run(VISITS);
    let desk = old.desk(VISIT);
    assert_eq!(incremental(&desk).unwrap().rows(), 3);
    old.run(
        "update visit set note = 'silent' where id = 1; \
         update visit set note = 'B', changed = '2024-01-01 10:00:00.000003+00' where id = 2",
    );
    assert_eq!(incremental(&desk).unwrap().sources[0].superseded, 1);
    let all = desk.rows("select id, note from raw.visit order by id::int");
    assert_eq!(all, [json!(["1", "a"]), json!(["2", "B"]), json!(["3", "c"])]);
    assert!(incremental(&desk).unwrap().unchanged());
}
