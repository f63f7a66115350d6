//! Asks PostgreSQL what it accepts, what it prints, and what it takes and gives in binary.

use std::borrow::Cow;

use futures_util::SinkExt as _;

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;
use trasvase::codec::{Codec, LiveOids, SESSION};
use trasvase::model::catalog::DataType;
use trasvase::model::ident::TableName;
use trasvase::pg::catalog;

use crate::support;

/// A type and inputs for it, good ones and bad ones.
pub(super) type Case<'a> = (&'a str, &'a [&'a str]);

/// A database in which the types of the cases are columns, and what the codec makes of them.
struct Oracle {
    client: Client,
    oids: LiveOids,
    major: i32,
    problems: Vec<String>,
}

/// Inputs and types that servers read otherwise since a major version. The codec reads as PostgreSQL 15 does; what it
/// writes is binary, and means the same to all of them.
const OTHERWISE_SINCE: &[(&str, i32)] = &[
    ("numeric(3,-2)", 15),
    ("numeric(3,5)", 15),
    ("2024-03-01 12:34:56.", 15),
    ("2562047788:00:54.775807", 15),
    ("1. day", 15),
    ("1.", 15),
    ("04:05:06.", 15),
    ("1.55 years", 15),
    ("1.5 us", 15),
    ("1.0000015 s", 15),
    ("\\303", 15),
    ("\\101", 15),
    ("\\401", 15),
    ("+infinity", 16),
    ("0x10", 16),
    ("0x1f", 16),
    ("1_000", 16),
    ("a-b", 16),
    ("infinity", 17),
    ("{{}}", 17),
    ("{{},{}}", 17),
];

/// Whether the codec may refuse what PostgreSQL accepts.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Strictness {
    Equal,
    Stricter,
}

impl Oracle {
    async fn new(database: &support::TestDatabase) -> Self {
        let client = database.client().await.client;
        client.batch_execute(SESSION).await.unwrap();
        let version = "select current_setting('server_version_num')::int / 10000";
        let major = client.query_one(version, &[]).await.unwrap().get(0);
        Self { client, oids: LiveOids::default(), major, problems: Vec::new() }
    }

    async fn data_type(&mut self, type_name: &str) -> DataType {
        self.client
            .batch_execute(&format!(
                "drop table if exists given, sent; create table given (n int, v {type_name}); \
                 create table sent (n int, v {type_name})"
            ))
            .await
            .unwrap();
        self.oids = LiveOids(catalog::live_oids(&self.client).await.unwrap());
        let table = TableName::from("given");
        let catalog = catalog::read(&self.client, Some(std::slice::from_ref(&table))).await.unwrap();
        catalog.tables[&table].columns[1].data_type.clone()
    }

    async fn check(&mut self, (type_name, inputs): Case<'_>, strictness: Strictness) {
        if !self.is_as_in_15(type_name) {
            return;
        }
        let inputs: Vec<&str> = inputs.iter().copied().filter(|input| self.is_as_in_15(input)).collect();
        let data_type = self.data_type(type_name).await;
        let codec = match Codec::new(&data_type) {
            Ok(codec) => codec,
            Err(unsupported) => return self.problems.push(unsupported.to_string()),
        };
        let mut canonical: Vec<Option<String>> = Vec::new();
        for (number, input) in inputs.iter().enumerate() {
            let accepted = self.copy_text(number, input).await;
            let ours = codec.canonical(input);
            match strictness {
                Strictness::Equal if accepted.is_ok() != ours.is_ok() => {
                    self.problems
                        .push(format!("{type_name} {input:?}: PostgreSQL {accepted:?}, codec {ours:?}"));
                }
                Strictness::Stricter if accepted.is_err() || ours.is_ok() => {
                    self.problems
                        .push(format!("{type_name} {input:?}: no longer stricter: {accepted:?} {ours:?}"));
                }
                _ => {}
            }
            canonical
                .push(ours.ok().filter(|_| accepted.is_ok()).map(|canonical| canonical.text.into_owned()));
        }
        self.compare(type_name, &inputs, &codec, &canonical).await;
    }

