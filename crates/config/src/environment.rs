//! The password that the environment gives: `REDSTART_PASSWORD`, or `REDSTART_PASSWORD_FILE`, which
//! names a file with the password in its one line.
//!
//! It is for containers and services: what stands on a command line is seen by every user of the
//! machine. It is read before anything else, so that the configuration has the last word.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

const PASSWORD: &str = "REDSTART_PASSWORD";
const FILE: &str = "REDSTART_PASSWORD_FILE";
/// The longest password in a file.
const BYTES_MAX: u64 = 1 << 16;

/// The password, if the environment has one.
///
/// # Errors
/// If it has two, or names a file that cannot be read, that is empty, or that has several lines: a
/// server that was meant to have a password must not start without it.
pub fn password() -> Result<Option<Vec<u8>>, String> {
    password_in(|name| std::env::var_os(name))
}

fn password_in(value: impl Fn(&str) -> Option<OsString>) -> Result<Option<Vec<u8>>, String> {
    match (value(PASSWORD), value(FILE)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(format!("{PASSWORD} and {FILE} are both set: only one may be")),
        (Some(password), None) if password.is_empty() => Err(format!("{PASSWORD} is empty")),
        (Some(password), None) => Ok(Some(password.into_vec())),
        (None, Some(path)) => {
            let path = Path::new(&path);
            let read = read(path);
            read.map(Some).map_err(|what| format!("{FILE}: '{}' {what}", path.display()))
        }
    }
}

/// The only line of a file, without its end.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let opened = File::open(path);
    let mut text = Vec::new();
    opened
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut text))
        .map_err(|error| format!("cannot be read: {}", crate::error::system_text(&error)))?;
    if text.len() as u64 > BYTES_MAX {
        return Err("is too long".to_owned());
    }
    if text.ends_with(b"\n") {
        text.pop();
        if text.ends_with(b"\r") {
            text.pop();
        }
    }
    match text.contains(&b'\n') {
        _ if text.is_empty() => Err("is empty".to_owned()),
        true => Err("has several lines".to_owned()),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(set: &[(&str, &str)]) -> Result<Option<String>, String> {
        let value = |name: &str| {
            let pair = set.iter().find(|(known, _)| *known == name);
            pair.map(|(_, value)| OsString::from(value))
        };
        let text = |password| String::from_utf8(password).expect("the tests' are UTF-8");
        password_in(value).map(|password| password.map(text))
    }

    #[test]
    fn the_password_is_the_variable_or_the_line_of_a_file() {
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(found(&[(PASSWORD, "a b")]), Ok(Some("a b".to_owned())));
        assert!(found(&[(PASSWORD, "")]).is_err());
        assert!(found(&[(PASSWORD, "a"), (FILE, "b")]).is_err());

        let path = std::env::temp_dir().join(format!("redstart-password-{}", std::process::id()));
        let name = path.to_str().expect("it is UTF-8").to_owned();
        for (text, expected) in [
            ("secret", Some("secret")),
            ("secret\n", Some("secret")),
            ("secret \r\n", Some("secret ")),
            ("", None),
            ("\n", None),
            ("one\ntwo\n", None),
        ] {
            std::fs::write(&path, text).expect("it can be written");
            let password = found(&[(FILE, &name)]).ok().flatten();
            assert_eq!(password.as_deref(), expected, "{text:?}");
        }
        std::fs::write(&path, "x".repeat(BYTES_MAX as usize + 1)).expect("it can be written");
        assert!(found(&[(FILE, &name)]).is_err_and(|error| error.ends_with("is too long")));
        std::fs::remove_file(&path).expect("it is ours");
        let missing = found(&[(FILE, &name)]).expect_err("it is gone");
        assert!(missing.ends_with("cannot be read: No such file or directory"), "{missing}");
    }
}
