//! Rows whose parent vanished at the source, and parents that rows which stay refer to.

use trasvase::push;
use trasvase::snapshot::Snapshot;
use trasvase::verify::{Cause, Report};

use crate::tiny::Tiny;

/// A visit belongs to a person, and a person to a town.
const SCHEMA: &str = "create table town (id text primary key); \
     create table person (id text primary key, town_id text references town, name text); \
     create table visit (id text primary key, person_id text references person, what text);";
const TOWNS: &str = "select concat_ws(' ', id) from town order by id";
const PEOPLE: &str = "select concat_ws(' ', id, coalesce(town_id, '-'), name) from person order by id";
const VISITS: &str = "select concat_ws(' ', id, coalesce(person_id, '-'), what) from visit order by id";

fn towns(values: &str) -> String {
    format!("select *, id as _source_id from (values {values}) t(id)")
}

fn people(values: &str) -> String {
    format!("select *, id as _source_id from (values {values}) t(id, town_id, name)")
}

fn visits(values: &str) -> String {
    format!("select *, id as _source_id from (values {values}) t(id, person_id, what)")
}

/// Two persons in two towns, each with a visit.
async fn pushed(settings: &str) -> Tiny {
    let settings = format!("[load]\nmode = \"upsert\"\nvanished = \"delete\"\n{settings}");
    let tiny = Tiny::new(
        SCHEMA,
        &[
            ("town", &towns("('x'), ('y')")),
            ("person", &people("('a', 'x', 'Ana'), ('b', 'y', 'Bea')")),
            ("visit", &visits("('1', 'a', 'one'), ('2', 'b', 'two')")),
        ],
        &settings,
    )
    .await;
    tiny.push().await;
    tiny
}

/// All that the target holds.
async fn rows(tiny: &Tiny) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for sql in [TOWNS, PEOPLE, VISITS] {
        rows.push(tiny.texts(sql).await);
    }
    rows
}

/// Checks and pushes; verify takes what the push left, again there is nothing to do, and taken back all is as before. Then it is
/// pushed once more.
async fn settled(tiny: &Tiny) -> (Vec<String>, push::Report, Report) {
    let before = rows(tiny).await;
    let (rules, snapshot) = checked(tiny).await;
    let pushed = tiny.run.push(&snapshot).await;
    let after = rows(tiny).await;
    let again = tiny.run.push(&snapshot).await;
    assert_eq!(again.batch, None, "again writes nothing: {:#?}", again.plan);
    let verified = tiny.run.verify(&snapshot).await;
    assert!(verified.is_clean(), "{verified:#?}");
    // The same is said of the target as it is now.
    let (_, same) = checked(tiny).await;
    assert_eq!(tiny.run.push(&same).await.batch, None, "a whole run again writes nothing");
    if pushed.batch.is_some() {
        tiny.run.rollback("last").await;
        assert_eq!(rows(tiny).await, before, "taken back");
        tiny.run.push(&snapshot).await;
        assert_eq!(rows(tiny).await, after);
    }
    (rules, pushed, verified)
}

/// What the check says of rows that have no parent, and the snapshot.
async fn checked(tiny: &Tiny) -> (Vec<String>, Snapshot) {
    let (check, snapshot) = tiny.export().await;
    let of_rows = check.tables.iter().flat_map(|table| table.rules.iter().map(move |one| (table, one)));
    let mut told: Vec<String> =
        of_rows.map(|(table, one)| format!("{} {} {}", table.table, one.rule, one.rows)).collect();
    told.extend(check.findings.iter().map(|one| format!("{} {} {}", one.subject, one.rule, one.count)));
    (told, snapshot)
}

fn plan<'p>(report: &'p push::Report, table: &str) -> &'p push::TablePlan {
    report.plan.tables.iter().find(|one| one.table.to_string() == table).unwrap()
}

