//! Connections that are cut or fall silent on the way: the program does again what can pass, settles a COMMIT without an
//! answer by the ledger, and tells it.

use std::time::Duration;

use tokio::sync::OnceCell;

use super::large::{self, Reference};
use super::proxy::{How, Proxy, When};
use super::site::{Site, Told};

/// What every one of these is held against.
static REFERENCE: OnceCell<Reference> = OnceCell::const_new();

/// Runs over the proxy, where silence is noticed after two seconds; then the way is straight again.
#[track_caller]
fn over(site: &mut Site, proxy: &Proxy, arguments: &[&str]) -> Told {
    let name = &site.database.name;
    let port = proxy.port;
    let way = format!("postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable&tcp_user_timeout=2000");
    let direct = std::mem::replace(&mut site.url, way);
    let told = site.ended_within(site.spawn(arguments), Duration::from_secs(40));
    site.url = direct;
    told
}

/// Loses one connection in each manner: the same command goes on, tells it, and leaves what an undisturbed one does.
async fn goes_on(when: When, told: &[&str], batches: &str) {
    let reference = REFERENCE.get_or_init(async || Reference::measured(&large::site().await).await).await;
    for how in [How::Close, How::Reset, How::Stall] {
        let mut site = large::site().await;
        site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
        let proxy = Proxy::start(when, how, 1);
        let said = over(&mut site, &proxy, &["run", "acme", "--from", "push"]);
        assert_eq!(proxy.left(), 0, "{how:?}: {}", said.text);
        assert_eq!(said.code, Some(0), "{how:?}: {}", said.text);
        said.says(0, &["Equal", "again in", "(1 of 3)"]).says(0, told);
        let log = site.newest_log();
        assert!(
            log.contains("\"event\":\"retried\",\"stage\":\"push\",\"number\":1,\"most\":3,\"cause\":\""),
            "{log}"
        );
        assert_eq!(reference.reached(&site).await, batches, "{how:?}: {}", said.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_it_connects() {
    goes_on(When::AtOnce, &["cannot connect"], "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_midst_of_the_rows() {
    goes_on(When::InBatch(100_000), &["nothing was written", "was not committed"], "failed completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_commit_reaches_the_server() {
    goes_on(When::BeforeCommit, &["was being committed", "was not committed"], "failed completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_answer_to_commit_comes_back() {
    goes_on(
        When::AfterCommit,
        &["was being committed", "was committed before its connection was lost"],
        "completed",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_verified() {
    let mut site = Site::exported().await;
    site.run(&["push", "acme"]).says(0, &[]);
    for how in [How::Close, How::Reset, How::Stall] {
        let proxy = Proxy::start(When::Query("row_digest"), how, 1);
        let said = over(&mut site, &proxy, &["verify", "acme"]);
        said.says(0, &["Equal", "again in"]);
        assert_eq!(proxy.left(), 0);
    }
    assert_eq!(site.batches().await, "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_stays_broken_ends_after_so_many_retries() {
    let mut site = Site::exported().await;
    let before = site.tables().await;
    let proxy = Proxy::start(When::AtOnce, How::Reset, u32::MAX);
    let said = over(&mut site, &proxy, &["push", "acme", "--max-retries", "2"]);
    said.says(1, &["(1 of 2)", "(2 of 2)", "cannot connect"]);
    assert_eq!(said.text.matches("again in").count(), 2, "{}", said.text);
    let said = over(&mut site, &proxy, &["push", "acme", "--max-retries", "0", "--lang", "es"]);
    assert!(said.code == Some(1) && !said.text.contains("se repite"), "{}", said.text);
    let said = over(&mut site, &proxy, &["push", "acme", "--max-retries", "1", "--lang", "es"]);
    assert!(said.code == Some(1) && said.text.contains("se repite en"), "{}", said.text);
    assert_eq!((site.tables().await, site.batches().await), (before, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_pass_is_not_done_again() {
    let mut site = Site::exported().await;
    let direct = site.url.clone();
    // Another role than the one that we are, a database that is not there.
    for url in [direct.replace("postgres@", "nobody@"), direct.replace(&site.database.name, "not_there")] {
        site.url = url;
        let said = site.run(&["push", "acme"]);
        assert!(said.code == Some(1) && !said.text.contains("again in"), "{}", said.text);
    }
    site.url = direct;
    let refuse = "create function refuse() returns trigger language plpgsql as $$ begin raise sqlstate '23514'; end $$; \
                  create trigger refuse before insert on visit for each row execute function refuse()";
    site.session().await.client.batch_execute(refuse).await.unwrap();
    site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
    let said = site.run(&["push", "acme"]);
    assert!(said.code == Some(1) && !said.text.contains("again in"), "{}", said.text);
    assert_eq!(site.batches().await, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_and_a_lock_that_is_held_are_waited_for() {
    let site = Site::exported().await;
    for state in ["40001", "40P01", "55P03", "57P01", "08006"] {
        // Raised once: the sequence is not taken back with the transaction.
        let once = format!(
            "drop sequence if exists once cascade; create sequence once; create or replace function once() returns trigger \
             language plpgsql as $$ begin if nextval('once') = 1 then raise sqlstate '{state}'; end if; return new; end $$; \
             create or replace trigger once before insert on payment for each row execute function once()"
        );
        site.session().await.client.batch_execute(&once).await.unwrap();
        site.session().await.client.batch_execute("truncate person cascade").await.unwrap();
        site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
        let said = site.run(&["push", "acme"]);
        said.says(0, &["again in", state, "pushed: batch"]);
        assert!(site.newest_log().contains(&format!("\"cause\":\"{state}\"")));
    }
}

/// A clinic whose push replaces every row, and is refused once when it inserts payments.
async fn replacing() -> Site {
    let site = Site::new().await;
    site.configure("[load]\nmode = \"replace\"");
    let once = "create sequence once; create function once() returns trigger language plpgsql as \
                $$ begin if nextval('once') = 1 then raise sqlstate '40001'; end if; return new; end $$; \
                create trigger once before insert on payment for each row execute function once()";
    site.session().await.client.batch_execute(once).await.unwrap();
    site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_twice_about_one_plan() {
    let site = replacing().await;
    let said = site.run(&["push", "acme", "--yes"]);
    said.says(0, &["again in", "pushed: batch"]);
    assert_eq!(said.text.matches("to take it back:").count(), 1, "{}", said.text);
    assert_eq!(site.batches().await, "failed completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_changed_meanwhile_stops_the_push() {
    let site = replacing().await;
    let id = site.id_of("person");
    let push = site.spawn(&["push", "acme", "--yes"]);
    site.logged("\"event\":\"retried\"");
    // A row of the snapshot that somebody else made in the meantime: not to be inserted but to be changed.
    let other = format!("insert into person values ('{id}', 'Nadie', null, '{{}}')");
    site.session().await.client.batch_execute(&other).await.unwrap();
    site.ended(push).says(1, &["again in", "the plan is"]).hints("--dry-run");
    assert_eq!(site.batches().await, "failed");
    assert_eq!(site.value(&format!("select name from person where id = '{id}'")).await, "Nadie");
}
