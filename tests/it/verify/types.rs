//! Every type of PostgreSQL's own is either compared, with no false difference and no missed change, or refused.

use std::collections::BTreeSet;

use trasvase::codec::{SESSION, TableCodec};
use trasvase::error::{Failure, Kind};
use trasvase::model::catalog::Table;
use trasvase::model::ident::{TableName, literal, quoted};
use trasvase::pg::catalog;

use crate::codec::values::*;
use crate::support;
use crate::tiny::Tiny;

/// Core types and the texts of their edge values; those that PostgreSQL refuses are left out.
const CORPUS: &[(&str, &[&str])] = &[
    ("bool", BOOL_VALUES),
    ("int2", INTEGERS),
    ("int4", INTEGERS),
    ("int8", INTEGERS),
    ("oid", OID_VALUES),
    ("xid8", &["0", "18446744073709551615", "42"]),
    ("pg_lsn", PG_LSN_VALUES),
    ("float4", FLOATS),
    ("float8", FLOATS),
    ("numeric", NUMERICS),
    ("text", TEXTS),
    ("varchar", TEXTS),
    ("bpchar", TEXTS),
    ("name", TEXTS),
    ("char", TEXTS),
    ("refcursor", TEXTS),
    ("bytea", BYTEA_VALUES),
    ("uuid", UUID_VALUES),
    ("date", INSTANTS),
    ("timestamp", INSTANTS),
    ("timestamptz", INSTANTS),
    ("time", TIMES),
    ("timetz", TIMES),
    ("interval", INTERVALS),
    ("bit", BITS),
    ("varbit", BITS),
    ("inet", NETWORKS),
    ("cidr", NETWORKS),
    ("macaddr", MACS),
    ("macaddr8", MACS8),
    ("point", FIGURES),
    ("lseg", FIGURES),
    ("box", FIGURES),
    ("path", FIGURES),
    ("polygon", FIGURES),
    ("line", LINE_VALUES),
    ("circle", FIGURES),
    ("json", JSONS),
    ("jsonb", JSONS),
    ("tsvector", VECTORS),
    ("int4range", RANGES),
    ("int8range", RANGES),
    ("numrange", NUMRANGE_VALUES),
    ("daterange", SPANS),
    ("tsrange", SPANS),
    ("tstzrange", SPANS),
    ("int4multirange", MULTIRANGES),
    ("int8multirange", MULTIRANGES),
    ("nummultirange", MULTIRANGES),
    ("datemultirange", DATEMULTIRANGE_VALUES),
    ("tsmultirange", DATEMULTIRANGE_VALUES),
    ("tstzmultirange", DATEMULTIRANGE_VALUES),
];

/// Types whose values mean something to one server only (OIDs of its objects, its transactions), depend on a setting
/// (`money`), or that only the server itself can read: refused, with exit 4.
const REFUSED: &[&str] = &[
    "aclitem",
    "cid",
    "gtsvector",
    "int2vector",
    "jsonpath",
    "money",
    "oidvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
    "pg_snapshot",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "tid",
    "tsquery",
    "txid_snapshot",
    "xid",
    "xml",
];

/// What is made of a type: itself, an array of it, and a composite that nests both.
const SHAPES: [&str; 4] = ["v", "vs", "grid", "deep"];

async fn table_of(client: &tokio_postgres::Client, data_type: &str) -> Table {
    let sql = format!(
        "drop table if exists t; drop type if exists outer_pair; drop type if exists pair; \
         create type pair as (v {data_type}, vs {data_type}[]); create type outer_pair as (p pair, ps pair[]); \
         create table t (n int primary key, v {data_type}, vs {data_type}[], grid {data_type}[], deep outer_pair)"
    );
    created(client, &sql).await
}

/// A table of a type that has no arrays: none of those is compared.
async fn plain(client: &tokio_postgres::Client, data_type: &str) -> Table {
    created(client, &format!("drop table if exists t; create table t (n int primary key, v {data_type})"))
        .await
}

async fn created(client: &tokio_postgres::Client, sql: &str) -> Table {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let name = TableName::from("t");
    let mut catalog = catalog::read(client, Some(std::slice::from_ref(&name))).await.unwrap();
    catalog.tables.remove(&name).unwrap()
}

fn codec_of(table: &Table) -> Result<TableCodec, String> {
    TableCodec::of_table(table, &["n".to_owned()]).map_err(|(_, reason)| reason.to_string())
}

/// Fills the table with the values that PostgreSQL takes, in every shape.
async fn fill(client: &tokio_postgres::Client, data_type: &str, values: &[&str]) {
    for (number, value) in values.iter().enumerate() {
        let value = format!("{}::{data_type}", literal(value));
        let sql = format!(
            "insert into t select {number}, v, array[v, null, v], array[[v, v], [v, null]], \
             row(row(v, array[v]), array[row(v, null), null]::pair[])::outer_pair from (select {value} as v) one"
        );
        // What it refuses is no value.
        let _ = client.batch_execute(&sql).await;
    }
    let more =
        "insert into t values (-1, null, '{}', null, null), (-2, null, null, '{}', '(,{})'::outer_pair)";
    client.batch_execute(more).await.unwrap();
}

