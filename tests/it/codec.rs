//! The codec against PostgreSQL itself.

mod oracle;
#[rustfmt::skip]
pub(crate) mod values;

use oracle::{Strictness, check, check_as};
use sha2::{Digest as _, Sha256};
use trasvase::codec::Codec;
use trasvase::model::ident::{TableName, quoted};
use trasvase::pg::catalog;
use values::*;

use crate::support;

#[tokio::test]
async fn numbers_are_postgresqls() {
    check(
        "",
        &[
            ("bool", BOOL_VALUES),
            ("int2", INTEGERS),
            ("int4", INTEGERS),
            ("int8", INTEGERS),
            ("oid", OID_VALUES),
            ("float4", FLOATS),
            ("float8", FLOATS),
            ("numeric", NUMERICS),
            ("numeric(5,2)", NUMERICS),
            ("numeric(3,0)", NUMERICS),
            ("numeric(3,5)", NUMERICS),
            ("numeric(3,-2)", NUMERICS),
            ("numeric(1000,1000)", NUMERICS),
            ("pg_lsn", PG_LSN_VALUES),
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
            ("bytea", BYTEA_VALUES),
            ("uuid", UUID_VALUES),
        ],
    )
    .await;
}

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

#[tokio::test]
async fn json_is_postgresqls() {
    check("", &[("json", JSONS), ("jsonb", JSONS)]).await;
}

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
            ("status[]", STATUS_VALUES),
            ("price", PRICES),
            ("fee", PRICES),
            ("fee[]", &["{1,2.5}", "{NULL}", "{}"]),
            ("flag", &["t", "no", "x"]),
            ("flag[]", &["{t,no,NULL}"]),
            ("code", &["abc", "abcd", "abc  ", ""]),
            ("code[]", &["{abc,a}", "{abcd}"]),
            ("codes", &["{abc,a}", "{abcd}"]),
            ("state", labels),
            ("state[]", &["{planned,NULL}"]),
            ("bill_line", LINES),
            ("bill_line[]", &["{\"(a,1,planned,2024-01-01,t)\",NULL}", "{}"]),
            ("bill", BILLS),
            ("single", &["()", "(\"\")", "(a)", "(\" \")", "(a,b)"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_depends_on_the_session_or_the_day_is_refused() {
    check_as(
        "",
        &[
            ("date", SESSION_INSTANTS),
            ("timestamptz", SESSION_INSTANTS),
            ("timestamp(0)", &["294276-12-31 23:59:59.999999"]),
            ("float4", &["-nan"]),
            ("interval", &["PT", "P1Y1Y", "- 1 day", "P0001-02-03T04:05:06"]),
            ("interval hour to minute", &["1:2", "5"]),
            ("inet", &["10.1/16"]),
            ("cidr", &["10/8"]),
            ("lseg", &["[(1,2),(3,4))"]),
            ("line", &["(1,2),(3,4)"]),
            ("float8", &["0x10", "-nan"]),
            ("xid8", &["0x10", "010"]),
        ],
        Strictness::Stricter,
    )
    .await;
}

#[tokio::test]
async fn intervals_bits_and_networks_are_postgresqls() {
    check(
        "",
        &[
            ("interval", INTERVALS),
            ("interval(2)", &["00:00:00.125", "-00:00:00.125", "1 day 00:00:59.999", "1.005 s"]),
            ("interval year", &["1 year 5 mons 3 days 01:00:00", "-1 year -5 mons"]),
            ("interval year to month", &["1 year 5 mons 3 days", "1 day"]),
            ("interval day", &["1 mon 3 days 05:00:00"]),
            ("interval hour", &["1 mon 3 days 05:06:07.8", "-05:06:07"]),
            ("interval day to minute", &["1 mon 3 days 05:06:07.8"]),
            ("interval day to second(1)", &["1 mon 3 days 05:06:07.86"]),
            ("bit", BITS),
            ("bit(3)", BITS),
            ("varbit", BITS),
            ("varbit(8)", BITS),
            ("inet", NETWORKS),
            ("cidr", NETWORKS),
            ("macaddr", MACS),
            ("macaddr8", MACS8),
        ],
    )
    .await;
}

#[tokio::test]
async fn figures_are_postgresqls() {
    check(
        "",
        &[
            ("point", FIGURES),
            ("lseg", FIGURES),
            ("box", FIGURES),
            ("path", FIGURES),
            ("polygon", FIGURES),
            ("line", LINE_VALUES),
            ("circle", FIGURES),
            ("box[]", &["{(1,2),(3,4);(5,6),(7,8)}", "{}", "{NULL;(1,2),(3,4)}", "{(1,2),(3,4)}"]),
            ("point[]", &["{\"(1,2)\",\"(3,4)\"}"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn ranges_are_postgresqls() {
    check(
        "create type shift as range (subtype = time); create type load as range (subtype = float8);",
        &[
            ("int4range", RANGES),
            ("int8range", RANGES),
            ("numrange", RANGES),
            ("numrange", NUMRANGE_VALUES),
            ("daterange", SPANS),
            ("tsrange", SPANS),
            ("tstzrange", SPANS),
            ("shift", &["[08:00,12:30)", "[12,8]", "[12:00,08:00]", "empty"]),
            ("load", &["[1.5,2e3)", "[NaN,1]", "[1,NaN]", "[0,-0]"]),
            ("int4multirange", MULTIRANGES),
            ("nummultirange", MULTIRANGES),
            ("datemultirange", DATEMULTIRANGE_VALUES),
            ("tstzmultirange", &["{[2024-01-01,2024-01-05],[2024-01-05,2024-01-07]}"]),
            ("int4range[]", &["{\"[1,5]\",empty,NULL}"]),
            ("shift[]", &["{\"[08:00,12:30)\",NULL}"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn extensions_types_are_postgresqls() {
    check(
        "create extension hstore; create extension citext; create extension ltree; create domain tag as citext; \
         create schema other; create type other.mood as enum ('ok'); create type other.pair as (mood other.mood, extra hstore)",
        &[
            ("hstore", HSTORES),
            ("hstore[]", &["{\"a=>1\",NULL}"]),
            ("citext", &["Ab", "", "ñ"]),
            ("citext[]", &["{Ab,NULL}"]),
            ("tag", &["Ab"]),
            ("tag[]", &["{Ab}"]),
            ("ltree", &["", "a", "a.b_1.C", "a..b", ".a", "a.", "a b", "a-b"]),
            ("tsvector", VECTORS),
            ("tsvector[]", &["{\"a:1 b\"}"]),
            ("other.mood", &["ok", "no"]),
            ("other.mood[]", &["{ok,NULL}"]),
            ("other.pair", &["(ok,\"a=>1\")", "(,)"]),
            ("other.pair[]", &["{\"(ok,)\"}"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_row_of_many_columns_and_nulls_has_the_servers_digest() {
    let database = support::database_with(
        "create type status as enum ('planned');
         create table visit (id text, price numeric(8,2), at timestamptz, status status, tags text[], note jsonb);
         insert into visit values ('a', 1.5, '2024-01-01 10:00+02', 'planned', '{x,NULL}', '{\"b\": 1, \"a\": 2}'),
             ('b', null, null, null, null, null)",
    )
    .await;
    let client = database.client().await.client;
    let table = TableName::from("visit");
    let catalog = catalog::read(&client, Some(std::slice::from_ref(&table))).await.unwrap();
    let codecs: Vec<Codec> =
        catalog.tables[&table].columns.iter().map(|column| Codec::new(&column.data_type).unwrap()).collect();
    let names = ["id", "price", "at", "status", "tags", "note"];
    let expressions: Vec<String> =
        names.iter().zip(&codecs).map(|(name, codec)| codec.digest_expression(&quoted(name))).collect();
    let sql = format!("select sha256(record_send(row({}))) from visit order by id", expressions.join(", "));
    let rows = [
        [
            Some("a"),
            Some("1.50"),
            Some("2024-01-01 08:00:00+00"),
            Some("planned"),
            Some("{x,NULL}"),
            Some("{\"a\": 2, \"b\": 1}"),
        ],
        [Some("b"), None, None, None, None, None],
    ];
    for (values, row) in rows.iter().zip(client.query(&sql, &[]).await.unwrap()) {
        let mut digested = i32::try_from(names.len()).unwrap().to_be_bytes().to_vec();
        for (codec, value) in codecs.iter().zip(values) {
            codec.digest(*value, &mut digested).unwrap();
        }
        assert_eq!(Sha256::digest(&digested).as_slice(), row.get::<_, &[u8]>(0));
    }
}

#[tokio::test]
async fn types_that_cannot_be_read_here_are_unsupported() {
    let database = support::database_with(
        "create type counted as range (subtype = int4);
         create table t (a money, b xml, c tsquery, d jsonpath, e regclass, f aclitem, g counted, h money[], i pg_snapshot)",
    )
    .await;
    let client = database.client().await.client;
    let table = TableName::from("t");
    let catalog = catalog::read(&client, Some(std::slice::from_ref(&table))).await.unwrap();
    for column in &catalog.tables[&table].columns {
        let unsupported = Codec::new(&column.data_type).unwrap_err();
        assert!(!unsupported.reason.contains("codec."), "{} {}", column.name, unsupported);
    }
}
