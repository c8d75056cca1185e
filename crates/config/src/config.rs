//! The current value of every parameter, looked up by [`Setting`] and changed by CONFIG SET, all or
//! nothing.

use crate::error::{LoadError, Place, Reason, SetError};
use crate::quota;
use crate::table::{Effect, Setting, TABLE};
use crate::value::{OutputLimit, Value};
use redstart_engine::glob::{self, Case};
use redstart_engine::keyspace::quotas::Quota;
use redstart_engine::run::event_classes::Classes;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The current value of every parameter.
pub struct Config {
    current: Vec<Value>,
    defaults: Vec<Value>,
    /// Whether each was set, at start or since.
    touched: Vec<bool>,
    /// The file that the server was started with, absolute.
    file: Option<PathBuf>,
    /// The users that are declared: the name, then the rules.
    users: Vec<Vec<Vec<u8>>>,
    /// What commands are to be called otherwise, in this order.
    renames: Vec<Rename>,
    /// The quotas, as they were read.
    quotas: Vec<Vec<Vec<u8>>>,
}

/// A command that is to be called otherwise, or nothing at all.
#[derive(Clone, Debug)]
pub struct Rename {
    /// What it is called.
    pub from: Vec<u8>,
    /// What it is to be called; nothing where it is not to be there.
    pub to: Vec<u8>,
    /// Where that is said.
    pub place: Place,
}

impl Rename {
    /// Why the server does not start with it.
    pub fn refused(&self, reason: &'static str) -> LoadError {
        LoadError { place: Some(self.place.clone()), reason: reason.into() }
    }
}

/// Where the client is that changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// On the same machine: at a unix socket or a loopback address.
    Local,
    /// Anywhere else.
    Remote,
}

/// What a CONFIG SET set.
#[derive(Debug)]
pub struct Changes(Vec<Change>);

/// A parameter, and what it was before.
#[derive(Debug)]
struct Change {
    setting: Setting,
    old: Value,
    was_set: bool,
    /// Whether its new value is another one.
    differs: bool,
}

