//! Archives: what is in them, what is proven of them, what breaks on the way, and the way back.

mod contents;
pub(super) mod moto;
pub(super) mod proxy;
mod refused;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
    ObjectLockRetentionMode, ObjectVersion,
};
use serde_json::Value;
use sha2::Digest as _;

use super::clinic::Mini;
use super::command;
use super::safety::says;
use crate::support;
use proxy::{Proxy, Rule, What};

/// Nobody may ever read it.
const SECRET: &str = "wJalrXUtnFEMI-hunter2-EXAMPLEKEY";
const COMPLIANCE: &str = "mode = 'compliance'\nyears = 10";
const YEAR: i64 = 365 * 86_400;

/// A clinic that ran, a bucket under Object Lock, and a proxy on the way to it.
struct Vault {
    mini: Mini,
    bucket: String,
    proxy: Proxy,
}

impl Vault {
    fn new(settings: &str) -> Self {
        let vault = Self { mini: Mini::new(), bucket: bucket(true), proxy: Proxy::start(moto::port()) };
        vault.mini.write(
            "clinics/mini/clinic.toml",
            &format!("{}\n[archive]\n{settings}\n", vault.read("clinics/mini/clinic.toml")),
        );
        says(&vault.run("run mini --until verify"), 0, &[]);
        vault
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.mini.path().join(path)).unwrap()
    }

    #[track_caller]
    fn run(&self, line: &str) -> Output {
        self.run_with(line, &[])
    }

    /// Whatever it says, and whatever is in its logs, the secret is not in it.
    #[track_caller]
    fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> Output {
        let mut command = self.mini.command(&line.split(' ').collect::<Vec<_>>());
        let endpoint = format!("http://127.0.0.1:{}", self.proxy.port);
        for (name, value) in way(&endpoint, &self.bucket).iter().chain(environment) {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        assert!(!String::from_utf8_lossy(&text).contains("hunter2"), "{line}: {output:?}");
        let logs = self.mini.path().join("staging/mini/logs");
        for file in std::fs::read_dir(logs).into_iter().flatten() {
            assert!(!std::fs::read_to_string(file.unwrap().path()).unwrap().contains("hunter2"), "{line}");
        }
        output
    }

    #[track_caller]
    fn json(&self, line: &str, code: i32) -> Value {
        let output = self.run(&format!("{line} --format json"));
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    fn snapshot(&self) -> String {
        self.read("staging/mini/snapshots/latest")
    }

    /// The newest version of every object, by its name in the archive.
    fn objects(&self) -> BTreeMap<String, ObjectVersion> {
        let start = format!("mini/{}/", self.snapshot());
        let found = runtime().block_on(async {
            moto::client().list_object_versions().bucket(&self.bucket).send().await.unwrap()
        });
        let newest = found.versions().iter().filter(|one| one.is_latest() == Some(true)).cloned();
        newest.map(|one| (one.key().unwrap().trim_start_matches(&start).to_owned(), one)).collect()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let key = format!("mini/{}/{name}", self.snapshot());
        runtime().block_on(async {
            let got = moto::client().get_object().bucket(&self.bucket).key(key).send().await.unwrap();
            got.body.collect().await.unwrap().to_vec()
        })
    }

    /// Stores something under an archive's key as somebody with rights there could, and gives its version.
    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let key = format!("mini/{}/{name}", self.snapshot());
        let until = DateTime::from_secs(chrono::Utc::now().timestamp() + 5 * YEAR);
        let put = moto::client().put_object().bucket(&self.bucket).key(key).body(bytes.to_vec().into());
        let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256);
        let put = put.object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(until);
        runtime().block_on(put.send()).unwrap().version_id().unwrap().to_owned()
    }

    fn noted(&self) -> i64 {
        support::runtime().block_on(async {
            let session = self.mini.database.client().await;
            let there = "select to_regclass('trasvase.archive') is not null";
            assert!(session.client.query_one(there, &[]).await.unwrap().get::<_, bool>(0));
            session.client.query_one("select count(*) from trasvase.archive", &[]).await.unwrap().get(0)
        })
    }

    fn state(&self) -> String {
        let status = self.json("status mini", 0);
        status[0]["stages"][6]["state"].as_str().unwrap().to_owned()
    }
}

