//! What the configuration accepts, answers and refuses. The expected texts are redis-server's.

use super::file::{Request, load};
use super::table::{Effect, Param, TABLE};
use super::*;
use redstart_protocol::quote;
use std::io::empty;
use std::path::{Path, PathBuf};

const INTEGER: &str = "argument couldn't be parsed into an integer";
const MEMORY: &str = "argument must be a memory value";
const CLASSES: &str = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
const SAVE: &str = "Invalid save parameters";
const LIMITS: &str = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";

fn set(config: &mut Config, name: &str, value: &str) -> Result<(), SetError> {
    config.set_many(&[(name.as_bytes(), value.as_bytes())], Caller::Local).map(drop)
}

fn shown(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8(found[0].1.clone()).unwrap()
}

fn read(text: &str) -> Result<Config, String> {
    let mut config = Config::new();
    let request = Request { directives: text.into(), ..Request::default() };
    match load(&mut config, &request, &mut empty()) {
        Ok(()) => Ok(config),
        Err(error) => Err(error.reason.into_owned()),
    }
}

/// A fresh directory that goes away with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("redstart-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_table_is_sound() {
    let mut names: Vec<&str> = TABLE
        .iter()
        .flat_map(|(_, param)| [Some(param.name), param.alias].into_iter().flatten())
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "every name stands once");
    for (position, (setting, param)) in TABLE.iter().enumerate() {
        assert_eq!(*setting as usize, position);
        assert_eq!(Setting::find(param.name.as_bytes()), Some((*setting, param.name)));
    }
}

#[test]
fn every_default_reads_back() {
    let config = Config::new();
    let mut lines = Vec::new();
    for (setting, param) in TABLE {
        lines.extend_from_slice(param.name.as_bytes());
        lines.push(b' ');
        quote(&config.format(*setting), &mut lines);
        lines.push(b'\n');
    }
    let again = read(std::str::from_utf8(&lines).unwrap()).unwrap();
    for (setting, param) in TABLE {
        assert_eq!(again.value(*setting), config.value(*setting), "{}", param.name);
        assert!(again.was_set(*setting) && !config.was_set(*setting));
    }
}

#[test]
fn values_and_their_canonical_form() {
    let mut config = Config::new();
    for (name, value, expected) in [
        ("maxmemory", "1k", "1000"),
        ("maxmemory", "1KB", "1024"),
        ("maxmemory", "2gb", "2147483648"),
        ("maxmemory", "18446744073709551616", "18446744073709551615"),
        ("maxmemory", "", "0"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "0%", "0"),
        ("maxmemory-clients", "1m", "1000000"),
        ("hz", "0", "1"),
        ("hz", "501", "500"),
        ("list-max-ziplist-size", "-9", "-9"),
        ("rdbcompression", "YES", "yes"),
        ("maxmemory-policy", "ALLKEYS-LRU", "allkeys-lru"),
        ("oom-score-adj", "relative", "yes"),
        ("oom-score-adj-values", "5 4 -3", "5 4 -3"),
        ("shutdown-on-sigterm", "force now save", "save now force"),
        ("shutdown-on-sigterm", "default now", "now"),
        ("shutdown-on-sigterm", "default", "default"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "KEx$", "$xKE"),
        ("notify-keyspace-events", "g$lshzxetdnmKE", "AKEm"),
        ("notify-keyspace-events", "Exn", "xnE"),
        ("notify-keyspace-events", "nmKEoc", "nocKEm"),
        ("notify-keyspace-events", "AKEnoc", "AKE"),
        ("notify-keyspace-events", "", ""),
        ("save", "3600 1 300 100", "3600 1 300 100"),
        ("save", "+60 0", "60 0"),
        ("save", "", ""),
        ("latency-tracking-info-percentiles", "50.0 99.90 100", "50 99.9 100"),
        ("latency-tracking-info-percentiles", "", ""),
        (
            "client-output-buffer-limit",
            "replica 1kb 2k 3",
            "normal 0 0 0 slave 1024 2000 3 pubsub 33554432 8388608 60",
        ),
        ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
        ("redis-version", "8.0.1", "8.0.1"),
    ] {
        assert_eq!(set(&mut config, name, value), Ok(()), "{name} {value}");
        assert_eq!(shown(&config, name), expected, "{name} {value}");
    }
}

