//! Values come as they are stored, whatever their columns were declared as.

use rusqlite::params;
use serde_json::json;

use super::{database, desk, told};

#[test]
fn every_kind_of_value_comes_as_it_is_and_is_told_where_a_column_holds_several() {
    let desk = desk(
        "table = 't'",
        "create table t (id integer primary key, cosa numeric, precio decimal(10, 2), alta date, foto blob, nada text);
         insert into t values (7, 'uno', 5, '2024-02-30', x'00ff', null),
             (9, -9223372036854775808, 2.99, 1709164800, null, ''),
             (10, 1e300, '3,50 €', 2460370.5, null, null),
             (11, x'4142', 0.1, '01/03/2024 09:30', x'', null),
             (12, 9e999, null, null, null, null)",
    );
    let report = desk.load().unwrap();
    assert_eq!(
        report.sources[0].columns,
        ["id", "cosa", "precio", "alta", "foto", "nada", "_type_cosa", "_type_precio", "_type_alta"]
    );
    assert_eq!(
        desk.rows("select * exclude (_id, _file) from raw.s order by _row"),
        [
            json!(["7", "uno", "5", "2024-02-30", "\\x00ff", null, "text", "integer", "text", "1"]),
            json!([
                "9",
                "-9223372036854775808",
                "2.99",
                "1709164800",
                null,
                "",
                "integer",
                "real",
                "integer",
                "2"
            ]),
            json!(["10", "1e300", "3,50 €", "2460370.5", null, null, "real", "text", "real", "3"]),
            json!(["11", "\\x4142", "0.1", "01/03/2024 09:30", "\\x", null, "blob", "real", "text", "4"]),
            json!(["12", "Infinity", null, null, null, null, "real", null, null, "5"]),
        ]
    );
    assert_eq!(
        told(&report),
        [
            "mixed_types warning cosa 3 integer 1, real 2, text 1, blob 1",
            "blobs info cosa 1",
            "mixed_types warning precio 2 integer 1, real 2, text 1",
            "mixed_types warning alta 2 integer 1, real 1, text 2",
            "blobs info foto 2",
        ]
    );
    assert_eq!(desk.rows("select distinct typeof(cosa) from raw.s"), [json!(["VARCHAR"])]);
}

#[test]
fn nul_bytes_and_texts_that_are_not_utf8_lose_nothing() {
    let desk = desk("table = 't'", "create table t (id integer primary key, nota text)");
    let insert = |value: &[u8]| {
        database(&desk).execute("insert into t (nota) values (cast(? as text))", params![value]).unwrap();
    };
    insert(b"a\0b");
    insert(b"Mu\xf1oz");
    insert("Muñoz".as_bytes());
    insert(b"\\x4d");
    let report = desk.load().unwrap();
    assert_eq!(
        desk.rows("select nota, length(nota), _type_nota from raw.s order by _row"),
        [
            json!(["a\0b", "3", "text"]),
            json!(["\\x4d75f16f7a", "12", "bytes"]),
            json!(["Muñoz", "5", "text"]),
            json!(["\\x4d", "4", "text"]),
        ]
    );
    let told = told(&report);
    assert!(told[0].starts_with("mixed_types warning nota 1 text 3, bytes 1"), "{told:?}");
    assert!(
        told[1].starts_with("undecodable_text warning nota 1 ") && told[1].ends_with("record 2"),
        "{told:?}"
    );
    assert!(
        told[2].starts_with("nul_bytes critical  1 ") && told[2].contains("first in record 1;"),
        "{told:?}"
    );
    assert!(told[2].contains("replace(") && !told[2].contains("encoding"), "{told:?}");
    assert_eq!(desk.rows("select replace(nota, chr(0), '') from raw.s where _row = 1"), [json!(["ab"])]);
}

#[test]
fn a_column_of_nothing_but_such_texts_says_so_too() {
    let desk = desk("table = 't'", "create table t (a); insert into t values (cast(x'ff' as text))");
    desk.load().unwrap();
    assert_eq!(desk.rows("select a, _type_a from raw.s"), [json!(["\\xff", "bytes"])]);
}

#[test]
fn texts_of_a_utf16_database_come_as_utf8() {
    let sql = "pragma encoding = 'UTF-16le'; create table t (a); insert into t values ('Ñandú 😀'), ('')";
    let desk = desk("table = 't'", sql);
    let report = desk.load().unwrap();
    assert_eq!(desk.rows("select a from raw.s order by _row"), [json!(["Ñandú 😀"]), json!([""])]);
    assert_eq!(report.sources[0].files[0].dialect.to_string(), "SQLite, table 't', UTF-16le");
}

#[test]
fn half_a_character_of_a_utf16_database_is_told() {
    for (encoding, half) in [("UTF-16le", "00d84100"), ("UTF-16be", "d8000041")] {
        let sql = format!(
            "pragma encoding = '{encoding}'; create table t (a, b); \
             insert into t values ('Ñandú 😀', 1), (cast(x'{half}' as text), x'00d8'), (null, 2.5)"
        );
        for asked in ["table = 't'", "query = 'select a, b from t -- all'"] {
            let told = told(&desk(asked, &sql).load().unwrap());
            let halves: Vec<&String> = told.iter().filter(|one| one.starts_with("half_characters")).collect();
            let [one] = halves.as_slice() else { panic!("{encoding}: {told:?}") };
            assert!(one.starts_with("half_characters warning a 1 ") && one.ends_with("record 2"), "{told:?}");
        }
    }
}

#[test]
fn parts_of_one_table_in_several_files_have_the_same_columns() {
    let desk = desk("table = 't'", "create table t (a, b); insert into t values (1, 'x'), ('dos', 'y')");
    let other = rusqlite::Connection::open(desk.clinic_dir().join("y.db")).unwrap();
    other.execute_batch("create table t (a, b); insert into t values (3, 'z')").unwrap();
    desk.configure("[sources.s]\nfiles = ['*.db']\ntable = 't'");
    desk.load().unwrap();
    assert_eq!(
        desk.rows("select a, _type_a, b, _type_b, _file from raw.s order by _id"),
        [
            json!(["1", "integer", "x", "text", "x.db"]),
            json!(["dos", "text", "y", "text", "x.db"]),
            json!(["3", "integer", "z", "text", "y.db"]),
        ]
    );
}
