//! One database in two systems: what arrives of Sakila out of SQLite and out of PostgreSQL is the same.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::desk::Desk;
use crate::support::{self, runtime};

/// Each table's columns, as they are compared: the two write numbers, times, truth values and lists in their own ways.
const TABLES: [(&str, &str); 15] = [
    ("actor", "actor_id, first_name, last_name, at(last_update)"),
    (
        "address",
        "address_id, address, address2, district, city_id, postal_code, phone, at(last_update)",
    ),
    ("category", "category_id, name, at(last_update)"),
    ("city", "city_id, city, country_id, at(last_update)"),
    ("country", "country_id, country, at(last_update)"),
    (
        "customer",
        "customer_id, store_id, first_name, last_name, email, address_id, active, at(create_date), at(last_update)",
    ),
    (
        "film",
        "film_id, title, description, release_year, language_id, original_language_id, rental_duration, money(rental_rate),
         length, money(replacement_cost), rating, at(last_update), list(special_features)",
    ),
    ("film_actor", "actor_id, film_id, at(last_update)"),
    ("film_category", "film_id, category_id, at(last_update)"),
    ("inventory", "inventory_id, film_id, store_id, at(last_update)"),
    ("language", "language_id, name, at(last_update)"),
    ("payment", "payment_id, customer_id, staff_id, rental_id, money(amount), at(payment_date)"),
    (
        "rental",
        "rental_id, at(rental_date), inventory_id, customer_id, at(return_date), staff_id, at(last_update)",
    ),
    (
        "staff",
        "staff_id, first_name, last_name, address_id, email, store_id, truth(active), username, password, at(last_update)",
    ),
    ("store", "store_id, manager_staff_id, address_id, at(last_update)"),
];

fn unpacked(name: &str) -> Vec<u8> {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/sqlite").join(name);
    zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap()
}

/// The scripts hold COPY with its data, which only psql reads.
fn fill(url: &str) {
    let psql = support::server().binaries().path("psql");
    let mut psql = Command::new(psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(&unpacked("sakila-postgres.sql.zst")).unwrap();
    let output = psql.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a call means in DuckDB; `list` is without order, and neither quoted nor in braces.
fn readable(columns: &str) -> String {
    let mut text = columns.to_owned();
    for (name, before, after) in [
        ("at(", "strftime(cast(", " as timestamp), '%Y-%m-%d %H:%M:%S.%f')"),
        ("money(", "cast(cast(", " as decimal(12, 2)) as varchar)"),
        ("truth(", "cast(", " in ('1', 't') as varchar)"),
        ("list(", "array_to_string(list_sort(string_split(translate(", ", '{}\"', ''), ',')), ',')"),
    ] {
        while let Some(at) = text.find(name) {
            let end = text[at..].find(')').unwrap() + at;
            let column = text[at + name.len()..end].to_owned();
            text.replace_range(at..=end, &format!("{before}{column}{after}"));
        }
    }
    text
}

#[test]
fn sakila_is_the_same_out_of_sqlite_and_postgresql() {
    let database = runtime().block_on(support::database());
    fill(&database.url);
    let section = |(table, _): &(&str, &str)| {
        format!(
            "[sources.lite_{table}]\nfiles = ['x.db']\ntable = '{table}'\n[sources.pg_{table}]\nurl = 'OLD_URL'\ntable = '{table}'\n"
        )
    };
    let desk = Desk::new(&TABLES.iter().map(section).collect::<String>());
    desk.write("x.db", unpacked("sakila.db.zst"));
    std::fs::write(desk.folder.path().join(".env"), format!("OLD_URL='{}'\n", database.url)).unwrap();
    let report = desk.load().unwrap();
    assert_eq!(report.refused(), 0);
    for (table, columns) in TABLES {
        // As a struct, so that a null does not vanish between two others.
        let rows = |source: &str| {
            format!("(select cast(row({}) as varchar) as line from raw.{source}_{table})", readable(columns))
        };
        let digest = |source: &str| {
            desk.rows(&format!(
                "select count(*), sha256(string_agg(line, chr(10) order by line)) from {}",
                rows(source)
            ))
        };
        assert_eq!(digest("lite"), digest("pg"), "{table}");
    }
}
