//! Which columns tell records apart, and which columns and paths name records of another source.

use anyhow::Result;

use super::expression::json_path;
use super::{DOC_ID, DOCUMENT, column};
use crate::error::interrupt;
use crate::model::document::is_called_key;
use crate::model::ident::quoted;
use crate::model::profile::{ColumnProfile, Guess, PathProfile, Reason, Reference, SourceProfile, Step};
use crate::staging::Staging;

/// Columns that are tried two by two where none is a key alone.
const PAIRED: usize = 6;
/// A reference has at least this part of its values in the parent.
const MOST: f64 = 0.9;
/// Ids that were made for their record are no coincidence: what lacks may have been deleted.
const MADE: f64 = 0.5;
/// A reference whose name does not speak of the parent names at least this part of it: small numbers are keys of everything.
const COVERS: f64 = 0.2;
/// The distinct values of the column or path that is looked at.
const VALUES: &str = "temp.profiled_values";

/// The columns, alone or two together, that tell all records apart and are never null; the most likely first.
pub(super) fn candidates(
    staging: &Staging,
    table: &str,
    rows: u64,
    columns: &[ColumnProfile],
) -> Result<Vec<Vec<String>>> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let mut alone: Vec<&ColumnProfile> =
        columns.iter().filter(|one| one.distinct == rows && one.nulls + one.empty == 0).collect();
    alone.sort_by_key(|one| likelihood(one));
    if !alone.is_empty() {
        return Ok(alone.into_iter().map(|one| vec![one.column.clone()]).collect());
    }
    let mut whole: Vec<&ColumnProfile> = columns.iter().filter(|one| one.nulls + one.empty == 0).collect();
    whole.sort_by_key(|one| std::cmp::Reverse(one.distinct));
    whole.truncate(PAIRED);
    let mut pairs = Vec::new();
    for (place, first) in whole.iter().enumerate() {
        for second in &whole[place + 1..] {
            interrupt::check()?;
            if first.distinct.saturating_mul(second.distinct) < rows {
                continue;
            }
            let sql = format!(
                "select count(*) = count(distinct ({}, {})) from {table}",
                quoted(&first.column),
                quoted(&second.column)
            );
            if staging.value(&sql)? {
                pairs.push((
                    likelihood(first).max(likelihood(second)),
                    vec![first.column.clone(), second.column.clone()],
                ));
            }
        }
    }
    pairs.sort_by_key(|(likelihood, _)| *likelihood);
    Ok(pairs.into_iter().map(|(_, pair)| pair).collect())
}

/// How likely a column is a key rather than data that happens to differ in every record: the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likelihood {
    Document,
    Called,
    Number,
    Code,
    Data,
}

fn likelihood(column: &ColumnProfile) -> Likelihood {
    let codes =
        || column.patterns.iter().all(|one| one.value.contains('9') && !one.value.contains([' ', '@']));
    match column.guess {
        _ if column.column == DOC_ID => Likelihood::Document,
        Guess::Email | Guess::Phone | Guess::Json => Likelihood::Data,
        _ if is_called_key(&column.column) => Likelihood::Called,
        Guess::Integer | Guess::Code | Guess::Uuid | Guess::ObjectId => Likelihood::Number,
        Guess::Text if !column.patterns.is_empty() && codes() => Likelihood::Code,
        _ => Likelihood::Data,
    }
}

/// Whether a key may become part of ids: names, notes, dates and addresses that happen to differ may not.
pub(super) fn may_identify(key: &[String], columns: &[ColumnProfile]) -> bool {
    let of = |name: &String| columns.iter().find(|one| one.column == *name);
    key.iter().all(|name| of(name).is_some_and(|one| likelihood(one) != Likelihood::Data))
}

/// A column or path that may name records of another source.
struct Candidate {
    name: String,
    guess: Guess,
    is_key: bool,
}

/// The best parent of each column, and of each path within documents, that could be a reference.
pub(super) fn references(staging: &Staging, sources: &[SourceProfile]) -> Result<Vec<Reference>> {
    let mut references = Vec::new();
    for source in sources {
        for column in source.columns.iter().filter(|one| could_refer(one)) {
            let cell = format!("trim({}::varchar)", quoted(&column.column));
            take(staging, &format!("select {cell} as v from raw.{}", quoted(&source.source)))?;
            let is_key = source.keys.iter().any(|key| key.len() == 1 && key[0] == column.column);
            let candidate = Candidate { name: column.column.clone(), guess: column.guess, is_key };
            references.extend(best(staging, sources, source, &candidate)?);
        }
        for path in source.paths.iter().filter(|one| could_name(one)) {
            interrupt::check()?;
            take(staging, &values(source, path))?;
            let looks = column::look(staging, VALUES, "v", false)?;
            if !could_refer(&looks) {
                continue;
            }
            let list = if path.reason == Reason::ListOfValues { "[]" } else { "" };
            let candidate =
                Candidate { name: format!("{}{list}", path.path), guess: looks.guess, is_key: false };
            references.extend(best(staging, sources, source, &candidate)?);
        }
    }
    staging.execute(&format!("drop table if exists {VALUES}"))?;
    Ok(references)
}

/// Keeps the distinct values of a query, where every parent is compared with them.
fn take(staging: &Staging, values: &str) -> Result<()> {
    staging.execute(&format!(
        "create or replace temp table profiled_values as select distinct v from ({values}) where v <> ''"
    ))
}

