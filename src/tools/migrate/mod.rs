//! `redstart migrate --from HOST:PORT --to HOST:PORT`: moves into a running Redstart while clients
//! go on writing to the old server.
//!
//! ```text
//!   report     what would not carry over, before anything changes
//!   replicate  REPLICAOF: everything that is there, and everything that changes
//!   compare    how many keys there are, and the values of some
//!   promote    writes to the old server wait, the last of them arrives, REPLICAOF NO ONE
//! ```
//!
//! Only the last step is noticed by clients, and only where it was asked for (`--promote`). Until
//! then the old server is asked what any replica asks, and nothing of it changes.

mod compare;
mod report;
mod talk;

use crate::system::log::counted;
use clap::{CommandFactory, Parser};
use report::Report;
use std::io::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use talk::Talk;

/// Moves the data of a running Redis or Valkey into a running Redstart, without an interruption.
#[derive(Parser)]
#[command(
    name = "redstart migrate",
    no_binary_name = true,
    after_help = "Examples:\n  redstart migrate --from 10.0.0.5:6379 --to 127.0.0.1:7000\n  \
                  redstart migrate --from 10.0.0.5:6379 --to 127.0.0.1:7000 --promote"
)]
struct Arguments {
    /// The server whose data moves: Redis 7.0 or newer, Valkey, or Redstart.
    #[arg(long, value_name = "HOST:PORT")]
    from: String,
    /// Its user; without one, the default user.
    #[arg(long, value_name = "NAME", requires = "from_password")]
    from_user: Option<String>,
    /// Its password.
    #[arg(long, value_name = "TEXT", env = "MIGRATE_FROM_AUTH", hide_env_values = true)]
    from_password: Option<String>,
    /// The Redstart that takes the data. What it holds goes.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6379")]
    to: String,
    /// Its user; without one, the default user.
    #[arg(long, value_name = "NAME", requires = "to_password")]
    to_user: Option<String>,
    /// Its password.
    #[arg(long, value_name = "TEXT", env = "MIGRATE_TO_AUTH", hide_env_values = true)]
    to_password: Option<String>,
    /// Go on though the Redstart has keys, which go.
    #[arg(long)]
    replace: bool,
    /// Go on though something will not carry over.
    #[arg(long)]
    force: bool,
    /// Do not fetch the data once before, to see whether all of it loads.
    #[arg(long)]
    unchecked: bool,
    /// Where the data is kept for that.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// How many keys are compared.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    samples: u64,
    /// Make the Redstart the master once it has everything. Writes to the old server wait until
    /// their clients are switched, or the pause ends.
    #[arg(long)]
    promote: bool,
    /// How long they wait, in milliseconds.
    #[arg(long, default_value_t = 60_000)]
    pause_ms: u64,
    /// How long the first copy may take, in seconds.
    #[arg(long, default_value_t = 3600)]
    patience_s: u64,
}

