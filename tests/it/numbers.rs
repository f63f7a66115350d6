//! New integer keys: placeholders in the snapshot, numbers of the target's sequences in PostgreSQL.

use crate::tiny::Tiny;

const SCHEMA: &str = "create table person (id integer generated always as identity primary key, name text not null, \
       code text unique, boss_id integer references person); \
     create table visit (id bigserial primary key, person_id integer not null references person, kind text, \
       unique (person_id, kind), check (id > 0 and person_id > 0)); \
     create table note (visit_id bigint primary key references visit, body text);";
const NEW_KEYS: &str = "[tables.person]\nkeys = \"new\"\n[tables.visit]\nkeys = \"new\"\n";
const PERSON: &str = "select -1 as id, 'Ana' as name, 'c1' as code, -2 as boss_id, 'p1' as _source_id \
     union all select -2, 'Bea', 'c2', null, 'p2'";
const VISIT: &str = "select -1 as id, -2 as person_id, 'first' as kind, 'v1' as _source_id \
     union all select -2, -1, 'second', 'v2'";
const NOTE: &str = "select -2 as visit_id, 'hello' as body";
const MODELS: [(&str, &str); 3] = [("person", PERSON), ("visit", VISIT), ("note", NOTE)];

/// Who has which boss, visits and notes, by name: what must hold whatever the numbers are.
const STORY: &str = "select concat_ws(' ', p.name, b.name, v.kind, n.body) from person p left join person b on b.id = p.boss_id \
     left join visit v on v.person_id = p.id left join note n on n.visit_id = v.id order by 1";
const PERSON_IDS: &str = "select name || ' ' || id from person order by person.id";