/// A bucket of one test.
pub(super) fn bucket(locked: bool) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let name = format!("worm-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
        .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuWest1)
        .build();
    let make = moto::client().create_bucket().bucket(&name).object_lock_enabled_for_bucket(locked);
    runtime().block_on(make.create_bucket_configuration(place).send()).unwrap();
    name
}

fn runtime() -> tokio::runtime::Runtime {
    support::runtime()
}

pub(super) fn way<'a>(endpoint: &'a str, bucket: &'a str) -> [(&'static str, &'a str); 8] {
    [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("S3_WORM_BUCKET", bucket),
    ]
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => assert!(std::fs::copy(&path, target).is_ok()),
        }
    }
}

/// What git has of the project, in another folder, with an empty target; restores, pushes and verifies there.
#[track_caller]
fn elsewhere(vault: &Vault, restore: &str) -> Vec<Output> {
    let folder = tempfile::tempdir().unwrap();
    for name in ["clinics", "sql", "schema"] {
        copy(&vault.mini.path().join(name), &folder.path().join(name));
    }
    std::fs::remove_dir_all(folder.path().join("clinics/mini/sources")).unwrap();
    let database = runtime().block_on(support::database_with(Mini::schema()));
    let endpoint = format!("http://127.0.0.1:{}", vault.proxy.port);
    let lines = [restore, restore, "push mini", "verify mini"];
    let outputs = lines.map(|line| {
        let mut command = command(folder.path(), &line.split(' ').collect::<Vec<_>>());
        command.envs(way(&endpoint, &vault.bucket)).env("DATABASE_URL", &database.url).output().unwrap()
    });
    if outputs[0].status.success() {
        let id = vault.snapshot();
        let mode = |path: &str| {
            let path = folder.path().join("staging/mini/snapshots").join(path);
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777
        };
        assert_eq!(mode(&id), 0o700);
        assert_eq!(mode(&format!("{id}/data/person.ndjson")), 0o600);
    }
    outputs.into()
}

