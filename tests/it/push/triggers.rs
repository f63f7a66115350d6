//! What triggers do to rows as they are written, and what push and verify make of it.

use trasvase::verify::Cause;

use super::PEOPLE;
use crate::tiny::Tiny;

const TOUCHED: &str = "create table person (id text primary key, name text not null, updated_at timestamptz not null); \
     create function touch() returns trigger language plpgsql as $$ begin new.updated_at := now(); return new; end $$; \
     create trigger person_touch before update on person for each row execute function touch();";
const UPSERT: &str = "[load]\nmode = \"upsert\"\n";

fn person(name: &str) -> String {
    format!(
        "select id, name, timestamptz '2024-01-01 10:00:00+00' as updated_at from (values ('a', '{name}'), ('b', 'Bea')) as t(id, name)"
    )
}

async fn causes(tiny: &Tiny) -> Vec<(String, Option<Cause>)> {
    let (_, snapshot) = tiny.export().await;
    let verified = tiny.run.verify(&snapshot).await;
    let differences = &verified.tables[0].differences;
    differences.iter().map(|one| (one.key.clone(), one.cause)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_trigger_touched_are_not_sent_for_ever() {
    let mut tiny = Tiny::new(TOUCHED, &[("person", &person("Ana"))], UPSERT).await;
    let plan = tiny.push().await.plan;
    assert!(plan.tables[0].firing.is_empty(), "nothing is updated: {plan:?}");
    tiny.model("person", &person("ANA"));
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.push(&snapshot).await;
    assert_eq!(
        (report.written["person"].updated, &*report.plan.tables[0].rewriting),
        (1, &["person_touch".to_owned()][..])
    );
    assert_eq!(
        causes(&tiny).await,
        [("a".into(), Some(Cause::Rewritten))],
        "it never turns a difference into equal"
    );

    let again = tiny.run.push(&snapshot).await;
    let table = &again.plan.tables[0];
    assert_eq!(
        (again.batch, table.updates, table.kept, table.left_by_triggers, table.unchanged),
        (None, 0, 1, 1, 1)
    );
    assert_eq!(causes(&tiny).await, [("a".into(), Some(Cause::Rewritten))]);

    // Another row's change does not bring it along, and what somebody changed since is sent.
    tiny.sql("alter table person disable trigger user; update person set name = 'x'; alter table person enable trigger user").await;
    assert_eq!(causes(&tiny).await, [("a".into(), Some(Cause::Edited)), ("b".into(), Some(Cause::Edited))]);
    let report = tiny.run.push(&snapshot).await;
    assert_eq!(report.written["person"].updated, 2);
    assert_eq!(tiny.texts(PEOPLE).await, ["a ANA", "b Bea"]);
    tiny.sql("update person set name = 'x' where id = 'b'").await;
    let report = tiny.run.push(&snapshot).await;
    assert_eq!((report.written["person"].updated, report.plan.tables[0].left_by_triggers), (1, 1));

    // `[load]` says it for every table, and a table's own setting goes before it.
    tiny.settings(&format!("{UPSERT}triggers = \"disable\"\n[tables.person]\ntriggers = \"fire\"\n"));
    assert_eq!(tiny.run.push(&snapshot).await.batch, None);
    tiny.settings(&format!("{UPSERT}triggers = \"disable\"\n"));
    assert_eq!(tiny.push().await.written["person"].updated, 2);
    assert_eq!(tiny.push().await.batch, None);
    assert_eq!(causes(&tiny).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_kept_is_not_laid_at_a_triggers_door() {
    let tiny = Tiny::new(TOUCHED, &[("person", &person("Ana"))], "").await;
    tiny.push().await;
    tiny.model("person", &person("ANA"));
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    assert_eq!(causes(&tiny).await, [("a".into(), Some(Cause::Unsent))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_loses_a_value_on_insert_stays_a_difference_after_many_pushes() {
    let schema = "create table person (id text primary key, name text); \
         create function lose() returns trigger language plpgsql as $$ begin new.name := null; return new; end $$; \
         create trigger lose before insert or update on person for each row execute function lose();";
    let tiny = Tiny::new(schema, &[("person", "select 'a' as id, 'Ana' as name")], UPSERT).await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    for _ in 0..2 {
        assert_eq!(tiny.run.push(&snapshot).await.batch, None);
        assert_eq!(causes(&tiny).await, [("a".into(), Some(Cause::Rewritten))]);
    }
}
