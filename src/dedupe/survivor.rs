//! `golden.<entity>`: one row a cluster, each column from one of its records.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;

use super::record::Roles;
use crate::config::{Dedupe, Rule, Survivor, near};
use crate::error::Failure;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// Columns that are no values of the record.
const OWN: [&str; 4] = ["source_id", "_id", "_ids", "_repairs"];

/// Makes `golden.<entity>` from `clean.<entity>` and `xref.<entity>`.
///
/// # Errors
/// A column that the clinic's own section names and that is not there, DuckDB failing.
pub fn build(staging: &Staging, entity: &str, settings: &Dedupe) -> Result<()> {
    let columns: Vec<String> = staging
        .rows(&format!("select column_name from (describe clean.{})", quoted(entity)), |row| row.get(0))?;
    check(staging, entity, settings, &columns)?;
    staging.execute(&golden_sql(entity, &settings.survivor, &columns))
}

/// Refuses a column of the clinic's own section that `clean.<entity>` has not.
fn check(staging: &Staging, entity: &str, settings: &Dedupe, columns: &[String]) -> Result<()> {
    let own = &settings.own_survivor;
    let mut named = (own.columns.keys().map(|name| ("columns", name)))
        .chain(own.together.iter().flatten().map(|name| ("together", name)))
        .chain(own.recency.iter().map(|name| ("recency", name)));
    let values: Vec<String> = values(columns).cloned().collect();
    let is_there = |name: &str| values.iter().any(|column| column.eq_ignore_ascii_case(name));
    let Some((setting, name)) = named.find(|(_, name)| !is_there(name)) else { return Ok(()) };
    // Who names a role means the columns that play it.
    let roles = Roles::find(staging, entity, settings)?;
    let near = match roles.names(&name.to_lowercase()).as_slice() {
        [] => near(name, &values),
        names => t!("config.near", names = names.join(", ")).into_owned(),
    };
    let message =
        t!("dedupe.survivor_column", setting = setting, entity = entity, column = name, near = near);
    let hint = t!("dedupe.survivor_hint", entity = entity, columns = values.join(", "));
    Err(Failure::failed(message).hint(hint).into())
}

/// The columns of which a value can survive.
fn values(columns: &[String]) -> impl Iterator<Item = &String> {
    columns.iter().filter(|column| !OWN.contains(&column.to_lowercase().as_str()))
}

/// The rank that decides a column: the smallest wins, over all records of a cluster where the column is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    key: String,
    /// The column may be empty in the record that wins.
    whole: bool,
    /// Which records stand for election.
    among: String,
}

fn golden_sql(entity: &str, survivor: &Survivor, columns: &[String]) -> String {
    let values: Vec<&String> = values(columns).collect();
    let has = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    let choices: BTreeMap<&String, Choice> =
        values.iter().map(|column| (*column, choice(survivor, column, &values))).collect();
    let chosen: String = values
        .iter()
        .map(|column| {
            let (name, choice) = (quoted(column), &choices[column]);
            let function = if choice.whole { "arg_min_null" } else { "arg_min" };
            format!(", {function}({name}, {}) filter (where {}) as {name}", choice.key, choice.among)
        })
        .collect();
    let sources: Vec<String> = values
        .iter()
        .map(|column| {
            let choice = &choices[column];
            let filled = format!("{} and {} is not null", choice.among, quoted(column));
            format!("{}, arg_min(source_id, {}) filter (where {filled})", literal(column), choice.key)
        })
        .collect();
    let ids =
        if has("_ids") { "flatten(list(_ids order by source_id))" } else { "list(_id order by source_id)" };
    let one_ids = if has("_ids") { "_ids" } else { "[_id]" };
    let (repairs, one_repairs) = if has("_repairs") {
        (", flatten(list(_repairs order by source_id)) as _repairs", ", _repairs")
    } else {
        ("", "")
    };
    let names: String = values.iter().map(|column| format!(", {}", quoted(column))).collect();
    format!(
        "create or replace table golden.{table} as \
         with linked as (select source_id as linked_id, golden_id from xref.{table}), \
         many as (select golden_id from xref.{table} group by golden_id having count(*) > 1), \
         record as (select xref.golden_id, clean.*{ranks} from clean.{table} as clean \
           join linked as xref on xref.linked_id = clean.source_id::varchar semi join many on many.golden_id = xref.golden_id) \
         select xref.golden_id, clean.source_id::varchar as source_id{names}, {one_ids} as _ids{one_repairs}, null::json as golden_sources \
         from clean.{table} as clean left join linked as xref on xref.linked_id = clean.source_id::varchar \
         where xref.golden_id is null or xref.golden_id not in (select golden_id from many) \
         union all \
         select golden_id, min(source_id)::varchar as source_id{chosen}, {ids} as _ids{repairs}, \
           json_merge_patch('{{}}', json_object({sources}))::json as golden_sources \
         from record group by golden_id \
         order by golden_id",
        table = quoted(entity),
        ranks = ranks(survivor, &values, has("_ids")),
        sources = sources.join(", "),
    )
}

