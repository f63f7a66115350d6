//! People who turn out to be one, where each had a row of a table with one row a person.

use super::golden::{People, golden, of, same_counts};

/// One card a person, items on a card, what the product stamps on one.
const SCHEMA: &str = "create table person (id text primary key, name text not null unique); \
     create table visit (id text primary key, person_id text not null references person, day text); \
     create table card (id text primary key, person_id text not null unique references person, no text); \
     create table item (id text primary key, card_id text not null references card, what text); \
     create table mark (id text primary key, item_id text not null references item); \
     create table stamp (id integer primary key, card_id text references card, item_id text references item);";
const CARD: &str = "select c.id, x.golden_id as person_id, c.no from (values ('c1', '1', 'one'), ('c2', '2', 'two'), \
     ('c3', '3', 'three')) c(id, person, no) join xref.person x on x.source_id = c.person";
const ITEM: &str =
    "select * from (values ('i1', 'c1', 'x'), ('i2', 'c2', 'y'), ('i3', 'c3', 'z')) i(id, card_id, what)";
const MARK: &str = "select * from (values ('m1', 'i1'), ('m2', 'i2')) m(id, item_id)";

async fn people(schema: &str, settings: &str) -> People {
    let people = People::new(schema, settings).await;
    people.tiny.model("card", CARD);
    people.tiny.model("item", ITEM);
    people.tiny.model("mark", MARK);
    people
}

async fn cards(people: &People) -> Vec<String> {
    people.tiny.texts("select concat_ws(' ', id, person_id, no) from card order by id").await
}

async fn items(people: &People) -> Vec<String> {
    people.tiny.texts("select concat_ws(' ', id, card_id, what) from item order by id").await
}

async fn stamps(people: &People) -> Vec<String> {
    people.tiny.texts("select concat_ws(' ', id, card_id, item_id) from stamp order by id").await
}

