//! People's decisions about pairs: by spreadsheet, in a terminal, and against a merge.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::FromRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use nix::libc;
use trasvase::config::{Clinic, Project};
use trasvase::dedupe::decisions::{Decision, Decisions, Row};
use trasvase::dedupe::pending;
use trasvase::staging::{Access, Limits, Staging};

use super::{command, project};

/// Patients 01 to 07: 01 and 02 are one already, 03 may be them, 04 and 05 may be one, 06 and 07 are nobody's.
const TABLES: &str = r#"
create or replace table clean.patient as from (values
  ('01', 'Ana', 'Ruiz Gil', date '1981-05-03', '+34600123456', 1),
  ('02', 'Ana', 'Ruiz Gil', date '1981-05-03', null, 2),
  ('03', 'Ana María', 'Ruiz Gil', date '1981-03-05', '+34600123456', 3),
  ('04', '=cmd()', 'Sol; "Mar"', null, null, 4),
  ('05', 'Juan', 'Sol Mar', null, null, 5),
  ('06', 'Eva', 'Paz', null, null, 6),
  ('07', 'Eva', 'Luz', null, null, 7)
) t(source_id, first_name, last_name, birth_date, phone, _id);
create or replace table dedupe.patient as from (values
  ('01', '02', 1::ubigint, 0.0::double, 20.0::double, true, false),
  ('01', '03', 1, 0, 3.0, false, false),
  ('02', '03', 1, 0, 2.0, false, false),
  ('04', '05', 1, 0, 4.0, false, false),
  ('05', '06', 1, 0, -2.1, false, false),
  ('04', '06', 1, 0, 3.0, false, true),
  ('06', '07', 1, 0, 4.3, false, false)
) t(left_id, right_id, pattern, rarity, weight, exact, never);
create or replace table xref.patient as from (values
  ('01', 'A', 1.0, 'exact'), ('02', 'A', 1.0, 'exact'), ('03', 'C', null, 'single'), ('04', 'D', null, 'single'),
  ('05', 'E', null, 'single'), ('06', 'F', null, 'single'), ('07', 'G', null, 'single')
) t(source_id, golden_id, score, reason);
"#;

/// Of one comparison, whose first level all pairs have.
const MODEL: &str = r#"{"entity": "patient", "records": 7, "candidates": 7, "random_pairs": 21, "match_rate": 0.1,
"household_rate": 0.1, "twins_rate": 0.1, "rounds": 1, "converged": true, "comparisons": [{"name": "name", "levels": [
{"label": "one_edit", "m": 0.5, "u": 0.1, "household": 0.1, "twins": 0.1,
"facts": 1, "seen": true}]}]}"#;

struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(project());
        let settings = site.path().join("clinics/acme/clinic.toml");
        let text = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(&settings, text + "\n[dedupe.patient]\ncompare.name.as = \"person_name\"\n").unwrap();
        site.staging(Access::Write).execute(TABLES).unwrap();
        site
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn clinic(&self) -> (Project, Clinic) {
        let project = Project::at(self.path());
        let clinic = Clinic::read(&project, &"acme".parse().unwrap()).unwrap();
        (project, clinic)
    }

    fn staging(&self, access: Access) -> Staging {
        let (project, clinic) = self.clinic();
        Staging::open(&project, &clinic, access, &Limits::default()).unwrap()
    }

    fn decisions(&self) -> anyhow::Result<Decisions> {
        let (project, clinic) = self.clinic();
        Decisions::read(&project, &clinic, "patient")
    }

    fn links(&self) -> PathBuf {
        self.path().join("clinics/acme/fixes/patient.links.csv")
    }

    /// The rows of the file without their time.
    fn rows(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.links()).unwrap_or_default();
        let rows = text.lines().skip(1).map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            chrono::DateTime::parse_from_rfc3339(cells[4]).unwrap();
            [&cells[..4], &cells[5..]].concat().join(",")
        });
        rows.collect()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(self.path(), arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[arguments, &["--format", "json"]].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A failing command's exit code and what it told.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn decisions_are_read_as_spreadsheets_leave_them_and_the_last_one_holds() {
    let site = Site::new();
    assert!(site.decisions().unwrap().is_empty());
    let text = "\u{feff}left;right;decision;who;when;why;note\r\n02;01;must_link;Ana;;;\r\n\r\n\"a;1\";\"b\"\"2\";cannot_link;;;\"x\ny\";\r\n01;02; Cannot_Link ;;;;\r\n;;;;;;\r\n";
    std::fs::write(site.links(), text).unwrap();
    let mut decisions = site.decisions().unwrap();
    assert_eq!(decisions.of("02", "01"), Some(Decision::CannotLink));
    assert_eq!(decisions.pairs(Decision::CannotLink).collect::<Vec<_>>(), [("01", "02"), ("a;1", "b\"2")]);
    assert_eq!((decisions.of("01", "03"), decisions.pairs(Decision::MustLink).count()), (None, 0));
    let output = site.run(&["review", "--export", "-"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("no longer there: 1;"), "{told}");

    let row = Row::new("b;3", "03", Decision::MustLink, "Eva \"la\" Paz", "why;\nnot");
    decisions.append(std::slice::from_ref(&row)).unwrap();
    let written = std::fs::read_to_string(site.links()).unwrap();
    let added = format!("03;\"b;3\";must_link;\"Eva \"\"la\"\" Paz\";{};\"why;\nnot\";\r\n", row.when);
    assert_eq!(written, format!("{text}{added}"), "what was there stays as it was");
    assert_eq!(site.decisions().unwrap().of("b;3", "03"), Some(Decision::MustLink));
    let gone = |decisions: &Decisions| decisions.gone(&site.staging(Access::ReadOnly), "patient").unwrap();
    assert_eq!(gone(&decisions), 2);
    decisions.retract(&row).unwrap();
    assert_eq!(std::fs::read_to_string(site.links()).unwrap(), text);
    assert_eq!((decisions.of("b;3", "03"), site.decisions().unwrap().of("b;3", "03")), (None, None));
}

#[test]
fn a_wrong_row_is_refused_with_its_line_and_without_what_stands_in_it() {
    let site = Site::new();
    for (rows, line, hint) in [
        ("01,02,must_link\nsecret,secret,must_link", 3, "two different source_ids"),
        ("01,02,secret", 2, "must_link or cannot_link"),
        ("01,,must_link", 2, "source_id of two records"),
        ("\n01,02,must_link,a,b,c,secret", 3, "double quotes"),
        ("01,02,must_link\n\"secret,02,must_link", 3, "close it"),
    ] {
        let text = format!("left,right,decision,who,when,why\n{rows}\n");
        std::fs::write(site.links(), &text).unwrap();
        let (code, told) = site.refused(&["review", "--export", "-"]);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(&format!("clinics/acme/fixes/patient.links.csv:{line}:")), "{told}");
        assert!(told.contains(hint) && !told.contains("secret"), "{told}");
        // Nothing is added to a file that cannot be read.
        assert_eq!(site.refused(&["unmerge", "01", "--yes"]).0, 1);
        assert_eq!(std::fs::read_to_string(site.links()).unwrap(), text);
    }
    std::fs::write(site.links(), "left,right\n01,02\n").unwrap();
    assert!(site.refused(&["review", "--export", "-"]).1.contains("decision"));
}

#[test]
fn the_queue_holds_undecided_pairs_between_the_thresholds_the_likeliest_first() {
    let site = Site::new();
    let (_, clinic) = site.clinic();
    let staging = site.staging(Access::ReadOnly);
    let queue = |decisions: &Decisions| {
        let settings = &clinic.dedupe["patient"];
        let pairs = pending::list(&staging, "patient", settings, decisions).unwrap();
        let count = pending::count(&staging, "patient", settings, decisions).unwrap();
        assert_eq!(count, pairs.len() as u64);
        pairs.into_iter().map(|pair| format!("{} {}", pair.left, pair.right)).collect::<Vec<_>>()
    };
    // 06 and 07 are above accept; 05 and 06 below review.
    assert_eq!(queue(&site.decisions().unwrap()), ["04 05", "01 03", "02 03"]);
    std::fs::write(site.links(), "left,right,decision\n03,01,cannot_link\n05,04,must_link\n").unwrap();
    assert_eq!(queue(&site.decisions().unwrap()), ["02 03"]);
}

