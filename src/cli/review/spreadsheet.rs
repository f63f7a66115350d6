//! Pairs as a spreadsheet: one row a pair that waits, the two records' columns side by side, and what was filled in.
//!
//! Spreadsheet programs turn `007` into 7 and long numbers into rounded ones when they open a CSV, so a row is known by
//! `pair`, a digest of its two source ids that begins with a letter.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::cell::{harmless, may_be};
use super::{Context, Desk};
use crate::cli::output::{self, Page};
use crate::config::sheet::{self, Sheet};
use crate::dedupe::decisions::{Decision, Row, ordered};
use crate::dedupe::pending::{Pair, Records};
use crate::error::Failure;
use crate::model::hex;
use crate::model::ident::quoted;

/// Pairs whose records are in memory at once.
const CHUNK: usize = 10_000;

#[derive(Debug, Serialize)]
struct Exported {
    entity: String,
    file: String,
    pairs: usize,
    next: String,
}

#[derive(Debug, Serialize)]
struct Imported {
    entity: String,
    /// Decisions that are new, or other than before.
    taken: usize,
    /// Decisions that held already.
    unchanged: usize,
    /// Rows without one.
    empty: usize,
    file: String,
    next: String,
}

/// Refuses a file name that no spreadsheet program would open as what it is.
pub(super) fn check_name(path: &Path) -> Result<()> {
    let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    if csv || is_stdout(path) {
        return Ok(());
    }
    Err(Failure::usage(t!("cli.review.not_csv")).hint(t!("cli.review.not_csv_hint")).into())
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes the pairs that wait.
pub(super) fn export(context: &Context, desk: &Desk, path: &Path) -> Result<()> {
    let pairs = desk.pending()?;
    let text = table(desk, &pairs)?;
    if is_stdout(path) {
        output::text(&text);
        return Ok(());
    }
    if path.exists() {
        // Somebody may have filled it in.
        output::confirm(&t!("cli.review.over", path = path.display()), context.global.yes)?;
        crate::staging::private_file(path)?;
    }
    sheet::replace(path, &format!("{}{text}", sheet::MARK), 0o600)?;
    let (clinic, name) = (&desk.entity.clinic.name, &desk.entity.name);
    let report = Exported {
        entity: name.clone(),
        file: path.display().to_string(),
        pairs: pairs.len(),
        next: format!("trasvase review {clinic} {name} --import {}", path.display()),
    };
    output::show(context.format(), &report, |report| {
        Page::new()
            .line(t!("cli.review.exported", count = output::count(report.pairs as u64), path = report.file))
            .line(t!("cli.review.private"))
            .line(t!("cli.review.fill"))
            .line(format!("  → {}", report.next))
    })
}

fn table(desk: &Desk, pairs: &[Pair]) -> Result<String> {
    // Spreadsheet programs split a CSV by what their language puts between the numbers of a list.
    let (delimiter, comma) = if &*rust_i18n::locale() == "es" { (';', true) } else { (',', false) };
    let (staging, entity) = (&desk.staging, &desk.entity.name);
    let mut text = String::new();
    let mut add = |cells: Vec<String>| text += &(sheet::line(cells, delimiter) + "\r\n");
    let names = Records::read(staging, entity, [])?.columns;
    let sides = names.iter().flat_map(|name| [false, true].map(|right| side_name(right, name)));
    add(["pair", "probability", "decision", "why"].map(str::to_owned).into_iter().chain(sides).collect());
    for chunk in pairs.chunks(CHUNK) {
        let ids = chunk.iter().flat_map(|pair| [pair.left.as_str(), pair.right.as_str()]);
        let records = Records::read(staging, entity, ids)?;
        for pair in chunk {
            let probability = format!("{:.4}", pair.probability());
            let probability = if comma { probability.replace('.', ",") } else { probability };
            let mut cells = vec![key(&pair.left, &pair.right), probability, String::new(), String::new()];
            for column in 0..names.len() {
                let cell = |id: &str| harmless(records.cell(id, column).unwrap_or_default());
                cells.extend([cell(&pair.left), cell(&pair.right)]);
            }
            add(cells);
        }
    }
    Ok(text)
}

/// What the column of one record's values is called.
fn side_name(right: bool, column: &str) -> String {
    format!("{}_{column}", if right { "right" } else { "left" })
}

/// A digest of two source ids, in either order.
fn key(one: &str, other: &str) -> String {
    let (left, right) = ordered(one, other);
    let mut digest = Sha256::new();
    digest.update(format!("{} {left}{right}", left.len()));
    format!("p{}", &hex(digest.finalize())[..15])
}

/// A row of which a decision was taken.
struct Filled<'a> {
    row: &'a sheet::Row,
    key: &'a str,
    decision: Decision,
    why: &'a str,
}

/// The two source ids of each key.
type Pairs = HashMap<String, (String, String)>;

