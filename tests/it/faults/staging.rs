//! The staging file: damaged, open elsewhere, in use by another process.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::site::Site;

/// Damages the staging file, and looks that this is said, changes nothing, and can be mended as the hint says.
async fn damaged(damage: impl FnOnce(&mut Vec<u8>)) {
    let site = Site::exported().await;
    let before = site.tables().await;
    let path = site.path("staging/acme/acme.duckdb");
    let mut bytes = std::fs::read(&path).unwrap();
    damage(&mut bytes);
    std::fs::write(&path, &bytes).unwrap();
    for command in [&["run", "acme"][..], &["check", "acme"], &["sql", "acme", "select 1"]] {
        site.run(command).says(1, &["acme.duckdb is damaged or is no DuckDB database"]).hints("move");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "what is left of the file is left alone");
    }
    assert_eq!(site.tables().await, before);
    std::fs::rename(&path, site.path("staging/acme/damaged")).unwrap();
    site.run(&["run", "acme"]).says(0, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_file_of_something_else_is_named_and_left_alone() {
    damaged(|bytes| *bytes = b"PK\x03\x04 this was a workbook".repeat(5000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_file_with_a_destroyed_header_is_named_and_left_alone() {
    damaged(|bytes| bytes[4096..12288].fill(0xAB)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_staging_file_is_named_and_left_alone() {
    damaged(|bytes| bytes.truncate(12288 + 1000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_file_with_destroyed_blocks_is_named_and_nothing_is_pushed() {
    let site = Site::exported().await;
    let before = site.tables().await;
    let path = site.path("staging/acme/acme.duckdb");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[12288..end].iter_mut().step_by(1000).for_each(|byte| *byte = !*byte);
    std::fs::write(&path, &bytes).unwrap();
    site.run(&["run", "acme"]).says(1, &["acme.duckdb is damaged"]).hints("move");
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_file_open_in_another_program_is_said_with_its_process() {
    let site = Site::exported().await;
    let before = site.tables().await;
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::staging::child_that_holds_a_staging_file", "--ignored"])
        .env("TRASVASE_TEST_FILE", site.path("staging/acme/acme.duckdb"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !site.path("staging/acme/held").exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "the child opens the file");
        std::thread::sleep(Duration::from_millis(10));
    }
    let process = format!("process {}", other.id());
    for command in [&["run", "acme"][..], &["sql", "acme", "select 1"]] {
        site.run(command)
            .says(1, &["acme.duckdb is open in another program", &process])
            .hints("close it there");
    }
    assert_eq!(site.tables().await, before);
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    site.run(&["run", "acme"]).says(0, &[]);
}

#[test]
#[ignore = "another test runs it as a process of its own"]
fn child_that_holds_a_staging_file() {
    let Some(path) = std::env::var_os("TRASVASE_TEST_FILE").map(std::path::PathBuf::from) else { return };
    let _connection = duckdb::Connection::open(&path).unwrap();
    std::fs::write(path.with_file_name("held"), "").unwrap();
    // Until the other end of the pipe is closed.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_is_told_which_process_is_at_work() {
    let site = Site::exported().await;
    let before = site.tables().await;
    let other = site.holding("lock table person in share mode").await;
    let first = site.spawn(&["push", "acme"]);
    site.blocked().await;
    let process = format!("(process {})", first.id());
    for command in [&["run", "acme"][..], &["load", "acme"], &["push", "acme"]] {
        site.run(command).says(1, &["clinic acme is in use by another trasvase", &process]).hints("ps -p");
    }
    // One that only reads is told the same, for DuckDB lets nobody else in.
    site.run(&["sql", "acme", "select 1"]).says(1, &["acme.duckdb is open", &first.id().to_string()]);
    assert_eq!(site.tables().await, before);
    other.client.batch_execute("rollback").await.unwrap();
    site.ended(first).says(0, &["pushed: batch"]);
}
