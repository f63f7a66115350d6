//! Bad input, bad targets, bad luck: each gives a clear error, the right exit code, and loses nothing.

mod cut;
mod disk;
mod hostile;
mod interrupt;
mod killed;
mod large;
mod midway;
mod proxy;
mod refused;
mod rollback;
mod server;
mod site;
mod source;
mod staging;
