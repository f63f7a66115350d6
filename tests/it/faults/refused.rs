//! What is refused before anything is written: targets that are absent, old, read-only, closed or other than checked;
//! snapshots that were edited; settings that do not work yet.

use std::process::Command;

use super::site::Site;

/// Takes away whatever PostgreSQL this machine has, in a mount namespace of its own; only root may.
fn without_postgres(site: &Site, path: &str) -> Option<Command> {
    let program = env!("CARGO_BIN_EXE_trasvase");
    let hidden = "mkdir -p /usr/lib/postgresql && mount -t tmpfs none /usr/lib/postgresql";
    let possible = Command::new("unshare").args(["--mount", "sh", "-c", hidden]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let mut unshared = Command::new("unshare");
    let script = format!("{hidden} && PATH=\"$PATH_LATER\" exec {program} run acme");
    unshared.args(["--mount", "sh", "-c", &script]).current_dir(site.project.path());
    unshared.env_remove("DATABASE_URL").env("PATH_LATER", path).env("LANG", "C");
    Some(unshared)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_clinic_toml_that_mean_nothing_are_told_with_what_is_near() {
    let site = Site::new().await;
    let before = site.tables().await;
    let file = "clinics/acme/clinic.toml";
    for (more, parts) in [
        ("[limits]\nvisitt = \"3\"", ["[limits]", "'visitt'", "visit?"]),
        ("[tables.persn]\nmode = \"upsert\"", ["[tables]", "'persn'", "person?"]),
        (
            "[sources.more]\nfiles = [\"sources/visits.csv\"]\nprimary = \"paymnt\"",
            ["[sources.more] primary", "'paymnt'", "payment?"],
        ),
    ] {
        site.configure(more);
        site.run(&["run", "acme"]).says(2, &[&[file][..], &parts].concat());
    }
    site.write("clinics/acme/maps/method.csv", "source_value;target_value\na;b\n");
    site.configure("[maps.metod]\npolicy = \"keep\"");
    site.run(&["load", "acme"]).says(2, &[file, "[maps.metod]", "did you mean method?"]);
    site.configure(
        "[maps.method]\npolicy = \"keep\"\n[limits]\nvisit = \"3\"\n[tables.person]\nmode = \"upsert\"",
    );
    assert_eq!(site.tables().await, before);
    site.run(&["run", "acme"]).says(0, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_read_count_for_the_limits_of_their_table() {
    let site = Site::new().await;
    let before = site.tables().await;
    // Each of another width, so that most rows still have the header's.
    let ragged = |number: usize| format!("x{number};Quetzalina{}\n", ";".repeat(number + 3));
    let ragged: String = (1..=7).map(ragged).collect();
    let people = format!("id;name;born;notes\np1;Ana;;\np2;Luis;;\np3;Pura;;\n{ragged}");
    site.write("clinics/acme/sources/people.csv", &people);
    for limits in ["", "[limits]\n\"*\" = \"0\"", "[limits]\nperson = \"6\"", "[limits]\nperson = \"69%\""] {
        site.configure(limits);
        site.run(&["run", "acme"])
            .says(3, &["person (records of source people that could not be read: 7", "meta.load_error"]);
    }
    assert_eq!(site.tables().await, before);
    for limits in ["[limits]\nperson = \"7\"", "[limits]\nperson = \"70%\""] {
        site.configure(limits);
        site.run(&["run", "acme"]).says(0, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_source_without_a_table_that_cannot_be_read_stop_a_run_too() {
    let site = Site::new().await;
    let before = site.tables().await;
    site.write("clinics/acme/sources/extra.csv", "id;name\n1;a\n2;b\n3;c\n4;Quetzalina;x\n");
    let extra = "[sources.extra]\nfiles = ['sources/extra.csv']";
    for limits in ["", "[limits]\nperson = \"9\"", "[limits]\n\"*\" = \"24%\""] {
        site.configure(&format!("{extra}\n{limits}"));
        site.run(&["run", "acme"])
            .says(3, &["records of source extra that could not be read: 1", "meta.load_error"]);
    }
    assert_eq!(site.tables().await, before);
    site.configure(&format!("{extra}\n[limits]\n\"*\" = \"25%\""));
    site.run(&["run", "acme"]).says(0, &["unreadable_records"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_postgresql_it_says_what_to_install() {
    let site = Site::new().await;
    let nothing = tempfile::tempdir().unwrap();
    let Some(mut command) = without_postgres(&site, &nothing.path().to_string_lossy()) else {
        // Not root: only the unit test of pg::embedded::binaries looks at this.
        return;
    };
    let told = site.told(&command.output().unwrap());
    told.says(1, &["PostgreSQL is not installed"]).hints("apt-get install").hints("set DATABASE_URL");
    // What needs no PostgreSQL was done, and is kept.
    site.run(&["sql", "acme", "select count(*) as n from target.person"]).says(0, &["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_too_old_is_named_with_its_version() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new().await;
    let old = tempfile::tempdir().unwrap();
    for program in ["initdb", "pg_ctl", "postgres"] {
        let path = old.path().join(program);
        std::fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 13.2'\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let Some(mut command) = without_postgres(&site, &old.path().to_string_lossy()) else {
        // Not root: only the unit test of pg::embedded::binaries looks at this.
        return;
    };
    site.told(&command.output().unwrap())
        .says(1, &["PostgreSQL 14 or newer is needed; this machine has 13"])
        .hints("apt-get");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_named() {
    let mut site = Site::exported().await;
    let before = site.tables().await;
    site.url = "postgresql://ana:hunter2@127.0.0.1:1/clinic".to_owned();
    let told = site.run(&["push", "acme"]);
    told.says(1, &["cannot connect to 127.0.0.1:1, database clinic, as ana"]).hints("is the server running");
    assert!(!told.text.contains("hunter2"), "{}", told.text);
    assert_eq!(site.tables().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_is_not_pushed_to() {
    let site = Site::exported().await;
    let before = site.tables().await;
    let read_only =
        |on: &str| format!("alter database {} set default_transaction_read_only = {on}", site.database.name);
    site.session().await.client.batch_execute(&read_only("on")).await.unwrap();
    site.run(&["push", "acme"]).says(1, &["is read-only"]).hints("reset default_transaction_read_only");
    site.run(&["push", "acme", "--dry-run"]).says(1, &["read-only transaction"]).hints("primary");
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, ""));
    let session = site.session().await;
    session.client.batch_execute("set default_transaction_read_only = off").await.unwrap();
    session.client.batch_execute(&read_only("off")).await.unwrap();
    site.run(&["push", "acme"]).says(0, &["pushed: batch"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_named_by_check_and_by_push() {
    let site = Site::exported().await;
    let session = site.session().await;
    session.client.batch_execute("alter table payment rename to payments").await.unwrap();
    let before = site.tables().await;
    site.run(&["push", "acme"])
        .says(1, &["the target has no table payment"])
        .hints("schema/tiny.sql:6 makes payment");
    let staged = site.staged();
    site.run(&["check", "acme"]).says(3, &["the target has no table payment"]).hints("trasvase schema pull");
    assert_eq!(site.staged(), staged, "ready is as it was");
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changed_since_the_check_is_not_pushed_to() {
    let site = Site::exported().await;
    let session = site.session().await;
    session.client.batch_execute("alter table visit add column room text").await.unwrap();
    let before = site.tables().await;
    let refused = "the target's tables changed since the snapshot was checked";
    site.run(&["push", "acme"]).says(1, &[refused]).hints("trasvase run acme --from check");
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, ""));
    site.run(&["run", "acme", "--from", "check"]).says(0, &["inserted 7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changes_between_plan_and_load_is_not_loaded() {
    let site = Site::exported().await;
    let other = site.holding("lock table person in share mode").await;
    let push = site.spawn(&["push", "acme"]);
    site.blocked().await;
    other.client.batch_execute("alter table payment add column note text; commit").await.unwrap();
    let before = site.tables().await;
    let refused = "the target's tables changed since the snapshot was checked";
    site.ended(push).says(1, &["nothing was written", refused]).hints("trasvase run acme --from check");
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_given_in_time_is_named_with_its_holder() {
    let site = Site::exported().await;
    site.configure("[load]\nlock_timeout = \"200ms\"");
    let before = site.tables().await;
    let other = site.holding("lock table visit in share mode").await;
    let process: i32 = other.client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let parts =
        ["nothing was written", "table visit is locked", &format!("process {process}"), "waited 200ms"];
    let said = site.run(&["push", "acme", "--max-retries", "1"]);
    said.says(1, &parts).says(1, &["again in"]).hints("lock_timeout");
    // Each time that it was tried is told.
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "failed failed"));
    other.client.batch_execute("rollback").await.unwrap();
    site.run(&["push", "acme"]).says(0, &["pushed: batch"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_read_in_time_ends_the_command() {
    let site = Site::exported().await;
    site.configure("[load]\nlock_timeout = \"200ms\"");
    site.run(&["push", "acme"]).says(0, &[]);
    let other = site.holding("lock table visit in access exclusive mode").await;
    for command in ["check", "verify"] {
        site.run(&[command, "acme"]).says(1, &["lock timeout"]).hints("lock_timeout");
    }
    other.client.batch_execute("rollback").await.unwrap();
    site.run(&["verify", "acme"]).says(0, &["Equal"]);
}

/// Makes a role that may make the ledger and has these privileges, and works as it from now on; gives its name.
async fn work_as_clerk(site: &mut Site, grants: &str) -> String {
    let database = &site.database.name;
    let name = format!("clerk_{database}");
    let sql = format!(
        "create role {name}; grant create on database {database} to {name}; {}",
        grants.replace("$role", &name)
    );
    site.session().await.client.batch_execute(&sql).await.unwrap();
    site.url = site.database.url_as(&name);
    name
}

async fn drop_role(site: &Site, name: &str) {
    let sql = format!("drop owned by {name}; drop role {name}");
    site.session().await.client.batch_execute(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_role_may_not_write_is_said_table_by_table() {
    let mut site = Site::exported().await;
    let before = site.tables().await;
    let grants = "grant select on visit to $role; grant select, insert on person, payment to $role";
    let name = work_as_clerk(&mut site, grants).await;
    let told = site.run(&["push", "acme"]);
    told.says(1, &[&format!("the role {name} may not write"), "nothing was written"]);
    told.hints("\"public\".\"visit\"").hints("INSERT");
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, ""));
    site.session().await.client.batch_execute(&format!("grant insert on visit to {name}")).await.unwrap();
    site.run(&["push", "acme"]).says(0, &["pushed: batch"]);
    drop_role(&site, &name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_hidden_by_row_level_security_are_an_error_not_a_smaller_count() {
    let mut site = Site::new().await;
    let hide = "alter table visit enable row level security; create policy hide on visit using (false) with check (true)";
    site.session().await.client.batch_execute(hide).await.unwrap();
    site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
    let before = site.tables().await;
    let grants = "grant select, insert on person, visit, payment to $role";
    let name = work_as_clerk(&mut site, grants).await;
    for command in [&["push", "acme", "--dry-run"][..], &["push", "acme"], &["check", "acme"]] {
        site.run(command).says(1, &["row-level security"]).hints("BYPASSRLS");
    }
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, ""));
    let sql = format!("alter role {name} bypassrls");
    site.session().await.client.batch_execute(&sql).await.unwrap();
    site.run(&["run", "acme", "--from", "check", "--until", "push"]).says(0, &["inserted 7"]);
    drop_role(&site, &name).await;
}

/// Edits each kind of file of the latest snapshot and expects `command` to name it.
fn refuses_edits(site: &Site, command: &str) {
    let snapshots = site.path("staging/acme/snapshots");
    let folder = snapshots.join(std::fs::read_to_string(snapshots.join("latest")).unwrap());
    for (file, from, to) in
        [("data/person.ndjson", "Luis", "Lola"), ("manifest.json", "\"rejected\": 0", "\"rejected\": 1")]
    {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let edited = text.replacen(from, to, 1);
        assert_ne!(edited, text, "{file} holds {from}");
        std::fs::write(&path, edited).unwrap();
        let changed = format!("{file} was changed after it was written");
        site.run(&[command, "acme"]).says(1, &[&changed]).hints("trasvase export");
        std::fs::write(&path, text).unwrap();
    }
    std::fs::remove_file(folder.join("data/visit.ndjson")).unwrap();
    site.run(&[command, "acme"]).says(1, &["visit.ndjson"]).hints("trasvase export");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_snapshot_is_not_pushed() {
    let site = Site::exported().await;
    let before = site.tables().await;
    refuses_edits(&site, "push");
    // Files are read to their end while rows are sent, and rows of one that was edited are taken back.
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_snapshot_proves_nothing() {
    let site = Site::exported().await;
    site.run(&["push", "acme"]).says(0, &[]);
    refuses_edits(&site, "verify");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_changes_rows_is_named() {
    let site = Site::new().await;
    let shout = "create function shout() returns trigger language plpgsql as $$ begin new.name := upper(new.name); return new; end $$; \
                 create trigger shout before insert on person for each row execute function shout()";
    site.session().await.client.batch_execute(shout).await.unwrap();
    site.run(&["run", "acme"])
        .says(3, &["was changed as it was written: name"])
        .hints("rows of person were changed as they were written, by a trigger (shout)")
        .hints("triggers = \"disable\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_written_anew() {
    let site = Site::exported().await;
    let snapshots = site.path("staging/acme/snapshots");
    let folder = snapshots.join(std::fs::read_to_string(snapshots.join("latest")).unwrap());
    for damage in ["data/person.ndjson", "manifest.json"] {
        std::fs::remove_file(folder.join(damage)).unwrap();
        site.run(&["push", "acme", "--dry-run"]).says(1, &[]);
        site.run(&["export", "acme"]).says(0, &[]);
        site.run(&["push", "acme", "--dry-run"]).says(0, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_whose_type_changed_is_not_called_equal() {
    let site = Site::exported().await;
    site.run(&["push", "acme"]).says(0, &[]);
    let narrower = "alter table payment alter amount type numeric(12,0)";
    site.session().await.client.batch_execute(narrower).await.unwrap();
    let told = site.run(&["verify", "acme"]);
    told.says(
        4,
        &[
            "column amount of payment cannot be compared",
            "it was checked as numeric(12,2) and is numeric(12,0) now",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_is_verified() {
    let site = Site::exported().await;
    site.run(&["push", "acme"]).says(0, &[]);
    let read_only = format!("alter database {} set default_transaction_read_only = on", site.database.name);
    site.session().await.client.batch_execute(&read_only).await.unwrap();
    site.run(&["verify", "acme"]).says(0, &["Equal"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_leaves_its_table_and_shows_no_value() {
    let site = Site::exported().await;
    let staged = site.staged();
    let path = "sql/sources/paper/clean/payment.sql";
    let good = std::fs::read_to_string(site.path(path)).unwrap();
    site.write(
        path,
        &good.replace(
            "cast(amount as",
            "cast(cast(replace(amount, '.', '') as bigint) as tinyint) as x, cast(amount as",
        ),
    );
    site.run(&["transform", "acme"]).says(1, &["payment.sql", "out of range for the destination type INT8"]);
    site.write(path, &good);
    let path = "sql/sources/paper/clean/person.sql";
    let good = std::fs::read_to_string(site.path(path)).unwrap();
    site.write(path, &good.replace("try_cast(born as date)", "cast(name as date)"));
    site.run(&["transform", "acme"]).says(1, &["person.sql", "date"]);
    assert_eq!(site.staged(), staged);
}
