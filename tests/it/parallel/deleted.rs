//! Rows that people deleted in PostgreSQL and that the source still has.

use trasvase::model::run::Silent;
use trasvase::staging::Limits;
use trasvase::verify::{self, Cause, DifferenceKind};

use super::{LATER, PEOPLE, ROWS, SCHEMA, VISITS};
use crate::tiny::Tiny;

async fn pushed(policy: &str) -> Tiny {
    let settings = format!("[load]\nmode = \"upsert\"\non_conflict = \"{policy}\"\n");
    let tiny = Tiny::new(SCHEMA, &[("person", PEOPLE), ("visit", VISITS)], &settings).await;
    tiny.push().await;
    tiny
}

/// Bea is deleted, with what was hers.
const DELETED: &str = "delete from visit where person_id = 'b'; delete from person where id = 'b'";
const VISIT_ROWS: &str = "select concat_ws(' ', id, person_id) from visit order by id";

#[tokio::test(flavor = "multi_thread")]
async fn by_default_it_comes_back_and_that_is_told() {
    let tiny = pushed("take_source").await;
    tiny.sql(DELETED).await;
    let report = tiny.push().await;
    let told = report.plan.tables.iter().map(|one| (one.inserts, one.deleted_returned));
    assert_eq!(told.collect::<Vec<_>>(), [(1, 1), (1, 1)]);
    assert_eq!(tiny.texts(ROWS).await, ["a Ana 1", "b Bea 2", "c Cid 3"]);
    assert_eq!(tiny.push().await.batch, None);
    tiny.run.rollback("last").await;
    assert_eq!(tiny.texts(ROWS).await, ["a Ana 1", "c Cid 3"]);
    // All of a table's rows may be gone.
    tiny.sql("delete from visit; delete from person").await;
    let report = tiny.push().await;
    assert_eq!(report.plan.tables[0].deleted_returned, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_deleted_with_whatever_comes_for_it_later() {
    let tiny = pushed("keep_target").await;
    tiny.sql(DELETED).await;
    // Bea has another phone, and a new visit at the source; the visit of Ana is Bea's now.
    tiny.model("person", LATER);
    tiny.model(
        "visit",
        "select * from (values ('1', 'b', 'x'), ('2', 'b', 'y'), ('3', 'b', 'z'), ('4', 'a', 'w')) t(id, person_id, what)",
    );
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.push(&snapshot).await;
    let told = report.plan.tables.iter().map(|one| (one.inserts, one.deleted_kept, one.without_parent));
    assert_eq!(told.collect::<Vec<_>>(), [(0, 1, 0), (1, 1, 1)]);
    assert_eq!(tiny.texts(ROWS).await, ["a ANA 1", "c Cid 3"]);
    assert_eq!(tiny.texts(VISIT_ROWS).await, ["1 a", "4 a"]);
    let verified = tiny.run.verify(&snapshot).await;
    assert!(verified.is_clean(), "{verified:#?}");
    let found = |place: usize| {
        let found = verified.tables[place].differences.iter();
        let mut found: Vec<_> = found.map(|one| (one.key.as_str(), one.kind, one.cause)).collect();
        found.sort();
        found
    };
    let stands = Some(Cause::Stands);
    assert_eq!(found(0), [("b", DifferenceKind::Missing, stands)]);
    assert_eq!(
        found(1),
        [
            ("1", DifferenceKind::Kept, stands),
            ("2", DifferenceKind::Missing, stands),
            ("3", DifferenceKind::Missing, stands)
        ]
    );
    assert_eq!(tiny.run.push(&snapshot).await.batch, None, "again writes nothing");
    // Whoever puts the row back has it like any other.
    tiny.sql("insert into person values ('b', 'Bea', '22')").await;
    tiny.push().await;
    assert_eq!(tiny.texts(VISIT_ROWS).await, ["1 b", "3 b", "4 a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_table_may_stay_deleted() {
    let tiny = pushed("keep_target").await;
    tiny.sql("delete from visit; delete from person").await;
    tiny.model("visit", "select * from (values ('1', 'a', 'x'), ('9', 'c', 'new')) t(id, person_id, what)");
    let report = tiny.push().await;
    assert_eq!(
        (report.plan.noted, report.plan.tables[0].deleted_kept),
        (false, 3),
        "models without records: nothing to tell"
    );
    assert_eq!(report.plan.tables[1].without_parent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_push_deleted_itself_comes_back_with_its_record() {
    let settings = "[load]\nmode = \"upsert\"\non_conflict = \"keep_target\"\nvanished = \"delete\"\n";
    let tiny = Tiny::new(SCHEMA, &[("person", PEOPLE)], settings).await;
    tiny.push().await;
    tiny.model("person", "select 'a' as id, 'Ana' as name, '1' as phone");
    assert_eq!(tiny.push().await.written["person"].deleted, 2);
    tiny.model("person", PEOPLE);
    tiny.push().await;
    assert_eq!(tiny.texts(ROWS).await, ["a Ana 1", "b Bea 2", "c Cid 3"]);
    // A purge destroys what a push deleted: what nobody knows any more is not said to be people's doing.
    tiny.model("person", "select 'a' as id, 'Ana' as name, '1' as phone");
    tiny.push().await;
    tiny.sql("delete from trasvase.change; update trasvase.batch set purged_at = now()").await;
    tiny.model("person", PEOPLE);
    tiny.push().await;
    assert_eq!(tiny.texts(ROWS).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_be_reported_it_is_a_conflict_until_somebody_decides() {
    let tiny = pushed("report").await;
    tiny.sql("delete from person where id = 'c'; update person set phone = '222' where id = 'b'").await;
    tiny.model("person", LATER);
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.push(&snapshot).await;
    let plan = &report.plan.tables[0];
    assert_eq!((plan.deleted_conflicts, report.plan.conflicts(), plan.inserts), (1, 2, 0));
    assert_eq!(report.plan.open_conflicts(), [(&plan.table, 2)]);
    assert_eq!(tiny.texts(ROWS).await, ["a ANA 1", "b Bea 222"]);
    let verified = tiny.run.verify(&snapshot).await;
    assert!(!verified.is_clean() && verified.only_conflicts(), "{verified:#?}");

    // Push and verify mean the same by a conflict.
    let of_verify = verified.tables[0].counts.iter().filter(|one| one.cause == Some(Cause::Conflict));
    let mut of_verify: Vec<_> = of_verify
        .map(|one| (format!("{}_conflict", one.kind.as_str()), one.rows, one.state.clone().unwrap()))
        .collect();
    let mut of_push: Vec<_> =
        plan.undecided.iter().map(|one| (one.rule.clone(), one.rows, one.state.clone())).collect();
    of_verify.sort();
    of_push.sort();
    assert_eq!(of_push, of_verify);

    // Back in the target as it was: agreed.
    tiny.sql("insert into person values ('c', 'Cid', '3'); update person set phone = '22' where id = 'b'")
        .await;
    assert_eq!(tiny.push().await.plan.conflicts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_verified_since_a_batch_may_be_named_last() {
    let tiny = pushed("take_source").await;
    let (_, snapshot) = tiny.export().await;
    let limits = Limits::default();
    let options = tiny.run.verify_options(&snapshot, &limits);
    let since = async |name| {
        let options = verify::Options {
            since: Some(name),
            replica: None,
            ..tiny.run.verify_options(&snapshot, &limits)
        };
        verify::run(&options, verify::Books::default(), &Silent).await
    };
    assert!(options.since.is_none());
    let report = since("last").await.unwrap();
    assert!(report.is_clean() && report.tables.iter().all(|table| table.expected == 0), "{report:#?}");
    let batch = tiny.texts("select id from trasvase.batch").await.remove(0);
    let short = batch[..12].to_lowercase();
    assert!(since(short.as_str()).await.unwrap().is_clean());
    let failure = trasvase::error::Failure::from_anyhow(&since("zzz").await.unwrap_err());
    assert!(failure.message.contains(&batch) && failure.hints[0].contains("trasvase"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_a_deleted_row_of_its_own_table_is_left_out_however_many_there_are() {
    let schema = "create table part (id text primary key, part_id text references part)";
    let settings = "[load]\nmode = \"upsert\"\non_conflict = \"keep_target\"\n";
    let tiny = Tiny::new(schema, &[("part", "select 'z' as id, null::varchar as part_id")], settings).await;
    tiny.push().await;
    tiny.sql("delete from part").await;
    // More rows than are looked at at once, and the one that they refer to is the last.
    tiny.model(
        "part",
        "select printf('%05d', n) as id, 'z' as part_id from range(6000) t(n) union all select 'z', null",
    );
    let report = tiny.push().await;
    assert_eq!(report.plan.tables[0].left_out(), 6001);
}
