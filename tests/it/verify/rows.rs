//! Rows that differ: how they came to, where they are written down, and what would repair them.

use std::os::unix::fs::PermissionsExt as _;

use trasvase::error::{Failure, Kind};
use trasvase::staging::Staging;
use trasvase::verify::{Books, Fixes, Report};

use super::{counts, verified};
use crate::tiny::Tiny;

const SCHEMA: &str = "\
    create table person (id text primary key, name text, parent_id text references person (id), note text, \
        touched timestamptz); \
    create table visit (number integer generated always as identity, person_id text not null references person (id), \
        day date, primary key (person_id, number));";
const VISITS: &str = "select n as number, 'p' || n as person_id, date '2024-01-15' as day \
    from (values (1), (2), (3), (4)) as t(n)";

/// Nine people, each the child of the one before.
fn people(note: &str) -> String {
    format!(
        "select 'p' || n as id, 'Ana ' || n as name, case when n > 1 then 'p' || (n - 1) end as parent_id, \
         {note} as note from (values (1), (2), (3), (4), (5), (6), (7), (8), (9)) as t(n)"
    )
}

async fn pushed() -> Tiny {
    let tiny = Tiny::new(SCHEMA, &[("person", &people("'a'")), ("visit", VISITS)], "").await;
    tiny.push().await;
    tiny
}

fn in_staging(staging: &Staging) -> Vec<String> {
    let sql = "select concat_ws(' ', table_name, key, kind, coalesce(cause, '-'), columns::varchar) \
               from meta.difference where run = 'r1' order by 1";
    staging.rows(sql, |row| row.get(0)).unwrap()
}

