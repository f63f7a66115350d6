//! The command line as a person or a script meets it: words, exit codes, files.

mod archive;
mod canary;
mod clinic;
mod desk;
mod every_clinic;
mod files;
mod full_refresh;
mod loading;
mod menu;
mod notify;
mod own_steps;
mod purged;
mod redo;
mod rehearse;
pub(crate) mod replica;
mod report;
mod review;
mod safety;
mod sentences;
mod signoff;
mod tracing;
mod users;
mod ways_out;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trasvase"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    for name in ["LANG", "LC_ALL", "LC_MESSAGES", "LANGUAGE", "COLUMNS", "DATABASE_URL", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command.env("TZ", "UTC");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// A session as one would see it: the line typed, what it printed, its exit code.
fn session(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("$ trasvase {}\n{stdout}{stderr}[{}]\n", arguments.join(" "), output.status.code().unwrap())
}

fn snapshot(folder: &Path, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let path = std::fs::canonicalize(folder).unwrap();
    settings.add_filter(&path.to_string_lossy(), "[project]");
    settings.add_filter(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b", "[ulid]");
    settings.add_filter(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|\+00:00)?", "[time]");
    settings.add_filter(r" *\d+\.\d s\b", " [took]");
    settings.add_filter(r"\b[0-7][0-9A-HJKMNP-TV-Z]{11}\b", "[run]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[hash]");
    settings.add_filter(r"\d{2}:\d{2}:\d{2}\.\d{3}", "[time]");
    settings.add_filter(r"\bplan [0-9a-f]{16}\b", "plan [hash]");
    settings.add_filter(r" +took +rows/s +peak memory\n *─+\n", " took rows/s peak memory\n");
    settings.add_filter(r"\[took\] +[\d,–]+ +\d[\d.]* MiB", "[took] [speed] [size]");
    settings.add_filter(r" +\n", "\n");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A project with the clinic `acme`, as `init` makes it.
fn project() -> tempfile::TempDir {
    let folder = empty();
    let made = run(folder.path(), &["init", "acme", "--country", "ES"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// The same with a source named and a staging file made.
fn staged() -> tempfile::TempDir {
    let folder = project();
    let path = folder.path().join("clinics/acme/clinic.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let source = "[sources.clients]\nfiles = [\"sources/clients.csv\"]\n\n# How rows meet";
    std::fs::write(&path, text.replace("# How rows meet", source)).unwrap();
    let made = run(folder.path(), &["sql", "acme", "create table raw.clients as select 1 as id", "--write"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// The names under a heading of the help, as `Commands:`.
fn commands(help: &str) -> Vec<String> {
    let body = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let starts = body.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    starts.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn help_of_every_command_in_both_languages() {
    let folder = empty();
    let root = String::from_utf8(run(folder.path(), &["--help"]).stdout).unwrap();
    let names = commands(&root);
    assert!(names.len() > 4, "{root}");
    for language in ["en", "es"] {
        let mut text = session(folder.path(), &["--lang", language, "--help"]);
        for name in &names {
            let help = session(folder.path(), &["--lang", language, name, "--help"]);
            text.push_str(help.split("\n\nOptions of every command").next().unwrap());
            text.push('\n');
        }
        snapshot(folder.path(), &format!("help_{language}"), &text);
    }
}

#[test]
fn wrong_arguments_are_told_with_the_right_spelling() {
    let folder = project();
    let lines: [&[&str]; 10] = [
        &["statsu"],
        &["status", "--formt", "json"],
        &["log", "--format", "yaml"],
        &["--lang", "es", "--threads", "0"],
        &["init", "Ñandú"],
        &["init"],
        &["--lang", "es", "init", "acme"],
        &["sql", "acme", "", "--format", "json"],
        &["sql", "acme", ""],
        &["init", "n1", "--country", "XX"],
    ];
    let text: String = lines.iter().map(|line| session(folder.path(), line)).collect();
    snapshot(folder.path(), "wrong_arguments", &text);
}

#[test]
fn wrong_configuration_is_told_with_its_place() {
    let folder = project();
    let here = folder.path();
    let path = here.join("clinics/acme/clinic.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let mut text = session(here, &["log", "nope"]);
    for (from, to) in [
        ("system = ", "sistem = "),
        ("timezone = \"Europe/Madrid\"", "timezone = \"Europe/Madrit\""),
        ("country = \"ES\"", "country = \"ES"),
        ("name = \"acme\"", "name = \"other\""),
        ("mode = \"insert\"", "mode = \"sync\""),
    ] {
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        text.push_str(&session(here, &["log", "acme"]));
    }
    text.push_str(&session(empty().path(), &["status"]));
    text.push_str(&session(here, &["--project", "/nowhere", "status"]));
    snapshot(here, "wrong_configuration", &text);
}

#[test]
fn init_writes_a_clinic_that_is_valid_in_both_languages() {
    for (language, country) in [("en", "CL"), ("es", "MX")] {
        let folder = empty();
        let text = session(folder.path(), &["--lang", language, "init", "acme", "--country", country]);
        let settings = std::fs::read_to_string(folder.path().join("clinics/acme/clinic.toml")).unwrap();
        let text = text + &settings + &session(folder.path(), &["--lang", language]);
        snapshot(folder.path(), &format!("init_{language}"), &text);
    }
}

#[test]
fn init_leaves_the_tenant_of_another_system_open() {
    let folder = empty();
    assert!(run(folder.path(), &["init", "acme", "--system", "other"]).status.success());
    let settings = std::fs::read_to_string(folder.path().join("clinics/acme/clinic.toml")).unwrap();
    assert!(settings.contains("\n# [tenant]\n# column = "), "{settings}");
}

#[test]
fn init_never_overwrites() {
    let folder = project();
    let path = folder.path().join("clinics/acme/clinic.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    assert_eq!(run(folder.path(), &["init", "acme"]).status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn every_answer_is_one_json_document() {
    let folder = staged();
    let lines: [&[&str]; 7] = [
        &[],
        &["doctor"],
        &["maps", "acme"],
        &["status", "acme"],
        &["log", "acme"],
        &["sql", "acme", "select 1 as a, null as b, [1, 2] as c, 'ñ' as d"],
        &["init", "other"],
    ];
    for line in lines {
        let output = run(folder.path(), &[line, &["--format", "json"]].concat());
        assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout)
            .unwrap_or_else(|error| panic!("{line:?}: {error}: {}", String::from_utf8_lossy(&output.stdout)));
    }
    let output = run(folder.path(), &["sql", "acme", "select nope", "--format", "json"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["exit_code"], 1);
}

#[test]
fn the_language_comes_from_the_environment() {
    let folder = empty();
    for (lang, word) in
        [("es_CO.UTF-8", "Uso:"), ("en_GB.UTF-8", "Usage:"), ("C", "Usage:"), ("fr_FR", "Usage:")]
    {
        let output = command(folder.path(), &["--help"]).env("LANG", lang).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(word), "{lang}");
    }
}

#[test]
fn sql_prints_what_it_is_asked() {
    let folder = staged();
    let lines: [&[&str]; 8] = [
        &["sql", "acme", "select 'María' as name, 1234.50::decimal(10,2) as amount, null as nothing"],
        &["sql", "acme", "from range(5)", "--limit", "2"],
        &["sql", "acme", "select * from raw.client"],
        &["sql", "acme", "from zzpatientzz"],
        &["sql", "acme", "select sumary(id) from raw.clients"],
        &["sql", "acme", "drop table raw.clients"],
        &["sql", "acme", "insert into raw.clients values (2)", "--write"],
        &["sql", "acme", "select count(*) as rows from raw.clients;"],
    ];
    let text: String = lines.iter().map(|line| session(folder.path(), line)).collect();
    snapshot(folder.path(), "sql", &text);
}

#[test]
fn a_failing_statement_shows_no_value() {
    let folder = staged();
    let text =
        session(folder.path(), &["sql", "acme", "select cast(v as integer) from (values ('Ana Roca')) t(v)"]);
    assert!(text.contains("[1]") && text.contains("INT32"), "{text}");
    assert!(!text.split_once('\n').unwrap().1.contains("Ana"), "{text}");
}

/// Every file below a folder with its time and size.
fn tree(folder: &Path) -> BTreeMap<String, (SystemTime, u64)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let (path, data) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
        found.insert(path.display().to_string(), (data.modified().unwrap(), data.len()));
        if data.is_dir() {
            found.extend(tree(&path));
        }
    }
    found
}

#[test]
fn commands_that_only_read_write_nothing() {
    for folder in [project(), staged()] {
        let before = tree(folder.path());
        let lines: [&[&str]; 10] = [
            &[],
            &["status"],
            &["log", "acme"],
            &["sql", "acme", "from raw.clients"],
            &["maps", "acme"],
            &["doctor", "acme"],
            &["transform", "acme", "--explain"],
            &["postgres", "url"],
            &["postgres", "status"],
            &["--help"],
        ];
        for line in lines {
            run(folder.path(), line);
            assert_eq!(tree(folder.path()), before, "{line:?}");
        }
    }
}

#[test]
fn staging_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = staged();
    let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("staging/acme"), 0o700);
    assert_eq!(mode("staging/acme/acme.duckdb"), 0o600);
    assert_eq!(mode("staging/acme/lock"), 0o600);
}

#[test]
fn a_closed_stdout_is_no_error() {
    let folder = staged();
    for line in
        [&["--help"][..], &["sql", "acme", "from range(100000)", "--limit", "0"], &["completions", "bash"]]
    {
        let mut child =
            command(folder.path(), line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{line:?} {output:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    let folder = empty();
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(run(folder.path(), &["completions", shell]).stdout).unwrap();
        assert!(script.contains("status") && script.contains("memory-limit"), "{shell}");
    }
}

/// Waits until the statement is under way: its process holds the clinic's lock.
fn at_work(folder: &Path) -> std::process::Child {
    let slow = "select count(*) from range(1000000000000) a(x) where hash(x) = 1";
    let child = command(folder, &["sql", "acme", slow, "--write"]).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let lock = folder.join("staging/acme/lock");
    while std::fs::read_to_string(&lock).unwrap_or_default().trim() != child.id().to_string() {
        assert!(Instant::now() < deadline, "the statement does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    child
}

#[test]
fn ctrl_c_ends_a_long_statement_and_the_second_process_is_told_of_the_first() {
    let folder = staged();
    let mut child = at_work(folder.path());
    let process = child.id();

    let second = run(folder.path(), &["sql", "acme", "select 1", "--write"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains(&process.to_string()), "{second:?}");
    let status = run(folder.path(), &["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains(&process.to_string()), "{status:?}");

    kill(Pid::from_raw(i32::try_from(process).unwrap()), Signal::SIGINT).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let code = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.code(),
            None => assert!(Instant::now() < deadline, "Ctrl-C is not heard"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(code, Some(130));
    assert!(
        run(folder.path(), &["sql", "acme", "from raw.clients"]).status.success(),
        "the staging file is whole"
    );
}