#[test]
fn wrong_values_and_their_reasons() {
    let mut config = Config::new();
    for (name, value, expected) in [
        ("timeout", "x", INTEGER),
        ("timeout", "010", INTEGER),
        ("timeout", "+5", INTEGER),
        ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxmemory", "-1mb", MEMORY),
        ("maxmemory", "1.5gb", MEMORY),
        ("maxmemory", "1%", MEMORY),
        ("maxmemory-clients", "-5%", "argument must be a memory or percent value"),
        ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
        ("rdbcompression", "1", "argument must be 'yes' or 'no'"),
        ("appendfsync", "x", "argument(s) must be one of the following: everysec, always, no"),
        (
            "oom-score-adj",
            "x",
            "argument(s) must be one of the following: no, yes, relative, absolute",
        ),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        ("notify-keyspace-events", "K E", CLASSES),
        ("save", "60", SAVE),
        ("save", "0 1", SAVE),
        ("save", "60  1", SAVE),
        ("client-output-buffer-limit", "normal 1 1 -1", LIMITS),
        (
            "client-output-buffer-limit",
            "master 1 1 1",
            "Invalid client class specified in buffer limit configuration.",
        ),
        (
            "shutdown-on-sigterm",
            "save nosave",
            "shutdown options SAVE and NOSAVE can't be used simultaneously",
        ),
        (
            "proc-title-template",
            "{title} {foo}",
            "template format is invalid or contains unknown variables",
        ),
        ("Daemonize", "yes", "can't set immutable config"),
        ("dir", ".", "can't set protected config"),
    ] {
        let known =
            if name == "Daemonize" { name } else { Setting::find(name.as_bytes()).unwrap().1 };
        let error = set(&mut config, name, value).unwrap_err();
        assert_eq!(error, SetError::Failed(known.to_owned(), expected.into()), "{name} {value}");
    }
    assert_eq!(
        set(&mut config, "TIMEOUT", "x").unwrap_err().to_string(),
        "CONFIG SET failed (possibly related to argument 'timeout') - \
         argument couldn't be parsed into an integer"
    );
    assert_eq!(
        set(&mut config, "Nosuch", "x").unwrap_err().to_string(),
        "Unknown option or number of arguments for CONFIG SET - 'Nosuch'"
    );
}

#[test]
fn some_stay_as_they_are_while_data_is_being_loaded() {
    let config = read("enable-protected-configs yes").unwrap();
    let check = |pairs: &[(&[u8], &[u8])]| config.check_while_loading(pairs, Caller::Local);
    assert_eq!(check(&[(b"timeout", b"5"), (b"maxmemory", b"x")]), Ok(()));
    assert_eq!(check(&[(b"timeout", b"5"), (b"DIR", b"x"), (b"no", b"1")]), Err(SetError::Loading));
    assert_eq!(check(&[(b"no", b"1"), (b"dir", b"/")]), Err(SetError::Unknown("no".into())));
    assert!(Config::new().check_while_loading(&[(b"dir", b"/")], Caller::Local).is_err());
}

#[test]
fn several_are_set_or_none() {
    let mut config = Config::new();
    let mut set = |pairs: &[(&[u8], &[u8])]| {
        let result = config.set_many(pairs, Caller::Remote);
        (result, config.count(Setting::Timeout), config.count(Setting::Maxmemory))
    };
    let (changes, timeout, memory) = set(&[(b"timeout", b"5"), (b"maxmemory", b"0")]);
    let changed: Vec<Setting> = changes.unwrap().settings().collect();
    assert_eq!((changed, timeout, memory), (vec![Setting::Timeout], 5, 0));
    let (error, timeout, memory) = set(&[(b"timeout", b"6"), (b"maxmemory", b"x")]);
    assert_eq!((timeout, memory), (5, 0));
    assert_eq!(error.unwrap_err(), SetError::Failed("maxmemory".into(), MEMORY.into()));
    let (error, ..) = set(&[(b"timeout", b"6"), (b"TIMEOUT", b"7")]);
    let duplicate = SetError::Failed("TIMEOUT".into(), "duplicate parameter".into());
    assert_eq!(error.unwrap_err(), duplicate);
    let (error, ..) = set(&[(b"daemonize", b"no"), (b"nosuch", b"7")]);
    assert!(matches!(error.unwrap_err(), SetError::Failed(..)));

    let changes = config.set_many(&[(b"timeout", b"9")], Caller::Local).unwrap();
    config.undo(changes);
    assert_eq!(config.integer(Setting::Timeout), 5);

    // What is set to the value that it has is set, and an undo takes that back, too.
    let changes = config.set_many(&[(b"hz", b"10")], Caller::Local).unwrap();
    assert!(config.was_set(Setting::Hz) && !changes.contains(Setting::Hz));
    config.undo(changes);
    assert!(!config.was_set(Setting::Hz));
}

