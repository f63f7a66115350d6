//! SQL of a row's digests, as the codec makes it and the ledger is asked with it.

/// A row's digests as it is now.
pub struct Digests<'n> {
    /// Of the whole row, where its columns can all be compared.
    pub whole: Option<String>,
    /// The name of each written column, and the bytes that its digest is of.
    pub columns: Vec<(&'n str, String)>,
}
