//! Load modes, cycles, sequences, triggers and rebuilt constraints, on a small system made for each test.

mod golden;
mod one_to_one;
mod origins;
mod plan;
mod triggers;

use trasvase::error::Failure;

use crate::tiny::Tiny;

/// Rows of a table as one text each, in key order.
const PEOPLE: &str = "select id || ' ' || name from person order by id";
const PERSON: &str = "create table person (id text primary key, name text not null);";

#[tokio::test(flavor = "multi_thread")]
async fn insert_keeps_a_row_that_is_there_and_upsert_changes_it_with_a_before_image() {
    let mut tiny = Tiny::new(
        PERSON,
        &[("person", "select 'a' as id, 'new' as name union all select 'b', 'second'")],
        "",
    )
    .await;
    tiny.sql("insert into person values ('a', 'old')").await;
    let report = tiny.run.push(&tiny.export().await.1).await;
    assert_eq!((report.plan.tables[0].inserts, report.plan.tables[0].kept), (1, 1));
    assert_eq!(tiny.texts(PEOPLE).await, ["a old", "b second"]);

    tiny.settings("[load]\nmode = \"upsert\"\n");
    let report = tiny.push().await;
    assert_eq!(report.plan.tables[0].updates_by_column.get("name"), Some(&1));
    assert_eq!((report.plan.tables[0].updates, report.plan.tables[0].unchanged), (1, 1));
    assert_eq!(tiny.texts(PEOPLE).await, ["a new", "b second"]);
    assert_eq!(tiny.texts("select before from trasvase.change").await, ["(a,old)"]);
    assert_eq!(tiny.push().await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_makes_the_children_of_the_snapshots_parents_equal_and_leaves_others() {
    let schema = "create table person (id text primary key, name text not null); \
                  create table phone (id text primary key, person_id text not null references person, number text);";
    let models = [
        ("person", "select 'a' as id, 'Ana' as name"),
        ("phone", "select '1' as id, 'a' as person_id, 'one' as number union all select '2', 'a', 'two'"),
    ];
    let tiny = Tiny::new(schema, &models, "[tables.phone]\nmode = \"sync\"\n").await;
    tiny.sql("insert into person values ('z', 'Zoe'); insert into phone values ('8', 'z', 'eight')").await;
    tiny.push().await;
    tiny.model(
        "phone",
        "select '2' as id, 'a' as person_id, 'TWO' as number union all select '3', 'a', 'three'",
    );
    let report = tiny.push().await;
    let written = report.written["phone"];
    assert_eq!((written.inserted, written.updated, written.deleted), (1, 1, 1));
    assert_eq!(tiny.texts("select id || number from phone order by id").await, ["2TWO", "3three", "8eight"]);
    assert_eq!(tiny.texts("select action from trasvase.change order by key").await, ["delete", "update"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_takes_the_clinics_rows_only() {
    let schema = "create table person (id text primary key, clinic_id text not null, name text not null);";
    let model = "select 'a' as id, 'mine' as clinic_id, 'Ana' as name";
    let settings = "[load]\nmode = \"replace\"\n[tenant]\ncolumn = \"clinic_id\"\nvalue = \"mine\"\n";
    let tiny = Tiny::new(schema, &[("person", model)], settings).await;
    tiny.sql("insert into person values ('x', 'mine', 'gone'), ('y', 'other', 'stays')").await;
    let report = tiny.push().await;
    assert_eq!((report.written["person"].deleted, report.written["person"].inserted), (1, 1));
    assert_eq!(tiny.texts(PEOPLE).await, ["a Ana", "y stays"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_row_in_place_of_ours_is_seen_though_the_table_has_as_many() {
    let schema = "create table person (id text primary key, clinic_id text not null, name text not null);";
    let models = [(
        "person",
        "select 'a' as id, 'mine' as clinic_id, 'Ana' as name union all select 'b', 'mine', 'Bea'",
    )];
    let settings = "[tenant]\ncolumn = \"clinic_id\"\nvalue = \"mine\"\n";
    let tiny = Tiny::new(schema, &models, settings).await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let verified = tiny.run.verify(&snapshot).await;
    assert!(verified.is_clean() && verified.tables[0].foreign == Some(0), "{verified:?}");
    tiny.sql("delete from person where id = 'b'; insert into person values ('c', 'mine', 'Cid')").await;
    let table = &tiny.run.verify(&snapshot).await.tables[0];
    assert_eq!((table.target, table.difference, table.foreign), (1, -1, Some(1)));
    let keys: Vec<&str> = table.differences.iter().map(|difference| difference.key.as_str()).collect();
    assert_eq!(keys, ["b"]);
    tiny.sql("insert into person values ('b', 'mine', 'Bea')").await;
    let table = &tiny.run.verify(&snapshot).await.tables[0];
    assert_eq!((table.target, table.foreign, table.equal), (2, Some(1), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_and_self_references_are_loaded() {
    let schema = "create table team (id text primary key, lead_id text); \
                  create table person (id text primary key, team_id text not null references team, boss_id text references person); \
                  alter table team add foreign key (lead_id) references person;";
    let models = [
        ("team", "select 't' as id, 'b' as lead_id"),
        ("person", "select 'a' as id, 't' as team_id, 'b' as boss_id union all select 'b', 't', null"),
    ];
    let tiny = Tiny::new(schema, &models, "").await;
    let report = tiny.push().await;
    assert_eq!(report.plan.tables.iter().map(|table| table.rejected).sum::<u64>(), 0);
    assert_eq!(tiny.texts("select id || coalesce(lead_id, '-') from team").await, ["tb"]);
    assert_eq!(tiny.texts("select id || coalesce(boss_id, '-') from person order by 1").await, ["ab", "b-"]);
    assert_eq!(tiny.push().await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_there_may_come_to_name_rows_that_the_same_push_inserts() {
    let schema = "create table team (id text primary key, lead_id text); \
                  create table person (id text primary key, team_id text not null references team, boss_id text references person); \
                  create table tree (id text primary key, above text references tree); \
                  alter table team add foreign key (lead_id) references person;";
    let models = [
        ("team", "select 't' as id, 'a' as lead_id"),
        ("person", "select 'a' as id, 't' as team_id, null::varchar as boss_id"),
        ("tree", "select 'a' as id, null::varchar as above"),
    ];
    let tiny = Tiny::new(schema, &models, "[load]\nmode = \"upsert\"\n").await;
    tiny.push().await;
    tiny.model("team", "select 't' as id, 'b' as lead_id");
    tiny.model("person", "select 'a' as id, 't' as team_id, 'b' as boss_id union all select 'b', 't', null");
    tiny.model("tree", "select 'a' as id, 'b' as above union all select 'b', null");
    let report = tiny.push().await;
    let updated: u64 = report.written.values().map(|written| written.updated).sum();
    assert_eq!(updated, 3);
    assert_eq!(tiny.texts("select id || lead_id from team").await, ["tb"]);
    assert_eq!(tiny.texts("select id || coalesce(boss_id, '-') from person order by 1").await, ["ab", "b-"]);
    assert_eq!(tiny.texts("select id || coalesce(above, '-') from tree order by 1").await, ["ab", "b-"]);
    assert_eq!(tiny.push().await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn preserved_integer_keys_move_their_sequence_past_them() {
    let schema = "create table visit (id integer generated always as identity primary key, note text);";
    let tiny =
        Tiny::new(schema, &[("visit", "select 7 as id, 'x' as note union all select 41, 'y'")], "").await;
    tiny.push().await;
    tiny.sql("insert into visit (note) values ('after')").await;
    assert_eq!(tiny.texts("select id::text from visit order by visit.id").await, ["7", "41", "42"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_a_column_that_cannot_be_compared_gets_no_row_though_nobody_writes_the_column() {
    let schema = "create table thing (id text primary key, name text, sheet xml default '<a/>');";
    let tiny = Tiny::new(schema, &[("thing", "select 'a' as id, 'one' as name")], "").await;
    let (_, snapshot) = tiny.export().await;
    let failure = Failure::from_anyhow(&tiny.run.try_push(&snapshot).await.unwrap_err());
    assert_eq!(failure.kind.exit_code(), 4, "{failure:?}");
    assert!(failure.message.contains("column sheet of thing cannot be compared"), "{failure:?}");
    assert_eq!(tiny.texts("select count(*)::text from thing").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_goes_on_in_its_steps_and_its_direction() {
    let schema = "create table down (id integer generated by default as identity (increment by -1) primary key, note text); \
                  create table fives (id integer generated by default as identity (start 3 increment by 5) primary key, note text);";
    let numbers = |numbers: &str| format!("select id, 'x' as note from (values {numbers}) t(id)");
    let models = [("down", &numbers("(-1), (-7)")[..]), ("fives", &numbers("(3), (8), (11)")[..])];
    let tiny = Tiny::new(schema, &models, "").await;
    tiny.push().await;
    tiny.sql("insert into down (note) values ('after'); insert into fives (note) values ('after')").await;
    let after = "select string_agg(id::text, ' ' order by id) from (select id from down union all select id from fives) ids";
    assert_eq!(tiny.texts(after).await, ["-8 -7 -1 3 8 11 13"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_into_rows_without_a_ledger_deletes_none_of_them() {
    let models = [("person", "select 'a' as id, 'new' as name")];
    let tiny = Tiny::new(PERSON, &models, "[load]\nmode = \"replace\"\n").await;
    tiny.sql("insert into person values ('z', 'there')").await;
    let report = tiny.push().await;
    assert_eq!((report.plan.tables[0].inserts, report.plan.tables[0].deletes), (1, 0));
    assert_eq!(tiny.texts(PEOPLE).await, ["a new", "z there"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_the_role_may_not_use_is_told_before_anything_is_written() {
    let schema = "create table visit (id serial primary key, note text)";
    for (settings, id, wanted) in
        [("", 7, "only its owner may"), ("[tables.visit]\nkeys = \"new\"\n", -1, "grant usage on sequence")]
    {
        let model = format!("select {id} as id, 'x' as note, 1 as _source_id");
        let tiny = Tiny::new(schema, &[("visit", &model)], settings).await;
        let (_, snapshot) = tiny.export().await;
        assert_eq!(tiny.run.dry_run(&snapshot).await.tables[0].new_keys, id < 0);
        let grants = "do $$ declare clerk text := 'clerk_' || current_database(); begin \
                      execute format('create role %I', clerk); \
                      execute format('grant create on database %I to %I', current_database(), clerk); \
                      execute format('grant select, insert on visit to %I', clerk); \
                      execute format('set role %I', clerk); end $$";
        tiny.sql(grants).await;
        let failure = Failure::from_anyhow(&tiny.run.try_push(&snapshot).await.unwrap_err());
        assert!(failure.hints.iter().any(|hint| hint.contains(wanted)), "{failure:?}");
        tiny.sql("reset role").await;
        assert_eq!(tiny.texts("select to_regclass('trasvase.batch')::text is null || ''").await, ["true"]);
        let dropped = "do $$ declare clerk text := 'clerk_' || current_database(); begin \
                       execute format('drop owned by %I', clerk); execute format('drop role %I', clerk); end $$";
        tiny.sql(dropped).await;
        tiny.push().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_types_whose_cast_to_text_is_not_their_output_are_matched() {
    for (data_type, values) in [
        ("boolean", "(true), (false)"),
        ("char(4)", "('ab'), ('c')"),
        ("inet", "('10.0.0.1'), ('10.0.0.0/8')"),
        ("cidr", "('10.0.0.0/8'), ('10.0.0.1/32')"),
        ("\"char\"", "('a'), ('b')"),
        ("timestamptz", "(timestamptz '2024-05-01 10:00:00+02'), (timestamptz '2024-05-01')"),
    ] {
        let schema = format!("create table thing (id {data_type} primary key, name text)");
        let models = [("thing", &*format!("select id, 'x' as name from (values {values}) as t(id)"))];
        let tiny = Tiny::new(&schema, &models, "").await;
        assert_eq!(tiny.push().await.plan.writes(), 2, "{data_type}");
        assert_eq!(tiny.push().await.plan.writes(), 0, "{data_type}");
        tiny.model("thing", &format!("select id, 'y' as name from (values {values}) as t(id)"));
        let (_, snapshot) = tiny.export().await;
        assert_eq!(tiny.run.verify(&snapshot).await.tables[0].differences.len(), 2, "{data_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_triggers_stay_silent_and_are_enabled_again() {
    let schema = "create table person (id text primary key, name text not null); \
                  create function shout() returns trigger language plpgsql as $$ begin new.name := upper(new.name); return new; end $$; \
                  create trigger shout before insert on person for each row execute function shout();";
    let models = [("person", "select 'a' as id, 'ana' as name")];
    let tiny = Tiny::new(schema, &models, "[tables.person]\ntriggers = \"disable\"\n").await;
    let report = tiny.push().await;
    assert!(report.plan.tables[0].triggers_disabled);
    tiny.sql("insert into person values ('b', 'bea')").await;
    assert_eq!(tiny.texts(PEOPLE).await, ["a ana", "b BEA"]);
    // Each in the way in which it was enabled.
    tiny.sql(
        "create trigger always before insert on person for each row execute function shout(); \
         create trigger replica before insert on person for each row execute function shout(); \
         alter table person enable always trigger always, enable replica trigger replica, disable trigger shout; \
         delete from person",
    )
    .await;
    let mut tiny = tiny;
    tiny.run.refresh().await;
    tiny.run.rollback("last").await;
    tiny.push().await;
    let modes = "select tgname || ' ' || tgenabled::text from pg_trigger where not tgisinternal order by 1";
    assert_eq!(tiny.texts(modes).await, ["always A", "replica R", "shout D"]);

    let firing = Tiny::new(schema, &models, "").await;
    let (_, snapshot) = firing.export().await;
    let plan = firing.run.push(&snapshot).await.plan;
    assert_eq!(plan.tables[0].triggers, [("shout".to_owned(), "public.shout".to_owned())]);
    let verify = firing.run.verify(&snapshot).await;
    assert_eq!(verify.tables[0].differences[0].columns[0].column, "name");
}

/// Keys of the ledger's rows whose `sent`, and whose `stored`, is the digest of the row as it is now.
const DIGESTS: &str = "select d.key || ' ' || (d.sent = now.digest) || ' ' || (coalesce(d.stored, d.sent) = now.digest) \
     from trasvase.row_digest d join trasvase.name on name.code = d.target_table and name.name = 'person' \
     left join (select id::text as key, sha256(record_send(row(id, name))) as digest from person) now using (key) order by 1";

/// What the ledger says of rows whose ids and sources' ids [`a_first_load_is_noted_in_pages_that_read_like_rows`] makes.
const NOTED: &str = "select count(*) || ' ' || count(distinct d.key) || ' ' || bool_and(d.sent = now.digest) || ' ' \
     || bool_and(length(d.columns) = 16 and d.stored is null and d.stored_columns is null) || ' ' \
     || bool_and(e.source_id = case when now.n % 3 = 0 then 'old ' || now.n else d.key end) || ' ' || count(e.type) \
     from (select id, n, sha256(record_send(row(id, n))) as digest from person) now \
     left join trasvase.row_digest d on d.key = now.id left join trasvase.external_id e on e.target_key = d.key";

#[tokio::test(flavor = "multi_thread")]
async fn a_first_load_is_noted_in_pages_that_read_like_rows() {
    // Every hundredth key is as long as an index takes: three of those fill a page.
    let model = "select case when n % 100 = 0 then n || repeat('ñ', 1100) else 'person ' || n end as id, n::int as n, \
                 case when n % 3 = 0 then 'old ' || n else id end as _source_id from range(1, 2001) t(n)";
    let person = "create table person (id text primary key, n int not null)";
    for alone in [false, true] {
        let tiny = Tiny::new(person, &[("person", model)], "[load]\nmode = \"upsert\"\n").await;
        let (_, snapshot) = tiny.export().await;
        match alone {
            true => tiny.run.push_from_elsewhere(&snapshot).await.unwrap(),
            false => tiny.run.push(&snapshot).await,
        };
        assert_eq!(tiny.texts(NOTED).await, ["2000 2000 true true true 2000"]);
        let pages = "select (count(*) between 20 and 60) || ' ' || max(cardinality(keys)) from trasvase.page";
        assert_eq!(tiny.texts(pages).await, ["true 116"]);
        let beside = "select pg_relation_size(reltoastrelid)::text from pg_class where oid = 'trasvase.page_1'::regclass";
        assert_eq!(tiny.texts(beside).await, ["0"], "every page is in its place");
        let single = "select count(*)::text from trasvase.row_digest_single union all select count(*)::text from trasvase.external_id_single";
        assert_eq!(tiny.texts(single).await, ["0", "0"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_read_the_ledgers_tables_can_read_its_views() {
    let tiny = Tiny::new(PERSON, &[("person", "select 'a' as id, 'Ana' as name")], "").await;
    tiny.push().await;
    let reader = format!("reader_{}", std::process::id());
    let page = include_str!("../../sql/ledger/V013__page.sql");
    tiny.sql(&format!(
        "begin; create role {reader}; drop view trasvase.verdict, trasvase.external_id, trasvase.row_digest; drop table trasvase.page; \
         alter table trasvase.external_id_single rename to external_id; alter table trasvase.row_digest_single rename to row_digest; \
         grant select on trasvase.external_id to {reader}; grant select, insert on trasvase.row_digest to {reader}, public; {page}"
    ))
    .await;
    let may = |what: &str| {
        ["external_id", "row_digest"]
            .map(|view| format!("has_table_privilege('{reader}', 'trasvase.{view}', '{what}')"))
            .join(" || ' ' || ")
    };
    assert_eq!(tiny.texts(&format!("select {}", may("select"))).await, ["true true"]);
    assert_eq!(tiny.texts(&format!("select {}", may("insert"))).await, ["false false"]);
    tiny.sql("rollback").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trigger_stores_is_told_from_what_was_sent() {
    let models = [("person", "select * from (values (1, 'ana'), (2, 'BO')) as t(id, name)")];
    let plain = "create table person (id int primary key, name text not null)";
    let tiny = Tiny::new(plain, &models, "").await;
    tiny.push().await;
    assert_eq!(tiny.texts(DIGESTS).await, ["1 true true", "2 true true"]);
    let apart = "select count(stored)::text from trasvase.row_digest";
    assert_eq!(tiny.texts(apart).await, ["0"], "what is stored as it was sent is not noted twice");

    for shout in [
        "create trigger shout before insert on person for each row execute function shout()",
        "create trigger late after insert on visit for each row execute function late()",
    ] {
        let schema = format!(
            "{plain}; create table visit (id int primary key); \
             create function shout() returns trigger language plpgsql as $$ begin new.name := upper(new.name); return new; end $$; \
             create function late() returns trigger language plpgsql as $$ begin update person set name = upper(name); return new; end $$; {shout}"
        );
        let models = [models[0], ("visit", "select 7 as id")];
        let tiny = Tiny::new(&schema, &models, "").await;
        let (_, snapshot) = tiny.export().await;
        tiny.run.push(&snapshot).await;
        assert_eq!(tiny.texts(DIGESTS).await, ["1 false true", "2 true true"], "{shout}");
        let verified = tiny.run.verify(&snapshot).await;
        let person = verified.tables.iter().find(|table| table.table.to_string() == "person").unwrap();
        let differing: Vec<&str> =
            person.differences.iter().map(|difference| difference.key.as_str()).collect();
        assert_eq!(differing, ["1"], "verify compares with what was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_trigger_does_not_let_in_is_none_of_ours() {
    let schema = "create table person (id int primary key, name text not null); \
                  create function keep_out() returns trigger language plpgsql as $$ begin \
                  if new.id = 2 then return null; end if; return new; end $$; \
                  create trigger keep_out before insert on person for each row execute function keep_out();";
    let models = [(
        "person",
        "select id, name, 's' || id as _source_id from (values (1, 'ana'), (2, 'BO')) as t(id, name)",
    )];
    let tiny = Tiny::new(schema, &models, "").await;
    let (_, snapshot) = tiny.export().await;
    let refused = format!("{:#}", tiny.run.try_push(&snapshot).await.unwrap_err());
    assert!(refused.contains("person") && refused.contains('2') && refused.contains('1'), "{refused}");
    assert_eq!(tiny.texts("select name from person").await, Vec::<String>::new(), "all or nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn constraints_are_rebuilt_as_they_were_and_kept_where_a_live_table_is_at_the_other_end() {
    let schema = "create table person (id text primary key, email text); \
                  create unique index person_email on person (lower(email)) where email is not null; \
                  create table visit (id text primary key, person_id text not null references person on delete cascade, \
                    kind text check (kind in ('a', 'b'))); \
                  create index visit_person on visit (person_id); \
                  create table live (id text primary key, person_id text references person);";
    let models = [
        ("person", "select 'p' || i as id, 'p' || i || '@x.es' as email from range(6000) r(i)"),
        ("visit", "select 'v' || i as id, 'p' || i as person_id, 'a' as kind from range(6000) r(i)"),
    ];
    let definitions = "select pg_get_constraintdef(oid) || conname from pg_constraint where connamespace = 'public'::regnamespace \
                       union all select indexdef from pg_indexes where schemaname = 'public' order by 1";
    let tiny = Tiny::new(schema, &models, "").await;
    let before = tiny.texts(definitions).await;
    let report = tiny.push().await;
    assert!(report.plan.rebuild.drop.iter().any(|statement| statement.name == "person_pkey"));
    assert_eq!(tiny.texts(definitions).await, before);

    let kept = Tiny::new(schema, &models, "").await;
    kept.sql("insert into live values ('x', null)").await;
    let report = kept.push().await;
    let dropped: Vec<&str> =
        report.plan.rebuild.drop.iter().map(|statement| statement.name.as_str()).collect();
    assert!(!dropped.contains(&"person_pkey") && dropped.contains(&"visit_person"), "{dropped:?}");
    assert_eq!(kept.texts(definitions).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_moved_is_refused() {
    let tiny = Tiny::new(PERSON, &[("person", "select 'a' as id, 'Ana' as name")], "").await;
    let (_, snapshot) = tiny.export().await;
    let plan = tiny.run.dry_run(&snapshot).await;
    assert_eq!(tiny.texts("select count(*)::text from person").await, ["0"]);
    tiny.sql("insert into person values ('a', 'other')").await;
    let error = tiny.run.push_plan(&snapshot, &plan.id).await.unwrap_err();
    assert!(format!("{error:#}").contains(&plan.id));
    let plan = tiny.run.dry_run(&snapshot).await;
    tiny.run.push_plan(&snapshot, &plan.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_rejected_emptied_or_given_a_ghost_for_a_parent() {
    let schema = "create table person (id text primary key, name text not null); \
                  create table visit (id text primary key, person_id text references person);";
    let models = [
        ("person", "select 'a' as id, 'Ana' as name"),
        (
            "visit",
            "select '1' as id, 'a' as person_id union all select '2', 'lost' union all select '3', null",
        ),
    ];
    let mut tiny = Tiny::new(schema, &models, "[limits]\nvisit = \"1\"\n").await;
    let (check, _) = tiny.export().await;
    let visit = check.tables.iter().find(|table| table.table.name() == "visit").unwrap();
    assert_eq!((visit.rejected, visit.rules[0].rule.as_str()), (1, "orphan"));

    tiny.settings("[tables.visit]\norphans = \"null\"\n");
    let (check, _) = tiny.export().await;
    assert!(check.tables.iter().all(|table| table.rejected == 0));
    assert_eq!((check.findings[0].rule.as_str(), check.findings[0].count), ("orphan_emptied", 1));

    tiny.settings("[tables.visit]\norphans = \"ghost\"\n");
    let ghosts = "-- a person that only visits name\nselect distinct person_id as id, 'unknown' as name from target.visit";
    tiny.run.project.write("clinics/tiny/sql/ghosts/person.sql", ghosts);
    tiny.push().await;
    assert_eq!(tiny.texts(PEOPLE).await, ["a Ana", "lost unknown"]);
    assert_eq!(tiny.push().await.batch, None);
    // What a ghost calls otherwise than its model does is told by check: it would be lost, or be nobody's.
    for (columns, message, hint) in [
        (
            "'unknown' as nombre",
            "ghosts/person.sql gives the column nombre, which target.person",
            "it has id, name",
        ),
        (
            "'unknown' as name, [7::bigint] as _ids",
            "come from in _ids, those of target.person in -",
            "list_min(_ids)",
        ),
    ] {
        let query = format!(
            "-- a person that only visits name\nselect distinct person_id as id, {columns} from target.visit"
        );
        tiny.run.project.write("clinics/tiny/sql/ghosts/person.sql", &query);
        let failure = Failure::from_anyhow(&tiny.run.try_check(&tiny.run.staging()).await.unwrap_err());
        assert!(failure.message.contains(message), "{failure:?}");
        assert!(failure.hints[0].contains(hint), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_arrive_as_they_are_with_every_digit_and_their_own_null() {
    let schema = "create table thing (id text primary key, body jsonb, plain json);";
    let digits = "{\"a\": 2.50, \"b\": 0.1234567890123456789012345, \"c\": 12345678901234567890.5}";
    let model = format!(
        "select 'a' as id, 'null'::json as body, '{digits}'::json as plain union all select 'b', '\"null\"', ' [1.0,\"x\\u00f1\"] ' \
         union all select 'c', null, 'null' union all select 'd', '{digits}', null"
    );
    let tiny = Tiny::new(schema, &[("thing", &model)], "").await;
    let (check, _) = tiny.export().await;
    assert!(check.findings.is_empty(), "{:?}", check.findings);
    tiny.push().await;
    assert_eq!(
        tiny.texts("select concat_ws(' ', id, coalesce(body::text, '-'), coalesce(plain::text, '-')) from thing order by 1").await,
        [
            format!("a null {digits}"),
            "b \"null\"  [1.0,\"x\\u00f1\"] ".to_owned(),
            "c - null".to_owned(),
            format!("d {digits} -"),
        ]
    );
}
