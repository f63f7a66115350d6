//! Vectors from a service that misbehaves: each text is asked for once, whatever happens in between.

mod pgvector;
mod told_apart;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use trasvase::embed;
use trasvase::error::Failure;
use trasvase::model::run::{Event, Observer, Silent};
use trasvase::staging::Staging;

use crate::pipeline::Run;
use crate::support;

/// What the service does with a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Good,
    Status(u16),
    Slow,
    /// Busy, for so many seconds.
    Later(u32),
    /// Vectors that are longer than asked for.
    Longer,
    /// One vector too few.
    Fewer,
    Nonsense,
    /// The connection is closed without a word.
    Cut,
}

/// A service that answers as its script says, and then well; it notes every text that it was paid for.
struct Service {
    url: String,
    script: Arc<Mutex<Vec<Answer>>>,
    paid: Arc<Mutex<BTreeMap<String, usize>>>,
    requests: Arc<Mutex<usize>>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let service = Self { url, script: Arc::default(), paid: Arc::default(), requests: Arc::default() };
        let (script, paid, requests) =
            (Arc::clone(&service.script), Arc::clone(&service.paid), Arc::clone(&service.requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, paid) = (Arc::clone(&script), Arc::clone(&paid));
                *requests.lock().unwrap() += 1;
                std::thread::spawn(move || answer(stream.unwrap(), &script, &paid));
            }
        });
        service
    }

    fn will(&self, answers: &[Answer]) {
        *self.script.lock().unwrap() = answers.iter().rev().copied().collect();
    }

    fn paid(&self) -> (usize, usize) {
        let paid = self.paid.lock().unwrap();
        (paid.len(), paid.values().copied().max().unwrap_or(0))
    }
}

