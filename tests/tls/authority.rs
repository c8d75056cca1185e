//! An authority of a test's own, and what it signs; made anew for each run.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::fs;
use std::path::{Path, PathBuf};

/// An authority, whose certificate lies in a folder as `ca.crt`.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(folder: &Path) -> Authority {
        fs::create_dir_all(folder).expect("there is room");
        let mut params = CertificateParams::new(Vec::new()).expect("no name is wrong");
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.self_signed(&key).expect("it can be signed");
        fs::write(folder.join("ca.crt"), certificate.pem()).expect("it is written");
        Authority { folder: folder.to_owned(), issuer: Issuer::new(params, key) }
    }

    /// Signs a certificate for localhost with this common name and this URI; puts `NAME.crt` and
    /// `NAME.key` into the folder.
    pub fn sign(&self, name: &str, common_name: &str, uri: Option<&str>) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("no name is wrong");
        params.distinguished_name.push(DnType::CommonName, common_name);
        if let Some(uri) = uri {
            let uri = uri.try_into().expect("it is ASCII");
            params.subject_alt_names.push(SanType::URI(uri));
        }
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("it can be signed");
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).expect("it is written");
    }

    /// The path of a file in the folder.
    pub fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }
}
