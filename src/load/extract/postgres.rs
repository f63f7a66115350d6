//! Asks a PostgreSQL for tables and queries: `COPY ... TO STDOUT (FORMAT binary)` under one snapshot.
//!
//! The session only reads, waits for no lock for long and has a statement timeout, so that the old system is safe. Its
//! snapshot is exported, where the server can, so that a second session reads pieces of large tables at the same time. What
//! comes is hashed and written in the order of the pieces ([`write`]), and may be read behind that.

mod cursor;
mod refused;
mod texts;
mod write;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rust_i18n::t;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{CopyOutStream, Error};

use self::cursor::{beyond, since};
use self::refused::{explained, explained_at, is_undecodable};
use self::texts::utf8;
use self::write::{Block, Came};
use super::stream::Stop;
use super::{Answer, Extracted, Wanted};
use crate::config::nearest;
use crate::error::Failure;
use crate::model::ident::literal;
use crate::pg::{Purpose, Secret, Session, Target};
use crate::sources::Fingerprint;
use crate::sources::copied::{Column, Head, Wire};

/// Sessions that read at the same time.
const SESSIONS: usize = 2;
/// A table is read in pieces of so many bytes.
const PIECE: i64 = 16 << 20;
/// Bytes are handed on in blocks of so many, of which so many may wait: about one piece.
const BLOCK: usize = 256 << 10;
const WAITING: usize = 64;
/// How often it is looked whether a stop was asked for while the server is silent, and how long it may take to give up.
const TICK: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(2);
/// From here on a range of `ctid` is found without reading the rest of the table.
const TID_RANGES: u32 = 140_000;

/// Writes each source's extract, and gives their hashes. `told` is called before the first row is asked for, with what the
/// database says that there is.
///
/// # Errors
/// No connection, no such table, whatever the server says of a table or a query, with the source and what to do.
pub(super) fn extract(
    (variable, url): (&str, &Secret),
    wanted: &[Wanted],
    stop: &Stop,
    told: impl FnOnce(Answer),
) -> Result<Vec<Option<Fingerprint>>> {
    let target = Target::at(variable, url.clone());
    Runtime::new()?.block_on(ask(&target, wanted, stop, told))
}

async fn ask(
    target: &Target,
    wanted: &[Wanted],
    stop: &Stop,
    told: impl FnOnce(Answer),
) -> Result<Vec<Option<Fingerprint>>> {
    let session = heeding(stop, None, Session::open(target, Purpose::Ask)).await?;
    let (snapshot, asked) = heeding(stop, Some(&session), described(&session, wanted, target)).await?;
    let answer = |asked: &Option<Asked>| match asked {
        Some(asked) => Extracted::Records(asked.head.count),
        None => Extracted::Missing,
    };
    let extracted = asked.iter().map(answer).collect();
    let mut outputs = Vec::new();
    for (one, asked) in wanted.iter().zip(&asked) {
        outputs.push(asked.as_ref().map(|asked| write::Output::begin(one, &asked.head)).transpose()?);
    }
    let pieces: VecDeque<Piece> = asked.into_iter().flatten().flat_map(|one| one.pieces).collect();
    let (mut sessions, mut alone) = (vec![session], None);
    for _ in 1..SESSIONS.min(pieces.len()) {
        match heeding(stop, None, another(target, snapshot.as_ref())).await {
            Ok(session) => sessions.push(session),
            // One sees the same moment as all would, and takes longer.
            Err(cause) => {
                stop.check()?;
                alone = Some(format!("{cause:#}"));
                break;
            }
        }
    }
    told(Answer { extracted, alone });
    read(sessions, pieces, outputs, target, stop).await
}

/// Waits for a server that may be silent for long; once nobody waits, or a stop is asked for, it is asked to give up what the
/// session is at.
async fn heeding<T>(
    stop: &Stop,
    session: Option<&Session>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = sleep(TICK) => if let Err(stopped) = stop.check() {
                if let Some(session) = session {
                    // A server that does not answer is not waited for.
                    let _ = timeout(PATIENCE, session.cancel()).await;
                }
                return Err(stopped);
            }
        }
    }
}

