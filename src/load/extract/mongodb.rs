//! Asks a MongoDB for collections: each becomes a file as `mongodump` writes it, document behind document, in the order of
//! their `_id`, so that the same documents are the same file.
//!
//! Only `find` is sent. A replica set or a cluster shows all collections at one moment, where it keeps one long enough.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use mongodb::bson::{Bson, DateTime, Decimal128, Document, RawDocument, RawDocumentBuf, doc, oid::ObjectId};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::ClientOptions;
use mongodb::{Client, ClientSession, Collection};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use super::{Extracted, Wanted, create, cursor};
use crate::error::{Cause, Failure, interrupt};
use crate::model::run::{Event, Observer, Stage};
use crate::pg::Secret;
use crate::sources::of_bson;

/// How long a server is looked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first version of the wire protocol (that of MongoDB 5.0) with snapshots.
const SNAPSHOTS: i32 = 13;

/// Writes each source's extract.
///
/// # Errors
/// No connection, no such collection, whatever the server says, with the variable and what to do.
pub(super) fn extract(
    (variable, url): (&str, &Secret),
    wanted: &[Wanted],
    observer: &dyn Observer,
) -> Result<Vec<Extracted>> {
    Runtime::new()?.block_on(ask(variable, url, wanted, observer))
}

async fn ask(
    variable: &str,
    url: &Secret,
    wanted: &[Wanted],
    observer: &dyn Observer,
) -> Result<Vec<Extracted>> {
    let told = |error: &Error| explained(variable, error);
    let mut options = ClientOptions::parse(url.expose()).await.map_err(|error| told(&error))?;
    options.app_name = Some("trasvase".to_owned());
    options.server_selection_timeout = options.server_selection_timeout.or(Some(PATIENCE));
    let client = Client::with_options(options).map_err(|error| told(&error))?;
    let mut collections = Vec::new();
    for one in wanted {
        collections.push(collection(&client, variable, one).await?);
    }
    if has_snapshots(&client).await.map_err(|error| told(&error))? {
        match copy(&client, variable, wanted, &collections, true).await? {
            Ok(counts) => return Ok(counts),
            Err(_) => observer.event(&Event::Note {
                stage: Stage::Load,
                text: &t!("load.mongodb.no_snapshot", variable = variable),
            }),
        }
    }
    copy(&client, variable, wanted, &collections, false).await?.map_err(|error| told(&error))
}

type Raw = Collection<RawDocumentBuf>;

/// The collection that clinic.toml names; none where it may be missing and is.
async fn collection(client: &Client, variable: &str, wanted: &Wanted) -> Result<Option<Raw>> {
    let name = wanted.config.collection.as_deref().unwrap_or_default();
    let places = client.default_database().map(|database| (database, name)).into_iter();
    let split = name.split_once('.').map(|(database, name)| (client.database(database), name));
    let mut known = Vec::new();
    for (database, name) in places.chain(split) {
        let names = database.list_collection_names().await.map_err(|error| explained(variable, &error))?;
        if names.iter().any(|one| one == name) {
            return Ok(Some(database.collection(name)));
        }
        known.extend(names.iter().map(|name| format!("{}.{name}", database.name())));
    }
    if wanted.config.optional_columns.is_some() {
        return Ok(None);
    }
    known.sort();
    let message =
        t!("load.mongodb.no_collection", source = wanted.source, variable = variable, collection = name);
    let hint = match known.is_empty() {
        true => t!("load.mongodb.no_database_hint", variable = variable),
        false => t!("documents.collections_hint", names = known.join(", ")),
    };
    Err(Failure::usage(message).hint(hint).into())
}

async fn has_snapshots(client: &Client) -> Result<bool, Error> {
    let hello = client.database("admin").run_command(doc! { "hello": 1 }).await?;
    let is_set =
        hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|message| message == "isdbgrid");
    Ok(is_set && hello.get_i32("maxWireVersion").unwrap_or(0) >= SNAPSHOTS)
}

/// Writes all collections; what the server says is inside, what is wrong with the disk outside.
async fn copy(
    client: &Client,
    variable: &str,
    wanted: &[Wanted],
    collections: &[Option<Raw>],
    snapshot: bool,
) -> Result<Result<Vec<Extracted>, Error>> {
    let mut session = None;
    if snapshot {
        match client.start_session().snapshot(true).await {
            Ok(begun) => session = Some(begun),
            Err(error) => return Ok(Err(error)),
        }
    }
    let mut counts = Vec::new();
    for (one, collection) in wanted.iter().zip(collections) {
        let Some(collection) = collection else {
            counts.push(Extracted::Missing);
            continue;
        };
        let mut output = Output::new(one)?;
        let filter = one.config.cursor.as_deref().zip(one.since.as_deref());
        let text_from = one.text_from.as_deref().unwrap_or_default();
        let filter = filter.map(|(column, since)| later(cursor::field(column), since, text_from));
        let filter = filter.unwrap_or_default();
        match documents(collection, filter, session.as_mut(), &mut output).await {
            Ok(Ok(())) => counts.push(Extracted::Records(output.finish()?)),
            Ok(Err(error)) => return Ok(Err(error)),
            Err(error) => {
                return Err(error.context(t!("load.pg.asked", source = one.source, variable = variable)));
            }
        }
    }
    Ok(Ok(counts))
}