#[tokio::test(flavor = "multi_thread")]
async fn placeholders_become_numbers_of_the_sequence_in_keys_and_references() {
    // A reference to a key that is a reference itself, and as part of a key of two columns.
    let schema = format!(
        "{SCHEMA} create table reply (note_id bigint references note, n integer, primary key (note_id, n));"
    );
    let models = [&MODELS[..], &[("reply", "select -2 as note_id, -5 as n union all select -2, 6")]].concat();
    let tiny = Tiny::new(&schema, &models, NEW_KEYS).await;
    let report = tiny.push().await;
    assert!(report.plan.tables.iter().all(|table| table.rejected == 0), "{report:#?}");
    assert_eq!(tiny.texts(PERSON_IDS).await, ["Ana 1", "Bea 2"]);
    assert_eq!(tiny.texts(STORY).await, ["Ana Bea second hello", "Bea first"]);
    assert_eq!(tiny.texts("select note_id || ' ' || n from reply order by n").await, ["2 -5", "2 6"]);
    let known = "select n.name || ' ' || source_id || ' ' || target_key from trasvase.external_id \
                 join trasvase.name n on n.code = target_table order by 1";
    assert_eq!(tiny.texts(known).await, ["person p1 1", "person p2 2", "visit v1 1", "visit v2 2"]);
    tiny.sql("insert into person (name) values ('Zoe')").await;
    assert_eq!(tiny.texts(PERSON_IDS).await, ["Ana 1", "Bea 2", "Zoe 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_there_keep_their_numbers_also_those_the_sequence_does_not_know() {
    let tiny = Tiny::new(SCHEMA, &MODELS, NEW_KEYS).await;
    // Keys below zero of a live system are nobody's placeholders.
    tiny.sql(
        "insert into person (id, name) overriding system value values (-1, 'Eve'), (-2, 'Max'), (2, 'Zoe'), (3, 'Ivo'), (50, 'Kim'); \
         insert into visit (person_id) values (2)",
    )
    .await;
    let plan = tiny.run.dry_run(&tiny.export().await.1).await;
    assert_eq!((plan.tables[0].inserts, plan.tables[0].unchanged + plan.tables[0].kept), (2, 0));
    tiny.push().await;
    assert_eq!(
        tiny.texts(PERSON_IDS).await,
        ["Max -2", "Eve -1", "Ana 1", "Zoe 2", "Ivo 3", "Bea 4", "Kim 50"]
    );
    assert_eq!(tiny.texts(STORY).await[..2], ["Ana Bea second hello", "Bea first"]);
    assert_eq!(
        tiny.texts("select last_value::text from person_id_seq").await,
        ["4"],
        "nobody's sequence moves"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn again_changes_nothing_and_a_changed_value_finds_its_row() {
    let mut tiny = Tiny::new(SCHEMA, &MODELS, &format!("[load]\nmode = \"upsert\"\n{NEW_KEYS}")).await;
    tiny.push().await;
    assert_eq!(tiny.push().await.batch, None);

    // The placeholders are others, since there is a row before the old ones; the source ids are the same.
    let longer = "select -1 as id, 'Abe' as name, 'c0' as code, -3 as boss_id, 'p0' as _source_id \
                  union all select -2, 'Ana', 'c1', -3, 'p1' union all select -3, 'BEA', 'c2', -1, 'p2'";
    let visits =
        VISIT.replace("-2 as person_id", "-3 as person_id").replace("select -2, -1", "select -2, -2");
    tiny.model("person", longer);
    tiny.model("visit", &visits);
    let report = tiny.push().await;
    let person = &report.plan.tables[0];
    assert_eq!((person.rejected, person.inserts, person.updates, person.unchanged), (0, 1, 1, 1));
    assert_eq!(report.written["visit"], trasvase::push::Written::default());
    assert_eq!(tiny.texts(PERSON_IDS).await, ["Ana 1", "BEA 2", "Abe 3"]);
    assert_eq!(tiny.texts(STORY).await, ["Abe BEA", "Ana BEA second hello", "BEA Abe first"]);
    assert_eq!(tiny.push().await.batch, None);

    tiny.settings(NEW_KEYS);
    assert_eq!(tiny.push().await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_compares_unique_keys_by_numbers() {
    let tiny = Tiny::new(SCHEMA, &MODELS, NEW_KEYS).await;
    tiny.sql("insert into person (name, code) values ('Zoe', 'c2')").await;
    let (check, _) = tiny.export().await;
    let rules: Vec<_> =
        check.tables.iter().flat_map(|table| table.rules.iter().map(|rule| rule.rule.as_str())).collect();
    // Bea has Zoe's code, Ana's boss is Bea, both visits and the note are theirs.
    assert_eq!(rules, ["duplicate_key", "parent_rejected", "parent_rejected", "parent_rejected"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_a_reference_that_was_changed_and_asks_both_sides_with_numbers() {
    let tiny = Tiny::new(SCHEMA, &MODELS, NEW_KEYS).await;
    tiny.sql("insert into person (name) values ('Zoe')").await;
    tiny.run.project.write(
        "clinics/tiny/sql/verify/keys.sql",
        "-- every key and reference of a visit\nselect v.id, v.person_id, p.name from visit v join person p on p.id = v.person_id",
    );
    tiny.push().await;
    let (_, snapshot) = tiny.export().await;
    tiny.sql("update visit set person_id = 1 where kind = 'second'").await;
    let report = tiny.run.verify(&snapshot).await;
    let differing: Vec<_> = report
        .tables
        .iter()
        .flat_map(|table| table.differences.iter().map(|row| (table.table.to_string(), row)))
        .map(|(table, row)| (table, row.key.clone(), row.columns[0].column.clone()))
        .collect();
    assert_eq!(differing, [("visit".to_owned(), "2".to_owned(), "person_id".to_owned())]);
    assert_eq!((report.queries[0].rows, report.queries[0].equal), (2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_of_new_keys_are_loaded() {
    let schema = "create table team (id smallint generated by default as identity primary key, lead_id integer); \
                  create table person (id integer generated by default as identity primary key, team_id smallint not null references team); \
                  alter table team add foreign key (lead_id) references person;";
    let models = [
        ("team", "select -7 as id, -5 as lead_id, 't' as _source_id"),
        ("person", "select -4 as id, -7 as team_id, 'a' as _source_id union all select -5, -7, 'b'"),
    ];
    let settings = "[tables.person]\nkeys = \"new\"\n[tables.team]\nkeys = \"new\"\n";
    let tiny = Tiny::new(schema, &models, settings).await;
    tiny.sql("select setval('person_id_seq', 40); select setval('team_id_seq', 20)").await;
    tiny.push().await;
    assert_eq!(tiny.texts("select id || ' ' || lead_id from team").await, ["21 42"]);
    assert_eq!(tiny.texts("select id || ' ' || team_id from person order by 1").await, ["41 21", "42 21"]);
    assert_eq!(tiny.push().await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_are_keys_that_are_no_placeholders_and_rows_that_nobody_could_know_again() {
    let rows = "select -1 as id, 'Ana' as name, 'p1' as _source_id union all select 7, 'Bea', 'p2' \
                union all select -3, 'Cas', null union all select -4, 'Dan', 'p1' union all select null, 'Eva', 'p5'";
    let tiny = Tiny::new(SCHEMA, &[("person", rows)], NEW_KEYS).await;
    let staging = tiny.run.staging();
    tiny.run.transform(&staging);
    tiny.run.check(&staging).await;
    let reasons = staging
        .rows("select name || ' ' || _errors[1].rule from reject.person order by 1", |row| {
            row.get::<_, String>(0)
        })
        .unwrap();
    assert_eq!(
        reasons,
        ["Bea key_not_placeholder", "Cas no_source_id", "Dan same_source_id", "Eva key_not_placeholder"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_is_a_table_without_a_sequence_and_a_placeholder_is_no_key_of_the_target() {
    let schema = "create table person (id integer primary key, name text); \
                  create table visit (id bigserial primary key, person_id integer references person)";
    let models = [("person", "select -1 as id, 'Ana' as name, 'p1' as _source_id")];
    let mut tiny = Tiny::new(schema, &models, NEW_KEYS).await;
    let staging = tiny.run.staging();
    tiny.run.transform(&staging);
    let error = format!("{:#}", tiny.run.try_check(&staging).await.unwrap_err());
    assert!(error.contains("person") && error.contains("sequence"), "{error}");
    drop(staging);

    // Without the setting a key below zero is a key.
    tiny.settings("");
    tiny.push().await;
    assert_eq!(tiny.texts("select name || ' ' || id from person").await, ["Ana -1"]);

    let tiny = Tiny::new(SCHEMA, &[("person", PERSON), ("visit", VISIT)], NEW_KEYS).await;
    tiny.sql("insert into person (id, name) overriding system value values (-9, 'Eve')").await;
    tiny.model("visit", "select -1 as id, -9 as person_id, 'v1' as _source_id");
    let (check, _) = tiny.export().await;
    let visit = check.tables.iter().find(|table| table.table.name() == "visit").unwrap();
    assert_eq!((visit.rejected, visit.rules[0].rule.as_str()), (1, "orphan"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reserves_nothing_and_a_push_that_fails_leaves_a_gap_only() {
    let schema = format!(
        "{SCHEMA} create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$; \
         create trigger refuse before insert on note for each row when (new.body = 'bad') execute function refuse();"
    );
    let models = [MODELS[0], MODELS[1], ("note", "select -2 as visit_id, 'bad' as body")];
    let tiny = Tiny::new(&schema, &models, NEW_KEYS).await;
    let (_, snapshot) = tiny.export().await;
    let last = "select last_value || ' ' || is_called from person_id_seq";
    assert_eq!(tiny.run.dry_run(&snapshot).await.tables[0].inserts, 2);
    assert_eq!(tiny.texts(last).await, ["1 false"]);
    tiny.run.try_push(&snapshot).await.unwrap_err();
    assert_eq!(tiny.texts(PERSON_IDS).await, Vec::<String>::new());
    assert_eq!(tiny.texts(last).await, ["2 true"]);
    tiny.model("note", NOTE);
    tiny.push().await;
    assert_eq!(tiny.texts(PERSON_IDS).await, ["Ana 3", "Bea 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_two_sources_are_told_apart_by_their_source() {
    let model = "select (-row_number() over (order by _id))::integer as id, name, id as _source_id, _id \
                 from (select * from raw.old union all select * from raw.other) both_sources";
    let settings =
        format!("{NEW_KEYS}[sources.old]\nfiles = [\"old.csv\"]\n[sources.other]\nfiles = [\"other.csv\"]\n");
    let mut tiny = Tiny::new(SCHEMA, &[("person", model)], "").await;
    tiny.run.project.write("clinics/tiny/old.csv", "id,name\n1,Ana\n2,Bea\n");
    tiny.run.project.write("clinics/tiny/other.csv", "id,name\n1,Cas\n");
    tiny.settings(&settings);
    tiny.push().await;
    assert_eq!(tiny.texts(PERSON_IDS).await, ["Ana 1", "Bea 2", "Cas 3"]);
    let kinds = "select n.name || ' ' || source_id || ' ' || target_key from trasvase.external_id \
                 join trasvase.name n on n.code = type order by 1";
    assert_eq!(tiny.texts(kinds).await, ["old 1 1", "old 2 2", "other 1 3"]);

    tiny.run.project.write("clinics/tiny/old.csv", "id,name\n0,Abe\n1,Ana\n2,Bea\n");
    tiny.push().await;
    assert_eq!(tiny.texts(PERSON_IDS).await, ["Ana 1", "Bea 2", "Cas 3", "Abe 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pushes_at_once_do_not_give_a_record_two_numbers() {
    let schema = "create table person (id serial primary key, name text)";
    let model = "select -i as id, 'p' || i as name, i as _source_id from range(1, 2001) r(i)";
    let tiny = Tiny::new(schema, &[("person", model)], "[tables.person]\nkeys = \"new\"\n").await;
    tiny.sql("insert into person (name) values ('Zoe')").await;
    let (_, snapshot) = tiny.export().await;
    let _ = tokio::join!(tiny.run.try_push(&snapshot), tiny.run.push_from_elsewhere(&snapshot));
    assert_eq!(tiny.texts("select count(*) || ' ' || count(distinct name) from person").await, ["2001 2001"]);
    assert_eq!(tiny.push().await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_about_new_keys_is_the_same_one_in_every_run() {
    let schema = "create table person (id text primary key, name text); \
                  create table pet (id integer generated by default as identity primary key, person_id text not null references person, name text); \
                  create table tag (pet_id integer not null references pet, tag text, primary key (pet_id, tag));";
    let person = "select * from (values ('a', 'Ana'), ('b', 'Bea')) t(id, name)";
    let pets = |rows: &str| format!("select * from (values {rows}) t(id, person_id, name, _source_id)");
    let tags = |rows: &str| format!("select * from (values {rows}) t(pet_id, tag, _source_id)");
    let (pet, tag) = (pets("(-1, 'a', 'Rex', 'p1'), (-2, 'b', 'Tom', 'p2')"), tags("(-2, 'old', 't1')"));
    let settings = "[load]\nmode = \"upsert\"\non_conflict = \"report\"\n[tables.pet]\nkeys = \"new\"\n";
    let tiny = Tiny::new(schema, &[("person", person), ("pet", &pet), ("tag", &tag)], settings).await;
    tiny.push().await;
    tiny.sql("delete from tag; delete from pet where person_id = 'b'; delete from person where id = 'b'")
        .await;
    // What push and verify say of the pets of Bea, and of what hangs on them.
    let states = async || {
        let (_, snapshot) = tiny.export().await;
        let report = tiny.run.push(&snapshot).await;
        let verified = tiny.run.verify(&snapshot).await;
        let of_push = |place: usize| {
            let [one] = &report.plan.tables[place].undecided[..] else { panic!("one conflict: {report:#?}") };
            (one.rows, one.state.clone())
        };
        let of_verify = |place: usize| {
            let counts = &verified.tables[place].counts;
            let [one] = &counts[..] else { panic!("one conflict: {verified:#?}") };
            (one.rows, one.state.clone().unwrap())
        };
        assert_eq!([of_push(1), of_push(2)], [of_verify(1), of_verify(2)]);
        [of_push(1), of_push(2)]
    };
    tiny.model("pet", &pets("(-1, 'a', 'Rex', 'p1'), (-2, 'b', 'Tom', 'p2'), (-3, 'b', 'Max', 'p3')"));
    tiny.model("tag", &tags("(-2, 'old', 't1'), (-3, 'new', 't2')"));
    let first = states().await;
    assert_eq!((first[0].0, first[1].0), (2, 2));
    // Numbers that somebody else has by then, and other placeholders, change nothing.
    tiny.sql("insert into pet (id, person_id, name) values (3, 'a', 'theirs'), (4, 'a', 'theirs')").await;
    tiny.model(
        "pet",
        &pets(
            "(-1, 'a', 'Leo', 'p0'), (-2, 'a', 'Rex', 'p1'), (-3, 'b', 'Tom', 'p2'), (-4, 'b', 'Max', 'p3')",
        ),
    );
    tiny.model("tag", &tags("(-3, 'old', 't1'), (-4, 'new', 't2')"));
    assert_eq!(states().await, first);
    // What one of them says does.
    tiny.model(
        "pet",
        &pets(
            "(-1, 'a', 'Leo', 'p0'), (-2, 'a', 'Rex', 'p1'), (-3, 'b', 'Tom', 'p2'), (-4, 'b', 'Maxi', 'p3')",
        ),
    );
    let other = states().await;
    assert_ne!(other[0], first[0]);
    assert_eq!(other[1], first[1]);
}
