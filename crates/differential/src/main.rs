//! The long run: `cargo run --profile quick -p redstart-differential -- --commands 10000000`.

use std::path::Path;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use redstart_differential::families::Plan;
use redstart_differential::link::Fault;
use redstart_differential::oracle::{self, KINDS, Oracle};
use redstart_differential::run::{Options, run};

/// Compares Redstart with Redis and Valkey, command by command.
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
    /// What to compare with, separated by commas: redis-8, valkey-9, redis-7, or a server's path.
    /// Each is compared with a Redstart of its own, at the same time. All at hand by default
    #[arg(long, value_delimiter = ',')]
    oracle: Vec<String>,
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

/// The oracles of these names and paths; all at hand, if there are none.
fn oracles(names: &[String]) -> Result<Vec<Oracle>, String> {
    if !names.is_empty() {
        let find = |name: &String| match name.contains('/') {
            true => Oracle::at(Path::new(&absolute(name).unwrap_or_else(|| name.clone()))),
            false => oracle::find(name),
        };
        return names.iter().map(find).collect();
    }
    let found = KINDS.iter().filter_map(|kind| kind.find().map_err(|why| println!("{why}")).ok());
    Ok(found.collect())
}

/// Compares with one oracle, and prints what came of it.
fn compare(options: &Options) -> ExitCode {
    let name = options.oracle.name;
    match run(options, &mut |report| println!("\n# {name}\n{report}\n")) {
        Ok(summary) => {
            for (signature, count) in &summary.seen {
                println!("{name}: difference {signature}: in {count} streams");
            }
            for line in &summary.known {
                println!("{name}: {line}");
            }
            if summary.oracle_ends > 0 {
                println!(
                    "{name}: ended by itself {} times, and was started again",
                    summary.oracle_ends
                );
            }
            if summary.late > 0 {
                println!("{name}: {} streams were too slow to compare their times", summary.late);
            }
            println!(
                "{name} {}: {} commands, {} differences, {:.1} s, {} commands a second",
                options.oracle.version,
                summary.commands,
                summary.reports.len(),
                summary.elapsed.as_secs_f64(),
                summary.rate()
            );
            if summary.reports.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(2)
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = Plan::new(&arguments.families, &arguments.only, &arguments.skip);
    let (plan, oracles) = match (plan, oracles(&arguments.oracle)) {
        (Ok(plan), Ok(oracles)) if !oracles.is_empty() => (plan, oracles),
        (Ok(_), Ok(_)) => return ExitCode::from(2),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..u64::from(u32::MAX)));
    println!("seed {seed}");
    let options = |oracle: Oracle| Options {
        seed,
        commands: arguments.commands,
        stream_length: arguments.stream_length.max(1),
        sleeping: arguments.sleeping,
        oracle,
        subject: words(&arguments.redstart_command),
        plan: plan.clone(),
        differences_max: arguments.differences.max(1),
        fault: arguments.fault.clone().map(|command| Fault { command }),
    };
    let all: Vec<Options> = oracles.into_iter().map(options).collect();
    let codes: Vec<ExitCode> = thread::scope(|scope| {
        let runs: Vec<_> = all.iter().map(|options| scope.spawn(|| compare(options))).collect();
        let failed = |_| ExitCode::from(2);
        runs.into_iter().map(|run| run.join().unwrap_or_else(failed)).collect()
    });
    codes.into_iter().find(|code| *code != ExitCode::SUCCESS).unwrap_or(ExitCode::SUCCESS)
}
