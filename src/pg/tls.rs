//! TLS by rustls, verified as libpq's `sslmode` asks.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use rust_i18n::t;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::parameters::{Encryption, Parameters, Roots};
use crate::error::Failure;

/// What opens TLS for a connection, as its parameters ask.
pub(super) fn connector(parameters: &Parameters) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match parameters.encryption {
        // The mode disable never gets this far; prefer and require trust anyone, as libpq without a root file.
        Encryption::Disable | Encryption::Prefer | Encryption::Require => {
            Arc::new(Lenient { provider: provider.clone(), roots: None })
        }
        Encryption::VerifyCa => {
            Arc::new(Lenient { provider: provider.clone(), roots: Some(roots(&parameters.roots)?) })
        }
        Encryption::VerifyFull => {
            let roots = Arc::new(roots(&parameters.roots)?);
            WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build()?
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots(source: &Roots) -> Result<RootCertStore> {
    let file = match source {
        Roots::File(path) => Some(path.clone()),
        Roots::Default => own_root_file(),
        Roots::System => None,
    };
    let mut store = RootCertStore::empty();
    match &file {
        Some(path) => {
            let unreadable = || Failure::usage(t!("pg.bad_root_file", path = path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|_| unreadable())? {
                store.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        let path = file.map_or_else(|| "sslrootcert=system".to_owned(), |path| path.display().to_string());
        return Err(Failure::usage(t!("pg.no_roots", path = path)).into());
    }
    Ok(store)
}

/// libpq's own root file, where it exists.
fn own_root_file() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("HOME")?).join(".postgresql/root.crt");
    path.is_file().then_some(path)
}

/// Checks who signed the certificate (with roots) or nothing at all (without), and never the host's name.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let parsed = ParsedCertificate::try_from(certificate)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