/// The snapshot that is exported, and each source as the database describes it.
async fn described(
    session: &Session,
    wanted: &[Wanted],
    target: &Target,
) -> Result<(Result<String, String>, Vec<Option<Asked>>)> {
    begin(session).await?;
    let snapshot = export(session).await?;
    let mut asked = Vec::new();
    for one in wanted {
        let described = describe(session, one, asked.len()).await;
        asked.push(described.with_context(|| place(&one.source, target))?);
    }
    Ok((snapshot, asked))
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
    /// Which of the extracts it is a part of.
    extract: usize,
    is_first: bool,
    is_last: bool,
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

async fn describe(session: &Session, wanted: &Wanted, extract: usize) -> Result<Option<Asked>> {
    let relation = match (&wanted.config.table, &wanted.config.query) {
        (Some(table), _) => match relation(session, &wanted.source, table).await? {
            Some(relation) => relation,
            None if wanted.config.optional_columns.is_some() => return Ok(None),
            None => return Err(no_table(session, table).await?.into()),
        },
        (None, query) => query_of(query.as_deref().unwrap_or_default()),
    };
    let columns = columns(session, wanted, &relation).await?;
    let from = aliased(&relation.from, columns.len());
    let since = match since(wanted, &columns)? {
        Some(since) => Some(beyond(session, wanted, &from, &columns, since).await?),
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
    let ranges = ranges(relation.bytes.unwrap_or(0));
    let piece = |(number, range): (usize, &Option<String>)| Piece {
        source: wanted.source.clone(),
        sql: format!(
            "copy (select {select} from {from}{}) to stdout (format binary)",
            clause(&[&since, range])
        ),
        extract,
        is_first: number == 0,
        is_last: number + 1 == ranges.len(),
        texts: Arc::clone(&texts),
    };
    let pieces = ranges.iter().enumerate().map(piece).collect();
    Ok(Some(Asked { head, pieces }))
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
async fn columns(session: &Session, wanted: &Wanted, relation: &Relation) -> Result<Vec<(Column, String)>> {
    let statement = session.client.prepare(&format!("{HEAD}{} as q", relation.from)).await;
    let statement = statement.map_err(|error| {
        let query = wanted.config.query.as_deref().map(trimmed);
        explained_at(session, &wanted.source, query, HEAD.len() + "(\n".len(), &error)
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

async fn count(session: &Session, wanted: &Wanted, sql: &str) -> Result<u64> {
    let row = session.client.query_one(sql, &[]).await;
    let row = row.map_err(|error| explained(session, &wanted.source, &error))?;
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

/// Pieces that nobody has begun, and where they are told in their order once somebody has.
struct Queue {
    pieces: VecDeque<Piece>,
    begun: Sender<Came>,
}

impl Queue {
    /// The next piece, and where its bytes go.
    fn take(&mut self) -> Option<(Piece, mpsc::Sender<Block>)> {
        let piece = self.pieces.pop_front()?;
        let (sender, blocks) = mpsc::channel(WAITING);
        let (extract, is_first, is_last) = (piece.extract, piece.is_first, piece.is_last);
        // Where nobody takes it, nobody takes its bytes either, which is seen then.
        let _ = self.begun.send(Came { extract, is_first, is_last, blocks });
        Some((piece, sender))
    }
}

/// Lets every session take pieces until there are none, and writes what they give.
async fn read(
    sessions: Vec<Session>,
    pieces: VecDeque<Piece>,
    outputs: Vec<Option<write::Output>>,
    target: &Target,
    stop: &Stop,
) -> Result<Vec<Option<Fingerprint>>> {
    let (begun, came) = std::sync::mpsc::channel();
    let queue = Arc::new(Mutex::new(Queue { pieces, begun }));
    let writer = spawn_blocking(move || write::all(outputs, came));
    let mut workers = JoinSet::new();
    for session in sessions {
        workers.spawn(work(session, Arc::clone(&queue), target.clone(), stop.clone()));
    }
    let mut failed: Option<Failed> = None;
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended? {
            // The others end after the piece that they are at.
            queue.lock().unwrap_or_else(PoisonError::into_inner).pieces.clear();
            // Of several the first in clinic.toml is told, whoever was faster.
            failed = failed.into_iter().chain([error]).min_by_key(|(extract, _)| *extract);
        }
    }
    drop(queue);
    let written = writer.await?;
    // A worker that found nobody who writes did not fail: the writer did.
    failed.map_or(written, |(_, error)| Err(error))
}

/// Which of the extracts could not be asked for, and why.
type Failed = (usize, anyhow::Error);

async fn work(session: Session, queue: Arc<Mutex<Queue>>, target: Target, stop: Stop) -> Result<(), Failed> {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((piece, blocks)) = next else { break };
        let copied = heeding(&stop, Some(&session), copy(&session, &piece, &blocks)).await;
        let copied = copied.with_context(|| place(&piece.source, &target));
        if !copied.map_err(|error| (piece.extract, error))? {
            return Ok(());
        }
    }
    let ended = session.client.batch_execute("commit").await;
    ended.map_err(|error| (usize::MAX, session.error(&error)))?;
    session.close().await;
    Ok(())
}

/// Hands on a piece's bytes; false where nobody takes them.
async fn copy(session: &Session, piece: &Piece, blocks: &mpsc::Sender<Block>) -> Result<bool> {
    let stream = session.client.copy_out(&piece.sql).await;
    let mut stream = pin!(stream.map_err(|error| explained(session, &piece.source, &error))?);
    let mut block = Vec::with_capacity(BLOCK);
    while let Some(bytes) = next(&mut stream).await {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if is_undecodable(&error) => return Err(texts::culprit(session, piece, &error).await?),
            Err(error) => return Err(explained(session, &piece.source, &error)),
        };
        block.extend_from_slice(&bytes);
        if block.len() >= BLOCK {
            let full = std::mem::replace(&mut block, Vec::with_capacity(BLOCK));
            if blocks.send(Block::Bytes(full)).await.is_err() {
                session.cancel().await;
                return Ok(false);
            }
        }
    }
    Ok(blocks.send(Block::Bytes(block)).await.is_ok() && blocks.send(Block::End).await.is_ok())
}

async fn next(stream: &mut std::pin::Pin<&mut CopyOutStream>) -> Option<Result<bytes::Bytes, Error>> {
    std::future::poll_fn(|context| futures_util::Stream::poll_next(stream.as_mut(), context)).await
}
