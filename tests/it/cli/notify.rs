//! `[notify]`: what a webhook is sent, and that one which misbehaves is in nobody's way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::clinic::Mini;
use super::safety::says;

/// What the webhook does with a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Status(u16),
    /// Nothing for as long as anybody waits.
    Hang,
    /// The connection is closed without a word.
    Cut,
    /// Sent elsewhere, where nobody is to follow.
    Elsewhere,
}

/// A webhook that answers as its script says, and then well.
pub(super) struct Webhook {
    pub(super) url: String,
    script: Arc<Mutex<Vec<Answer>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Webhook {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://hook:zlxpassword@{}/services/zlxtoken", listener.local_addr().unwrap());
        let webhook = Self { url, script: Arc::default(), bodies: Arc::default() };
        let (script, bodies) = (Arc::clone(&webhook.script), Arc::clone(&webhook.bodies));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let answer = script.lock().unwrap().pop().unwrap_or(Answer::Status(200));
                let bodies = Arc::clone(&bodies);
                std::thread::spawn(move || respond(stream.unwrap(), answer, &bodies));
            }
        });
        webhook
    }

    fn will(&self, answers: &[Answer]) {
        *self.script.lock().unwrap() = answers.iter().rev().copied().collect();
    }

    /// What came since this was last asked.
    pub(super) fn came(&self) -> Vec<String> {
        std::mem::take(&mut *self.bodies.lock().unwrap())
    }

    fn run(&self, mini: &Mini, line: &str) -> Output {
        let arguments: Vec<&str> = line.split(' ').collect();
        mini.command(&arguments).env("NOTIFY_URL", &self.url).output().unwrap()
    }
}

fn respond(mut stream: TcpStream, answer: Answer, bodies: &Mutex<Vec<String>>) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let (mut length, mut line) = (0, String::new());
    while input.read_line(&mut line).unwrap_or(0) > 0 && !line.trim().is_empty() {
        if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).unwrap();
    bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
    let head = match answer {
        Answer::Status(status) => format!("HTTP/1.1 {status} x\r\n"),
        Answer::Elsewhere => "HTTP/1.1 302 x\r\nlocation: http://127.0.0.1:9/\r\n".to_owned(),
        Answer::Hang => return std::thread::sleep(Duration::from_secs(4)),
        Answer::Cut => return,
    };
    let _ = stream.write_all(format!("{head}connection: close\r\ncontent-length: 2\r\n\r\nok").as_bytes());
}

