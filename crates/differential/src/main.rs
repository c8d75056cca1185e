//! The long run: `cargo run --profile quick -p redstart-differential -- --commands 10000000`.

use std::process::ExitCode;

use clap::Parser;
use redstart_differential::families::Plan;
use redstart_differential::link::Fault;
use redstart_differential::run::{Options, run};

/// Compares Redstart with redis-server, command by command.
#[derive(Parser)]
struct Arguments {
    /// Seed of the first stream; drawn if not given, and always printed
    #[arg(long)]
    seed: Option<u64>,
    /// How many commands to compare
    #[arg(long, default_value_t = 1_000_000)]
    commands: u64,
    /// Commands in one stream
    #[arg(long, default_value_t = 2000)]
    stream_length: usize,
    /// One in so many streams sleeps past short deadlines; 0 for none
    #[arg(long, default_value_t = 0)]
    sleeping: u64,
    /// The program under test with its first arguments, separated by spaces
    #[arg(long, alias = "redstart", default_value = "target/release/redstart")]
    redstart_command: String,
    /// The oracle, likewise
    #[arg(long, default_value = "redis-server")]
    oracle_command: String,
    /// Families to draw from, separated by commas; all by default
    #[arg(long, value_delimiter = ',')]
    families: Vec<String>,
    /// Draw only these commands
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Draw all but these commands
    #[arg(long, value_delimiter = ',')]
    skip: Vec<String>,
    /// Stop after so many different differences
    #[arg(long, default_value_t = 1)]
    differences: usize,
    /// Spoil this command's integer replies above 40, to see that it is found
    #[arg(long)]
    fault: Option<String>,
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| absolute(word).unwrap_or_else(|| word.into())).collect()
}

/// A server runs in a directory of its own, so paths that mean a file here become absolute.
fn absolute(word: &str) -> Option<String> {
    let path = word.contains('/').then(|| std::fs::canonicalize(word).ok()).flatten()?;
    path.into_os_string().into_string().ok()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = match Plan::new(&arguments.families, &arguments.only, &arguments.skip) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..u64::from(u32::MAX)));
    println!("seed {seed}");
    let options = Options {
        seed,
        commands: arguments.commands,
        stream_length: arguments.stream_length.max(1),
        sleeping: arguments.sleeping,
        oracle: words(&arguments.oracle_command),
        subject: words(&arguments.redstart_command),
        plan,
        differences_max: arguments.differences.max(1),
        fault: arguments.fault.map(|command| Fault { command }),
    };
    match run(&options, &mut |report| println!("\n{report}\n")) {
        Ok(summary) => {
            for (signature, count) in &summary.seen {
                println!("difference {signature}: in {count} streams");
            }
            println!(
                "{} commands, {} differences, {:.1} s, {} commands a second",
                summary.commands,
                summary.reports.len(),
                summary.elapsed.as_secs_f64(),
                summary.rate()
            );
            if summary.reports.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
