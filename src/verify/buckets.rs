//! 256 buckets of row digests, from the snapshot and from the server.
//!
//! A row's bucket comes from the last two bytes of its key, so that a row that differs makes one bucket unequal, and the
//! rows of unequal buckets can be asked for without digesting all others again (DESIGN §4 has a digest of the key, which costs
//! as much as a tenth of the row's). A bucket holds the number of its rows and, as a sum that does not depend on order, the
//! first 64 bits of their digests (as signed integers, added without overflow): the odds that a change goes unseen are one
//! in 2⁶⁴. The second half would tell no more of honest mistakes, and takes a tenth of the server's time.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Options;
use crate::codec::{RowHash, TableCodec};
use crate::error;
use crate::model::hex;
use crate::model::manifest::TableEntry;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    rows: u64,
    sum: i128,
}

/// The buckets of one side.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Buckets(Vec<Bucket>);

impl Buckets {
    pub(super) fn empty() -> Self {
        Self(vec![Bucket::default(); 256])
    }

    pub(super) fn add(&mut self, key: &str, digest: &RowHash) {
        let bucket = &mut self.0[usize::from(bucket_of(key))];
        bucket.rows += 1;
        bucket.sum += half(digest);
    }

    /// Takes out a row that was added: it is somebody else's.
    pub(super) fn remove(&mut self, key: &str, digest: &RowHash) {
        let bucket = &mut self.0[usize::from(bucket_of(key))];
        bucket.rows = bucket.rows.saturating_sub(1);
        bucket.sum -= half(digest);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.rows).sum()
    }

    /// A hash over all of them, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for bucket in &self.0 {
            hash.update(bucket.rows.to_be_bytes());
            hash.update(bucket.sum.to_be_bytes());
        }
        hex(hash.finalize())
    }

    /// How many rows these buckets have.
    pub(super) fn rows_in(&self, buckets: &[u8]) -> u64 {
        buckets.iter().map(|n| self.0[usize::from(*n)].rows).sum()
    }

    /// The numbers of the buckets that are not the same on both sides.
    pub(super) fn unequal(&self, other: &Buckets) -> Vec<u8> {
        (0..=u8::MAX).filter(|n| self.0[usize::from(*n)] != other.0[usize::from(*n)]).collect()
    }
}

fn half(digest: &RowHash) -> i128 {
    i128::from(i64::from_be_bytes(*digest.first_chunk().expect("eight of 32 bytes")))
}

/// The bucket of a row, by its key as [`TableCodec::key_text`] gives it.
pub(super) fn bucket_of(key: &str) -> u8 {
    let mut last = key.bytes().rev().chain([b' ', b' ']);
    let mut next = || last.next().unwrap_or_default();
    next().wrapping_add(next().wrapping_mul(8))
}

/// SQL of [`bucket_of`] for a table alias.
pub(super) fn bucket_sql(codec: &TableCodec, alias: &str) -> String {
    bucket_of_bytes_sql(&bytes_sql(codec, alias))
}

/// SQL of a key's bytes in UTF-8, as every session has it, two at least. `convert_to` takes twice as long.
fn bytes_sql(codec: &TableCodec, alias: &str) -> String {
    format!("textsend('  ' || {})", codec.key_sql(alias))
}

fn bucket_of_bytes_sql(bytes: &str) -> String {
    format!("(get_byte({bytes}, length({bytes}) - 1) + 8 * get_byte({bytes}, length({bytes}) - 2)) & 255")
}

/// The buckets of the server's rows that meet `condition`, and how many of them meet `tenanted`.
pub(super) async fn of_server(
    options: &Options<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: &str,
    tenanted: Option<&str>,
) -> Result<(Buckets, Option<u64>)> {
    // What nobody asks for is not counted: it would take a tenth of the time.
    let (counted, column) = match tenanted {
        Some(tenanted) => ("count(*) filter (where tenanted)", format!(", {tenanted} as tenanted")),
        None => ("0::bigint", String::new()),
    };
    // The offset keeps the planner from writing key and digest out, and so computing them, several times. As a literal
    // without a type it is a constant from the start: `offset 0` is still to be cast, which forbids workers to add up
    // their parts.
    let sql = format!(
        "select {} as bucket, count(*), sum(('x' || encode(substring(digest for 8), 'hex'))::bit(64)::bigint)::text, \
         {counted} from (select {} as key, {} as digest{column} from {} t where {condition} offset '0') rows \
         group by bucket",
        bucket_of_bytes_sql("key"),
        bytes_sql(codec, "t"),
        codec.digest_sql("t"),
        entry.table.quoted(),
    );
    let (mut buckets, mut of_tenant) = (Buckets::empty(), 0);
    for row in options.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))? {
        let number: i32 = row.get(0);
        let bucket = &mut buckets.0[usize::try_from(number)?];
        bucket.rows = u64::try_from(row.get::<_, i64>(1))?;
        bucket.sum = row.get::<_, &str>(2).parse()?;
        of_tenant += u64::try_from(row.get::<_, i64>(3))?;
    }
    Ok((buckets, tenanted.map(|_| of_tenant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_do_not_depend_on_order_and_see_another_digest() {
        let (a, b, c) = (("1", [1_u8; 32]), ("2", [2_u8; 32]), ("3", [3_u8; 32]));
        let of = |rows: &[&(&str, RowHash)]| {
            let mut buckets = Buckets::empty();
            rows.iter().for_each(|(key, digest)| buckets.add(key, digest));
            buckets
        };
        let mut without = of(&[&a, &b]);
        without.remove(b.0, &b.1);
        assert_eq!(without, of(&[&a]));
        assert_eq!(of(&[&a, &b]), of(&[&b, &a]));
        assert_eq!(of(&[&a, &b]).unequal(&of(&[&a, &c])), [bucket_of("2"), bucket_of("3")]);
        let mut changed = a;
        changed.1[7] = 9;
        assert_eq!(of(&[&a, &b]).unequal(&of(&[&changed, &b])), [bucket_of("1")]);
        assert_eq!(bucket_of(""), b' '.wrapping_mul(9));
    }
}