fn notified(settings: &str) -> Mini {
    let mini = Mini::new();
    let section = format!("[notify]\nurl_env = \"NOTIFY_URL\"\ntimeout = 1\n{settings}\n[load]");
    mini.edit("clinics/mini/clinic.toml", "[load]", &section);
    mini
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn the_end_of_a_run_is_told_in_names_and_counts() {
    let (mini, webhook) = (notified(""), Webhook::start());
    says(&webhook.run(&mini, "run mini"), 0, &["NOTIFY_URL"]);
    let came = webhook.came();
    let message = json(&came[0]);
    assert_eq!((came.len(), &message["clinic"], &message["outcome"]), (1, &"mini".into(), &"done".into()));
    assert_eq!((&message["exit_code"], &message["target"]), (&0.into(), &"DATABASE_URL".into()));
    let stages: Vec<_> =
        message["stages"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(stages, ["load", "transform", "check", "export", "push", "verify"]);
    let visit = &message["tables"]["visit"];
    assert_eq!(
        (&visit["rows"], &visit["rejected"], &visit["inserted"]),
        (&3.into(), &1.into(), &3.into()),
        "{visit}"
    );
    let (log, _) = mini.json("log mini");
    assert_eq!(message["run"], log[0]["run"]);
    let text = message.to_string();
    assert!(
        message["batch"].as_str().is_some_and(|batch| batch.len() == 26) && message["snapshot"].is_string()
    );
    for value in ["Luis", "1975", "postgresql://", "zlx"] {
        assert!(!text.contains(value), "{value} is in {text}");
    }
    // One stage and a dry run are no run; a run of all is one for each clinic.
    webhook.run(&mini, "load mini");
    webhook.run(&mini, "run mini --dry-run");
    assert_eq!(webhook.came().len(), 0);
    webhook.run(&mini, "run --all");
    let came = webhook.came();
    assert_eq!((came.len(), &json(&came[0])["tables"]["visit"]["inserted"]), (1, &0.into()), "{came:?}");
}

#[test]
fn a_failure_is_told_by_its_kind_and_place() {
    let (mini, webhook) = (notified("on = [\"failure\"]"), Webhook::start());
    mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"0\"");
    assert_eq!(webhook.run(&mini, "run mini").status.code(), Some(3));
    let came = webhook.came();
    let message = json(&came[0]);
    assert_eq!((came.len(), &message["outcome"], &message["exit_code"]), (1, &"findings".into(), &3.into()));
    assert_eq!((&message["stopped_at"], &message["batch"]), (&"push".into(), &Value::Null), "{message}");
    mini.edit("clinics/mini/clinic.toml", "\"*\" = \"0\"", "\"*\" = \"50%\"");
    assert_eq!(webhook.run(&mini, "run mini").status.code(), Some(0));
    assert_eq!(webhook.came().len(), 0, "only failures are told");
    mini.edit("sql/sources/ledger/clean/person.sql", "name,", "nome,");
    assert_eq!(webhook.run(&mini, "run mini").status.code(), Some(1));
    let message = json(&webhook.came()[0]);
    assert_eq!((&message["outcome"], &message["stopped_at"]), (&"failed".into(), &"transform".into()));
}

#[test]
fn a_text_for_people_is_in_the_language_of_the_clinic_or_as_asked() {
    let (mini, webhook) = (notified("format = \"slack\""), Webhook::start());
    webhook.run(&mini, "run mini");
    webhook.run(&mini, "run mini --lang en");
    let came = webhook.came();
    let texts: Vec<_> = came.iter().map(|body| json(body)["text"].as_str().unwrap().to_owned()).collect();
    assert!(
        texts[0].starts_with("*mini*: hecha en ") && texts[0].contains("visit: filas: 3, rechazadas 1"),
        "{texts:?}"
    );
    assert!(
        texts[1].starts_with("*mini*: done in ") && texts[1].contains("visit: rows: 3, rejected 1"),
        "{texts:?}"
    );
    assert_eq!(json(&came[0]).as_object().unwrap().len(), 1, "Slack refuses what it does not know");
}

#[test]
fn a_webhook_that_misbehaves_is_asked_again_and_never_fails_a_run() {
    let (mini, webhook) = (notified(""), Webhook::start());
    let secret = |output: &Output| assert!(!format!("{output:?}").contains("zlx"), "{output:?}");
    for (script, requests, said) in [
        (&[Answer::Status(500), Answer::Status(200)][..], 2, "HTTP 500"),
        (&[Answer::Hang, Answer::Status(204)], 2, "timeout"),
        (&[Answer::Cut, Answer::Status(429), Answer::Status(200)], 3, "HTTP 429"),
        (&[Answer::Status(404)], 1, "refused (HTTP 404)"),
        (&[Answer::Elsewhere], 1, "refused (HTTP 302)"),
        (&[Answer::Status(503); 9], 3, "nobody was told how the run ended"),
    ] {
        webhook.will(script);
        let output = webhook.run(&mini, "run mini");
        says(&output, 0, &[said]);
        secret(&output);
        assert_eq!(webhook.came().len(), requests, "{script:?}");
    }
    // Nobody listens there; then there is no address at all, or none that can be one.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, said) in [
        (format!("http://{closed}/zlxtoken"), "gave no answer"),
        (String::new(), "NOTIFY_URL, which is not set"),
        ("zlx token".to_owned(), "no http:// or https:// address"),
    ] {
        let output = mini.command(&["run", "mini"]).env("NOTIFY_URL", &url).output().unwrap();
        says(&output, 0, &["warning", said]);
        secret(&output);
    }
    let errors = mini.run(&["log", "mini", "--errors"]);
    says(&errors, 0, &["nobody was told"]);
    for entry in std::fs::read_dir(mini.path().join("staging/mini/logs")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("zlx"), "{text}");
    }
    mini.edit("clinics/mini/clinic.toml", "timeout = 1", "timeout = 1\nformat = \"teams\"");
    says(&mini.run(&["run", "mini"]), 2, &["unknown variant `teams`, expected `json` or `slack`"]);
}

