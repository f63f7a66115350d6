//! Writes what an aesthetic clinic in Spain exports when it leaves its old product, with or without its defects.
//!
//! ```text
//! cargo run --example generate_clinic -- --patients 2000 --seed 7 --out clinics/senses/sources
//! cargo run --release --example generate_clinic -- --bench --patients 200000 --out /tmp/bench/sources
//! ```
//!
//! The same options give the same bytes. `expected.json` beside the files says how many of each defect were made.

mod clinic;

use std::path::PathBuf;

use clap::Parser;

/// Generates a clinic's export: Windows-1252 CSV files, a workbook and expected.json.
#[derive(Debug, Parser)]
struct Arguments {
    /// Patients, before those that were typed twice.
    #[arg(long, default_value_t = 2000)]
    patients: u32,
    /// The same seed gives the same files.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The folder to write to; it is made if it is not there.
    #[arg(long)]
    out: PathBuf,
    /// Clean rows only: three appointments and one invoice a patient, hardly anything else.
    #[arg(long)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let Arguments { patients, seed, out, bench } = Arguments::parse();
    clinic::generate(&clinic::Options { patients, seed, bench }, &out)
}
