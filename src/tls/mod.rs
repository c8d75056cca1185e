//! TLS: what connections are encrypted with, made of the settings and of the files that they name.
//!
//! ```text
//!   settings --> files --> a configuration of rustls --> each new connection takes the latest
//! ```
//!
//! A configuration is made as a whole and then put in the place of the one before: connections that
//! have begun go on with theirs, and none is dropped because a certificate is replaced. Where
//! anything is wrong, the one before stays.

pub mod certificate;
mod ciphers;
pub mod client;
mod files;
mod sessions;

use crate::system::clock::Clock;
use crate::system::log;
use crate::tls::certificate::Validity;
use crate::tls::ciphers::Chosen;
use crate::tls::sessions::Sessions;
use parking_lot::RwLock;
use redstart_config::{Changes, Config, Setting};
use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use std::sync::Arc;

/// What CONFIG SET of these changes is a new configuration.
const SETTINGS: [Setting; 15] = [
    Setting::TlsPort,
    Setting::TlsCertFile,
    Setting::TlsKeyFile,
    Setting::TlsKeyFilePass,
    Setting::TlsCaCertFile,
    Setting::TlsCaCertDir,
    Setting::TlsAuthClients,
    Setting::TlsAuthClientsUser,
    Setting::TlsProtocols,
    Setting::TlsCiphers,
    Setting::TlsCiphersuites,
    Setting::TlsPreferServerCiphers,
    Setting::TlsSessionCaching,
    Setting::TlsSessionCacheSize,
    Setting::TlsSessionCacheTimeout,
];

/// Why there is no TLS with these settings.
pub type Reason = String;

/// What new connections are encrypted with, if there is a port for such.
pub struct Tls {
    clock: &'static Clock,
    current: RwLock<Option<Arc<Encryption>>>,
}

/// One configuration.
pub struct Encryption {
    config: Arc<ServerConfig>,
    /// Of the server's own certificate.
    pub own: Option<Validity>,
    /// Of the first authority that clients' certificates are signed by.
    pub authority: Option<Validity>,
    /// Which part of a client's certificate names its user.
    pub user_in: UserIn,
}

/// Which part of a client's certificate names its user (`tls-auth-clients-user`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserIn {
    /// None: clients are `default` until they authenticate.
    Nothing,
    /// The common name of its subject.
    CommonName,
    /// The first of its URIs that is a user's name.
    Uri,
}

/// The setting to blame for a configuration that cannot be made: the first that was set. What it
/// names may have changed though its value has not.
pub fn asked_for(changes: &Changes) -> Option<Setting> {
    SETTINGS.into_iter().find(|setting| changes.sets(*setting))
}

impl Tls {
    /// There is none yet.
    pub fn new(clock: &'static Clock) -> Tls {
        Tls { clock, current: RwLock::default() }
    }

    /// What new connections are encrypted with.
    pub fn current(&self) -> Option<Arc<Encryption>> {
        self.current.read().clone()
    }

    /// From now on new connections are encrypted so. Returns what they were before.
    pub fn replace(&self, with: Option<Arc<Encryption>>) -> Option<Arc<Encryption>> {
        std::mem::replace(&mut self.current.write(), with)
    }