#[test]
fn an_archive_holds_everything_and_comes_back_on_another_machine() {
    let vault = Vault::new(COMPLIANCE);
    says(&vault.run("report mini"), 0, &[]);
    says(&vault.run("signoff mini last --by Eva"), 0, &[]);
    assert_eq!(vault.state(), "pending");
    let planned = vault.run("archive mini --dry-run");
    says(&planned, 0, &["nothing was stored", "kept for so many years: 10 (compliance", "no repository"]);
    assert!(vault.objects().is_empty());
    let done = vault.run("archive mini --who Eva");
    says(&done, 0, &["Archived:", "The ledger says so of 0"]);
    assert_eq!((vault.noted(), vault.state()), (1, "done".to_owned()));
    says(&vault.run("log mini"), 0, &["archive"]);

    let objects = vault.objects();
    let index: Value = serde_json::from_slice(&vault.bytes("archive.json")).unwrap();
    let named = |start: &str| objects.keys().any(|name| name.starts_with(start));
    for name in [
        "snapshot/manifest.json",
        "snapshot/data/person.ndjson",
        "sources/people.csv",
        "sources/visits.csv",
        "staging/raw/people.parquet",
        "staging/reject/visit.parquet",
        "staging/meta/fate.parquet",
        "staging/meta/verdict.parquet",
        "clinic/clinic.toml",
        "clinic/maps/kind.csv",
        "clinic/signoff/",
        "reports/",
        "archive.json",
    ] {
        assert!(named(name), "{name} is not in {:?}", objects.keys());
    }
    assert_eq!(index["objects"].as_array().unwrap().len(), objects.len() - 1);
    assert_eq!(vault.bytes("sources/people.csv"), vault.read("clinics/mini/sources/people.csv").into_bytes());
    let parquet = vault.mini.path().join("people.parquet");
    std::fs::write(&parquet, vault.bytes("staging/raw/people.parquet")).unwrap();
    let sql = format!("select string_agg(name, ' ' order by _id) from '{}'", parquet.display());
    let names: String =
        duckdb::Connection::open_in_memory().unwrap().query_row(&sql, [], |row| row.get(0)).unwrap();
    assert_eq!(names, "Ana Luis Eva");
    // Nobody may delete any of it for ten years.
    let now = chrono::Utc::now().timestamp();
    for (name, version) in &objects {
        let (key, id) = (version.key().unwrap(), version.version_id().unwrap());
        runtime().block_on(async {
            let client = moto::client();
            let head = client.head_object().bucket(&vault.bucket).key(key).send().await.unwrap();
            assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Compliance), "{name}");
            assert!(head.object_lock_retain_until_date().unwrap().secs() > now + 10 * YEAR - 60, "{name}");
            assert!(head.metadata().unwrap()["sha256"].len() == 64, "{name}");
            let delete = client.delete_object().bucket(&vault.bucket).key(key).version_id(id);
            let refused = delete.bypass_governance_retention(true).send().await.unwrap_err();
            assert_eq!(refused.into_service_error().code(), Some("AccessDenied"), "{name}");
        });
    }

    let list = vault.json("archive list mini", 0);
    assert_eq!((&list[0]["snapshot"], &list[0]["by"]), (&vault.snapshot().into(), &"Eva".into()));
    says(&vault.run("archive verify mini"), 0, &["all as they were archived"]);
    let outputs = elsewhere(&vault, &format!("archive restore mini {}", &vault.snapshot()[..8]));
    says(&outputs[0], 0, &["is back"]);
    says(&outputs[1], 0, &["is here already"]);
    says(&outputs[2], 0, &[]);
    says(&outputs[3], 0, &[]);
}

#[test]
fn a_second_archive_sends_nothing() {
    let vault = Vault::new(COMPLIANCE);
    says(&vault.run("archive mini"), 0, &["Archived:"]);
    vault.proxy.rules(&[]);
    says(&vault.run("archive mini"), 0, &["nothing was sent", "objects sent: 0,"]);
    assert_eq!(vault.proxy.seen("PUT", "").len() + vault.proxy.seen("POST", "").len(), 0);
    assert_eq!(vault.noted(), 1);
    // A report that is new is one object more, and the index that names it.
    says(&vault.run("report mini"), 0, &[]);
    vault.proxy.rules(&[]);
    says(&vault.run("archive mini"), 0, &["Archived:", "objects sent: 2,"]);
    assert_eq!(vault.proxy.seen("PUT", "").len(), 3);
    assert_eq!(vault.noted(), 2);
}

#[test]
fn an_upload_that_was_cut_goes_on_where_it_was() {
    let vault = Vault::new(COMPLIANCE);
    let reports = vault.mini.path().join("staging/mini/reports");
    std::fs::create_dir_all(&reports).unwrap();
    let bytes: Vec<u8> =
        (0..37u32 << 18).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(reports.join("large.html"), &bytes).unwrap();
    // The third of five parts gets half-way.
    let cut = What::Cut { parts: 4 };
    vault.proxy.rules(&[Rule { method: "PUT", path: "partNumber=3", what: cut, times: 1 }]);
    says(&vault.run("archive mini --max-retries 0"), 1, &["is not reached", "not sent again"]);
    assert_ne!(vault.state(), "done");
    let part = |proxy: &Proxy| {
        let seen = proxy.seen("PUT", "partNumber=");
        seen.into_iter().filter(|one| one.status == 200).count()
    };
    let before = part(&vault.proxy);
    vault.proxy.rules(&[]);
    assert_eq!(vault.json("archive list mini", 0)[0]["at"], Value::Null);
    says(&vault.run("archive verify mini"), 3, &["not finished"]);
    says(&vault.run("archive mini"), 0, &["Archived:"]);
    let after = part(&vault.proxy);
    assert_eq!((before, after), (4, 1));
    assert_eq!(vault.proxy.seen("POST", "uploads").len(), 0, "a second upload was begun");
    assert_eq!(vault.bytes("reports/large.html"), bytes);
    says(&vault.run("archive verify mini"), 0, &[]);
    assert!(!vault.mini.path().join("staging/mini/archive").join(vault.snapshot()).exists());
}

