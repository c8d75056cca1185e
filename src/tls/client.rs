//! The other side of a connection over TLS: that of the tools that are clients (`redstart ping`).

use crate::tls::Reason;
use crate::tls::files;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where systems keep the authorities that they believe.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What a client believes, and what it shows.
#[derive(Default)]
pub struct Trust {
    /// The file of the authorities; without one, the system's.
    pub authorities: Option<PathBuf>,
    /// The client's own certificate and its key, each in a file.
    pub own: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate has to have, where it is not the host's.
    pub name: Option<String>,
    /// Whether any certificate is believed.
    pub insecure: bool,
}

/// Puts TLS over a stream to this host.
///
/// # Errors
/// What is wrong with a file or the name.
pub fn over<S: Read + Write>(
    stream: S,
    host: &str,
    trust: &Trust,
) -> Result<StreamOwned<ClientConnection, S>, Reason> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if trust.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        builder.with_root_certificates(authorities(trust)?)
    };
    let config = match &trust.own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let named = |path: &Path, reason| format!("{}: {reason}", path.display());
            let chain = files::certificates(certificate).map_err(|why| named(certificate, why))?;
            let secret = files::private_key(key, b"").map_err(|why| named(key, why))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|why| named(key, why.to_string()))?
        }
    };
    let name = trust.name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name.clone()).map_err(|_| format!("'{name}' is no name"))?;
    let session = ClientConnection::new(Arc::new(config), name).map_err(|why| why.to_string())?;
    Ok(StreamOwned::new(session, stream))
}

fn authorities(trust: &Trust) -> Result<RootCertStore, Reason> {
    let file = match &trust.authorities {
        Some(file) => file.clone(),
        None => SYSTEM
            .iter()
            .map(PathBuf::from)
            .find(|file| file.exists())
            .ok_or("this system has no list of authorities: name a file of them")?,
    };
    let mut store = RootCertStore::empty();
    let named = |reason| format!("{}: {reason}", file.display());
    for certificate in files::certificates(&file).map_err(named)? {
        // A system's list may have one that is of no use: the rest is.
        let _ = store.add(certificate);
    }
    Ok(store)
}

/// Believes any certificate whose key the server has.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
