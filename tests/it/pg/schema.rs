//! The schema file applied, reset and pulled; privileges.

use std::path::PathBuf;

use trasvase::error::Failure;
use trasvase::model::ident::TableName;
use trasvase::pg::ledger;
use trasvase::pg::privileges::{Problem, privileges};
use trasvase::pg::schema::{self, Applied};
use trasvase::pg::{Session, catalog};

use crate::support;

const SCHEMA: &str = "\
create extension citext;
create type mood as enum ('sad', 'ok');
create domain code as varchar(5);
create type span as range (subtype = date);
create table parent (id text primary key, mood mood, code code);
create table child (id serial primary key, parent_id text references parent, name citext);
create view both_of_them as select c.id from child c join parent p on p.id = c.parent_id;
create function helper(x int default 1) returns int language sql as 'select x';
create function touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touch before update on child for each row execute function touch();
";

struct File {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn file(sql: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clinicsay.sql");
    std::fs::write(&path, sql).unwrap();
    File { path, _folder: folder }
}

async fn table_count(session: &Session) -> usize {
    catalog::read(&session.client, None).await.unwrap().tables.len()
}

#[tokio::test]
async fn a_schema_is_made_once_and_seen_to_be_there() {
    let database = support::database().await;
    let mut session = database.client().await;
    let file = file(&format!("set search_path = public; set timezone = 'Asia/Tokyo';\n{SCHEMA}"));
    let made = schema::apply(&mut session, &file.path, None).await.unwrap();
    assert_eq!(made, Applied::Made { tables: 2 });
    let timezone: String = session.client.query_one("show timezone", &[]).await.unwrap().get(0);
    assert_eq!(timezone, "UTC", "what the file set for the session does not stay");
    let cache = file.path.with_extension("catalog.json");
    let (known, changes) = schema::pull(&session, &cache).await.unwrap();
    assert_eq!((known.tables.len(), changes.len()), (2, 2), "{changes:?}");
    assert!(schema::pull(&session, &cache).await.unwrap().1.is_empty());
    let again = schema::apply(&mut session, &file.path, Some(&known)).await.unwrap();
    assert_eq!(again, Applied::AlreadyThere { tables: 2 });

    session
        .client
        .batch_execute("alter table parent add extra int; create table unrelated (a int)")
        .await
        .unwrap();
    let error = schema::apply(&mut session, &file.path, Some(&known)).await.unwrap_err();
    let failure = Failure::from_anyhow(&error);
    assert!(failure.message.contains("extra") && !failure.message.contains("unrelated"), "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint.contains("schema reset")), "{failure:?}");
    let error = schema::apply(&mut session, &file.path, None).await.unwrap_err();
    assert!(!Failure::from_anyhow(&error).hints.is_empty(), "{error:?}");
}

#[tokio::test]
async fn a_mistake_is_named_with_its_line_and_nothing_is_made() {
    let database = support::database().await;
    let mut session = database.client().await;
    let file = file("create table día (a int);\n\ncreate table other (\n  a nosuchtype\n);\n");
    let error = schema::apply(&mut session, &file.path, None).await.unwrap_err().to_string();
    assert!(error.contains("clinicsay.sql:4:") && error.contains("nosuchtype"), "{error}");
    assert_eq!(table_count(&session).await, 0);
}

#[tokio::test]
async fn a_file_that_commits_is_told_so() {
    let database = support::database().await;
    let mut session = database.client().await;
    let file = file("create table a (a int);\ncommit;\ncreate table b (a int);\n");
    let error = schema::apply(&mut session, &file.path, None).await.unwrap_err().to_string();
    assert!(error.contains("COMMIT"), "{error}");
}

#[tokio::test]
async fn reset_takes_everything_but_extensions_and_says_what() {
    let database = support::database().await;
    let mut session = database.client().await;
    let file = file(&format!(
        "{SCHEMA}create schema lml; create table lml.\"odd; name\" (a int); create schema other; create table other.stays (a int);"
    ));
    schema::apply(&mut session, &file.path, None).await.unwrap();
    session
        .client
        .batch_execute("create schema trasvase; create table trasvase.batch (id int)")
        .await
        .unwrap();
    let mut known = catalog::read(&session.client, None).await.unwrap();
    known.tables.remove(&TableName::from("other.stays"));
    let objects = schema::resettable(&session, Some(&known), "").await.unwrap();
    let listed: Vec<String> =
        objects.iter().map(|object| format!("{} {}", object.kind, object.name)).collect();
    assert_eq!(
        listed,
        [
            "view public.both_of_them",
            "table lml.\"odd; name\"",
            "table public.child",
            "table public.parent",
            "function public.helper(x integer)",
            "function public.touch()",
            "domain public.code",
            "type public.mood",
            "type public.span",
            "schema lml",
            "schema trasvase",
        ]
    );
    schema::reset(&mut session, &objects).await.unwrap();
    assert_eq!(table_count(&session).await, 1, "only other.stays");
    assert!(schema::resettable(&session, None, "").await.unwrap().is_empty());
    // The system's file says which schemas are its own, and which were there before.
    let made = "-- the system\ncreate schema other; create schema if not exists auth; create table other.stays (a int)";
    session.client.batch_execute("create schema auth; create table auth.users (id int)").await.unwrap();
    known.tables.insert(TableName::from("auth.users"), known.tables[&TableName::from("child")].clone());
    let objects = schema::resettable(&session, Some(&known), made).await.unwrap();
    assert_eq!(
        objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(),
        ["other.stays", "other"]
    );
    let again = file_without_extension();
    assert_eq!(schema::apply(&mut session, &again.path, None).await.unwrap(), Applied::Made { tables: 2 });
}

fn file_without_extension() -> File {
    file(&SCHEMA.replace("create extension citext;", ""))
}

#[tokio::test]
async fn what_a_role_may_not_do_is_found() {
    let database = support::database_with(
        "create table patient (id int); create table visit (id int); create schema closed; create table closed.t (id int)",
    )
    .await;
    let session = database.client().await;
    let tables = ["patient", "visit", "closed.t", "missing"].map(TableName::from);
    let all = privileges(&session.client, &tables).await.unwrap();
    assert_eq!(all.len(), 1, "a superuser lacks only the table that is not there: {all:?}");
    assert_eq!((all[0].table.as_ref(), &all[0].problem), (Some(&tables[3]), &Problem::NoTable));

    let role = format!("{}_loader", database.name);
    let sql = format!(
        "create role {role}; grant select, insert, update on patient to {role}; grant select on visit to {role}; \
         alter table visit enable row level security; grant all on closed.t to {role}"
    );
    session.client.batch_execute(&sql).await.unwrap();
    let other = database.client_as(&role).await;
    let findings = privileges(&other.client, &tables[..3]).await.unwrap();
    let of = |name: &str| -> Vec<&Problem> {
        let table = Some(TableName::from(name));
        findings.iter().filter(|finding| finding.table == table).map(|finding| &finding.problem).collect()
    };
    let missing = |list: &[&str]| Problem::Missing(list.iter().map(|&one| one.to_owned()).collect());
    assert_eq!(of("patient"), [&missing(&["DELETE", "TRUNCATE"]), &Problem::NotOwner]);
    assert_eq!(
        of("visit"),
        [&missing(&["INSERT", "UPDATE", "DELETE", "TRUNCATE"]), &Problem::HiddenRows, &Problem::NotOwner]
    );
    assert_eq!(of("closed.t"), [&Problem::NoSchemaUsage, &Problem::NotOwner]);
    assert!(findings.iter().any(|finding| finding.problem == Problem::NoLedger && finding.blocks()));
    let blocking = findings.iter().filter(|finding| finding.blocks()).count();
    assert_eq!(blocking, 4, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.sentence(&role).contains(&role)));
    session.client.batch_execute("create schema trasvase").await.unwrap();
    session.client.batch_execute(&format!("grant all on schema trasvase to {role}")).await.unwrap();
    let findings = privileges(&other.client, &tables[..1]).await.unwrap();
    assert!(findings.iter().all(|finding| finding.problem != Problem::NoLedger));
    other.close().await;
    session.client.batch_execute(&format!("drop owned by {role}; drop role {role}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_one_ledger() {
    let database = support::database().await;
    let mut making = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let session = database.client().await;
        making.spawn(async move { ledger::migrate(&session.client).await });
    }
    for made in making.join_all().await {
        made.unwrap();
    }
    let count = "select count(*) from trasvase.migration";
    let rows = database.client().await.client.query_one(count, &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), i64::from(ledger::VERSION));
}
