//! Commands of a log that are run again when it is loaded, and what of them the engine cannot do:
//! scripts and libraries of functions are the server's, which brings a [`Replay`] for them.

use redstart_engine::driver::Driver;
use redstart_engine::{Error, Now};
use redstart_persistence::rdb::payload::restore_functions;

/// The server's part in loading.
pub trait Replay {
    /// Adds a library of functions, or replaces the one of its name.
    ///
    /// # Errors
    /// Why that is impossible: for example, it is there already and must not be replaced.
    fn add_library(&mut self, text: &[u8], replace: bool) -> Result<(), String>;

    /// Removes a library, if it is there.
    ///
    /// # Errors
    /// Why that is impossible.
    fn remove_library(&mut self, name: &[u8]) -> Result<(), String>;

    /// Removes all libraries.
    ///
    /// # Errors
    /// Why that is impossible.
    fn remove_libraries(&mut self) -> Result<(), String>;

    /// Runs a command that runs a script, or loads one, in a database.
    ///
    /// # Errors
    /// Why nothing could be run. A script that ended with an error did so the first time, too.
    fn run_script(&mut self, words: &[&[u8]], db: usize, now: Now) -> Result<(), String>;

    /// Drops all keys and libraries, as FLUSHALL does: whoever watches a key or keeps a copy of one
    /// learns of it.
    fn empty(&mut self);

    /// Everything has been loaded: the libraries added so far become the server's.
    fn finish(&mut self);
}

/// The commands for [`Replay::run_script`]. Redis before version 7 wrote them to its append-only
/// file; newer ones and Redstart write what the script did.
const SCRIPTS: [&str; 7] =
    ["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro", "script"];

/// Whether commands may be scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Our log: a script in it is a fault.
    Ours,
    /// One of Redis's append-only files.
    Redis,
}

/// Whether a command of one of Redis's append-only files, named so, can be run again.
pub fn can_replay(driver: &Driver, name: &[u8]) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    driver.knows(name) || is("select") || is("function") || SCRIPTS.into_iter().any(is)
}

/// Runs a command again.
///
/// # Errors
/// Why that is impossible.
pub fn run(
    replay: &mut dyn Replay,
    driver: &mut Driver,
    words: &[&[u8]],
    source: Source,
) -> Result<(), String> {
    let name = words.first().copied().unwrap_or_default();
    let is_script = || SCRIPTS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    let ran = if source == Source::Redis && is_script() {
        replay.run_script(words, driver.db, driver.now)
    } else if name.eq_ignore_ascii_case(b"function") {
        change_libraries(replay, words)
    } else {
        let reply = driver.call(words);
        match reply.first() {
            Some(b'-') => Err(String::from_utf8_lossy(&reply).trim_end().to_owned()),
            _ => Ok(()),
        }
    };
    ran.map_err(|why| format!("{} cannot be replayed: {why}", String::from_utf8_lossy(name)))
}

/// Runs a FUNCTION command again.
fn change_libraries(replay: &mut dyn Replay, words: &[&[u8]]) -> Result<(), String> {
    let is = |at: usize, name: &str| {
        words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let last = words.last().copied().unwrap_or_default();
    if is(1, "load") {
        replay.add_library(last, words.len() > 3)
    } else if is(1, "delete") {
        replay.remove_library(last)
    } else if is(1, "flush") {
        replay.remove_libraries()
    } else if is(1, "restore") && words.len() > 2 {
        if is(3, "flush") {
            replay.remove_libraries()?;
        }
        let texts = restore_functions(words[2]).map_err(|_| text(&Error::PAYLOAD_FOOTER))?;
        texts.iter().try_for_each(|text| replay.add_library(text, is(3, "replace")))
    } else {
        Err(text(&Error::SYNTAX))
    }
}

fn text(error: &Error) -> String {
    String::from_utf8_lossy(error.as_bytes()).into_owned()
}
