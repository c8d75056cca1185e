//! Ciphers by OpenSSL's names. rustls has no weak ones, so what a list leaves out is mostly not
//! there anyway; what it names beyond that is left out, and the rest is as it says.

use rustls::SupportedCipherSuite;
use rustls::crypto::ring::cipher_suite as all;

/// The ciphers that a list names, in its order, and the names in it that there are no ciphers of.
pub struct Chosen {
    pub suites: Vec<SupportedCipherSuite>,
    pub unknown: Vec<String>,
}

/// A cipher of TLS 1.2: OpenSSL's name, and the words by which lists name several at a time.
struct Cipher {
    name: &'static str,
    words: &'static [&'static str],
    bits: u16,
    suite: SupportedCipherSuite,
}

/// What they all are.
const COMMON: &[&str] = &[
    "ALL", "DEFAULT", "HIGH", "FIPS", "AEAD", "TLSv1.2", "ECDHE", "EECDH", "kECDHE", "kEECDH",
    "ECDH",
];
/// What OpenSSL calls a group of ciphers that are not there. To leave such out is easy.
const ABSENT: &[&str] = &[
    "COMPLEMENTOFDEFAULT",
    "COMPLEMENTOFALL",
    "MEDIUM",
    "LOW",
    "EXP",
    "EXPORT",
    "aNULL",
    "eNULL",
    "NULL",
    "kRSA",
    "aDSS",
    "DSS",
    "DH",
    "DHE",
    "EDH",
    "kDHE",
    "kEDH",
    "ADH",
    "AECDH",
    "PSK",
    "kPSK",
    "aPSK",
    "kECDHEPSK",
    "kDHEPSK",
    "kRSAPSK",
    "SRP",
    "kSRP",
    "aSRP",
    "CAMELLIA",
    "CAMELLIA128",
    "CAMELLIA256",
    "ARIA",
    "ARIA128",
    "ARIA256",
    "ARIAGCM",
    "AESCCM",
    "AESCCM8",
    "SEED",
    "IDEA",
    "DES",
    "3DES",
    "RC2",
    "RC4",
    "MD5",
    "SHA1",
    "SHA",
    "SSLv3",
    "TLSv1",
    "TLSv1.0",
    "CBC",
    "GOST94",
    "GOST89MAC",
    "kGOST",
    "aGOST",
];

