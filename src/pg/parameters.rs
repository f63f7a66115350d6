//! Connection strings: libpq's parameters, of which the driver knows only some.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::Secret;
use crate::error::Failure;

/// libpq's `sslmode`. `allow` is read as `prefer`, which differs only in what is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// `sslrootcert`: who vouches for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Not named: libpq's own file if there is one.
    Default,
    /// The machine's store.
    System,
    File(PathBuf),
}

/// A connection string, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    pub(super) config: Config,
    pub(super) encryption: Encryption,
    pub(super) roots: Roots,
    /// `tcp_user_timeout`, which here is true of answers too: how long a connection may be silent.
    pub(super) patience: Duration,
}

/// Parameters that libpq knows and that change nothing here.
const IGNORED: [&str; 8] = [
    "gssencmode",
    "krbsrvname",
    "gsslib",
    "sslcompression",
    "sslsni",
    "client_encoding",
    "fallback_application_name",
    "sslcrl",
];

/// Default timeout where the string has none, so that a wrong address does not hang for minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What `tcp_user_timeout` is where the string has none, or 0.
const PATIENCE: Duration = Duration::from_secs(60);

/// When TCP begins to ask whether a silent server is still there, where the string does not say, and how often it asks.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);

impl Parameters {
    /// Takes a connection string apart. `origin` says where it comes from (`DATABASE_URL`).
    ///
    /// # Errors
    /// Names the parameter at fault, never the string: it holds a password.
    pub(super) fn parse(url: &Secret, origin: &str) -> Result<Self> {
        let unreadable =
            || Failure::usage(t!("pg.bad_url", origin = origin)).hint(t!("pg.url_example", origin = origin));
        let mut pieces = Pieces::split(url.expose()).ok_or_else(unreadable)?;
        let mut mode = None;
        let mut roots = Roots::Default;
        let mut patience = PATIENCE;
        let mut idle = None;
        let mut rest = Vec::new();
        for (name, value) in std::mem::take(&mut pieces.pairs) {
            match name.as_str() {
                "sslmode" => mode = Some(parse_mode(&value, origin)?),
                "sslrootcert" if value == "system" => roots = Roots::System,
                "sslrootcert" => roots = Roots::File(PathBuf::from(value)),
                "sslcert" | "sslkey" | "service" | "passfile" | "sslpassword" => {
                    return Err(
                        Failure::usage(t!("pg.unsupported_parameter", origin = origin, name = name)).into()
                    );
                }
                // Milliseconds, as libpq has it; the driver takes it for seconds.
                "tcp_user_timeout" => {
                    let milliseconds = value.parse().map_err(|_| unreadable())?;
                    patience = Some(Duration::from_millis(milliseconds))
                        .filter(|one| !one.is_zero())
                        .unwrap_or(PATIENCE);
                }
                "keepalives_idle" => idle = Some(value.parse().map_err(|_| unreadable())?),
                "keepalives_count" => rest.push(("keepalives_retries".to_owned(), value)),
                ignored if IGNORED.contains(&ignored) => {}
                _ => rest.push((name, value)),
            }
        }
        let encryption = settle(mode, &roots, origin)?;
        let mut config: Config = pieces.rest_with(&rest).parse().map_err(|_| unreadable())?;
        complete(&mut config, encryption);
        keep_alive(&mut config, idle.map(Duration::from_secs), patience);
        Ok(Self { config, encryption, roots, patience })
    }

    /// The password, to be scrubbed from whatever a driver says.
    pub(super) fn password(&self) -> Secret {
        Secret::new(String::from_utf8_lossy(self.config.get_password().unwrap_or_default()))
    }

    /// `host:port` of each server, or the socket's folder.
    pub(super) fn address(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(position, host)| match host {
            Host::Tcp(name) => {
                let port = ports.get(position).or_else(|| ports.first()).copied().unwrap_or(5432);
                format!("{name}:{port}")
            }
            Host::Unix(path) => path.display().to_string(),
        });
        hosts.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.user())
    }
}

/// A string cut into what the driver parses itself and its named parameters.
struct Pieces<'a> {
    /// The URL up to its query; empty for `key=value` strings.
    front: &'a str,
    pairs: Vec<(String, String)>,
}

