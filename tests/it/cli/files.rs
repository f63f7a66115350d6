//! Documents and photos: objects in buckets, rows that tell of them, and what speaks against a file.

mod cleaned;
mod gone;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::process::Output;

use serde_json::Value;

use super::archive::proxy::{Proxy, Rule, What};
use super::archive::{bucket, moto, way};
use super::clinic::Mini;
use super::notify::Webhook;
use super::safety::says;
use crate::support;

const DOCUMENT: &str = "create table document (id text primary key, person_id text not null references person, bucket text, \
     object_key text not null, content_type text, size bigint, sha256 text not null, original_name text, kind text)";
const LISTED: &str = "[sources.papers]\nfiles = [\"sources/papers.csv\"]\n\n\
     [[files]]\nfolder = \"sources/docs\"\nlist = \"raw.papers\"\npath = \"file\"\nowner = \"person\"\nname = \"title\"\n\
     kind = \"kind\"\nconsent = \"signed\"\nof = \"person\"\n\n[archive]\nmode = \"governance\"\nyears = 5\n";
const PAPERS: &str = "file;person;title;kind;signed\n1/scan.pdf;1;Scan of Ana.pdf;scan;no\n1\\photo.jpg;1;;photo;\n\
     2/consent.pdf;2;Consent of Luis;consent;sí\n2/copy.pdf;2;Copy;scan;0\n";
const PDF: &[u8] = b"%PDF-1.7\nAna's scan";
const CONSENT: &[u8] = b"%PDF-1.7\nLuis agrees";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nphoto";

/// A clinic that ran, its files, two buckets and a proxy on the way to them.
struct Desk {
    mini: Mini,
    general: String,
    worm: String,
    proxy: Proxy,
}

