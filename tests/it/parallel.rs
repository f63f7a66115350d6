//! Both systems at once: what people change in PostgreSQL between pushes, and what becomes of it.

mod cycles;
mod deleted;
mod deliveries;
mod excused;
mod families;
mod property;
mod unique;

use trasvase::verify::Cause;

use crate::tiny::Tiny;

const SCHEMA: &str = "create table person (id text primary key, name text not null, phone text, note text); \
     create table visit (id text primary key, person_id text not null references person, what text);";
/// `note` is no column of the source.
const PEOPLE: &str =
    "select * from (values ('a', 'Ana', '1'), ('b', 'Bea', '2'), ('c', 'Cid', '3')) t(id, name, phone)";
/// Ana has another name, Bea another phone.
const LATER: &str =
    "select * from (values ('a', 'ANA', '1'), ('b', 'Bea', '22'), ('c', 'Cid', '3')) t(id, name, phone)";
const VISITS: &str = "select * from (values ('1', 'a', 'x'), ('2', 'b', 'y')) t(id, person_id, what)";
const ROWS: &str = "select concat_ws(' ', id, name, phone, note) from person order by id";

async fn pushed(settings: &str) -> Tiny {
    let settings = format!("[load]\nmode = \"upsert\"\n{settings}");
    let tiny = Tiny::new(SCHEMA, &[("person", PEOPLE), ("visit", VISITS)], &settings).await;
    tiny.push().await;
    tiny
}