fn answer(stream: TcpStream, script: &Mutex<Vec<Answer>>, paid: &Mutex<BTreeMap<String, usize>>) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let (mut length, mut authorised, mut path) = (0, false, String::new());
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        }
        let lower = line.to_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        authorised |= line.contains("Bearer open sesame");
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).unwrap();
    let question: Value = serde_json::from_slice(&body).unwrap();
    let texts: Vec<String> =
        question["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    assert_eq!((path.as_str(), authorised, &question["model"]), ("/v1/embeddings", true, &json!("m")));
    let how = script.lock().unwrap().pop().unwrap_or(Answer::Good);
    let vector = |index: usize| json!({"index": index, "embedding": [0.5, texts[index].len() as f64, -1e-7]});
    let longer = |index: usize| json!({"index": index, "embedding": [1, 2, 3, 4]});
    let mut wait = 0;
    let (status, body) = match how {
        Answer::Good => {
            for text in &texts {
                *paid.lock().unwrap().entry(text.clone()).or_default() += 1;
            }
            // In another order than they were asked for.
            (200, json!({"data": (0..texts.len()).rev().map(vector).collect::<Vec<_>>()}).to_string())
        }
        Answer::Later(seconds) => {
            wait = seconds;
            (429, "{}".to_owned())
        }
        Answer::Status(status) => (status, "{\"error\": \"no\"}".to_owned()),
        Answer::Slow => {
            std::thread::sleep(Duration::from_millis(1800));
            return;
        }
        Answer::Longer => {
            (200, json!({"data": (0..texts.len()).map(longer).collect::<Vec<_>>()}).to_string())
        }
        Answer::Fewer => (200, json!({"data": (1..texts.len()).map(vector).collect::<Vec<_>>()}).to_string()),
        Answer::Nonsense => (200, "<html>".to_owned()),
        Answer::Cut => return,
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\nconnection: close\r\nretry-after: {wait}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// Remembers what was retried.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Observer for Listener {
    fn event(&self, event: &Event<'_>) {
        if let Event::Retried { cause, .. } = event {
            self.0.lock().unwrap().push((*cause).to_owned());
        }
    }
}

/// In place of the clinic's own.
const SETTINGS: &str = "[embed.project_embeddings]
columns = ['content']
model = 'm'
dimension = 3
model_into = 'model'
url = 'EMBED_URL'
key = 'EMBED_KEY'
batch = 100
timeout = 1
";

async fn laboratory(service: &Service) -> (Run, support::TestDatabase) {
    let legacy =
        support::database_with(include_str!("../../clinics/mdw-lab/sources/LEGACY_DB_URL.sql")).await;
    let project = project(service, &legacy);
    (Run::in_project(project, "mdw-lab").await, legacy)
}

/// The clinic, whose texts this service is asked about.
fn project(service: &Service, legacy: &support::TestDatabase) -> support::TestProject {
    let project = support::project(&["mdw-lab"]);
    let toml = project.path().join("clinics/mdw-lab/clinic.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    let (before, after) = text.split_once("[embed.project_embeddings]\n").unwrap();
    let (_, after) = after.split_once("\n\n").unwrap();
    std::fs::write(toml, format!("{before}{SETTINGS}\n{after}")).unwrap();
    let variables =
        format!("LEGACY_DB_URL='{}'\nEMBED_URL='{}'\nEMBED_KEY='open sesame'\n", legacy.url, service.url);
    project.write(".env", &variables);
    project
}

fn enhance(run: &Run, staging: &Staging) -> (Result<embed::Report, Failure>, Vec<String>) {
    let listener = Listener::default();
    let (project, clinic) = (&run.project.project, &run.clinic);
    let options = embed::Options { project, clinic, staging, only: None, ask: true };
    let reports = embed::run(&options, &listener).map_err(|error| Failure::from_anyhow(&error));
    (reports.map(|mut reports| reports.remove(0)), listener.0.into_inner().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_paid_for_once_whatever_the_service_does() {
    let service = Service::start();
    let (run, _legacy) = laboratory(&service).await;
    let staging = run.staging();
    run.load(&staging);
    run.transform(&staging);
    let texts: u64 = staging.value("select count(distinct content) from target.project_embeddings").unwrap();
    let all = usize::try_from(texts).unwrap();
    // What lasts stops at once, says what to do, and keeps what came before.
    for (script, message, hint) in [
        (vec![Answer::Good, Answer::Longer], "dimension 4, not 3", "dimension = 4"),
        (vec![Answer::Fewer], "something else", "batch = 1"),
        (vec![Answer::Nonsense], "something else", "EMBED_URL is to be"),
        (vec![Answer::Status(302)], "HTTP 302", "EMBED_URL/embeddings"),
        (vec![Answer::Status(401)], "HTTP 401", "EMBED_KEY"),
        (vec![Answer::Status(404)], "HTTP 404", "/v1"),
        (vec![Answer::Status(400)], "HTTP 400", "model m"),
    ] {
        service.will(&script);
        let failure = enhance(&run, &staging).0.unwrap_err();
        assert!(failure.message.contains(message), "{failure:?}");
        assert!(failure.hints.join("\n").contains(hint), "{failure:?}");
        assert!(!format!("{failure:?}").contains("sesame"), "{failure:?}");
    }
    assert_eq!(service.paid(), (100, 1));
    // What passes is asked again; five times, and then no more.
    service.will(&[Answer::Status(503); 6]);
    let (failed, causes) = enhance(&run, &staging);
    assert!(failed.unwrap_err().hints.join("\n").contains("--no-ai"));
    assert_eq!(causes, ["HTTP 503"; 5]);
    service.will(&[Answer::Status(429), Answer::Slow, Answer::Status(500), Answer::Cut]);
    let (report, causes) = enhance(&run, &staging);
    let report = report.unwrap();
    assert_eq!((report.rows, report.asked), (420, texts - 100));
    assert_eq!(
        (causes[0].as_str(), causes[1].as_str(), causes[2].as_str()),
        ("HTTP 429", "timeout", "HTTP 500")
    );
    assert_eq!((causes.len(), service.paid()), (4, (all, 1)));
    let asked = *service.requests.lock().unwrap();
    assert_eq!(enhance(&run, &staging).0.unwrap().requests, 0);
    assert_eq!(*service.requests.lock().unwrap(), asked);
    // Every row has the vector of its own text, also after its model was built anew.
    staging.execute("update target.project_embeddings set embedding = null").unwrap();
    // Who may ask nobody still gets what is known.
    let (project, clinic) = (&run.project.project, &run.clinic);
    let options = embed::Options { project, clinic, staging: &staging, only: None, ask: false };
    let report = embed::run(&options, &Silent).unwrap().remove(0);
    assert_eq!((report.rows, report.asked, report.without), (420, 0, 0));
    assert_eq!(*service.requests.lock().unwrap(), asked);
    let wrong = "select count(*) from target.project_embeddings
                 where model <> 'm' or embedding is distinct from '[0.5,' || strlen(content) || ',-0.0000001]'";
    assert_eq!(staging.value::<i64>(wrong).unwrap(), 0);
    // It is a value of the target like any other.
    let check = run.check(&staging).await;
    assert!(check.stops().is_empty(), "{:#?}", check.tables);
    let snapshot = run.export(&staging, &check);
    run.push(&snapshot).await;
    assert!(run.verify(&snapshot).await.is_clean());
    let sql = "select count(*) from project_embeddings where embedding is not null";
    let filled: i64 = run.session.client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(filled, 417);
}
