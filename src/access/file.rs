//! ACL files: a line for each user. A file is taken on as a whole or not at all.

use crate::access::user::{Reading, User, is_name, join_selectors};
use redstart_config::error::system_text;
use redstart_protocol::split_words;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Users by their names.
pub type Users = BTreeMap<Box<[u8]>, User>;

/// Reads a file. `default` is there in any case.
///
/// # Errors
/// All that is wrong with it, in Redis's words.
pub fn read(path: &str, reading: Reading) -> Result<Users, String> {
    let text = fs::read(path).map_err(|error| {
        format!("Error loading ACLs, opening file '{path}': {}", system_text(&error))
    })?;
    let (mut users, mut errors) = (Users::new(), String::new());
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if let Err(error) = read_line(line, &mut users, path, at + 1, reading) {
            errors.push_str(&error);
        }
    }
    if !errors.is_empty() {
        errors.push_str(
            "WARNING: ACL errors detected, no change to the previously active ACL rules was \
             performed",
        );
        return Err(errors);
    }
    users.entry(b"default"[..].into()).or_insert_with(|| User::default(0, reading));
    Ok(users)
}

fn read_line(
    line: &[u8],
    users: &mut Users,
    path: &str,
    number: usize,
    reading: Reading,
) -> Result<(), String> {
    let words = split_words(line)
        .ok_or_else(|| format!("{path}:{number}: unbalanced quotes in acl line. "))?;
    let [first, name, rules @ ..] = &words[..] else {
        return Err(no_user(path, number));
    };
    if first != b"user" {
        return Err(no_user(path, number));
    }
    if !is_name(name) {
        let name = String::from_utf8_lossy(name);
        return Err(format!("'{path}:{number}: username '{name}' contains invalid characters. "));
    }
    if users.contains_key(&name[..]) {
        let name = String::from_utf8_lossy(name);
        return Err(format!("WARNING: Duplicate user '{name}' found on line {number}. "));
    }
    let mut user = User::new(name, 0, reading);
    let unmatched = |_| format!("{path}:{number}: Unmatched parenthesis in selector definition.");
    for rule in join_selectors(rules.iter().map(|rule| &rule[..])).map_err(unmatched)? {
        user.apply(&rule, reading).map_err(|reason| match reason {
            crate::access::selector::UNKNOWN => {
                let rule = String::from_utf8_lossy(&rule);
                format!("{path}:{number}: Error in applying operation '{rule}': {reason}. ")
            }
            _ => format!("{path}:{number}: {reason}. "),
        })?;
    }
    users.insert(user.name.clone(), user);
    Ok(())
}

fn no_user(path: &str, number: usize) -> String {
    format!("{path}:{number} should start with user keyword followed by the username. ")
}

/// Replaces a file by one with these lines, never leaving half of it.
///
/// # Errors
/// When it cannot be replaced; it is then as it was.
pub fn write(path: &str, lines: &[Vec<u8>]) -> io::Result<()> {
    let temporary = format!("{path}.tmp-{}", std::process::id());
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    let written = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(&text)?;
            if let Ok(metadata) = fs::metadata(path) {
                file.set_permissions(metadata.permissions())?;
            }
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one that is returned.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
