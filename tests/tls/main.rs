//! TLS: who gets in, as whom, by which version; certificates that are replaced under busy clients;
//! and what is no handshake, or a slow one.

mod authority;
mod client;
#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "../crash/process.rs"]
mod process;
#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "../support/mod.rs"]
mod support;

mod hostile;

use authority::Authority;
use client::{TlsClient, config, showing};
use process::{Process, binary, scratch};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{Kind, Value};
use support::server::free_port;

/// A server with two ports, and the authority of its certificate.
pub struct Served {
    /// The process.
    pub server: Process,
    /// Its port for TLS.
    pub port: u16,
    /// Who has signed its certificate.
    pub authority: Authority,
    folder: PathBuf,
}

impl Served {
    fn new(name: &str, args: &[&str]) -> Served {
        let folder = scratch(&format!("tls-{name}"));
        let authority = Authority::new(&folder);
        for (file, common_name) in [("server", "server"), ("anna", "anna"), ("nobody", "nobody")] {
            authority.sign(file, common_name, Some(&format!("urn:{file}")));
        }
        let port = free_port().to_string();
        let files = ["server.crt", "server.key", "ca.crt"].map(|file| authority.path(file));
        let mut all = vec!["--save", "", "--tls-port", &port, "--enable-debug-command", "yes"];
        all.extend(["--tls-cert-file", &files[0], "--tls-key-file", &files[1]]);
        all.extend(["--tls-ca-cert-file", &files[2]]);
        all.extend(args);
        let mut server = Process::start(&folder, &all);
        server.wait_until_ready();
        Served { server, port: port.parse().expect("it is a number"), authority, folder }
    }

    fn connect(&self, own: Option<&str>) -> TlsClient {
        TlsClient::connect(self.port, showing(&self.authority, own))
    }

