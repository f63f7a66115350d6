//! The codec against PostgreSQL itself: what it accepts, what it prints, what it takes and gives in binary.

use std::borrow::Cow;

use futures_util::SinkExt as _;

use tokio_postgres::Client;
use trasvase::codec::{Codec, LiveOids, RowDigest, SESSION};
use trasvase::model::catalog::DataType;
use trasvase::model::ident::TableName;
use trasvase::pg::catalog;

use crate::support;

/// A type and inputs for it, good ones and bad ones.
type Case<'a> = (&'a str, &'a [&'a str]);

/// A database in which the types of the cases are columns, and what the codec makes of them.
struct Oracle {
    client: Client,
    oids: LiveOids,
    problems: Vec<String>,
}

/// Whether the codec may refuse what PostgreSQL accepts.
#[derive(Clone, Copy, PartialEq)]
enum Strictness {
    Equal,
    Stricter,
}

impl Oracle {
    async fn new(database: &support::TestDatabase) -> Self {
        let client = database.client().await.client;
        client.batch_execute(SESSION).await.unwrap();
        Self { client, oids: LiveOids::default(), problems: Vec::new() }
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
        self.compare(type_name, inputs, &codec, &canonical).await;
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
        let mut digest = RowDigest::new(1);
        let mut digests = Vec::new();
        for (number, text) in canonical.iter().enumerate() {
            let Some(text) = text else {
                digests.push(None);
                continue;
            };
            copy.extend_from_slice(&[0, 2, 0, 0, 0, 4]);
            copy.extend_from_slice(&(number as i32).to_be_bytes());
            if let Err(refusal) = codec.write(Some(text), &self.oids, &mut copy, digest.buffer()) {
                return self
                    .problems
                    .push(format!("{type_name} {:?}: not encoded: {refusal}", inputs[number]));
            }
            digests.push(Some(hex(&digest.finish())));
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

async fn check(setup: &str, cases: &[Case<'_>]) {
    check_as(setup, cases, Strictness::Equal).await;
}

async fn check_as(setup: &str, cases: &[Case<'_>], strictness: Strictness) {
    let database = support::database_with(setup).await;
    let mut oracle = Oracle::new(&database).await;
    for case in cases {
        oracle.check(*case, strictness).await;
    }
    oracle.finish();
}

const INTEGERS: &[&str] = &[
    "0",
    "-0",
    "+7",
    " 12 ",
    "007",
    "",
    " ",
    "-",
    "1.0",
    "1e2",
    "0x10",
    "1_000",
    "a",
    "9 9",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999999",
    "\u{a0}1",
];

const FLOATS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "1",
    "1.",
    ".5",
    "-.5e1",
    "1e+20",
    "1e20",
    "1e-5",
    "0.0001",
    "0.00001",
    "123456789012345",
    "1234567890123456",
    "1e14",
    "1e15",
    "99999",
    "100000",
    "999999",
    "1000000",
    "1e400",
    "-1e400",
    "1e-400",
    "1e39",
    "3.4028235e38",
    "1e-46",
    "1e-45",
    "1.4e-45",
    "5e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "0e400",
    "0.1",
    "0.3333333333333333333",
    "2.5",
    "NaN",
    "nan",
    "inf",
    "-Infinity",
    "+infinity",
    "INF",
    "infinit",
    "1e",
    "e1",
    "",
    ".",
    "+",
    "1 2",
    "1,5",
    " 1.5 ",
    "16777216",
    "16777217",
    "33554450",
    "33554434",
    "9007199254740993",
    "18014398509482008",
    "18014398509482012",
    "36028797018963988",
    "1e23",
    "9.5e-1",
    "1d",
    "1f",
    "0.1e-6",
    "4503599627370496.5",
    "1152921504606846976",
    "1.152921504606847e18",
    "67108868",
];

const NUMERICS: &[&str] = &[
    "0",
    "-0",
    "-0.00",
    "0.00",
    "00.10",
    "1",
    "1.0",
    "1.50",
    "10000",
    "9999",
    "99999999",
    "0.0001",
    "0.00001",
    "1e2",
    "1.5e1",
    "1e-5",
    "1E+3",
    ".5",
    "5.",
    ".",
    "",
    "-",
    "e5",
    "1e",
    "1e5x",
    "1_000",
    "0x1f",
    "  12.3  ",
    "+4",
    "123.455",
    "123.445",
    "-123.455",
    "0.005",
    "0.004",
    "-0.004",
    "999.994",
    "999.995",
    "999.99",
    "1000",
    "99.5",
    "12345678901234567890.123456789012345678901234567890",
    "NaN",
    "nan",
    " NAN ",
    "-nan",
    "inf",
    "Infinity",
    "-Infinity",
    "+inf",
    "infinit",
    "1e131071",
    "1e131072",
    "1e-16383",
    "1e-16384",
    "0e-16384",
    "0e200000",
    "1e1073741823",
    "1e99999999999999999999",
    "10000000000000000.00001",
    "100000000",
    "0.1234567",
    "1 2",
    "--1",
    "1.2.3",
    "4999",
    "5000",
    "49",
    "50",
    "-50",
    "149",
    "150",
    "0.00012",
    "0.000125",
    "0.0012",
];

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "abc",
    "abcd",
    "abc ",
    "abc     ",
    "ab  x",
    "  ab",
    "ñandú",
    "日本語",
    "日本語テ",
    "a\tb\nc\r",
    "\\",
    "\"",
    "'",
    "NULL",
    "\u{7f}\u{1}",
    "😀😀😀😀",
    "x\u{a0}\u{a0}\u{a0}\u{a0}",
    "\\303",
    "\\377",
    "\\7",
];

#[tokio::test]
async fn numbers_are_postgresqls() {
    check(
        "",
        &[
            (
                "bool",
                &[
                    "t", "true", "TRUE", "tru", " yes ", "y", "on", "o", "of", "off", "1", "0", "no", "n",
                    "f", "", "2", "01", "truee",
                ],
            ),
            ("int2", INTEGERS),
            ("int4", INTEGERS),
            ("int8", INTEGERS),
            (
                "oid",
                &["0", "1", "-1", "4294967295", "4294967296", "-2147483648", "-2147483649", "", "x", " 7 "],
            ),
            ("float4", FLOATS),
            ("float8", FLOATS),
            ("numeric", NUMERICS),
            ("numeric(5,2)", NUMERICS),
            ("numeric(3,0)", NUMERICS),
            ("numeric(3,5)", NUMERICS),
            ("numeric(3,-2)", NUMERICS),
            ("numeric(1000,1000)", NUMERICS),
            (
                "pg_lsn",
                &[
                    "0/0",
                    "16/B374D848",
                    "16/b374d848",
                    "FFFFFFFF/FFFFFFFF",
                    "1/",
                    "/1",
                    "123456789/0",
                    "1/1 ",
                    "g/0",
                ],
            ),
            ("xid8", &["0", "18446744073709551615", "42"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn texts_and_bytes_are_postgresqls() {
    check(
        "",
        &[
            ("text", TEXTS),
            ("varchar", TEXTS),
            ("varchar(3)", TEXTS),
            ("char(3)", TEXTS),
            ("bpchar", TEXTS),
            ("\"char\"", &["", "a", "abc", "\\303", "\\101", "\\", "\\4", "\\401"]),
            (
                "name",
                &[
                    "",
                    "a",
                    &"x".repeat(63),
                    &"x".repeat(64),
                    &"ñ".repeat(32),
                    &format!("x{}", "日".repeat(21)),
                ],
            ),
            (
                "bytea",
                &[
                    "",
                    "\\x",
                    "\\x00ff",
                    "\\xDEAD beef",
                    "\\x0",
                    "\\xg0",
                    "abc",
                    "a\\\\b",
                    "\\000\\377",
                    "\\400",
                    "\\1",
                    "\\",
                    "\\X00",
                    "\\x 00\n11",
                    "\\x0 0",
                    "é",
                ],
            ),
            (
                "uuid",
                &[
                    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                    "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                    "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
                    "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
                    "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
                    "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
                    "a0eebc999c0b4ef8bb6d6bb9bd380a1",
                    "",
                    " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
                    "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                    "ga0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
                ],
            ),
        ],
    )
    .await;
}

const INSTANTS: &[&str] = &[
    "2024-03-01 12:34:56",
    "2024-03-01T12:34:56",
    "2024-03-01 12:34",
    "2024-03-01",
    "20240301",
    "20240301T123456",
    "2024-3-1 1:2:3",
    "2024/03/01",
    "2024/3/1 4:05",
    "2024-03-01 12:34:56.5",
    "2024-03-01 12:34:56.123456",
    "2024-03-01 12:34:56.1234564",
    "2024-03-01 12:34:56.1234565",
    "2024-03-01 12:34:56.9999999",
    "2024-02-30",
    "2023-02-29",
    "2024-02-29",
    "1900-02-29",
    "2000-02-29",
    "2024-13-01",
    "2024-00-01",
    "2024-01-00",
    "0000-01-01",
    "0001-01-01",
    "0001-01-01 BC",
    "0044-03-15 12:00:00 BC",
    "0044-03-15 BC 12:00:00",
    "0044-03-15 10:00:00+00 BC",
    "4713-01-01 BC",
    "4714-11-24 BC",
    "4714-11-23 BC",
    "4714-11-24 00:00:00+01 BC",
    "294276-12-31 23:59:59",
    "294277-01-01",
    "5874897-12-31",
    "5874898-01-01",
    "99999999-01-01",
    "infinity",
    "-infinity",
    "Infinity",
    "+infinity",
    "epoch",
    " 2024-03-01 ",
    "2024-03-01 24:00:00",
    "2024-03-01 24:00:01",
    "2024-03-01 23:59:60",
    "2024-03-01 23:59:60.5",
    "2024-03-01 12:00:60.5",
    "2024-03-01 12:60:00",
    "2024-03-01 25:00",
    "2024-03-01 12:34:56Z",
    "2024-03-01 12:34:56 UTC",
    "2024-03-01 12:34:56+02",
    "2024-03-01 12:34:56 +02",
    "2024-03-01 12:34:56-03:30",
    "2024-03-01 12:34:56+0530",
    "2024-03-01 12:34:56+05:30:15",
    "2024-03-01 12:34:56+15:59",
    "2024-03-01 12:34:56+16",
    "2024-03-01 12:34:56+5",
    "2024-03-01 00:30:00+02",
    "2024-03-01 10:00 PM",
    "2024-03-01 12:00 AM",
    "2024-03-01 12:30 pm",
    "2024-03-01 13:00 PM",
    "2024-03-01 AD",
    "200-01-01",
    "2024-03-01T",
    "2024-03-01 x",
    "",
    " ",
    "x",
    "2024",
    "2024-03",
    "1999-12-31 23:59:59.9999995",
    "1999-12-31 23:59:59.5",
    "1969-12-31 23:59:59.25",
    "2024-03-01 12:34:56.",
    "2024-03-01 12:34:56.000",
    "10000-01-01 00:00:00",
    "2024-03-01 12:34:56+",
    "2024-03-01-05",
    "2024-03-01  12:34",
    "9999-12-31T23:59:59.999999Z",
];

const TIMES: &[&str] = &[
    "12:34:56",
    "12:34",
    "1:2:3",
    "24:00:00",
    "24:00:01",
    "23:59:60",
    "23:59:59.9999999",
    "00:00",
    "12:34:56.5",
    "12:34:56.123456",
    "12:34:56.1234565",
    "12:34:56.25",
    "12:34:56.35",
    "",
    "12",
    "25:00",
    "12:60",
    "12:34:61",
    "x",
    "04:05 PM",
    "12:00 AM",
    "13:00 AM",
    "12:34:56+02",
    "12:34:56-03:30",
    "12:34:56+05:30:15",
    "12:34:56Z",
    "12:34:56 UTC",
    "12:34:56+16",
    "infinity",
];

#[tokio::test]
async fn dates_and_times_are_postgresqls() {
    check(
        "",
        &[
            ("date", INSTANTS),
            ("timestamp", INSTANTS),
            ("timestamptz", INSTANTS),
            ("timestamp(0)", INSTANTS),
            ("timestamptz(3)", INSTANTS),
            ("time", TIMES),
            ("time(1)", TIMES),
            ("timetz", TIMES),
            ("timetz(0)", TIMES),
        ],
    )
    .await;
}

const JSONS: &[&str] = &[
    "{}",
    "[]",
    "null",
    "true",
    " false ",
    "0",
    "-0",
    "-0.0",
    "1.50",
    "1e2",
    "1E-3",
    "1e400",
    "1e131072",
    "01",
    "1.",
    ".5",
    "+1",
    "-",
    "\"\"",
    "\"a\\u0041\\n\\t\\b\\f\\r\\/\\\\\\\"\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83dx\"",
    "\"\\ud83d\\u0041\"",
    "\"\\u12\"",
    "\"\\x\"",
    "\"\t\"",
    "\"\u{7f}é😀\"",
    "\"\\u001f\\u0001\\u007f\"",
    "{\"b\":1,\"a\":2}",
    "{\"bb\":1,\"a\":2,\"c\":3}",
    "{\"a\":1,\"a\":2}",
    "{\"a\": 1, \"b\": [1, 2, {\"c\": null}]}",
    "{\"a\":{\"b\":{}}, \"\":[]}",
    "[1,2,]",
    "[,]",
    "{\"a\"}",
    "{a:1}",
    "{\"a\":1,}",
    "[1 2]",
    "{} {}",
    "",
    " ",
    "nul",
    "truex",
    "tru",
    "{\"\\u0061\": 1, \"a\": 2}",
    "{\"é\": 1, \"zz\": 2, \"ab\": 3}",
    "[\"\\u00e9\"]",
    "{\"a\\\"b\": 1}",
    "\u{feff}{}",
    "1a",
    "'a'",
    "[[[[[[1]]]]]]",
    "{\"k\":\"v\\\\\"}",
    "123456789012345678901234567890.1234567890",
    "\"\\u000b\\u0008\\u0009\"",
    "\"abc",
    "[",
    "{",
    "{\"a\": 1, \"b\": 2}",
    "[1, \"x\", true, null]",
];

#[tokio::test]
async fn json_is_postgresqls() {
    check("", &[("json", JSONS), ("jsonb", JSONS)]).await;
}

const ARRAYS: &[&str] = &[
    "{}",
    " { } ",
    "{1,2,3}",
    "{ 1 , 2 }",
    "{NULL,null,1}",
    "{{1,2},{3,4}}",
    "{{1,2},{3}}",
    "{{1},2}",
    "{1,{2}}",
    "[0:2]={1,2,3}",
    "[1:3]={1,2,3}",
    "[3]={1,2,3}",
    "[1:2]={1,2,3}",
    "[-2:-1][1:2]={{1,2},{3,4}}",
    "[2:1]={}",
    "[1:1]={}",
    "{1,}",
    "{,1}",
    "{1,,2}",
    "{1",
    "1}",
    "",
    "{\"1\"}",
    "{1}x",
    "{\"1\"2}",
    "{1\"2\"}",
    "{{{{{{1}}}}}}",
    "{{{{{{{1}}}}}}}",
    "{{},{}}",
    "{{}}",
    "{\\1}",
    "{\"NULL\"}",
    "[1:2]",
    "[2147483647:2147483647]={1}",
    "[2147483646:2147483646]={1}",
    "{a}",
    "{1 2}",
    "{NULL}",
    "{{NULL,1},{2,NULL}}",
    "[1:1] [1:1] = {{5}}",
    "[+1:+2]={1,2}",
    "[1:2]={{1},{2}}",
];

const TEXT_ARRAYS: &[&str] = &[
    "{a,b}",
    "{\"a b\",\"\"}",
    "{a b}",
    "{ a }",
    "{\"a\\\"b\",\"c\\\\d\"}",
    "{\"NULL\",NULL,nUlL}",
    "{\\N}",
    "{a\\ }",
    "{\"{x}\"}",
    "{a\"b}",
    "{é😀}",
    "{\"a\nb\"}",
    "{nulls}",
    "{\"\t\"}",
    "{'a'}",
    "{a;b}",
    "{\"a,b\"}",
    "{\\\"}",
    "{\\,}",
    "{a(b)}",
    "{ \"x\" }",
    "{\"x\"",
    "{\"x}",
    "{\\",
];

const STATUS: &str = "
    create type status as enum ('planned', 'done', 'NULL', 'with space', 'ünïcode', 'a\"b\\c');
    create domain price as numeric(6,2) not null;
    create domain code as varchar(3);
    create domain fee as price;
    create domain flag as boolean;
    create domain state as status;
    create domain codes as code[];
    create type bill_line as (item text, amount price, state status, at timestamptz, ok boolean);
    create type bill as (number integer, lines bill_line[], one bill_line);
    create type single as (a text);";

#[tokio::test]
async fn own_types_are_postgresqls() {
    let labels =
        &["planned", "done", "NULL", "with space", "ünïcode", "a\"b\\c", "Planned", " planned", "", "gone"];
    let prices = &["1", "9999.99", "9999.995", "1.005", "x", "NaN", ""];
    let lines = &[
        "(a,1,planned,2024-01-01,t)",
        "(,1,,,)",
        "(a,,planned,,)",
        "(\"a,\"\"b\"\"\",1.005,\"with space\",\"2024-01-01 10:00+02\",true)",
        "( a ,1,done,,)",
        "(a,1,done,,",
        "(a,1,done)",
        "(a,1,done,,,)",
        " (a,1,done,,) ",
        "(\\,x,1,done,,)",
        "(\"\",1,done,,)",
        "(a,1,gone,,)",
        "a,1,done,,",
        "(a\"b c\"d,1,NULL,infinity,f)",
        "",
        "()",
    ];
    let bills = &[
        "(1,{},)",
        "(,\"{\"\"(a,1,planned,,)\"\",NULL}\",\"(b,2,done,,t)\")",
        "(1,\"{\"\"(\\\\\"\"x y\\\\\"\",1,planned,,)\"\"}\",)",
        "(x,,)",
        "(,,)",
    ];
    check(
        STATUS,
        &[
            ("int4[]", ARRAYS),
            ("text[]", ARRAYS),
            ("text[]", TEXT_ARRAYS),
            ("varchar(1)[]", TEXT_ARRAYS),
            ("numeric(3,1)[]", &["{1,2.25}", "{100}", "{NaN,NULL}", "{\"1.0\"}"]),
            ("timestamptz[]", &["{2024-01-01,\"2024-01-01 10:00+02\",infinity}", "{x}"]),
            ("jsonb[]", &["{\"{\\\"b\\\":1,\\\"a\\\":[1,2]}\",1,null,\"null\"}"]),
            ("bool[]", &["{t,false,NULL}", "{x}"]),
            ("char(3)[]", &["{a,abc,\"ab \"}", "{abcd}"]),
            ("status", labels),
            (
                "status[]",
                &[
                    "{planned,done}",
                    "{NULL,\"NULL\"}",
                    "{\"with space\",ünïcode}",
                    "{gone}",
                    "{}",
                    "[0:0]={done}",
                ],
            ),
            ("price", prices),
            ("fee", prices),
            ("fee[]", &["{1,2.5}", "{NULL}", "{}"]),
            ("flag", &["t", "no", "x"]),
            ("flag[]", &["{t,no,NULL}"]),
            ("code", &["abc", "abcd", "abc  ", ""]),
            ("code[]", &["{abc,a}", "{abcd}"]),
            ("codes", &["{abc,a}", "{abcd}"]),
            ("state", labels),
            ("state[]", &["{planned,NULL}"]),
            ("bill_line", lines),
            ("bill_line[]", &["{\"(a,1,planned,2024-01-01,t)\",NULL}", "{}"]),
            ("bill", bills),
            ("single", &["()", "(\"\")", "(a)", "(\" \")", "(a,b)"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_depends_on_the_session_or_the_day_is_refused() {
    let instants: &[&str] = &[
        "now",
        "today",
        "2024-03-01 12::00",
        "Jan 8 1999",
        "2024-03-01 12:00 CET",
        "1999.008",
        "J2451187",
        "2020.01.08",
        "99-01-08",
    ];
    check_as(
        "",
        &[
            ("date", instants),
            ("timestamptz", instants),
            ("timestamp(0)", &["294276-12-31 23:59:59.999999"]),
            ("float4", &["-nan"]),
            ("float8", &["0x10", "-nan"]),
            ("xid8", &["0x10", "010", "12x"]),
        ],
        Strictness::Stricter,
    )
    .await;
}
