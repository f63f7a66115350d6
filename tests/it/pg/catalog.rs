//! The catalog as PostgreSQL tells it.

use trasvase::model::catalog::{Catalog, ConstraintKind, Identity, Table, TypeKind};
use trasvase::model::ident::TableName;
use trasvase::pg::{Session, catalog};

use crate::support::{self, TestDatabase};

async fn database() -> TestDatabase {
    support::database_with(include_str!("catalog.sql")).await
}

async fn read(session: &Session) -> Catalog {
    catalog::read(&session.client, None).await.unwrap()
}

fn table<'a>(catalog: &'a Catalog, name: &str) -> &'a Table {
    &catalog.tables[&TableName::from(name)]
}

#[tokio::test]
async fn all_tables_of_users_are_there_and_no_others() {
    let database = database().await;
    let session = database.client().await;
    let catalog = read(&session).await;
    let names: Vec<String> = catalog.tables.keys().map(ToString::to_string).collect();
    let expected =
        ["base", "child", "heir", "log", "log_2024", "parent", "trasvase_like", "Annex.Odd \"name\""];
    let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
    expected.sort();
    let mut sorted = names;
    sorted.sort();
    assert_eq!(sorted, expected);
    assert_eq!(catalog.server_version, session.server_version);
    let wanted = [TableName::from("parent"), TableName::from("nowhere"), TableName::from("trasvase.batch")];
    let some = catalog::read(&session.client, Some(&wanted)).await.unwrap();
    let names: Vec<String> = some.tables.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["parent", "trasvase.batch"]);
    assert_eq!(some.table(&wanted[0]), catalog.table(&wanted[0]));
    let path: String = session.client.query_one("show search_path", &[]).await.unwrap().get(0);
    assert_eq!(path, "\"$user\", public", "reading leaves the session as it was");
}

#[tokio::test]
async fn columns_have_their_types_down_to_the_last_part() {
    let database = database().await;
    let catalog = read(&database.client().await).await;
    let child = table(&catalog, "child");
    let names: Vec<&str> = child.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names[..4], ["id", "serial_no", "parent_id", "other_code"]);
    let column = |name: &str| child.column(name).unwrap();

    assert_eq!(column("id").identity, Identity::Always);
    assert_eq!(column("id").sequence.as_deref(), Some("public.child_id_seq"));
    assert_eq!(column("serial_no").sequence.as_deref(), Some("public.child_serial_no_seq"));
    assert_eq!(
        column("serial_no").default.as_deref(),
        Some("nextval('public.child_serial_no_seq'::regclass)")
    );
    assert!(column("serial_no").not_null && !column("amount").not_null);
    assert_eq!(column("amount").default.as_deref(), Some("0.5"));
    assert!(column("name").nondeterministic && !column("parent_id").nondeterministic);
    assert!(column("upper_name").generated && column("upper_name").default.as_deref() == Some("upper(name)"));

    let code = &column("other_code").data_type;
    assert_eq!(
        (code.name.as_str(), code.base.as_str(), code.oid, code.modifier),
        ("character varying(12)", "varchar", 1043, 16)
    );
    let TypeKind::Array { element, delimiter } = &column("prices").data_type.kind else { panic!("an array") };
    assert_eq!((element.name.as_str(), element.modifier, *delimiter), ("numeric(8,3)", 524_295, ','));
    let TypeKind::Domain { base, not_null, checks } = &column("net").data_type.kind else {
        panic!("a domain")
    };
    assert_eq!((base.name.as_str(), *not_null), ("numeric(12,2)", true));
    assert_eq!(checks, &["CHECK ((VALUE > (0)::numeric))"]);
    assert_eq!(column("net").data_type.undomained(), base.as_ref());
    let TypeKind::Domain { base, .. } = &column("many").data_type.kind else { panic!("a domain") };
    let TypeKind::Array { element, .. } = &base.kind else { panic!("an array of a domain") };
    assert_eq!((element.name.as_str(), element.oid), ("positive", 0));
    let TypeKind::Composite { fields } = &column("home").data_type.kind else { panic!("a composite") };
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, kind)| (name.as_str(), kind.name.as_str())).collect();
    assert_eq!(fields, [("street", "text"), ("amount", "numeric(8,3)[]"), ("since", "date")]);
    let TypeKind::Range { subtype } = &column("span").data_type.kind else { panic!("a range") };
    assert_eq!(subtype.name, "double precision");
    let TypeKind::Multirange { range } = &column("spans").data_type.kind else { panic!("a multirange") };
    assert_eq!(range.as_ref(), &column("span").data_type);
    let kind = &table(&catalog, "parent").column("kind").unwrap().data_type;
    assert_eq!(
        kind.kind,
        TypeKind::Enum { labels: vec!["sad".into(), "ok".into(), "very \"happy\"".into()] }
    );
    assert_eq!((kind.name.as_str(), kind.schema.as_str(), kind.oid), ("mood", "public", 0));
    assert_eq!(column("fast").data_type.base, "char");
    assert!(child.columns.iter().all(|column| column.data_type.binary));
    let odd = &catalog.tables[&TableName::new(Some("Annex"), "Odd \"name\"")];
    assert_eq!(odd.column("día").unwrap().data_type.name, "timestamp(3) with time zone");
}

