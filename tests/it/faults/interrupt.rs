//! Ctrl-C at every stage: exit 130, nothing half done, and the next run goes through.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use trasvase::pg::embedded::{self, Status};

use super::site::{Site, signal};

/// A query that takes until it is interrupted.
const ENDLESS: &str = "select count(*) from range(1000000000000) as endless(x) where hash(x) = 1";

/// When a stage is at work.
enum Moment<'a> {
    /// A little after the log says this.
    Logged(&'a str),
    /// Once it waits for a lock in the target.
    Blocked,
}

/// Runs the command, interrupts it at its moment, and looks that nothing in the target changed.
async fn interrupted(site: &Site, arguments: &[&str], moment: Moment<'_>) {
    let before = site.tables_but_locked().await;
    let child = site.spawn(arguments);
    match moment {
        Moment::Logged(text) => {
            site.logged(text);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Moment::Blocked => site.blocked().await,
    }
    let start = Instant::now();
    signal(&child, Signal::SIGINT);
    site.ended(child).says(130, &["interrupted"]).hints("run the same command again");
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    assert_eq!(site.tables_but_locked().await, before);
}

/// The next run finds no lock in its way and goes through.
async fn goes_through(site: &Site, batches: &str) {
    site.run(&["run", "acme"]).says(0, &["Equal"]);
    assert_eq!(site.batches().await, batches);
}

#[tokio::test(flavor = "multi_thread")]
async fn during_load() {
    let site = Site::new().await;
    let small = std::fs::read_to_string(site.path("clinics/acme/sources/people.csv")).unwrap();
    let mut large = small.clone();
    for number in 0..400_000 {
        large.push_str(&format!("x{number};Pilar;1990-01-01;\n"));
    }
    site.write("clinics/acme/sources/people.csv", &large);
    let begun = "\"event\":\"started\",\"stage\":\"load\",\"subject\":\"people\"";
    interrupted(&site, &["run", "acme"], Moment::Logged(begun)).await;
    let tables = "select string_agg(table_name, ' ') from duckdb_tables() where schema_name = 'raw'";
    let told = site.run(&["sql", "acme", tables, "--format", "json"]);
    told.says(0, &["payments"]);
    assert!(!told.text.contains("people"), "{}", told.text);
    site.write("clinics/acme/sources/people.csv", &small);
    goes_through(&site, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_transform() {
    let site = Site::new().await;
    let slow = format!(
        "-- one row a thing that takes long\n-- origin: none\nselect 'a' as source_id, ({ENDLESS}) as n\n"
    );
    site.write("sql/sources/paper/clean/slow.sql", &slow);
    interrupted(&site, &["run", "acme"], Moment::Logged("\"subject\":\"clean.slow\"")).await;
    std::fs::remove_file(site.path("sql/sources/paper/clean/slow.sql")).unwrap();
    goes_through(&site, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_catalog_is_read() {
    let site = Site::new().await;
    let other = site.holding("lock table visit in access exclusive mode").await;
    interrupted(&site, &["run", "acme"], Moment::Blocked).await;
    other.client.batch_execute("rollback").await.unwrap();
    goes_through(&site, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_check_with_the_private_server() {
    let site = Site::new().await;
    let check = format!("-- rows that take long\nselect n from ({ENDLESS}) as t(n) where n > 0\n");
    site.write("clinics/acme/sql/checks/slow.sql", &check);
    let folder = site.path("staging/.postgres");
    let child = site.command(&["run", "acme"]).env_remove("DATABASE_URL").spawn().unwrap();
    site.logged("\"stage\":\"check\",\"subject\":\"payment\",\"rows\":2");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(matches!(embedded::status(&folder).unwrap(), Status::Running { .. }));
    signal(&child, Signal::SIGINT);
    site.ended(child).says(130, &["interrupted"]);
    assert_eq!(embedded::status(&folder).unwrap(), Status::Stopped);
    std::fs::remove_file(site.path("clinics/acme/sql/checks/slow.sql")).unwrap();
    let again = site.command(&["run", "acme"]).env_remove("DATABASE_URL").spawn().unwrap();
    site.ended(again).says(0, &["Equal"]);
    assert_eq!(embedded::status(&folder).unwrap(), Status::Stopped);
    if let Ok(home) = std::fs::read_to_string(folder.join("location")) {
        std::fs::remove_dir_all(home.trim()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn during_export() {
    let site = Site::new().await;
    let slow = format!("-- a figure that takes long\nselect '' as key, ({ENDLESS})::varchar as value\n");
    site.write("clinics/acme/sql/control/slow.sql", &slow);
    interrupted(
        &site,
        &["run", "acme"],
        Moment::Logged("\"stage\":\"export\",\"subject\":\"payment\",\"rows\":2"),
    )
    .await;
    assert!(!site.path("staging/acme/snapshots/latest").exists());
    assert!(!site.path("staging/acme/snapshots/.partial").exists());
    std::fs::remove_file(site.path("clinics/acme/sql/control/slow.sql")).unwrap();
    goes_through(&site, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_push() {
    let site = Site::exported().await;
    let other = site.holding_the_last_table().await;
    interrupted(&site, &["run", "acme", "--from", "push"], Moment::Blocked).await;
    assert_eq!(site.batches().await, "failed");
    other.client.batch_execute("rollback").await.unwrap();
    goes_through(&site, "failed completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_verify() {
    let site = Site::exported().await;
    site.run(&["push", "acme"]).says(0, &[]);
    let other = site.holding("lock table trasvase.row_digest in access exclusive mode").await;
    interrupted(&site, &["verify", "acme"], Moment::Blocked).await;
    other.client.batch_execute("rollback").await.unwrap();
    goes_through(&site, "completed").await;
}
