//! The files of certificates and keys, all of them PEM.

use crate::tls::{Reason, text};
use pkcs8::EncryptedPrivateKeyInfoRef;
use redstart_config::error::system_text;
use redstart_config::{Config, Setting};
use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::Path;

/// The authorities that clients' certificates are signed by.
pub struct Authorities {
    /// None where clients are not asked for any.
    pub store: Option<RootCertStore>,
    /// Their own certificates.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// The server's certificate, those that lead to its authority, and its key.
///
/// # Errors
/// What is wrong with the files.
pub fn identity(
    config: &Config,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Reason> {
    let (certificate, key) =
        (text(config, Setting::TlsCertFile), text(config, Setting::TlsKeyFile));
    if certificate.is_empty() {
        return Err("No tls-cert-file configured!".to_owned());
    }
    if key.is_empty() {
        return Err("No tls-key-file configured!".to_owned());
    }
    let chain = certificates(Path::new(&certificate))
        .map_err(|reason| format!("Failed to load certificate: {certificate}: {reason}"))?;
    let key = private_key(Path::new(&key), config.text(Setting::TlsKeyFilePass))
        .map_err(|reason| format!("Failed to load private key: {key}: {reason}"))?;
    Ok((chain, key))
}

/// The authorities of `tls-ca-cert-file` and `tls-ca-cert-dir`.
///
/// # Errors
/// What is wrong with the files, or that clients' certificates are wanted and there are none.
pub fn authorities(config: &Config) -> Result<Authorities, Reason> {
    let mut found = Authorities { store: None, certificates: Vec::new() };
    let (file, folder) =
        (text(config, Setting::TlsCaCertFile), text(config, Setting::TlsCaCertDir));
    let failed = |reason| format!("Failed to configure CA certificate(s) file/directory: {reason}");
    if !file.is_empty() {
        let some = certificates(Path::new(&file));
        found.certificates.extend(some.map_err(|reason| failed(format!("{file}: {reason}")))?);
    }
    if !folder.is_empty() {
        let some = hashed(Path::new(&folder));
        found.certificates.extend(some.map_err(|reason| failed(format!("{folder}: {reason}")))?);
    }
    if config.choice(Setting::TlsAuthClients) == "no" {
        return Ok(found);
    }
    if file.is_empty() && folder.is_empty() {
        return Err(NO_AUTHORITY.to_owned());
    }
    let mut store = RootCertStore::empty();
    for certificate in &found.certificates {
        store.add(certificate.clone()).map_err(|error| failed(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(failed(format!("{folder}: no certificate is in it by OpenSSL's names")));
    }
    found.store = Some(store);
    Ok(found)
}

const NO_AUTHORITY: &str = "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when \
    tls-auth-clients is not 'no'!";

/// The certificates of a folder, in the files that OpenSSL looks at: the hash of a subject, a dot
/// and a number (`openssl rehash`).
fn hashed(folder: &Path) -> Result<Vec<CertificateDer<'static>>, Reason> {
    let is_hashed = |name: &str| {
        let (hash, number) = name.split_once('.').unwrap_or_default();
        let digits = |text: &str, radix| text.chars().all(|digit| digit.is_digit(radix));
        hash.len() == 8 && digits(hash, 16) && !number.is_empty() && digits(number, 10)
    };
    let mut found: Vec<CertificateDer<'static>> = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| system_text(&error).into_owned())?;
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_hashed) {
            let some = certificates(&entry.path())
                .map_err(|reason| format!("{}: {reason}", entry.file_name().display()))?;
            found.extend(some);
        }
    }
    found.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
    found.dedup();
    Ok(found)
}

/// The certificates of a file, at least one.
///
/// # Errors
/// What is wrong with it.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Reason> {
    let text = read(path)?;
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() { Err("no certificate is in it".to_owned()) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, Reason> {
    std::fs::read(path).map_err(|error| system_text(&error).into_owned())
}

/// The key of a file, decrypted by this password where it is encrypted.
///
/// # Errors
/// What is wrong with it.
pub fn private_key(path: &Path, password: &[u8]) -> Result<PrivateKeyDer<'static>, Reason> {
    let text = read(path)?;
    let shown = String::from_utf8_lossy(&text);
    if shown.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(OLD_ENCRYPTION.to_owned());
    }
    if let Some(at) = shown.find(ENCRYPTED) {
        return decrypted(&shown[at..], password);
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound => "no private key is in it".to_owned(),
        error => error.to_string(),
    })
}

const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

const OLD_ENCRYPTION: &str = "it is encrypted in OpenSSL's older format, which cannot be read: \
    convert it by `openssl pkcs8 -topk8`";

/// The key that a text encrypts which begins with its first line.
fn decrypted(text: &str, password: &[u8]) -> Result<PrivateKeyDer<'static>, Reason> {
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    if password.is_empty() {
        return Err(
            "it is encrypted, and there is no password for it (tls-key-file-pass)".to_owned()
        );
    }
    let length = text.find(END).map_or(text.len(), |at| at + END.len());
    let (_, document) = pkcs8::SecretDocument::from_pem(&text[..length])
        .map_err(|error| format!("it is no PEM: {error}"))?;
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|error| format!("how it is encrypted cannot be read: {error}"))?;
    let key = info.decrypt(password).map_err(|error| {
        format!("the password (tls-key-file-pass) does not decrypt it: {error}")
    })?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec())))
}
