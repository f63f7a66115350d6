//! What is wrong with a document, as `meta.load_error` tells it.

use std::borrow::Cow;

use rust_i18n::t;

/// A reason for which a document is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file ends in its midst.
    CutOff,
    Unexpected,
    Number,
    Escape,
    Control,
    Surrogate,
    TooDeep,
    TooLong,
    /// Neither an object nor what stands between objects.
    NoDocument,
    NotUtf8,
    /// BSON: a length that cannot be; nothing after it can be found.
    Length,
    /// BSON: a type that there is not.
    Type,
    /// BSON: what is inside does not end where its length says.
    Bounds,
    /// An archive: what stands between the documents is none of its marks.
    Archive,
}

impl Fault {
    /// The rule's name.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Fault::NoDocument => "no_document",
            Fault::NotUtf8 | Fault::Surrogate => "undecodable_bytes",
            Fault::CutOff => "cut_off",
            Fault::Length | Fault::Type | Fault::Bounds => "broken_bson",
            Fault::Archive => "broken_archive",
            _ => "broken_json",
        }
    }

    pub(super) fn detail(self) -> Option<Cow<'static, str>> {
        Some(match self {
            Fault::CutOff => t!("documents.fault.cut_off"),
            Fault::Unexpected => t!("documents.fault.unexpected"),
            Fault::Number => t!("documents.fault.number"),
            Fault::Escape => t!("documents.fault.escape"),
            Fault::Control => t!("documents.fault.control"),
            Fault::Surrogate => t!("load.detail.surrogates"),
            Fault::TooDeep => t!("documents.fault.too_deep", levels = super::json::DEPTH),
            Fault::TooLong => t!("documents.fault.too_long", megabytes = super::window::LONGEST >> 20),
            Fault::NoDocument => t!("documents.fault.no_document"),
            Fault::NotUtf8 => return None,
            Fault::Length => t!("documents.fault.length"),
            Fault::Type => t!("documents.fault.type"),
            Fault::Bounds => t!("documents.fault.bounds"),
            Fault::Archive => t!("documents.fault.archive"),
        })
    }
}
