//! Reports: what they say, what they hide, and how a browser takes them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::canary::without_ids;
use super::clinic::Mini;
use super::safety::says;

/// What stands in the cells of the sources and of the edited target, and must not stand in a report.
const MARKS: [&str; 4] = ["zlx", "7461529", "1911-11-0", "1911-12-0"];

const PEOPLE: &str = "code;name;born\nzlx1;zlxAna;1911-11-03\nzlx2;zlxLuis;1911-11-04\nzlx3;zlxEva <b>&;\nzlx4;zlx;too;many;cells\nzlx5;;1911-11-05\n";
const VISITS: &str = "number;person;day;kind\nzlx10;zlx1;1911-12-03;first\nzlx11;zlx2;1911-12-04;zlxkind\n\
                      zlx12;zlxgone;1911-12-05;first\n7461529;zlx3;1911-12-06;0190a7b0-0000-8000-8000-746152900000\n";

fn marked() -> Mini {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"100%\"");
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", "\"\" = \"4\"");
    mini.write("clinics/mini/sources/people.csv", PEOPLE);
    mini.write("clinics/mini/sources/visits.csv", VISITS);
    mini.write(
        "sql/systems/small/control/people.reject.sql",
        "-- rejected people\nselect '' as key, count(*)::varchar as value from reject.person\n",
    );
    mini
}

/// The page and the JSON that a command wrote.
fn written(mini: &Mini, line: &str) -> (String, Value, PathBuf) {
    let (answer, code) = mini.json(line);
    assert_eq!(code, 0, "{answer}");
    let read = |name: &str| std::fs::read_to_string(answer[name].as_str().unwrap()).unwrap();
    let path = PathBuf::from(answer["page"].as_str().unwrap());
    (read("page"), serde_json::from_str(&read("json")).unwrap(), path)
}

fn without_marks(text: &str) {
    let lower = without_ids(text).to_lowercase();
    for mark in MARKS {
        assert!(
            !lower.contains(mark),
            "{mark} in …{}…",
            &lower[lower.find(mark).unwrap().saturating_sub(80)..][..160]
        );
    }
}

