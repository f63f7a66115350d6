//! Rows that would come back with a unique value that a row which stays has.

use trasvase::rollback::{Conflict, Edited, Plan};

use super::rows;
use crate::tiny::Tiny;

const UPSERT: &str = "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n";
const SCHEMA: &str = "create table thing (id int primary key, code int unique, name text); \
     create table note (id int primary key, thing_id int references thing, code int references thing (code));";

fn things(values: &str) -> String {
    format!("select * from (values {values}) t(id, code, name)")
}

fn conflicts(plan: &Plan) -> Vec<String> {
    let told = |one: &Conflict| {
        let of = if one.constraints.is_empty() {
            String::new()
        } else {
            format!(" {}", one.constraints.join(" "))
        };
        format!("{}{of} {}", one.kind.as_str(), one.keys.join(" "))
    };
    let all = plan.tables.iter().flat_map(|table| table.conflicts.iter().map(move |one| (table, one)));
    all.map(|(table, one)| format!("{} {}", table.table, told(one))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partner_of_an_edited_row_stays_with_what_refers_to_it_and_the_rest_is_taken_back() {
    let tiny =
        Tiny::new(SCHEMA, &[("thing", &things("(1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')"))], UPSERT).await;
    tiny.push().await;
    tiny.model("thing", &things("(1, 11, 'a'), (2, 10, 'b'), (3, 31, 'C'), (4, 40, 'd')"));
    tiny.push().await;
    // 2 has what 1 is to get back, and is people's now; 3 is nobody's.
    tiny.sql("update thing set name = 'bee' where id = 2").await;
    let plan = tiny.run.rollback_plan("last", Edited::Keep).await;
    assert_eq!(conflicts(&plan), ["thing edited 2", "thing shared thing_code_key 1"]);
    assert_eq!(plan.left(), 2);
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    assert_eq!(rows(&tiny, "thing").await, ["(1,11,a)", "(2,10,bee)", "(3,30,c)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_back_are_left_where_one_after_the_other_has_their_value() {
    let tiny = Tiny::new(
        SCHEMA,
        &[("thing", &things("(1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'), (5, 50, 'e')"))],
        UPSERT,
    )
    .await;
    tiny.push().await;
    // A ring of three whose first member people edit, and one that went and whose value people took.
    tiny.model("thing", &things("(1, 20, 'a'), (2, 30, 'b'), (3, 10, 'c')"));
    tiny.push().await;
    tiny.sql("update thing set name = 'mine' where id = 1; insert into thing values (9, 50, 'z')").await;
    let plan = tiny.run.rollback_plan("last", Edited::Keep).await;
    assert_eq!(conflicts(&plan), ["thing edited 1", "thing shared thing_code_key 2 3 5"]);
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    assert_eq!(rows(&tiny, "thing").await, ["(1,20,mine)", "(2,30,b)", "(3,10,c)", "(9,50,z)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_force_edited_rows_come_back_and_only_those_of_others_keep_their_value() {
    let tiny =
        Tiny::new(SCHEMA, &[("thing", &things("(1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')"))], UPSERT).await;
    tiny.push().await;
    tiny.model("thing", &things("(1, 11, 'a'), (2, 10, 'b'), (3, 31, 'c')"));
    tiny.push().await;
    tiny.sql("update thing set name = 'bee' where id = 2; insert into thing values (9, 30, 'z')").await;
    let plan = tiny.run.rollback_plan("last", Edited::Force).await;
    assert_eq!(conflicts(&plan), ["thing edited 2", "thing shared thing_code_key 3"]);
    tiny.run.try_rollback("last", Edited::Force).await.unwrap();
    assert_eq!(rows(&tiny, "thing").await, ["(1,10,a)", "(2,20,b)", "(3,31,c)", "(9,30,z)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_and_expression_indexes_nulls_and_exclusions_are_looked_at_as_they_are() {
    let schema = "create table thing (id int primary key, code int, name text); \
         create unique index thing_name on thing (lower(name)) where code > 0; \
         alter table thing add constraint thing_no exclude using btree (code with =);";
    let tiny = Tiny::new(
        schema,
        &[("thing", &things("(1, 10, 'a'), (2, -20, 'b'), (3, null, 'c'), (4, 40, 'd')"))],
        UPSERT,
    )
    .await;
    tiny.push().await;
    tiny.model("thing", &things("(1, 10, 'aa'), (2, -20, 'bb'), (3, null, 'cc'), (4, 41, 'd')"));
    tiny.push().await;
    // 5 has the name of 1 in other letters, 6 that of 2, which the index does not look at, 7 has no code, as 3.
    tiny.sql("insert into thing values (5, 50, 'A'), (6, 60, 'B'), (7, null, 'x'), (8, 40, 'y')").await;
    let plan = tiny.run.rollback_plan("last", Edited::Keep).await;
    assert_eq!(conflicts(&plan), ["thing shared thing_name thing_no 1 4"]);
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    let now = rows(&tiny, "thing").await;
    assert_eq!(now[..4], ["(1,10,aa)", "(2,-20,b)", "(3,,c)", "(4,41,d)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_by_which_others_refer_to_a_row_stays_with_it() {
    let tiny = Tiny::new(SCHEMA, &[("thing", &things("(1, 10, 'a'), (2, 20, 'b')"))], UPSERT).await;
    tiny.push().await;
    tiny.model("thing", &things("(1, 11, 'a'), (2, 21, 'b')"));
    tiny.push().await;
    tiny.sql("insert into note values (1, null, 11)").await;
    let plan = tiny.run.rollback_plan("last", Edited::Keep).await;
    assert_eq!(conflicts(&plan), ["thing referred 1"]);
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    assert_eq!(rows(&tiny, "thing").await, ["(1,11,a)", "(2,20,b)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_several_batches_that_come_back_with_one_value_are_told() {
    let tiny = Tiny::new(SCHEMA, &[("thing", &things("(1, 10, 'a'), (2, 20, 'b')"))], UPSERT).await;
    tiny.push().await;
    tiny.model("thing", &things("(1, 11, 'a'), (2, 20, 'b')"));
    let batch = tiny.push().await.batch.unwrap();
    tiny.sql("update thing set code = 10 where id = 2").await;
    tiny.model("thing", &things("(1, 12, 'a'), (2, 20, 'b')"));
    tiny.push().await;
    // Before the second batch 2 had by people's hand what 1 had before the first.
    let error = tiny.run.rollback_cascade(&batch).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("thing 2 whose value of thing_code_key a row that stays has"), "{text}");
    assert_eq!(rows(&tiny, "thing").await, ["(1,12,a)", "(2,20,b)"]);
}
