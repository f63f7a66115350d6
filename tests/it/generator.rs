//! The generated export in git is what the generator writes.

#[path = "../../examples/generate_clinic/clinic/mod.rs"]
mod clinic;

use std::collections::BTreeMap;
use std::path::Path;

use clinic::{Options, generate};

/// Every file of a folder by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn generated(options: Options) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    generate(&options, folder.path()).unwrap();
    files(folder.path())
}

/// The bytes of a file without what cannot be decoded, for reading.
fn text(file: &[u8]) -> String {
    encoding_rs::WINDOWS_1252.decode(file).0.into_owned()
}

#[test]
fn committed_sources_are_generated() {
    let committed = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("clinics/senses/sources"));
    let fresh = generated(Options { patients: 2000, seed: 7, bench: false });
    assert_eq!(committed.keys().collect::<Vec<_>>(), fresh.keys().collect::<Vec<_>>());
    for (name, bytes) in &fresh {
        assert!(committed[name] == *bytes, "{name} differs: run the generator again");
    }
}

#[test]
fn another_seed_gives_other_rows() {
    let [first, second] = [1, 2].map(|seed| generated(Options { patients: 30, seed, bench: false }));
    assert_ne!(first["pacientes_1.csv"], second["pacientes_1.csv"]);
    assert_ne!(first["citas.csv"], second["citas.csv"]);
}

#[test]
fn bench_has_three_appointments_and_an_invoice_a_patient_and_no_defect() {
    let files = generated(Options { patients: 400, seed: 1, bench: true });
    let records = |name: &str| text(&files[name]).lines().count() - 1;
    assert_eq!(records("pacientes_1.csv") + records("pacientes_2.csv"), 400);
    assert_eq!(records("citas.csv"), 1200);
    assert_eq!(records("facturas.csv"), 400);
    let expected: serde_json::Value = serde_json::from_slice(&files["expected.json"]).unwrap();
    for (name, source) in expected["sources"].as_object().unwrap() {
        assert_eq!(source["records"], source["imported"], "{name}");
        assert_eq!(source["repaired"].get("phone_spelling"), None, "{name}");
    }
}

#[test]
fn every_promised_defect_is_made() {
    let files = generated(Options { patients: 2000, seed: 7, bench: false });
    let expected: serde_json::Value = serde_json::from_slice(&files["expected.json"]).unwrap();
    for pointer in [
        "pacientes/exact_duplicates",
        "pacientes/kept/same_person",
        "pacientes/repaired/phone_spelling",
        "pacientes/repaired/white_space",
        "pacientes/repaired/impossible_date",
        "citas/unreadable/ragged",
        "citas/unreadable/undecodable",
        "citas/rejected/orphan_patient",
        "citas/rejected/impossible_date",
        "citas/rejected/room_overlap",
        "presupuestos_lineas/rejected/parent_rejected",
        "presupuestos_lineas/repaired/budget_number",
    ] {
        let count = expected["sources"].pointer(&format!("/{pointer}")).and_then(serde_json::Value::as_u64);
        assert!(count > Some(0), "{pointer}");
    }
    assert!(text(&files["presupuestos.csv"]).contains("\r\n2025/000100;"));
    assert!(text(&files["presupuestos_lineas.csv"]).contains("\r\n2025000100;"));
}
