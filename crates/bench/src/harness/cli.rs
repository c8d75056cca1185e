//! The command line, and the plan that it makes.

use super::plan::{Group, Plan, ServerSpec, Timing};
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Measures Redstart beside a real redis-server on this machine.
#[derive(Parser, Debug)]
#[command(name = "redstart-bench", about)]
pub struct Args {
    /// Smaller data, one round, half-second measurements: about a minute, for a first impression
    #[arg(long)]
    quick: bool,
    /// Groups to run; all but `hits` and `scale` if not given
    #[arg(long, value_delimiter = ',', value_name = "GROUP,...")]
    only: Vec<Group>,
    /// Interleaved rounds of the throughput groups; their medians are reported [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// Seconds of each throughput measurement, beside the warm-up [default: 2]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Connections of the load
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// The Redstart binary
    #[arg(long, value_name = "PATH", default_value = "target/release/redstart")]
    redstart: String,
    /// Another command line for Redstart, with {port} and perhaps {threads} in it
    #[arg(long, value_name = "COMMAND")]
    redstart_command: Option<String>,
    /// The binary of the peer that ratios compare with: redis-server or valkey-server
    #[arg(long, value_name = "PATH", default_value = "redis-server")]
    redis: String,
    /// A further server to compare, with {port} in its command line
    #[arg(long, value_name = "NAME=COMMAND", value_parser = named_command)]
    other: Vec<ServerSpec>,
    /// Be the server that parses and stores nothing, on this port
    #[arg(long, hide = true, value_name = "PORT")]
    pub serve_floor: Option<u16>,
    /// Also write the report to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What the program is called, whatever its file is.
fn peer_name(program: &str) -> &'static str {
    let file = program.rsplit('/').next().unwrap_or(program);
    if file.starts_with("valkey") { "valkey-server" } else { "redis-server" }
}

impl From<Args> for Plan {
    fn from(args: Args) -> Self {
        let words = |text: &[&str]| text.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut redis = words(&["--port", "{port}", "--save", "", "--appendonly", "no"]);
        redis.insert(0, args.redis.clone());
        let mut redstart = words(&["--port", "{port}", "--threads", "{threads}", "--save", ""]);
        redstart.insert(0, args.redstart);
        if let Some(command) = &args.redstart_command {
            redstart = split_words(command);
        }
        let mut servers = vec![
            ServerSpec::new(peer_name(&args.redis), redis),
            ServerSpec::new("redstart", redstart),
        ];
        servers.extend(args.other);
        let mut groups = args.only;
        if groups.is_empty() {
            groups = Group::value_variants().to_vec();
            groups.retain(|group| !group.has_own_page());
        }
        groups.sort_unstable();
        groups.dedup();
        let full = !args.quick;
        let seconds = args.seconds.unwrap_or(if full { 2.0 } else { 0.4 }).clamp(0.05, 3600.0);
        Self {
            quick: args.quick,
            groups,
            rounds: args.rounds.map_or(if full { 3 } else { 1 }, usize::from),
            timing: Timing {
                warm_up: Duration::from_millis(if full { 300 } else { 100 }),
                measured: Duration::from_secs_f64(seconds),
            },
            connections: usize::from(args.connections),
            servers,
            write: args.write,
            fills: if full {
                vec![1_000_000, 1_250_000, 1_500_000, 1_750_000]
            } else {
                vec![1_000_000]
            },
            stall_keys: if full { 10_000_000 } else { 1_000_000 },
            expiry_keys: if full { 1_000_000 } else { 200_000 },
            expiry_spread: Duration::from_secs(if full { 20 } else { 4 }),
            big_elements: if full { 10_000_000 } else { 1_000_000 },
            snapshot_keys: if full { 5_000_000 } else { 500_000 },
        }
    }
}

fn named_command(text: &str) -> Result<ServerSpec, String> {
    let (name, command) = text.split_once('=').ok_or("NAME=COMMAND is asked for")?;
    let command = split_words(command);
    if name.is_empty() || !command.iter().any(|word| word.contains("{port}")) {
        return Err("a name, and a command with {port} in it, are asked for".into());
    }
    Ok(ServerSpec::new(name, command))
}

/// Splits at blanks; what stands in double quotes is one word, also when it is empty.
fn split_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in text.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::super::plan::{PEER, REDSTART};
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_would() {
        assert_eq!(split_words(r#" a  --save "" "b c"d "#), ["a", "--save", "", "b cd"]);
        assert!(split_words("  ").is_empty());
    }

    #[test]
    fn the_plan_of_a_command_line() {
        let line = ["bench", "--quick", "--only", "memory,strings", "--other", "x=y {port}"];
        let plan = Plan::from(Args::parse_from(line));
        assert_eq!(plan.groups, [Group::Strings, Group::Memory]);
        assert_eq!((plan.rounds, plan.fills.len()), (1, 1));
        let names: Vec<_> = plan.servers.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["redis-server", "redstart", "x"]);
        assert!(plan.servers[REDSTART].takes_threads() && !plan.servers[PEER].takes_threads());
        assert!(Args::try_parse_from(["bench", "--other", "x=y"]).is_err());
        assert!(Args::try_parse_from(["bench", "--rounds", "0"]).is_err());
    }
}
