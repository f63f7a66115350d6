//! Values that more records hold than people can have in common: somebody typed them for want of a value (`01/01/1900`,
//! `000000000`, the clinic's own phone), so they are taken for missing. Otherwise strangers who have the same fillers in
//! several columns are one person.

use anyhow::Result;

use super::record::{TABLE, valid};
use crate::config::{Dedupe, Read};
use crate::model::ident::quoted;
use crate::staging::Staging;

/// A value of so few records is no filler.
const FEW: u64 = 20;
/// A value is one from this part of all records on.
const SHARE: u64 = 100;

/// Takes fillers out of the records' dates, phones, e-mails, addresses and identity numbers. Towns, sexes and names may well
/// be those of many.
///
/// # Errors
/// DuckDB failing.
pub(super) fn remove(staging: &Staging, settings: &Dedupe, records: u64) -> Result<()> {
    let most = FEW.max(records / SHARE);
    for (role, described) in &settings.roles {
        let column = quoted(role);
        let is_number = settings.exact.contains_key(role);
        let (value, without) = match described.read {
            Read::Date | Read::Email => (column.clone(), "null".to_owned()),
            Read::Code if is_number => (column.clone(), "null".to_owned()),
            Read::Phone | Read::Lines => {
                let rest = format!("list_filter({column}, lambda item: not list_contains(fillers, item))");
                (format!("unnest({column})"), format!("nullif({rest}, [])"))
            }
            Read::Text | Read::Name | Read::Code | Read::Number => continue,
        };
        staging.execute(&format!(
            "create or replace temp table linkage_filler as select value from (select {value} as value from {TABLE}) \
             where value is not null group by value having count(*) > {most}"
        ))?;
        let fillers: u64 = staging.value("select count(*) from linkage_filler")?;
        if fillers > 0 {
            let and_valid =
                if is_number { format!(", {} = null", quoted(&valid(role))) } else { String::new() };
            tracing::info!(role, fillers, "values of more than {most} records are taken for missing");
            staging.execute(&format!(
                "update {TABLE} set {column} = {without}{and_valid} from (select list(value) as fillers from linkage_filler) where id in \
                 (select id from (select id, {value} as value from {TABLE}) semi join linkage_filler using (value))"
            ))?;
        }
    }
    staging.execute("drop table if exists linkage_filler")
}