#[test]
fn a_report_tells_what_became_of_every_record_and_shows_no_value() {
    use std::os::unix::fs::PermissionsExt as _;
    let mini = marked();
    says(&mini.run(&["run", "mini", "--until", "export"]), 0, &[]);
    let (page, report, _) = written(&mini, "report mini");
    assert_eq!(report["answer"]["verdict"], "unproven");
    assert!(page.contains("Not proven yet"), "{page}");
    says(&mini.run(&["run", "mini", "--from", "push"]), 0, &[]);
    let (page, report, path) = written(&mini, "report mini");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    without_marks(&page);
    without_marks(&report.to_string());
    assert_eq!((&report["answer"]["verdict"], &report["answer"]["faults"]), (&"clean".into(), &0.into()));
    let people = &report["sources"][0];
    assert_eq!(
        ["read", "imported", "rejected"].map(|name| people[name].as_u64().unwrap()),
        [5, 3, 2],
        "{people:#}"
    );
    assert_eq!((&people["difference"], &people["complete"]), (&(-2).into(), &true.into()));
    let notes: Vec<String> = people["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| format!("{} {} {}", note["records"], note["verdict"], note["reason"]))
        .collect();
    assert_eq!(notes, ["1 \"unreadable\" \"ragged_row\"", "1 \"rejected\" \"not_null(name)\""]);
    let orphan = report["rejects"].as_array().unwrap().iter().find(|one| one["rule"] == "orphan").unwrap();
    assert_eq!(orphan["examples"][0]["record"], "visits:1:3");
    let unmapped =
        report["findings"].as_array().unwrap().iter().find(|one| one["rule"] == "unmapped_value").unwrap();
    let shapes: Vec<&str> =
        unmapped["examples"].as_array().unwrap().iter().map(|one| one["value"].as_str().unwrap()).collect();
    assert_eq!(shapes, ["9999x9x9-9999-9999-9999-999999999999", "xxxxxxx"]);
    let sampled = &report["verification"]["sample"][0]["columns"][1];
    assert_eq!((&sampled["column"], &sampled["equal"]), (&"name".into(), &true.into()));
    assert!(sampled["values"]["expected"].as_str().unwrap().starts_with("xxx"), "{sampled}");
    let stages: Vec<&str> =
        report["stages"].as_array().unwrap().iter().map(|run| run["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["load", "transform", "check", "export", "push", "verify"]);
    let load = &report["stages"][0];
    assert_eq!(load["rows"], 8);
    if cfg!(target_os = "linux") {
        assert!(load["peak_bytes"].as_u64().unwrap() > 10 << 20, "{load}");
    }
    let hash = report["sources"][0]["files"][0]["sha256"].as_str().unwrap();
    assert_eq!(hash, sha256(&mini.path().join("clinics/mini/sources/people.csv")));
    // The page is made of the same.
    for table in report["verification"]["tables"].as_array().unwrap() {
        assert!(page.contains(table["expected_digest"].as_str().unwrap()), "{table}");
        assert_eq!(table["expected_digest"], table["target_digest"]);
    }
    for text in [hash, "ragged_row", "visits:1:3", "−2", report["snapshot"].as_str().unwrap()] {
        assert!(page.contains(text), "{text} is not in the page");
    }
    let (spanish, ..) = written(&mini, "report mini --lang es");
    for text in ["lang=\"es\"", "Origen", "Importados", "Diff", "LISTA DE", "APROBACI"] {
        assert!(spanish.to_uppercase().contains(&text.to_uppercase()), "{text}");
    }
    let (shown, ..) = written(&mini, "report mini --show-values --sample 9");
    assert!(shown.contains("patients") && shown.contains("zlxAna") && shown.contains("zlxkind"));
    assert!(shown.contains("7461529") && !shown.contains("<b>&;"));
}

#[test]
fn without_its_target_a_report_says_so_and_tells_of_the_last_verification() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let mut command = mini.command(&["report", "mini", "--format", "json"]);
    let url = mini.database.url.replace(&mini.database.name, "gone_away");
    let output = command.env("DATABASE_URL", url).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let report = std::fs::read_to_string(answer["json"].as_str().unwrap()).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["answer"]["verdict"], "clean", "{report:#}");
    assert_eq!((&report["verification"]["fresh"], &report["batch"]), (&false.into(), &Value::Null));
    assert!(report["not_verified"].as_str().unwrap().contains("gone_away"), "{report:#}");
    // What was loaded since is none of the snapshot's.
    mini.edit("clinics/mini/sources/people.csv", "Luis", "Luisa");
    says(&mini.run(&["load", "mini"]), 0, &[]);
    let (page, report, _) = written(&mini, "report mini");
    assert_eq!((&report["staging"], &report["answer"]["verdict"]), (&false.into(), &"clean".into()));
    assert!(page.contains("has gone on since"), "{page}");
    mini.execute("update person set name = 'Somebody' where name = 'Ana'");
    let (page, report, _) = written(&mini, "report mini");
    assert_eq!(report["answer"]["verdict"], "later");
    assert!(page.contains("people have changed some since"), "{page}");
}

/// Letters that name people, with everything that a profile tells of documents.
fn letters() -> String {
    let letter = |n: u32| {
        format!(
            "{{\"_id\":{{\"$oid\":\"65a1f0c2b3d4e5f6071829{n:02x}\"}},\"sender\":{{\"id\":\"{}\"}},\"to\":[{{\"name\":\"zlxLuis\"}}],\"read\":{{\"zlxEva Sol{n}\":1}},\"none\":null}}\n",
            1 + n % 3
        )
    };
    (0..6).map(letter).collect()
}

#[test]
fn a_report_with_a_profile_tells_keys_references_and_paths_without_a_value() {
    let mini = Mini::new();
    let settings = "[sources.letters]\nfiles = [\"sources/letters.json\"]\nunused = \"later\"\n";
    mini.edit("clinics/mini/clinic.toml", "[maps.kind]", &format!("{settings}\n[maps.kind]"));
    mini.write("clinics/mini/sources/letters.json", &letters());
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let (page, report, _) = written(&mini, "report mini --profile");
    let letters =
        report["profile"].as_array().unwrap().iter().find(|one| one["source"] == "letters").unwrap();
    assert_eq!(letters["keys"][0], serde_json::json!(["_doc_id"]));
    let path = |name: &str| {
        let one = letters["paths"].as_array().unwrap().iter().find(|one| one["path"] == name);
        let one = one.unwrap_or_else(|| panic!("{name} in {letters}"));
        format!("{} {}", one["verdict"], one["reason"]).replace('"', "")
    };
    assert_eq!(path("to"), "child_table list_of_objects");
    assert_eq!((path("read"), path("none")), ("jsonb names_are_data".into(), "column never_filled".into()));
    let sender =
        report["references"].as_array().unwrap().iter().find(|one| one["column"] == "sender.id").unwrap();
    assert_eq!(
        (&sender["source"], &sender["parent"], &sender["parent_column"]),
        (&"letters".into(), &"people".into(), &"code".into())
    );
    for text in [
        "letters.sender.id",
        "people.code",
        "child table",
        "never filled",
        "told apart by _doc_id",
        "kept as jsonb, and not shown",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for text in [&page, &report.to_string()] {
        assert!(!text.contains("zlx"), "{text}");
    }
    let (spanish, ..) = written(&mini, "report mini --profile --lang es");
    for text in ["tabla hija", "nunca tiene valor", "Qué nombra registros de otra fuente", "no se muestran"]
    {
        assert!(spanish.contains(text), "{text}");
    }
    let (without, report, _) = written(&mini, "report mini");
    assert!(report.get("references").is_none() && !without.contains("letters.sender.id"));
}

fn sha256(path: &Path) -> String {
    use sha2::Digest as _;
    let bytes = std::fs::read(path).unwrap();
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn two_snapshots_are_compared_row_by_row() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let latest = || std::fs::read_to_string(mini.path().join("staging/mini/snapshots/latest")).unwrap();
    let before = latest();
    mini.edit("clinics/mini/sources/people.csv", "3;Eva;\n", "4;Sol;1990-01-01\n");
    mini.edit("clinics/mini/sources/people.csv", "Luis;1975-12-31", "Luisa;1975-12-30");
    mini.edit("sql/systems/small/target/visit.sql", "v.kind,", "lower(v.kind) as kind,");
    says(&mini.run(&["run", "mini", "--until", "export"]), 0, &[]);
    let (answer, code) = mini.json(&format!("report mini --compare {} {}", &before[..10], &latest()[..10]));
    assert_eq!(code, 0);
    let found = &answer["comparison"];
    let table = |name: &str| {
        let one = found["tables"].as_array().unwrap().iter().find(|one| one["table"] == name).unwrap();
        let counts =
            ["before", "after", "added", "removed", "changed"].map(|name| one[name].as_u64().unwrap());
        (counts, one["columns"].clone())
    };
    assert_eq!(table("person"), ([3, 3, 1, 1, 1], serde_json::json!({"born": 1, "name": 1})));
    assert_eq!(table("visit"), ([3, 3, 0, 0, 2], serde_json::json!({"kind": 2})));
    let models: Vec<&str> =
        found["models"].as_array().unwrap().iter().map(|one| one["model"].as_str().unwrap()).collect();
    assert!(models.contains(&"target.visit") && !models.contains(&"map.kind"), "{models:?}");
    let visits = &found["sources"][1];
    assert_eq!((&visits["before"]["rejected"], &visits["after"]["rejected"]), (&1.into(), &1.into()));
    let files =
        found["sources"].as_array().unwrap().iter().map(|one| one["files_changed"].as_bool().unwrap());
    assert_eq!(files.collect::<Vec<_>>(), [true, false]);
    let page = std::fs::read_to_string(answer["page"].as_str().unwrap()).unwrap();
    assert!(page.contains("born 1, name 1") && !page.contains("Luisa"), "{page}");
    // A batch stands for its snapshot.
    let (same, _) = mini.json(&format!("report mini --compare last {}", before.trim()));
    assert_eq!(
        (&same["comparison"]["before"], &same["comparison"]["after"]),
        (&before.trim().into(), &before.trim().into())
    );
    says(&mini.run(&["report", "mini", "--compare", "last", "nope"]), 1, &[]);
}

/// Chromium, which `make test` installs where it is a plain package; elsewhere there may be none.
fn browser() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let there = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let found = known.into_iter().find(there);
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "no Chromium: .ci/needs browser");
    found
}

