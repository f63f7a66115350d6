//! Rows and objects that `clean` takes back, and what it leaves.

use serde_json::Value;

use super::{DOCUMENT, Desk, LISTED, PAPERS};
use crate::cli::archive::proxy::{Rule, What};
use crate::cli::archive::{bucket, moto};
use crate::cli::clinic::Mini;
use crate::cli::safety::says;
use crate::cli::ways_out::says_not;
use crate::support;

#[test]
fn clean_takes_rows_and_objects_back_and_says_what_stays() {
    let desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    says(&desk.run("files mini"), 0, &[]);
    says(&desk.run("archive mini"), 0, &[]);
    let archived = desk.keys(&desk.worm).len();
    // Somebody else's object, and somebody else's row that tells of ours.
    let put = moto::client().put_object().bucket(&desk.general).key("mini/person/x/by-hand.txt");
    support::runtime().block_on(put.body(b"theirs".to_vec().into()).send()).unwrap();
    desk.mini.execute(
        "insert into person (id, name) values ('Z', 'Nadie'); \
         insert into document (id, person_id, object_key, sha256) \
         select 'Z', 'Z', object_key, sha256 from document where content_type = 'image/png'",
    );
    let shared = desk.rows("select object_key from document where id = 'Z'");
    let objects = desk.keys(&desk.general);
    assert_eq!(objects.len(), 3);

    let planned = desk.run("clean mini --dry-run");
    says(&planned, 0, &["nothing was touched", "under retention: 1", "an archive is evidence"]);
    for line in ["clean mini", "clean mini --yes", "clean mini --confirm other"] {
        assert_eq!(desk.run(line).status.code(), Some(2), "{line}");
    }
    assert_eq!(
        (desk.batches(), desk.keys(&desk.general)),
        (vec!["models completed".to_owned(), "files completed".to_owned()], objects)
    );

    // What breaks off after the rows is gone on with.
    desk.proxy.rules(&[Rule {
        method: "DELETE",
        path: "",
        what: What::Refuse(403, "AccessDenied"),
        times: 1,
    }]);
    let broken = desk.run("clean mini --confirm mini --max-retries 0");
    says(&broken, 1, &["the rows are taken back, the rest is not done yet", "s3:DeleteObject"]);
    assert_eq!(desk.rows("select id from document union all select id from person"), ["Z", "Z"]);
    desk.proxy.rules(&[]);
    let done = desk.json("clean mini --confirm mini", 0);
    assert_eq!((&done["rows"], &done["files"][0]["told_of"]), (&Value::Null, &1.into()));
    let mut left: Vec<String> = desk.keys(&desk.general).into_keys().collect();
    left.retain(|key| !shared.contains(key));
    assert_eq!(left, ["mini/person/x/by-hand.txt"]);
    assert_eq!((desk.keys(&desk.worm).len(), &done["files"][1]["kept"]), (archived, &1.into()));
    assert_eq!(desk.batches(), ["models rolled_back", "files rolled_back"]);
    assert!(done["archives"][0]["until"].is_string(), "{done}");

    // Nothing is left to do, and the clinic can begin anew.
    says(&desk.run("clean mini --lang es"), 0, &["ningún lote de mini está en este destino"]);
    says(&desk.run("run mini --until verify"), 0, &[]);
    says(&desk.run("files mini"), 0, &["objects sent: 1"]);
}

