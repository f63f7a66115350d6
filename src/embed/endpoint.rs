//! An OpenAI-compatible service: `POST <url>/embeddings`
//! (<https://platform.openai.com/docs/api-reference/embeddings/create>).

use std::time::Duration;

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};
use ureq::Agent;

use crate::config::Embed;
use crate::error::again::{Retries, pause};
use crate::error::{Cause, Failure};
use crate::model::run::{Event, Observer, Stage};
use crate::pg::Secret;

/// How often a request is made again.
const RETRIES: u32 = 5;
/// A service that says later than this is not waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// Where texts are sent.
pub(super) struct Endpoint<'a> {
    agent: Agent,
    url: String,
    key: Option<Secret>,
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

/// Why a request did not give vectors.
enum Trouble {
    /// It can pass: what it was, and how long the service wants to be left alone.
    Passing(String, Option<Duration>),
    Lasting(Failure),
}

impl<'a> Endpoint<'a> {
    pub(super) fn new(url: &str, key: Option<Secret>, embed: &'a Embed, clinic: &str) -> Self {
        // Another part of the program may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(embed.timeout)))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let url = format!("{}/embeddings", url.trim_end_matches('/'));
        Self { agent, url, key, embed, clinic: clinic.to_owned() }
    }

    /// The vectors of these texts, as pgvector writes them, in their order.
    ///
    /// # Errors
    /// The service refuses, does not answer after all repetitions, or answers with something else than such vectors.
    pub(super) fn ask(&self, texts: &[&str], observer: &dyn Observer) -> Result<Vec<String>> {
        let mut retries = Retries::new(RETRIES);
        loop {
            let (cause, wanted) = match self.once(texts) {
                Ok(vectors) => return Ok(vectors),
                Err(Trouble::Lasting(failure)) => return Err(failure.cause(Cause::Service).into()),
                Err(Trouble::Passing(cause, wanted)) => (cause, wanted),
            };
            let failure = || Failure::failed(t!("embed.no_answer", host = self.host(), cause = cause));
            let Some(retry) = retries.after(&failure().may_pass(cause.clone()).into()) else {
                let failure = failure().hint(t!("embed.kept_hint", clinic = self.clinic));
                return Err(failure.cause(Cause::Service).into());
            };
            let wait = wanted.map_or(retry.wait, |wanted| wanted.max(Duration::from_millis(1)).min(LONGEST));
            let text = t!("embed.again", host = self.host(), cause = cause);
            observer.event(&Event::Retried {
                stage: Stage::Transform,
                number: retry.number,
                most: retry.most,
                cause: &cause,
                milliseconds: wait.as_millis() as u64,
                text: &text,
            });
            pause(wait)?;
        }
    }

    fn once(&self, texts: &[&str]) -> Result<Vec<String>, Trouble> {
        let dimensions = self.embed.send_dimension.then_some(self.embed.dimension);
        let question =
            Question { model: &self.embed.model, input: texts, encoding_format: "float", dimensions };
        let mut request = self.agent.post(&self.url);
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {}", key.expose()));
        }
        let mut response = request.send_json(&question).map_err(|error| self.unsent(&error))?;
        let status = response.status().as_u16();
        if status == 429 || status >= 500 {
            let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let seconds = seconds.and_then(|text| text.trim().parse::<f64>().ok());
            let wanted =
                seconds.filter(|seconds| (0.0..=3600.0).contains(seconds)).map(Duration::from_secs_f64);
            return Err(Trouble::Passing(format!("HTTP {status}"), wanted));
        }
        if status != 200 {
            return Err(Trouble::Lasting(self.refused(status)));
        }
        let limit = response.body_mut().with_config().limit(1 << 30);
        let answer: Answer = limit.read_json().map_err(|error| match error {
            ureq::Error::Json(_) => {
                Trouble::Lasting(Failure::failed(t!("embed.no_vectors", host = self.host())))
            }
            other => self.unsent(&other),
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
        all.ok_or_else(|| Failure::failed(t!("embed.no_vectors", host = self.host())))
    }

    /// Neither the texts nor the key are in what ureq says.
    fn unsent(&self, error: &ureq::Error) -> Trouble {
        match error {
            ureq::Error::Timeout(_) => Trouble::Passing("timeout".to_owned(), None),
            ureq::Error::Io(error) => Trouble::Passing(error.kind().to_string(), None),
            ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => {
                Trouble::Passing("connection".to_owned(), None)
            }
            other => {
                let text = t!("embed.no_answer", host = self.host(), cause = other);
                Trouble::Lasting(Failure::failed(text).hint(t!("embed.url_hint")))
            }
        }
    }

    fn refused(&self, status: u16) -> Failure {
        let failure = Failure::failed(t!("embed.refused", host = self.host(), status = status));
        match status {
            401 | 403 => {
                failure.hint(t!("embed.key_hint", variable = self.embed.key.as_deref().unwrap_or("key")))
            }
            404 => failure.hint(t!("embed.url_hint")),
            _ => failure.hint(t!("embed.model_hint", model = self.embed.model)),
        }
    }

    /// Without what may be secret in an address.
    fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or_default();
        host.rsplit('@').next().unwrap_or_default()
    }
}
