//! A user: who it is, its passwords, and what its selectors allow. It is compiled when its rules
//! change and never changed afterwards: sessions share it.

use crate::access::databases::Where;
use crate::access::selector::{Denied, Reason, Selector, has_blanks};
use redstart_engine::Registry;
use redstart_engine::run::registry::Registered;
use redstart_engine::run::worker_state::Reach;
use redstart_protocol::{Args, split_words};
use redstart_scripting::hex;
use sha2::{Digest, Sha256};
use std::sync::Arc;

const NO_PASSWORD: Reason = "The password you are trying to remove from the user does not exist";
const NO_HASH: Reason = "The password hash must be exactly 64 characters and contain only \
    lowercase hexadecimal characters";

/// The SHA-256 of a password.
pub type PasswordHash = [u8; 32];

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name.
    pub name: Box<[u8]>,
    /// Counts the users that were ever made: one of the same name, made later, is another one.
    pub id: u64,
    /// Whether clients may authenticate as this user.
    pub enabled: bool,
    /// Whether any password is right.
    pub nopass: bool,
    /// As it was said: RESTORE checks what it is given in any case.
    skips_sanitizing: bool,
    passwords: Vec<PasswordHash>,
    root: Selector,
    selectors: Vec<Selector>,
    /// Whether one selector allows everything.
    is_unlimited: bool,
}

/// What the rules of users are read with.
#[derive(Clone, Copy)]
pub struct Reading {
    /// All commands.
    pub registry: &'static Registry,
    /// Whether new users may use all channels (`acl-pubsub-default`).
    pub all_channels: bool,
}

/// What a user may read by some of its selectors.
struct Readable {
    user: Arc<User>,
    /// Their places among all.
    selectors: Vec<usize>,
}

impl Reach for Readable {
    fn reads(&self, key: &[u8]) -> bool {
        let all = self.user.all_selectors().enumerate();
        all.filter(|(at, _)| self.selectors.contains(at)).any(|(_, selector)| selector.reads(key))
    }
}

impl User {
    /// A user that may do nothing.
    pub fn new(name: &[u8], id: u64, reading: Reading) -> User {
        User {
            name: name.into(),
            id,
            enabled: false,
            nopass: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            root: Selector::new(reading.all_channels),
            selectors: Vec::new(),
            is_unlimited: false,
        }
    }

    /// The user of clients that have not authenticated: without other rules it may do everything.
    pub fn default(id: u64, reading: Reading) -> User {
        let mut user = User::new(b"default", id, reading);
        for rule in ["on", "nopass", "~*", "&*", "+@all"] {
            let applied = user.apply(rule.as_bytes(), reading);
            assert!(applied.is_ok(), "{rule} is a rule");
        }
        user
    }

    /// Whether it may do everything.
    #[inline]
    pub fn is_unlimited(&self) -> bool {
        self.is_unlimited
    }

