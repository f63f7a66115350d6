//! Asks a PostgreSQL for tables and queries: `COPY ... TO STDOUT (FORMAT binary)` under one snapshot.
//!
//! The session only reads, waits for no lock for long and has a statement timeout, so that the old system is safe. Its
//! snapshot is exported, where the server can, so that a second session reads pieces of large tables at the same time.

mod refused;
mod texts;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use rust_i18n::t;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::{CopyOutStream, Error};

use self::refused::{explained, explained_at, is_undecodable};
use self::texts::utf8;
use super::{Extracted, Wanted, create};
use crate::config::nearest;
use crate::error::{Failure, interrupt};
use crate::model::ident::literal;
use crate::model::run::{Event, Observer, Stage};
use crate::pg::{Purpose, Secret, Session, Target};
use crate::sources::copied::{Column, Head, SIGNATURE, TRAILER, Wire};

/// Sessions that read at the same time.
const SESSIONS: usize = 2;
/// A table is read in pieces of so many bytes.
const PIECE: i64 = 64 << 20;
/// From here on a range of `ctid` is found without reading the rest of the table.
const TID_RANGES: u32 = 140_000;

/// Writes each source's extract.
///
/// # Errors
/// No connection, no such table, whatever the server says of a table or a query, with the source and what to do.
pub(super) fn extract(
    (variable, url): (&str, &Secret),
    wanted: &[Wanted<'_>],
    observer: &dyn Observer,
) -> Result<Vec<Extracted>> {
    let target = Target::at(variable, url.clone());
    // A thread of its own, because a stage may run where another runtime does.
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| Runtime::new()?.block_on(ask(&target, wanted, observer)));
        asking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn ask(target: &Target, wanted: &[Wanted<'_>], observer: &dyn Observer) -> Result<Vec<Extracted>> {
    let session = Session::open(target, Purpose::Ask).await?;
    begin(&session).await?;
    let snapshot = export(&session).await?;
    let mut asked = Vec::new();
    for one in wanted {
        interrupt::check()?;
        let described = describe(&session, one).await;
        asked.push(described.with_context(|| place(one.source, target))?);
    }
    let pieces: VecDeque<Piece> = asked.iter().flatten().flat_map(|one| one.pieces.clone()).collect();
    let mut sessions = vec![session];
    for _ in 1..SESSIONS.min(pieces.len()) {
        match another(target, snapshot.as_ref()).await {
            Ok(session) => sessions.push(session),
            // One sees the same moment as all would, and takes longer.
            Err(cause) => {
                let text = t!("load.pg.alone", variable = target.origin, cause = format!("{cause:#}"));
                observer.event(&Event::Note { stage: Stage::Load, text: &text });
                break;
            }
        }
    }
    read(sessions, pieces, target).await?;
    wanted.iter().zip(asked).map(|(one, asked)| finish(one, asked)).collect()
}

fn place(source: &str, target: &Target) -> Cow<'static, str> {
    t!("load.pg.asked", source = source, variable = target.origin)
}

async fn begin(session: &Session) -> Result<()> {
    let sql = "begin transaction isolation level repeatable read, read only";
    session.client.batch_execute(sql).await.map_err(|error| session.error(&error))
}

/// The name under which other sessions find this one's snapshot; else why the server cannot export it: a standby before
/// PostgreSQL 10, a role that may not, a system that only speaks PostgreSQL's protocol.
async fn export(session: &Session) -> Result<Result<String, String>> {
    let answer = attempt(session, "select pg_export_snapshot()::text").await?;
    Ok(match answer {
        Ok(rows) => rows.into_iter().next().flatten().ok_or_else(|| "pg_export_snapshot".to_owned()),
        Err(error) => Err(session.error(&error).to_string()),
    })
}

/// A second session that sees what the first one does. An old system may have no connection to spare, and what stands before
/// it may lead to another server.
async fn another(target: &Target, snapshot: Result<&String, &String>) -> Result<Session> {
    let snapshot = snapshot.map_err(|why| anyhow!(why.clone()))?;
    let session = Session::open(target, Purpose::Ask).await?;
    begin(&session).await?;
    let sql = format!("set transaction snapshot {}", literal(snapshot));
    session.client.batch_execute(&sql).await.map_err(|error| session.error(&error))?;
    Ok(session)
}

/// The first column of a query that may fail without ending the transaction.
async fn attempt(session: &Session, sql: &str) -> Result<Result<Vec<Option<String>>, Error>> {
    let client = &session.client;
    // A snapshot cannot be exported within a savepoint; what fails before anything was read begins anew.
    let answer = client.query(sql, &[]).await;
    if answer.is_err() {
        client.batch_execute("rollback").await.map_err(|error| session.error(&error))?;
        begin(session).await?;
    }
    Ok(answer.map(|rows| rows.iter().map(|row| row.get(0)).collect()))
}

/// A source as the database describes it.
struct Asked {
    head: Head,
    pieces: Vec<Piece>,
}

/// One COPY.
#[derive(Debug, Clone)]
struct Piece {
    source: String,
    sql: String,
    /// The extract itself for the first piece of a source, else a file beside it.
    path: PathBuf,
    /// What stands before the first piece's rows.
    head: Option<Head>,
    /// Its columns of text, and what asks for each of them alone.
    texts: Arc<Vec<(String, String)>>,
}

/// Where rows come from.
struct Relation {
    /// As SQL names it; for a query the query itself.
    from: String,
    table: Option<String>,
    /// Bytes of a table whose rows can be told apart by their place.
    bytes: Option<i64>,
}

async fn describe(session: &Session, wanted: &Wanted<'_>) -> Result<Option<Asked>> {
    let relation = match (&wanted.config.table, &wanted.config.query) {
        (Some(table), _) => match relation(session, wanted.source, table).await? {
            Some(relation) => relation,
            None if wanted.config.optional_columns.is_some() => return Ok(None),
            None => return Err(no_table(session, table).await?.into()),
        },
        (None, query) => query_of(query.as_deref().unwrap_or_default()),
    };
    let columns = columns(session, wanted, &relation).await?;
    let from = aliased(&relation.from, columns.len());
    let since = match since(wanted, &columns)? {
        Some(since) => Some(beyond(session, wanted, &from, since).await?),
        None => None,
    };
    let head = Head {
        count: count(session, wanted, &format!("select count(*) from {from}{}", clause(&[&since]))).await?,
        table: relation.table,
        columns: columns.iter().map(|(column, _)| column.clone()).collect(),
    };
    let rows = clause(&[&since]);
    let alone = |(column, expression): &(Column, String)| {
        let sql = format!("copy (select {expression} from {from}{rows}) to stdout (format binary)");
        (column.wire == Wire::Text).then(|| (column.name.clone(), sql))
    };
    let texts = Arc::new(columns.iter().filter_map(alone).collect::<Vec<_>>());
    let select = columns.iter().map(|(_, expression)| expression.as_str()).collect::<Vec<_>>().join(", ");
    let pieces = ranges(relation.bytes.unwrap_or(0))
        .into_iter()
        .enumerate()
        .map(|(number, range)| Piece {
            source: wanted.source.to_owned(),
            sql: format!(
                "copy (select {select} from {from}{}) to stdout (format binary)",
                clause(&[&since, &range])
            ),
            path: piece_path(&wanted.path, number),
            head: (number == 0).then(|| head.clone()),
            texts: Arc::clone(&texts),
        })
        .collect();
    Ok(Some(Asked { head, pieces }))
}

fn piece_path(path: &Path, number: usize) -> PathBuf {
    if number == 0 { path.to_owned() } else { path.with_extension(format!("{number}.partial")) }
}

/// A query as it is asked.
fn trimmed(query: &str) -> &str {
    query.trim().trim_end_matches(';')
}

fn query_of(query: &str) -> Relation {
    let query = trimmed(query);
    // A comment in its last line must not swallow what follows.
    Relation { from: format!("(\n{query}\n)"), table: None, bytes: None }
}

/// Columns go by their places, because a query may have two of one name.
fn aliased(from: &str, columns: usize) -> String {
    let names = (1..=columns).map(|place| format!("c{place}")).collect::<Vec<_>>().join(", ");
    format!("{from} as q({names})")
}

fn clause(conditions: &[&Option<String>]) -> String {
    let conditions = conditions.iter().filter_map(|one| one.as_deref()).collect::<Vec<_>>().join(" and ");
    if conditions.is_empty() { conditions } else { format!(" where {conditions}") }
}

async fn relation(session: &Session, source: &str, table: &str) -> Result<Option<Relation>> {
    let client = &session.client;
    client.batch_execute("savepoint look").await.map_err(|error| session.error(&error))?;
    let sql = "select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind = 'r', pg_relation_size(c.oid)
               from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1::text::regclass";
    match client.query_opt(sql, &[&table]).await {
        Ok(Some(row)) => {
            let from: String = row.get(0);
            let ranged = row.get(1) && session.server_version >= TID_RANGES;
            Ok(Some(Relation { table: Some(from.clone()), from, bytes: ranged.then(|| row.get(2)) }))
        }
        Ok(None) => Ok(None),
        Err(error) if is_missing(&error) => {
            let sql = "rollback to savepoint look";
            client.batch_execute(sql).await.map_err(|error| session.error(&error))?;
            Ok(None)
        }
        Err(error) => Err(explained(session, source, &error)),
    }
}

fn is_missing(error: &Error) -> bool {
    let missing = [
        SqlState::UNDEFINED_TABLE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::INVALID_NAME,
        SqlState::SYNTAX_ERROR,
        SqlState::FEATURE_NOT_SUPPORTED,
    ];
    error.code().is_some_and(|code| missing.contains(code))
}

/// How many tables are named where one is not found.
const SHOWN: usize = 8;
/// What stands before a table or a query that is described.
const HEAD: &str = "select * from ";

async fn no_table(session: &Session, table: &str) -> Result<Failure> {
    let sql = "select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
               from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where c.relkind in ('r', 'v', 'm', 'f', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
                 and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') order by 1";
    let rows = session.client.query(sql, &[]).await.map_err(|error| session.error(&error))?;
    let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let database = &session.database;
    let failure = Failure::usage(t!("load.pg.no_table", database = database, table = table));
    let bare = |name: &str| name.replace('"', "").to_lowercase();
    let same =
        |name: &&String| bare(name) == bare(table) || bare(name).ends_with(&format!(".{}", bare(table)));
    let near = tables.iter().find(same).cloned();
    let last = |name: &str| bare(name).rsplit('.').next().unwrap_or_default().to_owned();
    let names: Vec<String> = tables.iter().map(|name| last(name)).collect();
    let near = near.or_else(|| {
        let found = nearest(&last(table), &names).first().copied()?;
        tables.iter().find(|name| last(name) == found).cloned()
    });
    Ok(match near {
        Some(near) => failure.hint(t!("load.pg.no_table_near", near = near)),
        None => {
            let shown = tables.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
            failure.hint(t!("load.pg.no_table_hint", user = session.user, tables = shown))
        }
    })
}

/// Each column, and the expression that is asked for.
async fn columns(
    session: &Session,
    wanted: &Wanted<'_>,
    relation: &Relation,
) -> Result<Vec<(Column, String)>> {
    let statement = session.client.prepare(&format!("{HEAD}{} as q", relation.from)).await;
    let statement = statement.map_err(|error| {
        let query = wanted.config.query.as_deref().map(trimmed);
        explained_at(session, wanted.source, query, HEAD.len() + "(\n".len(), &error)
    })?;
    let exact_times = exact_times(session).await?;
    let encoding = texts::given(session, wanted).await?;
    let column = |(place, column): (usize, &tokio_postgres::Column)| {
        let (name, kind) = (format!("q.c{place}"), column.type_());
        let wire = Wire::of(kind.oid()).filter(|wire| exact_times || !wire.is_time());
        let expression = match (wire, kind.name()) {
            (Some(_), _) => name,
            // As text an address has the length of its network, which its output has not.
            (None, "inet") => format!(
                "host({name}) || case when masklen({name}) = case family({name}) when 4 then 32 else 128 end \
                 then '' else '/' || masklen({name})::text end"
            ),
            (None, _) => format!("{name}::text"),
        };
        let wire = wire.unwrap_or(Wire::Text);
        let (wire, expression) = match encoding {
            Some(encoding) if matches!(wire, Wire::Text | Wire::Jsonb) => {
                (Wire::Text, utf8(&expression, encoding))
            }
            _ => (wire, expression),
        };
        (Column { name: column.name().to_owned(), kind: kind.name().to_owned(), wire }, expression)
    };
    let columns: Vec<_> = (1..).zip(statement.columns()).map(column).collect();
    if columns.is_empty() {
        return Err(Failure::usage(t!("load.pg.no_columns")).into());
    }
    Ok(columns)
}

/// Whether times are counted in microseconds; servers before 10 could be built with floating-point ones.
async fn exact_times(session: &Session) -> Result<bool> {
    let sql = "select current_setting('integer_datetimes') = 'on'";
    let row = session.client.query_one(sql, &[]).await.map_err(|error| session.error(&error))?;
    Ok(row.get(0))
}

/// The place of the cursor's column and the greatest value that is loaded, in SQL.
fn since(wanted: &Wanted<'_>, columns: &[(Column, String)]) -> Result<Option<(usize, String)>> {
    let Some(cursor) = &wanted.config.cursor else { return Ok(None) };
    let named = |name: &String| columns.iter().position(|(column, _)| column.name == *name);
    for name in wanted.config.key.iter().chain([cursor]) {
        if named(name).is_none() {
            let text = t!("load.pg.no_cursor", source = wanted.source, column = name);
            return Err(Failure::usage(text).into());
        }
    }
    let Some(place) = named(cursor).map(|place| place + 1) else { return Ok(None) };
    // The database orders texts by their letters, where '9' is beyond '10', and would keep rows back.
    let texts = ["text", "varchar", "bpchar", "name", "citext"];
    if wanted.since.is_some() && texts.contains(&columns[place - 1].0.kind.as_str()) {
        return Err(Failure::usage(t!("load.pg.text_cursor", source = wanted.source, column = cursor))
            .hint(t!("load.pg.text_cursor_hint", column = cursor))
            .into());
    }
    Ok(wanted.since.as_ref().map(|since| (place, literal(since))))
}

/// The condition of rows that are not loaded. Where the table has more rows with the greatest cursor, or without one, than
/// were loaded, all of those are read again: a row may come late, with the cursor of others.
async fn beyond(
    session: &Session,
    wanted: &Wanted<'_>,
    from: &str,
    (place, since): (usize, String),
) -> Result<String> {
    let there = format!("select count(*) from {from} where q.c{place} = {since} or q.c{place} is null");
    Ok(match count(session, wanted, &there).await? <= wanted.held {
        true => format!("q.c{place} > {since}"),
        false => format!("(q.c{place} >= {since} or q.c{place} is null)"),
    })
}

async fn count(session: &Session, wanted: &Wanted<'_>, sql: &str) -> Result<u64> {
    let row = session.client.query_one(sql, &[]).await;
    let row = row.map_err(|error| explained(session, wanted.source, &error))?;
    Ok(u64::try_from(row.get::<_, i64>(0))?)
}

/// Conditions that cut a table into pieces of about equal size; the last has no end, because a table may have grown.
fn ranges(bytes: i64) -> Vec<Option<String>> {
    // A page is 8 KB, but for servers that were built otherwise; then the pieces are larger or smaller.
    let (pages, piece) = (bytes / 8192, PIECE / 8192);
    let starts: Vec<i64> = (0..pages.max(1)).step_by(piece as usize).collect();
    let range = |(place, start): (usize, &i64)| {
        let from = (place > 0).then(|| format!("q.ctid >= '({start},0)'::tid"));
        let to = starts.get(place + 1).map(|end| format!("q.ctid < '({end},0)'::tid"));
        let both: Vec<String> = from.into_iter().chain(to).collect();
        (!both.is_empty()).then(|| both.join(" and "))
    };
    starts.iter().enumerate().map(range).collect()
}

type Queue = Arc<Mutex<VecDeque<Piece>>>;

/// Lets every session take pieces until there are none.
async fn read(sessions: Vec<Session>, pieces: VecDeque<Piece>, target: &Target) -> Result<()> {
    let queue: Queue = Arc::new(Mutex::new(pieces));
    let mut workers = JoinSet::new();
    for session in sessions {
        workers.spawn(work(session, Arc::clone(&queue), target.clone()));
    }
    let mut failed = None;
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended? {
            // The others end after the piece that they are at.
            queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
            failed = failed.or(Some(error));
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn work(session: Session, queue: Queue, target: Target) -> Result<()> {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(piece) = next else { break };
        copy(&session, &piece).await.with_context(|| place(&piece.source, &target))?;
    }
    session.client.batch_execute("commit").await.map_err(|error| session.error(&error))?;
    session.close().await;
    Ok(())
}

async fn copy(session: &Session, piece: &Piece) -> Result<()> {
    let unwritten = || t!("staging.cannot_write", path = piece.path.display());
    let mut output = BufWriter::with_capacity(1 << 20, create(&piece.path)?);
    if let Some(head) = &piece.head {
        head.write(&mut output).with_context(unwritten)?;
    }
    let stream = session.client.copy_out(&piece.sql).await;
    let mut stream = pin!(stream.map_err(|error| explained(session, &piece.source, &error))?);
    while let Some(block) = next(&mut stream).await {
        if let Err(stopped) = interrupt::check() {
            session.cancel().await;
            return Err(stopped.into());
        }
        let block = match block {
            Ok(block) => block,
            Err(error) if is_undecodable(&error) => return Err(texts::culprit(session, piece, &error).await?),
            Err(error) => return Err(explained(session, &piece.source, &error)),
        };
        output.write_all(&block).with_context(unwritten)?;
    }
    output.flush().with_context(unwritten)
}

async fn next(stream: &mut std::pin::Pin<&mut CopyOutStream>) -> Option<Result<bytes::Bytes, Error>> {
    std::future::poll_fn(|context| futures_util::Stream::poll_next(stream.as_mut(), context)).await
}

/// Puts a source's pieces behind its first one.
fn finish(wanted: &Wanted<'_>, asked: Option<Asked>) -> Result<Extracted> {
    let Some(asked) = asked else { return Ok(Extracted::Missing) };
    let unwritten = || t!("staging.cannot_write", path = wanted.path.display());
    if asked.pieces.len() > 1 {
        let mut whole = fs::OpenOptions::new().append(true).open(&wanted.path).with_context(unwritten)?;
        for piece in &asked.pieces[1..] {
            interrupt::check()?;
            let length = whole.metadata().with_context(unwritten)?.len();
            whole.set_len(length - TRAILER.len() as u64).with_context(unwritten)?;
            let mut rows = File::open(&piece.path).with_context(unwritten)?;
            let mut signature = [0; SIGNATURE.len()];
            rows.read_exact(&mut signature).with_context(unwritten)?;
            io::copy(&mut rows, &mut whole).with_context(unwritten)?;
            fs::remove_file(&piece.path).with_context(unwritten)?;
        }
    }
    Ok(Extracted::Records(asked.head.count))
}