    /// Reads the files that the settings name; nothing where there is no port for TLS.
    ///
    /// # Errors
    /// What is wrong with a setting or a file.
    pub fn make(&self, config: &Config) -> Result<Option<Arc<Encryption>>, Reason> {
        if config.integer(Setting::TlsPort) == 0 {
            return Ok(None);
        }
        let (versions, chosen) = (versions(&text(config, Setting::TlsProtocols))?, chosen(config)?);
        let (certificates, key) = files::identity(config)?;
        let mut provider = ring::default_provider();
        provider.cipher_suites = chosen;
        let provider = Arc::new(provider);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(|error| format!("Failed to configure ciphers: {error}"))?;
        let roots = files::authorities(config)?;
        let authority = roots.certificates.first().and_then(Validity::of);
        let own = certificates.first().and_then(Validity::of);
        let builder = match roots.store {
            None => builder.with_no_client_auth(),
            Some(store) => {
                let optional = config.choice(Setting::TlsAuthClients) == "optional";
                builder.with_client_cert_verifier(verifier(store, optional, provider)?)
            }
        };
        let mut made = builder.with_single_cert(certificates, key).map_err(|error| {
            let file = text(config, Setting::TlsKeyFile);
            format!("Failed to load private key: {file}: it does not fit the certificate: {error}")
        })?;
        made.ignore_client_order = config.is(Setting::TlsPreferServerCiphers);
        self.keep_sessions(&mut made, config);
        let user_in = match config.choice(Setting::TlsAuthClientsUser) {
            "CN" => UserIn::CommonName,
            "URI" => UserIn::Uri,
            _ => UserIn::Nothing,
        };
        Ok(Some(Arc::new(Encryption { config: Arc::new(made), own, authority, user_in })))
    }

    /// Sessions that clients may resume belong to one configuration: who may connect is asked again
    /// with the next one.
    fn keep_sessions(&self, made: &mut ServerConfig, config: &Config) {
        let (most, for_s) = (
            config.count(Setting::TlsSessionCacheSize),
            config.count(Setting::TlsSessionCacheTimeout) as u64,
        );
        if config.is(Setting::TlsSessionCaching) && for_s > 0 {
            made.session_storage = Arc::new(Sessions::new(self.clock, most, for_s));
        } else {
            made.session_storage = Arc::new(NoServerSessionStorage {});
            made.send_tls13_tickets = 0;
        }
    }
}

impl Encryption {
    /// The state of a new connection.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn accept(&self) -> Result<UnbufferedServerConnection, rustls::Error> {
        UnbufferedServerConnection::new(self.config.clone())
    }
}

/// A setting's text.
fn text(config: &Config, setting: Setting) -> String {
    String::from_utf8_lossy(config.text(setting)).into_owned()
}

/// The versions that `tls-protocols` names; without any, all that there are.
fn versions(text: &str) -> Result<Vec<&'static SupportedProtocolVersion>, Reason> {
    let mut chosen = Vec::new();
    for name in text.split(' ').filter(|name| !name.is_empty()) {
        chosen.push(match name.to_ascii_lowercase().as_str() {
            "tlsv1.2" => &version::TLS12,
            "tlsv1.3" => &version::TLS13,
            "tlsv1" | "tlsv1.1" => {
                return Err(format!("{name} is not there: use 'TLSv1.2' and 'TLSv1.3'"));
            }
            _ => return Err(UNKNOWN_VERSION.to_owned()),
        });
    }
    Ok(if chosen.is_empty() { vec![&version::TLS12, &version::TLS13] } else { chosen })
}

const UNKNOWN_VERSION: &str =
    "Invalid tls-protocols specified. Use a combination of 'TLSv1.2' and 'TLSv1.3'.";

/// The ciphers that the settings name, of both versions.
fn chosen(config: &Config) -> Result<Vec<rustls::SupportedCipherSuite>, Reason> {
    let lists = [
        ("tls-ciphersuites", ciphers::suites(&text(config, Setting::TlsCiphersuites))),
        ("tls-ciphers", ciphers::ciphers(&text(config, Setting::TlsCiphers))),
    ];
    let mut suites = Vec::new();
    for (name, Chosen { suites: some, unknown }) in lists {
        let unknown = unknown.join(" ");
        if some.is_empty() {
            let what = name.trim_start_matches("tls-");
            return Err(format!("Failed to configure {what}: none of them is there: {unknown}"));
        }
        if !unknown.is_empty() {
            log::warning(format_args!("{name}: not there and left out: {unknown}"));
        }
        suites.extend(some);
    }
    Ok(suites)
}

/// What checks the certificates of clients.
fn verifier(
    roots: RootCertStore,
    optional: bool,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Reason> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder
        .build()
        .map_err(|error| format!("Failed to configure CA certificate(s) file/directory: {error}"))
}