async fn documents(
    collection: &Raw,
    filter: Document,
    session: Option<&mut ClientSession>,
    output: &mut Output<'_>,
) -> Result<Result<(), Error>> {
    let find = collection.find(filter).sort(doc! { "_id": 1 });
    match session {
        Some(session) => {
            let mut cursor = match find.session(&mut *session).await {
                Ok(cursor) => cursor,
                Err(error) => return Ok(Err(error)),
            };
            loop {
                match cursor.advance(session).await {
                    Ok(true) => output.write(cursor.current())?,
                    Ok(false) => return Ok(Ok(())),
                    Err(error) => return Ok(Err(error)),
                }
            }
        }
        None => {
            let mut cursor = match find.await {
                Ok(cursor) => cursor,
                Err(error) => return Ok(Err(error)),
            };
            loop {
                match cursor.advance().await {
                    Ok(true) => output.write(cursor.current())?,
                    Ok(false) => return Ok(Ok(())),
                    Err(error) => return Ok(Err(error)),
                }
            }
        }
    }
}

/// Documents whose cursor is the text that `raw` holds of it or greater, or that have none: one may come late, with the cursor
/// of others. A comparison meets values of its own type only; texts are asked for from `text_from` on.
fn later(cursor: &str, since: &str, text_from: &str) -> Document {
    let mut values = vec![Bson::String(text_from.to_owned())];
    values.extend(DateTime::parse_rfc3339_str(since).ok().map(Bson::DateTime));
    values.extend(ObjectId::parse_str(since).ok().map(Bson::ObjectId));
    match since.parse::<i64>() {
        Ok(number) => values.push(Bson::Int64(number)),
        // The nearest float may lie above or below what the text says.
        Err(_) => {
            values.extend(since.parse::<f64>().ok().map(Bson::Double));
            values.extend(since.parse::<Decimal128>().ok().map(Bson::Decimal128));
        }
    }
    let from = values.into_iter().map(|value| Bson::Document(doc! { cursor: { "$gte": value } }));
    let alternatives: Vec<Bson> = from.chain([Bson::Document(doc! { cursor: Bson::Null })]).collect();
    doc! { "$or": alternatives }
}

/// An extract that is being written.
struct Output<'a> {
    wanted: &'a Wanted,
    file: BufWriter<File>,
    count: u64,
}

impl<'a> Output<'a> {
    fn new(wanted: &'a Wanted) -> Result<Self> {
        Ok(Self { wanted, file: BufWriter::with_capacity(1 << 20, create(&wanted.path)?), count: 0 })
    }

    fn write(&mut self, document: &RawDocument) -> Result<()> {
        if self.count.is_multiple_of(1024) {
            interrupt::check()?;
        }
        if self.is_there(document) {
            return Ok(());
        }
        self.count += 1;
        self.file.write_all(document.as_bytes()).with_context(|| self.unwritten())
    }

    /// Whether `raw` has this very document.
    fn is_there(&self, document: &RawDocument) -> bool {
        let there = &self.wanted.there;
        let text = || of_bson(document.as_bytes());
        !there.is_empty()
            && text().is_some_and(|text| there.contains(&<[u8; 32]>::from(Sha256::digest(text))))
    }

    fn finish(mut self) -> Result<u64> {
        self.file.flush().with_context(|| self.unwritten())?;
        Ok(self.count)
    }

    fn unwritten(&self) -> String {
        t!("staging.cannot_write", path = self.wanted.path.display()).into_owned()
    }
}

/// The sentence for what the driver says, which may hold a command with its values, or a connection string.
fn explained(variable: &str, error: &Error) -> anyhow::Error {
    let failure = |what: &str| Failure::failed(t!("load.mongodb.failed", variable = variable, what = what));
    match &*error.kind {
        ErrorKind::InvalidArgument { .. } | ErrorKind::InvalidTlsConfig { .. } => {
            Failure::usage(t!("load.mongodb.bad_url", variable = variable))
                .hint(t!("load.mongodb.url_hint", variable = variable))
        }
        ErrorKind::Authentication { .. } => failure(&t!("load.mongodb.authentication"))
            .hint(t!("load.mongodb.authentication_hint", variable = variable))
            .cause(Cause::Connection),
        ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. } | ErrorKind::Io(_) => {
            failure(&t!("load.mongodb.unreachable"))
                .hint(t!("load.mongodb.unreachable_hint", variable = variable))
                .cause(Cause::Connection)
        }
        ErrorKind::Command(command) => {
            let failure = failure(&format!("{} ({})", command.code_name, command.code));
            match command.code {
                13 => failure.hint(t!("load.mongodb.privilege_hint")),
                18 => failure.hint(t!("load.mongodb.authentication_hint", variable = variable)),
                _ => failure,
            }
        }
        ErrorKind::IncompatibleServer { .. } => failure(&t!("load.mongodb.too_old")),
        _ => failure(&t!("load.mongodb.other")),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_compared_with_all_that_its_text_can_be() {
        let given = |since: &str| later("at", since, "").to_string();
        assert!(given("5").contains("5") && given("2014-12-05T20:06:15.000Z").contains("DateTime"));
        assert_eq!(later("at", "x", "x"), doc! { "$or": [{ "at": { "$gte": "x" } }, { "at": null }] });
        let kinds = |since: &str| later("at", since, "").get_array("$or").unwrap().len();
        assert_eq!((kinds("546651e74bf6e4cb017c5312"), kinds("1.10")), (3, 4));
    }
}
