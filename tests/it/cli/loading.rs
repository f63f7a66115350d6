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
fn a_file_that_no_section_names_is_told() {
    let folder = clinic("[sources.visits]\nfiles = [\"sources/visits*.csv\"]");
    put(folder.path(), "visits_1.csv", "id;name\n1;x\n");
    put(folder.path(), "invoices.csv", "id;total\n1;2\n");
    let told = "sources/invoices.csv: named by no section of clinic.toml";
    says(&run(folder.path(), &["load", "acme", "--explain"]), 0, &[told]);
    says(&run(folder.path(), &["load", "acme"]), 0, &[told, "records loaded: 1"]);
    says(&run(folder.path(), &["load", "acme", "--source", "visits"]), 0, &[told]);
    let named = clinic("[sources.all]\nfiles = [\"sources/*.csv\"]");
    put(named.path(), "invoices.csv", "id;total\n1;2\n");
    let output = run(named.path(), &["load", "acme"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("no section of"), "{output:?}");
}

#[test]
fn cells_without_a_value_are_counted_by_file() {
    let folder = clinic("[sources.caja]\nfiles = [\"sources/*.xlsx\"]");
    let book = include_bytes!("../../cases/load/formulas-without-results-xlsx/caja.xlsx");
    put(folder.path(), "caja_1.xlsx", book);
    put(folder.path(), "caja_2.xlsx", book);
    let count = "sources/caja_2.xlsx: cells that gave no value and are null";
    let again = "save it again as .xlsx";
    says(
        &run(folder.path(), &["load", "acme"]),
        0,
        &["sources/caja_1.xlsx: cells", count, "formula_without_result"],
    );
    // What was not read again is still told.
    says(&run(folder.path(), &["load", "acme"]), 0, &[count, "nothing was read"]);
    let output = run(folder.path(), &["load", "acme", "--format", "json"]);
    says(&output, 0, &["\"cells\": 12", again, "Caja!D2"]);
    let spanish = run(folder.path(), &["--lang", "es", "load", "acme"]);
    says(&spanish, 0, &["sources/caja_1.xlsx: celdas que no dieron valor y quedan nulas"]);
    // Among other stages too, which stop here for want of SQL.
    says(&run(folder.path(), &["run", "acme"]), 2, &[count]);
}

#[test]
fn a_mistake_in_clinic_toml_has_its_line_and_what_was_meant() {
    for (sources, parts) in [
        ("[sources.s]\nfiles = ['s.csv']\ndelimeter = ';'", ["delimeter = ';'", "did you mean delimiter?"]),
        ("[sources.s]\nfile = ['s.csv']", ["file = ['s.csv']", "did you mean files?"]),
        ("[tables.patient]\norphan = 'null'", ["orphan = 'null'", "did you mean orphans?"]),
        ("[tables.patient]\nmode = 'upsrt'", ["mode = 'upsrt'", "did you mean upsert?"]),
        ("[source.s]\nfiles = ['s.csv']", ["source.s", "did you mean sources?"]),
        ("[sources.s]\nfiles = 's.csv'", ["expected a sequence", "README.md"]),
        ("[sources.s\nfiles = ['s.csv']", ["[sources.s", "README.md"]),
    ] {
        let folder = clinic(sources);
        let output = run(folder.path(), &["load", "acme"]);
        says(&output, 2, &[&["clinics/acme/clinic.toml:", "README.md"], &parts[..]].concat());
    }
}

#[test]
fn a_delimiter_that_changed_is_told_with_the_setting_to_write() {
    let folder = clinic("[sources.s]\nfiles = [\"sources/s.csv\"]");
    put(folder.path(), "s.csv", "id;nombre\n1;Ana\n2;Eva\n");
    says(&run(folder.path(), &["load", "acme"]), 0, &[]);
    put(folder.path(), "s.csv", "id,nombre,tel\n1,Ana,600\n2,Eva,700\n");
    let setting = "if it is, write under [sources.s]: delimiter = \",\"";
    let output = run(folder.path(), &["load", "acme", "--format", "json"]);
    says(&output, 0, &[&setting.replace('"', "\\\"")]);
    // Among other stages it is seen too.
    says(&run(folder.path(), &["run", "acme"]), 2, &["dialect_drift", "delimiter"]);
    let path = folder.path().join("clinics/acme/clinic.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let settled = text.replace("[sources.s]\n", "[sources.s]\ndelimiter = \",\"\n");
    std::fs::write(&path, settled).unwrap();
    says(&run(folder.path(), &["load", "acme"]), 0, &["columns_changed", "records loaded: 2"]);
    says(&run(folder.path(), &["sql", "acme", "select tel from raw.s"]), 0, &["700"]);
}

#[test]
fn a_change_that_the_columns_prove_is_read_and_told_until_it_is_settled() {
    let folder = clinic("[sources.s]\nfiles = [\"sources/s.csv\"]");
    let text = "id;nombre\n1;Ana\n2;Eva\n";
    put(folder.path(), "s.csv", text);
    says(&run(folder.path(), &["load", "acme"]), 0, &[]);
    let told = |text: &[u8], command: &str, code: i32, was: &str, setting: &str| {
        put(folder.path(), "s.csv", text);
        says(&run(folder.path(), &[command, "acme"]), code, &["dialect_drift"]);
        let found = "select detail from meta.finding where rule = 'dialect_drift'";
        says(&run(folder.path(), &["sql", "acme", found]), 0, &[was, setting]);
        says(&run(folder.path(), &["sql", "acme", "select nombre from raw.s"]), 0, &["Eva"]);
    };
    // `run` stops below for want of SQL, but shows what load found.
    told(text.replace(';', ",").as_bytes(), "run", 2, "before: ascii, delimiter ';'", "delimiter = \",\"");
    told(text.replace(';', "|").as_bytes(), "load", 0, "before: ascii, delimiter ';'", "delimiter = \"|\"");
    let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    told(&wide, "run", 2, "ascii before", "encoding = \"UTF-16LE\"");
}

/// The macros are there for whoever looks at what was loaded, before any transform; what is wrong with one of them is the transform's to tell.
#[test]
fn macros_are_there_once_something_was_loaded() {
    let folder = clinic("[sources.visits]\nfiles = [\"sources/visits.csv\"]");
    put(folder.path(), "visits.csv", "id;day\n1;3/5/21\n");
    let macros = folder.path().join("sql/macros");
    std::fs::create_dir_all(&macros).unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/macros");
    for entry in std::fs::read_dir(own).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(entry.path(), macros.join(entry.file_name())).unwrap();
    }
    std::fs::write(
        macros.join("of_target.sql"),
        "-- waits\ncreate or replace macro people() as table from target.patient;\n",
    )
    .unwrap();
    says(&run(folder.path(), &["load", "acme"]), 0, &["records loaded: 1"]);
    let question = "select parse_date(day) as day, mongo_ts('{\"$date\": 0}') as epoch from raw.visits";
    says(&run(folder.path(), &["sql", "acme", question]), 0, &["2021-05-03", "1970-01-01"]);
    says(&run(folder.path(), &["load", "acme"]), 0, &["no source changed"]);
    // Broken ones break no load.
    let other = clinic("[sources.visits]\nfiles = [\"sources/visits.csv\"]");
    put(other.path(), "visits.csv", "id;day\n1;3/5/21\n");
    std::fs::create_dir_all(other.path().join("sql/macros")).unwrap();
    std::fs::write(other.path().join("sql/macros/x.sql"), "-- no macro\nselect 1\n").unwrap();
    says(&run(other.path(), &["load", "acme"]), 0, &["records loaded: 1"]);
}

