//! `run --all`: one clinic after the other, one exit code, and what each of them took.

use serde_json::Value;

use super::clinic::Mini;
use super::safety::says;

/// Beside `mini` one whose settings are wrong, before it, and one over its limits, after it.
fn three() -> Mini {
    let mini = Mini::new();
    mini.write("clinics/aaa/clinic.toml", "name = ");
    for file in ["clinic.toml", "sources/people.csv", "sources/visits.csv", "maps/kind.csv"] {
        let text = std::fs::read_to_string(mini.path().join("clinics/mini").join(file)).unwrap();
        mini.write(&format!("clinics/zed/{file}"), &text);
    }
    mini.edit("clinics/zed/clinic.toml", "name = \"mini\"", "name = \"zed\"");
    mini.edit("clinics/zed/clinic.toml", "ABCDEFGHJK", "ABCDEFGHJM");
    mini.edit("clinics/zed/clinic.toml", "50%", "0%");
    mini
}

fn texts(all: &Value, name: &str) -> Vec<String> {
    all.as_array().unwrap().iter().map(|one| one[name].to_string().replace('"', "")).collect()
}

fn parts<'a>(one: &'a Value, name: &str) -> Vec<(&'a str, u64)> {
    let parts = one[name].as_array().unwrap().iter();
    parts.map(|part| (part["name"].as_str().unwrap(), part["rows"].as_u64().unwrap())).collect()
}

#[test]
fn every_clinic_is_run_and_the_worst_tells_the_exit_code() {
    let mini = three();
    let (all, code) = mini.json("run --all --log-level error");
    assert_eq!(code, 1, "a clinic.toml that is wrong fails its clinic, the command was typed well: {all}");
    assert_eq!(texts(&all, "clinic"), ["aaa", "mini", "zed"]);
    assert_eq!(texts(&all, "state"), ["failed", "done", "findings"]);
    assert_eq!(texts(&all, "exit_code"), ["1", "0", "3"]);
    assert!(all[0]["message"].as_str().unwrap().contains("clinic.toml"), "{all}");
    std::fs::remove_dir_all(mini.path().join("clinics/aaa")).unwrap();
    assert_eq!(mini.json("run --all --log-level error").1, 3);
    std::fs::remove_dir_all(mini.path().join("clinics/zed")).unwrap();
    assert_eq!(mini.json("run --all --log-level error").1, 0);
}

#[test]
fn a_run_of_all_tells_what_each_clinic_and_its_tables_took() {
    let mini = three();
    let (all, _) = mini.json("run --all --log-level error");
    let one = &all[1];
    assert_eq!(one["stages"].as_array().unwrap().len(), 6);
    assert_eq!(parts(one, "sources"), [("people", 3), ("visits", 4)]);
    assert_eq!(parts(one, "tables"), [("person", 3), ("visit", 3)]);
    assert_eq!(one["rows"], 6);
    let seconds = one["seconds"].as_f64().unwrap();
    assert_eq!(one["rows_per_second"], (6.0 / seconds).round());
    let peaks = one["stages"].as_array().unwrap().iter().filter_map(|stage| stage["peak_bytes"].as_u64());
    assert_eq!(one["peak_bytes"].as_u64(), peaks.max());
    assert_eq!(one["peak_bytes"].is_u64(), cfg!(target_os = "linux"));
    for part in one["sources"].as_array().unwrap().iter().chain(one["tables"].as_array().unwrap()) {
        let of_it = part["seconds"].as_f64().unwrap_or_else(|| panic!("{part} took no time"));
        assert!(of_it <= seconds, "{part} took longer than {seconds}");
        let pace = part["rows_per_second"].as_f64();
        assert_eq!(pace, (of_it > 0.0).then(|| (part["rows"].as_f64().unwrap() / of_it).round()), "{part}");
    }
    for source in one["sources"].as_array().unwrap() {
        assert_eq!(source["peak_bytes"].is_u64(), cfg!(target_os = "linux"), "{source}");
        // The stage's own figure is never below that of one of its sources, which are measured anew.
        assert!(source["peak_bytes"].as_u64() <= one["stages"][0]["peak_bytes"].as_u64(), "{one}");
    }
    let checked = &all[2];
    assert_eq!(parts(checked, "tables"), [("person", 3), ("visit", 3)], "of the check, where it stopped");
    assert!(all[0]["sources"] == serde_json::json!([]) && all[0].get("run").is_none(), "{}", all[0]);

    let told = mini.run(&["run", "--all", "--lang", "es", "--log-level", "error"]);
    let heads = [
        "fuente",
        "people",
        "clínica",
        "estado",
        "filas/s",
        "memoria máxima",
        "hallazgos",
        "2 de 3: aaa, zed",
    ];
    says(&told, 1, &heads);
}

#[test]
fn each_clinic_that_fails_is_told_with_what_to_type() {
    let mini = Mini::new();
    mini.write("clinics/aaa/clinic.toml", "name = ");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute("update person set name = 'Other' where name = 'Ana'");
    mini.edit("sql/sources/ledger/clean/visit.sql", "day::date", "nope(day)");
    let told = mini.run(&["demo", "--log-level", "error"]);
    says(&told, 1, &["→ trasvase run aaa\n", "→ trasvase run mini --from transform\n"]);
}

#[test]
fn the_demo_proposes_a_clinic_that_needs_no_variable() {
    let mini = Mini::new();
    for file in ["sources/people.csv", "sources/visits.csv", "maps/kind.csv"] {
        let text = std::fs::read_to_string(mini.path().join("clinics/mini").join(file)).unwrap();
        mini.write(&format!("clinics/aaa/{file}"), &text);
    }
    let settings = std::fs::read_to_string(mini.path().join("clinics/mini/clinic.toml")).unwrap();
    let live = "[sources.old]\nurl = \"REHEARSAL_URL\"\nquery = \"select 1 as one\"\nunused = \"looked at only\"\n\n[maps.kind]";
    let settings = settings.replace("name = \"mini\"", "name = \"aaa\"").replace("ABCDEFGHJK", "ABCDEFGHJM");
    mini.write("clinics/aaa/clinic.toml", &settings.replace("[maps.kind]", live));
    let told = mini.run(&["demo", "--all", "--log-level", "error"]);
    says(&told, 0, &["trasvase run mini\n"]);
    mini.edit(
        "clinics/mini/clinic.toml",
        "files = [\"sources/people.csv\"]",
        "url = \"NOT_SET\"\ntable = \"people\"",
    );
    let told = mini.run(&["demo", "--log-level", "error"]);
    says(&told, 0, &["trasvase init <name>\n"]);
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(!text.contains("trasvase run") && !text.contains("trasvase sql"), "{text}");
}
