//! A tiny clinic with a target database of its own, and the real program run on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use trasvase::pg::embedded::Server;
use trasvase::pg::{Purpose, Secret, Session, Target};

use crate::support::{self, TestDatabase, TestProject};

pub(super) const SCHEMA: &str = "\
create type visit_kind as enum ('first', 'review');
create table person (id text primary key, name text not null, born date, notes jsonb);
create table visit (
  id text primary key, person_id text not null references person (id), happened_at timestamptz not null,
  kind visit_kind not null, price numeric(12,2));
create table payment (
  id text primary key, visit_id text not null references visit (id), amount numeric(12,2) not null check (amount > 0));
";

/// Rows that the target holds before: nobody may touch them.
const STRANGERS: &str = "\
insert into person values ('stranger', 'Nadie', null, '{}');
insert into visit values ('stranger', 'stranger', '2020-01-01', 'first', 1);
insert into payment values ('stranger', 'stranger', 1);
";

pub(super) const CLINIC: &str = r#"
name = "acme"
uid = "01HZY3J7QG0000000000000000"
epoch = "2024-01-01T00:00:00Z"
product = "paper"
system = "tiny"
timezone = "Europe/Madrid"
country = "ES"
currency = "EUR"

[sources.people]
files = ["sources/people.csv"]
primary = "person"
encoding = "utf-8"
delimiter = ";"

[sources.visits]
files = ["sources/visits.csv"]
primary = "visit"

[sources.payments]
files = ["sources/payments.csv"]
primary = "payment"
"#;

/// Values of patients in the sources: no output, log or error may hold one of them.
const SECRETS: [&str; 5] = ["Zaldívar", "Iturbe", "Quetzalina", "987654", "1977-11-02"];

const FILES: [(&str, &str); 11] = [
    ("clinics/acme/clinic.toml", CLINIC),
    (
        "clinics/acme/sources/people.csv",
        "id;name;born;notes\np1;Ana Zaldívar;1977-11-02;\"{\"\"allergy\"\": \"\"Quetzalina\"\"}\"\np2;Luis Iturbe;1980-01-31;\n",
    ),
    (
        "clinics/acme/sources/visits.csv",
        "id;person;day;kind;price\nv1;p1;2024-03-01;first;987654.32\nv2;p1;2024-04-01;review;20.00\nv3;p2;2024-05-02;first;30.00\n",
    ),
    ("clinics/acme/sources/payments.csv", "id;visit;amount\nb1;v1;987654.32\nb2;v2;20.00\n"),
    (
        "sql/sources/paper/clean/person.sql",
        "-- one row a person\nselect id as source_id, name, try_cast(born as date) as born, notes, _id from raw.people\n",
    ),
    (
        "sql/sources/paper/clean/visit.sql",
        "-- one row a visit\nselect id as source_id, person, local_ts(day || ' 10:00', 'UTC') as happened_at, kind,\n  \
         cast(price as decimal(12, 2)) as price, _id\nfrom raw.visits\n",
    ),
    (
        "sql/sources/paper/clean/payment.sql",
        "-- one row a payment\nselect id as source_id, visit, cast(amount as decimal(12, 2)) as amount, _id from raw.payments\n",
    ),
    (
        "sql/systems/tiny/target/person.sql",
        "-- one row a person\nselect golden_id as id, name, born, notes, source_id as _source_id, _id from golden.person\n",
    ),
    (
        "sql/systems/tiny/target/visit.sql",
        "-- one row a visit\nselect v.golden_id as id, p.golden_id as person_id, v.happened_at, v.kind, v.price,\n  \
         v.source_id as _source_id, v._id\nfrom golden.visit as v left join xref.person as p on p.source_id = v.person\n",
    ),
    (
        "sql/systems/tiny/target/payment.sql",
        "-- one row a payment\nselect p.golden_id as id, v.golden_id as visit_id, p.amount, p.source_id as _source_id, p._id\n\
         from golden.payment as p left join xref.visit as v on v.source_id = p.visit\n",
    ),
    ("schema/tiny.sql", SCHEMA),
];

