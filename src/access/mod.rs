//! Who may do what: the users, and what was refused.
//!
//! ```text
//!   ACL SETUSER --> the table of users --> a version that counts up
//!                                              |
//!   a session: its user, the version at which it was looked up, and the version at which
//!   it was found that nothing has to be checked --> the gate compares that with the version
//! ```
//!
//! A user is compiled when its rules change (`user.rs`, `selector.rs`) and replaced as a whole. A
//! session whose user may do everything pays one comparison for each request; any other one looks
//! the request up in its user's selectors. The keys that are checked are those of the declaration's
//! iterator, by which the locks are taken, too.

pub mod databases;
pub mod file;
pub mod guesses;
pub mod log;
pub mod pattern;
pub mod selector;
pub mod user;

use crate::access::file::Users;
use crate::access::guesses::Guesses;
use crate::access::log::{Entry, Log, Refused};
use crate::access::selector::{Denied, Reason};
use crate::access::user::{Reading, User, is_name, join_selectors};
use crate::clients::Clients;
use parking_lot::Mutex;
use redstart_config::{Config, Setting};
use redstart_engine::{Error, Registry};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The name of the user that clients are before they authenticate.
pub const DEFAULT: &[u8] = b"default";

/// The users, and what was refused.
pub struct Access {
    registry: &'static Registry,
    clients: &'static Clients,
    users: Mutex<Table>,
    /// Counts up with every change of a user; never zero.
    version: AtomicU64,
    log: Mutex<Log>,
    log_len_max: AtomicUsize,
    all_channels: AtomicBool,
    /// The addresses from which logins have failed.
    pub guesses: Guesses,
    /// How often what was refused, by [`Refused`].
    refused: [AtomicU64; Refused::Certificate as usize + 1],
}

/// The users by their names.
struct Table {
    users: BTreeMap<Box<[u8]>, Arc<User>>,
    next_id: u64,
}

/// A user that was replaced: what it was, and what it is now.
pub struct Replaced {
    /// As it was.
    pub old: Arc<User>,
    /// As it is, unless it is gone.
    pub new: Option<Arc<User>>,
}

impl Access {
    /// There is one user, `default`, who may do everything.
    pub fn new(registry: &'static Registry, clients: &'static Clients) -> Access {
        let default = User::default(0, Reading { registry, all_channels: false });
        let users = BTreeMap::from([(default.name.clone(), Arc::new(default))]);
        let access = Access {
            registry,
            clients,
            users: Mutex::new(Table { users, next_id: 1 }),
            version: AtomicU64::new(1),
            log: Mutex::default(),
            log_len_max: AtomicUsize::new(0),
            all_channels: AtomicBool::new(false),
            guesses: Guesses::default(),
            refused: Default::default(),
        };
        access.publish(&access.users.lock());
        access
    }

    /// Follows the configuration.
    pub fn configure(&self, config: &Config) {
        self.log_len_max.store(config.count(Setting::AcllogMaxLen), Ordering::Relaxed);
        let all_channels = config.choice(Setting::AclPubsubDefault) == "allchannels";
        self.all_channels.store(all_channels, Ordering::Relaxed);
        self.guesses.configure(config);
    }