#[test]
fn a_busy_and_a_slow_server_only_cost_time() {
    let vault = Vault::new("legal_hold = true\nprefix = 'clinics/of-spain'");
    let slow = What::Slow(Duration::from_millis(300));
    vault.proxy.rules(&[
        Rule { method: "PUT", path: "snapshot/", what: What::Refuse(503, "SlowDown"), times: 2 },
        Rule { method: "PUT", path: "sources/", what: slow, times: 9 },
        Rule { method: "GET", path: "snapshot/", what: What::Refuse(503, "SlowDown"), times: 2 },
    ]);
    says(&vault.run("archive mini"), 0, &["Archived:", "legal hold"]);
    assert_eq!(vault.proxy.seen("PUT", "").iter().filter(|one| one.status == 503).count(), 2);
    let found = vault.json("archive verify mini", 0);
    assert_eq!((&found[0]["legal_hold"], &found[0]["until"]), (&true.into(), &Value::Null));
    assert!(vault.objects().keys().all(|key| key.starts_with("clinics/of-spain/mini/")));
    // One that stays busy is told, and nothing is called archived.
    vault.mini.write("clinics/mini/more.txt", "more");
    vault.proxy.rules(&[Rule {
        method: "PUT",
        path: "clinic/",
        what: What::Refuse(503, "SlowDown"),
        times: 9,
    }]);
    says(&vault.run("archive mini --max-retries 1"), 1, &["busy (SlowDown)"]);
}

#[test]
fn what_is_not_as_it_was_archived_is_found() {
    let vault = Vault::new("mode = 'governance'\nyears = 2");
    // Bytes that come back changed are not archived, whatever the server said of them.
    let flip = Rule { method: "GET", path: "sources/people.csv", what: What::Flip, times: 1 };
    vault.proxy.rules(std::slice::from_ref(&flip));
    says(
        &vault.run("archive mini"),
        3,
        &["other than they were sent", "sources/people.csv", "archive verify"],
    );
    assert_eq!(vault.state(), "pending");
    vault.proxy.rules(&[]);
    says(&vault.run("archive mini"), 0, &["Archived:"]);
    vault.proxy.rules(&[flip]);
    says(
        &vault.run("archive verify mini"),
        3,
        &["NOT as they were archived", "sources/people.csv", "changed"],
    );
    says(&vault.run("archive verify mini"), 0, &[]);

    let objects = vault.objects();
    let (client, of) = (moto::client(), |name: &str| {
        let version = &objects[name];
        (version.key().unwrap().to_owned(), version.version_id().unwrap().to_owned())
    });
    runtime().block_on(async {
        let (key, version) = of("clinic/maps/kind.csv");
        let delete = client.delete_object().bucket(&vault.bucket).key(key).version_id(version);
        delete.bypass_governance_retention(true).send().await.unwrap();
        let (key, version) = of("snapshot/data/visit.ndjson");
        let shorter = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Governance)
            .retain_until_date(DateTime::from_secs(chrono::Utc::now().timestamp() + YEAR))
            .build();
        let put = client.put_object_retention().bucket(&vault.bucket).key(key).version_id(version);
        put.bypass_governance_retention(true).retention(shorter).send().await.unwrap();
        // A newer version hides the one that was archived, and does not change it.
        let (key, _) = of("sources/visits.csv");
        client.put_object().bucket(&vault.bucket).key(key).send().await.unwrap();
    });
    let proven = vault.json("archive verify mini", 3);
    let problems: Vec<String> = proven[0]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["fault"].as_str().unwrap()))
        .collect();
    assert_eq!(problems, ["clinic/maps/kind.csv missing", "snapshot/data/visit.ndjson unretained"]);
    // A snapshot that is changed does not come back.
    vault.proxy.rules(&[Rule { method: "GET", path: "person.ndjson", what: What::Flip, times: 9 }]);
    let restore = format!("archive restore mini {}", vault.snapshot());
    let outputs = elsewhere(&vault, &restore);
    says(&outputs[0], 3, &["person.ndjson", "not what was archived"]);
    says(&outputs[2], 1, &["snapshot"]);
}