/// Values by column of a plan, as text.
fn values(columns: &std::collections::BTreeMap<String, u64>) -> String {
    columns.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// People change Ana's phone, and Bea's, whom the source changes too.
const EDITS: &str =
    "update person set phone = '111' where id = 'a'; update person set phone = '222' where id = 'b'";

#[tokio::test(flavor = "multi_thread")]
async fn by_default_the_source_is_taken_and_what_people_wrote_is_told_and_kept_in_the_ledger() {
    let tiny = pushed("").await;
    tiny.sql(EDITS).await;
    tiny.model("person", LATER);
    let report = tiny.push().await;
    let plan = &report.plan.tables[0];
    assert_eq!(values(&plan.updates_by_column), "name 1, phone 2");
    assert_eq!(values(&plan.edits_overwritten), "phone 2");
    assert_eq!(tiny.texts(ROWS).await, ["a ANA 1", "b Bea 22", "c Cid 3"]);
    assert_eq!(tiny.push().await.batch, None);
    tiny.run.rollback("last").await;
    assert_eq!(tiny.texts(ROWS).await, ["a Ana 111", "b Bea 222", "c Cid 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_wrote_stands_while_the_rest_of_the_row_follows_the_source() {
    let tiny = pushed("on_conflict = \"keep_target\"\n").await;
    tiny.sql(EDITS).await;
    tiny.model("person", LATER);
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.push(&snapshot).await;
    let plan = &report.plan.tables[0];
    assert_eq!((plan.updates, plan.kept), (1, 1));
    assert_eq!(
        (values(&plan.updates_by_column), values(&plan.edits_kept)),
        ("name 1".into(), "phone 2".into())
    );
    assert_eq!(tiny.texts(ROWS).await, ["a ANA 111", "b Bea 222", "c Cid 3"]);
    let verified = tiny.run.verify(&snapshot).await;
    assert!(verified.is_clean() && !verified.tables[0].equal, "{verified:#?}");
    assert_eq!(verified.tables[0].counts[0].cause, Some(Cause::Stands));
    assert_eq!(tiny.run.push(&snapshot).await.batch, None, "again writes nothing");

    // A week later the source has other values yet: those of people are people's still.
    tiny.model("person", &LATER.replace("'1'", "'1111'").replace("'Cid'", "'CID'"));
    let report = tiny.push().await;
    assert_eq!(values(&report.plan.tables[0].edits_kept), "phone 2");
    assert_eq!(tiny.texts(ROWS).await, ["a ANA 111", "b Bea 222", "c CID 3"]);
    // Whoever takes back what they wrote gets the source's values again.
    tiny.sql("update person set phone = '1' where id = 'a'").await;
    tiny.push().await;
    assert_eq!(tiny.texts(ROWS).await, ["a ANA 1111", "b Bea 222", "c CID 3"]);
    for expected in [
        ["a ANA 1", "b Bea 222", "c CID 3"],
        ["a ANA 1", "b Bea 222", "c Cid 3"],
        ["a Ana 111", "b Bea 222", "c Cid 3"],
    ] {
        let edited = trasvase::rollback::Edited::Force;
        tiny.run.try_rollback("last", edited).await.unwrap();
        assert_eq!(tiny.texts(ROWS).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_left_and_named_until_both_sides_say_the_same() {
    let tiny = pushed("on_conflict = \"report\"\n").await;
    tiny.sql(EDITS).await;
    tiny.model("person", LATER);
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.push(&snapshot).await;
    let plan = &report.plan.tables[0];
    assert_eq!((values(&plan.conflicts), values(&plan.edits_kept)), ("phone 1".into(), "phone 1".into()));
    assert_eq!(report.plan.conflicts(), 1);
    assert_eq!(tiny.texts(ROWS).await, ["a ANA 111", "b Bea 222", "c Cid 3"], "the rest is pushed");
    let verified = tiny.run.verify(&snapshot).await;
    assert!(!verified.is_clean() && verified.only_conflicts(), "{verified:#?}");
    let conflicts: Vec<&str> = verified.tables[0]
        .differences
        .iter()
        .filter(|one| one.cause == Some(Cause::Conflict))
        .map(|one| one.key.as_str())
        .collect();
    assert_eq!(conflicts, ["b"]);
    let again = tiny.run.push(&snapshot).await;
    assert_eq!((again.batch, again.plan.conflicts()), (None, 1));

    // Agreed: from now on the row is as it was pushed, and follows the source.
    tiny.sql("update person set phone = '22' where id = 'b'").await;
    let agreed = tiny.push().await;
    assert_eq!((agreed.plan.tables[0].adopted, agreed.plan.conflicts()), (1, 0));
    assert_eq!(tiny.push().await.batch, None);
    tiny.model("person", &LATER.replace("'22'", "'2222'"));
    tiny.push().await;
    assert_eq!(tiny.texts(ROWS).await, ["a ANA 111", "b Bea 2222", "c Cid 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_source_has_no_more_stay_are_listed_or_go() {
    let fewer = "select * from (values ('a', 'Ana', '1'), ('b', 'Bea', '2')) t(id, name, phone)";
    for (settings, left, keys) in [
        ("vanished = \"keep\"\n", 1, &[][..]),
        ("vanished = \"flag\"\n", 1, &["c"][..]),
        ("vanished = \"delete\"\n", 0, &[][..]),
        ("vanished = \"delete\"\non_conflict = \"keep_target\"\n", 0, &[][..]),
    ] {
        let tiny = pushed(settings).await;
        tiny.run
            .project
            .write("clinics/tiny/sql/verify/people.sql", "-- persons\nselect id, name from person");
        tiny.sql("insert into person values ('z', 'Zoe')").await;
        tiny.model("person", fewer);
        let report = tiny.push().await;
        let plan = &report.plan.tables[0];
        assert_eq!((plan.vanished, plan.deletes), (left, 1 - left), "{settings}");
        assert_eq!(plan.vanished_keys, keys, "{settings}");
        assert_eq!(tiny.texts(ROWS).await.len() as u64, 3 + left, "{settings}");
        assert_eq!(tiny.push().await.batch, None, "{settings}");
        if left == 0 {
            tiny.run.rollback("last").await;
            assert_eq!(tiny.texts(ROWS).await, ["a Ana 1", "b Bea 2", "c Cid 3", "z Zoe"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_vanished_and_that_people_changed_goes_stays_or_waits() {
    let fewer = "select * from (values ('a', 'Ana', '1'), ('b', 'Bea', '2')) t(id, name, phone)";
    for (policy, deletes, kept, conflicts) in
        [("take_source", 1, 0, 0), ("keep_target", 0, 1, 0), ("report", 0, 0, 1)]
    {
        let tiny = pushed(&format!("vanished = \"delete\"\non_conflict = \"{policy}\"\n")).await;
        tiny.sql("update person set note = 'called' where id = 'c'").await;
        tiny.model("person", fewer);
        let (_, snapshot) = tiny.export().await;
        let report = tiny.run.push(&snapshot).await;
        let plan = &report.plan.tables[0];
        assert_eq!((plan.deletes, plan.vanished_kept, plan.vanished_conflicts), (deletes, kept, conflicts));
        let verified = tiny.run.verify(&snapshot).await;
        assert_eq!(
            (verified.is_clean(), verified.only_conflicts()),
            (conflicts == 0, conflicts == 1),
            "{policy}"
        );
        if deletes == 1 {
            assert_eq!(tiny.texts("select before from trasvase.change").await, ["(c,Cid,3,called)"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_spares_what_people_made_where_that_is_to_be_kept() {
    let settings = "on_conflict = \"keep_target\"\n[tables.visit]\nmode = \"sync\"\n";
    let tiny = pushed(settings).await;
    tiny.sql("insert into visit values ('9', 'a', 'made here'); update visit set what = 'Y' where id = '2'")
        .await;
    tiny.model("visit", "select * from (values ('3', 'a', 'z')) t(id, person_id, what)");
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.push(&snapshot).await;
    assert_eq!((report.written["visit"].deleted, report.plan.tables[1].vanished_kept), (1, 1));
    assert_eq!(tiny.texts("select id || what from visit order by id").await, ["2Y", "3z", "9made here"]);
    assert_eq!(tiny.run.push(&snapshot).await.batch, None);
}

/// People with a phone each in a table of its own, which refers to nobody.
async fn with_phones() -> Tiny {
    let settings = "vanished = \"delete\"\n[sources.people]\nfiles = [\"sources/people.csv\"]\nprimary = \"person\"\n\
                    [limits]\n\"*\" = \"100%\"\n";
    let tiny = Tiny::new(
        "create table person (id text primary key, name text not null); \
         create table phone (id text primary key, number text check (number like '6%'))",
        &[],
        &format!("[load]\nmode = \"upsert\"\n{settings}"),
    )
    .await;
    let project = &tiny.run.project;
    project
        .write("clinics/tiny/sources/people.csv", "id,name,phone\na,Ana,61\nb,Bea,62\nc,Cid,63\nd,Dan,64\n");
    project.write(
        "clinics/tiny/sql/clean/person.sql",
        "-- one person\nselect id as source_id, name, phone, _id from raw.people\n",
    );
    project.write(
        "clinics/tiny/sql/target/person.sql",
        "-- one person\nselect golden_id as id, name, source_id as _source_id, _id from golden.person\n",
    );
    project.write(
        "clinics/tiny/sql/target/phone.sql",
        "-- one phone\nselect source_id as id, phone as number, _id from clean.person where phone is not null\n",
    );
    tiny
}

const PHONES: &str = "select id || ' ' || number from phone order by id";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_rejected_now_did_not_vanish_from_any_table() {
    let tiny = with_phones().await;
    tiny.push().await;
    // Ana's name and Bea's phone are refused now, and Dan is gone.
    tiny.run.project.write("clinics/tiny/sources/people.csv", "id,name,phone\na,,61\nb,Bea,02\nc,Cid,63\n");
    let (check, snapshot) = tiny.export().await;
    assert_eq!(check.tables.iter().map(|table| table.rejected).collect::<Vec<_>>(), [1, 1]);
    let report = tiny.run.push(&snapshot).await;
    let gone = report.plan.tables.iter().map(|one| (one.table.to_string(), one.deletes, one.vanished));
    let mut gone: Vec<_> = gone.collect();
    gone.sort();
    assert_eq!(gone, [("person".to_owned(), 1, 0), ("phone".to_owned(), 1, 0)]);
    assert_eq!(tiny.texts("select name from person order by 1").await, ["Ana", "Bea", "Cid"]);
    assert_eq!(tiny.texts(PHONES).await, ["a 61", "b 62", "c 63"]);
    let verified = tiny.run.verify(&snapshot).await;
    assert!(verified.is_clean(), "{verified:#?}");
    assert_eq!(tiny.run.push(&snapshot).await.batch, None, "again writes nothing");
    tiny.run.rollback("last").await;
    assert_eq!(tiny.texts(PHONES).await, ["a 61", "b 62", "c 63", "d 64"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mode_sync_leaves_rows_that_are_rejected_now() {
    let settings = "[sources.people]\nfiles = [\"sources/people.csv\"]\nprimary = \"person\"\n\
                    [sources.phones]\nfiles = [\"sources/phones.csv\"]\nprimary = \"phone\"\n\
                    [tables.phone]\nmode = \"sync\"\n[limits]\n\"*\" = \"100%\"\n";
    let tiny = Tiny::new(
        "create table person (id text primary key, name text not null); \
         create table phone (id text primary key, person_id text not null references person, number text check (number like '6%'))",
        &[],
        &format!("[load]\nmode = \"upsert\"\n{settings}"),
    )
    .await;
    let write = |path: &str, text: &str| tiny.run.project.write(&format!("clinics/tiny/{path}"), text);
    write("sources/people.csv", "id,name\na,Ana\nb,Bea\n");
    write("sources/phones.csv", "id,person,number\n1,a,61\n2,a,62\n3,b,63\n");
    write("sql/clean/person.sql", "-- one person\nselect id as source_id, name, _id from raw.people\n");
    write("sql/target/person.sql", "-- one person\nselect source_id as id, name, _id from clean.person\n");
    // The second record of a row is not the one that the ledger knows it by.
    write(
        "sql/target/phone.sql",
        "-- one phone\nselect p.id, p.person as person_id, p.number, [o._id, p._id] as _ids, p.id as _source_id \
         from raw.phones p join raw.people o on o.id = p.person\n",
    );
    tiny.push().await;
    write("sources/phones.csv", "id,person,number\n1,a,01\n3,b,63\n");
    let (check, snapshot) = tiny.export().await;
    assert_eq!(check.tables.iter().map(|table| table.rejected).sum::<u64>(), 1);
    let report = tiny.run.push(&snapshot).await;
    assert_eq!(report.written["phone"].deleted, 1);
    assert_eq!(tiny.texts(PHONES).await, ["1 61", "3 63"]);
    let verified = tiny.run.verify(&snapshot).await;
    assert!(verified.is_clean(), "{verified:#?}");
    assert_eq!(tiny.run.push(&snapshot).await.batch, None, "again writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_records_cannot_be_read_no_row_of_their_source_goes() {
    let tiny = with_phones().await;
    tiny.push().await;
    // The record of Bea, or of Dan, has too many cells: nobody knows whose it is.
    tiny.run
        .project
        .write("clinics/tiny/sources/people.csv", "id,name,phone\na,Ana,61\nb,Bea,62,what,else\nc,Cid,63\n");
    let (_, snapshot) = tiny.export().await;
    assert_eq!(snapshot.manifest().sources[0].unreadable, 1);
    let report = tiny.run.push(&snapshot).await;
    for table in &report.plan.tables {
        assert_eq!((table.deletes, table.vanished, table.vanished_unread), (0, 2, 2), "{table:?}");
    }
    assert_eq!(tiny.texts(PHONES).await, ["a 61", "b 62", "c 63", "d 64"]);
    let verified = tiny.run.verify(&snapshot).await;
    assert!(verified.is_clean(), "{verified:#?}");
    // It can be read again: who is gone goes.
    tiny.run
        .project
        .write("clinics/tiny/sources/people.csv", "id,name,phone\na,Ana,61\nb,Bea,62\nc,Cid,63\n");
    tiny.push().await;
    assert_eq!(tiny.texts(PHONES).await, ["a 61", "b 62", "c 63"]);
}
