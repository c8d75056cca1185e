//! The command line, by redis-server's rules: `redstart [FILE] [-] [--directive value ...]`.
//!
//! Directives become lines of a configuration that is read after the file and after standard input,
//! so that the last word is theirs. A directive takes every argument up to the next that begins
//! with two dashes, but at least one, so that a value may begin with dashes too; `--save` alone
//! means `--save ""`. Name and values may also stand in one argument: `"--save 60 1"`.

use crate::file::Request;
use crate::table::Setting;
use redstart_protocol::{quote, split_words};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// To serve.
    Serve(Request),
    /// To print this and end.
    Print(String),
    /// Something that is not possible: to print this on standard error and fail.
    Refuse(String),
}

/// Reads the arguments, without the name of the program.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> CommandLine {
    let arguments: Vec<Vec<u8>> = arguments.into_iter().map(OsStringExt::into_vec).collect();
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return CommandLine::Print(version()),
        Some(b"-h" | b"--help") => return CommandLine::Print(help()),
        Some(option @ (b"--test-memory" | b"--check-system")) => {
            let option = String::from_utf8_lossy(option);
            return CommandLine::Refuse(format!("{option} is not supported"));
        }
        _ => {}
    }
    if arguments.iter().any(|argument| argument.eq_ignore_ascii_case(b"--sentinel")) {
        return CommandLine::Refuse("Sentinel mode is not supported".to_owned());
    }
    CommandLine::Serve(request(&arguments))
}

fn request(arguments: &[Vec<u8>]) -> Request {
    let mut request = Request::default();
    let mut rest = arguments;
    if let [first, others @ ..] = rest
        && !first.starts_with(b"-")
    {
        request.file = Some(PathBuf::from(OsString::from_vec(first.clone())));
        rest = others;
    }
    let lines = &mut request.directives;
    // Whether the latest directive has an argument, so that dashes begin another one.
    let mut complete = true;
    for (position, argument) in rest.iter().enumerate() {
        let is_first = position == 0 && request.file.is_none();
        let next = rest.get(position + 1);
        if argument == b"-" && (is_first || next.is_none()) {
            request.input = true;
        } else if let Some(name) = argument.strip_prefix(b"--").filter(|_| complete) {
            if !lines.is_empty() {
                lines.push(b'\n');
            }
            lines.extend_from_slice(name);
            lines.push(b' ');
            let alone = split_words(argument).is_some_and(|words| words.len() == 1);
            let is_last = next.is_none_or(|next| next.starts_with(b"--"));
            if alone && is_last && name.eq_ignore_ascii_case(b"save") {
                lines.extend_from_slice(b"\"\"");
                complete = true;
            } else {
                complete = !alone;
            }
        } else {
            quote(argument, lines);
            lines.push(b' ');
            complete = true;
        }
    }
    request
}

/// Our own version first; tools look for Redis's behind `v=`.
fn version() -> String {
    let (own, redis) = (env!("CARGO_PKG_VERSION"), Setting::RedisVersion.param().default);
    format!("Redstart {own}, serves like Redis v={redis} bits={}", usize::BITS)
}

fn help() -> String {
    let own = env!("CARGO_PKG_VERSION");
    format!(
        "\
Redstart {own}: a Redis-compatible in-memory data server.

Usage: redstart [FILE] [-] [--PARAMETER VALUE ...]   serve
       redstart ping [OPTION ...]                    ask whether a server serves
       redstart check FILE ...                       say whether data files are whole
       redstart convert FROM TO                      make a snapshot of an RDB file, and back
       redstart top [OPTION ...]                     show how a server does, in this terminal
       redstart report [OPTION ...]                  make a page about what is in a server or file
       redstart --version | --help

FILE is a redis.conf; a - reads more of it from standard input. Parameters on the command line have
the last word. Without any of them:

       port 6379             on all interfaces; from other machines only with a password
       dir .                 dump.redstart is loaded from here, and saved here at the end,
       save {save}
                             and after so many seconds with so many changes
       appendonly no         no log of every write
       maxmemory 0           no limit
       threads {threads:<13} one worker for each core

Examples:

       redstart --bind 127.0.0.1
       redstart --port 7777 --threads 4 --save \"\"          nothing on disk
       redstart --dir /var/lib/redstart --appendonly yes
       redstart --maxmemory 2gb --maxmemory-policy allkeys-lru
       redstart --requirepass SECRET --unixsocket /run/redstart.sock
       redstart /etc/redis/redis.conf --loglevel warning
       echo 'maxmemory 128mb' | redstart -

`redstart ping --help` and its kin say more. Every parameter: CONFIG GET *.",
        save = Setting::Save.param().default,
        threads = std::thread::available_parallelism().map_or(1, usize::from),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], file: Option<&str>, input: bool, directives: &str) {
        let line = parse(arguments.iter().map(OsString::from));
        let file = file.map(PathBuf::from);
        let directives = directives.as_bytes().to_vec();
        assert_eq!(line, CommandLine::Serve(Request { file, input, directives }));
    }

    #[test]
    fn files_input_and_directives() {
        check(&[], None, false, "");
        check(&["a.conf"], Some("a.conf"), false, "");
        check(&["a.conf", "-"], Some("a.conf"), true, "");
        check(&["-", "--port", "1"], None, true, "port \"1\" ");
        check(&["a.conf", "--port", "1", "-"], Some("a.conf"), true, "port \"1\" ");
        check(&["--port", "1", "--hz", "2"], None, false, "port \"1\" \nhz \"2\" ");
        check(&["--bind", "127.0.0.1", "::1"], None, false, "bind \"127.0.0.1\" \"::1\" ");
        check(&["--port 1", "--hz 2"], None, false, "port 1 \nhz 2 ");
        check(&["--requirepass", "--x"], None, false, "requirepass \"--x\" ");
        check(&["--port=1"], None, false, "port=1 ");
        check(&["a.conf", "extra"], Some("a.conf"), false, "\"extra\" ");
    }

    #[test]
    fn save_without_a_value_is_empty() {
        check(&["--save"], None, false, "save \"\"");
        check(&["--save", ""], None, false, "save \"\" ");
        check(&["--save", "--port", "1"], None, false, "save \"\"\nport \"1\" ");
        check(
            &["--save", "60", "1", "--port", "1"],
            None,
            false,
            "save \"60\" \"1\" \nport \"1\" ",
        );
    }

    #[test]
    fn what_is_printed_and_refused() {
        let of = |arguments: &[&str]| parse(arguments.iter().map(OsString::from));
        let CommandLine::Print(text) = of(&["--version"]) else { panic!("not printed") };
        assert!(text.starts_with(concat!("Redstart ", env!("CARGO_PKG_VERSION"))), "{text}");
        assert!(text.contains("v=8.6.3"));
        let CommandLine::Print(text) = of(&["-h"]) else { panic!("not printed") };
        let words = ["ping", "check", "convert", "top", "report", "6379", "Examples"];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(matches!(of(&["--test-memory", "5"]), CommandLine::Refuse(_)));
        assert!(matches!(of(&["a.conf", "--sentinel"]), CommandLine::Refuse(_)));
    }
}
