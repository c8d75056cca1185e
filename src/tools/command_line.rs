//! The command line as a whole, as clap would declare it, and what is made of that: completions
//! (`redstart completions SHELL`) and manual pages (`redstart man FOLDER`). Packages carry both;
//! they are made when a package is, and no copy of them is kept.
//!
//! Parameters come from their table, with what they mean; subcommands are those of `TOOLS`. Nothing
//! is parsed by the whole: serving goes by redis-server's rules (`redstart_config::arguments`),
//! which are another grammar. Parameters without effect are left out.

use crate::tools::TOOLS;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, CommandFactory, Parser, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, line_break, roman};
use redstart_config::kind::Kind;
use redstart_config::meaning;
use redstart_config::table::{Effect, Param, Setting, TABLE};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Prints what completes `redstart` in a shell.
#[derive(Parser)]
#[command(
    name = "redstart completions",
    no_binary_name = true,
    after_help = "Example:\n  redstart completions bash > \
                  ~/.local/share/bash-completion/completions/redstart"
)]
struct Completions {
    /// The shell.
    shell: Shell,
}

/// Writes the manual's pages into a folder.
#[derive(Parser)]
#[command(name = "redstart man", no_binary_name = true)]
struct Manuals {
    /// The folder, such as `man1` in a folder of MANPATH.
    #[arg(value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

/// What clap knows of `redstart completions`.
pub fn declared_completions() -> Command {
    Completions::command()
}

/// What clap knows of `redstart man`.
pub fn declared_man() -> Command {
    Manuals::command()
}

/// Runs `redstart completions`.
pub fn complete(arguments: &[String]) -> ExitCode {
    let Completions { shell } = Completions::parse_from(arguments);
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut whole(), "redstart", &mut text);
    match std::io::stdout().write_all(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Runs `redstart man`.
pub fn write_manuals(arguments: &[String]) -> ExitCode {
    let Manuals { folder } = Manuals::parse_from(arguments);
    match manuals(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redstart man: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn manuals(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(whole(), folder)?;
    std::fs::write(folder.join("redstart.1"), first_page()?)
}

/// The page of `redstart` itself. Its synopsis is not made of the declaration: it would name a
/// hundred parameters.
fn first_page() -> std::io::Result<Vec<u8>> {
    let (page, mut text) = (Man::new(whole()), Vec::new());
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    for line in SYNOPSIS {
        let words = vec![bold("redstart"), roman(format!(" {line}")), line_break()];
        synopsis.text(words);
    }
    synopsis.to_writer(&mut text)?;
    page.render_description_section(&mut text)?;
    let mut notes = Roff::new();
    for paragraph in NOTES {
        notes.text([roman(*paragraph)]).control("PP", []);
    }
    notes.to_writer(&mut text)?;
    page.render_subcommands_section(&mut text)?;
    page.render_options_section(&mut text)?;
    page.render_version_section(&mut text)?;
    Ok(text)
}

const ABOUT: &str = "A Redis-compatible in-memory data server";

const SYNOPSIS: &[&str] =
    &["[FILE] [-] [--PARAMETER VALUE ...]", "SUBCOMMAND [ARGUMENT ...]", "--version | --help"];

const NOTES: &[&str] = &[
    "FILE is a redis.conf; a single - reads more of it from standard input. Parameters on the \
     command line have the last word, and --save alone saves nothing. Those that are listed here \
     have an effect; others of Redis and Valkey are accepted, and the log says what to do instead. \
     CONFIG GET shows all.",
    "SIGTERM and SIGINT save, where there are save points, and end the server.",
    "REDSTART_PASSWORD, or the only line of the file that REDSTART_PASSWORD_FILE names, is \
     requirepass unless the configuration has one; redstart ping uses it, too.",
];

/// The command line: the parameters that have an effect, and the subcommands.
fn whole() -> Command {
    let file = Arg::new("FILE").help("A redis.conf").value_hint(ValueHint::FilePath);
    let version = Arg::new("version").short('v').long("version").action(ArgAction::Version);
    let effective =
        TABLE.iter().filter(|(_, param)| param.effect == Effect::Honoured && !param.hidden);
    let parameters = effective.map(|(setting, param)| parameter(*setting, param));
    let subcommands = TOOLS.iter().map(|tool| (tool.declared)().name(tool.name));
    Command::new("redstart")
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .arg(file)
        .arg(version.help("Print the version"))
        .args(parameters)
        .subcommands(subcommands)
}

/// A parameter as an option.
fn parameter(setting: Setting, param: &'static Param) -> Arg {
    let mut meaning = meaning::of(setting);
    let default = meaning::default(setting);
    if !default.is_empty() {
        meaning += &format!(" [default: {default}]");
    }
    let option = Arg::new(param.name).long(param.name).help(meaning).value_name(value_name(param));
    let option = if param.kind.is_list() { option.num_args(1..) } else { option };
    let words: Vec<&str> = param.kind.choices().iter().filter_map(|word| shown(word)).collect();
    match words.is_empty() {
        false => option.value_parser(PossibleValuesParser::new(words)),
        true => option.value_hint(hint(param)),
    }
}

/// A choice as users write it; none for those that only Valkey knows.
fn shown(word: &'static str) -> Option<&'static str> {
    match word.split_once('=') {
        Some((read, _)) => Some(read),
        None => (!word.starts_with('~')).then_some(word),
    }
}

fn value_name(param: &Param) -> &'static str {
    match param.kind {
        Kind::YesNo | Kind::Choice(_) | Kind::Flags(_) => "WORD",
        Kind::Integer(..) | Kind::Hertz => "NUMBER",
        Kind::Memory(..) => "BYTES",
        Kind::MemoryOrPercent => "BYTES_OR_PERCENT",
        Kind::Octal(_) => "OCTAL",
        Kind::Text(_) => "TEXT",
        Kind::Directory => "FOLDER",
        Kind::Save => "SECONDS CHANGES",
        Kind::OutputLimits => "CLASS HARD SOFT SECONDS",
        Kind::Events => "LETTERS",
        Kind::Addresses => "ADDRESS",
        Kind::OomScores => "SCORE",
        Kind::Percentiles => "PERCENTAGE",
        Kind::Primary => "HOST PORT",
    }
}

fn hint(param: &Param) -> ValueHint {
    match param.kind {
        Kind::Directory => ValueHint::DirPath,
        _ if param.name.ends_with("file") || param.name == "unixsocket" => ValueHint::FilePath,
        _ => ValueHint::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_is_one_that_clap_takes() {
        whole().debug_assert();
    }

    #[test]
    fn every_shell_completes_parameters_their_words_and_subcommands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut whole(), "redstart", &mut text);
            let text = String::from_utf8(text).expect("it is text");
            for word in ["maxmemory-policy", "allkeys-tinylfu", "convert", "skip-unsupported"] {
                assert!(text.contains(word), "{shell} does not complete {word}");
            }
            assert!(!text.contains("active-defrag"), "{shell} completes what has no effect");
        }
    }

    #[test]
    fn every_subcommand_has_a_page_and_every_parameter_a_place() {
        let folder = std::env::temp_dir().join(format!("redstart-man-{}", std::process::id()));
        manuals(&folder).expect("it can be written");
        let read = |name: String| {
            std::fs::read_to_string(folder.join(&name)).unwrap_or_else(|_| panic!("no {name}"))
        };
        for tool in TOOLS {
            let page = read(format!("redstart-{}.1", tool.name));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
        let page = read("redstart.1".to_owned()).replace("\\-", "-");
        for (_, param) in TABLE {
            let is_there = page.contains(&format!("--{}\\fR", param.name));
            let expected = param.effect == Effect::Honoured && !param.hidden;
            assert_eq!(is_there, expected, "{}", param.name);
        }
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }
}
