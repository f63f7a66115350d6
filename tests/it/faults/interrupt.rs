//! Ctrl-C at every stage: exit 130, nothing half done, and the next run goes through.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use trasvase::pg::embedded::{self, Status};

use super::site::{Site, signal};

/// A query that takes until it is interrupted.
const ENDLESS: &str = "select count(*) from range(1000000000000) as endless(x) where hash(x) = 1";

/// Interrupts `run` once this stage began and `at_work` holds; then runs again after `mended`.
async fn interrupted(site: &Site, stage: &str, blocked: bool, mend: impl AsyncFnOnce(&Site)) {
    let before = site.tables().await;
    let child = site.spawn(&["run", "acme"]);
    site.logged(&format!("\"event\":\"stage_started\",\"stage\":\"{stage}\""));
    match blocked {
        true => site.blocked().await,
        false => tokio::time::sleep(Duration::from_millis(150)).await,
    }
    let start = Instant::now();
    signal(&child, Signal::SIGINT);
    site.ended(child).says(130, &[]);
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    if stage != "verify" {
        assert_eq!(site.tables().await, before);
    }
    mend(site).await;
    site.run(&["run", "acme"]).says(0, &[]);
    assert!(site.batches().await.ends_with("completed"), "{}", site.batches().await);
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
    interrupted(&site, "load", false, async |site| {
        let count = site.run(&[
            "sql",
            "acme",
            "select count(*) as n from duckdb_tables() where schema_name = 'raw'",
            "--format",
            "json",
        ]);
        count.says(0, &["\"n\": 1"]);
        site.write("clinics/acme/sources/people.csv", &small);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_transform() {
    let site = Site::new().await;
    let slow = format!(
        "-- one row a thing that takes long\n-- origin: none\nselect 'a' as source_id, ({ENDLESS}) as n\n"
    );
    site.write("sql/sources/paper/clean/slow.sql", &slow);
    interrupted(&site, "transform", false, async |site| {
        std::fs::remove_file(site.path("sql/sources/paper/clean/slow.sql")).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_check() {
    let site = Site::new().await;
    let other = site.holding("lock table visit in access exclusive mode").await;
    let tables = site.session().await;
    let before = "select count(*) from person";
    let count: i64 = tables.client.query_one(before, &[]).await.unwrap().get(0);
    let child = site.spawn(&["run", "acme"]);
    site.logged("\"stage_started\",\"stage\":\"check\"");
    site.blocked().await;
    signal(&child, Signal::SIGINT);
    site.ended(child).says(130, &["interrupted"]);
    assert_eq!(tables.client.query_one(before, &[]).await.unwrap().get::<_, i64>(0), count);
    other.client.batch_execute("rollback").await.unwrap();
    site.run(&["run", "acme"]).says(0, &[]);
    assert_eq!(site.batches().await, "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_check_of_sql_with_the_private_server() {
    let site = Site::new().await;
    site.write(
        "clinics/acme/sql/checks/slow.sql",
        &format!("-- rows that take long\nselect 1 as n from ({ENDLESS}) as t(n) where n > 0\n"),
    );
    let folder = site.path("staging/.postgres");
    let child = site.command(&["run", "acme"]).env_remove("DATABASE_URL").spawn().unwrap();
    site.logged("\"subject\":\"visit\",\"rows\":3");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(matches!(embedded::status(&folder).unwrap(), Status::Running { .. }));
    signal(&child, Signal::SIGINT);
    site.ended(child).says(130, &["interrupted"]);
    assert_eq!(embedded::status(&folder).unwrap(), Status::Stopped);
    std::fs::remove_file(site.path("clinics/acme/sql/checks/slow.sql")).unwrap();
    let again = site.command(&["run", "acme"]).env_remove("DATABASE_URL").spawn().unwrap();
    site.ended(again).says(0, &[]);
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
    interrupted(&site, "export", false, async |site| {
        assert!(!site.path("staging/acme/snapshots/latest").exists());
        assert!(!site.path("staging/acme/snapshots/.partial").exists());
        std::fs::remove_file(site.path("clinics/acme/sql/control/slow.sql")).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_push() {
    let site = Site::exported().await;
    let other = site.holding_the_last_table().await;
    interrupted(&site, "push", true, async |site| {
        assert_eq!(site.batches().await, "failed");
        other.client.batch_execute("rollback").await.unwrap();
    })
    .await;
    assert_eq!(site.batches().await, "failed completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn during_verify() {
    let site = Site::exported().await;
    site.run(&["push", "acme"]).says(0, &[]);
    let before = site.tables().await;
    let other = site.holding("lock table visit in access exclusive mode").await;
    let child = site.spawn(&["verify", "acme"]);
    site.logged("\"stage_started\",\"stage\":\"verify\"");
    site.blocked().await;
    signal(&child, Signal::SIGINT);
    site.ended(child).says(130, &["interrupted"]);
    other.client.batch_execute("rollback").await.unwrap();
    assert_eq!(site.tables().await, before);
    site.run(&["verify", "acme"]).says(0, &[]);
}