#[test]
fn a_hold_that_was_lifted_is_found_though_the_time_still_runs() {
    let vault = Vault::new("mode = 'governance'\nyears = 1\nlegal_hold = true");
    says(&vault.run("archive mini"), 0, &["legal hold"]);
    says(&vault.run("archive verify mini"), 0, &[]);
    let objects = vault.objects();
    let version = &objects["clinic/maps/kind.csv"];
    let lifted = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::Off).build();
    let put = moto::client().put_object_legal_hold().bucket(&vault.bucket).key(version.key().unwrap());
    let put = put.version_id(version.version_id().unwrap()).legal_hold(lifted);
    runtime().block_on(put.send()).unwrap();
    let problems = &vault.json("archive verify mini", 3)[0]["problems"];
    let told = (&problems[0]["name"], &problems[0]["fault"], problems.as_array().unwrap().len());
    assert_eq!(told, (&"clinic/maps/kind.csv".into(), &"unretained".into(), 1));
}

#[test]
fn an_index_that_was_written_anew_is_found_by_the_snapshots_id() {
    let vault = Vault::new("mode = 'governance'\nyears = 1");
    says(&vault.run("archive mini"), 0, &[]);
    let name = "snapshot/data/person.ndjson";
    let rows = String::from_utf8(vault.bytes(name)).unwrap().replace("Ana", "Ane").into_bytes();
    let mut index: Value = serde_json::from_slice(&vault.bytes("archive.json")).unwrap();
    let version = vault.put(name, &rows);
    let entry = index["objects"].as_array_mut().unwrap().iter_mut().find(|one| one["name"] == name).unwrap();
    entry["sha256"] = trasvase::model::hex(sha2::Sha256::digest(&rows)).into();
    entry["version"] = version.into();
    vault.put("archive.json", index.to_string().as_bytes());
    says(&vault.run("archive verify mini"), 3, &["snapshot/data/person.ndjson", "changed"]);
    let outputs = elsewhere(&vault, &format!("archive restore mini {}", vault.snapshot()));
    says(&outputs[0], 1, &["snapshot"]);
}

#[test]
fn a_retention_grows_where_it_is_too_short() {
    let vault = Vault::new("mode = 'governance'\nyears = 1");
    says(&vault.run("archive mini"), 0, &[]);
    vault.mini.edit("clinics/mini/clinic.toml", "years = 1\n", "years = 3\n");
    vault.proxy.rules(&[]);
    // clinic.toml itself is another file now.
    says(
        &vault.run("archive mini"),
        0,
        &["objects sent: 1,", "objects kept for longer from now on: ", "Archived:"],
    );
    let index: Value = serde_json::from_slice(&vault.bytes("archive.json")).unwrap();
    let until = chrono::DateTime::parse_from_rfc3339(index["kept"]["until"].as_str().unwrap()).unwrap();
    assert!(until.timestamp() > chrono::Utc::now().timestamp() + 3 * YEAR - 60, "{until}");
    says(&vault.run("archive verify mini"), 0, &[]);
    says(&vault.run("archive mini"), 0, &["nothing was sent"]);
}

