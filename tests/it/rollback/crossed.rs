//! Rows that take unique values from each other, in a push and back.

use trasvase::error::{Failure, Kind};
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
    assert_eq!(failure.kind, Kind::Findings, "{failure:?}");
    assert!(
        failure.message.contains("thing 1 whose value of thing_code_key a row that stays has"),
        "{failure:?}"
    );
    assert_eq!(rows(&tiny, "thing").await, before);
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    assert_eq!(rows(&tiny, "thing").await, ["(1,20,a)", "(2,30,b)", "(9,10,z)"], "2 cannot have the 20 of 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_foreign_key_to_a_crossed_key_stays_and_a_key_of_which_something_is_said_is_not_dropped()
 {
    let schema = "create table thing (id int primary key, code int not null unique, name text); \
         create table note (id int primary key, code int constraint \"of \"\"it\"\"\" references thing (code)); \
         comment on constraint \"of \"\"it\"\"\" on note is 'it''s what the note is about';";
    let states = ["(1, 10, 'a'), (2, 20, 'b')", "(1, 20, 'a'), (2, 10, 'b')"];
    let mut tiny = there_and_back(schema, &states, &["thing"]).await;
    let said = "select conname || ': ' || description from pg_description d join pg_constraint k on k.oid = objoid \
                where classoid = 'pg_constraint'::regclass and conrelid in ('note'::regclass, 'thing'::regclass)";
    assert_eq!(tiny.texts(said).await, ["of \"it\": it's what the note is about"]);

    tiny.sql("comment on constraint thing_code_key on thing is 'as on the label'").await;
    tiny.run.refresh().await;
    tiny.model("thing", &things(states[1]));
    let (check, _) = tiny.export().await;
    assert_eq!(check.tables[0].rejected, 2, "neither can be written, and both are told");
    assert_eq!(tiny.texts(said).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_only_write_rows_is_told_what_it_wants() {
    let schema = "create table thing (id int primary key, code int not null unique, name text);";
    let mut tiny = Tiny::new(schema, &[("thing", &things("(1, 10, 'a'), (2, 20, 'b')"))], UPSERT).await;
    tiny.push().await;
    tiny.model("thing", &things("(1, 20, 'a'), (2, 10, 'b')"));
    // As their owner sees it the rows may cross. The clerk has the ledger, and of the product's tables their rows alone.
    let (check, snapshot) = tiny.export().await;
    assert_eq!(check.tables[0].rejected, 0);
    let before = rows(&tiny, "thing").await;
    tiny.sql(
        "do $$ declare clerk text := 'clerk_' || current_database(); one record; begin \
         execute format('create role %I', clerk); \
         execute format('grant usage on schema public to %I', clerk); \
         execute format('grant select, insert, update, delete on all tables in schema public to %I', clerk); \
         execute format('alter schema trasvase owner to %I', clerk); \
         for one in select c.oid::regclass as name from pg_class c where relnamespace = 'trasvase'::regnamespace \
             and relkind in ('r', 'p', 'v') loop \
             execute format('alter table %s owner to %I', one.name, clerk); end loop; \
         execute format('set role %I', clerk); end $$",
    )
    .await;
    tiny.run.refresh().await;
    let error = tiny.run.try_push(&snapshot).await.unwrap_err();
    let failure = Failure::from_anyhow(&error);
    assert!(
        failure
            .hints
            .iter()
            .any(|hint| hint.contains("as the owner of the table") && hint.contains("thing_code_key")),
        "{failure:?}"
    );
    // Checked by that role both are rejected, and nothing is tried.
    let (check, _) = tiny.export().await;
    assert_eq!(check.tables[0].rejected, 2);
    tiny.sql("reset role").await;
    assert_eq!(rows(&tiny, "thing").await, before);
    tiny.run.refresh().await;
    tiny.run.push(&snapshot).await;
    let crossed = rows(&tiny, "thing").await;
    tiny.sql("do $$ begin execute format('set role %I', 'clerk_' || current_database()); end $$").await;
    tiny.run.refresh().await;
    let failure = Failure::from_anyhow(&tiny.run.try_rollback("last", Edited::Refuse).await.unwrap_err());
    assert!(failure.hints.iter().any(|hint| hint.contains("as the owner of the table")), "{failure:?}");
    tiny.sql("reset role").await;
    assert_eq!(rows(&tiny, "thing").await, crossed);
    tiny.sql(
        "do $$ declare clerk text := 'clerk_' || current_database(); begin \
         execute format('reassign owned by %I to current_user', clerk); \
         execute format('drop owned by %I', clerk); execute format('drop role %I', clerk); end $$",
    )
    .await;
}
