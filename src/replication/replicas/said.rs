//! What a replica says of itself before it asks for the stream (REPLCONF).

use crate::durability::Form;
use redstart_engine::Error;
use redstart_persistence::rdb::Version;
use redstart_protocol::parse_i64;

/// What a replica says of itself.
#[derive(Clone, Debug)]
pub struct Said {
    /// The port that it serves.
    pub port: u16,
    /// Where it can be reached, if that is not where it comes from.
    pub ip: Option<String>,
    /// Whether it finds the end of a full sync by a mark, so that no length is needed.
    pub finds_end: bool,
    /// Whether it understands that a stream goes on under another id.
    pub renames: bool,
    /// Whether it is Redstart: it takes snapshots of ours.
    pub is_ours: bool,
    /// Whether it reads what Valkey 9 writes.
    pub reads_valkey: bool,
    /// Whether it wants the file of a full sync and nothing behind it.
    pub file_only: bool,
    /// Whether it wants keys in that file, and libraries of functions.
    pub wants: (bool, bool),
}

impl Default for Said {
    fn default() -> Said {
        Said {
            port: 0,
            ip: None,
            finds_end: false,
            renames: false,
            is_ours: false,
            reads_valkey: false,
            file_only: false,
            wants: (true, true),
        }
    }
}

/// The first version of Valkey that reads the files of Valkey 9.
const VALKEY_9: [u32; 3] = [9, 0, 0];
/// The number of those files.
const VALKEY_FILE: u16 = 80;
/// A longer name of a host is refused.
const IP_BYTES_MAX: usize = 255;

/// What replicas of some versions say, and nothing comes of here.
const PASSED_OVER: [&str; 5] = [
    "rdb-channel",
    "rdb-no-compress",
    "main-ch-client-id",
    "set-rdb-client-id",
    "set-cluster-node-id",
];

impl Said {
    /// Takes an option of REPLCONF.
    ///
    /// # Errors
    /// As Redis replies: replicas go on after errors that they expect of old masters.
    pub fn hear(&mut self, option: &[u8], value: &[u8]) -> Result<(), Error> {
        let is = |text: &[u8], word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        let text = || String::from_utf8_lossy(value).into_owned();
        if is(option, "listening-port") {
            let port = parse_i64(value).ok_or(Error::NOT_INTEGER)?;
            self.port = u16::try_from(port).unwrap_or(0);
        } else if is(option, "ip-address") {
            if value.len() > IP_BYTES_MAX {
                let what = "ERR REPLCONF ip-address provided by replica instance is too long";
                return Err(Error::text(format!("{what}: {} bytes", value.len())));
            }
            self.ip = Some(text()).filter(|ip| !ip.is_empty());
        } else if is(option, "capa") {
            self.finds_end |= is(value, "eof");
            self.renames |= is(value, "psync2");
            self.is_ours |= is(value, "redstart");
        } else if is(option, "version") {
            let numbers: Vec<u32> = text().split('.').map_while(|part| part.parse().ok()).collect();
            let version: [u32; 3] = numbers
                .try_into()
                .map_err(|_| Error::quoting("ERR Unrecognized version format: ", value, ""))?;
            self.reads_valkey = version >= VALKEY_9;
        } else if is(option, "rdb-only") {
            match parse_i64(value).ok_or(Error::NOT_INTEGER)? {
                only @ 0..=1 => self.file_only = only == 1,
                _ => return Err(Error::text("ERR value is out of range, must be between 0 and 1")),
            }
        } else if is(option, "rdb-filter-only") {
            self.wants = (false, false);
            for word in value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
                match word {
                    word if is(word, "functions") => self.wants.1 = true,
                    _ => {
                        let what = "ERR Unsupported rdb-filter-only option: ";
                        return Err(Error::quoting(what, word, ""));
                    }
                }
            }
        } else if !PASSED_OVER.iter().any(|known| is(option, known)) {
            let name = String::from_utf8_lossy(option);
            return Err(Error::text(format!("ERR Unrecognized REPLCONF option: {name}")));
        }
        Ok(())
    }

    /// What a full sync for it is written as.
    pub fn form(&self) -> Form {
        let (keys, libraries) = self.wants;
        let valkey = Version::written(VALKEY_FILE).filter(|_| self.reads_valkey);
        match self.is_ours {
            true => Form::Ours,
            // A replica that names no version may be as old as Redis 7.0.
            false => Form::Rdb { version: valkey.unwrap_or(Version::COMMON), keys, libraries },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(options: &[(&str, &str)]) -> Result<Said, String> {
        let mut said = Said::default();
        for (option, value) in options {
            let heard = said.hear(option.as_bytes(), value.as_bytes());
            heard.map_err(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())?;
        }
        Ok(said)
    }

    #[test]
    fn the_file_is_one_that_the_replica_reads() {
        let number = |options: &[(&str, &str)]| match heard(options).expect("no error").form() {
            Form::Ours => 0,
            Form::Rdb { version, .. } => version.number(),
        };
        assert_eq!(number(&[("capa", "eof"), ("capa", "psync2")]), 10);
        assert_eq!(number(&[("version", "8.1.3")]), 10);
        assert_eq!(number(&[("VERSION", "9.1.2")]), 80);
        assert_eq!(number(&[("version", "9.1.2"), ("capa", "redstart")]), 0);
        let wants = |filter| heard(&[("rdb-filter-only", filter)]).map(|said| said.wants);
        assert_eq!(wants(""), Ok((false, false)));
        assert_eq!(wants("functions"), Ok((false, true)));
        assert!(wants("keys").is_err());
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let error = |option, value| heard(&[(option, value)]).expect_err(option);
        assert_eq!(error("nonsense", "1"), "ERR Unrecognized REPLCONF option: nonsense");
        assert_eq!(error("version", "9"), "ERR Unrecognized version format: 9");
        assert!(error("listening-port", "x").contains("not an integer"));
        assert!(error("ip-address", &"x".repeat(300)).contains("too long: 300 bytes"));
        assert!(heard(&[("rdb-channel", "1"), ("capa", "dual-channel")]).is_ok());
    }
}
