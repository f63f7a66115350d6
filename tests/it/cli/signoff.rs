//! Sign-offs: what they are refused for, and that whatever changes afterwards is found.

use std::path::PathBuf;

use serde_json::Value;

use super::clinic::Mini;
use super::safety::says;
use crate::support;

/// A clinic that ran, and its batch.
fn pushed() -> (Mini, String) {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let batch = text(&mini, "select id from trasvase.batch");
    (mini, batch)
}

/// The same, signed.
fn signed() -> (Mini, String) {
    let (mini, batch) = pushed();
    says(&mini.run(&["signoff", "mini", "last", "--by", "Eva Ruiz"]), 0, &["Eva Ruiz", "seal"]);
    (mini, batch)
}

fn text(mini: &Mini, sql: &str) -> String {
    support::runtime().block_on(async {
        let session = mini.database.client().await;
        session.client.query_one(sql, &[]).await.unwrap().get(0)
    })
}

fn document(mini: &Mini, batch: &str) -> PathBuf {
    mini.path().join(format!("clinics/mini/signoff/{batch}.json"))
}

/// The lines that do not hold, as `what name state`.
#[track_caller]
fn broken(mini: &Mini, code: i32) -> Vec<String> {
    let (report, found) = mini.json("verify mini --signoff");
    assert_eq!(found, code, "{report:#}");
    let lines = report["lines"].as_array().unwrap().iter().filter(|line| line["holds"] == false);
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    lines.map(|line| [&line["what"], &line["name"], &line["state"]].map(word).join(" ")).collect()
}

#[test]
fn what_was_signed_is_proven_to_be_there() {
    let (mini, batch) = signed();
    assert_eq!(broken(&mini, 0), Vec::<String>::new());
    says(&mini.run(&["verify", "mini", "--signoff"]), 0, &["Everything is as it was signed", "Eva Ruiz"]);
    let written = std::fs::read_to_string(document(&mini, &batch)).unwrap();
    let sealed: Value = serde_json::from_str(&written).unwrap();
    assert_eq!((&sealed["by"], &sealed["clean"]), (&"Eva Ruiz".into(), &true.into()));
    assert_eq!(sealed["tables"].as_array().unwrap().len(), 2);
    assert_eq!(sealed["sources"][0]["files"][0]["name"], "sources/people.csv");
    assert!(sealed["models"]["target.person"]["fingerprint"].is_string(), "{sealed:#}");
    let seal = sealed["seal"].as_str().unwrap();
    assert_eq!(
        text(&mini, "select seal || ' ' || signed_by from trasvase.signoff"),
        format!("{seal} Eva Ruiz")
    );
    assert_eq!(text(&mini, "select document from trasvase.signoff"), written);
    says(&mini.run(&["signoff", "mini", "last", "--by", "Max"]), 2, &["Eva Ruiz"]);
    // A later report names it and changes nothing of what was signed; an edited source and a lost report are told.
    let (answer, _) = mini.json("report mini");
    let page = std::fs::read_to_string(answer["page"].as_str().unwrap()).unwrap();
    assert!(page.contains(seal) && page.contains("Signed off by Eva Ruiz"));
    assert_eq!(broken(&mini, 0), Vec::<String>::new());
    mini.edit("clinics/mini/sources/people.csv", "Luis", "Luisa");
    std::fs::remove_file(mini.path().join(format!("staging/mini/reports/{batch}-signed.html"))).unwrap();
    assert_eq!(broken(&mini, 3), ["source sources/people.csv changed"]);
}

#[test]
fn nothing_is_signed_that_has_no_reason() {
    let (mini, batch) = pushed();
    mini.execute(
        "update person set name = 'Somebody' where name = 'Ana'; delete from visit where kind = 'RETURN'",
    );
    says(&mini.run(&["signoff", "mini", &batch, "--by", " "]), 2, &["name"]);
    let refused = mini.run(&["signoff", "mini", &batch, "--by", "Eva"]);
    says(&refused, 3, &["different_edited", "missing_deleted", "trasvase issues mini --accept"]);
    assert!(!document(&mini, &batch).exists());
    says(&mini.run(&["verify", "mini"]), 3, &[]);
    let (issues, _) = mini.json("issues mini");
    let ids = |rule: &str| {
        let mut found = issues["issues"].as_array().unwrap().iter();
        let issue = found.find(|one| one["rule"] == rule).unwrap_or_else(|| panic!("{issues:#}"));
        issue["id"].as_str().unwrap().to_owned()
    };
    let (edited, deleted) = (ids("different_edited"), ids("missing_deleted"));
    says(&mini.run(&["issues", "mini", "--accept", &edited, "--reason", "corrected by Eva"]), 0, &[]);
    says(&mini.run(&["signoff", "mini", &batch, "--by", "Eva"]), 3, &["missing_deleted"]);
    says(&mini.run(&["issues", "mini", "--accept", &deleted, "--reason", "cancelled"]), 0, &[]);
    says(
        &mini.run(&["signoff", "mini", &batch, "--by", "Eva"]),
        0,
        &["accepted: person, rows that people changed since: 1 (corrected by Eva)", "cancelled"],
    );
    assert_eq!(broken(&mini, 0), Vec::<String>::new());
    let sealed: Value =
        serde_json::from_str(&std::fs::read_to_string(document(&mini, &batch)).unwrap()).unwrap();
    assert_eq!((&sealed["clean"], &sealed["accepted"][1]["reason"]), (&false.into(), &"cancelled".into()));
}

