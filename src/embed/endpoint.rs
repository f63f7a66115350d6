//! An OpenAI-compatible service: `POST <url>/embeddings`
//! (<https://platform.openai.com/docs/api-reference/embeddings/create>).

use std::borrow::Cow;
use std::time::Duration;

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::config::Embed;
use crate::error::{Cause, Failure};
use crate::http::{self, Trouble};
use crate::model::run::{Observer, Stage};
use crate::pg::Secret;

/// How often a request is made again.
const RETRIES: u32 = 5;

/// Where texts are sent.
pub(super) struct Endpoint<'a> {
    service: http::Endpoint,
    embed: &'a Embed,
    clinic: String,
}

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    input: &'a [&'a str],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

impl<'a> Endpoint<'a> {
    pub(super) fn new(url: &str, key: Option<&Secret>, embed: &'a Embed, clinic: &str) -> Self {
        let url = format!("{}/embeddings", url.trim_end_matches('/'));
        let timeout = Duration::from_secs(embed.timeout);
        let service = http::Endpoint::new(&url, key.map(Secret::expose), timeout);
        Self { service, embed, clinic: clinic.to_owned() }
    }

    /// The vectors of these texts, as pgvector writes them, in their order.
    ///
    /// # Errors
    /// The service refuses, does not answer after all repetitions, or answers with something else than such vectors.
    pub(super) fn ask(&self, texts: &[&str], observer: &dyn Observer) -> Result<Vec<String>> {
        let words = |cause: &str| {
            let failure = Failure::failed(t!("embed.no_answer", host = self.host(), cause = cause));
            let again = t!("embed.again", host = self.host(), cause = cause);
            (failure.hint(t!("embed.kept_hint", clinic = self.clinic)), again.into_owned())
        };
        let vectors = http::patiently(RETRIES, (Stage::Transform, observer), words, || self.once(texts));
        vectors.map_err(|failure| failure.cause(Cause::Service).into())
    }

    fn once(&self, texts: &[&str]) -> Result<Vec<String>, Trouble> {
        let dimensions = self.embed.send_dimension.then_some(self.embed.dimension);
        let question =
            Question { model: &self.embed.model, input: texts, encoding_format: "float", dimensions };
        let mut response = self.service.post(&question).map_err(hinted)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(Trouble::Lasting(self.refused(status)));
        }
        let limit = response.body_mut().with_config().limit(1 << 30);
        let answer: Answer = limit.read_json().map_err(|error| match error {
            ureq::Error::Json(_) => Trouble::Lasting(self.odd(t!(
                "embed.odd_hint",
                variable = self.variable(),
                clinic = self.clinic
            ))),
            other => hinted(self.service.unsent(&other)),
        })?;
        self.vectors(texts.len(), answer).map_err(Trouble::Lasting)
    }

    /// Each text's vector, of the dimension that the column has.
    fn vectors(&self, count: usize, answer: Answer) -> Result<Vec<String>, Failure> {
        let mut vectors: Vec<Option<String>> = vec![None; count];
        for item in answer.data {
            let (wanted, found) = (self.embed.dimension, item.embedding.len());
            if found != wanted {
                let text = t!("embed.dimension", host = self.host(), found = found, wanted = wanted);
                return Err(Failure::failed(text).hint(t!("embed.dimension_hint", found = found)));
            }
            let is_number = item.embedding.iter().all(|number| number.is_finite());
            if let Some(place) = vectors.get_mut(item.index).filter(|_| is_number) {
                let numbers = item.embedding.iter().map(ToString::to_string).collect::<Vec<_>>();
                *place = Some(format!("[{}]", numbers.join(",")));
            }
        }
        let all: Option<Vec<String>> = vectors.into_iter().collect();
        all.ok_or_else(|| self.odd(t!("embed.count_hint", clinic = self.clinic)))
    }

    /// What was answered is not a vector for each text.
    fn odd(&self, hint: Cow<'_, str>) -> Failure {
        Failure::failed(t!("embed.no_vectors", host = self.host())).hint(hint)
    }

    fn refused(&self, status: u16) -> Failure {
        let failure = Failure::failed(t!("embed.refused", host = self.host(), status = status));
        match status {
            401 | 403 => {
                failure.hint(t!("embed.key_hint", variable = self.embed.key.as_deref().unwrap_or("key")))
            }
            404 => failure.hint(t!("embed.url_hint")),
            // Where it leads is asked nothing: neither texts nor key are for it until somebody says so.
            300..=399 => failure.hint(t!("embed.moved_hint", variable = self.variable())),
            _ => failure.hint(t!("embed.model_hint", model = self.embed.model)),
        }
    }

    /// What names the address.
    fn variable(&self) -> &str {
        self.embed.url.as_deref().unwrap_or("url")
    }

    fn host(&self) -> &str {
        self.service.host()
    }
}

/// What does not pass is the address's fault more often than not.
fn hinted(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Lasting(failure) => Trouble::Lasting(failure.hint(t!("embed.url_hint"))),
        passing => passing,
    }
}