    /// Waits until the log, which has a thread of its own, says this.
    pub fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.server.output().contains(text) {
            assert!(Instant::now() < deadline, "{text}: {}", self.server.output());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn plain(&self) -> Client {
        self.server.client()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A simple string.
pub fn simple(text: &str) -> Value {
    Value::Simple(text.as_bytes().to_vec())
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn call(client: &mut Client, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match client.call(&words) {
        Ok(Value::Simple(text) | Value::Error(text) | Value::Bulk(text)) => {
            String::from_utf8_lossy(&text).into_owned()
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn requests_and_large_replies_go_over_all_versions() {
    let served = Served::new("versions", &["--tls-auth-clients", "no"]);
    for version in rustls::ALL_VERSIONS {
        let config = config(&served.authority, None, &[version]);
        let mut client = TlsClient::connect(served.port, config);
        assert_eq!(client.call("PING").expect("it answers"), simple("PONG"));
        assert_eq!(client.stream.conn.protocol_version(), Some(version.version));
        let value = "x".repeat(3_000_000);
        assert_eq!(client.call(&format!("SET large {value}")).expect("it answers"), simple("OK"));
        for _ in 0..5 {
            client
                .stream
                .write_all(b"GET large\r\nPING\r\nMGET large large\r\n")
                .expect("it is sent");
        }
        for _ in 0..5 {
            assert!(client.reply().expect("it answers") == bulk(&value));
            assert_eq!(client.reply().expect("it answers"), simple("PONG"));
            let both = client.reply().expect("it answers");
            assert!(both == Value::Items(Kind::Array, vec![bulk(&value), bulk(&value)]));
        }
    }
}

#[test]
fn a_certificate_is_wanted_and_names_the_user() {
    let served = Served::new("user", &["--tls-auth-clients-user", "CN"]);
    let refused = served.connect(None).call("PING");
    assert!(refused.is_err(), "{refused:?}");
    let mut plain = served.plain();
    assert_eq!(call(&mut plain, "ACL SETUSER anna on nopass ~a* +@all"), "OK");
    let who = |name| served.connect(Some(name)).call("ACL WHOAMI").expect("it answers");
    assert_eq!(who("anna"), bulk("anna"));
    assert_eq!(who("nobody"), bulk("default"));
    let log = format!("{:?}", plain.call(&["ACL", "LOG"]).expect("it answers"));
    assert!(log.contains(&format!("{:?}", bulk("tls-cert"))), "{log}");
    assert!(log.contains(&format!("{:?}", bulk("nobody"))), "{log}");
    assert_eq!(call(&mut plain, "ACL SETUSER anna off"), "OK");
    assert_eq!(who("anna"), bulk("default"));
    assert!(call(&mut plain, "INFO stats").contains("acl_access_denied_tls_cert:2\r\n"));
    // Another one of its names, for connections from now on.
    assert_eq!(call(&mut plain, "ACL SETUSER urn:anna on nopass +@all"), "OK");
    assert_eq!(call(&mut plain, "CONFIG SET tls-auth-clients-user URI"), "OK");
    assert_eq!(who("anna"), bulk("urn:anna"));
    assert_eq!(call(&mut plain, "CONFIG SET tls-auth-clients optional"), "OK");
    let reply = served.connect(None).call("ACL WHOAMI").expect("it answers");
    assert_eq!(reply, bulk("default"));
}

#[test]
fn a_foreign_certificate_is_refused() {
    let served = Served::new("foreign", &["--tls-auth-clients", "optional"]);
    let folder = scratch("tls-foreign-other");
    let other = Authority::new(&folder);
    other.sign("anna", "anna", None);
    // It believes the server, but the server does not believe it.
    std::fs::copy(served.authority.path("ca.crt"), other.path("ca.crt")).expect("it is copied");
    let refused = TlsClient::connect(served.port, showing(&other, Some("anna"))).call("PING");
    assert!(refused.is_err(), "{refused:?}");
    served.wait_for_log("TLS handshake with 127.0.0.1:");
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn sessions_are_resumed_until_the_settings_change() {
    let served = Served::new("resumed", &[]);
    for version in rustls::ALL_VERSIONS {
        let mut plain = served.plain();
        assert_eq!(call(&mut plain, "CONFIG SET tls-session-caching yes"), "OK");
        let config = config(&served.authority, Some("anna"), &[version]);
        let kind = || {
            let mut client = TlsClient::connect(served.port, config.clone());
            assert_eq!(client.call("PING").expect("it answers"), simple("PONG"));
            client.stream.conn.handshake_kind().expect("there was one")
        };
        assert_eq!(kind(), rustls::HandshakeKind::Full);
        assert_eq!(kind(), rustls::HandshakeKind::Resumed, "{version:?}");
        assert_eq!(call(&mut plain, "CONFIG SET tls-session-caching no"), "OK");
        assert_eq!(kind(), rustls::HandshakeKind::Full);
        assert_eq!(kind(), rustls::HandshakeKind::Full);
    }
}

/// Fifty clients ask and ask while the certificate is replaced: none notices, new ones get the new
/// one.
#[test]
fn certificates_are_replaced_under_busy_clients() {
    let served = Served::new("replaced", &["--tls-auth-clients", "no"]);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    let mut first = served.connect(None);
    assert_eq!(first.call("PING").expect("it answers"), simple("PONG"));
    let busy: Vec<_> = (0..50)
        .map(|number| {
            let mut client = served.connect(None);
            let (stop, asked) = (stop.clone(), asked.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let reply = client.call(&format!("SET key:{number} value"));
                    assert_eq!(reply.expect("it stays"), simple("OK"));
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut plain = served.plain();
    let mut before = first.shown();
    for _ in 0..5 {
        // Same files, other content.
        served.authority.sign("server", "server", None);
        let file = served.authority.path("server.crt");
        assert_eq!(call(&mut plain, &format!("CONFIG SET tls-cert-file {file}")), "OK");
        let mut new = served.connect(None);
        assert_eq!(new.call("PING").expect("it answers"), simple("PONG"));
        assert_ne!(new.shown(), before);
        before = new.shown();
        thread::sleep(Duration::from_millis(50));
    }
    stop.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|thread| thread.join().expect("no client was dropped"));
    assert!(asked.load(Ordering::Relaxed) > 50);
    assert_eq!(first.call("PING").expect("it stays"), simple("PONG"));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let served = Served::new("wrong", &["--tls-auth-clients", "no"]);
    let mut plain = served.plain();
    let failed = |setting| {
        format!(
            "ERR CONFIG SET failed (possibly related to argument '{setting}') - Unable to update \
             TLS configuration. Check server logs."
        )
    };
    let foreign = served.authority.path("anna.crt");
    for (setting, value, why) in [
        ("tls-cert-file", "nowhere", "Failed to load certificate: nowhere: No such file"),
        ("tls-cert-file", &foreign, "it does not fit the certificate"),
        ("tls-key-file", &foreign, "no private key is in it"),
        ("tls-ca-cert-file", "nowhere", "Failed to configure CA certificate(s) file/directory"),
        ("tls-protocols", "SSLv3", "Invalid tls-protocols specified."),
        ("tls-protocols", "TLSv1.1", "TLSv1.1 is not there"),
        ("tls-ciphers", "AES128-SHA", "Failed to configure ciphers: none of them is there"),
        ("tls-ciphersuites", "bla", "Failed to configure ciphersuites"),
    ] {
        let reply = call(&mut plain, &format!("CONFIG SET {setting} {value}"));
        assert_eq!(reply, failed(setting));
        served.wait_for_log(why);
        assert_eq!(served.connect(None).call("PING").expect("it answers"), simple("PONG"));
    }
    let file = served.authority.path("anna");
    let both = format!("CONFIG SET tls-cert-file {file}.crt tls-key-file {file}.key");
    assert_eq!(call(&mut plain, &both), "OK");
    assert_eq!(served.connect(None).call("PING").expect("it answers"), simple("PONG"));
    // The port goes and comes back; who is connected stays.
    let mut stays = served.connect(None);
    assert_eq!(stays.call("PING").expect("it answers"), simple("PONG"));
    assert_eq!(call(&mut plain, "CONFIG SET tls-port 0"), "OK");
    assert!(std::net::TcpStream::connect(("127.0.0.1", served.port)).is_err());
    assert_eq!(stays.call("PING").expect("it answers"), simple("PONG"));
    let port = served.server.port();
    let busy = call(&mut plain, &format!("CONFIG SET tls-port {port}"));
    assert!(busy.ends_with("'tls-port') - Unable to listen on this port. Check server logs."));
    assert_eq!(call(&mut plain, &format!("CONFIG SET tls-port {}", served.port)), "OK");
    assert_eq!(served.connect(None).call("PING").expect("it answers"), simple("PONG"));
}

#[test]
fn a_server_that_cannot_encrypt_does_not_start() {
    let folder = scratch("tls-start");
    let authority = Authority::new(&folder);
    authority.sign("server", "server", None);
    let start = |args: &[String]| {
        let port = free_port().to_string();
        let output = Command::new(binary())
            .args(["--port", "0", "--tls-port", &port, "--save", ""])
            .args(args)
            .current_dir(&folder)
            .output()
            .expect("it runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (cert, key) = (authority.path("server.crt"), authority.path("server.key"));
    let files = ["--tls-cert-file", &cert, "--tls-key-file", &key].map(str::to_owned);
    assert!(start(&[]).contains("No tls-cert-file configured!"));
    assert!(start(&files[..2]).contains("No tls-key-file configured!"));
    assert!(start(&files).contains("Either tls-ca-cert-file or tls-ca-cert-dir"));
    std::fs::remove_dir_all(folder).expect("it is ours");
}

/// A key that openssl has encrypted is read with its password, and not without.
#[test]
fn encrypted_keys_want_their_password() {
    let served = Served::new("password", &["--tls-auth-clients", "no"]);
    let (key, encrypted) = (served.authority.path("server.key"), served.authority.path("locked"));
    let made = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:secret"])
        .args(["-in", &key, "-out", &encrypted])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("SKIPPED: no openssl to encrypt a key with");
        return;
    }
    let mut plain = served.plain();
    let mut set = |pairs: &str| call(&mut plain, &format!("CONFIG SET {pairs}"));
    assert!(set(&format!("tls-key-file {encrypted}")).contains("Unable to update TLS"));
    let wrong = set(&format!("tls-key-file {encrypted} tls-key-file-pass wrong"));
    assert!(wrong.contains("Unable to update TLS"), "{wrong}");
    assert_eq!(set(&format!("tls-key-file {encrypted} tls-key-file-pass secret")), "OK");
    assert_eq!(served.connect(None).call("PING").expect("it answers"), simple("PONG"));
    assert!(!served.server.output().contains("secret"));
}

/// While a script holds the only worker, clients over TLS are told so, and may end it; one that
/// connects meanwhile, too.
#[test]
fn a_busy_server_answers_over_tls() {
    let args = ["--threads", "1", "--busy-reply-threshold", "100", "--tls-auth-clients", "no"];
    let served = Served::new("busy", &args);
    let mut known = served.connect(None);
    assert_eq!(known.call("PING").expect("it answers"), simple("PONG"));
    let mut looping = served.plain();
    looping.send(b"EVAL 'while true do end' 0\r\n").expect("it is sent");
    thread::sleep(Duration::from_millis(300));
    let is_busy = |reply: Value| matches!(&reply, Value::Error(text) if text.starts_with(b"BUSY"));
    assert!(is_busy(known.call("GET a").expect("it answers")));
    let mut new = served.connect(None);
    assert!(is_busy(new.call("GET a").expect("it answers")));
    assert_eq!(new.call("SCRIPT KILL").expect("it answers"), simple("OK"));
    assert!(matches!(looping.reply(), Ok(Value::Error(_))));
    assert_eq!(new.call("GET a").expect("it answers"), Value::Nil);
    assert_eq!(known.call("QUIT").expect("it answers"), simple("OK"));
}

#[test]
fn ping_speaks_tls() {
    let served = Served::new("ping", &["--tls-auth-clients", "yes"]);
    let port = served.port.to_string();
    let files = ["ca.crt", "anna.crt", "anna.key"].map(|file| served.authority.path(file));
    let ping = |args: &[&str]| {
        let output = Command::new(binary())
            .args(["ping", "--host", "127.0.0.1", "--port", &port, "--tls"])
            .args(args)
            .output()
            .expect("it runs");
        let [out, err] = [output.stdout, output.stderr];
        String::from_utf8_lossy(&[out, err].concat()).into_owned()
    };
    let own = ["--cert", &files[1], "--key", &files[2]];
    assert!(
        ping(&[&own[..], &["--cacert", &files[0]]].concat()).starts_with("PONG from 127.0.0.1")
    );
    assert!(ping(&[&own[..], &["--insecure"]].concat()).starts_with("PONG from 127.0.0.1"));
    let unknown = ping(&[&own[..], &["--cacert", &files[1]]].concat());
    assert!(unknown.contains("no PONG") && unknown.contains("certificate"), "{unknown}");
    let named = ping(&[&own[..], &["--cacert", &files[0], "--sni", "elsewhere"]].concat());
    assert!(named.contains("no PONG") && named.contains("certificate"), "{named}");
    let bare = ping(&["--cacert", &files[0]]);
    assert!(bare.contains("no PONG"), "{bare}");
    let info = call(&mut served.plain(), "INFO tls");
    assert!(info.contains("tls_server_cert_expires_in_seconds:"), "{info}");
    let server = call(&mut served.plain(), "INFO server");
    assert!(server.contains(&format!("name=tls,bind=127.0.0.1,port={port}\r\n")), "{server}");
}
