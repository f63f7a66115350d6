//! Marked values in every column of a clinic, everything made to fail: no mark is in anything but the data itself.

use std::path::Path;
use std::process::Output;

use super::clinic::Mini;

/// What stands in the cells of the sources, of fixes and of the edited target.
const MARKS: [&str; 5] = ["zlx", "7461529", "1911-11-0", "1911-12-0", "11/12/1911"];

const PEOPLE: &str = "code;name;born
zlx1;zlxAna;1911-11-03
zlx2;zlxLuis zlxwho zlxis zlxcalled zlxso zlxat zlxsuch zlxlength;1911-11-04
zlx3;;1911-11-05
zlx4;zlxana;1911-11-06
zlx5;zlxbad;1911-11-07
zlx6;zlxEva;zlx-no-date
zlx7;zlxtoo;zlxmany;zlxcells;7461529
zlx8;zlxRosa;1911-11-08
zlx9;zlxRosa Maria;1911-11-09
";

const VISITS: &str = "number;person;day;kind
zlx10;zlx1;1911-12-03;zlxkind
zlx11;zlxgone;1911-12-04;zlxother
zlx12;zlx1;zlxday;first
7461529;zlx6;1911-12-05;again
zlx13;zlx8;11/12/1911;again
";

/// Constraints that refuse rows each in a way of its own.
const CONSTRAINTS: &str = "alter table person alter name type varchar(30);
    create unique index person_name on person (lower(name));
    alter table person add constraint person_bad check (name !~ 'bad$');
    alter table visit add constraint visit_day check (extract(day from day) <> 3);";

/// A trigger that tells the row in its message, as triggers do.
const LOUD: &str = "create function loud() returns trigger language plpgsql as $$
    begin raise exception 'bad row % %', new.id, new.name using detail = new.name, hint = new.name; end $$;
    create trigger loud before insert or update on person for each row execute function loud();";

/// What was printed and written, and where a mark was found in it.
struct Watch {
    mini: Mini,
    found: Vec<String>,
}

impl Watch {
    fn run(&mut self, line: &str) -> Output {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = self.mini.run(&arguments);
        for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            self.look(&format!("{stream} of {line}"), &String::from_utf8_lossy(bytes));
        }
        output
    }

    /// The same as people, scripts and somebody who looks for a fault see it.
    #[track_caller]
    fn every_way(&mut self, line: &str, code: i32) {
        for options in ["", " --format json", " --lang es --log-level debug"] {
            let output = self.run(&format!("{line}{options}"));
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{line}{options}: {text}");
        }
    }

    fn look(&mut self, place: &str, text: &str) {
        let lower = without_ids(text).to_lowercase();
        for mark in MARKS {
            if let Some(at) = lower.find(mark) {
                let from = (0..=at.saturating_sub(60)).rev().find(|at| lower.is_char_boundary(*at)).unwrap();
                let excerpt: String = lower[from..].chars().take(140).collect();
                self.found.push(format!("{mark} in {place}: …{excerpt}…"));
            }
        }
    }

    /// Logs, reports, findings, manifests: all below staging that is no data.
    fn look_at_files(&mut self) {
        let staging = self.mini.path().join("staging/mini");
        let mut files = Vec::new();
        for folder in ["logs", "reports", "dedupe"] {
            collect(&staging.join(folder), &mut files);
        }
        collect(&staging.join("snapshots"), &mut files);
        files.retain(|path| path.extension().is_none_or(|extension| extension != "ndjson"));
        assert!(files.iter().any(|file| file.extension().is_some_and(|end| end == "html")), "no report");
        assert!(files.len() > 10, "{files:?}");
        for path in files {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            self.look(&path.display().to_string(), &text);
        }
        let output = self.mini.run(&["sql", "mini", "from meta.finding"]);
        self.look("meta.finding", &String::from_utf8_lossy(&output.stdout));
    }
}

/// A text without its ULIDs: chance may spell a mark in one.
pub(super) fn without_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() == 26 && word.starts_with("01") && word.parse::<ulid::Ulid>().is_ok();
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(
            |word| {
                if is_id(word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())) { "… " } else { word }
            },
        )
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

