//! A server that speaks S3 with Object Lock: moto (PyPI), installed by `.ci/moto` beside the build, one for the run.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region, ResponseChecksumValidation};

/// The port, and the pipe whose end tells the watchdog that the run is over.
struct Server {
    port: u16,
    _alive: ChildStdin,
}

static SERVER: OnceLock<Server> = OnceLock::new();

pub(in crate::cli) fn port() -> u16 {
    SERVER.get_or_init(start).port
}

/// A shell starts it and ends it once the pipe that only this process holds open closes, however this process ends.
#[expect(clippy::zombie_processes, reason = "the watchdog outlives this process: that is its task")]
fn start() -> Server {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut watchdog = Command::new("/bin/sh")
        .args(["-c", "\"$0\" -H 127.0.0.1 -p \"$1\" & cat > /dev/null; kill $!"])
        .arg(program())
        .arg(port.to_string())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let alive = watchdog.stdin.take().unwrap();
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(120), "moto does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    Server { port, _alive: alive }
}

fn program() -> PathBuf {
    crate::support::installed("moto", "moto-venv").0.join("bin/moto_server")
}

/// The SDK's own client, for what trasvase does not do: making buckets, breaking archives.
pub(in crate::cli) fn client() -> Client {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let http = aws_smithy_http_client::Builder::new();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .endpoint_url(format!("http://127.0.0.1:{}", port()))
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .force_path_style(true)
        // Of an object in parts moto gives the checksum of the parts' checksums as if it were its own.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    Client::from_conf(config.build())
}
