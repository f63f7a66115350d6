//! A disk that is full, under the staging file and under PostgreSQL: the message says so, nothing is half done, and once
//! there is room the next run ends as one that never met it.
//!
//! The small disk is a tmpfs in a mount namespace of its own, where the test runs itself again: root may have one, and so
//! may anybody where the kernel allows user namespaces. A machine that allows neither fails these tests and says what to
//! allow; they are never left out.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Uid;
use trasvase::pg::embedded::{self, Server, ServerOptions};

use super::large::{self, Reference};
use super::site::Site;
use crate::support;

/// Where the test that runs again finds its small disk.
const PLACE: &str = "TRASVASE_TEST_SMALL_DISK";

const REFUSED: &str = "this test needs a file system of its own to fill: run it as root, or allow user namespaces \
    (sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0; \
    in a container: --security-opt seccomp=unconfined, or --privileged), with unshare and mount of util-linux 2.38 or newer";

/// Runs an ignored test of this file again, with a disk of so many megabytes.
fn on_a_small_disk(test: &str, megabytes: u32) {
    let folder = support::reachable_folder("trasvase-disk-");
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if !Uid::effective().is_root() {
        // As oneself, since PostgreSQL refuses root, and with the right to mount.
        unshare.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    let script = "mount -t tmpfs -o \"size=$1m,mode=711\" tmpfs \"$2\" || exit 77; shift 2; exec \"$@\"";
    let ended = unshare
        .args(["sh", "-c", script, "sh", &megabytes.to_string()])
        .arg(&folder)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("faults::disk::{test}"), "--ignored", "--nocapture"])
        .env(PLACE, &folder)
        .output();
    let _ = std::fs::remove_dir(&folder);
    let output = ended.unwrap_or_else(|error| panic!("{error}: {REFUSED}"));
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() || text.contains("running 1 test"), "{text}: {REFUSED}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// The small disk, in the test that was run again.
fn place() -> Option<PathBuf> {
    std::env::var_os(PLACE).map(PathBuf::from)
}

/// Fills a disk, but for so much.
fn fill(disk: &Path, left: u64) {
    let free = || {
        let space = nix::sys::statvfs::statvfs(disk).unwrap();
        space.blocks_available() * space.fragment_size()
    };
    let block = vec![1; 4096];
    let mut filler = std::fs::File::create(disk.join("filler")).unwrap();
    while free() > left && std::io::Write::write_all(&mut filler, &block).is_ok() {}
}

fn make_room(disk: &Path) {
    std::fs::remove_file(disk.join("filler")).unwrap();
}

#[test]
fn full_under_the_staging_file() {
    on_a_small_disk("staging_on_a_small_disk", 64);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it where there is a small disk"]
async fn staging_on_a_small_disk() {
    let Some(disk) = place() else { return };
    let reference = Reference::measured(&large::site().await).await;
    let mut failed = 0;
    for (n, left) in [0, 40_000, 300_000, 1_500_000, 4_000_000, 8_000_000].into_iter().enumerate() {
        let site = large::site().await;
        let staging = disk.join(n.to_string());
        std::fs::create_dir(&staging).unwrap();
        std::fs::remove_dir(site.path("staging")).unwrap();
        std::os::unix::fs::symlink(&staging, site.path("staging")).unwrap();
        fill(&disk, left);
        let told = site.run(&["run", "acme"]);
        if told.code != Some(0) {
            told.says(1, &["No space left on device", "acme/"]).hints("make room");
            failed += 1;
        }
        reference.all_or_nothing(&site).await;
        make_room(&disk);
        reference.reached_by_the_next_run(&site).await;
        std::fs::remove_dir_all(&staging).unwrap();
    }
    assert!(failed >= 4, "the disk was full {failed} times");
}

#[test]
fn full_under_postgresql() {
    on_a_small_disk("postgresql_on_a_small_disk", 400);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it where there is a small disk"]
async fn postgresql_on_a_small_disk() {
    let Some(disk) = place() else { return };
    let folder = disk.join("postgres");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o711)).unwrap();
    let options = ServerOptions::new(&folder);
    let mut server = Server::start(&options).unwrap();
    let mut measured: Option<Reference> = None;
    for (n, left) in [u64::MAX, 0, 400_000, 1_500_000, 4_000_000].into_iter().enumerate() {
        let mut site: Site = large::site().await;
        site.use_fresh_database_of(&server, n).await;
        let Some(reference) = &measured else {
            measured = Some(Reference::measured(&site).await);
            continue;
        };
        site.run(&["run", "acme", "--until", "export"]).says(0, &[]);
        fill(&disk, left);
        let told = site.run(&["run", "acme", "--from", "push"]);
        told.says(1, &["53100"]).hints("disk is full: make room");
        assert!(!told.text.contains("again in"), "{}", told.text);
        make_room(&disk);
        server = restarted(server, &options);
        reference.all_or_nothing(&site).await;
        reference.reached_by_the_next_run(&site).await;
    }
    drop(server);
    embedded::stop(&folder).unwrap();
}

/// The server, started again if the full disk ended it.
fn restarted(server: Server, options: &ServerOptions) -> Server {
    let next = Server::start(options).unwrap();
    drop(server);
    next
}
