//! What a plan counts, and what it refuses before anything is asked or written.

use trasvase::error::Failure;

use super::{PEOPLE, PERSON};
use crate::tiny::Tiny;

const OF_CLINIC: &str = "create table person (id text primary key, clinic_id text not null, name text not null, \
     tag text unique deferrable); \
     create table visit (id text primary key, clinic_id text not null, person_id text references person);";
const REPLACE: &str = "[load]\nmode = \"replace\"\n[tenant]\ncolumn = \"clinic_id\"\nvalue = \"mine\"\n";
const PEOPLE_OF_CLINIC: &str = "select id, 'mine' as clinic_id, name, null::varchar as tag from (values ";

fn people(rows: &str) -> String {
    format!("{PEOPLE_OF_CLINIC}{rows}) as t(id, name)")
}

async fn refused(tiny: &Tiny) -> Failure {
    let (_, snapshot) = tiny.export().await;
    Failure::from_anyhow(&tiny.run.try_push(&snapshot).await.unwrap_err())
}

#[tokio::test(flavor = "multi_thread")]
async fn append_is_refused_where_keys_are_there() {
    let model = [("person", "select 'a' as id, 'Ana' as name")];
    let tiny = Tiny::new(PERSON, &model, "[load]\nmode = \"append\"\n").await;
    tiny.sql("insert into person values ('b', 'before')").await;
    let (_, snapshot) = tiny.export().await;
    assert_eq!(tiny.run.push(&snapshot).await.written["person"].inserted, 1);
    let failure = refused(&tiny).await;
    assert!(failure.message.contains("person 1") && !failure.message.contains("Ana"), "{failure:?}");
    assert!(failure.hints[0].contains("insert") && failure.hints[0].contains("upsert"), "{failure:?}");
    assert_eq!(tiny.texts(PEOPLE).await, ["a Ana", "b before"]);
    assert_eq!(tiny.texts("select status from trasvase.batch").await, ["completed"], "no batch was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_without_parents_is_refused_before_anything_is_done() {
    let model = [("person", "select 'a' as id, 'Ana' as name")];
    let mut tiny = Tiny::new(PERSON, &model, "").await;
    tiny.settings("[tables.person]\nmode = \"sync\"\n");
    let staging = tiny.run.staging();
    tiny.run.transform(&staging);
    let failure = Failure::from_anyhow(&tiny.run.try_check(&staging).await.unwrap_err());
    assert!(failure.message.contains("person") && failure.hints[0].contains("sync_by"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_counts_what_stays_and_does_nothing_twice() {
    let models = [("person", &*people("('a', 'Ana'), ('b', 'Bea'), ('x', 'Mine'), ('y', 'Yes')"))];
    let tiny = Tiny::new(OF_CLINIC, &models, REPLACE).await;
    tiny.sql(
        "insert into person values ('x', 'other', 'Theirs'), ('a', 'mine', 'old'), ('z', 'mine', 'gone'), ('w', 'other', 'w')",
    )
    .await;
    let (_, snapshot) = tiny.export().await;
    let plan = &tiny.run.dry_run(&snapshot).await.tables[0];
    assert_eq!((plan.inserts, plan.deletes, plan.kept, plan.unchanged), (3, 2, 1, 0));
    let report = tiny.run.push(&snapshot).await;
    let written = report.written["person"];
    assert_eq!((written.inserted, written.deleted), (3, 2));
    assert_eq!(tiny.texts(PEOPLE).await, ["a Ana", "b Bea", "w w", "x Theirs", "y Yes"]);
    let again = tiny.run.push(&snapshot).await;
    let plan = &again.plan.tables[0];
    assert_eq!((again.batch, plan.inserts, plan.deletes, plan.kept, plan.unchanged), (None, 0, 0, 1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_takes_children_before_their_parents() {
    let visit =
        "select 'v' || id as id, 'mine' as clinic_id, id as person_id from (values ('a'), ('b')) as t(id)";
    let models = [("person", &*people("('a', 'Ana'), ('b', 'Bea')")), ("visit", visit)];
    let tiny = Tiny::new(OF_CLINIC, &models, REPLACE).await;
    tiny.push().await;
    tiny.model("person", &people("('b', 'BEA')"));
    tiny.model("visit", &visit.replace("('a'), ", ""));
    let report = tiny.push().await;
    assert_eq!((report.written["person"].deleted, report.written["visit"].deleted), (2, 2));
    assert_eq!(tiny.texts("select person_id from visit").await, ["b"]);
    assert_eq!(tiny.push().await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_refer_to_what_would_be_deleted_are_counted_and_named() {
    let models = [("person", &*people("('a', 'Ana')"))];
    for (action, changed) in [("", false), (" on delete cascade", true)] {
        let schema = format!(
            "{OF_CLINIC} create table live (id text primary key, person_id text references person{action})"
        );
        let tiny = Tiny::new(&schema, &models, REPLACE).await;
        tiny.sql(
            "insert into person values ('a', 'mine', 'old'), ('o', 'other', 'stays'); insert into visit values ('1', 'x', 'a'); \
             insert into live values ('1', 'a'), ('2', 'a'), ('3', 'o'), ('4', null)",
        )
        .await;
        let failure = refused(&tiny).await;
        for part in [
            "1 of visit to person (constraint visit_person_id_fkey",
            "2 of live to person (constraint live_person_id_fkey",
        ] {
            assert!(failure.message.contains(part), "{failure:?}");
        }
        assert_eq!(failure.message.contains("cascade"), changed, "{failure:?}");
        assert!(failure.hints[0].contains("[tables.person] mode = \"upsert\""), "{failure:?}");
        assert_eq!(tiny.texts(PEOPLE).await, ["a old", "o stays"]);
        assert_eq!(tiny.texts("select to_regclass('trasvase.batch') is null || ''").await, ["true"]);
        tiny.sql("delete from visit; delete from live where person_id = 'a'").await;
        tiny.push().await;
        assert_eq!(tiny.texts(PEOPLE).await, ["a Ana", "o stays"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_key_lets_a_row_be_replaced_but_not_lost() {
    let schema = "create table person (id text primary key, clinic_id text not null, name text not null); \
                  create table live (id text primary key, person_id text references person deferrable)";
    let person =
        |rows: &str| format!("select id, 'mine' as clinic_id, name from (values {rows}) as t(id, name)");
    let tiny = Tiny::new(schema, &[("person", &person("('a', 'Ana')"))], REPLACE).await;
    tiny.sql("insert into person values ('a', 'mine', 'old'); insert into live values ('1', 'a')").await;
    tiny.push().await;
    assert_eq!(tiny.texts(PEOPLE).await, ["a Ana"]);
    tiny.model("person", &person("('b', 'Bea')"));
    let failure = refused(&tiny).await;
    assert!(failure.message.contains("1 of live to person"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_takes_the_rows_of_its_tenant_whether_the_ledger_knows_them_or_not() {
    let models = [("person", &*people("('a', 'Ana'), ('b', 'Bea')"))];
    let tiny = Tiny::new(OF_CLINIC, &models, REPLACE).await;
    tiny.push().await;
    tiny.sql("drop schema trasvase cascade; insert into person values ('w', 'other', 'w')").await;
    // Equal ones are taken over as they are.
    let report = tiny.push().await;
    let written = report.written["person"];
    assert_eq!((written.adopted, written.inserted, written.deleted), (2, 0, 0));
    // Where one is not, all of the tenant's are written anew.
    tiny.sql("drop schema trasvase cascade; update person set name = 'Eva' where id = 'b'").await;
    let report = tiny.push().await;
    let written = report.written["person"];
    assert_eq!((written.adopted, written.inserted, written.deleted), (0, 2, 2));
    assert_eq!(tiny.texts(PEOPLE).await, ["a Ana", "b Bea", "w w"]);
    assert!(tiny.push().await.batch.is_none());
}
