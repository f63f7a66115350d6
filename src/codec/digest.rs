//! The digest of a row: SHA-256 of what `record_send` writes (`src/backend/utils/adt/rowtypes.c`).

use super::kind::Kind;
use super::{LiveOids, Refusal, Unsupported, array};
use crate::model::catalog::{DataType, TypeKind};
use crate::model::ident::quoted;

const TEXT: u32 = 25;
const TEXT_ARRAY: u32 = 1009;

/// What enters a digest is named by core types only.
static NO_OIDS: LiveOids = LiveOids(std::collections::BTreeMap::new());

/// The form in which a column enters the digest row.
#[derive(Debug)]
pub(super) enum Digest {
    /// As it is: a core type, whose OID is the same on every server.
    Direct(u32),
    /// A domain over a core type, cast to it: OID and the type's quoted name.
    Cast(u32, String),
    /// An array of domains over a core type, cast to an array of that: its OID, its element's, its quoted name.
    CastArray(u32, u32, String),
    /// Its text, since its own OID is not the same on every server.
    Text,
    /// An array of such types, as `text[]`.
    TextArray,
}

impl Digest {
    pub(super) fn new(data_type: &DataType) -> Result<Self, Unsupported> {
        match &data_type.kind {
            TypeKind::Domain { base, .. } => match Digest::new(base)? {
                Digest::Direct(oid) => Ok(Digest::Cast(oid, core_name(&base.undomained().base))),
                other => Ok(other),
            },
            TypeKind::Array { element, .. } if data_type.oid == 0 => Self::of_array(element),
            _ if data_type.oid == 0 => Ok(Digest::Text),
            _ => Ok(Digest::Direct(data_type.oid)),
        }
    }

    /// An array of domains is cast to an array of their base type, since a cast to text would not give every core
    /// type's output text (`boolean` gives `true`); arrays of all other own types are arrays of texts.
    fn of_array(element: &DataType) -> Result<Self, Unsupported> {
        let base = element.undomained();
        match (base.oid, &base.kind) {
            (0, _) => Ok(Digest::TextArray),
            (oid, _) => array::core_array_oid(oid)
                .map(|array_oid| Digest::CastArray(array_oid, oid, core_name(&format!("_{}", base.base))))
                .ok_or_else(|| Unsupported::new(&element.name, rust_i18n::t!("codec.needs_server"))),
        }
    }

    /// Appends type OID, length and body.
    pub(super) fn send(
        &self,
        kind: &Kind,
        canonical: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let oid = match self {
            Digest::Direct(oid) | Digest::Cast(oid, _) | Digest::CastArray(oid, ..) => *oid,
            Digest::Text => TEXT,
            Digest::TextArray => TEXT_ARRAY,
        };
        out.extend_from_slice(&oid.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        let Some(text) = canonical else { return Ok(()) };
        match self {
            Digest::Direct(_) | Digest::Cast(..) => kind.send(text, &NO_OIDS, out)?,
            Digest::CastArray(_, element, _) => array::send_as(kind, *element, text, out)?,
            Digest::Text => out.extend_from_slice(text.as_bytes()),
            Digest::TextArray => array::send_as_texts(kind, text, out)?,
        }
        set_length(out, start)
    }

    pub(super) fn expression(&self, column: &str) -> String {
        match self {
            Digest::Direct(_) => column.to_owned(),
            Digest::Cast(_, name) | Digest::CastArray(_, _, name) => format!("{column}::{name}"),
            Digest::Text => format!("{column}::text"),
            Digest::TextArray => format!("{column}::text[]"),
        }
    }
}

/// A core type by its own name, which carries no modifier: the value has been through it already.
fn core_name(name: &str) -> String {
    format!("pg_catalog.{}", quoted(name))
}

/// Writes the length of what follows the word at `start` into that word.
pub(super) fn set_length(out: &mut [u8], start: usize) -> Result<(), Refusal> {
    let length = i32::try_from(out.len() - start - 4).map_err(|_| Refusal::TooLong)?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
