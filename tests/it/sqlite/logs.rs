//! Databases that a program works with: their logs count, and nothing is written beside them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{database, desk, path};
use crate::load::desk::Desk;

/// The clinic's files and their bytes, without clinic.toml.
fn files(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(desk.clinic_dir()).unwrap().map(|entry| entry.unwrap());
    let named =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
    named.filter(|(name, _)| name != "clinic.toml").collect()
}

fn copy(desk: &Desk, end: &str, to: &Path) {
    std::fs::copy(format!("{}{end}", path(desk).display()), to.join(format!("x.db{end}"))).unwrap();
}

fn restore(desk: &Desk, kept: &Path, ends: &[&str]) {
    for end in ["", "-wal", "-shm", "-journal"] {
        let _ = std::fs::remove_file(format!("{}{end}", path(desk).display()));
    }
    for end in ends {
        std::fs::copy(kept.join(format!("x.db{end}")), format!("{}{end}", path(desk).display())).unwrap();
    }
}

#[test]
fn a_write_ahead_log_counts_and_stays_as_it_is() {
    let desk = desk("table = 't'", "pragma journal_mode = wal; create table t (a); insert into t values (1)");
    let program = database(&desk);
    program
        .execute_batch(
            "pragma wal_autocheckpoint = 0; insert into t values (2), (3); begin; insert into t values (4)",
        )
        .unwrap();
    let kept = tempfile::tempdir().unwrap();
    for end in ["", "-wal"] {
        copy(&desk, end, kept.path());
    }
    program.execute_batch("rollback").unwrap();
    drop(program);
    let closed = tempfile::tempdir().unwrap();
    copy(&desk, "", closed.path());

    // The two files of a program that runs no more: two rows stand in the log only, and a third was never committed.
    restore(&desk, kept.path(), &["", "-wal"]);
    let before = files(&desk);
    assert_eq!(before.len(), 2);
    let plan = desk.plan();
    assert_eq!(desk.load().unwrap().rows(), 3);
    assert_eq!(files(&desk), before, "nothing was written beside the source");
    assert!(desk.load().unwrap().unchanged());
    assert_eq!(plan.steps.len(), 1);
    let extract = desk.folder.path().join("staging/demo/copies/x.db");
    let names: Vec<_> =
        std::fs::read_dir(extract.parent().unwrap()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(names, ["x.db"], "one file is left of a copy");
    // The program itself took its log into the file: to the byte what the copy became.
    restore(&desk, closed.path(), &[""]);
    assert_eq!(std::fs::read(&extract).unwrap(), std::fs::read(path(&desk)).unwrap());
    assert!(desk.load().unwrap().unchanged(), "the same rows");
    // Without its log the file is an older one.
    restore(&desk, kept.path(), &[""]);
    assert_eq!(desk.load().unwrap().rows(), 1);
}

#[test]
fn a_change_that_broke_off_is_taken_back_in_the_copy() {
    let desk = desk("table = 't'", "create table t (a); create table u (a, b); insert into t values (1)");
    let program = database(&desk);
    program
        .execute_batch(
            "pragma cache_size = 5; begin; update t set a = 2;
             insert into u with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
                 select i, printf('%.*c', 300, 'x') from n",
        )
        .unwrap();
    let kept = tempfile::tempdir().unwrap();
    for end in ["", "-journal"] {
        copy(&desk, end, kept.path());
    }
    drop(program);
    restore(&desk, kept.path(), &["", "-journal"]);
    let before = files(&desk);
    assert!(before["x.db"].len() > 100_000 && before["x.db-journal"].len() > 500);
    desk.load().unwrap();
    assert_eq!(desk.rows("select a from raw.s"), [json!(["1"])]);
    assert_eq!(files(&desk), before);
}

#[test]
fn a_copy_is_private_and_all_of_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = desk("table = 't'", "create table t (a); insert into t values (1)");
    std::fs::create_dir(desk.clinic_dir().join("real")).unwrap();
    std::fs::rename(path(&desk), desk.clinic_dir().join("real/y.db")).unwrap();
    std::os::unix::fs::symlink("real/y.db", path(&desk)).unwrap();
    desk.load().unwrap();
    let extract = desk.folder.path().join("staging/demo/copies/x.db");
    assert_eq!(std::fs::read(&extract).unwrap(), std::fs::read(path(&desk)).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&extract), mode(extract.parent().unwrap())), (0o600, 0o700));
    assert_eq!(desk.rows("select distinct _file from raw.s"), [json!(["x.db"])]);
}

/// Loads in a process of its own: locks of files are a process's, and this one is the program that writes.
fn load_apart(desk: &Desk) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trasvase"));
    command.current_dir(desk.folder.path()).args(["load", "demo", "--format", "json"]).stdin(Stdio::null());
    let output = command.env_remove("LANG").env("TZ", "UTC").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_program_that_writes_all_the_while_is_not_disturbed_and_its_tables_are_of_one_moment() {
    let desk = desk(
        "table = 'debe'\n[sources.h]\nfiles = ['x.db']\ntable = 'haber'",
        "pragma journal_mode = wal; create table debe (a, b); create table haber (a, b);",
    );
    let (stop, path) = (AtomicBool::new(false), path(&desk));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let program = Connection::open(&path).unwrap();
            program.execute_batch("pragma wal_autocheckpoint = 200; pragma synchronous = off").unwrap();
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                let row = format!("({written}, printf('%.*c', 700, 'x'))");
                program
                    .execute_batch(&format!(
                        "begin; insert into debe values {row}; insert into haber values {row}; commit"
                    ))
                    .unwrap();
                written += 1;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            written
        });
        let mut before = 0;
        for _ in 0..4 {
            load_apart(&desk);
            let counts = desk.rows("select (select count(*) from raw.s), (select count(*) from raw.h)");
            let count = |at: usize| counts[0][at].as_str().unwrap().parse::<u64>().unwrap();
            assert_eq!(count(0), count(1), "both tables as they were at one moment");
            assert!(count(0) >= before, "{counts:?} after {before}");
            before = count(0);
            assert_eq!(
                desk.rows("select rule from meta.finding where rule <> 'no_records'"),
                [] as [Value; 0]
            );
        }
        assert!(before > 50, "{before} rows are no load");
        let names: Vec<_> = files(&desk).into_keys().collect();
        assert_eq!(names, ["x.db", "x.db-shm", "x.db-wal"]);
        stop.store(true, Ordering::Relaxed);
        let written: u64 = writer.join().unwrap();
        load_apart(&desk);
        assert_eq!(
            desk.rows("select count(*), count(distinct a) from raw.s"),
            [json!([written.to_string(), written.to_string()])]
        );
    });
    assert!(desk.load().unwrap().unchanged());
}