#[test]
fn a_spreadsheet_goes_out_and_comes_back_with_decisions() {
    let site = Site::new();
    let exported = site.json(&["review", "acme", "patient", "--export", "pairs.csv"]);
    assert_eq!((&exported["pairs"], &exported["file"]), (&3.into(), &"pairs.csv".into()));
    let path = site.path().join("pairs.csv");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').split("\r\n").collect();
    assert_eq!(
        lines[0],
        "pair,probability,decision,why,left_source_id,right_source_id,left_first_name,right_first_name,\
         left_last_name,right_last_name,left_birth_date,right_birth_date,left_phone,right_phone"
    );
    assert!(lines[1].ends_with(",0.9412,,,04,05,'=cmd(),Juan,\"Sol; \"\"Mar\"\"\",Sol Mar,,,,"), "{text}");
    assert!(lines[2].ends_with(",1981-05-03,1981-03-05,+34600123456,+34600123456"), "{text}");

    // As Excel saves it in Spain: semicolons, its own quotes, 04 become 4.
    let key = |line: usize| lines[line].split(',').next().unwrap();
    let filled = format!(
        "PAIR;decision;why;left_source_id\r\n{};Igual;\"padre; e hijo, peña\";4\r\n{};;;1\r\n{}; DIFFERENT ;;2\r\n",
        key(1),
        key(2),
        key(3)
    );
    let bytes: Vec<u8> = filled.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    std::fs::write(&path, bytes).unwrap();
    let import = ["review", "acme", "patient", "--import", "pairs.csv", "--who", "Eva"];
    let counts = |report: &serde_json::Value| {
        ["taken", "unchanged", "empty"].map(|name| report[name].as_u64().unwrap())
    };
    assert_eq!(counts(&site.json(&import)), [2, 0, 1]);
    let text = std::fs::read_to_string(site.links()).unwrap();
    assert!(text.contains("04,05,must_link,Eva,") && text.contains(",\"padre; e hijo, peña\"\n"), "{text}");
    assert!(text.contains("02,03,cannot_link,Eva,"), "{text}");
    assert_eq!(counts(&site.json(&import)), [0, 2, 1]);
    assert_eq!(std::fs::read_to_string(site.links()).unwrap(), text, "again writes nothing");
    assert_eq!(site.json(&["review", "--export", "left.csv"])["pairs"], 1);
    // Another mind: the last row holds.
    std::fs::write(&path, format!("pair,decision\n{},must_link\n", key(3))).unwrap();
    assert_eq!(counts(&site.json(&import)), [1, 0, 0]);
    assert_eq!(site.decisions().unwrap().of("02", "03"), Some(Decision::MustLink));
}

#[test]
fn a_spreadsheet_that_is_wrong_is_refused_whole() {
    let site = Site::new();
    let exported = site.run(&["review", "--export", "-", "--lang", "es"]);
    let text = String::from_utf8(exported.stdout).unwrap();
    assert!(text.starts_with("pair;probability;decision;") && text.contains(";0,9412;"), "{text}");
    let key = text.lines().nth(1).unwrap().split(';').next().unwrap();
    for (rows, line, hint) in [
        (format!("{key},same\np1,maybe secret"), 3, "same or different"),
        (format!("{key},same\npsecret,same"), 3, "--export new.csv"),
        (format!("{key},same\n\n{key},different"), 4, "line 2 decides otherwise"),
    ] {
        std::fs::write(site.path().join("in.csv"), format!("pair,decision\n{rows}\n")).unwrap();
        let (code, told) = site.refused(&["review", "--import", "in.csv"]);
        assert!(code == 1 && told.contains(&format!("in.csv:{line}:")), "{told}");
        assert!(told.contains(hint) && !told.contains("secret"), "{told}");
        assert!(!site.links().exists());
    }
    std::fs::write(site.path().join("in.csv"), "left,decision\n1,same\n").unwrap();
    assert!(site.refused(&["review", "--import", "in.csv"]).1.contains("pair"));
    assert_eq!(site.refused(&["review", "--export", "pairs.xlsx"]).0, 2);
    std::fs::write(site.path().join("there.csv"), "mine").unwrap();
    assert_eq!(site.refused(&["review", "--export", "there.csv"]).0, 2);
    assert_eq!(std::fs::read_to_string(site.path().join("there.csv")).unwrap(), "mine");
    assert!(site.run(&["review", "--export", "there.csv", "--yes"]).status.success());
    let mode = site.path().join("there.csv").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_row_whose_columns_were_sorted_apart_is_refused() {
    let site = Site::new();
    let exported = site.run(&["review", "--export", "-"]);
    let text = String::from_utf8(exported.stdout).unwrap();
    let key = |line: usize| text.lines().nth(line).unwrap().split(',').next().unwrap().to_owned();
    let import = |rows: &str| {
        std::fs::write(site.path().join("in.csv"), rows).unwrap();
        site.refused(&["review", "--import", "in.csv"])
    };
    // 04 and 05, then 01 and 03: first in another's place, then as a spreadsheet keeps them.
    for (columns, wrong, right) in [
        ("left_source_id,right_source_id", ["1,3", "4,5"], ["4,5", "1,3"]),
        ("right_source_id", ["3", "5"], ["5", "03"]),
        ("right_first_name", ["Juan", "Ana Belén secret"], ["Juan", "Ana Mar?a"]),
        ("left_first_name,left_birth_date", ["'=cmd(),", ",3/5/81"], ["'=cmd(),", "ANA,3/5/81"]),
    ] {
        let of = |rows: [&str; 2]| {
            let [one, other] = rows;
            format!("pair,decision,{columns}\n{},same,{one}\n{},same,{other}\n", key(1), key(2))
        };
        let (code, told) = import(&of(wrong));
        assert!(code == 1 && told.contains("in.csv:") && told.contains("--export new.csv"), "{told}");
        assert!(columns.split(',').any(|column| told.contains(column)), "{told}");
        assert!(!told.contains("secret") && !site.links().exists(), "{told}");
        let (code, told) = import(&of(right));
        assert_eq!(code, 0, "{columns}: {told}");
        std::fs::remove_file(site.links()).unwrap();
    }
}

#[test]
fn what_is_reviewed_is_found_or_asked_for() {
    let site = Site::new();
    let (code, told) = site.refused(&["review", "acme", "patient"]);
    assert!(code == 2 && told.contains("trasvase review acme patient --export patient.csv"), "{told}");
    for names in [&[][..], &["acme"], &["patient"], &["PATIENT"], &["acme", "patient"]] {
        let output = site.run(&[&["review", "--export", "-"], names].concat());
        assert!(output.status.success(), "{names:?}: {output:?}");
    }
    let (code, told) = site.refused(&["review", "patent", "--export", "-"]);
    assert!(code == 2 && told.contains("patient"), "{told}");
    site.staging(Access::Write).execute("drop table dedupe.patient").unwrap();
    let (code, told) = site.refused(&["review", "--export", "-"]);
    assert!(code == 1 && told.contains("trasvase transform acme"), "{told}");
    let settings = site.path().join("clinics/acme/clinic.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{text}\n[dedupe.dentist]\ncompare.name.as = \"text\"\n")).unwrap();
    let (code, told) = site.refused(&["review", "--export", "-"]);
    assert!(code == 2 && told.contains("dentist, patient"), "{told}");
    std::fs::write(&settings, text.split("[dedupe.patient]").next().unwrap()).unwrap();
    let (code, told) = site.refused(&["review", "--export", "-"]);
    assert!(code == 2 && told.contains("like = \"person\""), "{told}");
}

