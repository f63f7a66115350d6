//! Unique values in rows that people changed: who keeps them, and who is told.

use trasvase::check;
use trasvase::error::{Failure, Kind};

use crate::tiny::Tiny;

const SCHEMA: &str = "create table thing (id int primary key, code int not null unique, name text);";
const ROWS: &str = "select concat_ws(' ', id, code, name) from thing order by id";
/// Each keeps its own name.
const PUSHED: &str = "(1, 10, 'a'), (2, 20, 'b')";

fn things(values: &str) -> String {
    format!("select * from (values {values}) t(id, code, name)")
}

async fn pushed(policy: &str, schema: &str) -> Tiny {
    let settings = format!("[load]\nmode = \"upsert\"\non_conflict = \"{policy}\"\n");
    let tiny = Tiny::new(schema, &[("thing", &things(PUSHED))], &settings).await;
    tiny.push().await;
    tiny
}

/// Why rows are rejected.
fn rejects(tiny: &Tiny) -> Vec<String> {
    let sql = "select concat_ws(' ', id, e.rule, e.constraint_name, e.detail) from reject.thing r, unnest(r._errors) t(e) order by 1";
    tiny.run.staging().rows(sql, |row| row.get(0)).unwrap()
}

fn rejected(check: &check::Report) -> u64 {
    check.tables[0].rejected
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_people_gave_a_row_which_stands_is_taken_by_no_other() {
    for policy in ["keep_target", "report"] {
        let tiny = pushed(policy, SCHEMA).await;
        tiny.sql("update thing set code = 30 where id = 1").await;
        // A new row comes for the 30, and another for the 10 that nobody has.
        tiny.model("thing", &things("(1, 10, 'A'), (2, 20, 'b'), (3, 30, 'c'), (4, 10, 'd')"));
        let (_, snapshot) = tiny.export().await;
        assert_eq!(
            rejects(&tiny),
            ["3 duplicate_key thing_code_key row 1 of the target stands in its place"],
            "{policy}: the 10 is nobody's any more"
        );
        tiny.run.push(&snapshot).await;
        assert_eq!(tiny.texts(ROWS).await, ["1 30 A", "2 20 b", "4 10 d"], "{policy}");
        let verified = tiny.run.verify(&snapshot).await;
        assert!(verified.is_clean(), "{policy}: {verified:#?}");
        assert_eq!(tiny.run.push(&snapshot).await.batch, None, "{policy}: again writes nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_source_is_taken_the_row_gives_it_up() {
    let tiny = pushed("take_source", SCHEMA).await;
    tiny.sql("update thing set code = 30 where id = 1").await;
    tiny.model("thing", &things("(1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')"));
    tiny.push().await;
    assert_eq!(tiny.texts(ROWS).await, ["1 10 a", "2 20 b", "3 30 c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_no_push_wrote_stands_as_a_whole() {
    let tiny = pushed("keep_target", SCHEMA).await;
    tiny.sql("insert into thing values (5, 50, 'theirs')").await;
    tiny.model("thing", &things("(1, 50, 'a'), (2, 20, 'b'), (5, 55, 'ours')"));
    tiny.run.push(&tiny.export().await.1).await;
    assert_eq!(rejects(&tiny), ["1 duplicate_key thing_code_key row 5 of the target stands in its place"]);
    assert_eq!(tiny.texts(ROWS).await, ["1 10 a", "2 20 b", "5 50 theirs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_check_refuses_overwrites_nothing() {
    let schema = "create table thing (id int primary key, code int not null unique, name text); \
         create function fine(name text) returns boolean language plpgsql immutable as $$ begin return name <> 'x'; end $$; \
         alter table thing add check (fine(name));";
    let tiny = pushed("take_source", schema).await;
    tiny.model("thing", &things("(1, 15, 'x'), (2, 10, 'b'), (3, 30, 'c')"));
    tiny.run.push(&tiny.export().await.1).await;
    assert_eq!(
        rejects(&tiny),
        [
            "1 check thing_name_check",
            "2 duplicate_key thing_code_key row 1 of the target stands in its place"
        ]
    );
    assert_eq!(tiny.texts(ROWS).await, ["1 10 a", "2 20 b", "3 30 c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_both_sides_together_meet_the_checks_or_the_row_is_told() {
    let schema = "create table thing (id int primary key, code int not null unique, name text, check (code < 100 or name <> 'b'));";
    let tiny = pushed("keep_target", schema).await;
    tiny.sql(
        "update thing set code = 500, name = 'z' where id = 2; update thing set code = 400 where id = 1",
    )
    .await;
    // The source calls 1 a b: with the 400 of people that is refused, though neither side alone is.
    tiny.model("thing", &things("(1, 10, 'b'), (2, 20, 'b')"));
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    assert_eq!(rejects(&tiny), ["1 check thing_check"]);
    assert_eq!(tiny.texts(ROWS).await, ["1 400 a", "2 500 z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_between_check_and_push_is_named_before_anything_is_written() {
    for (policy, edit) in [
        ("take_source", "insert into thing values (9, 30, 'theirs')"),
        ("keep_target", "update thing set code = 30 where id = 1"),
        ("report", "update thing set code = 30 where id = 1"),
    ] {
        let tiny = pushed(policy, SCHEMA).await;
        tiny.model("thing", &things("(1, 10, 'A'), (2, 20, 'b'), (3, 30, 'secret')"));
        let (check, snapshot) = tiny.export().await;
        assert_eq!(rejected(&check), 0);
        tiny.sql(edit).await;
        let before = tiny.texts(ROWS).await;
        let failure = Failure::from_anyhow(&tiny.run.try_push(&snapshot).await.unwrap_err());
        let holder = if policy == "take_source" { 9 } else { 1 };
        assert_eq!(failure.kind, Kind::Findings, "{policy}: {failure:?}");
        for text in ["thing 1 by thing_code_key", &format!("3 → {holder}")] {
            assert!(failure.message.contains(text), "{policy}: {failure:?}");
        }
        assert!(!failure.message.contains("30") && !failure.message.contains("secret"), "{failure:?}");
        assert!(failure.hints[0].contains("trasvase run tiny --from check"), "{policy}: {failure:?}");
        assert_eq!(tiny.texts(ROWS).await, before);
        assert_eq!(tiny.texts("select count(*)::text from trasvase.batch").await, ["1"], "no batch is begun");
        let (check, snapshot) = tiny.export().await;
        assert_eq!(rejected(&check), 1, "{policy}");
        tiny.run.push(&snapshot).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_give_their_values_to_each_other_are_none_of_those() {
    let schema = "create table thing (id int primary key, code int not null unique, name text); \
         create unique index thing_name on thing (lower(name)) where code < 100;";
    let tiny = pushed("keep_target", schema).await;
    tiny.sql("insert into thing values (7, 700, 'a')").await;
    tiny.model("thing", &things("(1, 20, 'b'), (2, 30, 'c'), (3, 10, 'A')"));
    tiny.push().await;
    assert_eq!(tiny.texts(ROWS).await, ["1 20 b", "2 30 c", "3 10 A", "7 700 a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_source_has_no_more_gives_its_value_up_as_it_goes() {
    for policy in ["take_source", "keep_target", "report"] {
        let settings = format!(
            "[load]\nmode = \"upsert\"\non_conflict = \"{policy}\"\n[tables.thing]\nvanished = \"delete\"\n"
        );
        let first = things("(1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')");
        let tiny = Tiny::new(SCHEMA, &[("thing", &first)], &settings).await;
        tiny.push().await;
        // 3 goes: its 30 is for 2, the 20 of that for a new row.
        tiny.model("thing", &things("(1, 10, 'a'), (2, 30, 'b'), (4, 20, 'd')"));
        tiny.push().await;
        assert_eq!(rejects(&tiny), [""; 0], "{policy}");
        assert_eq!(tiny.texts(ROWS).await, ["1 10 a", "2 30 b", "4 20 d"], "{policy}");
        // What people changed stays where theirs counts, and so does its value.
        tiny.sql("update thing set name = 'z' where id = 4").await;
        tiny.model("thing", &things("(1, 10, 'a'), (2, 30, 'b'), (5, 20, 'e')"));
        let (_, snapshot) = tiny.export().await;
        tiny.run.push(&snapshot).await;
        let left = match policy {
            "take_source" => ["1 10 a", "2 30 b", "5 20 e"],
            _ => ["1 10 a", "2 30 b", "4 20 z"],
        };
        assert_eq!(tiny.texts(ROWS).await, left, "{policy}");
        assert_eq!(tiny.run.push(&snapshot).await.batch, None, "{policy}: again writes nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_postgresql_finds_while_it_writes_is_told_by_table_and_key() {
    let schema = "create table thing (id text primary key, code text unique, room text, \
         during int4range, exclude using gist (during with &&)); \
         create function same() returns trigger language plpgsql as $$ begin new.code = 'same'; return new; end $$; \
         create function always() returns trigger language plpgsql as $$ begin new.during = '[1,2)'; return new; end $$; \
         create trigger same before insert on thing for each row when (new.room is null) execute function same(); \
         create trigger always before insert on thing for each row when (new.room = 'r') execute function always();";
    for (room, key) in [("null", "thing_code_key"), ("'r'", "thing_during_excl")] {
        let model = format!(
            "select * from (values ('a', 'x', {room}::varchar), ('b', 'y', {room}::varchar)) t(id, code, room)"
        );
        let tiny = Tiny::new(schema, &[("thing", &model)], "").await;
        let (check, snapshot) = tiny.export().await;
        assert_eq!(check.tables[0].rejected, 0);
        let failure = Failure::from_anyhow(&tiny.run.try_push(&snapshot).await.unwrap_err());
        assert!(failure.message.contains("table thing") && failure.message.contains(key), "{failure:?}");
        assert!(failure.hints.iter().any(|hint| hint.contains("[tables.thing] triggers")), "{failure:?}");
        assert!(tiny.texts("select id from thing").await.is_empty());
    }
}
