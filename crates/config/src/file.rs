//! The reader of redis.conf, and of standard input and arguments, which have its syntax.
//!
//! A line is a directive and its words; `#` begins a comment at the start of a line only. `include`
//! reads other files at its place; with wildcards, all that match, which may be none. The first
//! line that cannot be honoured ends the start, with its place and the reason.

use crate::config::{Config, Rename};
use crate::error::{LoadError, Place, Reason, Source, system_text};
use crate::table::Setting;
use redstart_engine::glob::{self, Case};
use redstart_protocol::split_words;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// How deeply files may include each other: one that is deeper includes itself.
const DEPTH_MAX: usize = 16;

const DUPLICATE_USER: &str = "Duplicate user found. A user can only be defined once in config \
    files";

/// What to read, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// A file.
    pub file: Option<PathBuf>,
    /// Whether to read standard input.
    pub input: bool,
    /// Lines made of the program's arguments.
    pub directives: Vec<u8>,
}

/// Reads what was asked for into the configuration.
pub fn load(config: &mut Config, request: &Request, input: &mut dyn Read) -> Result<(), LoadError> {
    let nowhere = |reason| LoadError { place: None, reason };
    if let Some(file) = &request.file {
        config.set_file(std::path::absolute(file).ok());
        include(config, file.as_os_str().as_bytes(), 0).map_err(|fault| fault.at(nowhere))?;
    }
    if request.input {
        let mut text = Vec::new();
        input.read_to_end(&mut text).map_err(|error| nowhere(system_text(&error)))?;
        read(config, &Source::Input, &text, 0)?;
    }
    read(config, &Source::Arguments, &request.directives, 0)
}

/// What went wrong at a directive: itself, or a line of a file that it includes.
enum Fault {
    Here(Reason),
    Elsewhere(LoadError),
}

impl Fault {
    fn at(self, place: impl FnOnce(Reason) -> LoadError) -> LoadError {
        match self {
            Self::Here(reason) => place(reason),
            Self::Elsewhere(error) => error,
        }
    }
}

impl<T: Into<Reason>> From<T> for Fault {
    fn from(reason: T) -> Self {
        Self::Here(reason.into())
    }
}

fn read(config: &mut Config, source: &Source, text: &[u8], depth: usize) -> Result<(), LoadError> {
    for (position, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let here = || {
            let text = String::from_utf8_lossy(line).into_owned();
            Place { source: source.clone(), line: position + 1, text }
        };
        let place = |reason| LoadError { place: Some(here()), reason };
        match split_words(line) {
            None => return Err(place("Unbalanced quotes in configuration line".into())),
            Some(words) => {
                directive(config, words, depth, &here).map_err(|fault| fault.at(place))?;
            }
        }
    }
    Ok(())
}

fn directive(
    config: &mut Config,
    mut words: Vec<Vec<u8>>,
    depth: usize,
    here: &dyn Fn() -> Place,
) -> Result<(), Fault> {
    let arguments = words.split_off(1);
    let name = words[0].to_ascii_lowercase();
    if let Some((setting, _)) = Setting::find(&name) {
        return Ok(config.load(setting, arguments)?);
    }
    match (name.as_slice(), arguments.as_slice()) {
        (b"include", [pattern]) => include(config, pattern, depth + 1),
        // Redis accepts and ignores what once had a meaning.
        (
            b"list-max-ziplist-entries" | b"list-max-ziplist-value" | b"lua-replicate-commands",
            [_],
        ) => Ok(()),
        (b"rename-command", [from, to]) => {
            config.add_rename(Rename { from: from.clone(), to: to.clone(), place: here() });
            Ok(())
        }
        (b"user", [name, ..]) => {
            let shown = String::from_utf8_lossy(name).into_owned();
            match config.add_user(arguments) {
                true => Ok(()),
                false => {
                    Err(format!("Error in user declaration '{shown}': {DUPLICATE_USER}").into())
                }
            }
        }
        (b"quota", [_, ..]) => Ok(config.add_quota(arguments)?),
        (b"loadmodule", [_, ..]) => Err("modules are not supported".into()),
        (b"sentinel", [_, ..]) => Err("sentinel directive while not in sentinel mode".into()),
        (name, [_, ..]) if name.contains(&b'.') => Err("modules are not supported".into()),
        _ => Err("Bad directive or wrong number of arguments".into()),
    }
}

fn include(config: &mut Config, pattern: &[u8], depth: usize) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err("files include each other too deeply".into());
    }
    let base = PathBuf::from(OsStr::from_bytes(config.text(Setting::Dir)));
    let path = base.join(OsStr::from_bytes(pattern));
    for file in if has_wildcard(pattern) { expand(&path) } else { vec![path] } {
        let text = std::fs::read(&file).map_err(|error| {
            format!("can't open config file '{}': {}", file.display(), system_text(&error))
        })?;
        read(config, &Source::File(file), &text, depth).map_err(Fault::Elsewhere)?;
    }
    Ok(())
}

fn has_wildcard(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The existing paths that match an absolute pattern, sorted.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str();
        if !matches!(component, Component::Normal(_)) || !has_wildcard(name.as_bytes()) {
            for path in &mut found {
                path.push(name);
            }
            continue;
        }
        let mut next: Vec<PathBuf> = found
            .iter()
            .filter_map(|directory| std::fs::read_dir(directory).ok())
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| matches(name.as_bytes(), entry.file_name().as_bytes()))
            .map(|entry| entry.path())
            .collect();
        next.sort();
        found = next;
    }
    found.retain(|path| path.exists());
    found
}

/// A wildcard does not stand for the dot of a hidden file.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    (!name.starts_with(b".") || pattern.starts_with(b"."))
        && glob::matches(pattern, name, Case::Sensitive)
}