    /// Whether this server reads the input, or has the type, as PostgreSQL 15 does.
    fn is_as_in_15(&self, text: &str) -> bool {
        let otherwise = |since: i32| (self.major >= since) != (15 >= since);
        !OTHERWISE_SINCE.iter().any(|(other, since)| *other == text && otherwise(*since))
    }

    /// Gives PostgreSQL the text as `COPY` does; an error is told by its SQLSTATE.
    async fn copy_text(&self, number: usize, input: &str) -> Result<(), String> {
        let escaped =
            input.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
        self.copy("copy given from stdin", format!("{number}\t{escaped}\n").into_bytes()).await
    }

    async fn copy(&self, sql: &str, bytes: Vec<u8>) -> Result<(), String> {
        let sink = self.client.copy_in::<_, std::io::Cursor<Vec<u8>>>(sql).await.unwrap();
        let mut sink = std::pin::pin!(sink);
        let code = |error: tokio_postgres::Error| {
            error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
        };
        sink.send(std::io::Cursor::new(bytes)).await.map_err(code)?;
        sink.as_mut().finish().await.map(drop).map_err(code)
    }

    /// Text, binary and digest of every value both accept.
    async fn compare(
        &mut self,
        type_name: &str,
        inputs: &[&str],
        codec: &Codec,
        canonical: &[Option<String>],
    ) {
        let mut copy = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        let mut digests = Vec::new();
        for (number, text) in canonical.iter().enumerate() {
            let Some(text) = text else {
                digests.push(None);
                continue;
            };
            copy.extend_from_slice(&[0, 2, 0, 0, 0, 4]);
            copy.extend_from_slice(&(number as i32).to_be_bytes());
            // The count of a row's columns, then each.
            let mut digested = vec![0, 0, 0, 1];
            if let Err(refusal) = codec.write(Some(text), &self.oids, &mut copy, &mut digested) {
                return self
                    .problems
                    .push(format!("{type_name} {:?}: not encoded: {refusal}", inputs[number]));
            }
            digests.push(Some(hex(&Sha256::digest(&digested))));
            match codec.canonical(text) {
                Ok(again)
                    if matches!(again.text, Cow::Borrowed(_)) && again.text == *text && !again.lossy => {}
                other => self.problems.push(format!("{type_name} {text:?} is no fixed point: {other:?}")),
            }
        }
        copy.extend_from_slice(&(-1_i16).to_be_bytes());
        if let Err(error) = self.copy("copy sent from stdin (format binary)", copy).await {
            return self.problems.push(format!("{type_name}: binary refused: {error}"));
        }
        let sql = format!(
            "select g.n, format('%s', g.v), encode(sha256(record_send(row({}))), 'hex'), \
             record_send(row(s.v)) is not distinct from record_send(row(g.v)) \
             from given g left join sent s using (n) order by g.n",
            codec.digest_expression("g.v")
        );
        for row in self.client.query(&sql, &[]).await.unwrap() {
            let number = row.get::<_, i32>(0) as usize;
            let Some(text) = &canonical[number] else { continue };
            let (printed, hashed): (String, String) = (row.get(1), row.get(2));
            let input = inputs[number];
            if printed != *text {
                self.problems.push(format!("{type_name} {input:?}: PostgreSQL {printed:?}, codec {text:?}"));
            }
            if Some(&hashed) != digests[number].as_ref() {
                self.problems.push(format!("{type_name} {input:?}: digests differ"));
            }
            if !row.get::<_, bool>(3) {
                self.problems.push(format!("{type_name} {input:?}: the value sent is another"));
            }
        }
    }

    fn finish(self) {
        assert!(self.problems.is_empty(), "\n{}", self.problems.join("\n"));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) async fn check(setup: &str, cases: &[Case<'_>]) {
    check_as(setup, cases, Strictness::Equal).await;
}

pub(super) async fn check_as(setup: &str, cases: &[Case<'_>], strictness: Strictness) {
    let database = support::database_with(setup).await;
    let mut oracle = Oracle::new(&database).await;
    for case in cases {
        oracle.check(*case, strictness).await;
    }
    oracle.finish();
}
