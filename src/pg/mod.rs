//! PostgreSQL: a private server, connections to any other one, what its catalog says, and the target's schema.

mod after;
mod backup;
pub mod batches;
pub mod catalog;
pub mod copy;
pub mod crossed;
pub mod embedded;
pub mod fates;
mod holding;
pub mod ledger;
pub mod numbers;
pub mod origins;
mod parameters;
pub mod privileges;
mod read_only;
pub mod replica;
pub mod schema;
pub mod schema_file;
pub mod scratch;
mod secret;
mod session;
mod stalled;
mod target;
mod tls;
pub mod triggers;
mod writings;

pub use after::After;
pub use backup::backup;
pub use holding::Holding;
pub use read_only::ReadOnly;
pub use replica::Lag;
pub use secret::Secret;
pub use session::{Canceller, Purpose, Session, execute};
pub use stalled::watched;
pub use target::{Target, variable};
pub use writings::{Asked, RecordsOf, UNKNOWN, Writings};
