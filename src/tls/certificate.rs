//! What a certificate says: whom it names, and until when it is good. Whether it is to be believed
//! is rustls's business, and has been asked before.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The attribute of a name that is its common name.
const COMMON_NAME: &str = "2.5.4.3";

/// Until when a certificate is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its number, in hexadecimal.
    pub serial: String,
    /// The end, in seconds of wall time.
    pub ends_s: u64,
}

impl Validity {
    /// Of this certificate, if it can be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Validity> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let certificate = certificate.tbs_certificate();
        let digits =
            certificate.serial_number().as_bytes().iter().map(|byte| format!("{byte:02X}"));
        let ends_s = certificate.validity().not_after.to_unix_duration().as_secs();
        Some(Validity { serial: digits.collect(), ends_s })
    }
}

/// The common name of its subject, the first if there are more.
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let subject = certificate.tbs_certificate().subject();
    let name = subject.iter().find(|attribute| attribute.oid.to_string() == COMMON_NAME)?;
    // The other kinds of strings are not bytes of one character each.
    let is_text = matches!(
        name.value.tag(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString
    );
    let name = name.value.value();
    // What stands behind a zero byte would not be the same name for all who read it.
    (is_text && !name.is_empty() && !name.contains(&0)).then(|| name.to_vec())
}

/// The URIs that it names beside its subject.
pub fn uris(certificate: &CertificateDer<'_>) -> Vec<Vec<u8>> {
    let Ok(certificate) = Certificate::from_der(certificate) else { return Vec::new() };
    let names = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let Ok(Some((_, SubjectAltName(names)))) = names else { return Vec::new() };
    let uri = |name: GeneralName| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_bytes().to_vec()),
        _ => None,
    };
    names.into_iter().filter_map(uri).collect()
}
