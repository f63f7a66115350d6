//! Records as they are compared: one column a role, read alike in every record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use rust_i18n::t;

use super::expression::expressions;
use super::filler;
use crate::config::{Columns, Dedupe, Exact, Read, near};
use crate::error::Failure;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// The temporary table of records: `id` (from 0, in the order of source_id), `source_id`, a column a role (`varchar`,
/// `varchar[]` for phones and lines, `double` for numbers), for each name its sound and its skeleton, for each exact role
/// its valid value.
pub(super) const TABLE: &str = "temp.linkage_record";

/// The roles of an entity and the columns that play them.
#[derive(Debug, Clone)]
pub(super) struct Roles {
    columns: BTreeMap<String, Vec<Column>>,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    is_list: bool,
}

impl Roles {
    /// Finds the columns of `clean.<entity>`: those that clinic.toml names, else the first that the role knows.
    ///
    /// # Errors
    /// A named column that is not there, no column for any comparison.
    pub(super) fn find(staging: &Staging, entity: &str, settings: &Dedupe) -> Result<Self> {
        let known = columns(staging, entity)?;
        let mut columns = BTreeMap::new();
        for (role, described) in &settings.roles {
            let named = settings.columns.get(role).map(Columns::names);
            let found = match named {
                Some(names) => names
                    .iter()
                    .map(|name| {
                        known
                            .get(&name.to_lowercase())
                            .cloned()
                            .ok_or_else(|| missing(entity, role, name, &known))
                    })
                    .collect::<Result<Vec<_>, Failure>>()?,
                None => {
                    described.known_as.iter().find_map(|names| those_there(names, &known)).unwrap_or_default()
                }
            };
            columns.insert(role.clone(), found);
        }
        let roles = Self { columns };
        if settings.compare.values().all(|compare| !roles.has_any(&compare.roles)) {
            return Err(Failure::failed(t!("dedupe.no_columns", entity = entity))
                .hint(t!("dedupe.no_columns_hint", entity = entity))
                .into());
        }
        Ok(roles)
    }

    /// Whether a column plays one of these roles.
    pub(super) fn has_any(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| self.columns.get(role).is_some_and(|columns| !columns.is_empty()))
    }

    /// The SELECT that reads the records of an entity: their roles, and those that are valid by an exact role.
    fn sql(&self, entity: &str, settings: &Dedupe, names: &[String], filter: &str) -> String {
        let mut items = vec!["clean.source_id::varchar as source_id".to_owned()];
        for (role, columns) in &self.columns {
            let read = settings.roles.get(role).map_or(Read::Text, |role| role.read);
            items.push(format!("{} as {}", role_sql(read, columns), quoted(role)));
        }
        let mut more = Vec::new();
        for role in names {
            more.push(format!("sound({}) as {}", quoted(role), quoted(&sound(role))));
            more.push(format!("skeleton({}) as {}", quoted(role), quoted(&skeleton(role))));
        }
        for (role, exact) in &settings.exact {
            more.push(format!(
                "case when {} then {} end as {}",
                exact.valid,
                quoted(role),
                quoted(&valid(role))
            ));
        }
        let more: String = more.iter().map(|item| format!(", {item}")).collect();
        format!(
            "select role.*{more} from (select {}, clinic.country as clinic_country from clean.{} as clean \
             cross join meta.clinic as clinic where clean.source_id is not null{filter}) as role",
            items.join(", "),
            quoted(entity)
        )
    }

    /// The columns that exact roles and definite noes are about.
    pub(super) fn of_members(settings: &Dedupe) -> Vec<String> {
        settings.roles.keys().cloned().chain(settings.exact.keys().map(|role| valid(role))).collect()
    }

    /// Fills `linkage_member` with the records of the temporary table `linkage_component` (source_id, component), without
    /// sounds and rarities.
    ///
    /// # Errors
    /// An expression of the settings that DuckDB refuses.
    pub(super) fn build_members(&self, staging: &Staging, entity: &str, settings: &Dedupe) -> Result<()> {
        staging.execute(&format!(
            "create or replace temp table linkage_member as select role.*, number, component from ({}) as role \
             join temp.linkage_component using (source_id)",
            self.sql(entity, settings, &[], " and clean.source_id::varchar in (select source_id from temp.linkage_component)")
        ))
    }

    /// Fills [`TABLE`] with every record that has a `source_id`, fillers taken out, and the tables of how rare names are.
    ///
    /// # Errors
    /// Two records of one `source_id`, an expression of the settings that DuckDB refuses.
    pub(super) fn build(&self, staging: &Staging, entity: &str, settings: &Dedupe) -> Result<u64> {
        let clean = format!("from clean.{} where source_id is not null", quoted(entity));
        let twice: u64 = staging.value(&format!("select count(*) - count(distinct source_id) {clean}"))?;
        if twice > 0 {
            return Err(Failure::failed(t!("dedupe.same_source_id", entity = entity, count = twice))
                .hint(t!("dedupe.same_source_id_hint", entity = entity))
                .into());
        }
        let names = settings.roles.iter().filter(|(_, role)| role.read == Read::Name);
        let names: Vec<String> = names.map(|(role, _)| role.clone()).collect();
        staging.execute(&format!(
            "create or replace temp table linkage_record as \
             with number as (select source_id::varchar as source_id, (row_number() over (order by source_id::varchar) - 1)::uinteger as id {clean}) \
             select number.id, source.* from ({}) as source join number using (source_id)",
            self.sql(entity, settings, &names, "")
        ))
        .map_err(|error| self.culprit(staging, entity, settings, &names, error))?;
        let records = staging.value(&format!("select count(*) from {TABLE}"))?;
        filler::remove(staging, settings, records)?;
        for role in names_of(settings) {
            // log2 of how much rarer a value is than two random records would agree on: it adds to the weight of agreement.
            staging.execute(&format!(
                "create or replace temp table {rarity} as \
                 with value as (select {name} as value, count(*)::double as records from {TABLE} where {name} is not null group by 1), \
                 total as (select sum(records) as filled, sum(records * records) / pow(sum(records), 2) as two_agree from value) \
                 select value, log2(two_agree / (greatest(records, 2) / filled)) as bits from value cross join total",
                rarity = quoted(&rarity_table(&role)),
                name = quoted(&role),
            ))?;
        }
        Ok(records)
    }

    /// Drops what [`build`](Self::build) made.
    ///
    /// # Errors
    /// DuckDB failing.
    pub(super) fn drop(staging: &Staging, settings: &Dedupe) -> Result<()> {
        let rarities = names_of(settings).into_iter().map(|role| rarity_table(&role));
        let mut tables = rarities.chain(["linkage_record".to_owned()]);
        tables.try_for_each(|table| staging.execute(&format!("drop table temp.{}", quoted(&table))))
    }

    /// The error of the expression that cannot be computed, by trying each alone.
    fn culprit(
        &self,
        staging: &Staging,
        entity: &str,
        settings: &Dedupe,
        names: &[String],
        error: anyhow::Error,
    ) -> anyhow::Error {
        let fails = |(role, exact): &(&String, &Exact)| {
            let exact = BTreeMap::from([((*role).clone(), (*exact).clone())]);
            let sql = self.sql(entity, &Dedupe { exact, ..settings.clone() }, names, "");
            staging.execute(&format!("select count({}) from ({sql})", quoted(&valid(role)))).is_err()
        };
        let found = settings.exact.iter().find(fails).map(|(_, exact)| &exact.valid);
        match found.and_then(|sql| expressions(settings).find(|expression| expression.sql == sql)) {
            Some(expression) => expression.failed(entity, settings, error),
            None => error,
        }
    }

    /// The names of the columns that play a role.
    pub(super) fn names(&self, role: &str) -> Vec<&str> {
        self.columns.get(role).into_iter().flatten().map(|column| column.name.as_str()).collect()
    }
}

