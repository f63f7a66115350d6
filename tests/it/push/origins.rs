//! Rows and values that later stages write as batches of their own, beside the models'.

use trasvase::error::Failure;
use trasvase::model::ident::TableName;
use trasvase::model::keys::Keys;
use trasvase::model::manifest::Origin;
use trasvase::pg::catalog;
use trasvase::rollback::Edited;
use trasvase::snapshot::{Snapshot, Writer};
use trasvase::verify::{Cause, DifferenceKind};

use crate::tiny::Tiny;

const SCHEMA: &str = "create table person (id text primary key, name text not null, phone text, sub text unique, clinic_id text); \
     create table visit (id text primary key, person_id text not null references person, what text, clinic_id text);";
const PEOPLE: &str =
    "select * from (values ('a', 'Ana', '1', 'me'), ('b', 'Bea', '2', 'me')) t(id, name, phone, clinic_id)";
/// The models have a column for it, and know nothing of it.
const WITH_SUB: &str = "select *, null::varchar as sub from (values ('a', 'Ana', '1', 'me'), ('b', 'Bea', '2', 'me')) t(id, name, phone, clinic_id)";
const VISITS: &str =
    "select * from (values ('1', 'a', 'x', 'me'), ('2', 'b', 'y', 'me')) t(id, person_id, what, clinic_id)";
const TENANT: &str = "[tenant]\ncolumn = \"clinic_id\"\nvalue = \"me\"\n";
const SUBS: [&[&str]; 2] = [&["a", "sub-a"], &["b", "sub-b"]];
const PERSONS: &str = "select concat_ws(' ', id, name, phone, sub) from person order by id";
const VISITED: &str = "select concat_ws(' ', id, person_id, what) from visit order by id";

async fn tiny(people: &str, settings: &str) -> Tiny {
    Tiny::new(SCHEMA, &[("person", people), ("visit", VISITS)], &format!("{settings}{TENANT}")).await
}

/// A snapshot of another origin than the models; `main` is theirs.
async fn own(tiny: &Tiny, main: &Snapshot, origin: Origin, columns: &[&str], rows: &[&[&str]]) -> Snapshot {
    let name = TableName::from(if origin == Origin::Users { "person" } else { "visit" });
    let live = catalog::read(&tiny.run.session.client, None).await.unwrap();
    let snapshots = tiny.run.project.project.snapshots_dir(&tiny.run.clinic.name);
    let kind = (Keys::Preserve, origin == Origin::Users);
    let mut writer = Writer::begin(&snapshots, &name, &live.tables[&name], columns, kind).unwrap();
    for row in rows {
        let values: Vec<Option<&str>> = row.iter().map(|value| Some(*value)).collect();
        writer.row(&values, row[0]).unwrap();
    }
    writer.seal(main.manifest().of_origin(origin, catalog::hash(&live, &[name]))).unwrap()
}

async fn subs(tiny: &Tiny, main: &Snapshot) -> Snapshot {
    own(tiny, main, Origin::Users, &["id", "sub"], &SUBS).await
}

async fn documents(tiny: &Tiny, main: &Snapshot) -> Snapshot {
    let columns = ["id", "person_id", "what", "clinic_id"];
    own(tiny, main, Origin::Files, &columns, &[&["f1", "a", "scan", "me"], &["f2", "b", "photo", "me"]]).await
}

