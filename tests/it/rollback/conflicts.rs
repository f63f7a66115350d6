//! Rows that people changed since, and others' rows that point at ours.

use trasvase::error::{Failure, Kind};
use trasvase::rollback::{ConflictKind, Edited, Plan};
use trasvase::verify::{Cause, DifferenceKind};

use super::{PEOPLE, SCHEMA, VISITS, rows, tiny};
use crate::tiny::Tiny;

fn conflicts(plan: &Plan) -> Vec<String> {
    let mut all = Vec::new();
    for table in &plan.tables {
        for one in &table.conflicts {
            all.push(format!("{} {} {}", table.table, one.kind.as_str(), one.keys.join(" ")));
        }
    }
    all
}

async fn refused(tiny: &Tiny) -> Failure {
    let failure = Failure::from_anyhow(&tiny.run.try_rollback("last", Edited::Refuse).await.unwrap_err());
    assert_eq!(failure.kind, Kind::Findings, "{failure:?}");
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_row_is_named_left_with_its_parent_or_taken_back_by_force() {
    let tiny = tiny("").await;
    let before = rows(&tiny, "visit").await;
    tiny.push().await;
    tiny.sql("update visit set day = '2025-05-05' where id = 1").await;
    let now = (rows(&tiny, "person").await, rows(&tiny, "visit").await);
    let failure = refused(&tiny).await;
    assert!(failure.message.contains("visit 1 edited since"), "{failure:?}");
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), now);

    let plan = tiny.run.rollback_plan("last", Edited::Keep).await;
    assert_eq!(conflicts(&plan), ["visit edited 1", "person referred a"]);
    let plan = tiny.run.rollback_plan("last", Edited::Force).await;
    assert_eq!((conflicts(&plan), plan.left()), (vec!["visit edited 1".to_owned()], 0));
    tiny.run.try_rollback("last", Edited::Force).await.unwrap();
    assert_eq!(rows(&tiny, "visit").await, before);
    let kept = "select target_table || before from trasvase.overwritten";
    assert_eq!(tiny.texts(kept).await, ["visit(1,a,2025-05-05)"]);

    tiny.push().await;
    tiny.sql("update visit set day = '2025-05-05' where id = 1").await;
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    assert_eq!(rows(&tiny, "person").await, ["(a,Ana,0)", "(z,Zoe,7)"]);
    assert_eq!(rows(&tiny, "visit").await, ["(1,a,2025-05-05)", "(9,z,2020-01-01)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rollback_left_is_the_clinics_again_when_its_snapshot_is_pushed_anew() {
    let tiny = tiny("").await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    tiny.sql("update visit set day = '2025-05-05' where id = 1").await;
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    // A stranger's row with a key of a row that went is a stranger's.
    tiny.sql("insert into person values ('b', 'Bea', 0)").await;
    let left = (rows(&tiny, "person").await, rows(&tiny, "visit").await);

    let report = tiny.run.push(&snapshot).await;
    let planned = report.plan.tables.iter().map(|one| (one.reclaimed, one.kept, one.unknown));
    assert_eq!(planned.collect::<Vec<_>>(), [(1, 0, 1), (1, 0, 0)]);
    assert_eq!(report.written["visit"].adopted, 1);
    let verified = tiny.run.verify(&snapshot).await;
    let found = |place: usize| {
        let differences = verified.tables[place].differences.iter();
        differences.map(|one| (one.key.as_str(), one.kind, one.cause)).collect::<Vec<_>>()
    };
    assert_eq!(found(0), [("b", DifferenceKind::Kept, None)]);
    assert_eq!(found(1), [("1", DifferenceKind::Different, Some(Cause::Edited))]);
    assert_eq!(tiny.run.push(&snapshot).await.batch, None, "a second time there is nothing to do");
    tiny.run.try_rollback("last", Edited::Refuse).await.unwrap();
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), left, "as before that push");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_may_have_the_name_that_statements_give_the_table() {
    let schema = "create table person (id text primary key, name text, t text);";
    let people =
        |name: &str| format!("select * from (values ('a', 'Ana', 'x'), ('b', '{name}', 'y')) v(id, name, t)");
    let tiny = Tiny::new(
        schema,
        &[("person", &people("Bea"))],
        "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n",
    )
    .await;
    tiny.push().await;
    let before = rows(&tiny, "person").await;
    tiny.model("person", &people("BEA"));
    assert_eq!(tiny.push().await.written["person"].updated, 1);
    tiny.run.rollback("last").await;
    assert_eq!(rows(&tiny, "person").await, before);
    tiny.model("person", "select 'a' as id, 'Ana' as name, 'x' as t");
    assert_eq!(tiny.push().await.written["person"].deleted, 1);
    tiny.run.rollback("last").await;
    assert_eq!(rows(&tiny, "person").await, before);
    tiny.sql("update person set name = 'x' where id = 'b'").await;
    tiny.run.try_rollback("last", Edited::Force).await.unwrap();
    assert_eq!(tiny.texts("select before from trasvase.overwritten").await, ["(b,x,y)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_under_new_keys_that_a_rollback_left_keep_them() {
    let schema = "create table person (id serial primary key, name text not null, seen int default 0);";
    let people = "select -row_number() over (order by name) as id, name, name as _source_id from (values ('Ana'), ('Bea')) v(name)";
    let tiny = Tiny::new(schema, &[("person", people)], "[tables.person]\nkeys = \"new\"\n").await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    tiny.sql("update person set name = 'BEA' where id = 2").await;
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    tiny.run.push(&snapshot).await;
    assert_eq!(rows(&tiny, "person").await, ["(2,BEA,0)", "(3,Ana,0)"], "nobody is there twice");
    let verified = tiny.run.verify(&snapshot).await;
    assert_eq!(verified.tables[0].differences[0].cause, Some(Cause::Edited));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_took_the_place_of_one_that_was_left_is_its_owners() {
    let tiny = tiny("").await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    tiny.sql("update person set name = 'BEA' where id = 'b'").await;
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    tiny.sql("delete from person where id = 'b'; insert into person values ('b', 'Zoe', 0)").await;
    let report = tiny.run.push(&snapshot).await;
    assert_eq!((report.plan.tables[0].reclaimed, report.plan.tables[0].kept), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_row_keeps_the_row_that_it_points_at_also_by_force() {
    let tiny = tiny("").await;
    tiny.push().await;
    tiny.sql("insert into visit values (8, 'b', '2025-01-01')").await;
    assert!(refused(&tiny).await.message.contains("person 1 that rows which stay point at"));
    for (edited, people) in
        [(Edited::Keep, ["(b,Bea,0)", "(z,Zoe,7)"]), (Edited::Force, ["(b,Bea,0)", "(z,Zoe,7)"])]
    {
        tiny.run.try_rollback("last", edited).await.unwrap();
        assert_eq!(rows(&tiny, "person").await, people);
        assert_eq!(rows(&tiny, "visit").await, ["(8,b,2025-01-01)", "(9,z,2020-01-01)"]);
        tiny.sql("delete from visit where id = 8; delete from person where id = 'b'").await;
        tiny.push().await;
        tiny.sql("insert into visit values (8, 'b', '2025-01-01')").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_force_a_foreign_key_does_what_it_says_and_the_ledger_keeps_what_that_takes() {
    let schema = "create table person (id text primary key, name text); \
                  create table visit (id int primary key, person_id text references person on delete cascade);";
    let tiny = Tiny::new(schema, &[("person", "select 'a' as id, 'Ana' as name")], "").await;
    tiny.push().await;
    tiny.sql("insert into visit values (8, 'a')").await;
    assert_eq!(conflicts(&tiny.run.rollback_plan("last", Edited::Keep).await), ["person referred a"]);
    refused(&tiny).await;
    tiny.run.try_rollback("last", Edited::Force).await.unwrap();
    assert!(rows(&tiny, "visit").await.is_empty() && rows(&tiny, "person").await.is_empty());
    assert_eq!(tiny.texts("select before from trasvase.overwritten").await, ["(8,a)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_force_rows_that_hang_on_rows_of_others_are_told_and_kept_too() {
    let schema = "create table person (id text primary key, name text); \
         create table extra (id int primary key, person_id text references person on delete cascade, other text references person on delete cascade); \
         create table extra2 (id int primary key, extra_id int references extra on delete cascade); \
         create table extra3 (id int primary key, extra2_id int references extra2 on delete set null);";
    let tiny = Tiny::new(schema, &[("person", "select 'a' as id, 'Ana' as name")], "").await;
    tiny.push().await;
    tiny.sql("insert into extra values (1, 'a', 'a'); insert into extra2 values (2, 1); insert into extra3 values (3, 2)").await;
    let plan = tiny.run.rollback_plan("last", Edited::Force).await;
    let told = plan.others.iter().map(|one| (one.table.to_string(), one.rows)).collect::<Vec<_>>();
    assert_eq!(told, [("extra".to_owned(), 1), ("extra2".to_owned(), 1), ("extra3".to_owned(), 1)]);
    tiny.run.try_rollback("last", Edited::Force).await.unwrap();
    assert_eq!(rows(&tiny, "extra3").await, ["(3,)"]);
    let kept = "select target_table || before from trasvase.overwritten order by 1";
    assert_eq!(tiny.texts(kept).await, ["extra(1,a,a)", "extra2(2,1)", "extra3(3,2)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_deleted_or_made_since_and_parents_that_are_gone_are_conflicts() {
    let settings = "[load]\nmode = \"upsert\"\n[tables.visit]\nmode = \"sync\"\n";
    let tiny = tiny(settings).await;
    tiny.push().await;
    let models = "select * from (values (1, 'a', date '2030-01-01')) t(id, person_id, day)";
    tiny.model("visit", models);
    tiny.sql("insert into visit values (7, 'b', '2024-07-07')").await;
    tiny.push().await;
    // One row that was updated is deleted, one that was deleted is made anew, the parent of another is gone.
    tiny.sql("delete from visit where id = 1; insert into visit values (2, 'z', '2031-01-01'); delete from person where id = 'b'").await;
    let failure = refused(&tiny).await;
    for text in [
        "visit 1 deleted since",
        "visit 1 whose key is taken since",
        "visit 1 that would point at a row that is gone",
    ] {
        assert!(failure.message.contains(text), "{failure:?}");
    }
    let plan = tiny.run.rollback_plan("last", Edited::Force).await;
    let left: Vec<_> = plan.tables[0].conflicts.iter().map(|one| (one.kind, one.left)).collect();
    // The row that was there before belonged to the person who is gone, so force does not bring it back either.
    assert_eq!(left, [(ConflictKind::Deleted, 0), (ConflictKind::Occupied, 1), (ConflictKind::Parent, 1)]);
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    assert_eq!(rows(&tiny, "visit").await, ["(2,z,2031-01-01)", "(9,z,2020-01-01)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_took_back_themselves_is_no_conflict() {
    let tiny = tiny("[load]\nmode = \"upsert\"\n").await;
    let before = (rows(&tiny, "person").await, rows(&tiny, "visit").await);
    tiny.push().await;
    tiny.model("person", "select * from (values ('a', 'ANA'), ('b', 'Bea'), ('c', 'Cid')) t(id, name)");
    tiny.push().await;
    tiny.sql("update person set name = 'Ana' where id = 'a'; delete from person where id = 'c'").await;
    let plan = tiny.run.rollback("last").await.plan;
    let person = plan.tables.iter().find(|table| table.table.name() == "person").unwrap();
    assert_eq!((plan.writes(), person.gone), (0, 1));
    tiny.run.rollback("last").await;
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), before);
}

/// A foreign key that is NOT VALID lets orphans be, and refuses to have one written again.
#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_that_a_batch_mended_is_a_conflict_and_one_that_it_left_an_orphan_none() {
    let schema = SCHEMA.replace(" references person on delete restrict", "")
        + "alter table visit add constraint of_person foreign key (person_id) references person not valid;";
    let settings = |policy: &str| format!("[load]\nmode = \"upsert\"\non_conflict = \"{policy}\"\n");
    let mut tiny =
        Tiny::new(&schema, &[("person", PEOPLE), ("visit", VISITS)], &settings("take_source")).await;
    let orphaned = "alter table visit disable trigger all; update visit set person_id = 'gone'; alter table visit enable trigger all";
    tiny.push().await;
    tiny.sql(orphaned).await;
    tiny.model("visit", &VISITS.replace("2024-01-01", "2030-01-01"));
    assert_eq!(tiny.push().await.written["visit"].updated, 2);
    let pushed = rows(&tiny, "visit").await;
    let failure = refused(&tiny).await;
    assert!(failure.message.contains("visit 2 that would point at a row that is gone"), "{failure:?}");
    for edited in [Edited::Keep, Edited::Force] {
        let plan = tiny.run.rollback_plan("last", edited).await;
        assert_eq!((conflicts(&plan), plan.left()), (vec!["visit parent 1 2".to_owned()], 2), "{edited:?}");
    }

    // Where what people wrote is kept, a batch changes the day alone: no reference is written.
    tiny.settings(&settings("keep_target"));
    tiny.sql(orphaned).await;
    let before = rows(&tiny, "visit").await;
    tiny.model("visit", &VISITS.replace("2024-01-01", "2031-01-01"));
    let (_, snapshot) = tiny.export().await;
    assert_eq!(tiny.run.push(&snapshot).await.written["visit"].updated, 1);
    assert_ne!(rows(&tiny, "visit").await, before);
    tiny.run.rollback("last").await;
    assert_eq!(rows(&tiny, "visit").await, before);

    // The batch that took the source's values is left as it stands, by force too.
    tiny.sql("alter table visit disable trigger all; delete from visit").await;
    tiny.sql(&format!(
        "insert into visit select * from unnest(array[{}]::visit[]); alter table visit enable trigger all",
        pushed.iter().map(|row| format!("'{row}'")).collect::<Vec<_>>().join(", ")
    ))
    .await;
    tiny.run.try_rollback("last", Edited::Force).await.unwrap();
    assert_eq!(rows(&tiny, "visit").await, pushed);
}