    /// Counts up with every change of a user; never zero.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn reading(&self) -> Reading {
        let all_channels = self.all_channels.load(Ordering::Relaxed);
        Reading { registry: self.registry, all_channels }
    }

    /// Lets all others know that a user has changed.
    fn publish(&self, table: &Table) {
        let default = &table.users[DEFAULT];
        self.clients.admission.follow_default(default.nopass);
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// A user by its name.
    pub fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.lock().users.get(name).cloned()
    }

    /// The user that clients are before they authenticate.
    pub fn default_user(&self) -> Arc<User> {
        self.users.lock().users[DEFAULT].clone()
    }

    /// A user without limits that no client is.
    pub fn unlimited(&self) -> Arc<User> {
        Arc::new(User::default(0, self.reading()))
    }

    /// All users, by their names.
    pub fn all(&self) -> Vec<Arc<User>> {
        self.users.lock().users.values().cloned().collect()
    }

    /// The user of a name and a password, if they are right.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let hash = Sha256::digest(password).into();
        self.find(name).filter(|user| user.accepts(&hash))
    }

    /// Makes or changes a user: all rules are applied, or none. Returns what was replaced.
    ///
    /// # Errors
    /// Which rule is wrong.
    pub fn set_user(&self, name: &[u8], rules: &[&[u8]]) -> Result<Option<Replaced>, Error> {
        if !is_name(name) {
            return Err(Error::text("ERR Usernames can't contain spaces or null characters"));
        }
        let unmatched = |word: &[u8]| {
            Error::quoting("ERR Unmatched parenthesis in acl selector starting at '", word, "'.")
        };
        let rules = join_selectors(rules.iter().copied()).map_err(unmatched)?;
        let mut table = self.users.lock();
        let old = table.users.get(name).cloned();
        let mut user = match &old {
            Some(user) => User::clone(user),
            None => table.new_user(name, self.reading()),
        };
        for rule in rules {
            user.apply(&rule, self.reading()).map_err(|reason| {
                let text = b"ERR Error in ACL SETUSER modifier '";
                Error::bytes([&text[..], &rule, b"': ", reason.as_bytes()].concat())
            })?;
        }
        let new = table.put(user);
        self.publish(&table);
        Ok(old.map(|old| Replaced { old, new: Some(new) }))
    }

    /// Removes a user; false if there was none.
    pub fn remove(&self, name: &[u8]) -> bool {
        let mut table = self.users.lock();
        let removed = table.users.remove(name).is_some();
        if removed {
            self.publish(&table);
        }
        removed
    }

    /// Makes this the password of `default`, and none if it is empty (`requirepass`).
    pub fn set_default_password(&self, password: &[u8]) {
        let mut table = self.users.lock();
        let mut default = User::clone(&table.users[DEFAULT]);
        default.set_password(password);
        table.put(default);
        self.publish(&table);
    }

    /// Takes on the users that redis.conf declares: each a name and its rules.
    ///
    /// # Errors
    /// The first rule that is wrong.
    pub fn declare(&self, declared: &[Vec<Vec<u8>>]) -> Result<(), String> {
        for words in declared {
            let [name, rules @ ..] = &words[..] else { continue };
            self.declare_user(name, rules)?;
        }
        Ok(())
    }

    fn declare_user(&self, name: &[u8], rules: &[Vec<u8>]) -> Result<(), String> {
        let shown = String::from_utf8_lossy(name);
        if !is_name(name) {
            return Err("Spaces not allowed in ACL usernames".to_owned());
        }
        let wrong = |rule: &[u8], reason: Reason| {
            let rule = String::from_utf8_lossy(rule);
            format!("Error loading ACL rule '{rule}' for the user named '{shown}': {reason}")
        };
        let rules = join_selectors(rules.iter().map(|rule| &rule[..]))
            .map_err(|word| wrong(word, "Unmatched parenthesis in selector definition"))?;
        let mut table = self.users.lock();
        let mut user = match name {
            DEFAULT => User::new(name, 0, self.reading()),
            _ => table.new_user(name, self.reading()),
        };
        for rule in rules {
            user.apply(&rule, self.reading()).map_err(|reason| wrong(&rule, reason))?;
        }
        table.put(user);
        self.publish(&table);
        Ok(())
    }

    /// Takes on the users of an ACL file in the place of all others. Returns what became of those.
    ///
    /// # Errors
    /// All that is wrong with the file; nothing has changed then.
    pub fn load(&self, path: &str) -> Result<Vec<Replaced>, String> {
        let read: Users = file::read(path, self.reading())?;
        let mut table = self.users.lock();
        let old = std::mem::take(&mut table.users);
        for (name, mut user) in read {
            user.id = old.get(&name).map_or(table.next_id, |old| old.id);
            table.next_id += 1;
            table.put(user);
        }
        self.publish(&table);
        let replaced = |old: Arc<User>| {
            let new = table.users.get(&old.name).cloned();
            Replaced { old, new }
        };
        Ok(old.into_values().map(replaced).collect())
    }

    /// The users as redis.conf declares them, one a line; none if `default` is alone, and what it
    /// is with this password.
    pub fn declarations(&self, password: &[u8]) -> Vec<Vec<u8>> {
        let mut plain = User::default(0, self.reading());
        plain.set_password(password);
        let lines: Vec<Vec<u8>> = self.all().iter().map(|user| user.line()).collect();
        if lines == [plain.line()] { Vec::new() } else { lines }
    }

    /// Counts what was refused.
    pub fn count(&self, refused: Refused) {
        self.refused[refused as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was refused.
    pub fn refused(&self, refused: Refused) -> u64 {
        self.refused[refused as usize].load(Ordering::Relaxed)
    }

    /// Sets the counters that INFO shows back to zero.
    pub fn reset_stats(&self) {
        self.refused.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
        self.guesses.reset_stats();
    }

    /// Counts and notes what was refused.
    pub fn note(&self, entry: Entry) {
        self.count(entry.refused);
        self.log.lock().note(entry, self.log_len_max.load(Ordering::Relaxed));
    }

    /// What was refused.
    pub fn log(&self) -> parking_lot::MutexGuard<'_, Log> {
        self.log.lock()
    }
}

