//! What the ledger knows of the rows that a clinic's batches wrote into one table, down to each column.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;
use tokio_postgres::{Client, Row};

use super::ledger::{self, ORIGIN, STORED};
use crate::error;
use crate::model::digests::Digests;
use crate::model::ident::{TableName, literal};
use crate::model::manifest::{Manifest, Origin};
use crate::model::vanished::Gone;

/// The version of the ledger from which on it has digests of columns.
const SINCE: i32 = 6;

/// SQL of the digest of a column of which nobody knows what was pushed.
pub const UNKNOWN: &str = r"'\x0000000000000000'::bytea";

/// By key of a row, what the ledger knows the records by that it was made of: the names of their sources, and their ids there.
pub type RecordsOf = HashMap<String, Vec<(String, String)>>;

/// Rows of a table on alias `t`, of which it is asked whether people changed them.
pub struct Asked<'n> {
    pub table: &'n TableName,
    /// SQL of the row's key as text.
    pub key: String,
    /// None where it is no matter whether people changed them.
    pub digests: Option<Digests<'n>>,
}

/// The completed batches of a clinic and an origin, of which at least one may have written the table.
#[derive(Debug, Clone)]
pub struct Writings {
    /// The table's code in the ledger.
    pub code: i32,
    /// Its name, as the batches' counts have it.
    table: String,
    /// Oldest first, each with the columns that its digests of columns are of.
    batches: Vec<(i32, Vec<String>)>,
    /// Batches of other origins that wrote the table.
    others: Vec<i32>,
}

impl Writings {
    /// Reads them as of a snapshot; none where no batch wrote the table, or there is no ledger.
    pub async fn read(client: &Client, manifest: &Manifest, table: &TableName) -> Result<Option<Self>> {
        Self::of(client, (manifest.clinic.as_str(), manifest.origin), table).await
    }

    /// Reads those of a clinic and an origin, before there is a snapshot.
    pub async fn of(
        client: &Client,
        (clinic, origin): (&str, Origin),
        table: &TableName,
    ) -> Result<Option<Self>> {
        if !ledger::exists(client).await? {
            return Ok(None);
        }
        let name = table.to_string();
        let code = client.query_opt("select code from trasvase.name where name = $1", &[&name]).await;
        let code = code.map_err(|error| error::postgres(&error))?.map(|row| row.get(0));
        let shape = ledger::version(client).await? >= SINCE;
        let sent = if shape { "(shape -> $2::text -> 'sent')::text" } else { "left($2::text, 0)" };
        let sql = format!(
            "select number, {sent}, {ORIGIN} = $3, counts -> $2::text is not null from trasvase.batch \
             where clinic = $1 and status = 'completed' order by number"
        );
        let rows = client.query(&sql, &[&clinic, &name, &origin.as_str()]).await;
        let rows = rows.map_err(|error| error::postgres(&error))?;
        let (ours, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.get(2));
        let others = others.into_iter().filter(|row| row.get(3)).map(|row| row.get(0)).collect();
        let batch = |row: &Row| {
            let sent = row.get::<_, Option<&str>>(1).filter(|sent| !sent.is_empty());
            Ok((row.get(0), sent.map(serde_json::from_str).transpose()?.unwrap_or_default()))
        };
        let batches = ours.into_iter().map(batch).collect::<Result<Vec<(i32, Vec<String>)>>>()?;
        Ok(code.filter(|_| !batches.is_empty()).map(|code| Self { code, table: name, batches, others }))
    }