/// Both verify, and pushed again neither writes anything.
async fn still(tiny: &Tiny, snapshots: &[&Snapshot]) {
    for snapshot in snapshots {
        let verified = tiny.run.verify(snapshot).await;
        assert!(verified.is_clean(), "{:?}: {verified:#?}", snapshot.manifest().origin);
        assert!(verified.tables.iter().all(|table| table.equal && table.foreign == Some(0)));
        let again = tiny.run.push(snapshot).await;
        assert_eq!(again.batch, None, "{:?}: {:#?}", snapshot.manifest().origin, again.plan);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_filled_in_is_neither_compared_nor_taken_back_by_the_models() {
    for people in [PEOPLE, WITH_SUB] {
        let tiny = tiny(people, "[load]\nmode = \"upsert\"\n").await;
        let first = tiny.push().await.batch.unwrap();
        let (_, main) = tiny.export().await;
        let own = subs(&tiny, &main).await;
        assert_eq!(Snapshot::find(own.folder().parent().unwrap(), None).unwrap().id(), main.id());
        let report = tiny.run.push(&own).await;
        assert_eq!((report.written["person"].updated, report.written["person"].inserted), (2, 0));
        assert_eq!(tiny.texts(PERSONS).await, ["a Ana 1 sub-a", "b Bea 2 sub-b"]);
        assert_eq!(
            tiny.texts("select origin from trasvase.batch order by number").await,
            ["models", "users"]
        );
        still(&tiny, &[&main, &own]).await;

        // What stands on the first one keeps it where it is.
        let error = tiny.run.try_rollback(&first, Edited::Refuse).await.unwrap_err();
        let failure = Failure::from_anyhow(&error);
        assert!(failure.message.contains(report.batch.as_deref().unwrap()), "{failure:?}");

        // The source goes on, and takes nothing back; each can be taken back, the newest first.
        tiny.model("person", &people.replace("'Ana'", "'ANA'"));
        let (_, later) = tiny.export().await;
        let pushed = tiny.run.push(&later).await;
        assert_eq!(pushed.written["person"].updated, 1);
        assert!(pushed.plan.tables[0].edits_overwritten.is_empty(), "{:#?}", pushed.plan);
        assert_eq!(tiny.texts(PERSONS).await, ["a ANA 1 sub-a", "b Bea 2 sub-b"]);
        still(&tiny, &[&later, &own]).await;
        tiny.run.rollback("last").await;
        assert_eq!(tiny.texts(PERSONS).await, ["a Ana 1 sub-a", "b Bea 2 sub-b"]);
        still(&tiny, &[&main, &own]).await;
        tiny.run.rollback("last").await;
        assert_eq!(tiny.texts(PERSONS).await, ["a Ana 1", "b Bea 2"]);
        still(&tiny, &[&main]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_source_has_no_more_is_not_told_as_edited_for_what_was_filled_in() {
    let tiny = tiny(PEOPLE, "[load]\nmode = \"upsert\"\n").await;
    tiny.push().await;
    let (_, main) = tiny.export().await;
    tiny.run.push(&subs(&tiny, &main).await).await;
    tiny.model("visit", &VISITS.replace(", ('2', 'b', 'y', 'me')", ""));
    tiny.model("person", &PEOPLE.replace(", ('b', 'Bea', '2', 'me')", ""));
    let (_, later) = tiny.export().await;
    let person = async || {
        let verified = tiny.run.verify(&later).await;
        let person = verified.tables.iter().find(|one| one.table.name() == "person").unwrap();
        let counts = person.counts.iter().map(|one| (one.kind, one.cause));
        (counts.collect::<Vec<_>>(), verified.only_later())
    };
    assert_eq!(person().await, (vec![(DifferenceKind::Extra, None)], false));
    tiny.sql("update person set phone = '9' where id = 'b'").await;
    assert_eq!(person().await.0, [(DifferenceKind::Extra, Some(Cause::Edited))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_change_is_told_apart_from_what_was_filled_in() {
    let tiny =
        tiny(PEOPLE, "[load]\nmode = \"upsert\"\non_conflict = \"report\"\nvanished = \"delete\"\n").await;
    tiny.push().await;
    let (_, main) = tiny.export().await;
    let own = subs(&tiny, &main).await;
    tiny.run.push(&own).await;
    tiny.sql("update person set phone = '111' where id = 'a'").await;
    // The phone is people's, the name the source's alone: no conflict in either.
    tiny.model("person", &PEOPLE.replace("'Ana'", "'ANA'"));
    let (_, later) = tiny.export().await;
    let report = tiny.run.push(&later).await;
    assert_eq!(report.plan.conflicts(), 0, "{:#?}", report.plan);
    assert_eq!(tiny.texts(PERSONS).await, ["a ANA 111 sub-a", "b Bea 2 sub-b"]);
    // Nobody edited Bea: a column that was filled in does not keep her from going.
    tiny.model("visit", &VISITS.replace(", ('2', 'b', 'y', 'me')", ""));
    tiny.model("person", &PEOPLE.replace("'Ana'", "'ANA'").replace(", ('b', 'Bea', '2', 'me')", ""));
    let (_, gone) = tiny.export().await;
    tiny.run.push(&gone).await;
    assert_eq!(tiny.texts(PERSONS).await, ["a ANA 111 sub-a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_there_is_not_filled_in() {
    let tiny = tiny(PEOPLE, "").await;
    let (_, main) = tiny.export().await;
    let own = subs(&tiny, &main).await;
    let failure = Failure::from_anyhow(&tiny.run.try_push(&own).await.unwrap_err());
    assert!(
        failure.message.contains("person: rows that are to be filled in are not in the target (2)"),
        "{failure:?}"
    );
    tiny.run.push(&main).await;
    tiny.sql("delete from visit; delete from person where id = 'b'").await;
    assert!(tiny.run.try_push(&own).await.is_err());
    assert_eq!(tiny.texts(PERSONS).await, ["a Ana 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_emptied_and_loaded_anew_keep_what_was_filled_in() {
    let tiny = tiny(PEOPLE, "[load]\nmode = \"replace\"\n").await;
    tiny.push().await;
    let (_, main) = tiny.export().await;
    let own = subs(&tiny, &main).await;
    tiny.run.push(&own).await;
    tiny.model("person", &PEOPLE.replace("'Ana'", "'ANA'"));
    tiny.model("visit", &VISITS.replace("'y'", "'z'"));
    let (_, later) = tiny.export().await;
    let report = tiny.run.push(&later).await;
    assert_eq!((report.written["person"].deleted, report.written["person"].inserted), (2, 2));
    assert_eq!(tiny.texts(PERSONS).await, ["a ANA 1 sub-a", "b Bea 2 sub-b"]);
    still(&tiny, &[&later, &own]).await;
    tiny.run.rollback("last").await;
    assert_eq!(tiny.texts(PERSONS).await, ["a Ana 1 sub-a", "b Bea 2 sub-b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_origin_in_a_table_of_the_models_stay_whatever_the_mode_deletes() {
    let sync = "[tables.visit]\nmode = \"sync\"\n";
    let gone = "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n";
    for settings in [sync, gone, "[tables.visit]\nmode = \"replace\"\n", ""] {
        let tiny = tiny(PEOPLE, settings).await;
        let first = tiny.push().await.batch.unwrap();
        let (_, main) = tiny.export().await;
        let own = documents(&tiny, &main).await;
        let report = tiny.run.push(&own).await;
        assert_eq!(report.written["visit"].inserted, 2, "{settings}");
        still(&tiny, &[&main, &own]).await;
        tiny.model("visit", &VISITS.replace("'y'", "'z'").replace("('1', 'a', 'x', 'me'), ", ""));
        let (_, later) = tiny.export().await;
        tiny.run.push(&later).await;
        let rows = tiny.texts(VISITED).await;
        assert!(rows.ends_with(&["f1 a scan".to_owned(), "f2 b photo".to_owned()]), "{settings}: {rows:?}");
        assert_eq!(rows.len(), if settings.is_empty() { 4 } else { 3 }, "{settings}: {rows:?}");
        still(&tiny, &[&own]).await;
        assert_eq!(tiny.run.push(&later).await.batch, None, "{settings}");

        // By itself it goes, whatever came later; the people whom its rows name keep the first one where it is.
        let error = tiny.run.try_rollback(&first, Edited::Refuse).await.unwrap_err();
        assert!(format!("{error:#}").contains(report.batch.as_deref().unwrap()), "{error:#}");
        tiny.run.rollback(report.batch.as_deref().unwrap()).await;
        assert!(tiny.texts(VISITED).await.iter().all(|row| !row.starts_with('f')), "{settings}");
    }
}