#[tokio::test]
async fn a_type_without_a_binary_form_says_so_however_deep_it_is() {
    let database = support::database_with("create table t (a aclitem, b aclitem[], c int)").await;
    let catalog = read(&database.client().await).await;
    let binary: Vec<bool> =
        table(&catalog, "t").columns.iter().map(|column| column.data_type.binary).collect();
    assert_eq!(binary, [false, false, true]);
}

#[tokio::test]
async fn constraints_and_indexes_are_told_whole() {
    let database = database().await;
    let catalog = read(&database.client().await).await;
    let child = table(&catalog, "child");
    let constraint = |name: &str| child.constraints.iter().find(|one| one.name == name).unwrap();
    assert_eq!(child.primary_key(), ["id"]);
    assert_eq!(constraint("child_pkey").index.as_deref(), Some("child_pkey"));
    let foreign = constraint("child_other_code_fkey");
    assert_eq!(
        foreign.kind,
        ConstraintKind::ForeignKey {
            references: TableName::from("parent"),
            referenced_columns: vec!["code".into()],
            on_delete: "set null".into(),
            match_full: true,
        }
    );
    assert!(foreign.deferrable && !foreign.initially_deferred && foreign.index.is_none());
    assert!(constraint("child_parent").definition.contains("REFERENCES public.parent(id) ON DELETE CASCADE"));
    assert_eq!(constraint("sane").kind, ConstraintKind::Check);
    assert_eq!(constraint("sane").columns, ["amount", "serial_no"]);
    assert!(constraint("sane").validated && !constraint("later").validated);
    assert_eq!(constraint("no_overlap").kind, ConstraintKind::Exclude);
    assert!(table(&catalog, "parent").constraints.iter().any(|one| one.initially_deferred));

    let index = |name: &str| child.indexes.iter().find(|one| one.name == name).unwrap();
    let by_name = index("child_by_name");
    assert_eq!(by_name.columns, [None, Some("amount".to_owned())]);
    assert_eq!(by_name.expressions, ["lower(name)", "amount"]);
    assert_eq!(by_name.predicate.as_deref(), Some("(amount > (1)::numeric)"));
    assert!(by_name.valid && !by_name.unique && by_name.constraint.is_none());
    assert!(index("child_once").unique && !index("child_once").nulls_not_distinct);
    assert_eq!(index("no_overlap").constraint.as_deref(), Some("no_overlap"));
    assert!(index("child_pkey").primary);
    let odd = &catalog.tables[&TableName::new(Some("Annex"), "Odd \"name\"")];
    assert_eq!(odd.primary_key(), ["user", "día"]);
    assert_eq!(odd.indexes[0].columns, [Some("user".to_owned()), Some("día".to_owned())]);
}