#[test]
fn protected_parameters_open_for_local_clients() {
    let mut config = read("enable-protected-configs local").unwrap();
    let pairs: &[(&[u8], &[u8])] = &[(b"dbfilename", b"x.rdb")];
    assert!(config.set_many(pairs, Caller::Remote).is_err());
    assert!(config.set_many(pairs, Caller::Local).is_ok());
}

#[test]
fn get_by_name_and_pattern() {
    let config = Config::new();
    let names = |patterns: &[&str]| -> Vec<String> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let found = config.get(&patterns).into_iter();
        found.map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    };
    assert_eq!(names(&["MaxMemory", "maxmemory"]), ["MaxMemory"]);
    assert_eq!(names(&["MAXMEM?RY", "nosuch"]), ["maxmemory"]);
    assert_eq!(names(&["*-max-ziplist-value"]).len(), 2);
    assert_eq!(names(&["slave-priority", "replica-priority"]).len(), 2);
    assert_eq!(names(&["*watchdog*"]).len(), 0);
    assert_eq!(names(&["watchdog-period"]), ["watchdog-period"]);
    assert_eq!(shown(&config, "save"), "3600 1 300 100 60 10000");
}

#[test]
fn lines_of_a_file() {
    let config = read(
        "# a comment\r\n\n  TimeOut   5  \r\nsave 60 1\nsave 30 2\nbind \"127.0.0.1 -::1\"\n\
         client-output-buffer-limit pubsub 1 2 3\nunixsocketperm 700\nslaveof no one\n\
         requirepass \"a\\x41 b\"\nlua-replicate-commands yes\nshutdown-on-sigterm nosave now",
    )
    .unwrap();
    assert_eq!(config.integer(Setting::Timeout), 5);
    assert_eq!(config.save_points(), [(60, 1), (30, 2)]);
    let addresses: Vec<(&[u8], bool)> = config.addresses().collect();
    assert_eq!(addresses, [(b"127.0.0.1".as_slice(), false), (b"::1".as_slice(), true)]);
    assert_eq!(config.output_limits()[2].soft_s, 3);
    assert_eq!(config.integer(Setting::Unixsocketperm), 0o700);
    assert_eq!(shown(&config, "unixsocketperm"), "700");
    assert_eq!(config.text(Setting::Requirepass), b"aA b");
    assert_eq!(config.flags(Setting::ShutdownOnSigterm), ["nosave", "now"]);
    assert_eq!(read("save 60 1\nsave \"\"\nsave 5 6").unwrap().save_points(), [(5, 6)]);
    assert_eq!(read("save \"60 1\"").unwrap().save_points(), [(60, 1)]);
    assert_eq!(read("timeout 1\ntimeout 2").unwrap().integer(Setting::Timeout), 2);
}