#[test]
fn a_record_is_taken_apart_from_each_of_its_cluster() {
    let site = Site::new();
    site.staging(Access::Write)
        .execute("update xref.patient set golden_id = 'A' where source_id = '03'")
        .unwrap();
    assert_eq!(site.refused(&["unmerge", "acme", "patient", "02"]).0, 2, "there is nobody to ask");
    let unmerge = ["unmerge", "acme", "patient", "02", "--who", "Eva", "--why", "twins", "--yes"];
    let report = site.json(&unmerge);
    assert_eq!((&report["written"], &report["others"]), (&2.into(), &serde_json::json!(["01", "03"])));
    assert_eq!(site.rows(), ["01,02,cannot_link,Eva,twins", "02,03,cannot_link,Eva,twins"]);
    assert_eq!(site.json(&unmerge)["written"], 0);
    assert_eq!(site.rows().len(), 2);
    // What was linked by hand is taken apart too.
    let mut decisions = site.decisions().unwrap();
    decisions.append(&[Row::new("03", "02", Decision::MustLink, "", "")]).unwrap();
    assert_eq!(site.json(&["unmerge", "02", "--yes"])["written"], 1);
    assert_eq!(site.decisions().unwrap().of("02", "03"), Some(Decision::CannotLink));
    let (code, told) = site.refused(&["unmerge", "06", "--yes"]);
    assert!(code == 1 && told.contains("merged with no other"), "{told}");
    let (code, told) = site.refused(&["unmerge", "12345678Z", "--yes"]);
    assert!(code == 1 && told.contains("trasvase sql acme") && !told.contains("12345678Z"), "{told}");
}

