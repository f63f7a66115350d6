//! A live MongoDB through the official driver, against a server that speaks its protocol.
//!
//! The server is SecantusDB (PyPI, on WiredTiger): not MongoDB's own, which no registry carries, but one that its drivers
//! talk to. `.ci/mongodb` installs it beside the build.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{DateTime, Decimal128, Document, doc};
use serde_json::json;
use trasvase::error::{Failure, Kind};
use trasvase::load;
use trasvase::model::run::Silent;

use super::desk::Desk;
use crate::support::{self, runtime};

/// A server of one test, stopped with this value.
struct Server {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program())
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--storage-path"])
            .arg(folder.path().join("data"))
            .args(options)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port, _folder: folder };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}/clinic", self.port)
    }

    fn fill(&self, collection: &str, documents: Vec<Document>) {
        runtime().block_on(async {
            let client = Client::with_uri_str(self.url()).await.unwrap();
            client.database("clinic").collection(collection).insert_many(documents).await.unwrap();
        });
    }

    fn remove(&self, collection: &str, filter: Document) {
        runtime().block_on(async {
            let client = Client::with_uri_str(self.url()).await.unwrap();
            client.database("clinic").collection::<Document>(collection).delete_many(filter).await.unwrap();
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's program, installed on first use.
fn program() -> PathBuf {
    support::installed("mongodb", "mongodb-venv").0.join("bin/secantusd-py")
}

fn desk(server: &Server, sources: &str) -> Desk {
    let desk = Desk::new(sources);
    std::fs::write(desk.folder.path().join(".env"), format!("OLD_URL={}\n", server.url())).unwrap();
    desk
}

fn patients(count: i64) -> Vec<Document> {
    let patient = |number: i64| {
        let at = DateTime::from_millis(1_700_000_000_000 + number * 1000);
        let paid = format!("{number}.10").parse::<Decimal128>().unwrap();
        doc! { "_id": number, "big": (1i64 << 60) + number, "at": at, "paid": paid, "tags": ["a", { "b": number }] }
    };
    (0..count).map(patient).collect()
}

#[test]
fn a_live_collection_is_what_its_dump_is() {
    for options in [&[][..], &["--standalone"]] {
        let server = Server::start(options);
        server.fill("patients", patients(3000));
        server.fill("a.b", vec![doc! { "x": 1 }]);
        let sources = "[sources.s]\nurl = 'OLD_URL'\ncollection = 'patients'\n\
                       [sources.t]\nurl = 'OLD_URL'\ncollection = 'clinic.a.b'\n\
                       [sources.u]\nurl = 'OLD_URL'\ncollection = 'nothing'\noptional_columns = ['id']\n\
                       [sources.v]\nfiles = ['v.bson']";
        let desk = desk(&server, sources);
        let bson: Vec<u8> = patients(3000).iter().flat_map(|one| one.to_vec().unwrap()).collect();
        desk.write("v.bson", &bson);
        assert_eq!(desk.load().unwrap().rows(), 6001, "{options:?}");
        let apart = "select (select count(*) from (select * exclude (_id, _file) from raw.s except select * exclude (_id, _file) from raw.v)),
                            (select count(*) from raw.t where x = '1'), (select count(*) from raw.u)";
        assert_eq!(desk.rows(apart), [json!(["0", "1", "0"])]);
        let extract = desk.folder.path().join("staging/demo/extracts/s/0001.bson");
        assert_eq!(std::fs::read(&extract).unwrap(), bson);
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&extract).unwrap().permissions().mode() & 0o777, 0o600);
        // Again: the same documents are the same file.
        assert!(desk.load().unwrap().unchanged(), "{options:?}");
    }
}

#[test]
fn only_later_documents_are_asked_for_by_their_cursor() {
    let server = Server::start(&[]);
    server.fill("patients", patients(10));
    let sources = "[sources.s]\nurl = 'OLD_URL'\ncollection = 'patients'\nkey = ['_doc_id']\ncursor = 'at'";
    let desk = desk(&server, sources);
    desk.load().unwrap();
    server.fill("patients", patients(13).split_off(10));
    load_new(&desk);
    let files = desk.rows("select _file[-9:], count(*) from raw.s group by all order by 1");
    assert_eq!(files, [json!(["0001.bson", "10"]), json!(["0002.bson", "3"])]);
}

/// Loads what is new.
fn load_new(desk: &Desk) {
    desk.staging(|project, clinic, staging| {
        let options =
            load::Options { project, clinic, staging, only: Vec::new(), force: false, incremental: true };
        load::run(&options, &Silent).unwrap();
    });
}

#[test]
fn no_document_that_comes_late_is_lost() {
    let server = Server::start(&[]);
    let at = DateTime::from_millis(1_700_000_000_000);
    server
        .fill("patients", vec![doc! { "_id": 1, "at": at }, doc! { "_id": 2, "at": at }, doc! { "_id": 3 }]);
    let sources = "[sources.s]\nurl = 'OLD_URL'\ncollection = 'patients'\nkey = ['_doc_id']\ncursor = 'at'";
    let desk = desk(&server, sources);
    desk.load().unwrap();
    // One with the cursor of others and one without any, in the place of one that was deleted meanwhile.
    server.remove("patients", doc! { "_id": 1 });
    server.fill("patients", vec![doc! { "_id": 4, "at": at }, doc! { "_id": 5, "name": "x" }]);
    load_new(&desk);
    let files = "select _file[-9:], string_agg(_doc_id, ',' order by _id) from raw.s group by all order by 1";
    assert_eq!(desk.rows(files), [json!(["0001.bson", "1,2,3"]), json!(["0002.bson", "4,5"])]);
    // Those that are there already are not delivered once more.
    load_new(&desk);
    assert_eq!(desk.rows(files), [json!(["0001.bson", "1,2,3"]), json!(["0002.bson", "4,5"])]);
    assert_eq!(desk.rows("select count(*) from meta.superseded"), [json!(["0"])]);
    // A change that leaves the cursor as it is.
    server.remove("patients", doc! { "_id": 2 });
    server.fill("patients", vec![doc! { "_id": 2, "at": at, "name": "y" }]);
    load_new(&desk);
    assert_eq!(desk.rows("select name from raw.s where _doc_id = '2'"), [json!(["y"])]);
}

#[test]
fn texts_are_cursors_where_their_letters_say_which_is_later() {
    let server = Server::start(&[]);
    let files = "select _file[-9:], string_agg(_doc_id, ',' order by _id) from raw.s group by all order by 1";
    let ulids = ["01HQ0000000000000000000000", "01HQ0000000000000000000001", "01HQ0000000000000000000002"];
    // The second of each is later, though its letters come before those of the first: by its offset, or by its fraction.
    for (name, texts, key) in [
        ("offsets", ["2024-05-31T10:15:00+02:00", "2024-05-31T09:15:00Z", "2024-06-01T00:00:00Z"], "at"),
        ("fractions", ["2024-05-31T10:15:00Z", "2024-05-31T10:15:00.5Z", "2024-06-01T00:00:00Z"], "at"),
        ("ulids", ulids, "at"),
        ("ids", ulids, "_doc_id"),
    ] {
        let document = |place: usize| match key {
            "at" => doc! { "_id": place as i64 + 1, "at": texts[place] },
            _ => doc! { "_id": texts[place] },
        };
        server.fill(name, vec![document(0)]);
        let desk = desk(
            &server,
            &format!(
                "[sources.s]\nurl = 'OLD_URL'\ncollection = '{name}'\nkey = ['_doc_id']\ncursor = '{key}'"
            ),
        );
        desk.load().unwrap();
        server.fill(name, vec![document(1)]);
        load_new(&desk);
        load_new(&desk);
        server.fill(name, vec![document(2)]);
        load_new(&desk);
        let id = |place: usize| if key == "at" { (place + 1).to_string() } else { texts[place].to_owned() };
        let expected = |place: usize| json!([format!("000{}.bson", place + 1), id(place)]);
        assert_eq!(desk.rows(files), [expected(0), expected(1), expected(2)], "{name}");
        assert_eq!(desk.rows("select count(*) from meta.superseded"), [json!(["0"])], "{name}");
    }
}

#[test]
fn texts_whose_letters_do_not_say_which_is_later_are_refused_as_cursors() {
    let server = Server::start(&[]);
    for (name, texts) in [("numbers", ["9", "10"]), ("days", ["30/05/2024", "01/06/2024"])] {
        server.fill(name, texts.iter().map(|text| doc! { "at": *text }).collect());
        let sources =
            format!("[sources.s]\nurl = 'OLD_URL'\ncollection = '{name}'\nkey = ['_doc_id']\ncursor = 'at'");
        let desk = desk(&server, &sources);
        desk.load().unwrap();
        let failure = desk.staging(|project, clinic, staging| {
            let options =
                load::Options { project, clinic, staging, only: Vec::new(), force: false, incremental: true };
            Failure::from_anyhow(&load::run(&options, &Silent).unwrap_err())
        });
        assert!(failure.message.contains("the cursor at of source s holds texts"), "{failure:?}");
        assert!(failure.hints[0].contains("2024-05-31T10:15:00Z"), "{failure:?}");
    }
}

#[test]
fn what_keeps_a_live_source_from_being_read_is_said() {
    let server = Server::start(&[]);
    server.fill("patients", patients(1));
    let desk = desk(&server, "[sources.s]\nurl = 'OLD_URL'\ncollection = 'patient'");
    let failure = desk.load().unwrap_err();
    assert!(failure.kind == Kind::Usage && failure.hints[0].contains("clinic.patients"), "{failure:?}");
    let env = desk.folder.path().join(".env");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, kind) in [
        (
            format!("mongodb://user:secret@127.0.0.1:{closed}/clinic?serverSelectionTimeoutMS=500"),
            Kind::Failed,
        ),
        (format!("mongodb://user:secret@127.0.0.1:{}/clinic", server.port), Kind::Failed),
        ("mongodb://user:se@cret@/?x=y".to_owned(), Kind::Usage),
    ] {
        std::fs::write(&env, format!("OLD_URL={url}\n")).unwrap();
        let failure = desk.load().unwrap_err();
        assert_eq!(failure.kind, kind, "{failure:?}");
        let told = format!("{failure:?}");
        assert!(!told.contains("secret") && !told.contains("cret@") && !failure.hints.is_empty(), "{told}");
    }
    desk.configure("[sources.s]\nurl = 'OLD_URL'\nquery = 'select 1'");
    assert_eq!(desk.load().unwrap_err().kind, Kind::Usage);
}