#[test]
fn lines_that_end_the_start() {
    let bad = "Bad directive or wrong number of arguments";
    for (text, expected) in [
        ("timeout 5 # comment", "wrong number of arguments"),
        ("timeout", "wrong number of arguments"),
        ("timeout \"5", "Unbalanced quotes in configuration line"),
        ("timeout \"5\"x", "Unbalanced quotes in configuration line"),
        ("timeout=5", bad),
        ("rename-command GET", bad),
        ("list-max-ziplist-entries 5 6", bad),
        ("notify-keyspace-events K E", "wrong number of arguments"),
        ("unixsocketperm abc", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm 1000", "argument must be between 0 and 777 inclusive"),
        ("appendfilename a/b", "appendfilename can't be a path, just a filename"),
        ("appenddirname a/b", "appenddirname can't be a path, just a dirname"),
        ("dir no-such-directory", "No such file or directory"),
        ("replicaof a b", "Invalid master port"),
        ("cluster-enabled yes", "cluster mode is not supported"),
        ("sentinel monitor x", "sentinel directive while not in sentinel mode"),
        ("user", bad),
    ] {
        assert_eq!(read(text).err().as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn included_files_and_the_place_of_an_error() {
    let directory = Directory::new("include");
    directory.write("one.conf", "timeout 7\n");
    directory.write("two.conf", "\n# two\nhz x\n");
    let main = directory.write("main.conf", "\ninclude one.conf\ninclude none*.conf\n");
    let base = directory.0.to_str().unwrap();
    let text = format!("dir {base}\ninclude o?e.conf\ninclude [m]ain.*\n");
    assert_eq!(read(&text).unwrap().integer(Setting::Timeout), 7);

    let text = format!("dir {base}\ninclude two.conf\n");
    std::fs::write(&main, text).unwrap();
    let mut config = Config::new();
    let request = Request { file: Some(main.clone()), ..Request::default() };
    let error = load(&mut config, &request, &mut empty()).unwrap_err().to_string();
    assert_eq!(config.file(), Some(main.as_path()));
    let expected =
        format!("Reading the configuration file {base}/two.conf, at line 3\n>>> 'hz x'\n{INTEGER}");
    assert!(error.ends_with(&expected), "{error}");
    assert!(error.starts_with("\n*** FATAL CONFIG FILE ERROR (Redstart "), "{error}");

    let request = Request { file: Some(directory.0.join("none")), ..Request::default() };
    let error = load(&mut config, &request, &mut empty()).unwrap_err();
    let missing = format!("can't open config file '{base}/none': No such file or directory");
    assert_eq!((error.place, error.reason.as_ref()), (None, missing.as_str()));

    std::fs::write(&main, format!("dir {base}\ninclude main.conf\n")).unwrap();
    let request = Request { file: Some(main), ..Request::default() };
    let error = load(&mut config, &request, &mut empty()).unwrap_err();
    assert_eq!(error.reason, "files include each other too deeply");
}

#[test]
fn the_last_word_is_the_arguments() {
    let directory = Directory::new("order");
    let file = directory.write("redis.conf", "timeout 1\nhz 11\nport 1\n");
    let request = Request { file: Some(file), input: true, directives: "port \"3\" ".into() };
    let mut config = Config::new();
    load(&mut config, &request, &mut b"hz 12\nport 2".as_slice()).unwrap();
    let values = [Setting::Timeout, Setting::Hz, Setting::Port].map(|name| config.integer(name));
    assert_eq!(values, [1, 12, 3]);
}

#[test]
fn the_parameters_without_effect_are_listed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/parameters.md");
    let list = listed();
    if std::env::var_os("REDSTART_WRITE_DOCS").is_some() {
        std::fs::write(&path, &list).expect("the file can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the list is a file of the repository");
    assert!(text == list, "docs/parameters.md is not what the table says: make docs");
}

/// What a parameter may be, where it is one of a few words, and its older name.
fn words(param: &Param) -> String {
    // What only Valkey calls so is told by its first name.
    let words = param.kind.choices().iter().filter(|word| !word.starts_with('~'));
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    let mut text = match words.len() {
        ..3 => String::new(),
        _ if param.kind.is_list() => format!(" Any of {}.", words.join(", ")),
        _ => format!(" One of {}.", words.join(", ")),
    };
    if let Some(alias) = param.alias {
        text += &format!(" Also `{alias}`.");
    }
    text
}

/// docs/parameters.md, as it has to be.
fn listed() -> String {
    let mut text = "# Parameters\n\nMade of their declarations by `make docs`; do not edit. They \
        are lines of a redis.conf, and `--name value` on the command line; `CONFIG GET` tells what \
        they are, and `CONFIG SET` sets those that can change while the server runs.\n\n\
        | parameter | default | while it runs | what it means |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for (setting, param) in TABLE {
        if param.effect == Effect::Honoured && !param.hidden {
            let default = match crate::meaning::default(*setting) {
                "" => String::new(),
                same if same == param.default => format!("`{same}`"),
                words => words.to_owned(),
            };
            let changes = match (param.immutable, param.protected) {
                (true, _) => "fixed",
                (false, true) => "protected",
                (false, false) => "changes",
            };
            let (meaning, words) = (crate::meaning::of(*setting), words(param));
            text += &format!("| `{}` | {default} | {changes} | {meaning}{words} |\n", param.name);
        }
    }
    text += "\n*Protected* parameters change only as `enable-protected-configs` allows. Lines of \
        the configuration that are no parameters: `include FILE`, `user NAME RULE ...`, \
        `rename-command NAME OTHER`, and `quota` ([Caches and locks](caches-and-locks.md)).\n\n\
        ## Without effect\n\n\
        Accepted so that a configuration made for Redis starts the \
        server, and without effect; who sets one is told so, with what to do instead:\n\n";
    for (setting, param) in TABLE {
        if let Some(line) = crate::advice::without_effect(*setting) {
            let advice = line.split_once(": ").map_or("", |(_, advice)| advice);
            let colon = if advice.is_empty() { "" } else { ": " };
            text += &format!("- `{}`{colon}{advice}\n", param.name);
        }
    }
    text += "\nAccepted with their default only:\n\n";
    for (_, param) in TABLE {
        if let Effect::Refused(reason) = param.effect {
            text += &format!("- `{}`: {reason}\n", param.name);
        }
    }
    text
}
