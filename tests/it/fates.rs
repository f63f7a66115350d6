//! What became of every source record: in the staging file, in the snapshot, in the ledger.

use std::collections::BTreeMap;

use trasvase::config::Clinic;
use trasvase::model::ident::TableName;
use trasvase::staging::{Access, Limits, Staging};
use trasvase::trace::{self, Earlier, Question};

use crate::pipeline::Run;
use crate::support;
use crate::tiny::Tiny;

const SCHEMA: &str = "create table person (id text primary key, name text not null, label text);";
const SETTINGS: &str = "[sources.people]\nfiles = [\"people.csv\"]\nprimary = \"person\"\n\
                        [sources.kinds]\nfiles = [\"kinds.csv\"]\n[load]\nmode = \"upsert\"\n";
/// In this order: imported, imported, the same record again, without a name, filtered by clean, filtered by target, another
/// record with a key that is there, unreadable.
const PEOPLE: &str = "id,name,kind\n1,Ana,a\n2,Bea,a\n2,Bea,a\n3,,a\n4,Test,test\n5,Cid,b\n2,Bob,a\n6,x\n";
const CLEAN: &str = "-- one row a person\nwith source as (\n  select * exclude (_id, _file, _row), list(_id order by _id) as _ids from raw.people group by all\n)\n\
                     select id as source_id, name, kind, _ids from source where kind <> 'test'\n";
const KINDS: &str = "-- one row a kind\nselect kind as source_id, label, _id from raw.kinds\n";
const TARGET: &str = "-- one row a person\nselect person.source_id as id, person.name, kind.label, person.source_id as _source_id, person._ids \
                      from clean.person as person left join clean.kind as kind on kind.source_id = person.kind where person.kind <> 'b'\n";

async fn tiny(settings: &str) -> Tiny {
    let tiny = Tiny::new(SCHEMA, &[], &format!("{SETTINGS}{settings}")).await;
    let write = |path: &str, text: &str| drop(tiny.run.project.write(&format!("clinics/tiny/{path}"), text));
    write("people.csv", PEOPLE);
    write("kinds.csv", "kind,label\na,Alpha\nb,Beta\n");
    write("sql/clean/person.sql", CLEAN);
    write("sql/clean/kind.sql", KINDS);
    write("sql/target/person.sql", TARGET);
    tiny
}

fn texts(staging: &Staging, sql: &str) -> Vec<String> {
    staging.rows(sql, |row| row.get(0)).unwrap()
}

const FATES: &str = "select concat_ws(' ', source, _id & 68719476735, fate, table_name, target_id, detail) from meta.fate order by 1";
const VERDICTS: &str = "select concat_ws(' ', source, record, source_id, verdict, errors::text, duplicate_of) from trasvase.verdict order by batch, 1";
const SUMS: &str = "select key || ' ' || concat_ws(' ', value->'total', value->'imported', value->'skipped', value->'errors', value->'duplicates', \
                    value->'filtered') from trasvase.batch, jsonb_each(counts) where value ? 'total' order by number, key";