/// The ranks of a record within its cluster, under names that no column has.
fn ranks(survivor: &Survivor, values: &[&String], many_ids: bool) -> String {
    let filled: Vec<String> =
        values.iter().map(|column| format!("({} is not null)::integer", quoted(column))).collect();
    let filled = if filled.is_empty() { "0".to_owned() } else { filled.join(" + ") };
    let is_there = |name: &&String| values.iter().any(|column| column.eq_ignore_ascii_case(name));
    let recency: Vec<String> = survivor.recency.iter().filter(is_there).map(|name| quoted(name)).collect();
    let recent = match recency.as_slice() {
        [] => String::new(),
        columns => format!("coalesce({}) desc nulls last, ", columns.join(", ")),
    };
    let sources: Vec<String> = survivor.sources.iter().map(|name| literal(name)).collect();
    let id = if many_ids { "_ids[1]" } else { "_id" };
    let trusted = match sources.as_slice() {
        [] => String::new(),
        names => format!(
            "coalesce(nullif(list_position([{}], (select source from meta.source where number = {id} >> 50)), 0), 1000000), ",
            names.join(", ")
        ),
    };
    let rank = |order: &str| {
        format!(
            "row_number() over (partition by xref.golden_id order by {order}({filled}) desc, clean.source_id)"
        )
    };
    let mut sql =
        format!(", {} as _complete, {} as _recent, {} as _trusted", rank(""), rank(&recent), rank(&trusted));
    for column in values.iter().filter(|column| rule_of(survivor, column) == Rule::MostFrequent) {
        let name = quoted(column);
        sql.push_str(&format!(
            ", count({name}) over (partition by xref.golden_id, {name}) as {}",
            quoted(&format!("_frequency_{column}"))
        ));
    }
    sql
}

fn rule_of(survivor: &Survivor, column: &str) -> Rule {
    let own = survivor.columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(column));
    own.map_or(survivor.rule, |(_, rule)| *rule)
}

fn choice(survivor: &Survivor, column: &str, values: &[&String]) -> Choice {
    let name = quoted(column);
    let rank = match rule_of(survivor, column) {
        Rule::MostComplete => "_complete".to_owned(),
        Rule::MostRecent => "_recent".to_owned(),
        Rule::SourceOrder => "_trusted".to_owned(),
        Rule::Longest => format!("((1000000000 - length({name}::varchar)) * 1000000 + _complete)"),
        Rule::MostFrequent => {
            format!("((1000000000 - {}) * 1000000 + _complete)", quoted(&format!("_frequency_{column}")))
        }
    };
    let group =
        survivor.together.iter().find(|group| group.iter().any(|name| name.eq_ignore_ascii_case(column)));
    let Some(group) = group else { return Choice { key: rank, whole: false, among: "true".to_owned() } };
    let there = values.iter().filter(|value| group.iter().any(|name| name.eq_ignore_ascii_case(value)));
    let filled: Vec<String> =
        there.map(|column| format!("({} is not null)::integer", quoted(column))).collect();
    let rule = rule_of(survivor, &group[0]);
    let rank = match rule {
        Rule::MostRecent => "_recent",
        Rule::SourceOrder => "_trusted",
        // The record that has most of the group.
        _ => &format!("((1000 - ({})) * 1000000 + _complete)", filled.join(" + ")),
    };
    Choice { key: rank.to_owned(), whole: true, among: format!("({}) > 0", filled.join(" + ")) }
}