    /// Applies a rule.
    ///
    /// # Errors
    /// Why it is refused; the user may then have changed in part.
    pub fn apply(&mut self, rule: &[u8], reading: Reading) -> Result<(), Reason> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            [] => {}
            _ if is("on") => self.enabled = true,
            _ if is("off") => self.enabled = false,
            _ if is("nopass") => self.set_passwords(true),
            _ if is("resetpass") => self.set_passwords(false),
            _ if is("skip-sanitize-payload") => self.skips_sanitizing = true,
            _ if is("sanitize-payload") => self.skips_sanitizing = false,
            _ if is("clearselectors") => self.selectors.clear(),
            _ if is("reset") => {
                *self = User::new(&self.name, self.id, reading);
            }
            [sign @ (b'>' | b'#'), secret @ ..] => {
                let hash = password_hash(*sign == b'>', secret)?;
                if !self.passwords.contains(&hash) {
                    self.passwords.push(hash);
                }
                self.nopass = false;
            }
            [sign @ (b'<' | b'!'), secret @ ..] => {
                let hash = password_hash(*sign == b'<', secret)?;
                let at = self.passwords.iter().position(|known| *known == hash);
                self.passwords.remove(at.ok_or(NO_PASSWORD)?);
            }
            [b'(', rules @ .., b')'] => {
                let mut selector = Selector::new(reading.all_channels);
                // As in Redis, words with open quotes are no rules.
                for rule in split_words(rules).unwrap_or_default() {
                    selector.apply(&rule, reading.registry)?;
                }
                self.selectors.push(selector);
            }
            _ => self.root.apply(rule, reading.registry)?,
        }
        let is_unlimited = self.all_selectors().any(Selector::is_unlimited);
        self.is_unlimited = is_unlimited;
        Ok(())
    }

    fn set_passwords(&mut self, nopass: bool) {
        self.nopass = nopass;
        self.passwords.clear();
    }

    /// Makes this the password, and none if it is empty (`requirepass`).
    pub fn set_password(&mut self, password: &[u8]) {
        self.set_passwords(password.is_empty());
        if !password.is_empty() {
            self.passwords.push(Sha256::digest(password).into());
        }
    }

    /// Whether a client that gives this password may be this user. It takes the same time whatever
    /// is different.
    pub fn accepts(&self, password: &PasswordHash) -> bool {
        let same = |known: &PasswordHash| {
            let differences = known.iter().zip(password).fold(0, |differences, (known, given)| {
                differences | std::hint::black_box(known ^ given)
            });
            differences == 0
        };
        let is_right = self.passwords.iter().fold(false, |right, known| right | same(known));
        self.enabled && (self.nopass || is_right)
    }

    /// Whether clients are this user without a password.
    pub fn is_open(&self) -> bool {
        self.enabled && self.nopass
    }

    /// The selectors, the user's own first.
    pub fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// The user's own selector.
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// The other selectors.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether one of the selectors allows a request.
    ///
    /// # Errors
    /// What of it is not allowed, where that is least far from being so.
    pub fn check(
        &self,
        registered: &Registered,
        args: Args<'_>,
        place: Where,
    ) -> Result<(), Denied> {
        let mut worst = match self.root.check(registered, args, place) {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        for selector in &self.selectors {
            match selector.check(registered, args, place) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// Which keys the selectors that allow a request allow to read; None where all.
    pub fn reach(
        self: &Arc<User>,
        registered: &Registered,
        args: Args<'_>,
        place: Where,
    ) -> Option<Arc<dyn Reach>> {
        let allows = |selector: &Selector| selector.check(registered, args, place).is_ok();
        let allowing = self.all_selectors().enumerate().filter(|(_, selector)| allows(selector));
        let (mut selectors, mut reads_all) = (Vec::new(), false);
        for (at, selector) in allowing {
            selectors.push(at);
            reads_all |= selector.reads_all_keys();
        }
        (!reads_all).then(|| Arc::new(Readable { user: self.clone(), selectors }) as Arc<dyn Reach>)
    }

    /// The words of ACL GETUSER for what it is.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.nopass {
            flags.push("nopass");
        }
        let skips = self.skips_sanitizing;
        flags.push(if skips { "skip-sanitize-payload" } else { "sanitize-payload" });
        flags
    }

    /// The passwords' hashes, in hexadecimal digits.
    pub fn hashes(&self) -> impl Iterator<Item = String> {
        self.passwords.iter().map(|hash| hex(hash))
    }

    /// All rules in one line, by which an ACL file makes the same user.
    pub fn describe(&self) -> Vec<u8> {
        let mut line = self.flags().join(" ").into_bytes();
        for hash in self.hashes() {
            line.extend_from_slice(format!(" #{hash}").as_bytes());
        }
        line.push(b' ');
        line.extend_from_slice(&self.root.describe());
        for selector in &self.selectors {
            line.extend_from_slice(b" (");
            line.extend_from_slice(&selector.describe());
            line.push(b')');
        }
        line
    }

    /// The line of an ACL file, without its end.
    pub fn line(&self) -> Vec<u8> {
        [b"user ", &self.name[..], b" ", &self.describe()].concat()
    }
}

/// The hash of a password, or the hash that is given itself.
fn password_hash(is_password: bool, secret: &[u8]) -> Result<PasswordHash, Reason> {
    if is_password {
        return Ok(Sha256::digest(secret).into());
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    if secret.len() != 64 {
        return Err(NO_HASH);
    }
    for (at, digits) in secret.as_chunks::<2>().0.iter().enumerate() {
        let (high, low) = (digit(digits[0]).ok_or(NO_HASH)?, digit(digits[1]).ok_or(NO_HASH)?);
        hash[at] = high << 4 | low;
    }
    Ok(hash)
}

/// Whether a user may have this name.
pub fn is_name(name: &[u8]) -> bool {
    !has_blanks(name)
}

/// Joins words that belong to one selector: from the one that begins with `(` to the one that ends
/// with `)`.
///
/// # Errors
/// The word with the parenthesis that is not closed.
pub fn join_selectors<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut opened: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        match &mut opened {
            Some((_, rule)) => {
                rule.push(b' ');
                rule.extend_from_slice(word);
            }
            None if word.first() == Some(&b'(') => opened = Some((word, word.to_vec())),
            None => {
                rules.push(word.to_vec());
                continue;
            }
        }
        if word.last() == Some(&b')') {
            rules.extend(opened.take().map(|(_, rule)| rule));
        }
    }
    match opened {
        Some((word, _)) => Err(word),
        None => Ok(rules),
    }
}
