//! The case management: seven MongoDB collections, each in another form, into one PostgreSQL schema each.

use std::fmt::Write as _;

use serde_json::Value;

use super::Run;

/// Everything in the target's tables, as text.
async fn everything(run: &Run) -> String {
    let tables = "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where c.relkind = 'r' and n.nspname like 'lml%' order by 1";
    let mut all = String::new();
    for table in run.session.client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let sql = format!("select coalesce(string_agg(t::text, E'\\n' order by t::text), '') from {table} t");
        let rows: String = run.session.client.query_one(&sql, &[]).await.unwrap().get(0);
        writeln!(all, "{table}\n{rows}").unwrap();
    }
    all
}

async fn number(run: &Run, sql: &str) -> i64 {
    run.session.client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn seven_collections_go_through_again_changes_nothing_and_come_back() {
    let run = Run::new("mesa4core").await;
    let before = everything(&run).await;
    let staging = run.staging();
    let loaded = run.load(&staging);
    assert_eq!(loaded.refused(), 0, "{loaded:#?}");
    run.transform(&staging);
    let check = run.check(&staging).await;
    assert!(check.stops().is_empty(), "{:#?}", check.tables);
    let snapshot = run.export(&staging, &check);
    let push = run.push(&snapshot).await;
    let report = run.verify(&snapshot).await;
    assert!(report.is_clean(), "{report:#?}");
    let expected: Value =
        serde_json::from_str(include_str!("../../../clinics/mesa4core/sources/expected.json")).unwrap();
    for (what, sql) in [
        ("processes", "select count(*) from lml_processes.main"),
        ("movements", "select count(*) from lml_processes.movements"),
        ("people", "select count(*) from lml_people.main"),
        (
            "legal_people",
            "select count(*) from lml_people.main where kind = 'LEGAL' and legal_name is not null",
        ),
        (
            "ghosts",
            "select count(*) from lml_users.main m where deleted and not exists (select from lml_users.user_roles r where r.user_id = m.user_id)",
        ),
        ("users", "select count(distinct user_id) from lml_users.user_roles"),
    ] {
        assert_eq!(Some(number(&run, sql).await), expected[what].as_i64(), "{what}");
    }
    // Every form of a date is read: all of them are times between the first and the last that were written.
    let strange =
        "select count(*) from lml_processes.main where created_at not between '2022-01-01' and '2025-01-01'";
    assert_eq!(number(&run, strange).await, 0);
    let repaired: i64 = staging
        .value(
            "select sum(n) from (select count(*) as n from clean.user where list_contains(_repairs, 'created_at_from_updated_at')
             union all select count(*) from clean.users_group where list_contains(_repairs, 'created_at_from_updated_at')
             union all select count(*) from clean.form where list_contains(_repairs, 'created_at_from_updated_at')
             union all select count(*) from clean.list where list_contains(_repairs, 'created_at_from_updated_at')
             union all select count(*) from clean.process_type where list_contains(_repairs, 'created_at_from_updated_at')
             union all select count(*) from clean.person where list_contains(_repairs, 'created_at_from_updated_at')
             union all select count(*) from clean.process where list_contains(_repairs, 'created_at_from_updated_at'))",
        )
        .unwrap();
    assert_eq!(Some(repaired), expected["without_created_at"].as_i64());
    // Again: nothing is read, nothing is written.
    assert!(run.load(&staging).unchanged());
    let again = run.push(&run.export(&staging, &run.check(&staging).await)).await;
    assert_eq!((again.batch, again.plan.writes()), (None, 0));
    run.rollback(&push.batch.unwrap()).await;
    assert_eq!(everything(&run).await, before);
}
