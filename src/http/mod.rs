//! Requests to services: TLS by the machine's own certificates, a time limit, and again after what can pass.

use std::fmt;
use std::time::Duration;

use rust_i18n::t;
use serde::Serialize;
use ureq::http::{Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::error::Failure;
use crate::error::again::{Retries, pause};
use crate::model::run::{Event, Observer, Stage};

/// A service that says later than this is not waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// A service's address, and how it is asked.
pub struct Endpoint {
    agent: Agent,
    url: String,
    bearer: Option<String>,
    /// The header that has the key once more, for services that want it there.
    key_header: Option<&'static str>,
}

/// Neither the address, which may be a secret, nor the key.
impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Endpoint({})", self.host())
    }
}

/// Why a request came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// It can pass: what it was, and how long the service wants to be left alone.
    Passing(String, Option<Duration>),
    Lasting(Failure),
}

impl Endpoint {
    /// An address that is asked with this key, if there is one, and given so much time for an answer.
    pub fn new(url: &str, bearer: Option<&str>, timeout: Duration) -> Self {
        // Another part of the program may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // What is sent is for that address, and for no other that it may name.
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots(url)).build())
            .build()
            .new_agent();
        Self { agent, url: url.to_owned(), bearer: bearer.map(str::to_owned), key_header: None }
    }

    /// The same with the key in this header too.
    #[must_use]
    pub fn key_in(mut self, header: &'static str) -> Self {
        self.key_header = Some(header);
        self
    }

    /// The address without what may be secret in it.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        host.rsplit('@').next().unwrap_or_default()
    }

    /// Sends JSON once and gives the answer, whatever its status below 500 but 429, which can pass.
    ///
    /// # Errors
    /// No answer, or one that asks to come again.
    pub fn post(&self, question: &impl Serialize) -> Result<Response<Body>, Trouble> {
        self.ask("POST", "", Some(question))
    }

    /// The same with another method, below the address.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        question: Option<&impl Serialize>,
    ) -> Result<Response<Body>, Trouble> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(key) = &self.bearer {
            request = request.header("authorization", format!("Bearer {key}"));
            request =
                self.key_header.into_iter().fold(request, |request, header| request.header(header, key));
        }
        let answer = match question {
            Some(question) => {
                let json = serde_json::to_vec(question).map_err(|_| Trouble::Lasting(bad_address()))?;
                let request = request.header("content-type", "application/json").body(json);
                self.agent.run(request.map_err(|_| Trouble::Lasting(bad_address()))?)
            }
            None => self.agent.run(request.body(()).map_err(|_| Trouble::Lasting(bad_address()))?),
        };
        let response = answer.map_err(|error| self.unsent(&error))?;
        let status = response.status().as_u16();
        if status != 429 && status < 500 {
            return Ok(response);
        }
        let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let seconds = seconds.and_then(|text| text.trim().parse::<f64>().ok());
        let wanted = seconds.filter(|seconds| (0.0..=3600.0).contains(seconds)).map(Duration::from_secs_f64);
        Err(Trouble::Passing(format!("HTTP {status}"), wanted))
    }

    /// What a request failed of. Neither what was sent nor the key nor the address is in it.
    pub fn unsent(&self, error: &ureq::Error) -> Trouble {
        match error {
            ureq::Error::Timeout(_) => Trouble::Passing("timeout".to_owned(), None),
            ureq::Error::Io(error) => Trouble::Passing(error.kind().to_string(), None),
            ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => {
                Trouble::Passing("connection".to_owned(), None)
            }
            // These quote the address.
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::RequireHttpsOnly(_) => {
                Trouble::Lasting(bad_address())
            }
            other => {
                Trouble::Lasting(Failure::failed(t!("http.no_answer", host = self.host(), cause = other)))
            }
        }
    }
}

fn bad_address() -> Failure {
    Failure::failed(t!("http.bad_address"))
}

/// The machine's certificates, which an address without TLS does not need.
fn roots(url: &str) -> RootCerts {
    let certificates = match url.get(..6) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https:") => {
            rustls_native_certs::load_native_certs().certs
        }
        _ => Vec::new(),
    };
    certificates.iter().map(|one| Certificate::from_der(one).to_owned()).into()
}

/// Does a request, and again after what can pass; `words` says what came to nothing, and that it is done again.
///
/// # Errors
/// What does not pass, or did not after all repetitions, or that a stop was asked for.
pub fn patiently<T>(
    most: u32,
    (stage, observer): (Stage, &dyn Observer),
    words: impl Fn(&str) -> (Failure, String),
    mut request: impl FnMut() -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let mut retries = Retries::new(most);
    loop {
        let (cause, wanted) = match request() {
            Ok(answer) => return Ok(answer),
            Err(Trouble::Lasting(failure)) => return Err(failure),
            Err(Trouble::Passing(cause, wanted)) => (cause, wanted),
        };
        let (failure, text) = words(&cause);
        let passing = Failure::failed("").may_pass(cause.clone());
        let Some(retry) = retries.after(&passing.into()) else { return Err(failure) };
        let wait = wanted.map_or(retry.wait, |wanted| wanted.max(Duration::from_millis(1)).min(LONGEST));
        observer.event(&Event::Retried {
            stage,
            number: retry.number,
            most: retry.most,
            cause: &cause,
            milliseconds: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            text: &text,
        });
        pause(wait)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Endpoint {
        Endpoint::new(url, Some("hunter2"), Duration::from_secs(1))
    }

    #[test]
    fn an_address_is_told_without_its_secrets() {
        for url in [
            "https://u:hunter2@hooks.example.com/services/hunter2",
            "https://hooks.example.com?token=hunter2",
            "hooks.example.com/hunter2",
        ] {
            assert_eq!(at(url).host(), "hooks.example.com");
            assert!(!format!("{:?}", at(url)).contains("hunter2"));
        }
        for url in ["/hunter2", "hunter2://hooks/hunter2", "ht tp://hunter2", "http://[hunter2"] {
            let told = match at(url).post(&1).map(|_| ()) {
                Err(Trouble::Lasting(failure)) => failure.message,
                other => format!("{other:?}"),
            };
            assert!(!told.contains("hunter2"), "{url}: {told}");
        }
    }

    #[test]
    fn a_server_without_a_known_certificate_is_refused_in_words() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 no TLS here\r\n\r\n");
        });
        assert!(at(&url).post(&1).is_err());
    }
}
