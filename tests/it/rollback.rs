//! Batches taken back: every table as it was, people's edits respected.

mod built;
mod conflicts;
mod crossed;
mod property;
mod shared;

use trasvase::archive;
use trasvase::error::{Failure, Kind};
use trasvase::rollback::Edited;
use trasvase::staging::Archived;

use crate::tiny::Tiny;

/// All rows of a table as one text each.
async fn rows(tiny: &Tiny, table: &str) -> Vec<String> {
    tiny.texts(&format!("select t::text from {table} t order by 1")).await
}

const SCHEMA: &str = "create table person (id text primary key, name text not null, seen int default 0); \
     create table visit (id int primary key, person_id text not null references person on delete restrict, day date);";

const PEOPLE: &str = "select * from (values ('a', 'Ana'), ('b', 'Bea')) t(id, name)";
const VISITS: &str =
    "select * from (values (1, 'a', date '2024-01-01'), (2, 'b', date '2024-01-02')) t(id, person_id, day)";

async fn tiny(settings: &str) -> Tiny {
    let tiny = Tiny::new(SCHEMA, &[("person", PEOPLE), ("visit", VISITS)], settings).await;
    tiny.sql("insert into person values ('z', 'Zoe', 7); insert into visit values (9, 'z', '2020-01-01')")
        .await;
    tiny
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_inserted_goes_and_a_second_time_is_refused_in_one_sentence() {
    let tiny = tiny("").await;
    let before = (rows(&tiny, "person").await, rows(&tiny, "visit").await);
    let batch = tiny.push().await.batch.unwrap();
    let plan = tiny.run.rollback_plan("last", Edited::Refuse).await;
    assert_eq!(plan.tables.iter().map(|table| table.deletes).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(rows(&tiny, "person").await.len(), 3, "a plan touches nothing");
    let report = tiny.run.rollback(&batch[..20]).await;
    assert_eq!((report.plan.id, report.rolled_back), (plan.id, vec![batch.clone()]));
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), before);
    assert_eq!(
        tiny.texts("select status || (rolled_back_by is not null) from trasvase.batch").await,
        ["rolled_backtrue"]
    );
    let error = tiny.run.try_rollback(&batch, Edited::Refuse).await.unwrap_err();
    let failure = Failure::from_anyhow(&error);
    assert!(failure.message.starts_with(&format!("batch {batch} was taken back already")), "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint.starts_with("trasvase redo tiny")), "{failure:?}");
    assert!(tiny.run.try_rollback("last", Edited::Refuse).await.is_err());
    assert!(tiny.push().await.batch.is_some(), "what was taken back counts as never pushed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_batch_holds_again_and_touch_triggers_and_unwritten_columns_are_as_they_were() {
    let touch = "create function touch() returns trigger language plpgsql as $$ begin new.seen := new.seen + 1; return new; end $$; \
                 create table log (id text); \
                 create function note(id text) returns void language sql begin atomic; insert into log values (id); end; \
                 create function tell() returns trigger language plpgsql as $$ begin perform note(new.id); return new; end $$;";
    let tiny = tiny("[load]\nmode = \"upsert\"\n").await;
    tiny.sql(touch).await;
    let (_, first) = tiny.export().await;
    tiny.run.push(&first).await;
    tiny.sql(
        "update person set seen = 3 where id = 'a'; \
              create trigger touch before update on person for each row execute function touch(); \
              alter table person enable always trigger touch; \
              create trigger tell after update on person for each row execute function tell()",
    )
    .await;
    let mut tiny = tiny;
    tiny.run.refresh().await;
    let before = (rows(&tiny, "person").await, rows(&tiny, "visit").await);
    tiny.model("person", "select * from (values ('a', 'ANA'), ('b', 'BEA'), ('c', 'Cid')) t(id, name)");
    let report = tiny.push().await;
    assert_eq!((report.written["person"].updated, report.written["person"].inserted), (2, 1));
    let report = tiny.run.rollback("last").await;
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), before);
    let elsewhere: Vec<_> =
        report.plan.elsewhere.iter().map(|one| (one.trigger.as_str(), one.unknown)).collect();
    assert_eq!(elsewhere, [("tell", false)]);
    assert_eq!(report.plan.elsewhere[0].writes, ["log".into()]);
    let triggers = "select tgname || tgenabled::text from pg_trigger where not tgisinternal order by 1";
    assert_eq!(tiny.texts(triggers).await, ["tellO", "touchA"]);
    let verified = tiny.run.verify(&first).await;
    assert!(verified.is_clean(), "{verified:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_on_which_others_were_built_is_refused_or_taken_back_with_them() {
    let tiny = tiny("[load]\nmode = \"upsert\"\n").await;
    let before = (rows(&tiny, "person").await, rows(&tiny, "visit").await);
    let first = tiny.push().await.batch.unwrap();
    tiny.model("visit", "select * from (values (1, 'a', date '2024-01-01'), (2, 'b', date '2024-01-02'), (3, 'b', date '2024-01-03')) t(id, person_id, day)");
    let refers = tiny.push().await.batch.unwrap();
    tiny.model("person", "select * from (values ('a', 'ANA'), ('b', 'Bea')) t(id, name)");
    let touches = tiny.push().await.batch.unwrap();
    let error = tiny.run.try_rollback(&first, Edited::Refuse).await.unwrap_err();
    let failure = Failure::from_anyhow(&error);
    for batch in [&refers, &touches] {
        assert!(failure.message.contains(&format!("{batch} (rows: 1)")), "{failure:?}");
    }
    assert!(failure.hints.iter().any(|hint| hint.ends_with("--cascade")), "{failure:?}");
    let report = tiny.run.rollback_cascade(&first).await.unwrap();
    assert_eq!(report.rolled_back, [touches, refers, first]);
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_batch_that_touched_nothing_of_it_stays() {
    let tiny = tiny("[load]\nmode = \"upsert\"\n").await;
    let first = tiny.push().await.batch.unwrap();
    tiny.model("person", "select * from (values ('a', 'Ana'), ('b', 'Bea'), ('c', 'Cid')) t(id, name)");
    tiny.push().await;
    tiny.run.rollback(&first).await;
    assert_eq!(rows(&tiny, "person").await, ["(c,Cid,0)", "(z,Zoe,7)"]);
    assert_eq!(
        tiny.texts("select status from trasvase.batch order by number").await,
        ["rolled_back", "completed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_which_every_row_goes_are_emptied_as_a_whole_only_if_nothing_else_is_in_them() {
    let schema = format!("{SCHEMA} create table note (id int primary key, visit_id int references visit);");
    let models = [
        ("person", "select 'p' || i as id, 'x' as name from range(6000) r(i)"),
        ("visit", "select i as id, 'p' || i as person_id, date '2024-01-01' as day from range(6000) r(i)"),
    ];
    let tiny = Tiny::new(&schema, &models, "").await;
    tiny.push().await;
    let report = tiny.run.rollback("last").await;
    assert!(report.plan.tables.iter().all(|table| table.emptied && table.deletes == 6000), "{report:#?}");
    assert_eq!(tiny.texts("select count(*)::text from person").await, ["0"]);
    tiny.push().await;
    tiny.sql("insert into person values ('z', 'Zoe')").await;
    let report = tiny.run.rollback("last").await;
    let emptied: Vec<_> = report.plan.tables.iter().map(|table| table.emptied).collect();
    assert_eq!(emptied, [true, false]);
    assert_eq!(tiny.texts("select id from person").await, ["z"]);
    tiny.push().await;
    tiny.sql("update visit set day = null where id = 5").await;
    let plan = tiny.run.rollback_plan("last", Edited::Keep).await;
    let counts: Vec<_> = plan.tables.iter().map(|one| (one.emptied, one.deletes, one.left())).collect();
    assert_eq!(counts, [(false, 5999, 1), (false, 5999, 1)]);
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    assert_eq!(tiny.texts("select id from person order by 1").await, ["p5", "z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_disable_triggers_is_refused_with_the_tables_name() {
    let mut tiny = tiny("").await;
    tiny.sql(
        "create function quiet() returns trigger language plpgsql as $$ begin return old; end $$; \
              create trigger quiet before delete on person for each row execute function quiet()",
    )
    .await;
    tiny.run.refresh().await;
    tiny.push().await;
    let clerk = "do $$ declare clerk text := 'clerk_' || current_database(); begin \
                 execute format('create role %I', clerk); \
                 execute format('grant all on schema public, trasvase to %I', clerk); \
                 execute format('grant all on all tables in schema public, trasvase to %I', clerk); \
                 execute format('set role %I', clerk); end $$";
    tiny.sql(clerk).await;
    tiny.run.refresh().await;
    let error = tiny.run.try_rollback("last", Edited::Refuse).await.unwrap_err();
    tiny.sql("reset role").await;
    let failure = Failure::from_anyhow(&error);
    assert!(failure.message.contains("table person has triggers (quiet)"), "{failure:?}");
    assert_eq!(rows(&tiny, "person").await.len(), 3);
    tiny.sql(
        "do $$ declare clerk text := 'clerk_' || current_database(); begin \
              execute format('drop owned by %I', clerk); execute format('drop role %I', clerk); end $$",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_refer_to_each_other_come_back_and_foreign_keys_stay_as_they_were() {
    let schema = "create table team (id int primary key, lead_id int); \
                  create table person (id int primary key, team_id int not null references team, email text unique); \
                  alter table team add foreign key (lead_id) references person;";
    let models = [
        ("team", "select 1 as id, 10 as lead_id"),
        ("person", "select * from (values (10, 1, 'x'), (11, 1, 'y')) t(id, team_id, email)"),
    ];
    let tiny = Tiny::new(
        schema,
        &models,
        "[load]\nmode = \"upsert\"\n[tables.person]\nmode = \"sync\"\nsync_by = \"team_id\"\n",
    )
    .await;
    tiny.push().await;
    let before = (rows(&tiny, "team").await, rows(&tiny, "person").await);
    tiny.model("team", "select 1 as id, 12 as lead_id");
    tiny.model("person", "select * from (values (10, 1, 'z'), (12, 1, 'w')) t(id, team_id, email)");
    let report = tiny.push().await;
    assert_eq!((report.written["person"].deleted, report.written["person"].inserted), (1, 1));
    tiny.run.rollback("last").await;
    assert_eq!((rows(&tiny, "team").await, rows(&tiny, "person").await), before);
    tiny.run.rollback("last").await;
    assert!(rows(&tiny, "team").await.is_empty() && rows(&tiny, "person").await.is_empty());
    let deferrable = "select count(*)::text from pg_constraint where condeferrable and contype = 'f'";
    assert_eq!(tiny.texts(deferrable).await, ["0"], "foreign keys are as they were");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_came_since_stays_and_without_one_that_went_nothing_is_touched() {
    let schema = "create domain label as text check (value <> ''); \
                  create table thing (id int generated always as identity primary key, name label, size int, \
                  twice int generated always as (size * 2) stored);";
    let models = [("thing", "select * from (values (1, 'one', 1), (2, 'two', 2)) t(id, name, size)")];
    let mut tiny = Tiny::new(schema, &models, "[load]\nmode = \"upsert\"\n").await;
    tiny.push().await;
    let before = rows(&tiny, "thing").await;
    tiny.model("thing", "select * from (values (1, 'ONE', 1), (3, 'three', 2)) t(id, name, size)");
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    tiny.sql("alter table thing add column colour text default 'red'; update thing set colour = 'blue' where id = 1").await;
    tiny.run.refresh().await;
    tiny.run.rollback("last").await;
    let colours = "select concat_ws(' ', id, name, size, twice, colour) from thing order by id";
    assert_eq!(tiny.texts(colours).await, ["1 one 1 2 blue", "2 two 2 4 red"]);
    tiny.sql("alter table thing drop column colour").await;
    assert_eq!(rows(&tiny, "thing").await, before);

    tiny.sql("alter table thing drop column twice; alter table thing drop column size").await;
    tiny.run.refresh().await;
    let error = tiny.run.try_rollback("last", Edited::Refuse).await.unwrap_err();
    let failure = Failure::from_anyhow(&error);
    assert_eq!(failure.kind, Kind::NotComparable, "{failure:?}");
    assert!(failure.message.contains("thing.size is not in the target any more"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_the_first_ledger_is_planned_without_writing_and_taken_back() {
    let tiny = tiny("[load]\nmode = \"upsert\"\n").await;
    tiny.push().await;
    let before = (rows(&tiny, "person").await, rows(&tiny, "visit").await);
    tiny.model("person", "select * from (values ('a', 'ANA'), ('b', 'Bea'), ('c', 'Cid')) t(id, name)");
    tiny.push().await;
    tiny.sql("insert into trasvase.external_id_1 select * from trasvase.external_id where batch = 1 except all select * from trasvase.external_id_1; \
              insert into trasvase.row_digest_1 select * from trasvase.row_digest where batch = 1 except all select * from trasvase.row_digest_1; \
              drop view trasvase.verdict, trasvase.external_id, trasvase.row_digest; drop table trasvase.page; \
              alter table trasvase.external_id_single rename to external_id; alter table trasvase.row_digest_single rename to row_digest; \
              drop table trasvase.record, trasvase.issue, trasvase.signoff; \
              alter table trasvase.external_id drop column record; alter table trasvase.batch drop column purged_at, drop column origin; \
              alter table trasvase.batch drop column shape, drop column rolled_back_at, drop column rolled_back_by, drop column rolled_back; \
              alter table trasvase.change drop column key_after, drop column after; \
              alter table trasvase.row_digest drop column columns, drop column stored_columns; \
              drop table trasvase.overwritten, trasvase.left_behind, trasvase.archive, trasvase.account; delete from trasvase.migration where version > 1").await;
    let plan = tiny.run.rollback_plan("last", Edited::Refuse).await;
    assert_eq!(tiny.texts("select max(version)::text from trasvase.migration").await, ["1"]);
    let report = tiny.run.rollback("last").await;
    assert_eq!((report.plan.writes(), report.plan.conflicts(), plan.id), (2, 0, report.plan.id));
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), before);
}

/// Ana is rejected, since her name is none.
const NAMELESS: &str = "select * from (values ('a', null), ('b', null)) t(id, name)";

#[tokio::test(flavor = "multi_thread")]
async fn a_first_snapshot_that_writes_nothing_has_a_batch_for_archives_and_a_way_back() {
    let tiny = tiny("[load]\nmode = \"upsert\"\n[limits]\n\"*\" = \"100%\"\n").await;
    let before = (rows(&tiny, "person").await, rows(&tiny, "visit").await);
    tiny.model("person", NAMELESS);
    let (_, snapshot) = tiny.export().await;
    assert!(tiny.run.dry_run(&snapshot).await.noted);
    let report = tiny.run.push(&snapshot).await;
    assert_eq!((report.plan.writes(), report.batch.is_some()), (0, true), "{report:#?}");
    assert_eq!(tiny.run.push(&snapshot).await.batch, None, "again writes nothing");
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), before);
    let client = &tiny.run.session.client;
    let archived = Archived {
        snapshot: snapshot.id().to_owned(),
        bucket: "vault".to_owned(),
        prefix: format!("tiny/{}/", snapshot.id()),
        objects: 3,
        bytes: 30,
        index_sha256: "0".repeat(64),
        retain_until: Some("2034-01-01T00:00:00Z".to_owned()),
        legal_hold: false,
        who: "Eva".to_owned(),
        at: "2024-01-01T00:00:00Z".to_owned(),
    };
    let name = &tiny.run.clinic.name;
    let noted = archive::ledger::note(client, name, &archived).await.unwrap();
    assert_eq!(noted, [report.batch.unwrap()]);
    let plan = tiny.run.rollback_plan("last", Edited::Refuse).await;
    assert_eq!((plan.writes(), plan.conflicts()), (0, 0));
    assert_eq!(tiny.run.rollback("last").await.rolled_back, noted);
    assert_eq!((rows(&tiny, "person").await, rows(&tiny, "visit").await), before);
    let kept = archive::ledger::kept(client, name).await.unwrap();
    assert_eq!(kept.iter().map(|one| (one.archives, one.objects)).collect::<Vec<_>>(), [(1, 3)]);
    assert!(tiny.run.push(&snapshot).await.batch.is_some(), "what was taken back counts as never pushed");
}