/// Why rows of a table were rejected.
fn rejects(people: &People, table: &str) -> Vec<String> {
    let sql = format!(
        "select concat_ws(' ', id, e.rule, e.constraint_name, e.detail) from reject.{table} r, unnest(r._errors) t(e) order by 1"
    );
    people.tiny.run.staging().rows(&sql, |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_that_cannot_stay_goes_with_the_person_and_comes_back_with_them() {
    for mode in ["insert", "upsert"] {
        let people = people(SCHEMA, &format!("[load]\nmode = \"{mode}\"\n")).await;
        people.push().await;
        people.tiny.sql("insert into stamp values (1, 'c2', null), (2, 'c1', 'i1')").await;

        people.are(["A", "A", "C"]);
        let report = people.push().await;
        assert_eq!(
            rejects(&people, "card"),
            ["c2 duplicate_key card_person_id_key row c1 of the target stands in its place"],
            "{mode}"
        );
        assert_eq!(rejects(&people, "item"), ["i2 parent_rejected item_card_id_fkey card"]);
        assert_eq!(rejects(&people, "mark"), ["m2 parent_rejected mark_item_id_fkey item"]);
        let wanted =
            [of("person", 0, 1), of("card", 0, 1), of("item", 0, 1), of("mark", 0, 1), of("stamp", 1, 0)];
        let planned: Vec<_> = golden(&report.plan).into_iter().filter(|one| one.0 != "visit").collect();
        assert_eq!(planned, wanted, "{mode}");
        assert_eq!(cards(&people).await, ["c1 A one", "c3 C three"]);
        assert_eq!(items(&people).await, ["i1 c1 x", "i3 c3 z"]);
        assert_eq!(
            stamps(&people).await,
            ["1 c1", "2 c1 i1"],
            "what others wrote goes over to the card that stays"
        );
        let before = people.before().await;
        for image in ["card delete c2 (c2,B,two)", "item delete i2 (i2,c2,y)", "mark delete m2 (m2,i2)"] {
            assert!(before.iter().any(|one| one == image), "{mode}: {before:?}");
        }

        people.are(["A", "B", "C"]);
        people.push().await;
        assert_eq!(people.persons().await, ["A", "B", "C"]);
        assert_eq!(cards(&people).await, ["c1 A one", "c2 B two", "c3 C three"], "{mode}");
        assert_eq!(items(&people).await, ["i1 c1 x", "i2 c2 y", "i3 c3 z"]);
        assert_eq!(rejects(&people, "card"), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_that_stays_may_be_one_that_comes() {
    for mode in ["insert", "upsert"] {
        let people = people(SCHEMA, &format!("[load]\nmode = \"{mode}\"\n")).await;
        people.tiny.model("card", &CARD.replace("('c1', '1', 'one'), ", ""));
        people.tiny.model("item", &ITEM.replace("('i1', 'c1', 'x'), ", ""));
        people.tiny.model("mark", "select 'm2' as id, 'i2' as item_id");
        people.push().await;
        people.tiny.sql("insert into stamp values (1, 'c2', null)").await;
        people.tiny.model("card", CARD);
        people.are(["A", "A", "C"]);
        people.push().await;
        assert_eq!(cards(&people).await, ["c1 A one", "c3 C three"], "{mode}");
        assert_eq!(
            (items(&people).await, stamps(&people).await),
            (vec!["i3 c3 z".to_owned()], vec!["1 c1".to_owned()])
        );
        people.are(["A", "B", "C"]);
        people.push().await;
        assert_eq!(cards(&people).await, ["c1 A one", "c2 B two", "c3 C three"], "{mode}");
        assert_eq!(items(&people).await, ["i2 c2 y", "i3 c3 z"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_as_keys_are_keys_of_their_own_table() {
    let schema = "create table person (id text primary key, name text not null); \
         create table visit (id text primary key, person_id text not null references person, day text); \
         create table card (id integer primary key, person_id text not null unique references person, no text); \
         create table item (id integer primary key, card_id integer not null references card, what text); \
         create table stamp (id integer primary key, item_id integer references item, card_id integer references card);";
    let people = People::new(schema, "").await;
    people.tiny.model("card", &CARD.replace("c.id,", "c.person::integer as id,"));
    people
        .tiny
        .model("item", "select * from (values (1, 1, 'x'), (2, 1, 'y'), (3, 2, 'z')) i(id, card_id, what)");
    people.push().await;
    people.tiny.sql("insert into stamp values (1, 2, 2), (2, 1, null)").await;
    people.are(["A", "A", "C"]);
    people.push().await;
    assert_eq!(cards(&people).await, ["1 A one", "3 C three"]);
    assert_eq!(items(&people).await, ["1 1 x", "2 1 y"]);
    let stamps = "select concat_ws(' ', id, item_id, card_id) from stamp order by id";
    assert_eq!(people.tiny.texts(stamps).await, ["1 2 1", "2 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_joins_the_rows_takes_over_their_children() {
    let card = CARD.replace("select c.id,", "select min(c.id) as id,").replace("c.no", "min(c.no) as no")
        + " group by 2";
    let item = "select i.id, min(c2.id) as card_id, i.what from (values ('i1', '1', 'x'), ('i2', '2', 'y')) i(id, person, what) \
         join xref.person x on x.source_id = i.person join xref.person y on y.golden_id = x.golden_id \
         join (values ('c1', '1'), ('c2', '2'), ('c3', '3')) c2(id, person) on c2.person = y.source_id group by all";
    let item = item.replace("group by all", "group by i.id, i.what");
    for mode in ["insert", "upsert"] {
        let people = people(SCHEMA, &format!("[load]\nmode = \"{mode}\"\n")).await;
        people.tiny.model("card", &card);
        people.tiny.model("item", &item);
        people.push().await;
        assert_eq!(items(&people).await, ["i1 c1 x", "i2 c2 y"]);
        people.are(["A", "A", "C"]);
        people.push().await;
        assert_eq!(cards(&people).await, ["c1 A one", "c3 C three"], "{mode}");
        assert_eq!(items(&people).await, ["i1 c1 x", "i2 c1 y"], "{mode}");
        people.are(["A", "B", "C"]);
        if mode == "upsert" {
            people.push().await;
            assert_eq!(cards(&people).await, ["c1 A one", "c2 B two", "c3 C three"]);
            assert_eq!(items(&people).await, ["i1 c1 x", "i2 c2 y"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_somebody_else_is_not_deleted() {
    let people = people(SCHEMA, "").await;
    people.tiny.model("card", &CARD.replace("('c1', '1', 'one'), ", ""));
    people.tiny.model("item", &ITEM.replace("('i1', 'c1', 'x'), ", ""));
    people.tiny.model("mark", "select 'm2' as id, 'i2' as item_id");
    people.push().await;
    people.tiny.sql("insert into card values ('theirs', 'A', 'own')").await;
    people.are(["A", "A", "C"]);
    let failure = people.refused().await;
    assert!(failure.message.contains("card: 1 (constraint card_person_id_key)"), "{failure:?}");
    assert_eq!(
        rejects(&people, "card"),
        ["c2 duplicate_key card_person_id_key row theirs of the target stands in its place"]
    );
    assert_eq!(cards(&people).await, ["c2 B two", "c3 C three", "theirs A own"]);
    people.tiny.sql("delete from card where id = 'theirs'").await;
    people.push().await;
    assert_eq!(cards(&people).await, ["c2 A two", "c3 C three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_hang_on_a_row_that_goes_with_its_parent_keeps_it() {
    let people = people(SCHEMA, "").await;
    people.push().await;
    people.tiny.sql("insert into stamp values (1, null, 'i2')").await;
    people.are(["A", "A", "C"]);
    let failure = people.refused().await;
    assert!(failure.message.contains("1 of stamp to item (constraint stamp_item_id_fkey)"), "{failure:?}");
    people.tiny.sql("delete from stamp").await;
    people.push().await;
    assert_eq!(items(&people).await, ["i1 c1 x", "i3 c3 z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_comes_back_takes_its_value_from_the_one_that_had_it_meanwhile() {
    for mode in ["upsert", "replace"] {
        let people = people(
            SCHEMA,
            &format!("[tables.person]\nmode = \"upsert\"\n[tables.visit]\nmode = \"{mode}\"\n"),
        )
        .await;
        let person = "select x.golden_id as id, max(c.name) as name, min(x.source_id) as _source_id \
                      from xref.person x join clean.person c using (source_id) group by 1";
        people.tiny.model("person", person);
        people.push().await;
        people.are(["A", "A", "C"]);
        people.push().await;
        let names = "select id || ' ' || name from person order by 1";
        assert_eq!(people.tiny.texts(names).await, ["A Ana R", "C Ana Ruiz"]);
        people.are(["A", "B", "C"]);
        people.push().await;
        assert_eq!(rejects(&people, "person"), Vec::<String>::new());
        assert_eq!(people.tiny.texts(names).await, ["A Ana", "B Ana R", "C Ana Ruiz"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_known_again_when_their_person_comes_back() {
    let schema = "create table person (id text primary key, name text not null); \
         create table visit (id text primary key, person_id text not null references person, day text); \
         create table card (id integer primary key generated by default as identity, \
           person_id text not null unique references person, no text); \
         create table item (id text primary key, card_id integer not null references card, what text); \
         create table stamp (id integer primary key, card_id integer references card);";
    for mode in ["insert", "upsert"] {
        let people =
            People::new(schema, &format!("[load]\nmode = \"{mode}\"\n[tables.card]\nkeys = \"new\"\n")).await;
        people.tiny.model("card", &CARD.replace("c.id,", "-c.person::integer as id, c.id as _source_id,"));
        people
            .tiny
            .model("item", "select * from (values ('i1', -1, 'x'), ('i2', -2, 'y')) i(id, card_id, what)");
        people.push().await;
        people.tiny.sql("insert into stamp select 1, id from card where no = 'two'").await;
        let numbered = cards(&people).await;
        people.are(["A", "A", "C"]);
        people.push().await;
        let cards_now = "select no from card order by id";
        assert_eq!(people.tiny.texts(cards_now).await, ["one", "three"], "{mode}");
        let of_others = "select c.no from stamp s join card c on c.id = s.card_id";
        assert_eq!(people.tiny.texts(of_others).await, ["one"]);
        let of_items = "select i.id || c.no from item i join card c on c.id = i.card_id order by 1";
        assert_eq!(people.tiny.texts(of_items).await, ["i1one"]);
        people.are(["A", "B", "C"]);
        people.push().await;
        assert_eq!(cards(&people).await, numbered, "{mode}");
        assert_eq!(people.tiny.texts(of_items).await, ["i1one", "i2two"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_rows_are_those_of_the_people_as_they_are_now() {
    let people = people(SCHEMA, "[load]\nmode = \"replace\"\n").await;
    people.push().await;
    people.are(["A", "A", "C"]);
    people.push().await;
    assert_eq!(people.persons().await, ["A", "C"]);
    assert_eq!(cards(&people).await, ["c1 A one", "c3 C three"]);
    assert_eq!(items(&people).await, ["i1 c1 x", "i3 c3 z"]);
    people.are(["A", "B", "C"]);
    people.push().await;
    assert_eq!(people.persons().await, ["A", "B", "C"]);
    assert_eq!(cards(&people).await, ["c1 A one", "c2 B two", "c3 C three"]);
    assert_eq!(items(&people).await, ["i1 c1 x", "i2 c2 y", "i3 c3 z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_added_before_follow_those_that_are_added() {
    let schema = "create table person (id text primary key, name text not null); \
         create table visit (id text primary key, person_id text not null references person, day text);";
    let people = People::new(schema, "[tables.visit]\nmode = \"append\"\n").await;
    people.tiny.push().await;
    let visit =
        "select 'v4' as id, golden_id as person_id, 'w' as day from xref.person where source_id = '2'";
    people.tiny.model("visit", visit);
    people.are(["A", "A", "C"]);
    let snapshot = people.snapshot().await;
    let report = people.tiny.run.push(&snapshot).await;
    assert_eq!(golden(&report.plan), [of("person", 0, 1), of("visit", 1, 0)]);
    same_counts(&report);
    let visits = "select id || ' ' || person_id from visit order by 1";
    assert_eq!(people.tiny.texts(visits).await, ["v1 A", "v2 A", "v3 C", "v4 A"]);
    people.are(["A", "B", "C"]);
    people.tiny.model("visit", &visit.replace("v4", "v5"));
    people.tiny.run.push(&people.snapshot().await).await;
    // Of those that are not sent again nobody knows whose they were.
    assert_eq!(people.tiny.texts(visits).await, ["v1 A", "v2 A", "v3 C", "v4 A", "v5 B"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_that_was_rehearsed_is_the_one_for_production() {
    let people = people(SCHEMA, "[tables.person]\nmode = \"upsert\"\n").await;
    let person = "select x.golden_id as id, max(c.name) as name, min(x.source_id) as _source_id \
                  from xref.person x join clean.person c using (source_id) group by 1";
    people.tiny.model("person", person);
    people.push().await;
    people.are(["A", "A", "C"]);
    let before = people.snapshot().await;
    // A rehearsal elsewhere recorded what this target is yet to get.
    let recorded = "source_id,golden_id,recorded_at\n1,A,\n2,A,\n3,C,\n";
    people.tiny.run.project.write("clinics/tiny/fixes/person.golden.csv", recorded);
    assert_eq!(people.snapshot().await.id(), before.id());
    people.push().await;
    let names = "select id || ' ' || name from person order by 1";
    assert_eq!(people.tiny.texts(names).await, ["A Ana R", "C Ana Ruiz"]);
}