#[test]
fn a_sealed_archive_is_read_by_its_recipients_only() {
    let (key, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    let vault = Vault::new(&format!("{COMPLIANCE}\nage_recipients = ['{}']", key.to_public()));
    let files = [("key.txt", &key), ("other.txt", &other)].map(|(name, identity)| {
        vault.mini.write(name, identity.to_string().expose_secret());
        vault.mini.path().join(name)
    });
    says(&vault.run("archive mini"), 0, &["sealed by age, recipients: 1", "Archived:"]);
    let objects = vault.objects();
    assert!(
        objects.len() > 10 && objects.keys().all(|name| name.ends_with(".age") || name == "archive.json")
    );
    assert!(!objects.keys().any(|name| name.contains("people.csv")), "{:?}", objects.keys());
    for name in objects.keys() {
        let bytes = vault.bytes(name);
        assert!(!bytes.windows(4).any(|four| four == b"Luis"), "{name}");
    }
    // Which file is which, only the recipient learns.
    let names = age::decrypt(&key, &vault.bytes("names.json.age")).unwrap();
    let names: Value = serde_json::from_slice(&names).unwrap();
    let (public, _) =
        names.as_object().unwrap().iter().find(|(_, name)| **name == "sources/people.csv").unwrap();
    let people = age::decrypt(&key, &vault.bytes(&format!("{public}.age"))).unwrap();
    assert_eq!(people, vault.read("clinics/mini/sources/people.csv").into_bytes());
    vault.proxy.rules(&[]);
    says(&vault.run("archive mini"), 0, &["nothing was sent"]);
    assert!(vault.proxy.seen("PUT", "").is_empty());
    says(&vault.run("archive verify mini"), 0, &["sealed"]);
    let restore = format!("archive restore mini {}", vault.snapshot());
    says(&elsewhere(&vault, &restore)[0], 2, &["sealed", "--identity"]);
    let with = |place: usize| format!("{restore} --identity {}", files[place].display());
    says(&elsewhere(&vault, &with(1))[0], 1, &["cannot be opened", "--identity"]);
    let outputs = elsewhere(&vault, &with(0));
    says(&outputs[0], 0, &["is back"]);
    says(&outputs[2], 0, &[]);
    says(&outputs[3], 0, &[]);
    // For others it is sealed anew.
    vault.mini.edit("clinics/mini/clinic.toml", &key.to_public().to_string(), &other.to_public().to_string());
    says(&vault.run("archive mini"), 0, &["Archived:"]);
    assert!(age::decrypt(&key, &vault.bytes("names.json.age")).is_err());
}

#[test]
fn an_archive_under_another_prefix_is_named() {
    let vault = Vault::new(COMPLIANCE);
    says(&vault.run("archive mini"), 0, &[]);
    let section = "[archive]\nmode = 'compliance'";
    vault.mini.edit("clinics/mini/clinic.toml", section, "[archive]\nprefix = 'new'\nmode = 'compliance'");
    let old = format!("archives of before are in s3://{} under another prefix", vault.bucket);
    says(&vault.run("archive list mini"), 0, &[&old, "[archive] prefix = \"\""]);
    let refused = vault.run("archive verify mini");
    says(&refused, 1, &[&old, "[archive] prefix = \"\""]);
    super::ways_out::says_not(&refused, "archive list");
    // What was taken to another place is in both books.
    says(&vault.run("archive mini"), 0, &[]);
    vault.mini.edit("clinics/mini/clinic.toml", "prefix = 'new'", "prefix = 'newer'");
    std::fs::remove_file(vault.mini.path().join("staging/mini/mini.duckdb")).unwrap();
    says(&vault.run("archive list mini --lang es"), 0, &["[archive] prefix = \"new\"", "otro prefijo"]);
}
