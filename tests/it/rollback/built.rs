//! Batches that took what rows need which an earlier one would bring back.

use trasvase::error::Failure;
use trasvase::rollback::Edited;
use trasvase::verify::{Cause, DifferenceKind};

use super::rows;
use crate::tiny::Tiny;

const UPSERT: &str = "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n";
const SCHEMA: &str = "create table person (id text primary key, name text unique, code int unique); \
     create table visit (id int primary key, person_id text references person, code int references person (code));";
const ANA: &str = "('a', 'Ana', 1)";
const BOTH: &str = "('a', 'Ana', 1), ('b', 'Bea', 2)";
const NO_VISIT: &str = "select 1 as id, 'a' as person_id, 1 as code where false";

fn people(values: &str) -> String {
    format!("select * from (values {values}) t(id, name, code)")
}

fn visit(values: &str) -> String {
    format!("select * from (values {values}) t(id, person_id, code)")
}

/// A clinic to which these people and visits were pushed one after the other; its batches.
async fn pushed(states: &[(&str, &str)]) -> (Tiny, Vec<String>) {
    let tiny = Tiny::new(SCHEMA, &[], UPSERT).await;
    let mut batches = Vec::new();
    for (persons, visits) in states {
        tiny.model("person", &people(persons));
        tiny.model("visit", visits);
        batches.push(tiny.push().await.batch.unwrap());
    }
    (tiny, batches)
}

async fn both(tiny: &Tiny) -> (Vec<String>, Vec<String>) {
    (rows(tiny, "person").await, rows(tiny, "visit").await)
}