#[test]
fn no_value_is_in_any_log_message_or_report() {
    let mini = Mini::new();
    mini.execute(CONSTRAINTS);
    mini.write("clinics/mini/sources/people.csv", PEOPLE);
    mini.write("clinics/mini/sources/visits.csv", VISITS);
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", "\"\" = \"8\"");
    mini.edit("sql/systems/small/target/person.sql", "_id from", "_ids from");
    let section = "[dedupe.person]\nblock.all = \"'1'\"\nmax_pending = 100\ncompare.name = { as = \"text\" }\ncompare.born = { as = \"date\" }\n\n[control.people]";
    mini.edit("clinics/mini/clinic.toml", "[control.people]", section);
    mini.write("sql/systems/small/checks/odd_day.sql", "-- visits of that day\n-- severity: critical\nselect * from target.visit where day::varchar like '%-05'\n");
    let mut watch = Watch { mini, found: Vec::new() };

    // A cast that fails on a value.
    watch.every_way("load mini --force", 0);
    watch.every_way("run mini", 1);
    watch.mini.edit("sql/sources/ledger/clean/visit.sql", "day::date", "try_cast(day as date)");
    // Rejects of every kind over their limit, and a critical check.
    watch.every_way("run mini", 3);
    watch.mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"100%\"");
    watch.every_way("check mini", 3);
    let (issues, _) = watch.mini.json("issues mini");
    let odd = issues["issues"].as_array().unwrap().iter().find(|issue| issue["rule"] == "odd_day").unwrap();
    let accept = format!("issues mini --accept {} --reason known", odd["id"].as_str().unwrap());
    watch.run(&accept);
    // A trigger that tells rows.
    watch.mini.execute(LOUD);
    watch.every_way("run mini", 1);
    watch.mini.execute("drop trigger loud on person");
    // A key that somebody else took meanwhile, which only the push meets.
    watch.every_way("run mini", 3);
    // Other values in the target, and missing rows.
    watch
        .mini
        .execute("update person set name = 'zlxEdited 7461529' where name = 'zlxAna'; delete from visit");
    watch.every_way("verify mini", 3);
    watch.every_way("dedupe mini person", 0);
    watch.every_way("dedupe mini person --report", 0);
    watch.every_way("report mini", 0);
    watch.every_way("signoff mini last --by Eva", 3);
    for line in ["rehearse mini", "rehearse mini --list", "rollback mini last --dry-run"] {
        watch.run(line);
    }
    watch.run("rollback mini last --force --confirm mini");
    watch.run("redo mini last --yes");
    // What names a record is told, being what was asked about; nothing else of it.
    let traced = watch.mini.run(&["trace", "mini", "people", "1:2"]);
    let traced = [traced.stdout, traced.stderr].concat();
    watch.look("trace", &String::from_utf8_lossy(&traced).replace("zlx2", ""));
    watch.every_way("push mini --dry-run", 0);
    watch.every_way("issues mini --all", 0);
    watch.every_way("log mini --errors", 0);
    watch.every_way("log mini --run last", 0);
    watch.every_way("status mini", 0);
    watch.run("doctor mini");
    watch.every_way("transform mini --explain", 0);
    watch.every_way("profile mini", 0);
    watch.every_way("sample mini people", 0);
    watch.run("sample mini people --anonymise --out sample.csv");
    let sample = std::fs::read_to_string(watch.mini.path().join("sample.csv")).unwrap();
    // A shifted date may happen to be another person's; that all are would be none shifted.
    let dates =
        sample.lines().filter_map(|line| line.rsplit(',').next()).filter(|cell| cell.starts_with("191"));
    let (same, shifted): (Vec<&str>, Vec<&str>) = dates.partition(|date| PEOPLE.contains(*date));
    assert!(same.len() < shifted.len(), "{same:?} {shifted:?}");
    watch.look("the sample", &sample.replace("1911-1", ""));
    // Corrections that cannot be applied, with cells in each other's place.
    let header = "source_id,column,value,reason,who\n";
    let wrong =
        "zlx9,name,zlxNew,a,b\nzlx1,born,zlxborn,a,b\nzlx1,zlxname,name,a,b\nzlx1,name,zlxOther,a,b\n";
    watch.mini.write("clinics/mini/fixes/person.csv", &format!("{header}{wrong}"));
    watch.every_way("transform mini", 0);
    watch.every_way("issues mini", 0);
    watch.mini.write("clinics/mini/fixes/person.csv", &format!("{header},zlx1,zlx2,a,b\n"));
    watch.every_way("transform mini", 1);
    watch.mini.write("clinics/mini/fixes/person.csv", &format!("{header}zlx1,name,\"zlx2,a,b\n"));
    watch.every_way("transform mini", 1);
    watch.mini.write("clinics/mini/fixes/person.csv", header);
    // A source that was saved badly, and a map that was.
    watch.mini.write("clinics/mini/sources/people.csv", &PEOPLE.replace("zlxEva", "\"zlxEva"));
    watch.run("load mini");
    watch.mini.write("clinics/mini/sources/people.csv", PEOPLE);
    watch.mini.write("clinics/mini/maps/kind.csv", "source_value,target_value\nzlxkind,zlxa\nzlxkind,zlxb\n");
    watch.every_way("transform mini", 1);
    watch.look_at_files();
    assert!(watch.found.is_empty(), "{}", watch.found.join("\n"));
}