impl Table {
    fn new_user(&mut self, name: &[u8], reading: Reading) -> User {
        self.next_id += 1;
        User::new(name, self.next_id, reading)
    }

    fn put(&mut self, user: User) -> Arc<User> {
        let user = Arc::new(user);
        self.users.insert(user.name.clone(), user.clone());
        user
    }
}

impl Denied {
    /// What ACL LOG calls it.
    pub fn refused(self) -> Refused {
        match self {
            Denied::Database(_) => Refused::Database,
            Denied::Command => Refused::Command,
            Denied::Key(_) => Refused::Key,
            Denied::Channel(_) => Refused::Channel,
        }
    }

    /// The words for it, without naming keys and channels, as clients get them.
    pub fn text(self, user: &User, command: &str) -> Vec<u8> {
        match self {
            Denied::Database(_) => b"No permissions to access database".to_vec(),
            Denied::Command => command_denied(user, command),
            Denied::Key(_) => b"No permissions to access a key".to_vec(),
            Denied::Channel(_) => b"No permissions to access a channel".to_vec(),
        }
    }

    /// The words for it, with the key or the channel, as ACL DRYRUN has them.
    pub fn full_text(self, user: &User, command: &str, object: &[u8]) -> Vec<u8> {
        let thing: &[u8] = match self {
            Denied::Database(_) => {
                let middle = b" has no permissions to access database ";
                return [b"User ", &user.name[..], middle, object].concat();
            }
            Denied::Command => return command_denied(user, command),
            Denied::Key(_) => b"' key",
            Denied::Channel(_) => b"' channel",
        };
        let middle = b" has no permissions to access the '";
        [b"User ", &user.name[..], middle, object, thing].concat()
    }

    /// The argument that it is about, of a key or a channel.
    pub fn argument(self) -> Option<usize> {
        match self {
            Denied::Command => None,
            Denied::Database(at) | Denied::Key(at) | Denied::Channel(at) => Some(at),
        }
    }

    /// Why EXEC leaves out what was allowed when it was queued.
    pub fn reason_in_exec(self) -> &'static str {
        match self {
            Denied::Database(_) => "no permission",
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => {
                "no permission to access one of the channels used as argument to the command"
            }
        }
    }
}

fn command_denied(user: &User, command: &str) -> Vec<u8> {
    let middle = b" has no permissions to run the '";
    [b"User ", &user.name[..], middle, command.as_bytes(), b"' command"].concat()
}