#[tokio::test]
async fn nulls_not_distinct_is_seen_where_the_server_has_it() {
    let database = support::database().await;
    let session = database.client().await;
    if session.server_version < 150_000 {
        return;
    }
    session.client.batch_execute("create table t (a int unique nulls not distinct)").await.unwrap();
    assert!(table(&read(&session).await, "t").indexes[0].nulls_not_distinct);
}

#[tokio::test]
async fn what_a_push_must_be_careful_with_is_marked() {
    let database = database().await;
    let session = database.client().await;
    session
        .client
        .batch_execute(
            "create function watch() returns event_trigger language plpgsql as 'begin end'; \
             create event trigger watching on ddl_command_end execute function watch(); \
             create event trigger asleep on ddl_command_end execute function watch(); \
             alter event trigger asleep disable",
        )
        .await
        .unwrap();
    let catalog = read(&session).await;
    assert_eq!(catalog.event_triggers, ["watching"]);
    let child = table(&catalog, "child");
    assert!(child.clustered && child.replica_identity_index && child.index_statistics && child.owned);
    assert_eq!(child.dependent_views, ["public.by_child"], "only the view that leans on the key");
    assert_eq!(child.policies, ["all_of_them", "mine"]);
    let triggers: Vec<(&str, &str, bool)> = child
        .triggers
        .iter()
        .map(|trigger| (trigger.name.as_str(), trigger.timing.as_str(), trigger.enabled))
        .collect();
    assert_eq!(
        triggers,
        [("sleeping", "after truncate", false), ("touched", "before insert or update", true)]
    );
    assert_eq!(child.triggers[0].function, "public.touch");
    let flags = |name: &str| (table(&catalog, name).partitioned, table(&catalog, name).partition_child);
    assert_eq!(flags("log"), (true, false));
    assert_eq!(flags("log_2024"), (true, true));
    assert_eq!((flags("base"), flags("heir")), ((true, false), (true, true)));
    assert_eq!(flags("child"), (false, false));
    let parent = table(&catalog, "parent");
    assert!(!parent.clustered && !parent.replica_identity_index && !parent.index_statistics);
    for comment in ["constraint parent_pkey on parent", "index parent_code_key"] {
        session.client.batch_execute(&format!("begin; comment on {comment} is 'x'")).await.unwrap();
        assert!(
            table(&read(&session).await, "parent").index_statistics,
            "a rebuild would lose it: {comment}"
        );
        session.client.batch_execute("rollback").await.unwrap();
    }
}

#[tokio::test]
async fn ownership_and_hidden_rows_are_those_of_the_role() {
    let database = database().await;
    let session = database.client().await;
    let role = format!("{}_reader", database.name);
    let sql = format!(
        "create role {role}; grant select on child, parent to {role}; alter table child enable row level security"
    );
    session.client.batch_execute(&sql).await.unwrap();
    let superuser = read(&session).await;
    let reader = read(&database.client_as(&role).await).await;
    assert!(!table(&superuser, "child").row_security && table(&superuser, "child").owned);
    assert!(table(&reader, "child").row_security && !table(&reader, "child").owned);
    assert!(!table(&reader, "parent").row_security);
    let names: Vec<TableName> = superuser.tables.keys().cloned().collect();
    assert_eq!(catalog::hash(&superuser, &names), catalog::hash(&reader, &names));
    drop_role(&session, &role).await;
}

async fn drop_role(session: &Session, role: &str) {
    session.client.batch_execute(&format!("drop owned by {role}; drop role {role}")).await.unwrap();
}

