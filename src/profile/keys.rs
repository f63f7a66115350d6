//! Which columns tell records apart, and which name records of another source.

use anyhow::Result;

use crate::error::interrupt;
use crate::model::ident::quoted;
use crate::model::profile::{ColumnProfile, Guess, Reference, SourceProfile};
use crate::staging::Staging;

/// Columns that are tried two by two where none is a key alone.
const PAIRED: usize = 6;
/// A reference has at least this part of its values in the parent.
const MOST: f64 = 0.9;
/// A reference whose name does not speak of the parent names at least this part of it: small numbers are keys of everything.
const COVERS: f64 = 0.2;

/// The columns, alone or two together, that tell all records apart and are never null.
pub(super) fn candidates(
    staging: &Staging,
    table: &str,
    rows: u64,
    columns: &[ColumnProfile],
) -> Result<Vec<Vec<String>>> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let alone: Vec<Vec<String>> = columns
        .iter()
        .filter(|one| one.distinct == rows && one.nulls + one.empty == 0)
        .map(|one| vec![one.column.clone()])
        .collect();
    if !alone.is_empty() {
        return Ok(alone);
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
                pairs.push(vec![first.column.clone(), second.column.clone()]);
            }
        }
    }
    Ok(pairs)
}

/// The best parent of each column that could be a reference.
pub(super) fn references(staging: &Staging, sources: &[SourceProfile]) -> Result<Vec<Reference>> {
    let mut references = Vec::new();
    for source in sources {
        for column in source.columns.iter().filter(|one| could_refer(one)) {
            let own_key = source.keys.iter().any(|key| key.len() == 1 && key[0] == column.column);
            let mut best: Option<(Reference, f64)> = None;
            for parent in sources.iter().filter(|parent| parent.source != source.source) {
                interrupt::check()?;
                let Some((one, score)) = compare(staging, source, column, parent)? else { continue };
                // Two keys that count from one say nothing of each other.
                if own_key && !one.named {
                    continue;
                }
                if best.as_ref().is_none_or(|(_, highest)| score > *highest) {
                    best = Some((one, score));
                }
            }
            references.extend(best.map(|(one, _)| one));
        }
    }
    Ok(references)
}

fn could_refer(column: &ColumnProfile) -> bool {
    let kind = matches!(column.guess, Guess::Integer | Guess::Code | Guess::Uuid)
        || column.guess == Guess::Text && column.longest <= 40;
    kind && column.distinct > 1
}

/// A reference to a parent's key, and how good it is.
#[expect(clippy::cast_precision_loss, reason = "a share of values")]
fn compare(
    staging: &Staging,
    source: &SourceProfile,
    column: &ColumnProfile,
    parent: &SourceProfile,
) -> Result<Option<(Reference, f64)>> {
    let mut best: Option<(Reference, f64)> = None;
    for key in parent.keys.iter().filter(|key| key.len() == 1) {
        let Some(there) = parent.columns.iter().find(|one| one.column == key[0]) else { continue };
        if there.guess != column.guess {
            continue;
        }
        let sql = format!(
            "with mine as (select distinct trim({0}::varchar) as v from raw.{1} where trim({0}::varchar) <> ''), \
             theirs as (select distinct trim({2}::varchar) as v from raw.{3}) \
             select (select count(*) from mine semi join theirs using (v))::ubigint, (select count(*) from mine)::ubigint",
            quoted(&column.column),
            quoted(&source.source),
            quoted(&key[0]),
            quoted(&parent.source),
        );
        let counts = staging.rows(&sql, |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?)))?;
        let Some((found, of)) = counts.into_iter().next().filter(|(_, of)| *of > 0) else { continue };
        let (share, covers) = (found as f64 / of as f64, found as f64 / there.distinct as f64);
        let named = speaks_of(&column.column, &parent.source);
        // A number that is not called one of something counts something.
        if column.guess == Guess::Integer && !named && !is_called_key(&column.column) {
            continue;
        }
        if share < MOST || (!named && covers < COVERS) {
            continue;
        }
        // What has a column of this name itself refers to the same parent.
        let sibling = parent.columns.iter().any(|one| one.column == column.column);
        let score = share + covers + if named { 10.0 } else { 0.0 } - if sibling { 5.0 } else { 0.0 };
        if best.as_ref().is_none_or(|(_, highest)| score > *highest) {
            let reference = Reference {
                source: source.source.clone(),
                column: column.column.clone(),
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

/// Whether a column's name says that it holds a key.
fn is_called_key(column: &str) -> bool {
    const WORDS: [&str; 10] = ["id", "uid", "cod", "codigo", "code", "num", "numero", "number", "ref", "key"];
    let name = column.to_lowercase().replace('ó', "o").replace('ú', "u");
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    words.any(|word| WORDS.contains(&word)) || column.ends_with("Id") || column.ends_with("ID")
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