static CIPHERS: &[Cipher] = &[
    Cipher {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        words: &["ECDSA", "aECDSA", "AES", "AES256", "AESGCM", "SHA384"],
        bits: 256,
        suite: all::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    },
    Cipher {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        words: &["RSA", "aRSA", "AES", "AES256", "AESGCM", "SHA384"],
        bits: 256,
        suite: all::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    },
    Cipher {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        words: &["ECDSA", "aECDSA", "CHACHA20", "SHA256"],
        bits: 256,
        suite: all::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Cipher {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        words: &["RSA", "aRSA", "CHACHA20", "SHA256"],
        bits: 256,
        suite: all::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Cipher {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        words: &["ECDSA", "aECDSA", "AES", "AES128", "AESGCM", "SHA256"],
        bits: 128,
        suite: all::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    },
    Cipher {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        words: &["RSA", "aRSA", "AES", "AES128", "AESGCM", "SHA256"],
        bits: 128,
        suite: all::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    },
];

/// The ciphers of TLS 1.3.
static SUITES: &[(&str, SupportedCipherSuite)] = &[
    ("TLS_AES_256_GCM_SHA384", all::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", all::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", all::TLS13_AES_128_GCM_SHA256),
];

/// The ciphers of TLS 1.3 that a list names (`tls-ciphersuites`); all of them by an empty one.
pub fn suites(list: &str) -> Chosen {
    let mut chosen = Chosen { suites: Vec::new(), unknown: Vec::new() };
    if list.is_empty() {
        chosen.suites = SUITES.iter().map(|(_, suite)| *suite).collect();
    }
    for name in list.split([':', ' ', ',']).filter(|name| !name.is_empty()) {
        match SUITES.iter().find(|(known, _)| *known == name) {
            Some((_, suite)) if chosen.suites.contains(suite) => {}
            Some((_, suite)) => chosen.suites.push(*suite),
            None => chosen.unknown.push(name.to_owned()),
        }
    }
    chosen
}

/// The ciphers of TLS 1.2 that a list names (`tls-ciphers`), as OpenSSL reads it: names and words
/// add ciphers, those behind `!` are gone for good, behind `-` until they are named again, behind
/// `+` they move to the end; `@STRENGTH` puts the longest keys first.
pub fn ciphers(list: &str) -> Chosen {
    let mut active: Vec<&Cipher> = Vec::new();
    let mut killed: Vec<&str> = Vec::new();
    let mut unknown = Vec::new();
    let list = if list.is_empty() { "DEFAULT" } else { list };
    for word in list.split([':', ' ', ',', ';']).filter(|word| !word.is_empty()) {
        if word == "@STRENGTH" {
            active.sort_by_key(|cipher| std::cmp::Reverse(cipher.bits));
            continue;
        }
        if word.starts_with('@') {
            // Levels of security: the weakest that is here passes all that are of use.
            continue;
        }
        let (mark, name) = match word.split_at(1) {
            (mark @ ("!" | "-" | "+"), name) => (mark, name),
            _ => ("", word),
        };
        let named: Vec<&Cipher> = CIPHERS.iter().filter(|cipher| cipher.is(name)).collect();
        let is_named = |cipher: &&Cipher| named.iter().any(|named| named.name == cipher.name);
        if named.is_empty() && (mark.is_empty() || !name.split('+').all(is_group)) {
            unknown.push(word.to_owned());
        }
        match mark {
            "!" => {
                killed.extend(named.iter().map(|cipher| cipher.name));
                active.retain(|cipher| !is_named(cipher));
            }
            "-" => active.retain(|cipher| !is_named(cipher)),
            "+" => {
                let (moved, stay): (Vec<_>, Vec<_>) = active.into_iter().partition(is_named);
                active = [stay, moved].concat();
            }
            _ => {
                for cipher in &named {
                    let known = active.iter().any(|active| active.name == cipher.name);
                    if !known && !killed.contains(&cipher.name) {
                        active.push(cipher);
                    }
                }
            }
        }
    }
    Chosen { suites: active.iter().map(|cipher| cipher.suite).collect(), unknown }
}

impl Cipher {
    /// Whether a list means it by this name, or by these words with `+` between them.
    fn is(&self, name: &str) -> bool {
        let has = |word: &str| COMMON.contains(&word) || self.words.contains(&word);
        name == self.name || name.split('+').all(has)
    }
}

/// Whether a word is one of OpenSSL's for some ciphers, here or not.
fn is_group(word: &str) -> bool {
    ABSENT.contains(&word) || word.contains('-') && word.len() > 6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let chosen = ciphers(list).suites;
        let name = |suite: &SupportedCipherSuite| {
            CIPHERS.iter().find(|cipher| cipher.suite == *suite).unwrap().name
        };
        chosen.iter().map(name).collect()
    }

    #[test]
    fn lists_are_read_as_openssl_reads_them() {
        assert_eq!(names("").len(), 6);
        assert_eq!(names("DEFAULT:!MEDIUM:!aNULL").len(), 6);
        assert_eq!(names("ECDHE-RSA-AES128-GCM-SHA256"), ["ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!(
            names("AES128+RSA:AES256+RSA:AES128"),
            [
                "ECDHE-RSA-AES128-GCM-SHA256",
                "ECDHE-RSA-AES256-GCM-SHA384",
                "ECDHE-ECDSA-AES128-GCM-SHA256",
            ]
        );
        assert_eq!(
            names("ALL:!ECDSA:+AES256"),
            [
                "ECDHE-RSA-CHACHA20-POLY1305",
                "ECDHE-RSA-AES128-GCM-SHA256",
                "ECDHE-RSA-AES256-GCM-SHA384",
            ]
        );
        assert_eq!(names("!RSA:ALL:-CHACHA20").len(), 2);
        assert_eq!(
            names("AES128+RSA:CHACHA20+RSA:@STRENGTH"),
            ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"]
        );
    }

    #[test]
    fn what_is_not_there_is_told() {
        let chosen = ciphers("AES128-SHA:AESGCM:!MD5:!bla");
        assert_eq!(
            (chosen.suites.len(), chosen.unknown),
            (4, vec!["AES128-SHA".into(), "!bla".into()])
        );
        assert!(ciphers("bla").suites.is_empty());
        let chosen = suites("TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256");
        assert_eq!((chosen.suites.len(), chosen.unknown.len()), (1, 1));
        assert_eq!(suites("").suites.len(), 3);
    }
}
