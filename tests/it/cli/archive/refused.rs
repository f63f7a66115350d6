//! Buckets that keep nothing or are not reached, and credentials that nobody takes.

use super::proxy::{Rule, What};
use super::{COMPLIANCE, SECRET, Vault, bucket};
use crate::cli::safety::says;

#[test]
fn a_bucket_that_keeps_nothing_is_refused_with_the_line_to_type() {
    let mut vault = Vault::new(COMPLIANCE);
    vault.bucket = bucket(false);
    let versions = format!("aws s3api put-bucket-versioning --bucket {}", vault.bucket);
    let lock = format!("aws s3api put-object-lock-configuration --bucket {}", vault.bucket);
    let refused = vault.run("archive mini");
    says(
        &refused,
        2,
        &["no versions under Object Lock", &versions, &lock, "--endpoint-url http://127", "nothing"],
    );
    assert!(vault.objects().is_empty());
    vault.bucket = "worm-nowhere".to_owned();
    let make =
        "aws s3api create-bucket --bucket worm-nowhere --object-lock-enabled-for-bucket --region eu-west-1";
    says(&vault.run("archive mini"), 1, &["no bucket worm-nowhere", make]);
    says(&vault.run("archive verify mini"), 1, &["no bucket worm-nowhere"]);
}

#[test]
fn whatever_keeps_us_from_the_bucket_is_a_sentence_without_a_secret() {
    let vault = Vault::new(COMPLIANCE);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    says(&vault.run_with("archive mini", &nobody), 2, &["no credentials", "aws configure"]);
    // What is missing in the environment may stand in .env.
    let lines = format!("AWS_ACCESS_KEY_ID=AKIA\nAWS_SECRET_ACCESS_KEY={SECRET}\n");
    vault.mini.write(".env", &lines);
    says(&vault.run_with("archive mini --dry-run", &nobody), 0, &[]);
    let away = format!("http://key:hunter2@{closed}");
    let unreachable = vault.run_with("archive mini --max-retries 0", &[("AWS_ENDPOINT_URL", &away)]);
    says(&unreachable, 1, &["is not reached", "AWS_ENDPOINT_URL"]);
    for (status, code, parts) in [
        (
            403,
            "AccessDenied",
            ["denies s3:GetBucketObjectLockConfiguration", "grant s3:GetBucketObjectLockConfiguration"],
        ),
        (403, "InvalidAccessKeyId", ["does not take the credentials", "aws sts get-caller-identity"]),
        (301, "PermanentRedirect", ["is not in the region eu-west-1", "export AWS_REGION=eu-south-2"]),
        (400, "MalformedXML", ["refuses s3:GetBucketObjectLockConfiguration", "MalformedXML"]),
    ] {
        vault.proxy.rules(&[Rule {
            method: "GET",
            path: "object-lock",
            what: What::Refuse(status, code),
            times: 9,
        }]);
        says(&vault.run("archive mini"), 1, &parts);
    }
    let open = [("AWS_ENDPOINT_URL", "http://user:hunter2@minio.example.org:9000")];
    says(&vault.run_with("archive mini", &open), 2, &["minio.example.org", "without TLS"]);
    says(&vault.run_with("archive mini", &[("S3_WORM_BUCKET", "")]), 2, &["S3_WORM_BUCKET is not set"]);
    let es = vault.run_with("archive mini --lang es", &[("S3_WORM_BUCKET", "")]);
    says(&es, 2, &["S3_WORM_BUCKET no está definida"]);
    vault.mini.edit("clinics/mini/clinic.toml", "years = 10", "");
    says(&vault.run("archive mini"), 2, &["mode and years together"]);
    vault.mini.edit("clinics/mini/clinic.toml", "[archive]\nmode = 'compliance'", "");
    says(&vault.run("archive list mini"), 2, &["no [archive]"]);
    assert!(vault.objects().is_empty());
}