fn holders(plan: &push::TablePlan) -> String {
    let holders = plan.vanished_held_by.iter().map(|(table, rows)| format!("{table} {rows}"));
    format!("{} held by {}", plan.vanished_held, holders.collect::<Vec<_>>().join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_of_a_parent_that_vanished_is_an_orphan() {
    for (orphans, rule, visit) in [
        ("reject", "visit parent_vanished 1", vec!["1 a one"]),
        ("null", "visit orphan_emptied 1", vec!["1 a one", "3 - three"]),
    ] {
        let tiny = pushed(&format!("[tables.visit]\norphans = \"{orphans}\"\n")).await;
        tiny.model("person", &people("('a', 'x', 'Ana')"));
        tiny.model("visit", &visits("('1', 'a', 'one'), ('3', 'b', 'three')"));
        let (rules, report, _) = settled(&tiny).await;
        assert_eq!(rules, [rule]);
        assert_eq!((plan(&report, "person").deletes, plan(&report, "visit").deletes), (1, 1), "{orphans}");
        assert_eq!(tiny.texts(PEOPLE).await, ["a x Ana"], "{orphans}");
        assert_eq!(tiny.texts(VISITS).await, visit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_row_that_was_pushed_keeps_its_parent_until_the_source_mends_it() {
    let tiny = pushed("").await;
    tiny.model("town", &towns("('x')"));
    tiny.model("person", &people("('a', 'x', 'Ana')"));
    // Bea and her town are gone, her visit is not; it has another text.
    tiny.model("visit", &visits("('1', 'a', 'one'), ('2', 'b', 'TWO')"));
    let (rules, report, verified) = settled(&tiny).await;
    assert_eq!(rules, ["visit parent_vanished 1"]);
    assert_eq!(
        ["town", "person"].map(|table| holders(plan(&report, table))),
        ["1 held by person 1", "1 held by visit 1"]
    );
    assert_eq!(
        (report.batch.as_deref(), plan(&report, "person").vanished_keys.as_slice()),
        (None, &["b".to_owned()][..])
    );
    assert_eq!(rows(&tiny).await, [vec!["x", "y"], vec!["a x Ana", "b y Bea"], vec!["1 a one", "2 b two"]]);
    let why = verified.tables.iter().map(|table| match table.counts.as_slice() {
        [one] => (table.table.to_string(), one.cause.unwrap(), one.rows),
        _ => panic!("{table:#?}"),
    });
    let mut why: Vec<_> = why.collect();
    why.sort();
    let expected = [("person", Cause::Held, 1), ("town", Cause::Held, 1), ("visit", Cause::Rejected, 1)];
    assert_eq!(why, expected.map(|(table, cause, rows)| (table.to_owned(), cause, rows)));
    // The visit is Ana's now: Bea goes once it is, and so does her town.
    tiny.model("visit", &visits("('1', 'a', 'one'), ('2', 'a', 'TWO')"));
    let (rules, report, _) = settled(&tiny).await;
    assert!(rules.is_empty(), "{rules:?}");
    assert_eq!(report.written["person"].deleted + report.written["town"].deleted, 2);
    assert_eq!(rows(&tiny).await, [vec!["x"], vec!["a x Ana"], vec!["1 a one", "2 a TWO"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_reference_lets_the_parent_and_its_own_go() {
    let tiny = pushed("[tables.visit]\norphans = \"null\"\n").await;
    tiny.model("town", &towns("('x')"));
    tiny.model("person", &people("('a', 'x', 'Ana')"));
    let (rules, report, _) = settled(&tiny).await;
    assert_eq!(rules, ["visit orphan_emptied 1"]);
    assert_eq!((plan(&report, "person").deletes, plan(&report, "town").deletes), (1, 1));
    assert_eq!(rows(&tiny).await, [vec!["x"], vec!["a x Ana"], vec!["1 a one", "2 - two"]]);
    // A person that stays has the town's place emptied as well.
    let mut tiny = pushed("").await;
    tiny.settings("[load]\nmode = \"upsert\"\nvanished = \"delete\"\n[tables.person]\norphans = \"null\"\n");
    tiny.model("town", &towns("('x')"));
    let (rules, ..) = settled(&tiny).await;
    assert_eq!(rules, ["person orphan_emptied 1"]);
    assert_eq!(rows(&tiny).await, [vec!["x"], vec!["a x Ana", "b - Bea"], vec!["1 a one", "2 b two"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ghost_takes_the_place_of_a_parent_that_vanished() {
    let mut tiny = pushed("").await;
    tiny.settings("[load]\nmode = \"upsert\"\nvanished = \"delete\"\n[tables.visit]\norphans = \"ghost\"\n");
    let ghosts = "-- a person that only visits name\nselect distinct person_id as id, null::varchar as town_id, 'unknown' as name \
                  from target.visit";
    tiny.run.project.write("clinics/tiny/sql/ghosts/person.sql", ghosts);
    tiny.model("town", &towns("('x')"));
    tiny.model("person", &people("('a', 'x', 'Ana')"));
    let (rules, report, _) = settled(&tiny).await;
    assert_eq!(rules, ["person ghost 1"]);
    assert_eq!((plan(&report, "person").deletes, plan(&report, "town").deletes), (0, 1));
    assert_eq!(rows(&tiny).await, [vec!["x"], vec!["a x Ana", "b - unknown"], vec!["1 a one", "2 b two"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_a_parent_and_stays_for_another_reason_keeps_it_a_parent() {
    // Somebody else's row, whatever its key would do to it.
    for (orphans, action) in [("reject", "on delete cascade"), ("null", "on delete set null"), ("reject", "")]
    {
        let other =
            format!("create table note (id text primary key, person_id text references person {action})");
        let mut tiny = pushed(&format!("[tables.visit]\norphans = \"{orphans}\"\n")).await;
        tiny.sql(&format!("{other}; insert into note values ('n', 'b')")).await;
        tiny.run.refresh().await;
        tiny.model("person", &people("('a', 'x', 'Ana')"));
        tiny.model("visit", &visits("('1', 'a', 'one'), ('2', 'b', 'TWO'), ('3', 'b', 'three')"));
        let (rules, report, _) = settled(&tiny).await;
        assert!(rules.is_empty(), "Bea stays, and is a parent: {rules:?}");
        assert_eq!(holders(plan(&report, "person")), "1 held by note 1, visit 2");
        assert_eq!(tiny.texts("select id || person_id from note").await, ["nb"], "{action}");
        assert_eq!(tiny.texts(VISITS).await, ["1 a one", "2 b TWO", "3 b three"]);
        // Nobody else needs her any more.
        tiny.sql("delete from note").await;
        let (rules, ..) = settled(&tiny).await;
        assert_eq!(rules.len(), 1, "{rules:?}");
        let left = if orphans == "null" { 1 } else { 2 };
        assert_eq!(tiny.texts(PEOPLE).await.len(), left, "{orphans}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_mode_insert_stay_as_they_are_and_keep_their_parent() {
    let tiny = pushed("[tables.visit]\nmode = \"insert\"\norphans = \"null\"\n").await;
    tiny.model("person", &people("('a', 'x', 'Ana')"));
    let (rules, report, _) = settled(&tiny).await;
    assert!(rules.is_empty(), "{rules:?}");
    assert_eq!(holders(plan(&report, "person")), "1 held by visit 1");
    assert_eq!(tiny.texts(VISITS).await, ["1 a one", "2 b two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_people_gave_and_that_stand_keep_what_they_refer_to() {
    let tiny = pushed("[tables.visit]\non_conflict = \"keep_target\"\n").await;
    // People moved the visit of Ana to Bea, who vanishes with her own visit.
    tiny.sql("update visit set person_id = 'b' where id = '1'").await;
    tiny.model("person", &people("('a', 'x', 'Ana')"));
    tiny.model("visit", &visits("('1', 'a', 'one')"));
    let (_, report, _) = settled(&tiny).await;
    assert_eq!(holders(plan(&report, "person")), "1 held by visit 1");
    assert_eq!(
        (plan(&report, "visit").deletes, tiny.texts(VISITS).await.remove(0)),
        (1, "1 b one".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_table_hold_each_other_and_go_together() {
    let schema = "create table part (id text primary key, part_id text references part, name text)";
    let parts = |values: &str| format!("select * from (values {values}) t(id, part_id, name)");
    const PARTS: &str = "select concat_ws(' ', id, coalesce(part_id, '-')) from part order by id";
    for (orphans, left) in [("reject", vec!["a -", "b a", "c b"]), ("null", vec!["c -"])] {
        let settings = format!(
            "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n[tables.part]\norphans = \"{orphans}\"\n"
        );
        let all = "('a', null, 'A'), ('b', 'a', 'B'), ('c', 'b', 'C'), ('d', 'e', 'D'), ('e', 'd', 'E')";
        let tiny = Tiny::new(schema, &[("part", &parts(all))], &settings).await;
        tiny.push().await;
        // Two that refer to each other go; of a chain only the last one stays at the source.
        tiny.model("part", &parts("('c', 'b', 'C')"));
        let before = tiny.texts(PARTS).await;
        let (check, snapshot) = tiny.export().await;
        assert_eq!(check.tables[0].rejected, u64::from(orphans == "reject"));
        let report = tiny.run.push(&snapshot).await;
        assert_eq!(tiny.texts(PARTS).await, left, "{orphans}: {:#?}", report.plan.tables);
        assert_eq!(tiny.run.push(&snapshot).await.batch, None);
        let verified = tiny.run.verify(&snapshot).await;
        assert!(verified.is_clean(), "{verified:#?}");
        tiny.run.rollback("last").await;
        assert_eq!(tiny.texts(PARTS).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_refer_to_each_other_across_tables_go_at_once() {
    let schema = "create table team (id text primary key, lead_id text); \
         create table person (id text primary key, team_id text references team); \
         alter table team add foreign key (lead_id) references person;";
    let models = [
        ("team", "select * from (values ('t', 'b'), ('u', null)) t(id, lead_id)"),
        ("person", "select * from (values ('a', 'u'), ('b', 't')) t(id, team_id)"),
    ];
    let settings = "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n";
    let tiny = Tiny::new(schema, &models, settings).await;
    tiny.push().await;
    tiny.model("team", "select 'u' as id, null::varchar as lead_id");
    tiny.model("person", "select 'a' as id, 'u' as team_id");
    let (_, snapshot) = tiny.export().await;
    let before = tiny.run.verify(&snapshot).await;
    assert!(!before.is_clean(), "rows that only hold each other are too many: {before:#?}");
    tiny.push().await;
    assert_eq!(
        tiny.texts("select id from team union all select id from person order by 1").await,
        ["a", "u"]
    );
    tiny.run.rollback("last").await;
    assert_eq!(tiny.texts("select id from team union all select id from person order by 1").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn parents_with_keys_of_several_columns_vanish_too() {
    let schema = "create table room (house text, number int, name text, primary key (house, number)); \
         create table bed (id text primary key, house text, room int, foreign key (house, room) references room);";
    const BEDS: &str = "select concat_ws(' ', id, coalesce(house, '-'), room) from bed order by id";
    for (orphans, rooms, beds) in
        [("reject", 2, vec!["1 h, 1", "2 h, 2"]), ("null", 1, vec!["1 h, 1", "2 -", "3 -"])]
    {
        let settings = format!(
            "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n[tables.bed]\norphans = \"{orphans}\"\n"
        );
        let tiny = Tiny::new(
            schema,
            &[
                ("room", "select * from (values ('h, ', 1, 'a'), ('h, ', 2, 'b')) t(house, number, name)"),
                ("bed", "select * from (values ('1', 'h, ', 1), ('2', 'h, ', 2)) t(id, house, room)"),
            ],
            &settings,
        )
        .await;
        tiny.push().await;
        tiny.model("room", "select 'h, ' as house, 1 as number, 'a' as name");
        tiny.model(
            "bed",
            "select * from (values ('1', 'h, ', 1), ('2', 'h, ', 2), ('3', 'h, ', 2)) t(id, house, room)",
        );
        let report = tiny.push().await;
        assert_eq!(
            tiny.texts(BEDS).await,
            beds.iter().map(|one| one.replace("h, ", "h,  ")).collect::<Vec<_>>()
        );
        assert_eq!(plan(&report, "room").vanished_held, rooms - 1);
        assert_eq!(tiny.texts("select house from room").await.len() as u64, rooms);
        assert_eq!(tiny.push().await.batch, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_value_of_a_row_that_goes_last_is_free() {
    let schema = "create table person (id text primary key, chart text unique); \
         create table visit (id text primary key, person_id text not null references person);";
    let models =
        [("person", "select 'a' as id, '7' as chart"), ("visit", "select '1' as id, 'a' as person_id")];
    let settings = "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n";
    let tiny = Tiny::new(schema, &models, settings).await;
    tiny.push().await;
    // The person has another key at the source, and its visit with it.
    tiny.model("person", "select 'b' as id, '7' as chart");
    tiny.model("visit", "select '1' as id, 'b' as person_id");
    let (check, _) = tiny.export().await;
    assert_eq!(check.tables.iter().map(|table| table.rejected).sum::<u64>(), 0, "{:#?}", check.tables);
    let report = tiny.push().await;
    assert_eq!(report.written["person"].deleted, 1);
    assert_eq!(tiny.texts("select id || chart || (select person_id from visit) from person").await, ["b7b"]);
    tiny.run.rollback("last").await;
    assert_eq!(tiny.texts("select id || chart || (select person_id from visit) from person").await, ["a7a"]);
    // Where somebody else's row holds the old one, it keeps its value: the new row is told as the second one to have it.
    tiny.sql("create table note (person_id text references person); insert into note values ('a')").await;
    let mut tiny = tiny;
    tiny.run.refresh().await;
    let (check, snapshot) = tiny.export().await;
    let told: Vec<_> = check.tables.iter().flat_map(|one| &one.rules).map(|one| one.rule.as_str()).collect();
    assert_eq!(told, ["duplicate_key", "parent_rejected"]);
    assert_eq!(tiny.run.push(&snapshot).await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn parents_with_new_keys_vanish_too() {
    let schema = "create table person (id integer generated always as identity primary key, name text); \
         create table visit (id bigserial primary key, person_id integer references person, kind text);";
    for (orphans, people, visits) in [("reject", vec!["Ana", "Bea"], 1), ("null", vec!["Ana"], 0)] {
        let settings = format!(
            "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n[tables.person]\nkeys = \"new\"\n\
             [tables.visit]\nkeys = \"new\"\norphans = \"{orphans}\"\n"
        );
        let tiny = Tiny::new(
            schema,
            &[
                (
                    "person",
                    "select -1 as id, 'Ana' as name, 'p1' as _source_id union all select -2, 'Bea', 'p2'",
                ),
                ("visit", "select -1 as id, -2 as person_id, 'first' as kind, 'v1' as _source_id"),
            ],
            &settings,
        )
        .await;
        tiny.push().await;
        // Nobody has the placeholder of Bea.
        tiny.model("person", "select -1 as id, 'Ana' as name, 'p1' as _source_id");
        let report = tiny.push().await;
        assert_eq!(plan(&report, "person").vanished_held, visits, "{orphans}");
        assert_eq!(tiny.texts("select name from person order by 1").await, people, "{orphans}");
        assert_eq!(tiny.push().await.batch, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_may_take_rows_along_that_the_push_deletes_too() {
    let tiny = pushed("").await;
    tiny.sql(
        "create function along() returns trigger language plpgsql as \
         $$ begin delete from visit where person_id = old.id; return old; end $$; \
         create trigger along before delete on person for each row execute function along()",
    )
    .await;
    let mut tiny = tiny;
    tiny.run.refresh().await;
    tiny.model("person", &people("('a', 'x', 'Ana')"));
    tiny.model("visit", &visits("('1', 'a', 'one')"));
    tiny.push().await;
    assert_eq!(tiny.texts(VISITS).await, ["1 a one"]);
    tiny.run.rollback("last").await;
    assert_eq!(tiny.texts(VISITS).await, ["1 a one", "2 b two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_parent_that_vanished_is_a_reason_of_its_own() {
    let schema = "create table person (id text primary key); \
                  create table visit (id text primary key, person_id text references person, by_id text references person);";
    let people = |values: &str| format!("select *, id as _source_id from (values {values}) t(id)");
    let visits =
        |values: &str| format!("select *, id as _source_id from (values {values}) t(id, person_id, by_id)");
    let models = [("person", people("('a'), ('b'), ('c')")), ("visit", visits("('1', 'a', 'a')"))];
    let models: Vec<(&str, &str)> = models.iter().map(|(name, query)| (*name, query.as_str())).collect();
    let tiny = Tiny::new(schema, &models, "[load]\nmode = \"upsert\"\nvanished = \"delete\"\n").await;
    tiny.push().await;
    tiny.model("person", &people("('a')"));
    tiny.model("visit", &visits("('1', 'a', 'a'), ('2', 'b', 'c'), ('3', 'b', 'a')"));
    let (check, _) = tiny.export().await;
    let visit = check.tables.iter().find(|one| one.table.name() == "visit").unwrap();
    let mut rules: Vec<_> =
        visit.rules.iter().map(|one| (one.rule.as_str(), one.column.as_deref(), one.rows)).collect();
    rules.sort_unstable();
    assert_eq!(rules, [("parent_vanished", Some("by_id"), 1), ("parent_vanished", Some("person_id"), 2)]);
    assert_eq!((visit.rejected, visit.ready), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_reference_that_was_accepted_stays_so_once_its_parent_is_gone() {
    let tiny = pushed("[tables.visit]\norphans = \"null\"\n").await;
    tiny.model("person", &people("('a', 'x', 'Ana')"));
    tiny.model("visit", &visits("('1', 'a', 'one'), ('2', 'b', 'two'), ('3', 'lost', 'three')"));
    let (first, snapshot) = tiny.export().await;
    let [found] = first.findings.as_slice() else { panic!("{:#?}", first.findings) };
    assert_eq!((found.count, first.accepted.len()), (2, 0));
    let accepted = format!(
        "id,rule,subject,count,status,reason,who,when\n{},{},visit.person_id,2,accepted,nobody has them,Eva,2026-01-01T00:00:00Z\n",
        found.id(),
        found.rule
    );
    tiny.run.project.write("clinics/tiny/fixes/issues.csv", &accepted);
    tiny.run.push(&snapshot).await;
    assert_eq!(tiny.texts(PEOPLE).await, ["a x Ana"]);
    let (second, _) = tiny.export().await;
    let [again] = second.findings.as_slice() else { panic!("{:#?}", second.findings) };
    assert_eq!((again.id(), again.count), (found.id(), 2));
    assert!(second.accepted.contains(&found.id()), "{second:#?}");
}
