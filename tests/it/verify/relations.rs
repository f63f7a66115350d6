//! The target's rules, each broken behind its back.

use trasvase::verify::{Relation, Report};

use crate::tiny::Tiny;

const SCHEMA: &str = "\
    create table room (name text primary key); \
    create domain positive as integer constraint above_zero check (value > 0); \
    create table patient (id text primary key, code text not null, chart varchar(9), born date, \
        made timestamptz not null default now()); \
    create unique index patient_code on patient (code); \
    create unique index patient_chart on patient (lower(chart)) where chart <> ''; \
    create table visit (id bigserial primary key, patient_id text not null references patient (id), room text, \
        day date not null, minutes positive, check (minutes < 600));";
const PATIENTS: &str = "select id, 'c' || id as code, 'h' || id as chart, date '1980-01-01' as born \
    from (values ('1'), ('2'), ('3')) as t(id)";
const VISITS: &str = "select n as id, n::varchar as patient_id, 'A' as room, date '2024-01-15' + interval (n) month as day, \
    10 as minutes from (values (1), (2), (3)) as t(n)";
const REFERENCES: &str = "[tables.visit]\nreferences = { room = \"room.name\" }\n";

async fn clinic() -> Tiny {
    let rooms = "select * from (values ('A'), ('B')) as t(name)";
    Tiny::new(SCHEMA, &[("room", rooms), ("patient", PATIENTS), ("visit", VISITS)], REFERENCES).await
}

/// What is broken, warnings included.
fn broken(report: &Report) -> Vec<String> {
    let broken = report.relations.iter().filter(|one| one.rows > 0);
    for one in broken.clone() {
        let of_rows = !matches!(one.kind, Relation::Today | Relation::Sequence | Relation::OthersOrphans);
        assert_eq!(one.keys.len() as u64, if of_rows { one.rows.min(3) } else { 0 }, "{one:?}");
    }
    broken.map(|one| format!("{} {:?} {} {}", one.table, one.kind, one.name, one.rows)).collect()
}

const TODAY: &str = "patient Today made 3";

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_is_asked_and_each_one_broken_is_found() {
    let tiny = clinic().await;
    tiny.push().await;
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.verify(&snapshot).await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(broken(&report), [TODAY], "a warning, since the column's default filled it");
    let asked = |kind| report.relations.iter().filter(|one| one.kind == kind).count();
    let kinds =
        [Relation::ForeignKey, Relation::Declared, Relation::Unique, Relation::Check, Relation::Sequence];
    assert_eq!(kinds.map(asked), [1, 1, 5, 2, 1]);
    let not_null = report.relations.iter().filter(|one| one.kind == Relation::NotNull);
    let not_null: Vec<_> = not_null.map(|one| format!("{}.{}", one.table, one.name)).collect();
    assert_eq!(
        not_null,
        [
            "patient.id",
            "patient.code",
            "patient.made",
            "room.name",
            "visit.id",
            "visit.patient_id",
            "visit.day"
        ]
    );

    // What each statement breaks is told, and nothing else.
    let catalog =
        "update pg_attribute set attnotnull = {} where attrelid = 'patient'::regclass and attname = 'code'";
    let (off, on) = (catalog.replace("{}", "false"), catalog.replace("{}", "true"));
    let breaks: [(String, &[&str]); 9] = [
        (
            "set session_replication_role = replica; update visit set patient_id = '9' where id = 1; \
             set session_replication_role = origin"
                .into(),
            &["visit ForeignKey visit_patient_id_fkey 1"],
        ),
        (
            "set session_replication_role = replica; delete from patient where id = '2'; \
             set session_replication_role = origin"
                .into(),
            &["visit ForeignKey visit_patient_id_fkey 1"],
        ),
        (
            "drop index patient_code; update patient set code = 'c2' where id = '3'; \
             create index patient_code on patient (code); \
             update pg_index set indisunique = true where indexrelid = 'patient_code'::regclass"
                .into(),
            &["patient Unique patient_code 2"],
        ),
        ("update visit set room = 'Z' where id < 3".into(), &["visit Declared room → room.name 2"]),
        (format!("{off}; update patient set code = null where id = '2'; {on}"), &["patient NotNull code 1"]),
        (
            "alter table visit drop constraint visit_minutes_check; update visit set minutes = 700 where id = 3; \
             alter table visit add constraint visit_minutes_check check (minutes < 600) not valid"
                .into(),
            &["visit Check visit_minutes_check 1"],
        ),
        (
            "alter domain positive drop constraint above_zero; update visit set minutes = -1 where id = 3; \
             alter domain positive add constraint above_zero check (value > 0) not valid"
                .into(),
            &["visit Check minutes: positive 1"],
        ),
        (
            "drop index patient_chart; update patient set chart = 'H2' where id = '3'; \
             create index patient_chart on patient (lower(chart)) where chart <> ''; \
             update pg_index set indisunique = true where indexrelid = 'patient_chart'::regclass"
                .into(),
            &["patient Unique patient_chart 2"],
        ),
        ("select setval('visit_id_seq', 1)".into(), &["visit Sequence id 2"]),
    ];
    for (sql, expected) in breaks {
        let tiny = clinic().await;
        tiny.push().await;
        tiny.sql(&sql).await;
        let report = tiny.run.verify(&snapshot).await;
        let today = if sql.contains("delete from patient") { "patient Today made 2" } else { TODAY };
        let expected: Vec<&str> = [today].iter().chain(expected).copied().collect();
        let mut found = broken(&report);
        found.sort_by_key(|one| one != today);
        assert_eq!(found, expected, "{sql}");
        assert!(!report.is_clean(), "{sql}");
    }
}