/// How many records of an entity have no `source_id`: nothing is compared with them.
///
/// # Errors
/// DuckDB failing.
pub fn without_source_id(staging: &Staging, entity: &str) -> Result<u64> {
    staging.value(&format!("select count(*)::ubigint from clean.{} where source_id is null", quoted(entity)))
}

/// The roles whose values are rare or frequent names.
fn names_of(settings: &Dedupe) -> BTreeSet<String> {
    let compared = settings.compare.values().filter(|compare| compare.term_frequency);
    compared.flat_map(|compare| compare.roles.iter().cloned()).collect()
}

/// A side of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A column of one side, in a table of [`side_by_side`].
pub(super) fn of(side: Side, column: &str) -> String {
    let side = if side == Side::Left { 'l' } else { 'r' };
    quoted(&format!("{side}.{column}"))
}

/// The columns of both records of a pair, for `select ... from ... join <records> as l ... join <records> as r ...`.
pub(super) fn side_by_side(columns: &[String]) -> String {
    let one = |side: &str, column: &String| {
        format!("{side}.{} as {}", quoted(column), quoted(&format!("{side}.{column}")))
    };
    let both: Vec<String> = columns.iter().flat_map(|column| [one("l", column), one("r", column)]).collect();
    both.join(", ")
}

/// Joins the left and the right record, `l` and `r`, to a table of pairs: its `pair` has the left one's id in its upper 32
/// bits, the right one's in the lower.
pub(super) fn ends(pairs: &str, records: &str) -> String {
    format!(
        "join {records} as l on l.id = ({pairs}.pair >> 32)::uinteger \
         join {records} as r on r.id = ({pairs}.pair & 4294967295)::uinteger"
    )
}

/// The column of a name's phonetic form.
pub(super) fn sound(role: &str) -> String {
    format!("{role}_sound")
}

/// The columns of rarities, and the joins that give them to a pair of [`ends`].
pub(super) fn rarities(settings: &Dedupe) -> (String, String) {
    let (mut columns, mut joins) = (String::new(), String::new());
    for (role, side) in names_of(settings).iter().flat_map(|role| [(role, 'l'), (role, 'r')]) {
        let from = quoted(&format!("{side} {role}"));
        let _ = write!(columns, ", {from}.bits as {}", quoted(&format!("{side}.{}", rarity(role))));
        let _ = write!(
            joins,
            " left join temp.{} as {from} on {from}.value = {side}.{}",
            quoted(&rarity_table(role)),
            quoted(role)
        );
    }
    (columns, joins)
}