#[test]
fn clean_deletes_no_row_that_is_another_clinics_now() {
    let desk = Desk::new(DOCUMENT, "[tenant]\ncolumn = \"tenant\"\nvalue = \"mini\"\n", PAPERS);
    desk.mini.execute("alter table person add tenant text not null default 'mini'");
    let model =
        "-- one row a person\nselect golden_id as id, name, born, 'mini' as tenant, _id from golden.person\n";
    desk.mini.write("sql/systems/small/target/person.sql", model);
    says(&desk.run("clean mini --confirm mini"), 0, &["that could go is gone"]);
    says(&desk.run("run mini"), 0, &[]);
    desk.mini.execute("update person set tenant = 'other' where name = 'Eva'");
    for line in ["clean mini --dry-run", "clean mini --confirm mini", "clean mini --force --confirm mini"] {
        says(
            &desk.run(line),
            3,
            &["person: rows that batches of mini wrote are another clinic's now by their tenant: 1"],
        );
    }
    assert_eq!(desk.rows("select count(*)::text from person"), ["3"]);
    says(&desk.run("clean mini --keep-edited --confirm mini"), 0, &[]);
    assert_eq!(desk.rows("select name from person"), ["Eva"]);
}

#[test]
fn clean_finds_what_was_uploaded_under_other_settings() {
    let mut desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    says(&desk.run("files mini"), 0, &[]);
    // An object of an entity that no section is about any more.
    let hash = "0".repeat(64);
    let other = moto::client().put_object().bucket(&desk.worm).key(format!("mini/pet/x/{hash}"));
    let other = other.metadata("sha256", &hash).body(b"ours".to_vec().into());
    support::runtime().block_on(other.send()).unwrap();
    // The bucket of the rows is another than today's.
    let before = std::mem::replace(&mut desk.general, bucket(false));
    let planned = desk.json("clean mini --dry-run", 0);
    let buckets: Vec<(&str, u64)> = planned["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["bucket"].as_str().unwrap(), one["objects"].as_u64().unwrap()))
        .collect();
    assert_eq!(buckets, [(desk.general.as_str(), 0), (desk.worm.as_str(), 1), (before.as_str(), 2)]);
    says(&desk.run("clean mini --confirm mini"), 0, &[&before]);
    assert!(desk.keys(&before).is_empty());
    assert_eq!(desk.keys(&desk.worm).len(), 1, "the consent is kept");
}

#[test]
fn a_dry_clean_foretells_which_objects_stay_with_rows_that_stay() {
    let desk = Desk::new(
        &DOCUMENT.replace("references person", "references person on delete cascade"),
        LISTED,
        PAPERS,
    );
    says(&desk.run("files mini"), 0, &[]);
    let objects = |answer: &Value| {
        let counts = ["objects", "bytes", "kept", "told_of"];
        let files = answer["files"].as_array().unwrap().iter();
        files.map(|one| counts.map(|name| one[name].as_u64().unwrap())).collect::<Vec<_>>()
    };
    // Somebody else's row tells of the photo, and refers to a person of ours: by force it goes along.
    desk.mini.execute(
        "insert into document (id, person_id, object_key, sha256) \
         select 'Z', person_id, object_key, sha256 from document where kind = 'photo'",
    );
    assert_eq!(objects(&desk.json("clean mini --force --dry-run", 0)), [[2, 32, 0, 0], [0, 0, 1, 0]]);
    desk.mini.execute("delete from document where id = 'Z'");
    // Somebody changed the photo's row, so it stays, with its person and its object.
    desk.mini.execute("update document set original_name = 'Mine' where kind = 'photo'");
    assert_eq!(objects(&desk.json("clean mini --force --dry-run", 0)), [[2, 32, 0, 0], [0, 0, 1, 0]]);
    let planned = desk.json("clean mini --keep-edited --dry-run", 0);
    assert_eq!(objects(&planned), [[1, 19, 0, 1], [0, 0, 1, 0]]);
    let done = desk.json("clean mini --keep-edited --confirm mini", 0);
    assert_eq!(objects(&done), objects(&planned));
    let left: Vec<String> = desk.keys(&desk.general).into_keys().collect();
    assert_eq!(desk.rows("select object_key from document"), left);
}

#[test]
fn rows_of_files_come_back_by_files_alone() {
    let desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    says(&desk.run("files mini"), 0, &[]);
    let batch = &desk.rows("select id from trasvase.batch where origin = 'files'")[0];
    let snapshot = &desk.rows("select snapshot from trasvase.batch where origin = 'files'")[0][..12];
    // What is missing is not to be pushed: it is made anew.
    desk.mini.execute("delete from document where kind = 'photo'");
    let verified = desk.run(&format!("verify mini --snapshot {snapshot}"));
    says(&verified, 3, &["are put back by: trasvase files mini"]);
    says_not(&verified, "trasvase push");
    says(&desk.run("files mini"), 0, &[]);
    says(&desk.run("rollback mini last --confirm mini"), 0, &[]);
    says(&desk.run(&format!("rollback mini {batch} --confirm mini")), 0, &[]);
    let twice = desk.run(&format!("rollback mini {batch} --confirm mini"));
    says(&twice, 1, &["was taken back already", "trasvase files mini"]);
    says_not(&twice, "trasvase redo");
    says(&desk.run("clean mini --confirm mini"), 0, &[]);
    assert!(desk.keys(&desk.general).is_empty());
    says(&desk.run("run mini --until verify"), 0, &[]);
    for line in ["", " --dry-run", " --full-refresh --yes"] {
        says(
            &desk.run(&format!("push mini --snapshot {snapshot}{line}")),
            1,
            &[snapshot, "its objects may be gone", "trasvase files mini", "trasvase run mini --from files"],
        );
    }
    let told = desk.run(&format!("push mini --snapshot {snapshot} --lang es"));
    says(&told, 1, &["la instantánea", "sus objetos pueden haberse ido"]);
    assert!(desk.rows("select id from document").is_empty());
    let models = &desk
        .rows("select snapshot from trasvase.batch where origin = 'models' order by number desc limit 1")[0];
    says(&desk.run(&format!("push mini --snapshot {models}")), 0, &[]);
    says(&desk.run("files mini"), 0, &[]);
    assert_eq!(desk.rows("select count(*)::text from document"), ["4"]);
}

#[test]
fn what_rows_of_another_target_tell_of_stays_with_them() {
    let desk = Desk::new(DOCUMENT, LISTED, PAPERS);
    let schema = format!("{}; {DOCUMENT}", Mini::schema());
    let other = support::runtime().block_on(support::database_with(&schema));
    let settings = "[target.other]\nurl_env = \"OTHER_URL\"\n[target.rehearsal]";
    desk.mini.edit("clinics/mini/clinic.toml", "[target.rehearsal]", settings);
    desk.mini.write(".env", &format!("OTHER_URL={}\n", other.url));
    says(&desk.run("files mini"), 0, &[]);
    // A push by another name of the same database is no other target.
    says(&desk.run("run mini --from push --until verify --target rehearsal"), 0, &[]);
    says(&desk.run("run mini --from push --until verify --target other"), 0, &[]);
    says(&desk.run("files mini --target other"), 0, &["objects sent: 0"]);
    let objects = desk.keys(&desk.general);
    assert_eq!(objects.len(), 2);

    let told = |answer: &Value| answer["files"][0]["told_of"].clone();
    assert_eq!(told(&desk.json("clean mini --target other --dry-run", 0)), 2);
    assert_eq!(told(&desk.json("clean mini --target other --confirm mini", 0)), 2);
    assert_eq!(desk.keys(&desk.general), objects);

    // One that does not answer is no permission; one that is gone is none to ask.
    desk.mini.write(".env", "OTHER_URL=postgresql://127.0.0.1:9/gone\n");
    says(
        &desk.run("clean mini --confirm mini"),
        1,
        &["pushed to target other too", "clean mini --gone other"],
    );
    says(&desk.run("clean mini --lang es --confirm mini"), 1, &["también en el destino other"]);
    assert_eq!(desk.batches(), ["models completed", "files completed"]);
    assert_eq!(told(&desk.json("clean mini --gone other --confirm mini", 0)), 0);
    assert!(desk.keys(&desk.general).is_empty());
}