#[tokio::test]
async fn every_change_changes_the_hash_and_is_said() {
    let database = database().await;
    let session = database.client().await;
    let before = read(&session).await;
    let names: Vec<TableName> = before.tables.keys().cloned().collect();
    let hash = catalog::hash(&before, &names);
    assert_eq!(catalog::hash(&read(&session).await, &names), hash);
    assert!(catalog::difference(&before, &read(&session).await).is_empty());
    for (change, said) in [
        ("alter table parent add extra int", "extra (integer)"),
        ("alter table child drop body", "body"),
        ("alter table child alter prices type numeric(9,3)[]", "numeric(9,3)[]"),
        ("alter type mood add value 'great'", "parent.kind"),
        ("alter domain positive drop not null", "child.net"),
        ("alter domain positive add check (value < 100) not valid", "child.net"),
        ("alter type address add attribute zip text", "child.home"),
        ("alter table child alter amount set not null", "not null"),
        ("alter table child alter amount set default 2", "0.5"),
        ("alter table child alter id set generated by default", "by default"),
        ("alter table child alter upper_name drop expression", "generated"),
        (
            "alter table child drop upper_name; alter table child alter name type text collate \"C\" using name",
            "collation",
        ),
        ("alter sequence child_serial_no_seq owned by none", "sequence"),
        ("alter table child drop constraint sane", "sane"),
        ("alter table child validate constraint later", "later"),
        ("alter table child alter constraint child_parent deferrable", "child_parent"),
        ("create index more on parent (kind)", "more"),
        ("drop index child_once", "child_once"),
        ("update pg_index set indisvalid = false where indexrelid = 'child_once'::regclass", "invalid"),
        ("alter table child enable trigger sleeping", "sleeping"),
        ("create trigger third after delete on parent execute function touch()", "third"),
        ("drop policy mine on child", "policies"),
        ("alter table child set without cluster", "clustered"),
        ("create view leaning as select id, code from parent group by id", "leaning"),
        ("alter table child replica identity default", "replica"),
        (
            "create table log_2025 partition of log for values from ('2025-01-01') to ('2026-01-01')",
            "log_2025",
        ),
        ("drop table trasvase_like", "trasvase_like"),
    ] {
        session
            .client
            .batch_execute(&format!("begin; {change}"))
            .await
            .unwrap_or_else(|e| panic!("{change}: {e:?}"));
        let after = read(&session).await;
        session.client.batch_execute("rollback").await.unwrap();
        let sentences = catalog::difference(&before, &after);
        assert!(sentences.iter().any(|sentence| sentence.contains(said)), "{change}: {sentences:#?}");
        let all: Vec<TableName> = before.tables.keys().chain(after.tables.keys()).cloned().collect();
        assert_ne!(catalog::hash(&after, &all), catalog::hash(&before, &all), "{change}");
    }
    let parent = [TableName::from("parent")];
    let other =
        Catalog { tables: [(parent[0].clone(), table(&before, "parent").clone())].into(), ..before.clone() };
    assert_eq!(
        catalog::hash(&other, &parent),
        catalog::hash(&before, &parent),
        "only the named tables count"
    );
}

#[tokio::test]
async fn the_file_gives_back_what_was_read() {
    let database = database().await;
    let catalog = read(&database.client().await).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema/clinicsay.catalog.json");
    assert_eq!(catalog::load(&path).unwrap(), None);
    catalog::save(&catalog, &path).unwrap();
    assert_eq!(catalog::load(&path).unwrap(), Some(catalog));
    std::fs::write(&path, "{").unwrap();
    assert!(catalog::load(&path).unwrap_err().to_string().contains("clinicsay.catalog.json"));
}

#[tokio::test]
async fn live_oids_are_those_of_this_server() {
    let database = database().await;
    let session = database.client().await;
    let oids = catalog::live_oids(&session.client).await.unwrap();
    let mood: u32 = session.client.query_one("select 'mood'::regtype::oid", &[]).await.unwrap().get(0);
    assert_eq!(oids[&("public".to_owned(), "mood".to_owned())], mood);
    assert!(!oids.contains_key(&("pg_catalog".to_owned(), "text".to_owned())));
}

#[tokio::test]
async fn five_hundred_tables_are_read_in_little_time() {
    let sql = "do $$ begin for i in 1..500 loop execute format('create table t%s (id int primary key, \
               name text not null unique, at timestamptz default now(), up int references t%s)', i, greatest(i - 1, 1)); \
               end loop; end $$";
    let database = support::database_with(sql).await;
    let session = database.client().await;
    let start = std::time::Instant::now();
    assert_eq!(read(&session).await.tables.len(), 500);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