#[tokio::test(flavor = "multi_thread")]
async fn every_record_has_its_lines_and_one_verdict() {
    let tiny = tiny("").await;
    let (check, _) = tiny.export().await;
    let staging = tiny.run.staging();
    assert_eq!(
        texts(&staging, FATES),
        [
            "kinds 1 filtered target.person",
            "kinds 2 filtered target.person",
            "people 1 imported person 1",
            "people 2 imported person 2",
            "people 3 merged person 2 people:1:2",
            "people 4 rejected person not_null(name)",
            "people 5 filtered clean.person",
            "people 6 filtered target.person",
            "people 7 rejected person duplicate_key(id: person_pkey)",
            "people 8 rejected ragged_row",
        ]
    );
    let people = check.sources.iter().find(|source| source.source == "people").unwrap();
    let counts =
        [people.read, people.rejected, people.merged, people.imported, people.skipped, people.filtered];
    assert_eq!(counts, [8, 3, 1, 2, 0, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_has_each_records_verdict_and_the_sums() {
    let tiny = tiny("").await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let verdicts = [
        "kinds kinds:1:1 filtered {}",
        "kinds kinds:1:2 filtered {}",
        "people people:1:1 1 imported {}",
        "people people:1:2 2 imported {}",
        "people people:1:3 2 merged {} people:1:2",
        "people people:1:4 3 rejected {not_null(name)}",
        "people people:1:5 filtered {}",
        "people people:1:6 5 filtered {}",
        "people people:1:7 2 rejected {\"duplicate_key(id: person_pkey)\"} people:1:2",
        "people people:1:8 rejected {ragged_row}",
    ];
    assert_eq!(tiny.texts(VERDICTS).await, verdicts);
    assert_eq!(tiny.texts(SUMS).await, ["kinds 2 0 0 0 0 2", "people 8 2 0 3 1 2"]);
    let batch = "select concat_ws(' ', notes, who = session_user, ended_at > started_at, (select count(*) from trasvase.record)) from trasvase.batch";
    assert_eq!(tiny.texts(batch).await, ["a test's t t 8"], "imported records need no row of their own");
    // One of the two is changed: the other is skipped.
    tiny.run.project.write("clinics/tiny/people.csv", &PEOPLE.replace("1,Ana", "1,Anna"));
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    assert_eq!(tiny.texts(SUMS).await[2..], ["kinds 2 0 0 0 0 2", "people 8 1 1 3 1 2"]);
    let second: Vec<String> = tiny.texts(VERDICTS).await.split_off(verdicts.len());
    assert!(
        second.contains(&"people people:1:1 1 imported {}".to_owned()) && second.len() == 9,
        "{second:?}"
    );
    tiny.sql("update trasvase.batch set status = 'rolled_back' where number = 2").await;
    assert_eq!(tiny.texts(VERDICTS).await, verdicts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_key_has_its_place_and_no_key_in_the_ledger() {
    let tiny = tiny("").await;
    let keyless = TARGET.replace(", person.source_id as _source_id", "");
    tiny.run.project.write("clinics/tiny/sql/target/person.sql", &keyless);
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let imported = "select concat_ws(' ', record, source_id) from trasvase.verdict where verdict = 'imported' order by 1";
    assert_eq!(tiny.texts(imported).await, ["people:1:1", "people:1:2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_holds_the_ledgers_sums() {
    let tiny = tiny("[ledger]\nkeep_rows = true\n").await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let report = tiny.run.verify(&snapshot).await;
    assert!(report.is_clean() && report.sources.iter().all(|source| source.ledger == Some(true)));
    for (sql, back) in [
        ("delete from trasvase.record where verdict = 'merged'", ""),
        ("delete from trasvase.record where verdict = 'imported' and source_id = '2'", ""),
        (
            "update trasvase.batch set notes = counts::text, counts = counts - 'people'",
            "update trasvase.batch set counts = notes::jsonb",
        ),
        (
            "update trasvase.batch set counts = jsonb_set(counts, '{people,imported}', '3')",
            "update trasvase.batch set counts = jsonb_set(counts, '{people,imported}', '2')",
        ),
    ] {
        let saved = "create table saved as select * from trasvase.record";
        tiny.sql(&format!("{saved}; {sql}")).await;
        let report = tiny.run.verify(&snapshot).await;
        let ledger: Vec<_> =
            report.sources.iter().map(|one| (one.count.source.as_str(), one.ledger)).collect();
        assert_eq!(ledger, [("kinds", Some(true)), ("people", Some(false))], "{sql}");
        assert!(!report.is_clean(), "{sql}");
        tiny.sql(&format!(
            "{back}; delete from trasvase.record; insert into trasvase.record select * from saved; drop table saved"
        ))
        .await;
    }
    assert!(tiny.run.verify(&snapshot).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_first_load_are_imported_over_one_connection_too() {
    let tiny = tiny("[ledger]\nkeep_rows = true\n").await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push_from_elsewhere(&snapshot).await.unwrap();
    let kept = "select record || ' ' || verdict from trasvase.record where verdict in ('imported', 'skipped') order by 1";
    assert_eq!(tiny.texts(kept).await, ["people:1:1 imported", "people:1:2 imported"]);
    assert!(tiny.run.verify(&snapshot).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clinic_that_keeps_rows_has_each_as_it_was_read() {
    let tiny = tiny("[ledger]\nkeep_rows = true\n").await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let kept = "select concat_ws(' ', record, verdict, original::text) from trasvase.record where source_id = '2' or record = 'people:1:8' order by record";
    let bea = "{\"id\": \"2\", \"kind\": \"a\", \"name\": \"Bea\"}";
    let rows = [
        format!("people:1:2 imported {bea}"),
        format!("people:1:3 merged {bea}"),
        format!("people:1:7 rejected {}", bea.replace("Bea", "Bob")),
        "people:1:8 rejected".to_owned(),
    ];
    assert_eq!(tiny.texts(kept).await, rows);
    tiny.run.project.write("clinics/tiny/people.csv", &PEOPLE.replace("1,Ana", "1,Anna"));
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let skipped = "select record || ' ' || verdict from trasvase.record where batch = 2 and verdict in ('imported', 'skipped') order by 1";
    assert_eq!(tiny.texts(skipped).await, ["people:1:1 imported", "people:1:2 skipped"]);
    let united = "select count(*)::text from trasvase.verdict where batch = 2 and record = 'people:1:1'";
    assert_eq!(tiny.texts(united).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_the_first_version_learns_of_records() {
    let tiny = tiny("").await;
    tiny.sql(&format!("create schema trasvase;\n{}", include_str!("../../sql/ledger/V001__ledger.sql")))
        .await;
    tiny.sql("create table trasvase.migration (version integer primary key, name text not null, applied_at timestamptz default now()); \
              insert into trasvase.migration values (1, 'ledger')").await;
    tiny.push().await;
    assert_eq!(
        tiny.texts("select max(version)::text from trasvase.migration").await,
        [trasvase::pg::ledger::VERSION.to_string()]
    );
    assert_eq!(tiny.texts(SUMS).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_counts_the_generated_clinics_records_as_its_check_does() {
    let project = support::project(&["senses"]);
    let clinic: Clinic = Clinic::read(&project.project, &"senses".parse().unwrap()).unwrap();
    let run = Run::in_project(project, "senses").await;
    let staging = run.staging();
    run.load(&staging);
    run.transform(&staging);
    let check = run.check(&staging).await;
    let unread = "select count(*) from raw.pacientes where _id not in (select _id from meta.fate)";
    assert_eq!(staging.value::<u64>(unread).unwrap(), 0);
    // Nothing is filtered there, though models look up much.
    assert_eq!(staging.value::<u64>("select count(*) from meta.fate where fate = 'filtered'").unwrap(), 0);
    let primary = clinic.sources["pacientes"].primary.clone().unwrap().to_string();
    let merged = format!(
        "select count(distinct _id) from meta.fate where source = 'pacientes' and fate = 'merged' and table_name = '{primary}'"
    );
    let snapshot = run.export(&staging, &check);
    let again = run.export(&staging, &check);
    assert_eq!(snapshot.id(), again.id());
    run.push(&snapshot).await;
    let sql = "select source || ' ' || verdict, count(*) from trasvase.verdict group by 1";
    let rows = run.session.client.query(sql, &[]).await.unwrap();
    let found: BTreeMap<String, u64> =
        rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1).try_into().unwrap())).collect();
    let mut wanted = BTreeMap::new();
    for source in &check.sources {
        let counts = [
            ("rejected", source.rejected),
            ("merged", source.merged),
            ("imported", source.imported),
            ("filtered", source.filtered),
        ];
        wanted.extend(counts.map(|(verdict, count)| (format!("{} {verdict}", source.source), count)));
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), source.read, "{}", source.source);
    }
    wanted.retain(|_, count| *count > 0);
    assert_eq!(found, wanted);
    assert_eq!(Some(&staging.value::<u64>(&merged).unwrap()), found.get("pacientes merged"));
}

async fn traced(run: &Run, reached: bool, question: Question) -> anyhow::Result<trace::Report> {
    let catalog = trasvase::pg::catalog::read(&run.session.client, None).await?;
    let staging =
        Staging::open(&run.project.project, &run.clinic, Access::ReadOnly, &Limits::default()).unwrap();
    let options = trace::Options {
        project: &run.project.project,
        clinic: &run.clinic,
        staging: &staging,
        target: reached.then_some((&run.session.client, &catalog)),
        show_values: false,
        most: 20,
    };
    trace::run(&options, &question).await
}

fn record(source: &str, wanted: &str) -> Question {
    Question::Record { source: source.to_owned(), wanted: wanted.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_followed_from_its_line_to_its_row_and_back() {
    let tiny = tiny("").await;
    let quoted = PEOPLE.replace("1,Ana,a", "1,\"Ana\nMaria\",a");
    tiny.run.project.write("clinics/tiny/people.csv", &quoted);
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    let run = &tiny.run;
    let found = traced(run, true, record("people", "1:3")).await.unwrap();
    let [bea] = found.records.as_slice() else { panic!("{found:?}") };
    // A quoted line end stands above it.
    assert_eq!((bea.file.as_str(), bea.row, bea.line), ("people.csv", 3, Some(5)));
    assert_eq!((bea.verdict.as_deref(), bea.source_id.as_deref()), (Some("merged"), Some("2")));
    assert_eq!(bea.merged_with, ["people:1:2"]);
    let tables: Vec<&str> = bea.steps.iter().map(|step| step.table.as_str()).collect();
    assert_eq!(tables, ["raw.people", "clean.person", "golden.person", "target.person", "ready.person"]);
    let [stored] = bea.target.as_slice() else { panic!("{bea:?}") };
    assert!(stored.there && stored.batch.is_some() && stored.as_loaded == Some(true), "{stored:?}");
    // A key names every record that has it: the same twice, and another one that was refused.
    let found = traced(run, false, record("people", "2")).await.unwrap();
    let verdicts: Vec<_> = found.records.iter().map(|one| one.verdict.clone().unwrap()).collect();
    assert_eq!(verdicts, ["imported", "merged", "rejected"]);
    assert!(found.records.iter().all(|one| one.target.is_empty()), "nobody was asked");
    for (wanted, verdict, detail, line) in
        [("1:8", "rejected", "ragged_row", 10), ("people:1:5", "filtered", "clean.person", 7)]
    {
        let found = traced(run, true, record("people", wanted)).await.unwrap();
        let one = &found.records[0];
        assert_eq!((one.verdict.as_deref(), one.line), (Some(verdict), Some(line)), "{wanted}");
        assert_eq!(one.fates[0].detail.as_deref(), Some(detail), "{wanted}");
    }
    // Back from the row, also after somebody changed it, and once it is no longer there.
    let row = || Question::Row { table: TableName::from("person"), id: "2".to_owned() };
    tiny.sql("update person set name = 'Beatriz' where id = '2'").await;
    let back = traced(run, true, row()).await.unwrap().row.unwrap();
    assert_eq!(back.records, ["people:1:2", "people:1:3"]);
    assert_eq!(back.target.unwrap().as_loaded, Some(false));
    tiny.sql("delete from person where id = '2'").await;
    let back = traced(run, true, row()).await.unwrap().row.unwrap();
    assert!(back.target.as_ref().is_some_and(|stored| !stored.there && stored.batch.is_some()), "{back:?}");
    // A file that is another one now tells no line.
    run.project.write("clinics/tiny/people.csv", &quoted.replace("Cid", "Cyd"));
    assert_eq!(traced(run, true, record("people", "1:3")).await.unwrap().records[0].line, None);
    let missing = traced(run, true, record("people", "1:99")).await.unwrap_err().to_string();
    assert!(missing.contains("people has no record"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_no_longer_ready_is_known_by_the_ledger() {
    let tiny = tiny("").await;
    let (_, snapshot) = tiny.export().await;
    tiny.run.push(&snapshot).await;
    tiny.run.project.write("clinics/tiny/sql/target/person.sql", &TARGET.replace("<> 'b'", "= 'b'"));
    tiny.export().await;
    let question = Question::Row { table: TableName::from("person"), id: "1".to_owned() };
    let back = traced(&tiny.run, true, question).await.unwrap().row.unwrap();
    assert_eq!((back.ready, back.records), (false, vec!["people:1:1".to_owned()]));
}

const CARE: &str = "create table person (id text primary key, name text not null); create table room (id text primary key); \
                    create table visit (id text primary key, person_id text references person, room_id text references room, \
                    previous_id text references visit, note text not null, minutes integer check (minutes > 0));";
/// In this order: whole; nobody has two of its parents; with all that can be wrong; its own previous one, without a note; two that
/// are each other's previous one, of which one has no person.
const VISITS: &str = "id,person,room,previous,note,minutes\n1,a,,,ok,5\n2,x,y,,ok,5\n3,b,y,2,,0\n4,a,,4,,5\n5,a,,6,ok,5\n6,x,,5,ok,5\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_row_names_each_parent_that_it_lacks_and_what_else_is_wrong() {
    let settings = "[sources.people]\nfiles = [\"people.csv\"]\nprimary = \"person\"\n[sources.visits]\nfiles = [\"visits.csv\"]\n\
                    primary = \"visit\"\n[load]\nmode = \"upsert\"\n";
    let tiny = Tiny::new(CARE, &[("room", "select '1' as id")], settings).await;
    let write = |path: &str, text: &str| drop(tiny.run.project.write(&format!("clinics/tiny/{path}"), text));
    write("people.csv", "id,name\na,Ana\nb,\n");
    write("visits.csv", VISITS);
    let person = "-- one row a person\nselect id, name, id as _source_id, _id from raw.people\n";
    write("sql/target/person.sql", person);
    let visit = "-- one row a visit\nselect id, person as person_id, room as room_id, previous as previous_id, note, minutes::integer as minutes, \
                 id as _source_id, _id from raw.visits\n";
    write("sql/target/visit.sql", visit);
    let (check, snapshot) = tiny.export().await;
    let of = |rule: &str, column: &str| format!("{rule}({column}: visit_{column}_fkey)");
    let (person, room, previous) = ("person_id", "room_id", "previous_id");
    let all = [
        "check(minutes: visit_minutes_check)".to_owned(),
        "not_null(note)".to_owned(),
        of("orphan", room),
        of("parent_rejected", person),
        of("parent_rejected", previous),
    ];
    let expected = [
        (2, vec![of("orphan", person), of("orphan", room)]),
        (3, all.to_vec()),
        (4, vec!["not_null(note)".to_owned()]),
        (5, vec![of("parent_rejected", previous)]),
        (6, vec![of("orphan", person)]),
    ];
    let lines = |place: &str| -> Vec<String> {
        expected.iter().map(|(row, reasons)| format!("{place}{row} {}", reasons.join(" "))).collect()
    };
    let staging = tiny.run.staging();
    let fates = "select concat_ws(' ', _id & 68719476735, string_agg(detail, ' ' order by detail)) from meta.fate \
                 where source = 'visits' and fate = 'rejected' group by _id order by 1";
    assert_eq!(texts(&staging, fates), lines(""));
    let rejects = "select concat_ws(' ', id, len(_errors)) from reject.visit order by id";
    assert_eq!(texts(&staging, rejects), ["2 2", "3 5", "4 1", "5 1", "6 1"]);
    drop(staging);
    // Each rule and reference counts its own rows; the verdict stays one a record.
    let visits = check.tables.iter().find(|one| one.table.name() == "visit").unwrap();
    let mut rules: Vec<String> = visits
        .rules
        .iter()
        .map(|one| format!("{} {} {}", one.rule, one.column.as_deref().unwrap_or_default(), one.rows))
        .collect();
    rules.sort();
    let counted = [
        "check minutes 1",
        "not_null note 2",
        "orphan person_id 2",
        "orphan room_id 2",
        "parent_rejected person_id 1",
        "parent_rejected previous_id 2",
    ];
    assert_eq!(
        (visits.rows, visits.ready, visits.rejected, rules),
        (6, 1, 5, counted.map(str::to_owned).to_vec())
    );
    let source = check.sources.iter().find(|one| one.source == "visits").unwrap();
    assert_eq!([source.read, source.imported, source.rejected], [6, 1, 5]);
    tiny.run.push(&snapshot).await;
    let errors = "select concat_ws(' ', r.record, array_to_string(r.errors, ' ')) from trasvase.record r \
                  where r.record like 'visits:%' and r.verdict = 'rejected' order by 1";
    assert_eq!(tiny.texts(errors).await, lines("visits:1:"));
    assert!(tiny.run.verify(&snapshot).await.is_clean());
    let found = traced(&tiny.run, true, record("visits", "1:3")).await.unwrap();
    let told: Vec<&str> = found.records[0].fates.iter().filter_map(|one| one.detail.as_deref()).collect();
    assert_eq!(told, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_record_became_earlier_is_told_once_it_is_rejected_or_gone() {
    for (vanished, why) in [
        ("", Some(Earlier::Unsaid)),
        ("vanished = \"keep\"\n", Some(Earlier::Kept)),
        ("vanished = \"flag\"\n", Some(Earlier::Flagged)),
        ("vanished = \"delete\"\n", None),
    ] {
        let tiny = tiny(vanished).await;
        let run = &tiny.run;
        let push = async |people: &str| {
            run.project.write("clinics/tiny/people.csv", &format!("id,name,kind\n{people}"));
            let (_, snapshot) = tiny.export().await;
            run.push(&snapshot).await.batch
        };
        let first = push("1,Ana,a\n2,Bea,a\nb7,Gil,a\n4,Luz,a\n").await;
        let second = push("4,Luz,a\n1,,a\n6,Flor,a\n").await;
        let found = traced(run, true, record("people", "1")).await.unwrap();
        let [ana] = found.records.as_slice() else { panic!("{found:#?}") };
        assert_eq!((ana.verdict.as_deref(), found.earlier.is_none()), (Some("rejected"), true));
        let [stored] = ana.target.as_slice() else { panic!("{vanished} {ana:#?}") };
        let told = (
            stored.table.to_string(),
            stored.id.as_str(),
            stored.batch.clone(),
            stored.as_loaded,
            stored.earlier,
        );
        assert_eq!(told, ("person".to_owned(), "1", first.clone(), Some(true), Some(Earlier::Rejected)));
        // One that makes a row is told by that alone.
        let luz = traced(run, true, record("people", "4")).await.unwrap();
        assert_eq!(luz.records[0].target.len(), 1);
        assert_eq!(luz.records[0].target[0].earlier, None);

        let gone = traced(run, true, record("people", "b7")).await.unwrap();
        let rows = gone.earlier.unwrap().rows;
        let [gil] = rows.as_slice() else { panic!("{vanished} {rows:#?}") };
        assert_eq!((gone.records.len(), gil.id.as_str(), &gil.batch, gil.earlier), (0, "b7", &first, why));
        let deleted = why.is_none().then(|| second.clone()).flatten();
        assert_eq!((gil.there, &gil.deleted_by), (why.is_some(), &deleted));
        // A number is a key of one that is gone, and the row of another one.
        let both = traced(run, true, record("people", "2")).await.unwrap();
        assert_eq!(both.records[0].source_id.as_deref(), Some("1"));
        assert_eq!(both.earlier.unwrap().rows[0].id, "2");
        // Another record stands now where it stood.
        let question = Question::Row { table: TableName::from("person"), id: "b7".to_owned() };
        let back = traced(run, true, question).await.unwrap();
        let row = back.row.unwrap();
        assert_eq!((back.records.len(), row.records.len(), row.target.unwrap().earlier), (0, 0, why));
        let unasked = traced(run, false, record("people", "b7")).await.unwrap_err().to_string();
        assert!(unasked.contains("people has no record"), "{unasked}");
    }
}
