//! The configuration that the program is started with.

use crate::arguments::{self, CommandLine};
use crate::config::Config;
use crate::file;
use std::ffi::OsString;

/// The configuration that the program's arguments ask for. Where they ask for something else, such
/// as the version, or are wrong, it prints what there is to say and ends the process.
pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Config {
    let request = match arguments::parse(arguments) {
        CommandLine::Serve(request) => request,
        CommandLine::Print(text) => {
            println!("{text}");
            std::process::exit(0)
        }
        CommandLine::Refuse(text) => {
            eprintln!("{text}");
            std::process::exit(1)
        }
    };
    let mut config = Config::new();
    match file::load(&mut config, &request, &mut std::io::stdin()) {
        Ok(()) => config,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1)
        }
    }
}
