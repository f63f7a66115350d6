//! What is in an archive and what is not, and that the same is the same again.

use super::super::safety::says;
use super::{COMPLIANCE, Vault};

#[test]
fn only_what_was_loaded_is_archived() {
    let vault = Vault::new(COMPLIANCE);
    vault.mini.write("clinics/mini/sources/notes.csv", "a;b\n");
    let plan = vault.json("archive mini --dry-run", 0);
    assert_eq!(plan["left_out"], serde_json::json!(["sources/notes.csv"]));
    vault.mini.edit("clinics/mini/sources/people.csv", "Luis", "Luz");
    let changed = ["sources/people.csv is no longer the file that was loaded", "trasvase run mini"];
    says(&vault.run("archive mini"), 1, &changed);
    std::fs::remove_file(vault.mini.path().join("clinics/mini/sources/people.csv")).unwrap();
    says(&vault.run("archive mini"), 1, &["sources/people.csv was loaded and is not there"]);
    vault.mini.write("clinics/mini/sources/people.csv", "code;name;born\n1;Ana;1980-05-01\n2;Luz;\n3;Eva;\n");
    says(&vault.run("load mini"), 0, &[]);
    says(&vault.run("archive mini"), 2, &["staging file no longer holds"]);
    assert!(vault.objects().is_empty());
}

#[test]
fn what_the_clinics_folder_has_beside_files_is_named_and_left_out() {
    let vault = Vault::new(COMPLIANCE);
    let folder = vault.mini.path().join("clinics/mini");
    for (name, text) in
        [(".env", "PASSWORD=hunter2\n"), ("sources/.old.csv", "a\n"), (".cache/x", "x"), ("notes.txt", "all")]
    {
        vault.mini.write(&format!("clinics/mini/{name}"), text);
    }
    std::os::unix::fs::symlink("nowhere.txt", folder.join("broken.txt")).unwrap();
    std::os::unix::fs::symlink("maps", folder.join("more")).unwrap();
    std::os::unix::fs::symlink("notes.txt", folder.join("linked.txt")).unwrap();
    let plan = vault.json("archive mini --dry-run", 0);
    assert_eq!(plan["hidden"], serde_json::json!([".cache/", ".env", "sources/.old.csv"]));
    assert_eq!(plan["no_files"], serde_json::json!(["broken.txt", "more"]));
    let told = vault.run("archive mini");
    says(
        &told,
        0,
        &["may hold secrets: .cache/, .env, sources/.old.csv", "no files: broken.txt, more", "Archived:"],
    );
    let objects = vault.objects();
    assert!(objects.contains_key("clinic/linked.txt") && objects.contains_key("clinic/notes.txt"));
    assert!(
        !objects.keys().any(|name| name.contains("/.") || name.contains("broken")),
        "{:?}",
        objects.keys()
    );
    says(&vault.run("archive mini"), 0, &["nothing was sent"]);
}

#[test]
fn tables_of_many_rows_are_the_same_bytes_again() {
    let vault = Vault::new(COMPLIANCE);
    let mut people = vault.read("clinics/mini/sources/people.csv");
    (1000..300_000).for_each(|code| people.push_str(&format!("{code};Somebody;\n")));
    vault.mini.write("clinics/mini/sources/people.csv", &people);
    // All the others are records that the model filters, which is what a view of several tables says.
    vault.mini.edit(
        "sql/sources/ledger/clean/person.sql",
        "from raw.people",
        "from raw.people where code::int < 1000",
    );
    says(&vault.run("run mini --until export"), 0, &[]);
    says(&vault.run("archive mini"), 0, &["Archived:"]);
    vault.proxy.rules(&[]);
    says(&vault.run("archive mini"), 0, &["nothing was sent", "objects sent: 0,"]);
    assert!(vault.proxy.seen("PUT", "").is_empty());
}