impl Changes {
    /// The parameters whose values changed.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        self.0.iter().filter(|change| change.differs).map(|change| change.setting)
    }

    /// Whether this parameter was set, be it to what it was.
    pub fn sets(&self, setting: Setting) -> bool {
        self.0.iter().any(|change| change.setting == setting)
    }

    /// Whether the value of this parameter changed.
    pub fn contains(&self, setting: Setting) -> bool {
        self.settings().any(|changed| changed == setting)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// Every parameter at its default.
    pub fn new() -> Self {
        let current: Vec<Value> = TABLE.iter().map(|(setting, _)| default(*setting)).collect();
        let touched = vec![false; current.len()];
        Self {
            defaults: current.clone(),
            current,
            touched,
            file: None,
            users: vec![],
            renames: vec![],
            quotas: vec![],
        }
    }

    /// What this was before anything was read.
    pub(crate) fn at_first(&self) -> Self {
        let (current, defaults) = (self.defaults.clone(), self.defaults.clone());
        let touched = vec![false; self.touched.len()];
        Self {
            current,
            defaults,
            touched,
            file: None,
            users: vec![],
            renames: vec![],
            quotas: vec![],
        }
    }

    /// The file that the server was started with, absolute.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What commands are to be called otherwise, in this order.
    pub fn renames(&self) -> &[Rename] {
        &self.renames
    }

    /// Adds what a command is to be called.
    pub(crate) fn add_rename(&mut self, rename: Rename) {
        self.renames.push(rename);
    }

    /// The users that the file and the arguments declare: each a name and its rules.
    pub fn users(&self) -> &[Vec<Vec<u8>>] {
        &self.users
    }

    /// The quotas.
    pub fn quotas(&self) -> Vec<Quota> {
        self.quotas.iter().filter_map(|words| quota::parse(words).ok()).collect()
    }

    /// Adds a quota.
    pub(crate) fn add_quota(&mut self, words: Vec<Vec<u8>>) -> Result<(), Reason> {
        quota::check(&self.quotas, &words)?;
        self.quotas.push(words);
        Ok(())
    }

    /// Adds a user; false if there is one of the same name.
    pub(crate) fn add_user(&mut self, words: Vec<Vec<u8>>) -> bool {
        let is_new = self.users.iter().all(|known| known.first() != words.first());
        if is_new {
            self.users.push(words);
        }
        is_new
    }

    /// Sets the file that the server is started with.
    pub(crate) fn set_file(&mut self, file: Option<PathBuf>) {
        self.file = file;
    }

    /// Whether the parameter was set, at start or since.
    pub fn was_set(&self, setting: Setting) -> bool {
        self.touched[setting as usize]
    }

    /// The default of a parameter.
    pub(crate) fn default_of(&self, setting: Setting) -> &Value {
        &self.defaults[setting as usize]
    }

    /// The value of a parameter.
    pub fn value(&self, setting: Setting) -> &Value {
        &self.current[setting as usize]
    }

    /// Whether the parameter is `yes`.
    pub fn is(&self, setting: Setting) -> bool {
        match self.value(setting) {
            Value::YesNo(value) => *value,
            _ => wrong_kind(setting),
        }
    }

    /// An integer.
    pub fn integer(&self, setting: Setting) -> i64 {
        match self.value(setting) {
            Value::Integer(value) => i64::try_from(*value).unwrap_or(i64::MAX),
            _ => wrong_kind(setting),
        }
    }

    /// A number that cannot be negative: of bytes, of clients, of a port.
    pub fn count(&self, setting: Setting) -> usize {
        match self.value(setting) {
            Value::Integer(value) => usize::try_from((*value).max(0)).unwrap_or(usize::MAX),
            _ => wrong_kind(setting),
        }
    }

    /// A text.
    pub fn text(&self, setting: Setting) -> &[u8] {
        match self.value(setting) {
            Value::Text(text) => text,
            _ => wrong_kind(setting),
        }
    }

    /// The chosen name, as the table spells it.
    pub fn choice(&self, setting: Setting) -> &'static str {
        match self.value(setting) {
            Value::Choice(name) => name,
            _ => wrong_kind(setting),
        }
    }

    /// The chosen names.
    pub fn flags(&self, setting: Setting) -> &[&'static str] {
        match self.value(setting) {
            Value::Flags(names) => names,
            _ => wrong_kind(setting),
        }
    }

    /// The addresses to listen at, and whether each may be missing.
    pub fn addresses(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.addresses_of(Setting::Bind)
    }

    /// The addresses to listen at for HTTP, and whether each may be missing.
    pub fn http_addresses(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.addresses_of(Setting::HttpBind)
    }

    fn addresses_of(&self, setting: Setting) -> impl Iterator<Item = (&[u8], bool)> {
        let words = match self.value(setting) {
            Value::Words(words) => words.as_slice(),
            _ => wrong_kind(setting),
        };
        words.iter().map(|word| match word.strip_prefix(b"-") {
            Some(address) => (address, true),
            None => (word.as_slice(), false),
        })
    }

    /// Seconds and changes after which to save.
    pub fn save_points(&self) -> &[(i64, i32)] {
        match self.value(Setting::Save) {
            Value::Save(points) => points,
            _ => wrong_kind(Setting::Save),
        }
    }

    /// The host and the port of the master that is followed, if one is.
    pub fn primary(&self) -> Option<(String, u16)> {
        let Value::Words(words) = self.value(Setting::Replicaof) else {
            wrong_kind(Setting::Replicaof)
        };
        let [host, port] = &words[..] else { return None };
        let port = std::str::from_utf8(port).ok()?.parse().ok()?;
        Some((String::from_utf8_lossy(host).into_owned(), port))
    }

    /// Sets the master that is followed, if one is.
    pub fn set_primary(&mut self, primary: Option<(&str, u16)>) {
        let words = primary.map_or(Vec::new(), |(host, port)| {
            vec![host.as_bytes().to_vec(), port.to_string().into_bytes()]
        });
        self.current[Setting::Replicaof as usize] = Value::Words(words);
        self.touched[Setting::Replicaof as usize] = true;
    }

    /// The limits of normal clients, replicas and subscribers.
    pub fn output_limits(&self) -> [OutputLimit; 3] {
        match self.value(Setting::ClientOutputBufferLimit) {
            Value::OutputLimits(limits) => *limits,
            _ => wrong_kind(Setting::ClientOutputBufferLimit),
        }
    }

    /// The classes of keyspace events that are wanted.
    pub fn events(&self) -> Classes {
        match self.value(Setting::NotifyKeyspaceEvents) {
            Value::Events(events) => *events,
            _ => wrong_kind(Setting::NotifyKeyspaceEvents),
        }
    }

    /// The percentiles that INFO shows of latencies.
    pub fn percentiles(&self) -> &[f64] {
        match self.value(Setting::LatencyTrackingInfoPercentiles) {
            Value::Percentiles(percentiles) => percentiles,
            _ => wrong_kind(Setting::LatencyTrackingInfoPercentiles),
        }
    }

    /// The value as CONFIG GET shows it.
    pub fn format(&self, setting: Setting) -> Vec<u8> {
        self.value(setting).format(setting.param().kind)
    }

    /// CONFIG GET: names and values of the parameters that match one of the patterns. A name
    /// without wildcard is answered as it was spelled.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut add = |name: &[u8], setting| {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                found.push((name.to_vec(), self.format(setting)));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| matches!(byte, b'[' | b'*' | b'?')) {
                if let Some((setting, _)) = Setting::find(pattern) {
                    add(pattern, setting);
                }
                continue;
            }
            for (setting, param) in TABLE.iter().filter(|(_, param)| !param.hidden) {
                for name in [Some(param.name), param.alias].into_iter().flatten() {
                    if glob::matches(pattern, name.as_bytes(), Case::Insensitive) {
                        add(name.as_bytes(), *setting);
                    }
                }
            }
        }
        found
    }

    /// CONFIG SET: sets all of the parameters, or none. Returns what changed.
    pub fn set_many(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        caller: Caller,
    ) -> Result<Changes, SetError> {
        let targets = self.targets(pairs, caller)?;
        let mut changes = Changes(Vec::new());
        for ((setting, known), (_, text)) in targets.into_iter().zip(pairs) {
            let words = if setting.param().kind.is_list() {
                split_blanks(text)
            } else {
                vec![text.to_vec()]
            };
            match self.parse(setting, &words) {
                Ok(value) => {
                    let was_set = self.was_set(setting);
                    let old = std::mem::replace(&mut self.current[setting as usize], value);
                    self.touched[setting as usize] = true;
                    let differs = old != *self.value(setting);
                    changes.0.push(Change { setting, old, was_set, differs });
                }
                Err(reason) => {
                    self.undo(changes);
                    return Err(SetError::Failed(known.to_owned(), reason));
                }
            }
        }
        Ok(changes)
    }

    /// Whether CONFIG SET may set the parameters while data is being loaded.
    ///
    /// # Errors
    /// [`SetError::Loading`] if one of them has to wait, unless another one before it is refused.
    pub fn check_while_loading(
        &self,
        pairs: &[(&[u8], &[u8])],
        caller: Caller,
    ) -> Result<(), SetError> {
        let is_fixed = |(name, _): &(&[u8], &[u8])| {
            Setting::find(name).is_some_and(|(setting, _)| setting.param().fixed_while_loading)
        };
        let Some(at) = pairs.iter().position(is_fixed) else { return Ok(()) };
        self.targets(&pairs[..=at], caller)?;
        Err(SetError::Loading)
    }

    /// Sets the parameters back to what they were before a change.
    pub fn undo(&mut self, changes: Changes) {
        for Change { setting, old, was_set, .. } in changes.0.into_iter().rev() {
            self.current[setting as usize] = old;
            self.touched[setting as usize] = was_set;
        }
    }

    /// The parameters to set, if all of them can be at run time. One that is unknown is the only
    /// error shown, unless another one stands before it.
    fn targets(
        &self,
        pairs: &[(&[u8], &[u8])],
        caller: Caller,
    ) -> Result<Vec<(Setting, &'static str)>, SetError> {
        let mut targets: Vec<(Setting, &'static str)> = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            let shown = || String::from_utf8_lossy(name).into_owned();
            let target = Setting::find(name).ok_or_else(|| SetError::Unknown(shown()))?;
            let param = target.0.param();
            let failed = |reason: &'static str| Err(SetError::Failed(shown(), reason.into()));
            if param.immutable {
                return failed("can't set immutable config");
            }
            if param.protected && !self.allows_protected(caller) {
                return failed("can't set protected config");
            }
            if targets.iter().any(|(_, known)| *known == target.1) {
                return failed("duplicate parameter");
            }
            targets.push(target);
        }
        Ok(targets)
    }

    fn allows_protected(&self, caller: Caller) -> bool {
        match self.choice(Setting::EnableProtectedConfigs) {
            "yes" => true,
            "local" => caller == Caller::Local,
            _ => false,
        }
    }

    /// Sets a parameter at start from the words of its directive.
    pub(crate) fn load(&mut self, setting: Setting, mut words: Vec<Vec<u8>>) -> Result<(), Reason> {
        let kind = setting.param().kind;
        if kind.is_list()
            && let [word] = words.as_slice()
        {
            words = split_blanks(word);
        }
        let mut value = self.parse(setting, &words)?;
        // The first line of save points replaces the default, further ones add to it.
        if let (Value::Save(new), Value::Save(old)) = (&mut value, self.value(setting))
            && self.was_set(setting)
            && !new.is_empty()
        {
            new.splice(..0, old.iter().copied());
        }
        self.current[setting as usize] = value;
        self.touched[setting as usize] = true;
        Ok(())
    }

    fn parse(&self, setting: Setting, words: &[Vec<u8>]) -> Result<Value, Reason> {
        let param = setting.param();
        let value = Value::parse(param, words, self.value(setting))?;
        match param.effect {
            Effect::Refused(reason) if value != *self.default_of(setting) => Err(reason.into()),
            _ => Ok(value),
        }
    }
}

/// The default of a parameter; some depend on the machine.
fn default(setting: Setting) -> Value {
    let param = setting.param();
    let base = match setting {
        Setting::Dir => {
            let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
            return Value::Text(directory.into_os_string().into_vec());
        }
        Setting::Threads => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            return Value::Integer(cores.try_into().unwrap_or(1));
        }
        _ => Value::OutputLimits([OutputLimit::default(); 3]),
    };
    let words = if param.kind.is_list() {
        split_blanks(param.default.as_bytes())
    } else {
        vec![param.default.into()]
    };
    Value::parse(param, &words, &base).expect("a default is a value of its parameter")
}

/// Splits at every single blank; nothing is no words.
fn split_blanks(text: &[u8]) -> Vec<Vec<u8>> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect()
}

fn wrong_kind(setting: Setting) -> ! {
    panic!("{} is of another kind", setting.param().name)
}
