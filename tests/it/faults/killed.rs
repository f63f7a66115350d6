//! SIGKILL at random moments of `run`, and an immediate shutdown of PostgreSQL: the tables hold all or nothing, and the
//! next run ends as one that nobody disturbed.
//!
//! A few moments in the ordinary suite; `make faults` takes a hundred and fifty (FAULTS_KILLS, FAULTS_SHUTDOWNS).

#![expect(
    clippy::print_stdout,
    reason = "a failed test is told with its moments; many of them with what they hit"
)]

use std::collections::BTreeMap;

use nix::sys::signal::Signal;

use super::large::{self, Reference, reached_stage, wanted};
use super::server::OwnServer;
use super::site::signal;

/// What was hit, printed for whoever asked for many.
#[derive(Default)]
struct Hits(BTreeMap<(&'static str, String), usize>);

impl Hits {
    fn note(&mut self, what: &'static str, of: String) {
        *self.0.entry((what, of)).or_default() += 1;
    }
}

impl Drop for Hits {
    fn drop(&mut self) {
        for ((what, of), count) in &self.0 {
            println!("{what:>12}: {of:<40} {count}");
        }
    }
}

fn seed(variable: &str) -> u64 {
    let seed = std::env::var(variable).ok().map_or_else(rand_seed, |seed| seed.parse().expect("a number"));
    println!("{variable}={seed} gives these moments again");
    seed
}

fn rand_seed() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_at_any_moment() {
    let reference = Reference::measured(&large::site().await).await;
    let mut hits = Hits::default();
    for (n, moment) in
        reference.moments(wanted("FAULTS_KILLS", 5), seed("FAULTS_SEED")).into_iter().enumerate()
    {
        println!("kill {n}: {moment:?}");
        let site = large::site().await;
        let mut run = site.spawn(&["run", "acme"]);
        moment.wait(&site, &mut run);
        signal(&run, Signal::SIGKILL);
        run.wait().unwrap();
        hits.note("killed in", reached_stage(&site));
        reference.all_or_nothing(&site).await;
        hits.note("batches", reference.reached_by_the_next_run(&site).await);
        site.run(&["push", "acme"]).says(0, &["nothing to do"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_at_any_moment() {
    let own = OwnServer::start();
    let mut measured: Option<Reference> = None;
    let mut hits = Hits::default();
    let count = wanted("FAULTS_SHUTDOWNS", 3);
    let mut moments = Vec::new();
    for n in 0..=count {
        let mut site = large::site().await;
        site.use_fresh_database_of(&own.server, n).await;
        let Some(reference) = &measured else {
            moments = measured.insert(Reference::measured(&site).await).moments(count, seed("FAULTS_SEED"));
            continue;
        };
        let moment = moments[n - 1];
        println!("shutdown {n}: {moment:?}");
        let mut run = site.spawn(&["run", "acme"]);
        moment.wait(&site, &mut run);
        hits.note("stopped in", reached_stage(&site));
        own.restart();
        let told = site.ended(run);
        assert!(matches!(told.code, Some(0 | 1)), "{}", told.text);
        let end = if told.code == Some(0) { "went on" } else { "failed" };
        let retries = told.text.matches(" of 3)").count();
        hits.note("the run", format!("{end} after {retries} retries"));
        reference.all_or_nothing(&site).await;
        hits.note("batches", reference.reached_by_the_next_run(&site).await);
    }
}