/// A webhook over TLS, whose certificate only `tls/ca.pem` vouches for; it counts who got through to it.
fn encrypted() -> (String, Arc<Mutex<usize>>) {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificates = CertificateDer::pem_slice_iter(include_bytes!("../pg/tls/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../pg/tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.map(Result::unwrap).collect(), key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, config) = (listener.local_addr().unwrap().port(), Arc::new(config));
    let through = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&through);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut inside = rustls::Stream::new(&mut connection, &mut stream);
            let mut bytes = [0; 16384];
            if inside.read(&mut bytes).is_ok() {
                *counter.lock().unwrap() += 1;
                let _ = inside.write_all(b"HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    (format!("https://localhost:{port}/zlxtoken"), through)
}

#[test]
fn a_webhook_over_tls_needs_a_certificate_that_this_machine_knows() {
    let (mini, (url, through)) = (notified(""), encrypted());
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/pg/tls/ca.pem");
    let run = |ca: &str| {
        mini.command(&["run", "mini"]).env("NOTIFY_URL", &url).env("SSL_CERT_FILE", ca).output().unwrap()
    };
    says(&run(ca), 0, &["the webhook at NOTIFY_URL was told"]);
    assert_eq!(*through.lock().unwrap(), 1);
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/pg/tls/other.pem");
    let refused = run(other);
    says(&refused, 0, &["warning", "nobody was told"]);
    assert!(!format!("{refused:?}").contains("zlx") && *through.lock().unwrap() == 1, "{refused:?}");
}

#[test]
fn no_value_of_a_cell_is_in_what_is_sent() {
    let (mini, webhook) = (notified(""), Webhook::start());
    let people = "code;name;born\nzlx1;zlxAna;1911-11-03\nzlx2;zlxLuis;1911-11-04\nzlx3;;1911-11-05\nzlx7;zlxtoo;zlxmany;zlxcells\n";
    let visits = "number;person;day;kind\nzlx10;zlx1;1911-12-03;zlxkind\nzlx11;zlxgone;1911-12-04;zlxother\nzlx12;zlx1;zlxday;first\n";
    mini.write("clinics/mini/sources/people.csv", people);
    mini.write("clinics/mini/sources/visits.csv", visits);
    let loud = "create function loud() returns trigger language plpgsql as $$ begin \
        raise exception 'bad row %', new.name using detail = new.name, hint = new.name; end $$; \
        create trigger loud before insert on person for each row execute function loud()";
    let mut outcomes = Vec::new();
    for format in ["json", "slack"] {
        // A cast that fails on a value, rejects over their limit, a trigger that tells rows, another value in the target.
        outcomes.push(webhook.run(&mini, "run mini").status.code());
        mini.edit("sql/sources/ledger/clean/visit.sql", "day::date", "try_cast(day as date)");
        outcomes.push(webhook.run(&mini, "run mini").status.code());
        mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"100%\"");
        mini.execute(loud);
        outcomes.push(webhook.run(&mini, "run mini").status.code());
        mini.execute("drop trigger loud on person; drop function loud; \
                      insert into person select 'zlx', 'zlxSomebody', null where not exists (select from person)");
        outcomes.push(webhook.run(&mini, "run mini").status.code());
        mini.execute("update person set name = 'zlxEdited'");
        outcomes.push(webhook.run(&mini, "run mini --from verify").status.code());
        if format == "json" {
            mini.edit("sql/sources/ledger/clean/visit.sql", "try_cast(day as date)", "day::date");
            mini.edit("clinics/mini/clinic.toml", "\"100%\"", "\"50%\"");
            mini.edit("clinics/mini/clinic.toml", "timeout = 1", "timeout = 1\nformat = \"slack\"");
            mini.execute("delete from visit; delete from person; drop schema trasvase cascade");
        }
    }
    assert_eq!(outcomes[..5], outcomes[5..], "both formats tell of the same");
    assert!(outcomes.contains(&Some(1)) && outcomes.contains(&Some(3)), "{outcomes:?}");
    let came = webhook.came();
    assert_eq!(came.len(), 10);
    for body in came {
        let text = super::canary::without_ids(&body).to_lowercase();
        for mark in ["zlx", "1911", "postgresql://", "bad row"] {
            assert!(!text.contains(mark), "{mark} is in {text}");
        }
    }
}
