//! Ctrl-C while a PostgreSQL source is silent: one is enough, the old system is left in peace, and nothing half written stays.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::site::{Site, signal};

/// Sessions of this database that wait or work, but for the one that asks.
const ASKED: &str = "select count(*) from pg_stat_activity where datname = current_database() \
    and pid <> pg_backend_pid() and state = 'active' and query like";

/// Interrupts a load at a moment when its source is silent, and looks what it leaves.
async fn interrupted_at(site: &Site, query: &str, like: &str) {
    site.configure(&format!("[sources.old]\nurl = 'OLD_URL'\nquery = \"{query}\""));
    let child = site.spawn(&["load", "acme", "--source", "old"]);
    site.until("the source is asked", &format!("{ASKED} '{like}'"), "1").await;
    // It is noticed within a step of the program itself, or of the wait: neither may take a second Ctrl-C.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    signal(&child, Signal::SIGINT);
    site.ended(child).says(130, &["interrupted"]).hints("run the same command again");
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    site.until("the old system is at it no more", &format!("{ASKED} '{like}'"), "0").await;
    let extracts = site.path("staging/acme/extracts/old");
    let left: Vec<_> =
        std::fs::read_dir(&extracts).into_iter().flatten().map(|one| one.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_is_silent_is_left_at_the_first_ctrl_c() {
    let site = Site::new().await;
    let patient = format!("{}&options=-c%20lock_timeout%3D600000", site.url);
    site.write(".env", &format!("OLD_URL='{patient}'\n"));
    // While its rows are counted, while they are copied, and while somebody holds the table.
    interrupted_at(&site, "select 1 as n from pg_sleep(600)", "select count%pg_sleep%").await;
    let copied =
        "select case when current_query() like 'copy%' then pg_sleep(600)::text end as n from person";
    interrupted_at(&site, copied, "copy%pg_sleep%").await;
    let other = site.holding("lock table visit in access exclusive mode").await;
    interrupted_at(&site, "select id from visit", "%visit%").await;
    other.client.batch_execute("rollback").await.unwrap();
    site.configure("[sources.old]\nurl = 'OLD_URL'\nquery = \"select id from visit\"");
    site.run(&["load", "acme", "--source", "old"]).says(0, &[]);
}