/// What people read of values that a map does not translate is in their language.
#[test]
fn what_a_map_does_not_translate_is_told_in_the_readers_language() {
    let folder = clinic("[sources.visits]\nfiles = [\"sources/visits.csv\"]\nprimary = \"visit\"");
    put(folder.path(), "visits.csv", "id;state\n1;x\n2;y\n");
    std::fs::create_dir_all(folder.path().join("sql/sources/acme/clean")).unwrap();
    let sql = folder.path().join("sql/systems/clinicsay/target");
    std::fs::create_dir_all(&sql).unwrap();
    let model = "-- one row a visit\n-- map: state = raw.visits.state\nselect id, state.target_value as state, _id from raw.visits left join map.state as state on state.source_value = visits.state\n";
    std::fs::write(sql.join("visit.sql"), model).unwrap();
    let maps = folder.path().join("clinics/acme/maps");
    std::fs::create_dir_all(&maps).unwrap();
    std::fs::write(maps.join("state.csv"), "source_value,target_value,who,when\n").unwrap();
    says(&run(folder.path(), &["load", "acme"]), 0, &["records loaded: 2"]);
    says(&run(folder.path(), &["--lang", "es", "transform", "acme"]), 0, &[]);
    let question = "select detail from meta.finding where rule = 'unmapped_value'";
    says(&run(folder.path(), &["sql", "acme", question]), 0, &["valores: 2, política"]);
}