#[test]
fn whatever_changes_after_a_signature_is_found() {
    let (mini, batch) = signed();
    let snapshot = text(&mini, "select snapshot from trasvase.batch");
    let data = mini.path().join(format!("staging/mini/snapshots/{snapshot}/data/person.ndjson"));
    let (file, rows) = (document(&mini, &batch), std::fs::read(&data).unwrap());
    // A row that somebody edited is told from one that the ledger cannot explain.
    mini.execute("update person set name = 'Somebody' where name = 'Ana'");
    assert_eq!(broken(&mini, 3), ["table person edited"]);
    mini.execute("update person set name = 'Ana' where name = 'Somebody'");
    mini.execute("delete from visit where kind = 'RETURN'");
    assert_eq!(broken(&mini, 3), ["table visit edited"]);
    // The snapshot.
    std::fs::write(&data, String::from_utf8(rows.clone()).unwrap().replace("Ana", "Ane")).unwrap();
    let found = broken(&mini, 3);
    assert!(found.contains(&"snapshot data/person.ndjson changed".to_owned()), "{found:?}");
    assert!(found.contains(&"table person not_compared".to_owned()), "{found:?}");
    std::fs::write(&data, &rows).unwrap();
    // The document: by a word, by a word and a seal that fits it, and as a whole.
    let text_of = std::fs::read_to_string(&file).unwrap();
    let forged = text_of.replace("Eva Ruiz", "Eva Rios");
    std::fs::write(&file, &forged).unwrap();
    let states = |found: Vec<String>| -> Vec<String> {
        found.into_iter().filter(|line| line.starts_with("seal ") || line.starts_with("ledger ")).collect()
    };
    let seal = format!("seal clinics/mini/signoff/{batch}.json changed");
    assert_eq!(states(broken(&mini, 3)), [seal.as_str(), "ledger trasvase.signoff changed"]);
    let mut value: trasvase::signoff::Document = serde_json::from_str(&forged).unwrap();
    value.seal = value.computed_seal().unwrap();
    std::fs::write(&file, value.text().unwrap()).unwrap();
    assert_eq!(states(broken(&mini, 3)), ["ledger trasvase.signoff changed"]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(states(broken(&mini, 3)), [format!("seal clinics/mini/signoff/{batch}.json gone")]);
    says(&mini.run(&["signoff", "mini", "last", "--by", "Max"]), 0, &["written again"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text_of);
    // The ledger, and the batch.
    mini.execute("update trasvase.signoff set document = replace(document, 'Eva Ruiz', 'Eva Rios')");
    assert_eq!(states(broken(&mini, 3)), ["ledger trasvase.signoff changed"]);
    mini.execute("delete from trasvase.signoff");
    assert_eq!(states(broken(&mini, 3)), ["ledger trasvase.signoff unknown"]);
}

#[test]
fn what_a_later_batch_wrote_is_not_laid_at_peoples_door() {
    let (mini, _) = signed();
    mini.edit("clinics/mini/sources/people.csv", "3;Eva;", "3;Eva;\n4;Sol;");
    says(&mini.run(&["run", "mini"]), 3, &["clinic.toml/people"]);
    assert!(broken(&mini, 3).contains(&"table person later".to_owned()));
}

#[test]
fn a_batch_that_was_taken_back_is_told() {
    let (mini, batch) = signed();
    says(&mini.run(&["rollback", "mini", "last", "--dry-run"]), 0, &["IS SIGNED OFF by Eva Ruiz"]);
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 0, &[]);
    let found = broken(&mini, 3);
    assert_eq!(found[0], format!("batch {batch} rolled_back"), "{found:?}");
    says(&mini.run(&["redo", "mini", "last"]), 0, &[]);
    says(&mini.run(&["verify", "mini", "--signoff"]), 3, &["TAKEN BACK", "pushed since"]);
    says(&mini.run(&["signoff", "mini", &batch, "--by", "Eva"]), 2, &["Eva Ruiz"]);
    says(&mini.run(&["signoff", "mini", "last", "--by", "Max"]), 0, &[]);
    assert_eq!(broken(&mini, 0), Vec::<String>::new());
}
