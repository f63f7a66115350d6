//! Numbers for the placeholders of new integer keys: those that the ledger knows, and new ones of the table's sequence.

use std::pin::pin;

use anyhow::Result;
use futures_util::TryStreamExt as _;
use tokio_postgres::{Client, Row};

use super::copy::{Copy, append_text};
use super::{execute, ledger};
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::{Numbers, Record};

/// First half of the advisory lock of a clinic whose rows get numbers.
const LOCK_CLASS: i32 = 0x7472_7377;

/// A placeholder, and the number that it was given before.
type Found = (i64, Option<i64>);

/// A table with new keys, and whose rows these are.
pub struct Table<'a> {
    pub client: &'a Client,
    pub clinic: &'a str,
    pub product: &'a str,
    pub name: &'a TableName,
    /// Its primary key.
    pub key: &'a str,
}

/// A FROM clause of what a sequence counts by (`increment`, below zero where it counts down) and its `next` number.
pub fn next_sql(sequence: &str) -> String {
    format!(
        "(select kept.seqincrement as increment, \
         now.last_value + case when now.is_called then kept.seqincrement else 0 end as next \
         from {sequence} now, pg_sequence kept where kept.seqrelid = {}::regclass)",
        literal(sequence)
    )
}

impl Table<'_> {
    /// The numbers that the ledger knows. A row that it does not know gets one that no row has, but that is not kept for
    /// it. Must run in a transaction.
    pub async fn known(&self, records: impl Iterator<Item = Result<Record>>) -> Result<Numbers> {
        let found = self.look_up(records).await?;
        let free = self.free(&found).await?;
        Ok(fill(found, free))
    }

    /// The numbers that the ledger knows, and for the other rows new ones of the sequence, in the order of the
    /// placeholders. Must run in the transaction that writes them down: until its end no other push of the clinic gets here.
    ///
    /// PostgreSQL does not take numbers back when a transaction is rolled back: then they are a gap, as any product leaves.
    pub async fn reserved(
        &self,
        sequence: &str,
        records: impl Iterator<Item = Result<Record>>,
    ) -> Result<Numbers> {
        let lock = format!("select pg_advisory_xact_lock({LOCK_CLASS}, hashtext({}))", literal(self.clinic));
        execute(self.client, &lock).await?;
        let found = self.look_up(records).await?;
        let new = self.reserve(sequence, &found).await?;
        Ok(fill(found, new))
    }

    /// Numbers for the rows without one, from 1, that neither a row of the table nor another of these has.
    async fn free(&self, found: &[Found]) -> Result<Vec<i64>> {
        let given = given(found);
        let other = |number: &i64| given.binary_search(number).is_err();
        let (mut free, count) = (Vec::new(), found.len() - given.len());
        if count == 0 {
            return Ok(free);
        }
        let table = self.name.quoted();
        let series = format!("generate_series(1::bigint, {} + (select count(*) from {table}))", found.len());
        let sql = format!(
            "select number.number from {series} number where {} order by 1 limit {}",
            self.is_free(),
            found.len()
        );
        self.each(&sql, |row| {
            free.extend(Some(row.get(0)).filter(other));
        })
        .await?;
        free.truncate(count);
        Ok(free)
    }

    /// Numbers of the sequence for the rows without one, ascending, but none that a row has already: whoever writes keys
    /// himself leaves the sequence behind.
    async fn reserve(&self, sequence: &str, found: &[Found]) -> Result<Vec<i64>> {
        let given = given(found);
        let other = |number: &i64| given.binary_search(number).is_err();
        let (mut new, count) = (Vec::new(), found.len() - given.len());
        while new.len() < count {
            error::interrupt::check()?;
            let sql = format!(
                "select number.number from (select nextval({}::regclass) as number from generate_series(1, {}) offset 0) number \
                 where {}",
                literal(sequence),
                count - new.len(),
                self.is_free(),
            );
            self.each(&sql, |row| {
                new.extend(Some(row.get(0)).filter(other));
            })
            .await?;
        }
        new.sort_unstable();
        Ok(new)
    }

    /// A condition on `number.number`: no row of the table has it.
    fn is_free(&self) -> String {
        format!(
            "not exists (select 1 from {} t where t.{} = number.number)",
            self.name.quoted(),
            quoted(self.key)
        )
    }

    /// Each placeholder with the number that the clinic's completed batches gave its record, the first placeholder (-1)
    /// first.
    async fn look_up(&self, records: impl Iterator<Item = Result<Record>>) -> Result<Vec<Found>> {
        self.send(records).await?;
        let known = match ledger::exists(self.client).await? {
            true => self.known_sql(ledger::version(self.client).await?),
            false => "select null, null, null::bigint".to_owned(),
        };
        let sql = format!(
            "select p.placeholder, k.number from trasvase_placeholder p \
             left join ({known}) k(kind, source_id, number) on k.kind = p.kind and k.source_id = p.source_id \
             order by p.placeholder desc"
        );
        let mut found = Vec::new();
        self.each(&sql, |row| found.push((row.get(0), row.get(1)))).await?;
        Ok(found)
    }

    /// Also of batches that were taken back, where the record's row was left.
    fn known_sql(&self, version: i32) -> String {
        let left = match version {
            ..=6 => "",
            _ => {
                " or b.status = 'rolled_back' and exists (select 1 from trasvase.left_behind l \
                  where l.target_table = e.target_table and l.key = e.target_key)"
            }
        };
        format!(
            "select distinct on (n.name, e.source_id) n.name, e.source_id, e.target_key::bigint \
             from trasvase.external_id e join trasvase.name n on n.code = e.type \
             join trasvase.batch b on b.number = e.batch and b.clinic = {} and (b.status = 'completed'{left}) \
             where e.source = {} and e.target_table = {} order by n.name, e.source_id, e.batch desc",
            literal(self.clinic),
            ledger::code_sql(self.product),
            ledger::code_sql(&self.name.to_string()),
        )
    }

    /// Sends the records into `trasvase_placeholder`, so that the server looks them up as one set.
    async fn send(&self, records: impl Iterator<Item = Result<Record>>) -> Result<()> {
        let sql = "drop table if exists pg_temp.trasvase_placeholder; \
             create temporary table trasvase_placeholder (placeholder bigint, kind text collate \"C\", source_id text collate \"C\") \
             on commit drop";
        execute(self.client, sql).await?;
        let mut copy =
            Copy::start(self.client, "copy trasvase_placeholder from stdin (format binary)").await?;
        for record in records {
            let record = record?;
            let out = copy.row(3);
            out.extend_from_slice(&8_i32.to_be_bytes());
            out.extend_from_slice(&record.placeholder.to_be_bytes());
            append_text(out, &record.kind);
            append_text(out, &record.source_id);
            copy.flush_if_full().await?;
        }
        copy.finish().await?;
        execute(self.client, "analyze trasvase_placeholder").await
    }

    /// Takes the rows of a query one after the other.
    async fn each(&self, sql: &str, mut take: impl FnMut(&Row)) -> Result<()> {
        let none: [i32; 0] = [];
        let rows = self.client.query_raw(sql, none).await.map_err(|error| error::postgres(&error))?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(|error| error::postgres(&error))? {
            take(&row);
        }
        Ok(())
    }
}

/// The numbers that were found, in order.
fn given(found: &[Found]) -> Vec<i64> {
    let mut given: Vec<i64> = found.iter().filter_map(|(_, number)| *number).collect();
    given.sort_unstable();
    given
}

fn fill(found: Vec<Found>, new: Vec<i64>) -> Numbers {
    let mut new = new.into_iter();
    let numbered = |(placeholder, number): Found| Some((placeholder, number.or_else(|| new.next())?));
    Numbers::new(found.into_iter().filter_map(numbered).collect())
}
