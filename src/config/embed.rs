//! `[embed.TABLE]`: which texts of a target table get vectors, and from whom.

use serde::Deserialize;

/// One table whose rows are searched by meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embed {
    /// The columns whose texts make one, each in a line of its own.
    pub columns: Vec<String>,
    /// The service's name of the model.
    pub model: String,
    /// Numbers in a vector.
    pub dimension: usize,
    /// The column of type `vector`.
    #[serde(default = "Embed::default_into")]
    pub into: String,
    /// The column that says which model it was.
    #[serde(default)]
    pub model_into: Option<String>,
    /// The variable that holds the service's address, up to `/v1`; without it OpenAI's.
    #[serde(default)]
    pub url: Option<String>,
    /// The variable that holds the key, if the service wants one.
    #[serde(default)]
    pub key: Option<String>,
    /// Where a variable is not set, rows go without vectors and a warning says so; else it is an error.
    #[serde(default)]
    pub optional: bool,
    /// Whether the dimension is asked for too: some models can shorten their vectors.
    #[serde(default)]
    pub send_dimension: bool,
    /// Texts in a request.
    #[serde(default = "Embed::default_batch")]
    pub batch: usize,
    /// Requests in a minute at most.
    #[serde(default)]
    pub per_minute: Option<u32>,
    /// Seconds after which a request is given up.
    #[serde(default = "Embed::default_timeout")]
    pub timeout: u64,
}

impl Embed {
    fn default_into() -> String {
        "embedding".to_owned()
    }

    fn default_batch() -> usize {
        64
    }

    fn default_timeout() -> u64 {
        60
    }
}
