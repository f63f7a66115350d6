//! S3 and what speaks as it does (MinIO, Supabase Storage): who we are there, what an error means, objects under retention; and
//! Cognito's user pools.
//!
//! Profile, region, credentials and endpoint come from where the AWS tools take them; `.env` may hold them too.

mod access;
mod bucket;
mod lock;
mod multipart;
mod notes;
mod pool;
mod refusal;

pub use access::{Access, Given, private_way};
pub use bucket::{About, Bucket, Stored};
pub use lock::Retention;
pub use multipart::{Lanes, Outgoing};
pub use notes::Notes;
pub use pool::{Denial, Naming, Page, Pool, PoolFacts};
