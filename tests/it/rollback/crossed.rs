//! Rows that take unique values from each other, in a push and back.

use trasvase::error::Failure;
use trasvase::rollback::Edited;

use super::rows;
use crate::tiny::Tiny;

const UPSERT: &str = "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n";

fn things(values: &str) -> String {
    format!("select * from (values {values}) t(id, code, name)")
}

/// Pushes one state after the other, then takes all of them back, the last first.
async fn there_and_back(schema: &str, states: &[&str], tables: &[&str]) -> Tiny {
    let tiny = Tiny::new(schema, &[("thing", &things(states[0]))], UPSERT).await;
    let definitions = "select conname || ' ' || pg_get_constraintdef(oid) || condeferrable from pg_constraint \
                       where connamespace = 'public'::regnamespace \
                       union all select pg_get_indexdef(indexrelid) from pg_index join pg_class c on c.oid = indrelid \
                       where c.relnamespace = 'public'::regnamespace order by 1";
    let defined = tiny.texts(definitions).await;
    let look = async || {
        let mut all = Vec::new();
        for table in tables {
            all.push(rows(&tiny, table).await);
        }
        all
    };
    let mut seen = Vec::new();
    for state in states {
        tiny.model("thing", &things(state));
        tiny.push().await;
        seen.push(look().await);
    }
    for expected in seen.iter().rev().skip(1) {
        tiny.run.rollback("last").await;
        assert_eq!(look().await, *expected);
    }
    assert_eq!(tiny.texts(definitions).await, defined, "keys are as they were");
    tiny
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_three_rows_and_rows_that_come_and_go_cross_a_unique_key() {
    let schema = "create table thing (id int primary key, code int not null unique, name text);";
    let states = [
        "(1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')",
        "(1, 20, 'a'), (2, 10, 'b'), (3, 30, 'c')",
        "(1, 30, 'a'), (2, 20, 'b'), (3, 10, 'c')",
        "(1, 10, 'a'), (3, 50, 'c'), (4, 30, 'd')",
        "(2, 20, 'b'), (3, 30, 'c'), (4, 50, 'd')",
    ];
    there_and_back(schema, &states, &["thing"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_they_do_where_others_refer_to_that_key_and_nothing_happens_to_those() {
    let schema = "create table thing (id int primary key, code text not null, name text, unique (code)); \
                  create unique index thing_lower on thing (lower(name)) where code <> 'x'; \
                  alter table thing add exclude using btree (name with =) ; \
                  create table note (id int primary key, thing_id int references thing on delete cascade, \
                  code text references thing (code) on delete set null);";
    let states =
        ["(1, 'p', 'A'), (2, 'q', 'B')", "(1, 'p', 'B'), (2, 'q', 'A')", "(1, 'p', 'A'), (2, 'q', 'B')"];
    let tiny = there_and_back(schema, &states, &["thing", "note"]).await;
    tiny.sql("insert into note values (1, 1, 'p'), (2, 2, 'q')").await;
    let notes = rows(&tiny, "note").await;
    tiny.model("thing", &things("(1, 'q', 'b'), (2, 'p', 'a')"));
    tiny.push().await;
    assert_eq!(rows(&tiny, "note").await, notes, "who refers to a code refers to it still");
    tiny.run.rollback("last").await;
    assert_eq!(rows(&tiny, "note").await, notes);
    assert_eq!(rows(&tiny, "thing").await, ["(1,p,A)", "(2,q,B)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_references_follow_is_not_dropped_behind_their_back() {
    let schema = "create table thing (id int primary key, code text not null unique, name text); \
                  create table note (id int primary key, code text references thing (code) on update cascade);";
    let tiny = Tiny::new(schema, &[("thing", &things("(1, 'p', 'a'), (2, 'q', 'b')"))], UPSERT).await;
    tiny.push().await;
    tiny.sql("insert into note values (1, 'p')").await;
    tiny.model("thing", &things("(1, 'q', 'a'), (2, 'p', 'b')"));
    let (check, snapshot) = tiny.export().await;
    assert_eq!(check.tables[0].rejected, 2, "neither can be written, and both are told");
    tiny.run.push(&snapshot).await;
    assert_eq!(
        (rows(&tiny, "thing").await, rows(&tiny, "note").await.len()),
        (vec!["(1,p,a)".into(), "(2,q,b)".into()], 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_row_with_the_value_is_told_and_nothing_is_touched() {
    let schema = "create table thing (id int primary key, code int not null unique, name text);";
    let tiny = Tiny::new(schema, &[("thing", &things("(1, 10, 'a'), (2, 20, 'b')"))], UPSERT).await;
    tiny.push().await;
    tiny.model("thing", &things("(1, 20, 'a'), (2, 30, 'b')"));
    tiny.push().await;
    tiny.sql("insert into thing values (9, 10, 'z')").await;
    let before = rows(&tiny, "thing").await;
    let error = tiny.run.try_rollback("last", Edited::Refuse).await.unwrap_err();
    let failure = Failure::from_anyhow(&error);
    assert!(failure.message.contains("thing_code_key") && !failure.hints.is_empty(), "{failure:?}");
    assert_eq!(rows(&tiny, "thing").await, before);
}
