//! What breaks in the midst of a push: the target is as before or as after, the ledger says which, and the next push
//! goes through.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::Signal;
use trasvase::pg::Session;

use super::server::OwnServer;
use super::site::{Site, signal};
use crate::support;

/// Whatever broke, the next push settles what was left and writes everything.
async fn pushes_again(site: &Site) {
    site.run(&["push", "acme"]).says(0, &["pushed: batch"]);
    assert_eq!(site.batches().await, "failed completed");
    assert_eq!(site.value("select count(*) from person").await, "3");
    site.run(&["verify", "acme"]).says(0, &[]);
    site.run(&["push", "acme"]).says(0, &["nothing to do"]);
}

/// Kills a push that waits for another session's lock, gives the lock back, and waits until its own are gone.
async fn killed(site: &Site, mut push: Child, other: Session) {
    site.blocked().await;
    signal(&push, Signal::SIGKILL);
    push.wait().unwrap();
    other.client.batch_execute("rollback").await.unwrap();
    let gone = "select count(*) from pg_locks where locktype = 'advisory' and granted \
                and database = (select oid from pg_database where datname = current_database())";
    site.until("the server notices that the program is gone", gone, "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_by_the_system() {
    let site = Site::exported().await;
    let before = site.tables().await;
    let other = site.holding_the_last_table().await;
    let push = site.spawn(&["push", "acme"]);
    killed(&site, push, other).await;
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "running"));
    site.run(&["status"]).says(0, &["acme"]);
    let told = site.run(&["push", "acme"]);
    told.says(0, &["had died with its process; it is marked as failed", "pushed: batch"]);
    assert_eq!(site.batches().await, "failed completed");
    let partitions = "select string_agg(relname || case when relispartition then '' else ' left' end, ' ' order by relname) \
                      from pg_class where relnamespace = 'trasvase'::regnamespace and relname ~ '_[0-9]+$' and relkind = 'r'";
    assert_eq!(site.value(partitions).await, "external_id_2 page_2 record_2 row_digest_2");
    site.run(&["verify", "acme"]).says(0, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_session_ended_by_an_administrator() {
    let site = Site::exported().await;
    let before = site.tables().await;
    let other = site.holding_the_last_table().await;
    let push = site.spawn(&["push", "acme", "--max-retries", "0"]);
    site.blocked().await;
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where datname = current_database() and wait_event_type = 'Lock'";
    assert_eq!(site.value(end).await, "1");
    site.ended(push).says(1, &["nothing was written", "57P01"]).hints("run the same command again");
    other.client.batch_execute("rollback").await.unwrap();
    assert_eq!(site.tables().await, before);
    pushes_again(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_session_ended_while_it_plans() {
    let site = Site::exported().await;
    let before = site.tables().await;
    let other = site.holding("lock table payment in access exclusive mode").await;
    let push = site.spawn(&["push", "acme", "--max-retries", "0"]);
    site.blocked().await;
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where datname = current_database() and wait_event_type = 'Lock'";
    assert_eq!(site.value(end).await, "1");
    site.ended(push).says(1, &["57P01"]).hints("run the same command again");
    other.client.batch_execute("rollback").await.unwrap();
    assert_eq!((site.tables().await, site.batches().await), (before, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_restarted() {
    let own = OwnServer::start();
    let mut site = Site::new().await;
    site.use_server(own.server.url()).await;
    site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
    let before = site.tables().await;
    let other = site.holding_the_last_table().await;
    let push = site.spawn(&["push", "acme", "--max-retries", "0"]);
    site.blocked().await;
    own.restart();
    site.ended(push).says(1, &["nothing was written"]).hints("run the same command again");
    drop(other);
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "running"));
    pushes_again(&site).await;
}

/// A file system of a quarter of a megabyte with nothing free in it, mounted while this lives. Only root can have one.
struct FullDisk(PathBuf);

impl FullDisk {
    fn mount() -> Option<Self> {
        let folder = support::reachable_folder("trasvase-full-");
        let owner =
            std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(support::server().data_dir()).unwrap());
        let options = format!("size=256k,mode=700,uid={owner}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        let _ = std::fs::remove_dir(&folder);
        None
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_disk_full() {
    let site = Site::exported().await;
    let session = site.session().await;
    session.client.batch_execute("truncate visit, payment").await.unwrap();
    let space = format!("full_{}", site.database.name);
    let disk = FullDisk::mount();
    match &disk {
        Some(disk) => {
            let sql = format!("create tablespace {space} location '{}'", disk.0.display());
            session.client.batch_execute(&sql).await.unwrap();
            session.client.batch_execute(&format!("alter table visit set tablespace {space}")).await.unwrap();
            disk.fill();
        }
        None => {
            // Without root there is no small disk: the server is made to say what it says of a full one.
            let sql = "create function full() returns trigger language plpgsql as \
                       $$ begin raise sqlstate '53100' using message = 'could not extend file: No space left on device'; end $$; \
                       create trigger full before insert on visit for each row execute function full()";
            session.client.batch_execute(sql).await.unwrap();
            site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
        }
    }
    let before = site.tables().await;
    let told = site.run(&["push", "acme"]);
    told.says(
        1,
        &["nothing was written", "stopped at table visit, after 1 of 3", "No space left on device", "53100"],
    );
    told.hints("make room");
    assert_eq!((site.tables().await, site.batches().await.as_str()), (before, "failed"));
    match &disk {
        Some(disk) => std::fs::remove_file(disk.0.join("filler")).unwrap(),
        None => {
            session.client.batch_execute("drop trigger full on visit").await.unwrap();
            site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
        }
    }
    pushes_again(&site).await;
    if disk.is_some() {
        session.client.batch_execute("alter table visit set tablespace pg_default").await.unwrap();
        session.client.batch_execute(&format!("drop tablespace {space}")).await.unwrap();
    }
}

/// Where a connection breaks at COMMIT.
#[derive(Clone, Copy, PartialEq)]
enum Break {
    /// The server never hears of it.
    Before,
    /// The server does it, and its answer is lost.
    After,
}

/// A way to the test's server that breaks at the second `commit` of a connection (the first one makes the ledger); gives
/// its port.
fn breaking_way(place: Break) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = support::server().socket_dir().join(".s.PGSQL.5432");
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), UnixStream::connect(&socket).unwrap());
            let (mut back_from, mut back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
            std::thread::spawn(move || forward(client, server, place));
        }
    });
    port
}

fn forward(mut client: std::net::TcpStream, mut server: UnixStream, place: Break) {
    let mut block = vec![0; 1 << 16];
    let mut commits = 0;
    while let Ok(count @ 1..) = client.read(&mut block) {
        // A simple query (Q, length, text, NUL), alone or behind what was still to be sent.
        commits += usize::from(block[..count].ends_with(b"Q\0\0\0\x0bcommit\0"));
        if commits == 2 {
            if place == Break::After {
                let _ = client.shutdown(Shutdown::Both);
                server.write_all(&block[..count]).unwrap();
                // A server that finds its client gone does not look for what that still sent.
                std::thread::sleep(Duration::from_millis(300));
            }
            break;
        }
        if server.write_all(&block[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// A first load into empty tables, over connections that break as it is committed; gives the batch's id.
async fn pushed_over(place: Break) -> (Site, String) {
    let mut site = Site::exported().await;
    site.session().await.client.batch_execute("truncate person cascade").await.unwrap();
    let port = breaking_way(place);
    let direct = std::mem::replace(
        &mut site.url,
        format!("postgresql://postgres@127.0.0.1:{port}/{}?sslmode=disable", site.database.name),
    );
    let told = site.run(&["push", "acme", "--max-retries", "0"]);
    told.says(1, &["was being committed: all of it or nothing is in PostgreSQL"]).hints("trasvase push acme");
    site.url = direct;
    let batch = told.text.split("batch ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    (site, batch)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_commit_lost() {
    let (site, batch) = pushed_over(Break::After).await;
    site.until("the server committed", "select status from trasvase.batch", "completed").await;
    assert_eq!(site.value("select id from trasvase.batch").await, batch);
    site.run(&["push", "acme"]).says(0, &["nothing to do"]);
    assert_eq!(site.batches().await, "completed");
    site.run(&["verify", "acme"]).says(0, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commit_itself_lost() {
    let (site, batch) = pushed_over(Break::Before).await;
    assert_eq!(site.value("select count(*) from person").await, "0");
    let told = site.run(&["push", "acme"]);
    told.says(
        0,
        &[&format!("batch {batch} had died with its process; it is marked as failed"), "pushed: batch"],
    );
    assert_eq!(site.batches().await, "failed completed");
    let partitions = "select string_agg(relname || case when relispartition then '' else ' left' end, ' ' order by relname) \
                      from pg_class where relnamespace = 'trasvase'::regnamespace and relname ~ '_[0-9]+$' and relkind = 'r'";
    assert_eq!(site.value(partitions).await, "external_id_2 page_2 record_2 row_digest_2");
    site.run(&["verify", "acme"]).says(0, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_golden_ids_change() {
    let site = Site::new().await;
    site.configure("[dedupe.person]\ncompare.name = { as = \"text\" }");
    let xref = |second: &str| {
        format!(
            "-- one row a person\n-- origin: none\nselect source_id, if(source_id = 'p1', 'A', '{second}') as golden_id from clean.person\n"
        )
    };
    site.write("clinics/acme/sql/xref/person.sql", &xref("B"));
    site.write(
        "sql/systems/tiny/target/person.sql",
        "-- one row a person\nselect x.golden_id as id, min(c.name order by c.source_id) as name, null::date as born, null::json as notes,\n  \
         min(c.source_id) as _source_id, list(c._id order by c._id) as _ids\n\
         from clean.person as c join xref.person as x using (source_id) group by all\n",
    );
    site.run(&["run", "acme"]).says(0, &[]);
    site.write("clinics/acme/sql/xref/person.sql", &xref("A"));
    site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
    let told = site.run(&["push", "acme", "--dry-run"]);
    told.says(0, &["re-pointed", "retired"]);
    let recorded = || std::fs::read_to_string(site.path("clinics/acme/fixes/person.golden.csv")).unwrap();
    let (before, file) = (site.tables().await, recorded());
    // The row that goes, which is the last that a push asks for.
    let other = site.holding("select from person where id = 'B' for key share").await;
    let push = site.spawn(&["push", "acme"]);
    killed(&site, push, other).await;
    assert_eq!((site.tables().await, recorded()), (before, file));
    site.run(&["push", "acme"]).says(0, &["pushed: batch"]);
    assert_eq!(site.batches().await, "completed failed completed");
    assert_eq!(
        site.value("select string_agg(id || person_id, ' ') from visit where person_id = 'B'").await,
        ""
    );
    site.run(&["verify", "acme"]).says(0, &[]);
    site.run(&["push", "acme"]).says(0, &["nothing to do"]);
    assert!(recorded().contains("p2,A,"));
}
