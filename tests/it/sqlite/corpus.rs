//! Databases that other people made, with the counts that they publish.

use std::path::Path;

use rusqlite::Connection;

use super::{path, told};
use crate::load::desk::Desk;

/// Tables and views of <https://github.com/lerocha/chinook-database>, and their rows.
const CHINOOK: &[(&str, u64)] = &[
    ("Album", 347),
    ("Artist", 275),
    ("Customer", 59),
    ("Employee", 8),
    ("Genre", 25),
    ("Invoice", 412),
    ("InvoiceLine", 2240),
    ("MediaType", 5),
    ("Playlist", 18),
    ("PlaylistTrack", 8715),
    ("Track", 3503),
];

/// Those of <https://github.com/jOOQ/sakila>; `film_text` is filled by triggers that its SQLite scripts do not have.
const SAKILA: &[(&str, u64)] = &[
    ("actor", 200),
    ("address", 603),
    ("category", 16),
    ("city", 600),
    ("country", 109),
    ("customer", 599),
    ("customer_list", 599),
    ("film", 1000),
    ("film_actor", 5462),
    ("film_category", 1000),
    ("film_list", 5462),
    ("film_text", 0),
    ("inventory", 4581),
    ("language", 6),
    ("payment", 16_049),
    ("rental", 16_044),
    ("sales_by_film_category", 16),
    ("sales_by_store", 2),
    ("staff", 2),
    ("staff_list", 2),
    ("store", 2),
];

#[test]
fn chinook_comes_whole() {
    let told = whole("chinook.sqlite.zst", CHINOOK);
    assert_eq!(told, [] as [&str; 0]);
}

#[test]
fn sakila_comes_whole() {
    let told = whole("sakila.db.zst", SAKILA);
    assert_eq!(told, ["no_records warning  1 x.db", "mixed_types info amount 24 integer 24, real 16025"]);
}

/// Loads all tables and holds rows and columns against what SQLite itself says of them.
fn whole(name: &str, tables: &[(&str, u64)]) -> Vec<String> {
    let section =
        |(table, _): &(&str, u64)| format!("[sources.{table}]\nfiles = ['x.db']\ntable = '{table}'\n");
    let desk = Desk::new(&tables.iter().map(section).collect::<String>());
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/sqlite").join(name);
    desk.write("x.db", zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap());
    let report = desk.load().unwrap();
    let database = Connection::open(path(&desk)).unwrap();
    for ((table, rows), source) in tables.iter().zip(&report.sources) {
        assert_eq!((&source.name[..], source.rows, source.refused), (*table, *rows, 0));
        // A view's sums have more figures in SQLite's text than it takes to tell them apart.
        let is_theirs = |name: &&String| !name.starts_with("_type_") && *name != "total_sales";
        let columns: Vec<_> = source.columns.iter().filter(is_theirs).collect();
        let sums = |text: &str| {
            let sum = |name: &&String| {
                let value = text.replace('?', &format!("\"{name}\""));
                format!(
                    "count(\"{name}\") || ' ' || coalesce(sum(length({value})), 0) || ' ' || coalesce(min({value}), '') || ' ' || coalesce(max({value}), '')"
                )
            };
            columns.iter().map(sum).collect::<Vec<_>>().join(" || '|' || ")
        };
        let theirs: String = database
            .query_row(&format!("select {} from \"{table}\"", sums("cast(? as text)")), [], |row| row.get(0))
            .unwrap();
        let ours = desk.rows(&format!("select {} from raw.\"{table}\"", sums("?")));
        assert_eq!(ours[0][0], theirs, "{table}");
    }
    assert!(desk.load().unwrap().unchanged());
    told(&report)
}