fn best(
    staging: &Staging,
    sources: &[SourceProfile],
    source: &SourceProfile,
    candidate: &Candidate,
) -> Result<Option<Reference>> {
    let mut best: Option<(Reference, f64)> = None;
    for parent in sources.iter().filter(|parent| parent.source != source.source) {
        interrupt::check()?;
        let Some((one, score)) = compare(staging, source, candidate, parent)? else { continue };
        // Two keys that count from one say nothing of each other.
        if candidate.is_key && !one.named {
            continue;
        }
        if best.as_ref().is_none_or(|(_, highest)| score > *highest) {
            best = Some((one, score));
        }
    }
    Ok(best.map(|(one, _)| one))
}

/// Within objects and lists: what is at the top is a column.
fn could_name(path: &PathProfile) -> bool {
    let is_inside = path.steps.len() > 1 || path.reason == Reason::ListOfValues;
    let kind = matches!(path.guess, Guess::Integer | Guess::Uuid | Guess::ObjectId | Guess::Text);
    is_inside && kind && path.has_single_values()
}

/// The values of a path, without their wrappers.
fn values(source: &SourceProfile, path: &PathProfile) -> String {
    let mut steps = path.steps.clone();
    if path.reason == Reason::ListOfValues {
        steps.push(Step::Elements);
    }
    let inner = format!("json_extract({DOCUMENT}, {})", json_path(&steps));
    let each = if steps.contains(&Step::Elements) { format!("unnest({inner})") } else { inner };
    format!(
        "select trim(case json_type(j) when 'OBJECT' then coalesce(j ->> '$.\"$oid\"', j ->> '$.\"$numberLong\"', \
         j ->> '$.\"$numberInt\"', j ->> '$.\"$uuid\"') else j ->> '$' end) as v from (select {each} as j from raw.{})",
        quoted(&source.source)
    )
}

fn could_refer(column: &ColumnProfile) -> bool {
    match column.guess {
        // Ids that were made for their record are no coincidence, be it one alone.
        Guess::Uuid | Guess::ObjectId => column.distinct > 0,
        Guess::Integer | Guess::Code => column.distinct > 1,
        Guess::Text => column.distinct > 1 && column.longest <= 40,
        _ => false,
    }
}

/// Whether keys of these kinds may be each other's: a few ids of another kind make a column of ids one of texts.
fn may_meet(left: Guess, right: Guess) -> bool {
    let id = |guess: Guess| matches!(guess, Guess::ObjectId | Guess::Uuid);
    left == right || id(left) && right == Guess::Text || id(right) && left == Guess::Text
}

/// A reference to a parent's key, and how good it is.
#[expect(clippy::cast_precision_loss, reason = "a share of values")]
fn compare(
    staging: &Staging,
    source: &SourceProfile,
    candidate: &Candidate,
    parent: &SourceProfile,
) -> Result<Option<(Reference, f64)>> {
    let mut best: Option<(Reference, f64)> = None;
    for key in parent.keys.iter().filter(|key| key.len() == 1) {
        let Some(there) = parent.columns.iter().find(|one| one.column == key[0]) else { continue };
        if !may_meet(there.guess, candidate.guess) {
            continue;
        }
        let sql = format!(
            "with theirs as (select distinct trim({}::varchar) as v from raw.{}) \
             select (select count(*) from {VALUES} semi join theirs using (v))::ubigint, (select count(*) from {VALUES})::ubigint",
            quoted(&key[0]),
            quoted(&parent.source),
        );
        let counts = staging.rows(&sql, |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?)))?;
        let Some((found, of)) = counts.into_iter().next().filter(|(_, of)| *of > 0) else { continue };
        let (share, covers) = (found as f64 / of as f64, found as f64 / there.distinct as f64);
        let named = speaks_of(&candidate.name, &parent.source);
        // A number that is not called one of something counts something.
        if candidate.guess == Guess::Integer && !named && !is_called_key(&candidate.name) {
            continue;
        }
        let proven = matches!(candidate.guess, Guess::ObjectId | Guess::Uuid);
        if share < if proven { MADE } else { MOST } || (!named && !proven && covers < COVERS) {
            continue;
        }
        // What has a column of this name itself refers to the same parent.
        let sibling = parent.columns.iter().any(|one| one.column == candidate.name);
        let score = share + covers + if named { 10.0 } else { 0.0 } - if sibling { 5.0 } else { 0.0 };
        if best.as_ref().is_none_or(|(_, highest)| score > *highest) {
            let reference = Reference {
                source: source.source.clone(),
                column: candidate.name.clone(),
                parent: parent.source.clone(),
                parent_column: key[0].clone(),
                share,
                named,
            };
            best = Some((reference, score));
        }
    }
    Ok(best)
}

/// Whether a word of a column's name begins like the source's: `id_cliente` and `clients`.
fn speaks_of(column: &str, source: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric());
        parts.filter(|part| part.chars().count() >= 3).map(str::to_lowercase).collect()
    };
    let alike = |left: &str, right: &str| {
        let same = left.chars().zip(right.chars()).take_while(|(l, r)| l == r).count();
        let shorter = left.chars().count().min(right.chars().count());
        same >= 4.min(shorter) && same + 3 >= shorter
    };
    let sources = words(source);
    words(column).iter().any(|word| sources.iter().any(|source| alike(word, source)))
}

#[cfg(test)]
mod tests {
    use super::speaks_of;

    #[test]
    fn a_column_speaks_of_a_source_by_the_beginning_of_a_word() {
        for (column, source) in [("id_cliente", "clients"), ("patient_id", "patients"), ("pet_id", "pets")] {
            assert!(speaks_of(column, source), "{column} {source}");
        }
        for (column, source) in [("id_paciente", "pets"), ("id", "idiomas"), ("color", "columns")] {
            assert!(!speaks_of(column, source), "{column} {source}");
        }
    }
}
