//! A run: streams from a seed until so many commands were compared, and what came of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::families::Plan;
use crate::known::Differences;
use crate::link::Fault;
use crate::normalise::TOLERANCE_MS;
use crate::oracle::Oracle;
use crate::pair::{Difference, Pair, Stop};
use crate::shrink;
use crate::source::Source;
use crate::stream::{Command, Resp, Step, Stream};
use crate::transaction::Queue;
use crate::transcript::{command_line, frame_lines};

/// How long shrinking one difference may take.
const SHRINK_TIME: Duration = Duration::from_secs(60);
/// What is shown of a stream that failed once and never again.
const TAIL: usize = 40;
/// Milliseconds: short deadlines, and a sleep that outlasts them all with room for a slow
/// machine.
const SHORT_MS: (u64, u64) = (1, 20);
const SLEEP_MS: u64 = 120;

/// How often a stream that differs is run again because it was slow.
const TRIES: usize = 5;
/// One in so many streams has a large key space.
const WIDE_EVERY: u64 = 25;

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed of the first stream; each next one's is one more.
    pub seed: u64,
    /// How many commands to compare, at least.
    pub commands: u64,
    /// Commands in a stream.
    pub stream_length: usize,
    /// One in so many streams uses short deadlines and sleeps past them; 0 for none.
    pub sleeping: u64,
    /// The server to compare with.
    pub oracle: Oracle,
    /// The program under test and its first arguments.
    pub subject: Vec<String>,
    /// What commands to draw.
    pub plan: Plan,
    /// Different differences after which the run stops.
    pub differences_max: usize,
    /// A fault put into the subject's replies on purpose.
    pub fault: Option<Fault>,
}

/// What a run found.
#[derive(Debug)]
pub struct Summary {
    /// Commands compared, the audits' own not counted.
    pub commands: u64,
    /// How long that took.
    pub elapsed: Duration,
    /// One report for each difference, shrunk.
    pub reports: Vec<String>,
    /// How often each difference was seen, by its signature.
    pub seen: HashMap<String, u64>,
    /// What is known to differ and did, in lines for people.
    pub known: Vec<String>,
    /// How often the oracle ended by itself. Such a stream proves nothing.
    pub oracle_ends: u64,
    /// Streams that always took so long that times differ by it.
    pub late: u64,
}

impl Summary {
    /// Commands compared a second.
    pub fn rate(&self) -> u64 {
        (self.commands as f64 / self.elapsed.as_secs_f64().max(1e-9)) as u64
    }
}

/// Runs streams until `options.commands` are compared or there are enough differences.
/// `print` is called with each difference at once.
pub fn run(options: &Options, print: &mut dyn FnMut(&str)) -> Result<Summary, String> {
    let started = Instant::now();
    let mut pair = Pair::start(&options.oracle, &options.subject, options.fault.clone())
        .map_err(|error| error.to_string())?;
    let mut summary = Summary {
        commands: 0,
        elapsed: Duration::ZERO,
        reports: Vec::new(),
        seen: HashMap::new(),
        known: Vec::new(),
        oracle_ends: 0,
        late: 0,
    };
    let mut number = 0;
    while summary.commands < options.commands && summary.reports.len() < options.differences_max {
        let stream = make(options, number);
        number += 1;
        summary.commands += stream.steps.len() as u64;
        match run_in_time(&mut pair, &stream, &mut summary.late) {
            Ok(()) => {}
            Err(Stop::Io(error)) => match pair.oracle_has_ended() {
                Ok(true) => summary.oracle_ends += 1,
                _ => return Err(format!("seed {}: {error}", stream.seed)),
            },
            Err(Stop::Difference(found)) => {
                let count = summary.seen.entry(found.signature()).or_default();
                *count += 1;
                if *count == 1 {
                    let report = report(&mut pair, &stream, *found);
                    print(&report);
                    summary.reports.push(report);
                }
            }
        }
    }
    summary.elapsed = started.elapsed();
    summary.known = pair.known().lines();
    Ok(summary)
}

/// Runs a stream, and again where it differs and took longer than times may differ: on a busy
/// machine one server may have been given a deadline seconds after the other. What then differs in
/// numbers alone is passed over in the end, and counted.
fn run_in_time(pair: &mut Pair, stream: &Stream, late: &mut u64) -> Result<(), Stop> {
    let asleep = stream.steps.iter().map(|step| match step {
        Step::Sleep(ms) => *ms,
        Step::Send(_) => 0,
    });
    let patience = Duration::from_millis(asleep.sum::<u64>() + TOLERANCE_MS as u64 / 2);
    for tries_left in (0..TRIES).rev() {
        let began = Instant::now();
        let outcome = pair.run(stream);
        let Err(Stop::Difference(found)) = &outcome else { return outcome };
        if began.elapsed() < patience || !found.is_in_numbers() {
            return outcome;
        }
        *late += u64::from(tries_left == 0);
    }
    Ok(())
}

/// Stream `number` of a run.
pub fn make(options: &Options, number: u64) -> Stream {
    let seed = options.seed.wrapping_add(number);
    let mut source = Source::new(seed);
    let resp = if seed.is_multiple_of(2) { Resp::Two } else { Resp::Three };
    if seed % WIDE_EVERY == WIDE_EVERY - 1 {
        source.widen();
    }
    let is_sleeping = options.sleeping > 0 && number % options.sleeping == options.sleeping - 1;
    let known = Differences::of(&options.oracle);
    let mut is_queueing = false;
    let mut steps = Vec::with_capacity(options.stream_length + 64);
    while steps.len() < options.stream_length {
        let command = options.plan.draw(&mut source);
        if known.keeps_back(&command, is_queueing) {
            continue;
        }
        is_queueing = Queue::is_open_after(&command, is_queueing);
        steps.push(Step::Send(command));
        if is_sleeping && steps.len() % 250 == 249 {
            // Deadlines that wait for EXEC would begin with it.
            source.leave_transaction();
            steps.push(Step::Send(Command::new(["DISCARD"])));
            is_queueing = false;
            expiring(&mut source, &known, &mut steps);
        }
    }
    Stream { seed, resp, steps }
}