/// Takes what was filled in: all of it, or nothing where a row is wrong.
pub(super) fn import(context: &Context, desk: &mut Desk, path: &Path) -> Result<()> {
    let sheet = Sheet::parse(&sheet::read_text(path)?, &path.display().to_string())?;
    let filled = filled(&sheet)?;
    let pairs = compared(desk, &sheet, &filled)?;
    check_cells(desk, &sheet, &filled, &pairs)?;
    let taken = taken(desk, &sheet, &filled, &pairs)?;
    if !taken.is_empty() {
        desk.decisions.append(&taken)?;
    }
    let report = Imported {
        entity: desk.entity.name.clone(),
        taken: taken.len(),
        unchanged: filled.len() - taken.len(),
        empty: sheet.rows.len() - filled.len(),
        file: desk.decisions.shown().to_owned(),
        next: desk.next(),
    };
    output::show(context.format(), &report, |report| {
        let [taken, unchanged, empty] =
            [report.taken, report.unchanged, report.empty].map(|count| output::count(count as u64));
        let page = Page::new().line(t!(
            "cli.review.imported",
            taken = taken,
            unchanged = unchanged,
            empty = empty,
            file = report.file
        ));
        if report.taken > 0 { page.line(format!("  → {}", report.next)) } else { page }
    })
}

fn filled(sheet: &Sheet) -> Result<Vec<Filled<'_>>> {
    let (key, decision) = (sheet.column("pair")?, sheet.column("decision")?);
    let why = sheet.column("why").ok();
    let rows = sheet.rows.iter().filter(|row| !row.cell(decision).trim().is_empty());
    rows.map(|row| {
        let word = row.cell(decision).parse().map_err(|()| {
            Failure::failed(t!("dedupe.links_word", place = sheet.place(row)))
                .hint(t!("cli.review.word_hint"))
        })?;
        let why = why.map_or("", |column| row.cell(column).trim());
        Ok(Filled { row, key: row.cell(key).trim(), decision: word, why })
    })
    .collect()
}

/// The pairs of the filled rows, of all that were compared.
fn compared(desk: &Desk, sheet: &Sheet, filled: &[Filled]) -> Result<Pairs> {
    let wanted: HashSet<&str> = filled.iter().map(|one| one.key).collect();
    let mut found = HashMap::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let sql = format!("select left_id, right_id from dedupe.{}", quoted(&desk.entity.name));
    desk.staging.rows(&sql, |row| {
        let (left, right): (String, String) = (row.get(0)?, row.get(1)?);
        let key = key(&left, &right);
        if wanted.contains(key.as_str()) {
            found.insert(key, (left, right));
        }
        Ok(())
    })?;
    match filled.iter().find(|one| !found.contains_key(one.key)) {
        Some(one) => Err(export_anew(desk, t!("cli.review.no_pair", place = sheet.place(one.row)))),
        None => Ok(found),
    }
}

fn export_anew(desk: &Desk, message: impl Into<String>) -> anyhow::Error {
    let (clinic, name) = (&desk.entity.clinic.name, &desk.entity.name);
    Failure::failed(message).hint(t!("cli.review.no_pair_hint", clinic = clinic, entity = name)).into()
}

/// Refuses a row whose visible cells are of another pair than its key: somebody who sorts a column without the others
/// decides about what they see.
fn check_cells(desk: &Desk, sheet: &Sheet, filled: &[Filled], pairs: &Pairs) -> Result<()> {
    let (staging, entity) = (&desk.staging, &desk.entity.name);
    for chunk in filled.chunks(CHUNK) {
        let both = chunk.iter().map(|one| &pairs[one.key]);
        let ids = both.flat_map(|(left, right)| [left.as_str(), right.as_str()]);
        let records = Records::read(staging, entity, ids)?;
        let sides = records.columns.iter().enumerate().flat_map(|(column, name)| {
            [false, true].map(|right| (column, right, side_name(right, name).to_lowercase()))
        });
        let shown: Vec<(usize, bool, usize)> = sides
            .filter_map(|(column, right, name)| Some((column, right, sheet.column(&name).ok()?)))
            .collect();
        for one in chunk {
            let (left, right) = &pairs[one.key];
            let other = |(column, is_right, at): &&(usize, bool, usize)| {
                let value = records.cell(if *is_right { right } else { left }, *column);
                !may_be(value.unwrap_or_default(), one.row.cell(*at))
            };
            if let Some((.., at)) = shown.iter().find(other) {
                let (place, column) = (sheet.place(one.row), &sheet.header[*at]);
                return Err(export_anew(desk, t!("cli.review.mixed", place = place, column = column)));
            }
        }
    }
    Ok(())
}

/// The decisions that are new, or other than before.
fn taken(desk: &Desk, sheet: &Sheet, filled: &[Filled], pairs: &Pairs) -> Result<Vec<Row>> {
    let mut taken = Vec::new();
    let mut said: HashMap<&str, &Filled> = HashMap::new();
    for one in filled {
        let (left, right) = &pairs[one.key];
        match said.insert(one.key, one) {
            Some(before) if before.decision != one.decision => {
                return Err(Failure::failed(t!(
                    "cli.review.contradicts",
                    place = sheet.place(one.row),
                    line = before.row.line
                ))
                .hint(t!("cli.review.contradicts_hint"))
                .into());
            }
            Some(_) => {}
            None if desk.decisions.of(left, right) == Some(one.decision) => {}
            None => taken.push(Row::new(left, right, one.decision, &desk.who, one.why)),
        }
    }
    Ok(taken)
}