impl<'a> Pieces<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let Some(scheme) =
            ["postgres://", "postgresql://"].into_iter().find(|scheme| text.starts_with(scheme))
        else {
            // A URL of something else must not be read as `key=value`.
            return if text.contains("://") {
                None
            } else {
                Some(Self { front: "", pairs: key_values(text)? })
            };
        };
        let credentials = text[scheme.len()..].find('@').map_or(scheme.len(), |at| scheme.len() + at);
        let Some(question) = text[credentials..].find('?') else {
            return Some(Self { front: text, pairs: Vec::new() });
        };
        let (front, query) = text.split_at(credentials + question);
        let pairs = query[1..].split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((unescaped(name)?, unescaped(value)?))
        });
        Some(Self { front, pairs: pairs.collect::<Option<_>>()? })
    }

    /// The string with other parameters in place of its own.
    fn rest_with(&self, pairs: &[(String, String)]) -> String {
        if self.front.is_empty() {
            let quote = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
            let words: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{name}='{}'", quote(value))).collect();
            return words.join(" ");
        }
        let words: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        if words.is_empty() { self.front.to_owned() } else { format!("{}?{}", self.front, words.join("&")) }
    }
}

/// libpq's `key = 'value'` words; a backslash takes the next character as it is.
fn key_values(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start())?;
        pairs.push((name.trim().to_owned(), value));
        rest = after.trim_start();
    }
    Some(pairs)
}

fn value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut out = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => out.push(characters.next()?.1),
            '\'' if quoted => return Some((out, &text[at + 1..])),
            space if !quoted && space.is_whitespace() => return Some((out, &text[at..])),
            plain => out.push(plain),
        }
    }
    (!quoted).then_some((out, ""))
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes all but what is plain in a URL's path and query.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn parse_mode(text: &str, origin: &str) -> Result<Encryption> {
    Ok(match text {
        "disable" => Encryption::Disable,
        "allow" | "prefer" => Encryption::Prefer,
        "require" => Encryption::Require,
        "verify-ca" => Encryption::VerifyCa,
        "verify-full" => Encryption::VerifyFull,
        _ => return Err(Failure::usage(t!("pg.bad_sslmode", origin = origin)).into()),
    })
}

/// As libpq: `sslrootcert=system` means verify-full and allows nothing weaker; a root file makes `require` verify.
fn settle(mode: Option<Encryption>, roots: &Roots, origin: &str) -> Result<Encryption> {
    match (mode, roots) {
        (None | Some(Encryption::VerifyFull), Roots::System) => Ok(Encryption::VerifyFull),
        (Some(_), Roots::System) => Err(Failure::usage(t!("pg.weak_sslmode", origin = origin)).into()),
        (Some(Encryption::Require), Roots::File(_)) => Ok(Encryption::VerifyCa),
        (mode, _) => Ok(mode.unwrap_or(Encryption::Prefer)),
    }
}

/// Has TCP notice a server that is gone, or does not read.
fn keep_alive(config: &mut Config, idle: Option<Duration>, patience: Duration) {
    let (default, interval, retries) = KEEPALIVE;
    config.tcp_user_timeout(patience).keepalives_idle(idle.unwrap_or(default));
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(interval);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(retries);
    }
}