/// What a browser prints about a page, at this width.
fn browse(browser: &str, page: &Path, width: u32, more: &[&str]) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={width},3000"))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// What a page complains of.
fn complaints(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
}

#[test]
fn a_browser_takes_a_report_without_a_word_on_any_screen() {
    let mini = marked();
    mini.run(&["run", "mini"]);
    let (page, _, path) = written(&mini, "report mini --lang es");
    for outside in ["://", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'") && page.contains("name=\"viewport\""));
    let Some(browser) = browser() else { return };
    for width in [1280, 390] {
        let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{width}.png"));
        let _ = std::fs::remove_file(&picture);
        let output = browse(browser, &path, width, &[&format!("--screenshot={}", picture.display())]);
        assert_eq!(complaints(&output), Vec::<String>::new());
        assert!(std::fs::metadata(&picture).unwrap().len() > 20_000, "{}", picture.display());
        let drawn = browse(browser, &path, width, &["--dump-dom"]);
        let drawn = String::from_utf8_lossy(&drawn.stdout).into_owned();
        without_marks(&drawn);
        assert!(drawn.contains("<svg") && drawn.contains("visits:1:3"));
        let [content, screen] = measured(browser, &page, width);
        assert!(content <= screen && screen == u64::from(width), "{content} on a screen of {screen}");
    }
    // What it would say if there were something to say.
    let bad = mini.path().join("bad.html");
    std::fs::write(&bad, page.replace("</main>", "<img src=\"https://example.com/a.png\"></main>")).unwrap();
    assert_eq!(complaints(&browse(browser, &bad, 1280, &["--dump-dom"])).len(), 1);
}

/// How wide the page is, and its screen: asked by a script that only this copy of the page has, in a frame, since a window
/// does not get that narrow.
fn measured(browser: &str, page: &str, width: u32) -> [u64; 2] {
    let folder = tempfile::tempdir().unwrap();
    let (before, policy) = page.split_once("<meta http-equiv=").unwrap();
    let (_, after) = policy.split_once('>').unwrap();
    let script = "<script>parent.postMessage(`${document.documentElement.scrollWidth} ${innerWidth}`, '*')</script></body>";
    let (copy, frame) = (folder.path().join("copy.html"), folder.path().join("frame.html"));
    std::fs::write(&copy, format!("{before}{}", after.replace("</body>", script))).unwrap();
    let around = format!(
        "<title></title><script>onmessage = message => document.title = message.data</script>\
         <iframe src=\"copy.html\" style=\"width: {width}px; height: 3000px; border: 0\"></iframe>"
    );
    std::fs::write(&frame, around).unwrap();
    let drawn = browse(browser, &frame, 1400, &["--dump-dom", "--virtual-time-budget=5000"]);
    let drawn = String::from_utf8_lossy(&drawn.stdout).into_owned();
    let title = drawn.split("<title>").nth(1).unwrap().split('<').next().unwrap();
    let numbers: Vec<u64> = title.split(' ').map(|number| number.parse().unwrap()).collect();
    [numbers[0], numbers[1]]
}

#[test]
fn a_record_that_one_rule_rejects_twice_is_one_problem_of_quality() {
    let mini = Mini::new();
    mini.edit("clinics/mini/sources/visits.csv", "13;3;", "14;;;first\n13;3;");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let (_, report, _) = written(&mini, "report mini");
    let visits = report["sources"].as_array().unwrap().iter().find(|one| one["source"] == "visits").unwrap();
    let reasons: Vec<&str> =
        visits["notes"].as_array().unwrap().iter().map(|note| note["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"not_null(day)") && reasons.contains(&"not_null(person_id)"), "{visits:#}");
    let problems: Vec<String> = report["quality"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["table"] == "visit")
        .map(|one| format!("{} {}", one["reason"], one["records"]))
        .collect();
    assert!(problems.contains(&"\"not_null\" 1".to_owned()), "{problems:?}");
}