/// What clap knows of the subcommand.
pub fn declared() -> clap::Command {
    Arguments::command()
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    match migrate(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redstart migrate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn migrate(arguments: &Arguments) -> Result<()> {
    let Arguments { from_user, from_password, to_user, to_password, .. } = arguments;
    let from = Talk::connect(&arguments.from, from_user.as_deref(), from_password.as_deref());
    let mut from = from.map_err(|error| at(&arguments.from, &error))?;
    let to = Talk::connect(&arguments.to, to_user.as_deref(), to_password.as_deref());
    let mut to = to.map_err(|error| at(&arguments.to, &error))?;
    check_target(arguments, &mut to)?;
    let report = Report::of(&mut from, &mut to)?;
    report.lines.iter().for_each(|line| println!("{line}"));
    let mut loads = report.carries_over;
    if !arguments.unchecked {
        loads &= report::fetch_and_check(arguments, &from, &mut to)?;
    }
    if !loads && !arguments.force {
        return Err(Error::other("something will not carry over, see above; --force goes on"));
    }
    replicate(arguments, &mut from, &mut to)?;
    compare(arguments, &mut from, &mut to)?;
    if arguments.promote {
        promote(arguments, &mut from, &mut to)
    } else {
        println!(
            "{} follows {}. Run this again with --promote to switch, or send it REPLICAOF NO ONE",
            to.place, from.place
        );
        Ok(())
    }
}

fn at(place: &str, error: &Error) -> Error {
    Error::other(format!("{place}: {error}"))
}

/// Whether the target follows this server already.
fn follows(to: &mut Talk, from: &Talk) -> Result<bool> {
    let info = to.info("replication")?;
    let port = from.port.to_string();
    Ok(info.get("master_host") == Some(&from.host) && info.get("master_port") == Some(&port))
}

/// Fails where the target is no Redstart, or has what would go.
fn check_target(arguments: &Arguments, to: &mut Talk) -> Result<()> {
    if to.info("server")?.get("redstart_version").is_none() {
        return Err(Error::other(format!("{} is no Redstart", to.place)));
    }
    let keys: u64 = to.info("keyspace")?.databases().iter().map(|(_, keys)| keys).sum();
    let follows = to.info("replication")?.get("role") == Some("slave");
    if keys > 0 && !follows && !arguments.replace {
        let text = format!("{} has {}: --replace has them go", to.place, counted(keys, "key"));
        return Err(Error::other(text));
    }
    Ok(())
}

/// Has the target follow the source, and waits until it does.
fn replicate(arguments: &Arguments, from: &mut Talk, to: &mut Talk) -> Result<()> {
    let began = Instant::now();
    if !follows(to, from)? {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (user, password) = (text(&arguments.from_user), text(&arguments.from_password));
        to.ask(&["CONFIG", "SET", "masteruser", &user, "masterauth", &password])?;
        to.ask(&["REPLICAOF", &from.host, &from.port.to_string()])?;
    }
    let (mut told, mut failures) = (Instant::now(), 0);
    loop {
        // It answers INFO while it loads.
        let info = to.info("replication")?;
        if info.get("master_link_status") == Some("up") {
            break;
        }
        if let Some(why) = info.get("master_link_failure") {
            failures += 1;
            if failures > 50 {
                let text = format!("{} cannot follow {}: {why}", to.place, from.place);
                return Err(Error::other(text));
            }
        }
        if began.elapsed() > Duration::from_secs(arguments.patience_s) {
            return Err(Error::other("the first copy takes too long (--patience-s)"));
        }
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            let (read, all) =
                (info.number("master_sync_read_bytes"), info.number("master_sync_total_bytes"));
            println!("copying: {read} of {all} bytes");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let took_s = began.elapsed().as_secs_f64();
    println!("{} follows {}, after {took_s:.1} s", to.place, from.place);
    Ok(())
}

/// Compares both; fails where they differ.
fn compare(arguments: &Arguments, from: &mut Talk, to: &mut Talk) -> Result<()> {
    let [theirs, ours] = compare::counts(from, to)?;
    let shown = |counts: &[(usize, u64)]| {
        let each = counts.iter().map(|(db, keys)| format!("db{db}: {keys}"));
        each.collect::<Vec<_>>().join(", ")
    };
    if theirs == ours {
        println!("keys: {}, on both", shown(&ours));
    } else {
        println!("keys: {} there, {} here, while both change", shown(&theirs), shown(&ours));
    }
    let found = compare::compare(from, to, arguments.samples)?;
    found.differences.iter().for_each(|line| println!("differs: {line}"));
    let failed = to.info("replication")?.number("master_failed_commands");
    if failed > 0 {
        let text = format!("{failed} commands of {} failed on {}", from.place, to.place);
        return Err(Error::other(text));
    }
    match found.differences.len() {
        0 => {
            println!("{} compared: all equal", counted(found.compared, "key"));
            Ok(())
        }
        count => Err(Error::other(format!("{count} of {} keys differ", found.compared))),
    }
}

/// Makes the target the master, without the loss of a write.
fn promote(arguments: &Arguments, from: &mut Talk, to: &mut Talk) -> Result<()> {
    let began = Instant::now();
    from.ask(&["CLIENT", "PAUSE", &arguments.pause_ms.to_string(), "WRITE"])?;
    let promoted = promote_paused(from, to, began);
    if promoted.is_err() {
        // The old server goes on as it did.
        from.ask(&["CLIENT", "UNPAUSE"])?;
    }
    let took_ms = promoted?.as_millis();
    println!(
        "{} is the master, after {took_ms} ms. Writes to {} wait for {} ms: switch its clients \
         now, and end it",
        to.place, from.place, arguments.pause_ms
    );
    Ok(())
}

/// How long the last writes may take to arrive.
const LAST_WRITES: Duration = Duration::from_secs(5);

fn promote_paused(from: &mut Talk, to: &mut Talk, began: Instant) -> Result<Duration> {
    let offset = from.info("replication")?.number("master_repl_offset");
    loop {
        let info = to.info("replication")?;
        if info.get("master_link_status") == Some("up")
            && info.number("slave_repl_offset") >= offset
        {
            break;
        }
        if began.elapsed() > LAST_WRITES {
            return Err(Error::other("the last writes do not arrive: nothing was switched"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    to.ask(&["REPLICAOF", "NO", "ONE"])?;
    Ok(began.elapsed())
}
