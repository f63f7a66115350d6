//! Whose a file is: from the owner's key in the old system to its row in the target.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;
use rust_i18n::t;

use super::Options;
use super::finding::{Findings, Rule};
use super::list::{Listed, owners};
use crate::config::{FileColumn, Files};
use crate::error::{self, Failure};
use crate::model::catalog::ConstraintKind;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::Keys;
use crate::pg::origins;

/// So many keys are asked about at once.
const AT_ONCE: usize = 5_000;

/// A file with its owner's key in the target.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) listed: Listed,
    pub(super) owner: String,
}

/// An owner as the staging file has it.
struct Row {
    key: String,
    /// What the ledger knows it by.
    source_id: Option<String>,
}

/// Binds files to their owners; those whose owner is not there are findings.
pub(super) async fn bind(
    options: &Options<'_>,
    section: &Files,
    listed: Vec<Listed>,
    findings: &mut Findings,
) -> Result<Vec<Bound>> {
    let (table, key) = table(options, section)?;
    let staged = staged(options, section, &table, &key, &owners(&listed))?;
    let there = in_target(options, &table, &key, &staged).await?;
    let mut bound = Vec::with_capacity(listed.len());
    for listed in listed {
        let (path, record) = (listed.path.clone(), listed.record.clone());
        let rule = match (staged.get(&listed.owner), there.get(&listed.owner)) {
            (_, Some(owner)) => {
                bound.push(Bound { owner: owner.clone(), listed });
                continue;
            }
            (Some(_), None) => Rule::OwnerNotPushed,
            (None, None) => Rule::NoOwner,
        };
        findings.add(section.shown(), rule, &path, record.as_deref());
    }
    Ok(bound)
}

/// The table that the owner's column refers to, else the one that is called like the entity; and its key.
fn table(options: &Options<'_>, section: &Files) -> Result<(TableName, String)> {
    let column = section.column(FileColumn::Owner);
    let referenced = options.catalog.table(&section.table).and_then(|table| {
        table.foreign_keys().find_map(|constraint| match &constraint.kind {
            ConstraintKind::ForeignKey { references, .. }
                if constraint.columns.as_slice() == column.as_slice() =>
            {
                Some(references.clone())
            }
            _ => None,
        })
    });
    let name = referenced.unwrap_or_else(|| TableName::from(section.of.as_str()));
    let key = options.catalog.table(&name).map(|table| table.primary_key());
    match key {
        Some([key]) if options.staging.has_table("ready", &name.to_string())? => {
            Ok((name.clone(), key.clone()))
        }
        _ => Err(Failure::usage(t!("files.no_owners", of = section.of, table = name))
            .hint(t!("files.no_owners_hint", of = section.of))
            .into()),
    }
}

/// The owners' rows: by the golden id that the record belongs to, else by the record itself.
fn staged(
    options: &Options<'_>,
    section: &Files,
    table: &TableName,
    key: &str,
    owners: &[&str],
) -> Result<HashMap<String, Row>> {
    let xref = options.staging.has_table("xref", &section.of)?;
    let golden = match xref {
        true => format!(
            "coalesce(x.golden_id::varchar, w.id) as golden from wanted w left join xref.{} x on x.source_id = w.id",
            quoted(&section.of)
        ),
        false => "w.id as golden from wanted w".to_owned(),
    };
    let mut rows = HashMap::new();
    for chunk in owners.chunks(AT_ONCE) {
        let wanted = chunk.iter().map(|owner| literal(owner)).collect::<Vec<_>>().join(", ");
        let with = format!(
            "with wanted as (select unnest([{wanted}]::varchar[]) as id), \
             golden as (select w.id as source_id, {golden}), ready as (select {}::varchar as key, _source_id::varchar as id from {})",
            quoted(key),
            table.staged("ready")
        );
        let sql = format!(
            "{with} select source_id, min(key), min(id) from (\
             select g.source_id, r.key, r.id, 1 as place from golden g join ready r on r.key = g.golden union all \
             select g.source_id, r.key, r.id, 2 from golden g join ready r on r.id = g.golden union all \
             select g.source_id, r.key, r.id, 3 from golden g join ready r on r.id = g.source_id) found \
             group by source_id, place having count(distinct key) = 1 \
             qualify row_number() over (partition by source_id order by place) = 1"
        );
        for (owner, row) in options.staging.rows(&sql, |row| {
            Ok((row.get::<_, String>(0)?, Row { key: row.get(1)?, source_id: row.get(2)? }))
        })? {
            rows.insert(owner, row);
        }
    }
    Ok(rows)
}

/// The keys of those of them that the target holds, by the owner's key in the old system.
async fn in_target(
    options: &Options<'_>,
    table: &TableName,
    key: &str,
    staged: &HashMap<String, Row>,
) -> Result<HashMap<String, String>> {
    let keys: BTreeMap<&str, String> = match options.clinic.table(table).keys {
        Keys::Preserve => staged.iter().map(|(owner, row)| (owner.as_str(), row.key.clone())).collect(),
        Keys::New => {
            let ids: Vec<&str> = staged.values().filter_map(|row| row.source_id.as_deref()).collect();
            let manifest = options.main.manifest();
            let of = (manifest.clinic.as_str(), manifest.origin);
            let numbers = origins::numbers(options.client, of, table, &ids).await?;
            let number = |row: &Row| numbers.get(row.source_id.as_deref()?).cloned();
            staged.iter().filter_map(|(owner, row)| Some((owner.as_str(), number(row)?))).collect()
        }
    };
    let asked: Vec<&str> = keys.values().map(String::as_str).collect();
    let mut there = HashSet::new();
    for chunk in asked.chunks(AT_ONCE) {
        let sql = format!(
            "select k from unnest($1::text[]) k join {} t on t.{}::text = k",
            table.quoted(),
            quoted(key)
        );
        let rows = options.client.query(&sql, &[&chunk]).await.map_err(|error| error::postgres(&error))?;
        there.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    let found = keys.into_iter().filter(|(_, key)| there.contains(key));
    Ok(found.map(|(owner, key)| (owner.to_owned(), key)).collect())
}