/// Where both sides are equal, the snapshot's rows answer for the target's; what they break is told as the server would.
#[tokio::test(flavor = "multi_thread")]
async fn rules_that_equal_rows_break_are_found() {
    let today = chrono::Utc::now().date_naive();
    let schema = "create table room (name text primary key); \
        create table visit (id integer primary key, code text, room text, other text, day date);";
    let visits = format!(
        "select n as id, case when n = 1 then null else 'c' || n // 2 end as code, 'A' as room, \
         if(n = 4, 'Z', 'A') as other, if(n = 2, null, date '{today}') as day from range(1, 5) as t(n)"
    );
    let settings = "[tables.visit]\nreferences = { other = \"room.name\" }\n";
    let rooms = "select * from (values ('A'), ('B')) as t(name)";
    let mut tiny = Tiny::new(schema, &[("room", rooms), ("visit", &visits)], settings).await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    tiny.sql(
        "create index visit_code on visit (code); \
         update pg_index set indisunique = true where indexrelid = 'visit_code'::regclass; \
         update pg_attribute set attnotnull = true where attrelid = 'visit'::regclass and attname = 'code'; \
         alter table visit add constraint visit_room foreign key (room) references room not valid; \
         alter table visit add constraint visit_other foreign key (other) references room not valid",
    )
    .await;
    tiny.run.refresh().await;
    let expected = [
        "visit ForeignKey visit_other 1",
        "visit Declared other → room.name 1",
        "visit NotNull code 1",
        "visit Unique visit_code 2",
        "visit Today day 3",
    ];
    let report = tiny.run.verify(&snapshot).await;
    assert!(report.tables.iter().all(|table| table.equal));
    let count = |report: &Report| report.relations.len();
    assert_eq!(broken(&report), expected);
    let named = |name: &str| {
        report.relations.iter().find(|one| one.name == name && one.rows > 0).unwrap().keys.clone()
    };
    assert_eq!(["visit_other", "code", "visit_code"].map(|name| named(name).join(" ")), ["4", "1", "2 3"]);
    // The server, asked because one row of it differs, says the same.
    tiny.sql("insert into room values ('C'); update visit set room = 'C' where id = 3; update room set name = 'D' where name = 'B'")
        .await;
    let asked = tiny.run.verify(&snapshot).await;
    assert!(asked.tables.iter().all(|table| !table.equal));
    assert_eq!((broken(&asked), count(&asked)), (expected.map(str::to_owned).to_vec(), count(&report)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_asked_of_our_rows_and_orphans_of_others_are_a_warning() {
    let tiny = clinic().await;
    tiny.sql(
        "set session_replication_role = replica; \
         insert into visit (id, patient_id, day, room, minutes) select 50 + n, 'old', '2020-01-01', 'Z', 5 \
         from generate_series(1, 40) n; set session_replication_role = origin",
    )
    .await;
    tiny.push().await;
    tiny.sql("select setval('visit_id_seq', 90)").await;
    let (_, snapshot) = tiny.export().await;
    let report = tiny.run.verify(&snapshot).await;
    let orphans = ["visit OthersOrphans visit_patient_id_fkey 40", "visit OthersOrphans room → room.name 40"];
    assert_eq!(broken(&report), [&[TODAY][..], &orphans].concat());
    assert!(report.is_clean(), "others' orphans are theirs");
    tiny.sql("select setval('visit_id_seq', 60)").await;
    let report = tiny.run.verify(&snapshot).await;
    assert_eq!(broken(&report), [&[TODAY][..], &orphans, &["visit Sequence id 30"]].concat());
    assert!(report.is_clean(), "numbers that others gave by hand are a warning");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_may_be_called_anything() {
    let schema = "create sequence s; create table person (id bigint primary key default nextval('s')); \
                  alter sequence s owned by person.id;";
    let tiny = Tiny::new(schema, &[("person", "select 7 as id")], "").await;
    tiny.push().await;
    let (_, snapshot) = tiny.export().await;
    tiny.sql("select setval('s', 3)").await;
    assert_eq!(broken(&tiny.run.verify(&snapshot).await), ["person Sequence id 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_that_only_the_target_has_are_told_but_for_nothing() {
    let tiny =
        Tiny::new("create table person (id text primary key);", &[("person", "select 'a' as id")], "").await;
    let control = |name: &str, query: &str| {
        tiny.run
            .project
            .write(&format!("clinics/tiny/sql/control/{name}.sql"), &format!("-- people\n{query}"));
    };
    control("people", "select 'all' as key, 1 as value");
    control(
        "people.target",
        "select 'all' as key, count(*) as value from person union all select 'more', 2 union all select 'none', 0",
    );
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let report = tiny.run.verify(&snapshot).await;
    let told = report.controls.iter().map(|one| (one.key.as_str(), one.equal));
    assert_eq!(told.collect::<Vec<_>>(), [("all", true), ("more", false)]);
    assert!(!report.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn months_are_counted_on_both_sides() {
    let tiny = clinic().await;
    tiny.push().await;
    let (_, snapshot) = tiny.export().await;
    tiny.sql("update visit set day = '2030-05-05' where id = 2; delete from visit where id = 3").await;
    let report = tiny.run.verify(&snapshot).await;
    let [months] = &report.months[..] else { panic!("{:?}", report.months) };
    assert_eq!((months.table.to_string().as_str(), months.column.as_str()), ("visit", "day"));
    let text = months.months.iter().map(|one| format!("{} {} {}", one.month, one.expected, one.target));
    assert_eq!(text.collect::<Vec<_>>(), ["2024-02 1 1", "2024-03 1 0", "2024-04 1 0", "2030-05 0 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_name_nothing_are_refused() {
    for (settings, expected) in [
        ("[tables.visit]\nreferences = { room = \"rooms\" }\n", "rooms"),
        ("[tables.visit]\nreferences = { hall = \"room\" }\n", "hall"),
        ("[tables.visit]\nmonths = \"room\"\n", "months"),
    ] {
        let mut tiny = clinic().await;
        tiny.push().await;
        let (_, snapshot) = tiny.export().await;
        tiny.settings(settings);
        let limits = trasvase::staging::Limits::default();
        let options = tiny.run.verify_options(&snapshot, &limits);
        let books = trasvase::verify::Books::default();
        let error = trasvase::verify::run(&options, books, &trasvase::model::run::Silent).await.unwrap_err();
        let failure = trasvase::error::Failure::from_anyhow(&error);
        assert_eq!(failure.kind, trasvase::error::Kind::Usage);
        assert!(failure.message.contains(expected), "{}", failure.message);
    }
}