/// The clinic `acme`, its project, its target.
pub(super) struct Site {
    pub(super) project: TestProject,
    pub(super) database: TestDatabase,
    /// What the program is told as DATABASE_URL.
    pub(super) url: String,
    /// The same database for the test itself.
    direct: String,
}

/// How a command ended and all that it said.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Told {
    /// Exits with this code and says all of these.
    #[track_caller]
    pub(super) fn says(&self, code: i32, parts: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "'{part}' is not in:\n{}", self.text);
        }
        if code != 0 {
            assert!(!self.text.contains("panicked"), "{}", self.text);
            assert!(self.text.contains("error: "), "{}", self.text);
        }
        self
    }

    /// Says what to type next.
    #[track_caller]
    pub(super) fn hints(&self, part: &str) -> &Self {
        let hint = self.text.lines().any(|line| line.trim_start().starts_with('→') && line.contains(part));
        assert!(hint, "no hint says '{part}':\n{}", self.text);
        self
    }
}

impl Site {
    /// The clinic as it is before anything ran; the target's tables hold rows of others.
    pub(super) async fn new() -> Self {
        let project = support::project(&[]);
        // The models of this clinic need none, and binding them all takes longer than the rest.
        std::fs::remove_dir_all(project.path().join("sql/macros")).unwrap();
        for (path, text) in FILES {
            project.write(path, text);
        }
        let database = support::database_with(&format!("{SCHEMA}{STRANGERS}")).await;
        Self { project, url: database.url.clone(), direct: database.url.clone(), database }
    }

    /// The same with a snapshot, ready to be pushed.
    pub(super) async fn exported() -> Self {
        let site = Self::new().await;
        site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
        site
    }

    /// Moves to the database of another server, which gets the tables too.
    pub(super) async fn use_server(&mut self, url: String) {
        (self.url, self.direct) = (url.clone(), url);
        self.session().await.client.batch_execute(&format!("{SCHEMA}{STRANGERS}")).await.unwrap();
    }

    /// Moves to a new database of another server.
    pub(super) async fn use_fresh_database_of(&mut self, server: &Server, number: usize) {
        self.direct = server.url_for("postgres");
        let name = format!("fresh_{number}");
        self.session().await.client.batch_execute(&format!("create database {name}")).await.unwrap();
        self.use_server(server.url_for(&name)).await;
    }

    /// A session of the test itself, as superuser; also in a database that is read-only.
    pub(super) async fn session(&self) -> Session {
        Session::open(&Target::at("TEST_URL", Secret::new(&self.direct)), Purpose::Read).await.unwrap()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        self.project.write(path, text);
    }

