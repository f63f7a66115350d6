//! One integration binary, since every extra one links DuckDB again.

mod cases;
mod cli;
mod codec;
mod load;
mod pg;
mod pipeline;
mod support;
mod transform;