#[test]
fn what_was_decided_holds_from_the_next_transform_on() {
    let site = Site::new();
    let write = |path: &str, text: &str| {
        let path = site.path().join("clinics/acme").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let settings = std::fs::read_to_string(site.path().join("clinics/acme/clinic.toml")).unwrap();
    let settings = settings.replace("compare.name.as = \"person_name\"", "compare.first_name.as = \"text\"");
    write("clinic.toml", &format!("{settings}\n[sources.people]\nfiles = [\"sources/people.csv\"]\n"));
    write("sources/people.csv", "id,first_name\n1,Ana\n2,Luis\n3,Eva\n");
    write(
        "sql/clean/patient.sql",
        "-- one row a patient\nselect id as source_id, first_name, _id from raw.people\n",
    );
    write(
        "sql/target/patient.sql",
        "-- one row a patient\nselect golden_id as id, _ids from golden.patient\n",
    );
    assert!(site.run(&["load"]).status.success());
    let clusters = || {
        let output = site.run(&["transform"]);
        assert!(output.status.success(), "{output:?}");
        let sql = "select string_agg(source_id, ' ' order by source_id) from xref.patient group by golden_id order by 1";
        site.staging(Access::ReadOnly).rows(sql, |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(clusters(), ["1", "2", "3"]);
    std::fs::write(site.links(), "left,right,decision\n1,2,must_link\n3,2,must_link\n").unwrap();
    assert_eq!(clusters(), ["1 2 3"]);
    assert!(site.run(&["unmerge", "3", "--yes"]).status.success());
    assert_eq!(clusters(), ["1 2", "3"]);
}

/// The binary in a terminal of 80 by 24, and what that shows.
struct Terminal {
    child: Child,
    master: File,
    seen: Vec<u8>,
}

impl Terminal {
    fn open(site: &Site, arguments: &[&str]) -> Self {
        let (mut master, mut slave) = (0, 0);
        let mut size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let (name, modes) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: both numbers are written to, the size is read; nothing else is handed over.
        let opened = unsafe { libc::openpty(&raw mut master, &raw mut slave, name, modes, &raw mut size) };
        assert_eq!(opened, 0);
        // SAFETY: both were opened just now and are owned by nobody else.
        let (master, slave) = unsafe { (File::from_raw_fd(master), File::from_raw_fd(slave)) };
        // SAFETY: as above; the program that is started must not hold our end open.
        unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&master), libc::F_SETFD, libc::FD_CLOEXEC) };
        let mut command = command(site.path(), arguments);
        command.env("TERM", "xterm-256color");
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(Stdio::piped());
        // SAFETY: both calls are safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY as _, 0);
                Ok(())
            });
        }
        Self { child: command.spawn().unwrap(), master, seen: Vec::new() }
    }

    fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until something holds, reading what the terminal shows meanwhile.
    fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let mut poll = libc::pollfd {
                fd: std::os::fd::AsRawFd::as_raw_fd(&self.master),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one entry, alive as long as the call.
            if unsafe { libc::poll(&raw mut poll, 1, 50) } > 0 {
                let mut bytes = [0; 4096];
                let read = self.master.read(&mut bytes).unwrap_or_default();
                self.seen.extend(&bytes[..read]);
            }
            let seen = String::from_utf8_lossy(&self.seen);
            if holds(&seen) {
                return;
            }
            assert!(Instant::now() < end, "{what} did not come: {seen}");
        }
    }

    fn until_shown(&mut self, text: &str) {
        self.until(text, |seen| seen.contains(text));
        self.seen.clear();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pairs_are_decided_in_a_terminal_and_a_kill_loses_nothing() {
    let site = Site::new();
    let mut terminal = Terminal::open(&site, &["review", "acme", "--who", "Eva"]);
    terminal.until_shown("1 of 3");
    terminal.press("w");
    terminal.until_shown("why:");
    terminal.press("brothers\rd");
    terminal.until("the second pair", |_| site.rows() == ["04,05,cannot_link,Eva,brothers"]);
    terminal.press("s");
    terminal.until("the third pair", |_| site.rows().len() == 2);
    terminal.press("u");
    terminal.until("the second pair again", |_| site.rows().len() == 1);
    terminal.press("s");
    let both = ["04,05,cannot_link,Eva,brothers", "01,03,must_link,Eva,"];
    terminal.until("the third pair", |_| site.rows() == both);
    terminal.child.kill().unwrap();
    terminal.child.wait().unwrap();
    assert_eq!(site.rows(), both);

    let folder = site.path().join("staging/acme/dedupe");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("patient.model.json"), MODEL).unwrap();
    let mut terminal = Terminal::open(&site, &["review", "--lang", "es"]);
    terminal.until("the level in Spanish", |seen| seen.contains("1 de 1") && seen.contains("errata"));
    terminal.press(" ");
    terminal.until_shown("lo decidido");
    terminal.press("q");
    terminal.until("the way out", |seen| seen.contains("parejas que esperan una decisión: 1"));
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    assert_eq!(site.rows(), both);

    let mut terminal = Terminal::open(&site, &["review"]);
    terminal.until_shown("1 of 1");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(terminal.child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    // The screen is given back.
    terminal.until("the normal screen", |seen| seen.contains("\u{1b}[?1049l"));
    assert_eq!(terminal.child.wait().unwrap().code(), Some(130));
}
