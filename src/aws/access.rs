//! The standard chain: environment, profile files, single sign-on, the machine's own role.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, ProvideCredentials as _};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use rust_i18n::t;

use crate::error::Failure;

const CONNECT: Duration = Duration::from_secs(10);
/// A part on a slow line takes its time; one that stands still is given up sooner.
const ATTEMPT: Duration = Duration::from_secs(600);
const STALLED: Duration = Duration::from_secs(30);
/// No wait before a repetition is longer.
const LONGEST: Duration = Duration::from_secs(60);

/// What the project says of AWS beside what the SDK finds by itself, such as lines of `.env`. It has no `Debug`: it may
/// hold a secret.
#[derive(Clone, Default)]
pub struct Given {
    pub profile: Option<String>,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub key_id: Option<String>,
    pub secret: Option<String>,
    pub token: Option<String>,
}

/// Who we are, and where.
#[derive(Clone)]
pub struct Access {
    pub(super) config: SdkConfig,
    /// A server other than Amazon's.
    pub(super) endpoint: Option<String>,
    pub(super) retries: u32,
}

impl Access {
    /// Finds credentials, region and endpoint.
    ///
    /// # Errors
    /// None or wrong credentials, no region, an endpoint on the network without TLS.
    pub async fn open(given: Given, retries: u32) -> Result<Self> {
        // Another part of the program may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
        let stalled = StalledStreamProtectionConfig::enabled().grace_period(STALLED);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .timeout_config(timeouts.build())
            .stalled_stream_protection(stalled.build())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(retries.saturating_add(1))
                    .with_max_backoff(LONGEST),
            );
        if let Some(profile) = &given.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = given.region {
            loader = loader.region(Region::new(region));
        }
        if let (Some(id), Some(secret)) = (given.key_id, given.secret) {
            loader = loader.credentials_provider(Credentials::new(id, secret, given.token, None, "given"));
        }
        let config = loader.load().await;
        let endpoint = given.endpoint.or_else(|| config.endpoint_url().map(str::to_owned));
        if let Some(endpoint) = &endpoint {
            private_way(endpoint)?;
        }
        let config = with_region(config, endpoint.is_some())?;
        known(&config).await?;
        Ok(Self { config, endpoint, retries })
    }

    /// Where requests go, without what may be secret in an address.
    pub fn host(&self) -> String {
        self.host_of("s3", self.region().unwrap_or("aws-global"))
    }

    /// The same of another service, in a region.
    pub(super) fn host_of(&self, service: &str, region: &str) -> String {
        let amazon = || format!("{service}.{region}.amazonaws.com");
        self.endpoint.as_deref().map_or_else(amazon, |endpoint| authority(endpoint).to_owned())
    }

    pub(super) fn region(&self) -> Option<&str> {
        self.config.region().map(Region::as_ref)
    }
}

/// A server of one's own seldom has regions, and never asks for one.
fn with_region(config: SdkConfig, own_server: bool) -> Result<SdkConfig> {
    match (config.region(), own_server) {
        (Some(_), _) => Ok(config),
        (None, true) => Ok(config.into_builder().region(Region::new("us-east-1")).build()),
        (None, false) => Err(Failure::usage(t!("aws.no_region")).hint(t!("aws.no_region_hint")).into()),
    }
}

/// Asks for credentials before anything else needs them. What a provider says of its files is not repeated: it may quote
/// them.
async fn known(config: &SdkConfig) -> Result<()> {
    let Some(provider) = config.credentials_provider() else { return Err(nobody().into()) };
    let Err(error) = provider.provide_credentials().await else { return Ok(()) };
    let kind = format!("{error:?}");
    Err(match kind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default() {
        "CredentialsNotLoaded" => nobody(),
        "InvalidConfiguration" => Failure::usage(t!("aws.bad_profile")).hint(t!("aws.bad_profile_hint")),
        _ => Failure::failed(t!("aws.no_answer_on_credentials")).hint(t!("aws.wrong_credentials_hint")),
    }
    .into())
}

fn nobody() -> Failure {
    Failure::usage(t!("aws.no_credentials")).hint(t!("aws.no_credentials_hint"))
}

/// Patients' data goes over TLS, or stays on this machine.
///
/// # Errors
/// An address without TLS on the network, or none.
pub fn private_way(endpoint: &str) -> Result<()> {
    let host = host(authority(endpoint));
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match endpoint.split_once("://") {
        Some(("https", _)) => Ok(()),
        Some(("http", _)) if is_here => Ok(()),
        Some(("http", _)) => {
            Err(Failure::usage(t!("aws.no_tls", host = host)).hint(t!("aws.no_tls_hint")).into())
        }
        _ => Err(Failure::usage(t!("aws.bad_endpoint", host = host)).hint(t!("aws.no_tls_hint")).into()),
    }
}

/// An address as it may be shown.
pub(super) fn shown(endpoint: &str) -> String {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return authority(endpoint).to_owned() };
    let path = rest.find('/').map_or("", |at| &rest[at..]).split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{}{path}", authority(endpoint))
}

/// `host:port` of an address.
fn authority(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    rest.rsplit('@').next().unwrap_or_default()
}

fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_open() {
        for good in [
            "https://s3.example.org",
            "http://127.0.0.1:9000",
            "http://localhost:54321/storage/v1/s3",
            "http://[::1]:9000",
        ] {
            assert!(private_way(good).is_ok(), "{good}");
        }
        for wrong in
            ["http://10.0.0.5:9000", "http://localhost.example.org", "s3.example.org", "ftp://localhost"]
        {
            assert!(private_way(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_told_without_its_password() {
        let address = "https://key:hunter2@minio.example.org:9000/x?y=hunter2";
        assert_eq!(authority(address), "minio.example.org:9000");
        assert_eq!(shown(address), "https://minio.example.org:9000/x");
        assert_eq!(shown("http://localhost:9000"), "http://localhost:9000");
    }
}