/// The second batch is refused with the third, and both go together.
async fn refused_then_cascades(states: [(&str, &str); 3]) {
    let (tiny, batches) = pushed(&states).await;
    let [_, second, third] = &batches[..] else { panic!("{batches:?}") };
    let before = both(&tiny).await;
    for edited in [Edited::Refuse, Edited::Keep, Edited::Force] {
        let error = tiny.run.try_rollback(second, edited).await.unwrap_err();
        let failure = Failure::from_anyhow(&error);
        assert!(failure.message.contains(&format!("{third} (rows: 1)")), "{states:?} {failure:?}");
        assert!(failure.hints.iter().any(|hint| hint.ends_with("--cascade")), "{failure:?}");
    }
    assert_eq!(both(&tiny).await, before);
    let report =
        tiny.run.rollback_cascade(second).await.unwrap_or_else(|error| panic!("{states:?} {error:#}"));
    assert_eq!(report.rolled_back, [third.clone(), second.clone()]);
    tiny.model("person", &people(states[0].0));
    tiny.model("visit", states[0].1);
    let (_, first) = tiny.export().await;
    assert!(tiny.run.verify(&first).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_took_the_parent_away_is_built_on_one_that_took_the_child() {
    let of_bea = visit("(10, 'b', null::integer)");
    refused_then_cascades([(BOTH, &of_bea), (BOTH, NO_VISIT), (ANA, NO_VISIT)]).await;
    let of_ana = visit("(10, 'a', null::integer)");
    refused_then_cascades([(BOTH, &of_bea), (BOTH, &of_ana), (ANA, &of_ana)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_changed_the_value_by_which_a_row_referred_is_built_on_it() {
    let of_bea = visit("(10, null::varchar, 2)");
    let renamed = "('a', 'Ana', 1), ('b', 'Bea', 3)";
    refused_then_cascades([(BOTH, &of_bea), (BOTH, NO_VISIT), (renamed, NO_VISIT)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_took_a_unique_value_is_built_on_the_one_that_gave_it_up() {
    let taken = "('a', 'Ana', 1), ('z', 'Bea', 9)";
    refused_then_cascades([(BOTH, NO_VISIT), (ANA, NO_VISIT), (taken, NO_VISIT)]).await;
    let free = "('a', 'Ana', 1), ('b', 'BEA', 2), ('c', 'Cid', 3)";
    let took = "('a', 'Ana', 1), ('b', 'BEA', 2), ('c', 'Bea', 3)";
    let before = "('a', 'Ana', 1), ('b', 'Bea', 2), ('c', 'Cid', 3)";
    refused_then_cascades([(before, NO_VISIT), (free, NO_VISIT), (took, NO_VISIT)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_took_what_nobody_needs_any_more_stays_and_people_are_no_batch() {
    let of_bea = visit("(10, 'b', null::integer)");
    let more = "('a', 'Ana', 1), ('b', 'Bea', 2), ('c', 'Cid', 3)";
    // Cid goes, whom no row of the second referred to, and Zoe's name is nobody's.
    let states = [
        (more, &of_bea[..]),
        (more, NO_VISIT),
        ("('b', 'Bea', 2), ('a', 'Ana', 1), ('z', 'Zoe', 9)", NO_VISIT),
    ];
    let (tiny, batches) = pushed(&states).await;
    tiny.run.rollback(&batches[1]).await;
    assert_eq!(rows(&tiny, "visit").await, ["(10,b,)"]);

    let (tiny, batches) =
        pushed(&[(BOTH, NO_VISIT), (ANA, NO_VISIT), ("('a', 'Ana', 1), ('z', 'Zoe', 9)", NO_VISIT)]).await;
    tiny.sql("update person set name = 'Bea' where id = 'z'").await;
    let error = format!("{:#}", tiny.run.try_rollback(&batches[1], Edited::Refuse).await.unwrap_err());
    assert!(error.contains("person 1 whose value of person_name_key a row that stays has"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_deletion_was_taken_back_are_told_with_its_batch() {
    let of_bea = visit("(10, 'b', null::integer)");
    let (tiny, _) = pushed(&[(BOTH, &of_bea)]).await;
    let (_, first) = tiny.export().await;
    tiny.model("visit", NO_VISIT);
    let second = tiny.push().await.batch.unwrap();
    let (_, later) = tiny.export().await;
    tiny.run.rollback("last").await;
    let told = |verified: &trasvase::verify::Report| {
        let table = verified.tables.iter().find(|one| one.table.name() == "visit").unwrap();
        let by = table.by_batches.iter().map(|one| (one.batch.clone(), one.taken_back)).collect::<Vec<_>>();
        (table.counts.iter().map(|one| (one.kind, one.cause)).collect::<Vec<_>>(), by)
    };
    let taken_back = vec![(second, true)];
    let verified = tiny.run.verify(&later).await;
    assert_eq!(told(&verified), (vec![(DifferenceKind::Extra, Some(Cause::TakenBack))], taken_back.clone()));
    assert!(verified.differs_only(Cause::TakenBack));
    // What people change then is theirs.
    tiny.sql("update visit set code = 1").await;
    let verified = tiny.run.verify(&later).await;
    assert_eq!(told(&verified), (vec![(DifferenceKind::Extra, Some(Cause::Edited))], vec![]));
    tiny.sql("update visit set code = null").await;
    assert!(tiny.run.verify(&first).await.is_clean());
    // Deleted by somebody once it was there again: that is told as theirs.
    tiny.sql("delete from visit").await;
    let verified = tiny.run.verify(&first).await;
    assert_eq!(told(&verified), (vec![(DifferenceKind::Missing, Some(Cause::Deleted))], vec![]));

    // Its parent is gone by somebody's hand, so that it did not come back: the batch had deleted it, and nobody else.
    let (tiny, _) = pushed(&[(BOTH, &of_bea)]).await;
    let (_, first) = tiny.export().await;
    tiny.model("visit", NO_VISIT);
    let second = tiny.push().await.batch.unwrap();
    tiny.sql("delete from person where id = 'b'").await;
    tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    let verified = tiny.run.verify(&first).await;
    assert_eq!(
        told(&verified),
        (vec![(DifferenceKind::Missing, Some(Cause::Overwritten))], vec![(second, true)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_took_a_row_away_that_referred_to_it_is_built_on_it_with_the_one_that_wrote_that() {
    let (of_bea, of_ana) = (visit("(10, 'b', null::integer)"), visit("(10, 'a', null::integer)"));
    for last in [NO_VISIT, &of_ana] {
        let states = [(ANA, NO_VISIT), (BOTH, NO_VISIT), (BOTH, &of_bea), (BOTH, last)];
        let (tiny, batches) = pushed(&states).await;
        let before = both(&tiny).await;
        let error = tiny.run.try_rollback(&batches[1], Edited::Refuse).await.unwrap_err();
        let failure = Failure::from_anyhow(&error);
        for built in &batches[2..] {
            assert!(failure.message.contains(&format!("{built} (rows: 1)")), "{last} {failure:?}");
        }
        assert!(failure.hints.iter().any(|hint| hint.ends_with("--cascade")), "{failure:?}");
        assert_eq!(both(&tiny).await, before);
        let report =
            tiny.run.rollback_cascade(&batches[1]).await.unwrap_or_else(|error| panic!("{last} {error:#}"));
        assert_eq!(report.rolled_back, batches[1..].iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(both(&tiny).await, (vec!["(a,Ana,1)".to_owned()], Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_took_a_row_away_to_which_people_gave_its_parent_is_built_on_it() {
    let of_ana = visit("(10, 'a', null::integer)");
    let (tiny, batches) = pushed(&[(ANA, &of_ana), (BOTH, &of_ana)]).await;
    tiny.sql("update visit set person_id = 'b'").await;
    tiny.model("visit", NO_VISIT);
    let third = tiny.push().await.batch.unwrap();
    let error = tiny.run.try_rollback(&batches[1], Edited::Refuse).await.unwrap_err();
    assert!(Failure::from_anyhow(&error).message.contains(&format!("{third} (rows: 1)")), "{error:#}");
    // Taken back in turn: what people did stays theirs.
    tiny.run.rollback(&third).await;
    assert_eq!(rows(&tiny, "visit").await, ["(10,b,)"]);
    let error = format!("{:#}", tiny.run.try_rollback(&batches[1], Edited::Refuse).await.unwrap_err());
    assert!(error.contains("person 1 that rows which stay point at"), "{error}");
}