/// Verifies with the staging file, and with the statements that would repair the target.
async fn with_books(tiny: &Tiny, path: &std::path::Path) -> (Report, Vec<String>) {
    let (_, snapshot) = tiny.export().await;
    let staging = tiny.run.staging();
    let books = Books::open(Some(&staging), "r1", Some(Fixes::new(path))).unwrap();
    let report = verified(tiny, &snapshot, books, |_| ()).await.unwrap();
    let rows = in_staging(&staging);
    (report, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_people_changed_are_told_from_rows_loaded_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fix.sql");
    let tiny = pushed().await;
    let (report, rows) = with_books(&tiny, &path).await;
    assert!(report.is_clean() && rows.is_empty() && report.fixes.is_none() && !path.exists());

    // People change, delete and add rows.
    tiny.sql(
        "update person set name = 'Eva', note = E'it''s\\n; drop table person; --' where id = 'p2'; \
         update person set touched = now() where id = 'p3'; delete from visit where person_id = 'p4'; \
         insert into person (id, name) values ('x', 'somebody else''s')",
    )
    .await;
    let (report, rows) = with_books(&tiny, &path).await;
    assert_eq!(counts(&report), ["person different edited 1", "visit missing deleted 1"]);
    assert_eq!(rows, ["person p2 different edited [name, note]", "visit {p4,4} missing deleted []"]);
    assert!(report.only_later() && !report.is_clean());
    let fixes = report.fixes.unwrap();
    assert_eq!((fixes.rows, fixes.commented), (0, 2), "what people did is not undone");
    tiny.sql(&std::fs::read_to_string(&path).unwrap()).await;
    assert_eq!(counts(&with_books(&tiny, &path).await.0).len(), 2);

    // The load itself is wrong: the ledger says that rows were stored as they are now.
    let tiny = pushed().await;
    tiny.sql("update person set name = 'Eva' where id = 'p2'").await;
    let stored =
        "select id, sha256(record_send(row(id, name, parent_id, note, touched))) as digest from person";
    tiny.sql(&format!(
        "insert into trasvase.row_digest_1 select * from trasvase.row_digest; delete from trasvase.page; \
         update trasvase.row_digest_1 d set stored = digest from ({stored}) now where now.id = d.key"
    ))
    .await;
    let (report, rows) = with_books(&tiny, &path).await;
    assert_eq!(rows, ["person p2 different rewritten [name]"]);
    assert!(!report.only_later());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statements_of_fix_sql_repair_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fix.sql");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let tiny = pushed().await;
    // The snapshot goes on: other notes, p9 is no more, and p0 is new; nothing of it is pushed.
    let next = people("'b\\c''' || chr(10) || n").replace("(9))", "(0))").replace("n > 1", "n not in (0, 1)");
    tiny.model("person", &next);
    tiny.model("visit", &VISITS.replace("(4))", "(4), (5))"));
    let (report, rows) = with_books(&tiny, &path).await;
    assert_eq!(
        counts(&report),
        [
            "person missing unsent 1",
            "person extra - 1",
            "person different unsent 8",
            "visit missing unsent 1"
        ]
    );
    assert_eq!(rows.len(), 11);
    assert!(!report.only_later());
    let fixes = report.fixes.unwrap();
    assert_eq!((fixes.rows, fixes.commented), (11, 0));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
    assert!(place("begin;") < place("insert into \"public\".\"person\""));
    assert!(place("insert into \"public\".\"person\"") < place("insert into \"public\".\"visit\""));
    assert!(place("overriding system value") < place("delete from"));
    tiny.sql(&text).await;
    let notes = tiny.texts("select note from person where id = 'p1'").await;
    assert_eq!(notes, ["b\\c'\n1"]);
    let (report, rows) = with_books(&tiny, &path).await;
    // No batch wrote the two new rows, which is what is left to say.
    assert_eq!(rows, ["person p0 kept - []", "visit {p5,5} kept - []"]);
    assert!(report.fixes.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_share_a_key_are_counted_each_and_left_to_people() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fix.sql");
    let tiny = pushed().await;
    tiny.sql(
        "alter table visit drop constraint visit_pkey; \
         insert into visit overriding system value select number, person_id, '2030-05-05' from visit where number < 3",
    )
    .await;
    let (report, rows) = with_books(&tiny, &path).await;
    assert_eq!(rows, ["visit {p1,1} extra doubled []", "visit {p2,2} extra doubled []"]);
    assert_eq!(report.fixes.map(|fixes| (fixes.rows, fixes.commented)), Some((0, 2)));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().all(|line| !line.starts_with("delete") && !line.starts_with("update")), "{text}");
    let months = report.months.iter().find(|months| months.column == "day").unwrap();
    let told = months.months.iter().map(|one| format!("{} {} {}", one.month, one.expected, one.target));
    assert_eq!(told.collect::<Vec<_>>(), ["2024-01 4 4", "2030-05 0 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extra_row_that_people_changed_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fix.sql");
    let tiny = pushed().await;
    tiny.model("visit", &VISITS.replace(", (3), (4))", ")"));
    tiny.sql("update visit set day = '1999-01-01' where person_id = 'p3'").await;
    let (report, rows) = with_books(&tiny, &path).await;
    assert_eq!(rows, ["visit {p3,3} extra edited []", "visit {p4,4} extra - []"]);
    assert_eq!(report.fixes.map(|fixes| (fixes.rows, fixes.commented)), Some((1, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_rows_of_others_are_told_apart_without_a_join() {
    let tiny = pushed().await;
    tiny.sql("delete from visit where person_id = 'p4'; insert into visit (person_id, day) values ('p4', '2024-01-01')")
        .await;
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.verify(&snapshot).await;
    assert_eq!(counts(&report), ["visit missing deleted 1"]);
    let visit = report.tables.iter().find(|table| table.table.to_string() == "visit").unwrap();
    assert_eq!((visit.expected, visit.target, visit.difference, visit.equal), (4, 3, -1, false));
    tiny.sql("delete from visit where person_id = 'p4'; insert into visit (number, person_id, day) overriding system value values (4, 'p4', '2024-01-15'), (77, 'p4', '2024-01-01'); select setval('visit_number_seq', 77)")
        .await;
    let report = tiny.run.verify(&snapshot).await;
    assert!(report.is_clean(), "somebody's row beside ours changes nothing: {report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_shows_rows_side_by_side_and_repeats() {
    let tiny = pushed().await;
    let (_, snapshot) = tiny.export().await;
    tiny.sql("update person set name = 'Eva'; delete from visit").await;
    let shown = |values: bool| {
        verified(&tiny, &snapshot, Books::default(), move |options| {
            options.sample = 3;
            options.show_values = values;
        })
    };
    let report = shown(true).await.unwrap();
    let of =
        |table: &str| report.sample.iter().filter(|row| row.table.to_string() == table).collect::<Vec<_>>();
    assert_eq!((of("person").len(), of("visit").len()), (3, 3));
    for row in of("person") {
        assert!(row.found);
        for column in &row.columns {
            let values = column.values.as_ref().unwrap();
            assert_eq!(column.equal, column.column != "name", "{row:?}");
            assert_eq!(column.equal, values.expected == values.found);
        }
    }
    assert!(of("visit").iter().all(|row| !row.found));
    let again = shown(false).await.unwrap();
    let keys = |report: &Report| report.sample.iter().map(|row| row.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&again), keys(&report));
    assert!(again.sample.iter().flat_map(|row| &row.columns).all(|column| column.values.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn since_compares_only_what_later_batches_wrote() {
    let mut tiny = pushed().await;
    tiny.settings("[load]\nmode = \"upsert\"\n");
    let first = tiny.texts("select id from trasvase.batch").await.remove(0);
    tiny.model("person", &people("case when n < 3 then 'new' else 'a' end"));
    let report = tiny.push().await;
    assert_eq!(report.written["person"].updated, 2);
    let second = report.batch.unwrap();
    let (_, snapshot) = tiny.export().await;
    // Rows of the first batch are no matter.
    tiny.sql(
        "update person set name = 'x' where id in ('p2', 'p9'); delete from visit; \
         set session_replication_role = replica; update person set parent_id = 'none' where id = 'p8'; \
         set session_replication_role = origin",
    )
    .await;
    let since = |batch: String| {
        let (tiny, snapshot) = (&tiny, &snapshot);
        async move {
            verified(tiny, snapshot, Books::default(), |options| options.since = Some(batch.leak())).await
        }
    };
    let report = since(first[..20].to_lowercase()).await.unwrap();
    assert_eq!(counts(&report), ["person different edited 1"]);
    let person = report.tables.iter().find(|table| table.table.to_string() == "person").unwrap();
    assert_eq!((person.source, person.expected, person.target), (9, 2, 2));
    assert!(report.relations.iter().all(|one| one.rows == 0), "{:#?}", report.relations);
    let report = since(second).await.unwrap();
    assert!(report.is_clean() && report.tables.iter().all(|table| table.target == 0), "{report:#?}");
    let error = since("zzz".to_owned()).await.unwrap_err();
    assert_eq!(Failure::from_anyhow(&error).kind, Kind::Usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_alone_that_differ_are_laid_at_nobodys_door() {
    let tiny = Tiny::new(SCHEMA, &[("person", &people("'a'")), ("visit", VISITS)], "").await;
    tiny.run
        .project
        .write("clinics/tiny/sql/verify/where.sql", "-- where\nselect current_database()::text as place");
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let report = tiny.run.verify(&snapshot).await;
    assert!(!report.queries[0].equal && report.tables.iter().all(|table| table.equal), "{report:#?}");
    assert!(!report.is_clean() && !report.only_later());
}