/// Fills in what libpq would, and what every session of ours has.
fn complete(config: &mut Config, encryption: Encryption) {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        let folder = ["/var/run/postgresql", "/tmp"]
            .into_iter()
            .find(|folder| Path::new(folder).join(".s.PGSQL.5432").exists());
        config.host(folder.unwrap_or("localhost"));
    }
    if config.get_user().is_none() {
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten();
        config.user(user.map_or_else(|| "postgres".to_owned(), |user| user.name));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    config.application_name("trasvase");
    // A Unix socket has no TLS, whatever is asked for.
    let local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    config.ssl_mode(match encryption {
        _ if local => SslMode::Disable,
        Encryption::Disable => SslMode::Disable,
        Encryption::Prefer => SslMode::Prefer,
        Encryption::Require | Encryption::VerifyCa | Encryption::VerifyFull => SslMode::Require,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Parameters {
        Parameters::parse(&Secret::new(url), "DATABASE_URL").unwrap()
    }

    fn refused(url: &str) -> String {
        format!("{:?}", Parameters::parse(&Secret::new(url), "DATABASE_URL").unwrap_err())
    }

    #[test]
    fn both_forms_say_the_same() {
        for text in [
            "postgresql://ana:s%40crt@db.example:6543/clinic?sslmode=verify-full&sslrootcert=/x%20y/ca.pem&gssencmode=disable",
            r"host=db.example port=6543 user=ana password='s@crt' dbname = clinic sslmode=verify-full sslrootcert='/x y/ca.pem'",
        ] {
            let one = parsed(text);
            assert_eq!(
                (one.address().as_str(), one.user(), one.database()),
                ("db.example:6543", "ana", "clinic")
            );
            assert_eq!(one.config.get_password(), Some(&b"s@crt"[..]));
            assert_eq!(one.encryption, Encryption::VerifyFull);
            assert_eq!(one.roots, Roots::File("/x y/ca.pem".into()));
            assert_eq!(one.config.get_ssl_mode(), SslMode::Require);
        }
    }

    #[test]
    fn every_sslmode_is_read_as_libpq_does() {
        for (text, encryption) in [
            ("", Encryption::Prefer),
            ("?sslmode=disable", Encryption::Disable),
            ("?sslmode=allow", Encryption::Prefer),
            ("?sslmode=prefer", Encryption::Prefer),
            ("?sslmode=require", Encryption::Require),
            ("?sslmode=require&sslrootcert=/ca.pem", Encryption::VerifyCa),
            ("?sslmode=verify-ca", Encryption::VerifyCa),
            ("?sslrootcert=system", Encryption::VerifyFull),
        ] {
            assert_eq!(parsed(&format!("postgres://u@h/d{text}")).encryption, encryption, "{text}");
        }
        assert!(refused("postgres://u@h/d?sslmode=require&sslrootcert=system").contains("verify-full"));
        assert!(refused("postgres://u@h/d?sslmode=yes").contains("sslmode"));
    }

    #[test]
    fn a_socket_has_no_tls_and_escapes_survive() {
        let one = parsed("postgresql://trasvase@/a%20b?host=/tmp/s%27&sslmode=require&options=-c%20role%3Dx");
        assert_eq!(one.config.get_ssl_mode(), SslMode::Disable);
        assert_eq!((one.address().as_str(), one.database()), ("/tmp/s'", "a b"));
        assert_eq!(one.config.get_options(), Some("-c role=x"));
        let quoted = parsed(r"host=/tmp user=x password='it\'s a \\ secret'");
        assert_eq!(quoted.config.get_password(), Some(&br"it's a \ secret"[..]));
    }

    #[test]
    fn a_silent_connection_is_noticed_as_libpq_would() {
        let one = parsed("postgres://u@h/d");
        assert_eq!((one.patience, one.config.get_keepalives_idle()), (PATIENCE, KEEPALIVE.0));
        assert_eq!(one.config.get_tcp_user_timeout(), Some(&PATIENCE));
        let other = parsed("postgres://u@h/d?tcp_user_timeout=2500&keepalives_idle=7&keepalives_count=9");
        assert_eq!(
            (other.patience, other.config.get_keepalives_idle()),
            (Duration::from_millis(2500), Duration::from_secs(7))
        );
        assert_eq!(
            (other.config.get_keepalives_retries(), other.config.get_keepalives_interval()),
            (Some(9), Some(KEEPALIVE.1))
        );
        assert_eq!(parsed("postgres://u@h/d?tcp_user_timeout=0").patience, PATIENCE);
    }

    #[test]
    fn a_string_that_cannot_be_read_is_never_shown() {
        for bad in [
            "postgres://ana:hunter2@h:notaport/d",
            "mysql://ana:hunter2@h/d",
            "hunter2",
            "password='hunter2",
            "postgres://ana:hunter2@h/d?hunter2",
            "postgres://ana:hunter2@h/d?passwd=hunter2",
            "host=h hunter2=1 x",
            "postgres://ana:x@h/d?sslkey=hunter2",
            "postgres://ana:x@h/d?sslmode=hunter2",
        ] {
            let text = refused(bad);
            assert!(!text.contains("hunter2") && text.contains("DATABASE_URL"), "{bad}: {text}");
        }
    }
}
