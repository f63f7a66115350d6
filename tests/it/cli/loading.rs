//! What `load` prints about files that are not as they should be, and what it says to type next.

use std::path::Path;
use std::process::Output;

use super::{project, run};

/// The clinic `acme` with these sources in its clinic.toml.
fn clinic(sources: &str) -> tempfile::TempDir {
    let folder = project();
    let path = folder.path().join("clinics/acme/clinic.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\n[sources]\n", &format!("\n[sources]\n{sources}\n"))).unwrap();
    folder
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(folder.join("clinics/acme/sources").join(name), bytes).unwrap();
}

/// Ends with this code, and prints all of these parts, line ends and runs of spaces aside.
fn says(output: &Output, code: i32, parts: &[&str]) {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(plain.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn cells_without_a_value_are_counted_by_file() {
    let folder = clinic("[sources.caja]\nfiles = [\"sources/*.xlsx\"]");
    let book = include_bytes!("../../cases/load/formulas-without-results-xlsx/caja.xlsx");
    put(folder.path(), "caja_1.xlsx", book);
    put(folder.path(), "caja_2.xlsx", book);
    let count = "sources/caja_2.xlsx: 6 cells gave no value";
    let again = "save it again as .xlsx";
    says(
        &run(folder.path(), &["load", "acme"]),
        0,
        &["sources/caja_1.xlsx: 6 cells", count, "formula_without_result"],
    );
    // What was not read again is still told.
    says(&run(folder.path(), &["load", "acme"]), 0, &[count, "nothing was read"]);
    let output = run(folder.path(), &["load", "acme", "--format", "json"]);
    says(&output, 0, &["\"cells\": 12", again, "Caja!D2"]);
    let spanish = run(folder.path(), &["--lang", "es", "load", "acme"]);
    says(&spanish, 0, &["sources/caja_1.xlsx: 6 celdas no dieron valor"]);
    // Among other stages too, which stop here for want of SQL.
    says(&run(folder.path(), &["run", "acme"]), 2, &[count]);
}