impl Desk {
    fn new(table: &str, settings: &str, papers: &str) -> Self {
        let desk = Self {
            mini: Mini::new(),
            general: bucket(false),
            worm: bucket(true),
            proxy: Proxy::start(moto::port()),
        };
        desk.mini.execute(table);
        let path = "clinics/mini/clinic.toml";
        let text = std::fs::read_to_string(desk.mini.path().join(path)).unwrap();
        desk.mini.write(path, &format!("{text}\n{settings}"));
        desk.mini.write("clinics/mini/sources/papers.csv", papers);
        for (name, bytes) in
            [("1/scan.pdf", PDF), ("1/photo.jpg", PNG), ("2/consent.pdf", CONSENT), ("2/copy.pdf", PDF)]
        {
            desk.put(name, bytes);
        }
        says(&desk.run("run mini --until verify"), 0, &[]);
        desk
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.mini.path().join("clinics/mini/sources/docs").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    #[track_caller]
    fn run(&self, line: &str) -> Output {
        let mut command = self.mini.command(&line.split(' ').collect::<Vec<_>>());
        let endpoint = format!("http://127.0.0.1:{}", self.proxy.port);
        command.envs(way(&endpoint, &self.worm)).env("S3_GENERAL_BUCKET", &self.general);
        command.output().unwrap()
    }

    #[track_caller]
    fn json(&self, line: &str, code: i32) -> Value {
        let output = self.run(&format!("{line} --format json"));
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        support::runtime().block_on(async {
            let session = self.mini.database.client().await;
            session.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
        })
    }

    /// Keys of a bucket, with their sizes.
    fn keys(&self, bucket: &str) -> BTreeMap<String, i64> {
        let found =
            support::runtime().block_on(moto::client().list_objects_v2().bucket(bucket).send()).unwrap();
        let key = |one: &aws_sdk_s3::types::Object| (one.key().unwrap().to_owned(), one.size().unwrap());
        found.contents().iter().map(key).collect()
    }

    fn state(&self) -> String {
        let status = self.json("status mini", 0);
        let stages = status[0]["stages"].as_array().unwrap();
        let files = stages.iter().find(|one| one["stage"] == "files").unwrap();
        files["state"].as_str().unwrap().to_owned()
    }

    fn batches(&self) -> Vec<String> {
        self.rows("select origin || ' ' || status from trasvase.batch order by number")
    }
}

/// Rule and paths of what was found.
fn found(answer: &Value) -> Vec<String> {
    let paths = |one: &Value| {
        let places = one["places"].as_array().unwrap().iter();
        places.map(|place| place["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let one = |one: &Value| format!("{} {}", one["rule"].as_str().unwrap(), paths(one));
    answer["findings"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn files_go_up_once_and_rows_tell_of_them_until_they_are_taken_back() {
    let desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    assert_eq!(desk.state(), "pending");
    says(
        &desk.run("files mini --dry-run"),
        0,
        &["nothing was uploaded", "rows of document that tell of them: 4"],
    );
    assert!(desk.keys(&desk.general).is_empty() && desk.rows("select id from document").is_empty());
    let done = desk.run("files mini");
    says(&done, 0, &["objects sent: 3"]);

    let rows = desk.rows(
        "select concat_ws('|', p.name, d.original_name, d.content_type, d.size::text, d.kind, \
         d.bucket = (select max(bucket) from document where kind = 'consent')) \
         from document d join person p on p.id = d.person_id order by p.name, d.original_name",
    );
    assert_eq!(
        rows,
        [
            "Ana|Scan of Ana.pdf|application/pdf|19|scan|f",
            "Ana|photo.jpg|image/png|13|photo|f",
            "Luis|Consent of Luis|application/pdf|20|consent|t",
            "Luis|Copy|application/pdf|19|scan|f",
        ]
    );
    // The same bytes are one object of two rows; no name of anybody is in a key.
    let keys = desk.keys(&desk.general);
    let worm = desk.keys(&desk.worm);
    assert_eq!((keys.len(), worm.len()), (2, 1), "{keys:?}");
    let named = desk.rows("select distinct object_key from document order by 1");
    let mut all: Vec<String> = keys.into_keys().chain(worm.clone().into_keys()).collect();
    all.sort();
    assert_eq!(all, named);
    assert!(
        all.iter().all(|key| key.starts_with("mini/person/") && key.len() == 12 + 26 + 1 + 64),
        "{all:?}"
    );
    let head = moto::client().head_object().bucket(&desk.worm).key(worm.keys().next().unwrap());
    let head = support::runtime().block_on(head.send()).unwrap();
    assert_eq!(head.content_type(), Some("application/pdf"));
    let until = head.object_lock_retain_until_date().unwrap().secs();
    assert!(until > chrono::Utc::now().timestamp() + 5 * 365 * 86_400 - 86_400);

    // Verified, by itself and with the rest; again nothing is sent and nothing written.
    says(&desk.run("verify mini"), 0, &[]);
    desk.proxy.rules(&[]);
    let again = desk.json("files mini", 0);
    assert_eq!((&again["sent_objects"], desk.proxy.seen("PUT", "/").len()), (&0.into(), 0));
    assert_eq!(again["rows_pushed"][0]["stages"][0]["report"]["batch"], Value::Null);
    says(&desk.run("run mini"), 0, &[]);
    assert_eq!(desk.batches(), ["models completed", "files completed"]);
    assert_eq!(desk.state(), "done");

    // A file that changed is another object, and its row is another.
    desk.put("1/scan.pdf", b"%PDF-1.7\nAna's other scan");
    let changed = desk.json("files mini", 0);
    assert_eq!(changed["sent_objects"], 1);
    assert_eq!(desk.rows("select size::text from document where original_name like 'Scan%'"), ["25"]);
    assert_eq!(desk.keys(&desk.general).len(), 3);
    says(&desk.run("rollback mini last --confirm mini"), 0, &[]);
    assert_eq!(desk.rows("select size::text from document where original_name like 'Scan%'"), ["19"]);

    // What its rows stand on stays where it is, unless they go too; objects stay.
    let first = &desk.rows("select id from trasvase.batch order by number limit 1")[0];
    says(&desk.run(&format!("rollback mini {first} --confirm mini")), 1, &["--cascade"]);
    says(&desk.run("rollback mini last --confirm mini"), 0, &[]);
    assert!(desk.rows("select id from document").is_empty());
    assert_eq!(desk.state(), "pending");
    assert_eq!(desk.keys(&desk.general).len(), 3);
    says(&desk.run("verify mini"), 0, &[]);
    // Its objects may be gone by now: the rows are made anew.
    says(
        &desk.run("redo mini last"),
        1,
        &["its objects may be gone", "trasvase files mini", "trasvase run mini --from files"],
    );
    assert!(desk.rows("select id from document").is_empty());
    says(&desk.run("files mini"), 0, &[]);
    assert_eq!(desk.rows("select count(*)::text from document"), ["4"]);

    let logs = desk.mini.path().join("staging/mini/logs");
    for file in std::fs::read_dir(logs).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("Ana") && !text.contains("scan.pdf") && !text.contains("Luis"), "{text}");
    }
}

#[test]
fn what_speaks_against_a_file_is_a_finding_and_the_rest_goes_up() {
    let papers = format!(
        "{PAPERS}1/gone.pdf;1;;;\n1/empty.pdf;1;;;\n../clinic.toml;1;;;\n1/out.pdf;1;;;\n1/folder;1;;;\n3/nobody.pdf;99;;;\n;1;;;\n2/maybe.pdf;2;;;perhaps\n"
    );
    let desk = Desk::new(DOCUMENT, LISTED, &papers);
    for (name, bytes) in
        [("1/empty.pdf", &b""[..]), ("3/nobody.pdf", PDF), ("2/maybe.pdf", PDF), ("4/left.pdf", PDF)]
    {
        desk.put(name, bytes);
    }
    let docs = desk.mini.path().join("clinics/mini/sources/docs");
    std::fs::create_dir(docs.join("1/folder")).unwrap();
    symlink("../../../clinic.toml", docs.join("1/out.pdf")).unwrap();
    symlink("/etc", docs.join("etc")).unwrap();
    let planned = desk.json("files mini --dry-run", 3);
    let expected = [
        "file_missing 1/gone.pdf",
        "file_empty 1/empty.pdf",
        "file_unreadable 1/folder",
        "file_outside ../clinic.toml 1/out.pdf etc",
        "file_unreferenced 4/left.pdf",
        "file_no_path ",
        "file_no_owner 3/nobody.pdf",
        "file_consent_unclear 2/maybe.pdf",
    ];
    assert_eq!(found(&planned), expected);
    assert_eq!(planned["findings"][0]["places"][0]["record"], "papers:1:5");
    let done = desk.run("files mini");
    says(&done, 3, &["lead out of the folder", "etc", "trasvase issues mini"]);
    assert_eq!(desk.rows("select count(*)::text from document"), ["4"]);
    says(&desk.run("files mini --dry-run --lang es"), 3, &["salen de la carpeta"]);
    // What people accepted stops nobody.
    let issues = desk.json("issues mini", 0);
    let ids = issues["issues"].as_array().unwrap().iter().filter(|one| one["stage"] == "files");
    let ids: Vec<String> = ids.map(|one| format!("--accept {}", one["id"].as_str().unwrap())).collect();
    assert_eq!(ids.len(), 8);
    says(&desk.run(&format!("issues mini {} --reason known", ids.join(" "))), 0, &[]);
    says(&desk.run("files mini"), 0, &[]);
}

#[test]
fn an_upload_that_was_cut_is_gone_on_with() {
    let desk = Desk::new(DOCUMENT, LISTED, &format!("{PAPERS}1/film.mp4;1;;film;\n"));
    let mut film = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2".to_vec();
    film.resize(36 << 20, 7);
    desk.put("1/film.mp4", &film);
    desk.proxy.rules(&[Rule { method: "PUT", path: "partNumber=3", what: What::Cut { parts: 2 }, times: 1 }]);
    let cut = desk.run("files mini --max-retries 0");
    assert_eq!(cut.status.code(), Some(1), "{cut:?}");
    assert!(desk.rows("select id from document").is_empty());
    let before = desk.keys(&desk.general).len() + desk.keys(&desk.worm).len();
    desk.proxy.rules(&[]);
    let done = desk.json("files mini", 0);
    assert_eq!(done["sent_objects"], 4 - before);
    let parts = desk.proxy.seen("PUT", "partNumber=").len();
    assert!((1..=3).contains(&parts), "{parts} parts of five were sent again");
    assert_eq!(desk.rows("select content_type from document where kind = 'film'"), ["video/mp4"]);
    assert_eq!(desk.rows("select count(*)::text from document"), ["5"]);
}

#[test]
fn a_folder_is_a_list_too_and_the_target_may_number_the_rows() {
    let table = "create table paper (number bigint generated by default as identity primary key, person_id text not null references person, \
                 place text not null, hash text not null, shape text not null)";
    let settings = "[[files]]\nfolder = \"sources/docs\"\nonly = \"*.pdf\"\nof = \"person\"\ntable = \"paper\"\nvalues = { shape = \"paper\" }\n\
         columns = { object_key = \"place\", sha256 = \"hash\", bucket = \"\", content_type = \"\", size = \"\", original_name = \"\" }\n\n\
         [tables.paper]\nkeys = \"new\"\n";
    let desk = Desk::new(table, settings, "");
    desk.put("9/nobody.pdf", PDF);
    desk.put("loose.pdf", PDF);
    let done = desk.json("files mini", 3);
    assert_eq!(found(&done), ["file_no_owner 9/nobody.pdf loose.pdf"]);
    let rows = "select concat_ws(' ', number, p.name, shape) from paper join person p on p.id = person_id order by 1";
    assert_eq!(desk.rows(rows), ["1 Ana paper", "2 Luis paper", "3 Luis paper"]);
    assert_eq!(desk.keys(&desk.general).len(), 2);
    assert_eq!(desk.json("files mini", 3)["rows_pushed"][0]["stages"][0]["report"]["batch"], Value::Null);
    assert_eq!(desk.rows(rows).len(), 3);
}

#[test]
fn what_cannot_come_to_anything_is_said_before_anything_is_sent() {
    let desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    let path = "clinics/mini/clinic.toml";
    for (from, to, sentence) in [
        ("path = \"file\"", "path = \"fiel\"", "raw.papers has no column fiel: did you mean file"),
        ("list = \"raw.papers\"", "list = \"raw.paperz\"", "no such table"),
        ("of = \"person\"", "of = \"persona\"", "no column persona_id for the file's owner"),
        ("folder = \"sources/docs\"", "folder = \"sources/dcos\"", "is not there"),
        ("[archive]\nmode = \"governance\"\nyears = 5\n", "", "does not say how long they are kept"),
        (
            "of = \"person\"",
            "of = \"person\"\ncolumns = { size = \"bytes\" }",
            "no column bytes for the file's size",
        ),
    ] {
        desk.mini.edit(path, from, to);
        says(&desk.run("files mini"), 2, &[sentence]);
        let text = std::fs::read_to_string(desk.mini.path().join(path)).unwrap();
        match to.is_empty() {
            true => desk.mini.write(path, &format!("{text}{from}")),
            false => desk.mini.edit(path, to, from),
        }
    }
    assert!(desk.keys(&desk.general).is_empty());
    desk.mini.execute("drop table document");
    says(&desk.run("files mini"), 2, &["the target has no such table"]);
}

#[test]
fn a_run_goes_on_with_files_and_the_archive_and_takes_up_what_broke_off() {
    let desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    assert!(desk.keys(&desk.general).is_empty() && desk.keys(&desk.worm).is_empty());
    says(&desk.run("run mini --dry-run"), 0, &[]);
    says(&desk.run("run mini --only person"), 0, &[]);
    assert!(desk.keys(&desk.general).is_empty());

    let webhook = Webhook::start();
    desk.mini.write(".env", &format!("NOTIFY_URL={}\n", webhook.url));
    desk.mini.edit("clinics/mini/clinic.toml", "[load]\n", "[notify]\nurl_env = \"NOTIFY_URL\"\n[load]\n");
    let told = || -> Value { serde_json::from_str(&webhook.came().remove(0)).unwrap() };

    // The archive breaks off: rows and files are there, and the next run does the rest.
    desk.proxy.rules(&[Rule {
        method: "PUT",
        path: "manifest.json",
        what: What::Refuse(403, "AccessDenied"),
        times: 1,
    }]);
    let broken = desk.run("run mini --max-retries 0");
    says(&broken, 1, &["files", "s3:PutObject"]);
    assert_eq!(desk.keys(&desk.general).len(), 2);
    let message = told();
    assert_eq!((&message["stopped_at"], &message["stages"][6]["name"]), (&"archive".into(), &"files".into()));
    assert_eq!(message["stages"][6]["counts"]["sent"], 3, "{message}");
    // The part of the clinic is a snapshot of its own, of whose records the ledger tells.
    assert_eq!(desk.batches(), ["models completed", "models completed", "files completed"]);
    desk.proxy.rules(&[]);
    let done = desk.json("run mini --from files", 0);
    let names = |done: &Value, list: &str| {
        let stages = done[list].as_array().unwrap().iter();
        stages.map(|one| one["stage"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&done, "stages").len(), names(&done, "beside")),
        (0, vec!["files".into(), "archive".into()])
    );
    assert_eq!(done["beside"][0]["report"]["sent_objects"], 0);
    let message = told();
    assert_eq!((&message["outcome"], &message["stages"][1]["name"]), (&"done".into(), &"archive".into()));
    let counts = message["stages"][1]["counts"].as_object().unwrap();
    assert!(counts["objects"].as_u64() > Some(10) && !counts.contains_key("bucket"), "{message}");
    let states = desk.json("status mini", 0);
    let states: Vec<&Value> =
        states[0]["stages"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["done"; 8]);

    // Again everything is there already; a failed verification goes no further.
    let again = desk.json("run mini", 0);
    assert_eq!((names(&again, "stages").len(), names(&again, "beside").len()), (6, 2));
    assert_eq!(again["beside"][1]["report"]["sent_objects"], 0, "{again}");
    desk.mini.execute("update person set name = 'Otra' where name = 'Ana'");
    desk.mini.edit("clinics/mini/clinic.toml", "[load]\n", "[load]\non_conflict = \"take_source\"\n");
    let stopped = desk.run("run mini --from verify --format json");
    assert_eq!(stopped.status.code(), Some(3), "{stopped:?}");
    let stopped: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(stopped["beside"], Value::Null, "{stopped}");
    says(&desk.run("run mini --from archive --until files"), 2, &["archive", "files"]);
    says(&desk.run("run mini --until paint"), 2, &["no stage"]);
}

#[test]
fn a_file_that_is_called_a_consent_anywhere_is_kept_as_one_and_what_is_hidden_is_told() {
    let settings = format!(
        "{LISTED}\n[[files]]\nfolder = \"sources/docs\"\nonly = \"2/scan*\"\nof = \"person\"\nconsent = true\n"
    );
    let papers = format!("{PAPERS}2/copy.pdf;2;Copy, signed;consent;yes\n2/scan.pdf;2;Scan;scan;no\n");
    let desk = Desk::new(DOCUMENT, &settings, &papers);
    desk.put("2/scan.pdf", b"%PDF-1.7\nscan of a consent");
    desk.put("2/.late.pdf", PDF);
    desk.put("1/.DS_Store", b"x");
    let done = desk.json("files mini", 3);
    let found = found(&done);
    for expected in ["file_twice 2/copy.pdf", "file_hidden 2/.late.pdf"] {
        assert!(found.iter().any(|one| one == expected), "{found:?}");
    }
    let worm = "select original_name from document where bucket = (select bucket from document where original_name = 'Consent of Luis') order by 1";
    assert_eq!(desk.rows(worm), ["Consent of Luis", "Copy, signed", "Scan"]);
}

#[test]
fn what_a_run_will_need_is_asked_for_before_it_begins() {
    let desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    let command = |line: &str| desk.mini.run(&line.split(' ').collect::<Vec<_>>());
    says(&command("run mini"), 2, &["S3_GENERAL_BUCKET"]);
    let path = "clinics/mini/clinic.toml";
    desk.mini.edit(path, "[archive]\n", "[archive]\nage_recipients = ['age1nobody']\n");
    says(&desk.run("run mini"), 2, &["age1nobody"]);
    desk.mini.edit(path, "age_recipients = ['age1nobody']\n", "");
    let stranger = desk.run("run mini --target nono");
    says(&stranger, 2, &["no target 'nono'"]);
    super::ways_out::says_not(&stranger, "transform");
    assert_eq!(desk.batches(), ["models completed"]);
    says(&command("run mini --until verify"), 0, &[]);
    // Clean without the section that says where the files are would leave them in silence.
    says(&desk.run("files mini"), 0, &[]);
    let text = std::fs::read_to_string(desk.mini.path().join(path)).unwrap();
    let (before, rest) = text.split_once("[[files]]").unwrap();
    let (_, after) = rest.split_once("[archive]").unwrap();
    desk.mini.write(path, &format!("{before}[archive]{after}"));
    says(&desk.run("clean mini --confirm mini"), 2, &["the ledger knows batches of files of mini"]);
    assert_eq!(desk.rows("select count(*)::text from document"), ["4"]);
}

#[test]
fn what_lies_beside_archives_is_none_and_each_bucket_is_made_for_what_it_keeps() {
    let mut desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    says(&desk.run("files mini"), 0, &[]);
    assert_eq!(desk.keys(&desk.worm).len(), 1, "a consent");
    says(&desk.run("archive list mini"), 0, &["No archives"]);
    says(&desk.run("archive mini"), 0, &[]);
    let listed = desk.json("archive list mini", 0);
    assert_eq!((listed.as_array().unwrap().len(), listed[0]["at"].is_string()), (1, true), "{listed}");
    says(&desk.run("archive verify mini"), 0, &[]);
    // People read the counts in their language.
    let told = desk.run("status mini --lang es");
    says(&told, 0, &["enviados 3"]);
    super::ways_out::says_not(&told, "sent");

    // Only what is to be kept lies under Object Lock, and not where the rest does.
    let general = std::mem::replace(&mut desk.general, "nowhere-at-all".to_owned());
    let told = desk.run("files mini");
    says(&told, 1, &["aws s3api create-bucket --bucket nowhere-at-all --region"]);
    super::ways_out::says_not(&told, "object-lock");
    desk.general.clone_from(&desk.worm);
    for line in ["files mini --dry-run", "files mini", "run mini"] {
        says(&desk.run(line), 2, &["S3_GENERAL_BUCKET and S3_WORM_BUCKET name the same bucket"]);
    }
    desk.general = general;
    says(&desk.run("files mini"), 0, &[]);

    // What clean takes away is not revived.
    let cleaned = desk.run("clean mini --confirm mini");
    says(&cleaned, 0, &["trasvase redo mini", "trasvase files mini"]);
    let files = &desk.rows("select id from trasvase.batch where origin = 'files' limit 1")[0];
    super::ways_out::says_not(&cleaned, &format!("redo mini {files}"));
    says(&desk.run(&format!("redo mini {files}")), 1, &["trasvase files mini"]);
    assert!(desk.rows("select id from document").is_empty());
}
