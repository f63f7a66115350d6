//! SQL of what becomes, value by value, of rows that are there with other values than those that come: by the digests of what
//! was pushed last, and the rule of [`OnConflict`].

use super::{UNKNOWN, Writings};
use crate::model::merge::{Fate, OnConflict};

/// A table's rows that come and those that are there, as SQL over the aliases `i` and `t`.
pub struct Sides<'a> {
    /// The table of the rows that come.
    pub incoming: &'a str,
    /// The table of the rows that are there.
    pub table: String,
    /// The key of `i`.
    pub key: String,
    /// Whether they are one row.
    pub same: String,
    /// Whether a written value differs.
    pub differs: String,
    /// The digests of the written columns of `i`, and of `t`.
    pub ours: String,
    pub theirs: String,
    /// The digest of `t` with all its columns.
    pub whole: String,
    /// The columns that are written.
    pub columns: Vec<&'a str>,
    /// By column whether `i` refers by it to a row that is left out; none where that cannot be.
    pub lost: Vec<Option<String>>,
}

/// A query of the rows that differ: `key`, the digests of the last push (of what was sent as `base`, of what was stored as
/// `stored`), and as `fates` a letter for each column; to be reported, `ours` and `theirs` too.
pub fn fates_sql(sides: &Sides<'_>, policy: OnConflict, writings: Option<&Writings>) -> String {
    let Sides { incoming, table, key, same, differs, ours, theirs, whole, columns, lost } = sides;
    let unknown = vec![UNKNOWN; columns.len()].join(" || ");
    let known = known_sql(columns, writings, &unknown);
    let fate = |place: usize| {
        let of = |name: &str| digest(name, place);
        let same = format!("{} = {}", of("ours"), of("theirs"));
        let fate = policy.fate_sql(
            &same,
            &format!("{} <> {}", of("base"), of("ours")),
            &format!("{} <> {}", of("stored"), of("theirs")),
        );
        match lost[place] {
            None => fate,
            // What it would refer to is left out.
            Some(_) => format!("case when lost_{place} and not ({same}) then 'k' else {fate} end"),
        }
    };
    let losing = || lost.iter().enumerate().filter_map(|(place, one)| Some((place, one.as_ref()?)));
    let lost_sql: String = losing().map(|(place, one)| format!(", ({one}) as lost_{place}")).collect();
    let lost_names: String = losing().map(|(place, _)| format!(", lost_{place}")).collect();
    let both_sides = if policy == OnConflict::Report { ", ours, theirs" } else { "" };
    let fates = (0..columns.len()).map(fate).collect::<Vec<_>>().join(" || ");
    format!(
        "with pairs as materialized (select ({key}) collate \"C\" as key, {ours} as ours, {theirs} as theirs, {whole} as whole{lost_sql} \
         from {incoming} i join {table} t on {same} where {differs}), known as materialized ({known}) \
         select key, base, stored, {fates} as fates{both_sides} from (select pairs.key, ours, theirs{lost_names}, \
         case when known then base else {unknown} end as base, \
         case when known then stored when known.whole = pairs.whole then theirs else {unknown} end as stored \
         from pairs left join known on known.key = pairs.key offset 0) rows"
    )
}

/// A query of what the last push noted of the pairs' rows.
fn known_sql(columns: &[&str], writings: Option<&Writings>, unknown: &str) -> String {
    let Some(writings) = writings else {
        return format!(
            "select null::text collate \"C\" as key, null::bytea as whole, false as known, {unknown} as base, {unknown} as stored where false"
        );
    };
    let (base, stored) = writings.columns_sql(columns);
    format!(
        "select distinct on (d.key) d.key, {} as whole, {} as known, {base} as base, {stored} as stored \
         from {} where {} and d.key in (select key from pairs) order by d.key, d.batch desc",
        writings.whole_sql(),
        writings.has_columns_sql(),
        writings.digests_sql(),
        writings.condition()
    )
}

/// SQL of one column's digest within those of all.
pub fn digest(all: &str, place: usize) -> String {
    format!("substring({all} from {} for 8)", place * 8 + 1)
}

/// SQL of whether a value stands as it is, by the letters `fates`.
pub fn stands(fates: &str, place: usize) -> String {
    let letters = Fate::ALL.into_iter().filter(|fate| *fate != Fate::Same && !fate.writes());
    let letters = letters.map(|fate| format!("'{}'", fate.letter())).collect::<Vec<_>>().join(", ");
    format!("substr({fates}, {}, 1) in ({letters})", place + 1)
}