/// Bits that the rarest names of a record may add.
///
/// # Errors
/// DuckDB failing.
pub(super) fn most_rarity(staging: &Staging, settings: &Dedupe) -> Result<f64> {
    let most = |role: &String| {
        staging.value::<f64>(&format!(
            "select greatest(coalesce(max(bits), 0), 0) from temp.{}",
            quoted(&rarity_table(role))
        ))
    };
    names_of(settings).iter().map(most).sum()
}

/// The column of a name's skeleton.
pub(super) fn skeleton(role: &str) -> String {
    format!("{role}_skeleton")
}

/// The column of the bits that agreement on a value is worth more than on an average one.
pub(super) fn rarity(role: &str) -> String {
    format!("{role}_rarity")
}

/// The temporary table of a role's values (`value`) and these bits (`bits`).
fn rarity_table(role: &str) -> String {
    format!("linkage_rarity_{role}")
}

/// The column of an exact role's value where it is valid.
pub(super) fn valid(role: &str) -> String {
    format!("{role}_valid")
}

fn columns(staging: &Staging, entity: &str) -> Result<BTreeMap<String, Column>> {
    let rows = staging.rows(
        &format!("select column_name, column_type from (describe clean.{})", quoted(entity)),
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    let column = |(name, data_type): (String, String)| {
        (name.to_lowercase(), Column { is_list: data_type.ends_with("[]"), name })
    };
    Ok(rows.into_iter().map(column).collect())
}

/// The columns of `a + b` that are there, where `a` is.
fn those_there(names: &str, known: &BTreeMap<String, Column>) -> Option<Vec<Column>> {
    let mut names = names.split('+').map(|name| known.get(&name.trim().to_lowercase()));
    let first = names.next()??.clone();
    Some(std::iter::once(first).chain(names.flatten().cloned()).collect())
}

fn missing(entity: &str, role: &str, name: &str, known: &BTreeMap<String, Column>) -> Failure {
    let names: Vec<String> = known.keys().cloned().collect();
    let near = near(name, &names);
    Failure::failed(t!("dedupe.no_column", entity = entity, role = role, column = name, near = near))
}

fn role_sql(read: Read, columns: &[Column]) -> String {
    let each = |column: &Column| -> String {
        let name = format!("clean.{}", quoted(&column.name));
        if column.is_list {
            format!("list_transform({name}, lambda item: {})", cell_sql(read, "item::varchar"))
        } else {
            format!("[{}]", cell_sql(read, &format!("{name}::varchar")))
        }
    };
    match (read, columns) {
        (Read::Phone | Read::Lines, []) => "null::varchar[]".to_owned(),
        (Read::Phone | Read::Lines, columns) => {
            let lists: Vec<String> = columns.iter().map(each).collect();
            let all = format!("list_filter(flatten([{}]), lambda item: item is not null)", lists.join(", "));
            let all = if read == Read::Phone { format!("list_sort(list_distinct({all}))") } else { all };
            format!("(list_filter([{all}], lambda items: length(items) > 0)[1])")
        }
        (Read::Number, []) => "null::double".to_owned(),
        (Read::Number, columns) => {
            let casts: Vec<String> = columns
                .iter()
                .map(|column| format!("try_cast(clean.{} as double)", quoted(&column.name)))
                .collect();
            format!("coalesce({})", casts.join(", "))
        }
        (_, []) => "null::varchar".to_owned(),
        (Read::Name, columns) => {
            let parts: Vec<String> =
                columns.iter().map(|column| format!("clean.{}::varchar", quoted(&column.name))).collect();
            cell_sql(read, &format!("concat_ws(' ', {})", parts.join(", ")))
        }
        (_, columns) => {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| cell_sql(read, &format!("clean.{}::varchar", quoted(&column.name))))
                .collect();
            format!("coalesce({})", cells.join(", "))
        }
    }
}

/// How one cell is read.
fn cell_sql(read: Read, cell: &str) -> String {
    let figures = |cell: &str| format!("regexp_replace({cell}, '[^0-9]', '', 'g')");
    match read {
        Read::Text | Read::Lines => {
            format!(
                "nullif(trim(regexp_replace(strip_accents(lower({cell})), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')), '')"
            )
        }
        Read::Name => {
            format!(
                "nullif(trim(regexp_replace(strip_accents(lower({cell})), '[^\\p{{L}}]+', ' ', 'g')), '')"
            )
        }
        Read::Date => format!("nullif(regexp_extract({}, '^\\d{{8}}'), '')", figures(cell)),
        Read::Code => {
            format!(
                "nullif(upper(regexp_replace(strip_accents({cell}), '[^\\p{{L}}\\p{{N}}]+', '', 'g')), '')"
            )
        }
        Read::Phone => format!("nullif(regexp_extract({}, '\\d{{6,9}}$'), '')", figures(cell)),
        Read::Email => format!("nullif(lower(trim({cell})), '')"),
        Read::Number => format!("try_cast({cell} as double)"),
    }
}