    /// Adds to clinic.toml.
    pub(super) fn configure(&self, more: &str) {
        self.write("clinics/acme/clinic.toml", &format!("{CLINIC}\n{more}\n"));
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.project.path().join(relative)
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trasvase"));
        command.current_dir(self.project.path()).args(arguments);
        for name in ["LC_ALL", "LC_MESSAGES", "LANGUAGE", "COLUMNS", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.env("LANG", "en_GB.UTF-8").env("DATABASE_URL", &self.url);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(super) fn run(&self, arguments: &[&str]) -> Told {
        self.told(&self.command(arguments).output().unwrap())
    }

    pub(super) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Waits for a program that was spawned.
    #[track_caller]
    pub(super) fn ended(&self, child: Child) -> Told {
        self.ended_within(child, Duration::from_secs(30))
    }

    /// Waits for a program that was spawned, no longer than that.
    #[track_caller]
    pub(super) fn ended_within(&self, mut child: Child, patience: Duration) -> Told {
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > patience {
                child.kill().unwrap();
                panic!("the program does not end: {:?}", child.wait_with_output());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.told(&child.wait_with_output().unwrap())
    }

    /// What it said, after a look that neither this nor any log of the clinic holds a value of a patient.
    #[track_caller]
    pub(super) fn told(&self, output: &Output) -> Told {
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let text = format!("{stdout}{stderr}");
        let mut said = text.clone();
        for entry in std::fs::read_dir(self.path("staging/acme/logs")).into_iter().flatten() {
            said.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        for secret in SECRETS {
            assert!(!said.contains(secret), "'{secret}' was told:\n{said}");
        }
        Told { code: output.status.code(), text }
    }

    /// Every row of every table of the target, digested.
    pub(super) async fn tables(&self) -> BTreeMap<String, String> {
        self.digests("true").await
    }

    /// The same without the tables that nobody can read at the moment.
    pub(super) async fn tables_but_locked(&self) -> BTreeMap<String, String> {
        let free = "not exists (select from pg_locks where relation = c.oid and granted and mode = 'AccessExclusiveLock')";
        self.digests(free).await
    }

    async fn digests(&self, filter: &str) -> BTreeMap<String, String> {
        let session = self.session().await;
        let names = format!(
            "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
             where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema', 'trasvase') and {filter}"
        );
        let mut digests = BTreeMap::new();
        // All of one moment, whatever is being committed beside.
        session.client.batch_execute("begin isolation level repeatable read read only").await.unwrap();
        for name in session.client.query(&names, &[]).await.unwrap() {
            let name: String = name.get(0);
            let sql = format!(
                "select count(*)::text || ' ' || md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {name} t"
            );
            digests.insert(name, session.client.query_one(&sql, &[]).await.unwrap().get(0));
        }
        digests
    }

    /// Every table of the staging file that a stage made, digested.
    pub(super) fn staged(&self) -> String {
        let list = "select schema_name || '.' || table_name, estimated_size, column_count from duckdb_tables() \
                    where schema_name <> 'meta' order by all";
        self.run(&["sql", "acme", list, "--format", "json"]).says(0, &[]).text.clone()
    }

    /// One value of a query on the target.
    pub(super) async fn value(&self, sql: &str) -> String {
        let session = self.session().await;
        let row = session.client.query_one(&format!("select ({sql})::text"), &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// How the batches of the ledger ended, oldest first.
    pub(super) async fn batches(&self) -> String {
        match self.value("select to_regclass('trasvase.batch')").await.as_str() {
            "" => String::new(),
            _ => self.value("select string_agg(status, ' ' order by number) from trasvase.batch").await,
        }
    }

    /// Waits until the program waits for a lock in the target.
    pub(super) async fn blocked(&self) {
        let sql = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        self.until("the program waits for a lock", sql, "1").await;
    }

    /// Waits until a query of the target gives this value.
    pub(super) async fn until(&self, what: &str, sql: &str, value: &str) {
        let start = Instant::now();
        while self.value(sql).await != value {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The last log of the clinic; empty where there is none.
    pub(super) fn newest_log(&self) -> String {
        let logs = std::fs::read_dir(self.path("staging/acme/logs")).into_iter().flatten();
        let mut logs: Vec<_> = logs.map(|log| log.unwrap().path()).collect();
        logs.retain(|path| !path.to_string_lossy().ends_with(".errors.jsonl"));
        logs.sort();
        logs.pop().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
    }

    /// Waits until the last log of the clinic holds this text.
    pub(super) fn logged(&self, text: &str) {
        let start = Instant::now();
        while !self.newest_log().contains(text) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "'{text}' is not logged: {}",
                self.newest_log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A session that is in the midst of a transaction, having run `sql`.
    pub(super) async fn holding(&self, sql: &str) -> Session {
        let session = self.session().await;
        session.client.batch_execute(&format!("begin; {sql}")).await.unwrap();
        session
    }

    /// The first id that the snapshot has for a table.
    pub(super) fn id_of(&self, table: &str) -> String {
        let sql = format!("select id from ready.{table} order by id limit 1");
        let told = self.run(&["sql", "acme", &sql, "--format", "json"]);
        let id: String = told.text.chars().filter(|c| c.is_ascii_digit() || c.is_ascii_uppercase()).collect();
        assert_eq!(id.len(), 26, "{}", told.text);
        id
    }

    /// A session that holds back a push at its last table, when the rows of the others are written.
    pub(super) async fn holding_the_last_table(&self) -> Session {
        let id = self.id_of("payment");
        self.holding(&format!("insert into payment values ('{id}', 'stranger', 5)")).await
    }
}

/// Sends a signal to a program.
pub(super) fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}
