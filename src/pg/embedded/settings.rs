//! The private server's configuration files, written whole at every start.

use std::path::Path;

use anyhow::Result;
use nix::unistd::{Uid, User};

use super::account::Account;
use super::{PORT, SUPERUSER, ServerOptions};

/// Errors stay out of the server's log: their texts quote patients' data.
const COMMON: &str = "\
shared_buffers = 128MB
max_wal_size = 4GB
wal_level = minimal
max_wal_senders = 0
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_min_messages = fatal
log_min_error_statement = panic
log_error_verbosity = terse
";

const DURABLE: &str = "max_connections = 50\n";

const THROWAWAY: &str = "\
max_connections = 100
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
";

/// Peer: the kernel says who is on the socket, so there is no password to keep.
const ACCESS: &str = "\
local all all peer map=trasvase
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
";

pub(super) fn write(data: &Path, socket: &Path, account: &Account, options: &ServerOptions) -> Result<()> {
    account.private_file(&data.join("postgresql.conf"), &text(socket, options))?;
    account.private_file(&data.join("pg_hba.conf"), ACCESS)?;
    account.private_file(&data.join("pg_ident.conf"), &identities(account)?)
}

fn text(socket: &Path, options: &ServerOptions) -> String {
    let mut text = format!("{COMMON}{}", if options.durable { DURABLE } else { THROWAWAY });
    text.push_str(&line("unix_socket_directories", &socket.to_string_lossy()));
    text.push_str(&line("listen_addresses", if options.loopback.is_some() { "localhost" } else { "" }));
    text.push_str(&line("port", &options.loopback.unwrap_or(PORT).to_string()));
    for (name, value) in &options.settings {
        text.push_str(&line(name, value));
    }
    text
}

fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// The operating-system users who may be the superuser: us, and the one the server runs as.
fn identities(account: &Account) -> Result<String> {
    let mut names = vec![account.name.clone()];
    if let Some(user) = User::from_uid(Uid::effective())?.filter(|user| user.name != account.name) {
        names.push(user.name);
    }
    Ok(names.iter().map(|name| format!("trasvase \"{name}\" {SUPERUSER}\n")).collect())
}
