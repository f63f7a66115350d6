//! What the SDK says, as a sentence: never with a key, a signature or a body in it.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use rust_i18n::t;

use crate::error::Failure;

/// Where it was asked.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) bucket: String,
    pub(super) region: String,
    /// For the lines that are proposed: a server other than Amazon's has to be named.
    pub(super) endpoint: Option<String>,
    /// What lies there is kept from being deleted.
    pub(super) keeps: bool,
}

/// Codes of a key that is unknown, wrong, old, or of a clock that is wrong.
pub(super) const CREDENTIALS: [&str; 7] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "RequestExpired",
];

const ELSEWHERE: [&str; 4] = [
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
];

/// The code of an error, and its HTTP status, where a server answered.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> (Option<&str>, Option<u16>) {
    let status = error.raw_response().map(|response| response.status().as_u16());
    (error.as_service_error().and_then(ProvideErrorMetadata::code), status)
}

/// Why a request about the bucket did not go through; `operation` as IAM calls its right.
pub(super) fn of<E: ProvideErrorMetadata>(error: &SdkError<E>, operation: &str, place: &Place) -> Failure {
    let (bucket, host) = (&place.bucket, &place.host);
    let (code, status) = code(error);
    let name = code.map_or_else(|| status.unwrap_or_default().to_string(), str::to_owned);
    match (error, name.as_str(), status) {
        (SdkError::ServiceError(_), name, _) if CREDENTIALS.contains(&name) => {
            Failure::failed(t!("aws.wrong_credentials", host = host, code = name))
                .hint(t!("aws.wrong_credentials_hint"))
        }
        (SdkError::ServiceError(_), name, status) if ELSEWHERE.contains(&name) || status == Some(301) => {
            let right =
                error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"));
            let failure =
                Failure::failed(t!("aws.wrong_region", bucket = bucket, region = place.region, host = host));
            failure.hint(t!("aws.wrong_region_hint", region = right.unwrap_or("…")))
        }
        (SdkError::ServiceError(_), "NoSuchBucket", _) => place.no_bucket(),
        (SdkError::ServiceError(_), name, Some(403)) => Failure::failed(t!(
            "aws.denied",
            bucket = bucket,
            host = host,
            operation = operation,
            code = name
        ))
        .hint(t!("aws.denied_hint", operation = operation, bucket = bucket)),
        (SdkError::ServiceError(_) | SdkError::ResponseError(_), name, Some(429 | 500..)) => {
            Failure::failed(t!("aws.busy", host = host, code = name))
                .hint(t!("aws.again_hint"))
                .may_pass(name)
        }
        (SdkError::ServiceError(_) | SdkError::ResponseError(_), name, _) => Failure::failed(t!(
            "aws.refused",
            bucket = bucket,
            host = host,
            operation = operation,
            code = name
        )),
        (SdkError::TimeoutError(_), ..) => place.unreachable("timeout"),
        (SdkError::DispatchFailure(failure), ..) if failure.is_timeout() => place.unreachable("timeout"),
        _ => place.unreachable("connection"),
    }
}

impl Place {
    pub(super) fn no_bucket(&self) -> Failure {
        Failure::failed(t!("aws.no_bucket", bucket = self.bucket, host = self.host)).hint(self.creation())
    }

    fn unreachable(&self, cause: &str) -> Failure {
        Failure::failed(t!("aws.unreachable", host = self.host, cause = cause))
            .hint(t!("aws.unreachable_hint"))
            .may_pass(cause)
    }

    /// A command line of the AWS tools that makes the bucket, under Object Lock where that is wanted.
    pub(super) fn creation(&self) -> String {
        let place = match self.region.as_str() {
            "us-east-1" => String::new(),
            region => format!(" --create-bucket-configuration LocationConstraint={region}"),
        };
        let (bucket, region) = (&self.bucket, &self.region);
        let lock = if self.keeps { " --object-lock-enabled-for-bucket" } else { "" };
        self.line(&format!("create-bucket --bucket {bucket}{lock} --region {region}{place}"))
    }

    pub(super) fn line(&self, command: &str) -> String {
        let endpoint = self.endpoint.as_ref().map(|url| format!(" --endpoint-url {url}")).unwrap_or_default();
        format!("aws s3api {command}{endpoint}")
    }
}