    /// The numbers of the batches, for a list in SQL.
    pub fn numbers(&self) -> String {
        self.batches.iter().map(|(number, _)| number.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// A condition on alias `d` of `trasvase.row_digest`: the clinic's rows of the table.
    pub fn condition(&self) -> String {
        let numbers: Vec<i32> = self.batches.iter().map(|(number, _)| *number).collect();
        ledger::written_by(&numbers, self.code)
    }

    /// The ledger's rows `d`, for a FROM clause, beside which [`Self::whole_sql`] stands.
    pub fn digests_sql(&self) -> String {
        if self.others.is_empty() {
            return "trasvase.row_digest d".to_owned();
        }
        format!(
            "trasvase.row_digest d left join (select distinct on (d.key) d.key, d.batch, {STORED} as stored from trasvase.row_digest d \
             where {} order by d.key, d.batch desc) later on later.key = d.key and later.batch > d.batch",
            ledger::written_by(&self.others, self.code)
        )
    }

    /// SQL of the digest of the whole row `d` as the last batch left it, of whatever origin: one that filled in a column
    /// did not edit the row.
    pub fn whole_sql(&self) -> &'static str {
        if self.others.is_empty() { STORED } else { "coalesce(later.stored, d.stored, d.sent)" }
    }

    /// A query of those keys, among the ones that a query of one column gives, whose row the batches wrote and did not take
    /// away again: where the table has no such row any more, people deleted it.
    ///
    /// A batch that changed a row and has no digest of it took it away. What it took away a purge may have destroyed: then
    /// nobody knows, and the row counts as taken away.
    pub fn standing_sql(&self, keys: &str) -> String {
        let numbers = self.numbers();
        let table = literal(&self.table);
        let took = ["deleted", "retired", "repointed"]
            .map(|kind| format!("coalesce((b.counts -> {table} ->> '{kind}')::bigint, 0)"))
            .join(" + ");
        format!(
            "select d.key from (select d.key, max(d.batch) as batch from trasvase.row_digest d \
             where {written} and d.key in ({keys}) group by d.key) d \
             where not exists (select from trasvase.change c where c.batch in ({numbers}) and c.batch > d.batch \
             and c.target_table = {code} and c.key = d.key) \
             and not exists (select from trasvase.batch b where b.number in ({numbers}) and b.number > d.batch \
             and to_jsonb(b) ->> 'purged_at' is not null and {took} > 0)",
            written = self.condition(),
            code = self.code,
        )
    }

    /// A query of rows that meet a condition on `t` and that the batches wrote, or that `reached` holds for: `key`, `known`
    /// (a batch wrote it), `reached`, `edited`. `narrow` narrows the digests `d` down that are looked at.
    pub fn gone_sql(
        written: Option<&Self>,
        asked: &Asked<'_>,
        (which, reached): (&str, &str),
        narrow: &str,
    ) -> String {
        let names = asked.digests.iter().flat_map(|digests| digests.columns.iter().map(|(name, _)| *name));
        let names: Vec<&str> = names.collect();
        let known = match written {
            None => "select null::text collate \"C\" as key, null::bytea as whole, false as columns, null::bytea as stored \
                 where false"
                .to_owned(),
            Some(written) => format!(
                "select distinct on (d.key) d.key, {} as whole, {} as columns, {} as stored from {} where {}{narrow} \
                 order by d.key, d.batch desc",
                written.whole_sql(),
                written.has_columns_sql(),
                if names.is_empty() { "null::bytea".to_owned() } else { written.columns_sql(&names).1 },
                written.digests_sql(),
                written.condition()
            ),
        };
        format!(
            "with known as materialized ({known}) select {key} as key, known.key is not null as known, ({reached}) is true as reached, \
             {edited} as edited from {table} t left join known on known.key = ({key}) collate \"C\" \
             where ({which}) and (known.key is not null or ({reached}))",
            key = asked.key,
            edited = asked.digests.as_ref().map_or_else(|| "false".to_owned(), Digests::edited_sql),
            table = asked.table.quoted(),
        )
    }

    /// A query of what the ledger knows the records by that rows with the keys of another query were made of: `key`, `sources`
    /// and `ids`, two arrays side by side.
    pub fn records_sql(&self, keys: &str) -> String {
        format!(
            "select e.target_key as key, array_agg(n.name) as sources, array_agg(e.source_id) as ids from \
             (select distinct e.type, e.source_id, e.target_key from trasvase.external_id e where e.batch in ({}) \
             and e.target_table = {} and e.target_key in ({keys})) e join trasvase.name n on n.code = e.type group by 1",
            self.numbers(),
            self.code
        )
    }

    /// What is known of rows with these keys that the snapshot does not have, but for their records and for what refers to them.
    /// `which` is a condition on `t` by the keys `$1`, `reached` of rows that mode `sync` makes equal, by the keys `$2`.
    pub async fn gone(
        &self,
        client: &Client,
        asked: &Asked<'_>,
        (which, reached): (&str, &str),
        (keys, reached_keys): (&[&str], &[&str]),
    ) -> Result<HashMap<String, Gone>> {
        let sql = Self::gone_sql(Some(self), asked, (which, reached), " and d.key = any($1::text[])");
        let rows = client.query(&sql, &[&keys, &reached_keys]).await;
        let gone = |row: &Row| {
            let (known, reached, edited) = (row.get(1), row.get(2), row.get(3));
            (row.get(0), Gone { known, reached, edited, ..Gone::PLAIN })
        };
        Ok(rows.map_err(|error| error::postgres(&error))?.iter().map(gone).collect())
    }

    /// What the ledger knows the records of rows with these keys by.
    pub async fn records(&self, client: &Client, keys: &[&str]) -> Result<RecordsOf> {
        let sql = self.records_sql("select unnest($1::text[])");
        let rows = client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
        let of = |row: &Row| {
            let (sources, ids): (Vec<String>, Vec<String>) = (row.get(1), row.get(2));
            (row.get(0), sources.into_iter().zip(ids).collect())
        };
        Ok(rows.iter().map(of).collect())
    }

    /// Which of these keys are of rows that the batches wrote.
    pub async fn known(&self, client: &Client, keys: &[&str]) -> Result<HashSet<String>> {
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let sql = format!(
            "select distinct d.key from trasvase.row_digest d where {} and d.key = any($1)",
            self.condition()
        );
        let rows = client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// SQL of whether row `d` has digests of columns.
    pub fn has_columns_sql(&self) -> &'static str {
        if self.has_columns() { "(d.columns is not null)" } else { "false" }
    }

    /// SQL of the digests of these columns in row `d`: of what the source said, and of what was stored; each the columns'
    /// one after the other, [`UNKNOWN`] where one is not known.
    pub fn columns_sql(&self, columns: &[&str]) -> (String, String) {
        let places: Vec<Option<String>> = columns.iter().map(|name| self.place_sql(name)).collect();
        let all = |of: &str| {
            let one = |place: &Option<String>| match place {
                None => UNKNOWN.to_owned(),
                Some(place) => format!("coalesce(substring({of} from {place} for 8), {UNKNOWN})"),
            };
            places.iter().map(one).collect::<Vec<_>>().join(" || ")
        };
        (all("d.columns"), all("coalesce(d.stored_columns, d.columns)"))
    }

    fn has_columns(&self) -> bool {
        self.batches.iter().any(|(_, sent)| !sent.is_empty())
    }

    /// SQL of where a column's digest begins; none where no batch has any.
    fn place_sql(&self, name: &str) -> Option<String> {
        let mut places: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (number, sent) in &self.batches {
            if let Some(place) = sent.iter().position(|column| column == name) {
                places.entry(place * 8 + 1).or_default().push(number.to_string());
            }
        }
        let cases: Vec<String> = places
            .iter()
            .map(|(place, numbers)| format!("when d.batch in ({}) then {place}", numbers.join(", ")))
            .collect();
        (!cases.is_empty()).then(|| format!("(case {} end)", cases.join(" ")))
    }
}

impl Digests<'_> {
    /// SQL of whether people changed the row since the push that `known` tells of: the whole row is another than the one that
    /// was stored, or a column is that no later push wrote.
    fn edited_sql(&self) -> String {
        let whole =
            self.whole.as_ref().map_or_else(|| "true".to_owned(), |now| format!("known.whole <> {now}"));
        let changed = self.columns.iter().enumerate().map(|(place, (_, now))| {
            let stored = format!("substring(known.stored from {} for 8)", place * 8 + 1);
            format!("({stored} <> {UNKNOWN} and {stored} <> substring(sha256({now}) for 8))")
        });
        let changed = changed.collect::<Vec<_>>().join(" or ");
        format!("(known.key is not null and ({whole} or (known.columns and ({changed})))) is true")
    }
}
