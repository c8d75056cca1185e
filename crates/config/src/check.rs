//! What a text has to be: the checks that [`Kind::Text`](crate::kind::Kind::Text) names. Each takes
//! the parameter's name and the text.

use crate::error::Reason;
use crate::scalar::strict_integer;
use redstart_engine::keyspace::prefixes;
use std::net::IpAddr;

/// Accepts every text.
pub fn any(_: &'static str, _: &[u8]) -> Result<(), Reason> {
    Ok(())
}

/// A file's name without a path, for a snapshot or a log.
pub fn is_file_name(name: &'static str, text: &[u8]) -> Result<(), Reason> {
    if text.contains(&b'/') {
        Err(format!("{name} can't be a path, just a filename").into())
    } else if text.is_empty() && name == "appendfilename" {
        Err("appendfilename can't be empty".into())
    } else {
        Ok(())
    }
}

/// A directory's name without a path.
pub fn is_directory_name(name: &'static str, text: &[u8]) -> Result<(), Reason> {
    if text.contains(&b'/') {
        Err(format!("{name} can't be a path, just a dirname").into())
    } else if text.is_empty() {
        Err(format!("{name} can't be empty").into())
    } else {
        Ok(())
    }
}

/// A host's name, or none.
pub fn is_host_name(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    if text.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if text.iter().all(legal) {
        Ok(())
    } else {
        Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into())
    }
}

/// A node's name for humans, or none.
pub fn is_node_name(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    let legal = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/' | b'_' | b'`' | 128..)
    };
    if text.iter().all(legal) {
        Ok(())
    } else {
        Err("Announced human node name contained invalid character".into())
    }
}

/// A node's address, or none.
pub fn is_node_address(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    let address = str::from_utf8(text).ok().map(str::parse::<IpAddr>);
    if text.is_empty() || matches!(address, Some(Ok(_))) {
        Ok(())
    } else {
        Err("Cluster announce IP must be a valid IPv4 or IPv6 address".into())
    }
}

/// A locale's name, which may not be installed: `C`, `en_US`, `de_AT.UTF-8@euro`; or none.
pub fn is_locale(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    let is_end = |byte: &u8| matches!(byte, b'.' | b'@');
    let name = text.split(is_end).next().unwrap_or_default();
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic();
    let legal = match name {
        b"C" | b"POSIX" => true,
        [language @ .., b'_', first, last] => {
            let places = [*first, *last];
            (2..=3).contains(&language.len()) && language.iter().chain(&places).all(is_letter)
        }
        _ => text.is_empty(),
    };
    if legal { Ok(()) } else { Err("Invalid locale name".into()) }
}

/// A template of known variables that comes to some text.
pub fn is_title(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    const VARIABLES: [&str; 7] = [
        "{title}",
        "{listen-addr}",
        "{server-mode}",
        "{port}",
        "{tls-port}",
        "{unixsocket}",
        "{config-file}",
    ];
    let mut rest = String::from_utf8_lossy(text).into_owned();
    let constant = rest == "{title}" || rest.trim().is_empty();
    for variable in VARIABLES {
        rest = rest.replace(variable, "");
    }
    if constant || rest.contains(['{', '}']) {
        return Err("template format is invalid or contains unknown variables".into());
    }
    Ok(())
}

/// A version of three numbers, which clients compare.
pub fn is_version(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    let numbers = text.split(|byte| *byte == b'.');
    let legal = |number: &[u8]| (1..=5).contains(&number.len()) && strict_integer(number).is_some();
    if numbers.clone().count() == 3 && numbers.clone().all(legal) && !text.contains(&b'-') {
        Ok(())
    } else {
        Err("argument must be a version of three numbers, like 8.6.3".into())
    }
}

/// What the prefix of a key is, for statistics.
pub fn is_prefix_rule(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    prefixes::Rule::parse(text).map(drop).ok_or(prefixes::NO_RULE.into())
}
