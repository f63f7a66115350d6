//! A second verification of the same snapshot reads the target alone: what the first one read of the snapshot is kept.

use trasvase::error::Failure;
use trasvase::snapshot::Snapshot;
use trasvase::verify::{Books, Report};

use super::{counts, verified};
use crate::tiny::Tiny;

const SCHEMA: &str = "create table person (id text primary key, name text); \
    create table visit (id text primary key, person_id text not null references person (id), day date);";
const PEOPLE: &str = "select 'p' || n as id, 'Ana ' || n as name from range(1, 301) t(n)";
const VISITS: &str =
    "select 'v' || n as id, 'p' || n as person_id, date '2024-01-15' as day from range(1, 5) t(n)";

async fn with_books(tiny: &Tiny, snapshot: &Snapshot) -> anyhow::Result<Report> {
    let staging = tiny.run.staging();
    verified(tiny, snapshot, Books::open(Some(&staging), "r1", None).unwrap(), |_| ()).await
}

/// Makes what is kept tell of a month that no reading would: whoever tells of it has not read the snapshot.
fn mark(tiny: &Tiny) {
    let marked = "replace(read::varchar, '\"2024-01\":4', '\"2024-01\":7')";
    tiny.run.staging().execute(&format!("update meta.reading set read = {marked}")).unwrap();
}

/// The rows of January as the snapshot, or what is kept of it, has them.
fn january(report: &Report) -> u64 {
    report.months.iter().flat_map(|table| &table.months).map(|month| month.expected).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_taken_for_the_same_question_only() {
    let mut tiny = Tiny::new(SCHEMA, &[("person", PEOPLE), ("visit", VISITS)], "").await;
    tiny.push().await;
    let (_, snapshot) = tiny.export().await;
    assert_eq!(january(&with_books(&tiny, &snapshot).await.unwrap()), 4);
    mark(&tiny);
    let report = with_books(&tiny, &snapshot).await.unwrap();
    assert_eq!((january(&report), report.is_clean()), (7, true), "kept, and not read again");

    // Who keeps no books, or wants rows of the snapshot to look at, reads it.
    assert_eq!(january(&verified(&tiny, &snapshot, Books::default(), |_| ()).await.unwrap()), 4);
    let staging = tiny.run.staging();
    let books = Books::open(Some(&staging), "r2", None).unwrap();
    let report = verified(&tiny, &snapshot, books, |options| options.sample = 2).await.unwrap();
    assert_eq!((january(&report), report.sample.len()), (4, 4));
    drop(staging);

    // Another rule of the target, another snapshot: other questions.
    mark(&tiny);
    tiny.sql("alter table visit add check (id <> '')").await;
    tiny.run.refresh().await;
    assert_eq!(january(&with_books(&tiny, &snapshot).await.unwrap()), 4);
    mark(&tiny);
    tiny.model("person", &PEOPLE.replace("301", "302"));
    let (_, snapshot) = tiny.export().await;
    assert_eq!(january(&with_books(&tiny, &snapshot).await.unwrap()), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_changed_are_named_by_it_as_without_it() {
    let tiny = Tiny::new(SCHEMA, &[("person", PEOPLE), ("visit", VISITS)], "").await;
    tiny.push().await;
    let (_, snapshot) = tiny.export().await;
    with_books(&tiny, &snapshot).await.unwrap();
    mark(&tiny);
    tiny.sql(
        "update person set name = 'Eva' where id in ('p7', 'p99', 'p300'); delete from visit where id = 'v3'; \
         insert into person values ('x', 'somebody else''s')",
    )
    .await;
    let report = with_books(&tiny, &snapshot).await.unwrap();
    assert_eq!(january(&report), 7);
    assert_eq!(counts(&report), ["person different edited 3", "visit missing deleted 1"]);
    let keys: Vec<&str> =
        report.tables.iter().flat_map(|table| &table.differences).map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["p300", "p7", "p99", "v3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_changed_is_refused_all_the_same() {
    let tiny = Tiny::new(SCHEMA, &[("person", PEOPLE), ("visit", VISITS)], "").await;
    let (_, snapshot) = tiny.export().await;
    tiny.push().await;
    with_books(&tiny, &snapshot).await.unwrap();
    let path = snapshot.folder().join(&snapshot.manifest().tables[0].file);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("Ana 7\"", "Eva 7\"")).unwrap();
    let error = with_books(&tiny, &snapshot).await.unwrap_err();
    assert!(Failure::from_anyhow(&error).message.contains("person.ndjson"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_taken_from_it_but_where_the_time_may_change_them() {
    let tiny = Tiny::new(SCHEMA, &[("person", PEOPLE), ("visit", VISITS)], "").await;
    let query = |name: &str, text: &str| {
        tiny.run.project.write(&format!("clinics/tiny/sql/verify/{name}.sql"), text);
    };
    query("by_day", "-- one row a day\nselect day, count(*) as rows from visit group by day");
    query("before_today", "-- one row\nselect count(*) as rows from visit where day < current_date");
    tiny.push().await;
    let (_, snapshot) = tiny.export().await;
    assert!(with_books(&tiny, &snapshot).await.unwrap().is_clean());
    let answers = "select key from (select unnest(json_keys(read, '$.answers')) as key from meta.reading)";
    let kept: Vec<String> = tiny.run.staging().rows(answers, |row| row.get(0)).unwrap();
    assert_eq!(kept, ["-- one row a day\nselect day, count(*) as rows from visit group by day"]);

    // An answer that no reading would give tells whose it is.
    let marked = "replace(read::varchar, '\\\"4\\\"', '\\\"9\\\"')";
    tiny.run.staging().execute(&format!("update meta.reading set read = {marked}")).unwrap();
    let differing = |report: &Report| {
        let unequal = report.queries.iter().filter(|query| !query.equal);
        unequal.map(|query| query.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(differing(&with_books(&tiny, &snapshot).await.unwrap()), ["by_day"]);
    // Another query is another question.
    query("by_day", "-- one row a day\nselect day, count(*) as number from visit group by day");
    assert!(with_books(&tiny, &snapshot).await.unwrap().is_clean());
}
