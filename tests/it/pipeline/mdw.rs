//! The dental laboratory: out of a live PostgreSQL, into tables with uuid keys, enums, jsonb and row-level security.

use std::fmt::Write as _;
use std::process::Command;

use trasvase::push::Plan;
use trasvase::staging::Staging;

use super::Run;
use crate::support::{self, TestDatabase};

const LEGACY: &str = include_str!("../../../clinics/mdw-lab/sources/LEGACY_DB_URL.sql");

/// The clinic, and the old database that its settings name.
async fn laboratory() -> (Run, TestDatabase) {
    let legacy = support::database_with(LEGACY).await;
    let run = Run::new("mdw-lab").await;
    run.project.write(".env", &format!("LEGACY_DB_URL='{}'\n", legacy.url));
    (run, legacy)
}

/// Everything in the target's tables, as text.
async fn everything(run: &Run) -> String {
    let tables = "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where c.relkind = 'r' and n.nspname in ('public', 'auth') order by 1";
    let mut all = String::new();
    for table in run.session.client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let sql = format!("select coalesce(string_agg(t::text, E'\\n' order by t::text), '') from {table} t");
        let rows: String = run.session.client.query_one(&sql, &[]).await.unwrap().get(0);
        writeln!(all, "{table}\n{rows}").unwrap();
    }
    all
}

fn number(staging: &Staging, sql: &str) -> i64 {
    staging.value(sql).unwrap()
}

