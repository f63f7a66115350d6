//! How cursors are written, which says which of two is the later one.

use anyhow::Result;
use rust_i18n::t;

use crate::error::Failure;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// How cursors are written.
pub(super) struct Reading {
    /// SQL of what they are ordered by. A struct is ordered by its fields: the cursor as far as DuckDB reads it, then the digits
    /// that stand behind that, of which a negative number has the more the smaller it is.
    pub(super) order: String,
    /// SQL of the time that they are, if so.
    moment: Option<&'static str>,
}

/// Order and moment, tried in this order: the first one that reads all of them is taken.
const READINGS: [(&str, Option<&str>); 3] = [
    (
        "case when try_cast(cursor as decimal(38, 9)) is not null then \
         {'read': try_cast(regexp_replace(cursor, '(\\.\\d{9})\\d+', '\\1') as decimal(38, 9)), \
         'more': (case when starts_with(trim(cursor), '-') then -1 else 1 end) \
           * coalesce(try_cast('0.' || nullif(regexp_extract(cursor, '\\.\\d{9}(\\d+)', 1), '') as decimal(38, 30)), 0)} end",
        None,
    ),
    (
        "case when try_cast(cursor as timestamptz) is not null then \
         {'read': try_cast(regexp_replace(cursor, '(\\.\\d{6})\\d+', '\\1') as timestamptz), \
         'more': coalesce(try_cast('0.' || nullif(regexp_extract(cursor, '\\.\\d{6}(\\d+)', 1), '') as decimal(38, 30)), 0)} end",
        Some("try_cast(cursor as timestamptz)"),
    ),
    (
        "try_strptime(cursor, ['%d/%m/%Y %H:%M:%S', '%d/%m/%Y %H:%M', '%d/%m/%Y'])",
        Some("try_strptime(cursor, ['%d/%m/%Y %H:%M:%S', '%d/%m/%Y %H:%M', '%d/%m/%Y'])::timestamptz"),
    ),
];

impl Reading {
    /// Whether a cursor says when its row was changed: a time without an end does not.
    pub(super) fn says_when(&self) -> String {
        self.moment.map_or_else(|| "true".to_owned(), |moment| format!("isfinite({moment})"))
    }

    /// Whether a cursor lies so far ahead that nothing which is changed from now on would lie beyond it.
    pub(super) fn far_ahead(&self) -> String {
        let far = |moment| format!("{moment} > current_timestamp + interval 1 year");
        self.moment.map_or_else(|| "false".to_owned(), far)
    }
}

/// Ids that begin with their time, of one length and in one case, so that their letters say which is later: ULID, UUID of
/// version 7 (RFC 9562), MongoDB's ObjectId.
const IDS: [&str; 6] = [
    "[0-7][0-9A-HJKMNP-TV-Z]{25}",
    "[0-7][0-9a-hjkmnp-tv-z]{25}",
    "[0-9A-F]{8}-[0-9A-F]{4}-7[0-9A-F]{3}-[0-9A-F]{4}-[0-9A-F]{12}",
    "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
    "[0-9A-F]{24}",
    "[0-9a-f]{24}",
];

/// Texts whose first ten letters are the day.
const DAYS: &str = "\\d{4}-\\d{2}-\\d{2}([T ].*)?";

/// How the cursors of these rows are written.
///
/// # Errors
/// Cursors that cannot be compared.
pub(super) fn reading(staging: &Staging, source: &str, cursor: &str, rows: &str) -> Result<Reading> {
    let ids = IDS
        .iter()
        .map(|form| format!("case when regexp_full_match(cursor, {}) then cursor end", literal(form)));
    let known = READINGS.into_iter().map(|(order, moment)| Reading { order: order.to_owned(), moment });
    for reading in known.chain(ids.map(|order| Reading { order, moment: None })) {
        let order = &reading.order;
        let unread = format!("select count(*) from {rows} where cursor is not null and {order} is null");
        if staging.value::<u64>(&unread)? == 0 {
            return Ok(reading);
        }
    }
    Err(Failure::failed(t!("load.bad_cursor", source = source, column = cursor))
        .hint(t!("load.bad_cursor_hint"))
        .into())
}

/// The field of documents whose column this is.
pub(super) fn field(column: &str) -> &str {
    if column == "_doc_id" { "_id" } else { column }
}

/// SQL of whether a document has a text as its cursor.
pub(super) fn is_text(document: &str, cursor: &str) -> String {
    let pointer = format!("/{}", field(cursor).replace('~', "~0").replace('/', "~1"));
    format!("json_type({document}, {}) = 'VARCHAR'", literal(&pointer))
}

/// From which text on documents are asked for whose cursor is a text: MongoDB compares those letter by letter. None where
/// `raw` has none: then all such documents are new.
///
/// Dates with other offsets from UTC, or with fractions of seconds, are not in the order of their letters, but their days are
/// but for one: so two days more are asked for.
///
/// # Errors
/// Texts whose letters do not say which is later: newer documents would be left out.
pub(super) fn text_from(staging: &Staging, source: &str, cursor: &str) -> Result<Option<String>> {
    let texts = format!(
        "(select {} as cursor from raw.{} where {})",
        quoted(cursor),
        quoted(source),
        is_text("_doc", cursor)
    );
    let fit = |form: &str| format!("bool_and(regexp_full_match(cursor, {}))", literal(form));
    let ids = IDS.iter().map(|form| fit(form)).collect::<Vec<_>>().join(" or ");
    let sql = format!(
        "select case when count(*) = 0 then 'none' when {ids} then 'id' when {} then 'day' else 'other' end from {texts}",
        fit(DAYS)
    );
    let from = match staging.value::<String>(&sql)?.as_str() {
        "none" => return Ok(None),
        "id" => format!("select max(cursor) from {texts}"),
        "day" => format!("select strftime(max(left(cursor, 10))::date - 2, '%Y-%m-%d') from {texts}"),
        _ => {
            return Err(Failure::usage(t!("load.mongodb.text_cursor", source = source, column = cursor))
                .hint(t!("load.mongodb.text_cursor_hint", source = source))
                .into());
        }
    };
    staging.value(&from).map(Some)
}
