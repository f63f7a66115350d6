//! Rollback as people run it: asked, killed, after a failed verification, and pushed again.

use nix::sys::signal::Signal;

use super::site::{Site, signal};

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_for_the_clinics_name_shows_the_plan_and_is_pushed_again() {
    let site = Site::new().await;
    let before = site.tables().await;
    let told = site.run(&["run", "acme", "--from", "load"]);
    told.says(0, &["Equal"]);
    let pushed = site.tables().await;
    let batch = site.value("select id from trasvase.batch").await;

    let planned = site.run(&["rollback", "acme", "last", "--dry-run"]);
    planned.says(0, &[&batch, "Deleted", "nothing was touched"]);
    site.run(&["rollback", "acme", "last"]).says(2, &["payment"]).hints("--confirm acme");
    site.run(&["rollback", "acme", "last", "--confirm", "other"]).says(2, &["acme"]);
    site.run(&["rollback", "acme", "nothing", "--yes"])
        .says(2, &["no batch of acme begins with nothing", &batch]);
    assert_eq!(site.tables().await, pushed);

    let told = site.run(&["rollback", "acme", &batch, "--confirm", "acme"]);
    told.says(0, &["taken back", "golden.csv", &format!("trasvase redo acme {batch}")]);
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "rolled_back"));
    let status = site.run(&["status", "acme"]);
    assert!(
        status.text.lines().any(|line| line.contains("push") && line.contains("pending")),
        "{}",
        status.text
    );
    site.run(&["rollback", "acme", &batch, "--yes"])
        .says(1, &["was taken back already"])
        .hints("trasvase redo acme");

    site.run(&["redo", "acme", "last", "--dry-run"]).says(0, &["plan"]);
    site.run(&["redo", "acme", &batch])
        .says(0, &["pushed: batch", "to take it back: trasvase rollback acme"]);
    assert_eq!((site.tables().await, site.batches().await.as_str()), (pushed, "rolled_back completed"));
    site.run(&["verify", "acme"]).says(0, &["Equal"]);
    let second = site.value("select max(id) from trasvase.batch").await;
    site.run(&["redo", "acme", &second]).says(1, &["was not taken back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_exit_3_and_json_names_them() {
    let site = Site::new().await;
    site.run(&["run", "acme"]).says(0, &[]);
    site.session()
        .await
        .client
        .batch_execute("update payment set amount = amount + 1 where id <> 'stranger'")
        .await
        .unwrap();
    let before = site.tables().await;
    site.run(&["rollback", "acme", "last", "--dry-run"]).says(3, &["edited since"]).hints("--keep-edited");
    site.run(&["rollback", "acme", "last", "--confirm", "acme"])
        .says(3, &["payment 2 edited since"])
        .hints("--force");
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "completed"));
    let told = site.run(&["rollback", "acme", "last", "--keep-edited", "--yes", "--format", "json"]);
    told.says(0, &["\"rolled_back\"", "\"kind\": \"edited\"", "\"left\": 2"]);
    assert_eq!(site.value("select count(*) from payment").await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_midst_of_it() {
    let site = Site::new().await;
    let before = site.tables().await;
    site.run(&["run", "acme"]).says(0, &[]);
    let pushed = site.tables().await;
    // Rows of the payments are gone by then; the last table waits for somebody.
    let other = site.holding("select from person where id <> 'stranger' for key share").await;
    let mut child = site.spawn(&["rollback", "acme", "last", "--yes"]);
    site.blocked().await;
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    other.client.batch_execute("rollback").await.unwrap();
    let gone = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    site.until("the server notices that the program is gone", gone, "0").await;
    assert_eq!((site.tables().await, site.batches().await.as_str()), (pushed, "completed"));
    site.run(&["rollback", "acme", "last", "--yes"]).says(0, &["taken back"]);
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "rolled_back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_verification_takes_the_batch_back_where_clinic_toml_says_so() {
    let site = Site::new().await;
    let client = site.session().await.client;
    let shout = "create function shout() returns trigger language plpgsql as $$ begin new.name := upper(new.name); return new; end $$; \
                 create trigger shout before insert on person for each row execute function shout()";
    client.batch_execute(shout).await.unwrap();
    let before = site.tables().await;
    site.configure("[safety]\non_verify_failure = \"never\"");
    site.run(&["run", "acme"]).says(2, &["on_verify_failure", "\"rollback\""]);
    site.configure("[safety]\non_verify_failure = \"rollback\"");
    let told = site.run(&["run", "acme"]);
    told.says(3, &["was taken back (on_verify_failure)", "trasvase redo acme"]);
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "rolled_back"));
    site.configure("[safety]\non_verify_failure = \"keep\"");
    site.run(&["run", "acme"]).says(3, &[]);
    assert_eq!(site.batches().await, "rolled_back completed");
}