async fn target_number(run: &Run, sql: &str) -> i64 {
    run.session.client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn push(run: &Run, staging: &Staging) -> (Option<String>, Plan) {
    run.transform(staging);
    let check = run.check(staging).await;
    assert!(check.stops().is_empty(), "{:#?}", check.tables);
    let snapshot = run.export(staging, &check);
    let push = run.push(&snapshot).await;
    let report = run.verify(&snapshot).await;
    assert!(report.is_clean(), "{report:#?}");
    (push.batch, push.plan)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_laboratory_goes_through_again_changes_nothing_and_comes_back() {
    let (run, _legacy) = laboratory().await;
    let before = everything(&run).await;
    let staging = run.staging();
    run.load(&staging);
    let (batch, _) = push(&run, &staging).await;
    for (sql, wanted) in [
        ("select count(*) from profiles join auth.users using (id)", 8),
        ("select count(*) from patients", 200),
        ("select count(*) from orders", 300),
        ("select count(*) from projects", 417),
        ("select count(*) from project_embeddings", 417),
        ("select count(*) from instruction_states", 1013),
        ("select count(*) from state_analytics where left_at is null", 300),
        ("select count(*) from workflow_template_tasks", 9),
        ("select count(*) from workflow_performance", 4),
        ("select count(*) from pg_policies where schemaname = 'public'", 12),
    ] {
        assert_eq!(target_number(&run, sql).await, wanted, "{sql}");
    }
    // Five people had two accounts; their orders are those of one patient.
    assert_eq!(number(&staging, "select count(*) from xref.patients"), 205);
    assert_eq!(number(&staging, "select count(*) from reject.projects"), 3);
    run.load(&staging);
    let (again, plan) = push(&run, &staging).await;
    assert_eq!((again, plan.writes()), (None, 0));
    run.rollback(&batch.unwrap()).await;
    assert_eq!(everything(&run).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_laboratorys_next_night_is_only_what_changed() {
    let (run, legacy) = laboratory().await;
    let staging = run.staging();
    run.try_load(&staging, true).unwrap();
    push(&run, &staging).await;
    let old = legacy.client().await;
    let change = "update dispatch_instruction set status = 'CAN', updated_at = '2026-01-01' where id = 7;
                  insert into dispatch_instruction select 301, 'MDW-0301', 1, 2, 1, 'Corona', '', 'REC', 1, null, null, '', '2026-01-01', '2026-01-01';
                  update dispatch_project set name = 'nobody saw this' where id = 1";
    old.client.batch_execute(change).await.unwrap();
    let report = run.try_load(&staging, true).unwrap();
    let orders = report.sources.iter().find(|source| source.name == "dispatch_instruction").unwrap();
    assert_eq!((orders.files.len(), orders.files[1].loaded, orders.superseded), (2, 2, 1));
    assert!(report.sources.iter().find(|source| source.name == "dispatch_project").unwrap().unchanged);
    push(&run, &staging).await;
    assert_eq!(target_number(&run, "select count(*) from orders").await, 301);
    let cancelled = "select count(*) from orders where code = 'MDW-0007' and status = 'cancelled'";
    assert_eq!(target_number(&run, cancelled).await, 1);
}

/// A column, what the case writes into a record of its own, and whether its row can do without it.
type OddCell = (&'static str, &'static str, bool);

/// By source.
const ODD: &[(&str, &[OddCell])] = &[
    (
        "dispatch_instruction",
        &[
            ("teeth", "11,2l", true),
            ("teeth", "11.6", true),
            ("price", "¿quetzal?", true),
            ("price", "61.255", true),
            ("due_date", "¿quetzal?", true),
            ("created_at", "¿quetzal?", true),
            ("updated_at", "infinity", true),
        ],
    ),
    (
        "dispatch_patient",
        &[("birthdate", "¿quetzal?", true), ("sex", "¿quetzal?", true), ("updated_at", "¿quetzal?", true)],
    ),
    (
        "dispatch_project",
        &[
            ("size", "12 kB", true),
            ("meta", "{broken", true),
            ("created_at", "¿quetzal?", true),
            ("updated_at", "¿quetzal?", true),
            ("version", "1.5", false),
        ],
    ),
    ("dispatch_state", &[("from_state", "¿quetzal?", true), ("created_at", "¿quetzal?", false)]),
    (
        "dispatch_template",
        &[
            ("is_active", "¿quetzal?", true),
            ("tasks", "[{\"order\": 1", true),
            ("updated_at", "¿quetzal?", true),
            ("tasks", r#"[{"order": 1, "name": "Plan", "role": "TEC", "hours": "half"}]"#, true),
        ],
    ),
    (
        "auth_user",
        &[("is_active", "¿quetzal?", true), ("date_joined", "¿quetzal?", true), ("email", "¿quetzal?", true)],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_cell_stops_nothing_is_counted_and_kept() {
    let (run, _legacy) = laboratory().await;
    let staging = run.staging();
    run.load(&staging);
    let mut odd = 0;
    for (source, cells) in ODD {
        for (place, (column, value, _)) in cells.iter().enumerate() {
            let record = format!("select _id from raw.{source} order by id::bigint limit 1 offset {place}");
            let spoil = format!("update raw.{source} set {column} = '{value}' where _id = ({record})");
            staging.execute(&spoil).unwrap();
            odd += 1;
        }
    }
    // A patient's account of which nobody knows any more whether it is a member of staff's.
    staging.execute("update raw.auth_user set is_staff = '¿quetzal?' where id = '120'").unwrap();
    odd += 1;
    // A task whose order nobody can read has no place in its template.
    let spoil = r#"update raw.dispatch_template set tasks = '[{"order": "two", "name": "x", "role": "TEC"}, 7, {"order": 1, "name": "y", "role": "TEC"}]' where id = '1'"#;
    staging.execute(spoil).unwrap();
    run.transform(&staging);
    let report = run.check(&staging).await;
    let told = report.findings.iter().find(|finding| finding.rule == "unreadable").unwrap();
    assert_eq!((told.severity.as_str(), told.count), ("warning", odd), "{:#?}", report.findings);
    assert!(!format!("{report:?}").contains("quetzal"));
    let refused = ODD.iter().flat_map(|(_, cells)| *cells).filter(|cell| !cell.2).count();
    let rejected = "select (select count(*) from reject.projects where list_contains(list_transform(_errors, lambda error: error.column_name), 'version'))
        + (select count(*) from reject.instruction_states)";
    assert_eq!(usize::try_from(number(&staging, rejected)).unwrap(), refused);
    assert_eq!(number(&staging, "select count(*) from reject.workflow_template_tasks"), 2);
    // What was written stays with the row: all of it but what is told apart (an account that is nobody's, what was rejected).
    let kept = "with rows as (
          select metadata::varchar as text from ready.orders union all select metadata::varchar from ready.patients
          union all select metadata::varchar from ready.projects union all select metadata::varchar from ready.instruction_states
          union all select metadata::varchar from ready.workflow_templates union all select metadata::varchar from ready.profiles
          union all select metadata::varchar from ready.workflow_template_tasks
        ) select sum(len(regexp_extract_all(text, '\"unreadable_[a-z_]+\"')))::bigint from rows";
    assert_eq!(number(&staging, kept), i64::try_from(odd).unwrap() - 3);
    for source in &report.sources {
        let sum = source.rejected + source.merged + source.imported + source.skipped + source.filtered;
        assert_eq!(source.read, sum, "{}", source.source);
    }
}

/// Where nobody has the old database any more, one is made of its file.
#[test]
fn the_demo_stands_in_for_the_old_database() {
    let project = support::project(&["mdw-lab"]);
    let demo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trasvase"));
        command.current_dir(project.path()).args(arguments).env_remove("DATABASE_URL").env("LANG", "C");
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, left) = demo(&["demo"]);
    assert!(code == Some(0) && left.contains("LEGACY_DB_URL"), "{left}");
    for plan in ["inserted", "unchanged 3,393"] {
        let (code, told) = demo(&["demo", "--all"]);
        assert!(code == Some(0) && told.contains(plan), "{told}");
        // What stood in for the old database ended with the demo.
        assert!(told.contains("trasvase init") && !told.contains("trasvase run"), "{told}");
    }
}