/// Short deadlines on different keys, so that no reply depends on when they pass, and then a
/// sleep until they all have.
fn expiring(source: &mut Source, known: &Differences, steps: &mut Vec<Step>) {
    for key in Source::keys() {
        let ms = SHORT_MS.0 + source.below((SHORT_MS.1 - SHORT_MS.0) as usize) as u64;
        let ms = ms.to_string().into_bytes();
        let words: Vec<&[u8]> = match source.below(6) {
            0 => vec![b"SET", key, b"short-lived", b"PX", &ms],
            1 => vec![b"PSETEX", key, &ms, b"short-lived"],
            2 => vec![b"PEXPIRE", key, &ms],
            3 => vec![b"GETEX", key, b"PX", &ms],
            _ => continue,
        };
        steps.push(Step::Send(Command::new(words)));
    }
    // Fields of one hash only: the order in which several are noticed is a server's own.
    let (key, ms) = (source.pick(&["h1", "h2", "h3"]), source.below(SHORT_MS.1 as usize) + 1);
    let count = 1 + source.below(3);
    let line = format!("HPEXPIRE {key} {ms} FIELDS {count} f0 f1 f2");
    let command = Command::new(line.split(' ').take(5 + count));
    if !known.keeps_back(&command, false) {
        steps.push(Step::Send(command));
    }
    steps.push(Step::Sleep(SLEEP_MS));
}

/// A difference while it is made smaller.
struct Case<'a> {
    pair: &'a mut Pair,
    stream: &'a Stream,
    signature: String,
    smallest: Difference,
    log: String,
    until: Instant,
}

impl Case<'_> {
    /// Whether nothing is among them that this oracle is not sent.
    fn may_be_sent(&self, steps: &[Step]) -> bool {
        let mut is_queueing = false;
        steps.iter().all(|step| match step {
            Step::Send(command) => {
                let may = !self.pair.known().keeps_back(command, is_queueing);
                is_queueing = Queue::is_open_after(command, is_queueing);
                may
            }
            Step::Sleep(_) => true,
        })
    }

    /// Whether `steps` alone show the same difference; if so, they are the smallest that do.
    fn fails(&mut self, steps: &[Step]) -> bool {
        if Instant::now() > self.until || !self.may_be_sent(steps) {
            return false;
        }
        match self.pair.run(&Stream { steps: steps.to_vec(), ..*self.stream }) {
            Err(Stop::Difference(next)) if next.signature() == self.signature => {
                if next.subject.is_err() {
                    self.log = self.pair.subject_log();
                }
                self.smallest = *next;
                true
            }
            _ => false,
        }
    }

    /// The oracle's answers to the smallest stream, and the subject's last one.
    fn describe(&mut self) -> String {
        let mut lines = vec![format!("# seed {}, {}", self.stream.seed, self.stream.resp)];
        let (steps, count) = (self.smallest.steps.clone(), self.smallest.steps.len());
        let replies = self.pair.oracle_replies(self.stream.resp, &steps).unwrap_or_default();
        for (i, step) in steps.iter().enumerate() {
            match step {
                Step::Sleep(ms) => lines.push(format!("! sleep {ms}")),
                Step::Send(command) => {
                    lines.push(command_line(command));
                    let last = i + 1 == count;
                    match replies.get(i) {
                        Some(reply) if !last => lines.extend(frame_lines(reply)),
                        _ => lines.extend(frame_lines(&self.smallest.oracle)),
                    }
                }
            }
        }
        lines.push("# but the subject says".into());
        match &self.smallest.subject {
            Ok(frame) => lines.extend(frame_lines(frame).iter().map(|line| format!("#   {line}"))),
            Err(why) => {
                lines.push(format!("#   nothing: {why}; the end of its log:"));
                lines.extend(self.log.lines().map(|line| format!("#   {line}")));
            }
        }
        lines.join("\n")
    }
}

/// Shrinks a difference and describes it.
fn report(pair: &mut Pair, stream: &Stream, found: Difference) -> String {
    let (signature, steps) = (found.signature(), found.steps.clone());
    let (log, until) = (pair.subject_log(), Instant::now() + SHRINK_TIME);
    let mut case = Case { pair, stream, signature, smallest: found, log, until };
    if !case.fails(&steps) {
        let tail = steps.len().saturating_sub(TAIL);
        case.smallest.steps.drain(..tail);
        return format!("# did not happen again: the last {TAIL} steps\n{}", case.describe());
    }
    shrink::stream(steps, &mut |steps| case.fails(steps));
    case.describe()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::oracle::Product;

    #[test]
    fn a_stream_comes_from_its_seed_alone() {
        let options = Options {
            seed: 40,
            commands: 0,
            stream_length: 600,
            sleeping: 2,
            oracle: Oracle {
                name: "redis",
                product: Product::Redis,
                version: String::new(),
                program: PathBuf::new(),
                is_known: false,
            },
            subject: Vec::new(),
            plan: Plan::new(&[], &[], &[]).unwrap(),
            differences_max: 1,
            fault: None,
        };
        let later = Options { seed: 41, ..options.clone() };
        assert_eq!(make(&options, 2), make(&Options { seed: 42, ..options.clone() }, 0));
        assert_eq!(make(&later, 0).resp, Resp::Three);
        assert!(make(&options, 1).steps.contains(&Step::Sleep(SLEEP_MS)));
    }
}