/// Equal digests on both sides for every row, and another digest for every other value.
async fn compare(client: &tokio_postgres::Client, data_type: &str, codec: &TableCodec) -> Vec<String> {
    let texts = SHAPES.map(|shape| format!("format('%s', t.{0}), t.{0} is null", quoted(shape))).join(", ");
    let bytes: Vec<String> = (1..=SHAPES.len()).map(|place| codec.column_digest_sql("t", place)).collect();
    let sql = format!("select t.n::text, {texts}, {}, {} from t", codec.digest_sql("t"), bytes.join(", "));
    let rows = client.query(&sql, &[]).await.unwrap();
    let mut problems = Vec::new();
    let mut seen: [(BTreeSet<String>, BTreeSet<Vec<u8>>); 4] = Default::default();
    for row in &rows {
        let mut values: Vec<Option<String>> = vec![row.get(0)];
        for place in 0..SHAPES.len() {
            let null: bool = row.get(2 + 2 * place);
            values.push((!null).then(|| row.get(1 + 2 * place)));
        }
        let after = 1 + 2 * SHAPES.len();
        let digest = codec.digest(&values, &mut Vec::new());
        match digest {
            Ok(digest) if digest[..] == *row.get::<_, &[u8]>(after) => {}
            Ok(_) => problems.push(format!("{data_type} {values:?}: a false difference")),
            Err(refused) => problems.push(format!("{data_type} {values:?}: refused by {}", refused.column)),
        }
        for (place, (texts, digests)) in seen.iter_mut().enumerate() {
            texts.insert(format!("{:?}", values[1 + place]));
            digests.insert(row.get(after + 1 + place));
        }
    }
    for (shape, (texts, digests)) in SHAPES.iter().zip(&seen) {
        if texts.len() != digests.len() {
            let (texts, digests) = (texts.len(), digests.len());
            problems.push(format!("{data_type}, {shape}: {texts} values have {digests} digests"));
        }
    }
    if rows.len() < 4 {
        problems.push(format!("{data_type}: the corpus has {} values", rows.len()));
    }
    problems
}

#[tokio::test]
async fn every_core_type_is_compared_or_refused() {
    let database = support::database().await;
    let client = database.client().await.client;
    client.batch_execute(SESSION).await.unwrap();
    let sql = "select typname::text, typarray <> 0 from pg_type t where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm') \
               and not exists (select from pg_type e where e.typarray = t.oid) and typname <> 'unknown' order by 1";
    let rows = client.query(sql, &[]).await.unwrap();
    let mut problems = Vec::new();
    for (name, arrays) in rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, bool>(1))) {
        let data_type = format!("pg_catalog.{}", quoted(&name));
        let table =
            if arrays { table_of(&client, &data_type).await } else { plain(&client, &data_type).await };
        let corpus = CORPUS.iter().find(|(known, _)| *known == name);
        match (codec_of(&table), corpus, REFUSED.contains(&name.as_str())) {
            (Ok(codec), Some((_, values)), false) => {
                fill(&client, &data_type, values).await;
                problems.extend(compare(&client, &data_type, &codec).await);
            }
            (Err(_), None, true) => {}
            (codec, corpus, refused) => problems.push(format!(
                "{name}: {:?}, in the corpus {}, refused {refused}",
                codec.err(),
                corpus.is_some()
            )),
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[tokio::test]
async fn types_of_extensions_are_compared_where_they_are_installed() {
    let database = support::database().await;
    let client = database.client().await.client;
    client.batch_execute(SESSION).await.unwrap();
    let vectors: &[&str] = &["[1,2,3]", "[0,-0,1e-30]", "[1]", "[-1.5,3e38]", "[]"];
    let mut problems = Vec::new();
    for (name, values) in [("citext", TEXTS), ("hstore", HSTORES), ("vector", vectors)] {
        let there =
            client.query("select from pg_available_extensions where name = $1", &[&name]).await.unwrap();
        if there.is_empty() {
            continue;
        }
        client.batch_execute(&format!("create extension {name}")).await.unwrap();
        let table = table_of(&client, name).await;
        fill(&client, name, values).await;
        problems.extend(compare(&client, name, &codec_of(&table).unwrap()).await);
        client.batch_execute("drop table t; drop type outer_pair; drop type pair").await.unwrap();
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_cannot_be_compared_is_no_warning() {
    let tiny =
        Tiny::new("create table t (id int primary key, v text)", &[("t", "select 1 as id, '1' as v")], "")
            .await;
    tiny.push().await;
    let (_, snapshot) = tiny.export().await;
    tiny.sql("alter table t alter v type money using v::money").await;
    let catalog = catalog::read(&tiny.run.session.client, None).await.unwrap();
    let limits = trasvase::staging::Limits::default();
    let options =
        trasvase::verify::Options { catalog: &catalog, ..tiny.run.verify_options(&snapshot, &limits) };
    let books = trasvase::verify::Books::default();
    let error = trasvase::verify::run(&options, books, &trasvase::model::run::Silent).await.unwrap_err();
    let failure = Failure::from_anyhow(&error);
    assert_eq!((failure.kind, failure.kind.exit_code()), (Kind::NotComparable, 4));
}
