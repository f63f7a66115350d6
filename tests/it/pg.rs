//! The private PostgreSQL, connections, the catalog, the schema.

mod catalog;
mod connect;
mod embedded;
mod schema;
