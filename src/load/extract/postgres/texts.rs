//! Texts of a database that does not say what its texts are in.

use std::pin::pin;

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Error;

use super::refused::{is_undecodable, undecodable};
use super::{Piece, Wanted, begin, next};
use crate::error::{Failure, interrupt};
use crate::pg::Session;
use crate::sources;

/// PostgreSQL's name of what clinic.toml says that the texts are in (`encoding`), which nobody has to say of a database that
/// declares it.
pub(super) async fn given(session: &Session, wanted: &Wanted) -> Result<Option<&'static str>> {
    let Some(name) = &wanted.config.encoding else { return Ok(None) };
    let declared = declared(session).await?;
    if declared != UNDECLARED {
        let text = t!("load.pg.encoding_declared", source = wanted.source, declared = declared);
        return Err(Failure::usage(text).hint(t!("load.pg.encoding_declared_hint")).into());
    }
    match sources::postgres_encoding(name) {
        Some(encoding) => Ok(Some(encoding)),
        None => {
            let text = t!("load.pg.encoding_unknown", source = wanted.source, name = name);
            Err(Failure::usage(text).hint(t!("load.pg.hint_undeclared", source = wanted.source)).into())
        }
    }
}

/// What a database says whose texts are whatever programs wrote into it.
pub(super) const UNDECLARED: &str = "SQL_ASCII";

async fn declared(session: &Session) -> Result<String> {
    let row = session.client.query_one("select current_setting('server_encoding')", &[]).await;
    Ok(row.map_err(|error| session.error(&error))?.get(0))
}

/// A text of such a database as UTF-8.
pub(super) fn utf8(expression: &str, encoding: &str) -> String {
    let bytes = format!("convert_to(({expression})::text, '{UNDECLARED}')");
    format!("convert_from(convert({bytes}, '{encoding}', 'UTF8'), '{UNDECLARED}')")
}

/// The failure of a text that is none in UTF-8, with its column: each is asked alone until one fails.
pub(super) async fn culprit(session: &Session, piece: &Piece, error: &Error) -> Result<anyhow::Error> {
    anew(session).await?;
    let declared = declared(session).await?;
    let mut found = None;
    for (column, sql) in piece.texts.iter() {
        if is_refused(session, sql).await? {
            found = Some(column.as_str());
            break;
        }
    }
    anew(session).await?;
    Ok(undecodable(session, &piece.source, found, &declared, error))
}

/// What failed ended the transaction.
async fn anew(session: &Session) -> Result<()> {
    session.client.batch_execute("rollback").await.map_err(|error| session.error(&error))?;
    begin(session).await
}

/// Whether a column alone gives such a text.
async fn is_refused(session: &Session, sql: &str) -> Result<bool> {
    let stream = session.client.copy_out(sql).await.map_err(|error| session.error(&error))?;
    let mut stream = pin!(stream);
    while let Some(block) = next(&mut stream).await {
        interrupt::check()?;
        match block {
            Ok(_) => {}
            Err(error) if is_undecodable(&error) => return Ok(true),
            Err(error) => return Err(session.error(&error)),
        }
    }
    Ok(false)
}
