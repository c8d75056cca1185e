//! The two servers, and one stream run against both.
//!
//! Commands go out in batches, the same bytes to both, and each batch's replies are read and
//! compared before the next leaves. A batch is small enough to lie in a socket's buffers, so
//! a server that stops reading while its replies wait cannot block us.
//!
//! After the stream the audit compares what the databases hold, again by commands, so that a
//! difference in state is found, shrunk and printed like one in a reply.

use std::io;
use std::time::{Duration, Instant};

use crate::audit::{stream_commands, value_command};
use crate::known::Differences;
use crate::link::{Fault, Link};
use crate::listener::{self, Listener};
use crate::normalise::{NOTICE_MS, Rule, same, scan_page};
use crate::oracle::{Oracle, Product};
use crate::reply::{Reply, decode};
use crate::server::Server;
use crate::source::Source;
use crate::stream::{Command, Resp, Step, Stream};
use crate::transaction::Queue;
use crate::transcript::command_line;

const BATCH_COMMANDS: usize = 200;
const BATCH_BYTES: usize = 48 * 1024;
/// A prime, to cut batches at ever different places.
const CUT: usize = 7919;
/// Calls of a SCAN loop after which it counts as endless.
const SCAN_CALLS_MAX: usize = 10_000;
const DATABASES: usize = 16;
/// Keys at a stream's end whose payloads are exchanged.
const EXCHANGED_MAX: usize = 60;

/// How many entries a block of a stream has: few, so that there are many blocks.
const STREAM_BLOCK: &str = "stream-node-max-entries";
const STREAM_BLOCK_ENTRIES: &str = "4";

/// Where two servers differed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The commands that lead to it, the differing one last.
    pub steps: Vec<Step>,
    /// The oracle's reply, as a frame.
    pub oracle: Vec<u8>,
    /// The subject's reply, as a frame; or why there is none.
    pub subject: Result<Vec<u8>, String>,
}

impl Difference {
    /// The command that was answered differently.
    pub fn command(&self) -> Option<&Command> {
        match self.steps.last() {
            Some(Step::Send(command)) => Some(command),
            _ => None,
        }
    }

    /// Whether the replies are the same but for numbers, as when they tell times.
    pub fn is_in_numbers(&self) -> bool {
        fn without_digits(frame: &[u8]) -> impl Iterator<Item = &u8> {
            frame.iter().filter(|byte| !byte.is_ascii_digit())
        }
        let subject = self.subject.as_ref();
        subject.is_ok_and(|frame| without_digits(&self.oracle).eq(without_digits(frame)))
    }

    /// What makes two differences the same one: the command's name and the replies' kinds.
    pub fn signature(&self) -> String {
        let mut name = self.command().map(|c| c.name().to_ascii_uppercase()).unwrap_or_default();
        if self.oracle.starts_with(b"-ERR unknown command") {
            name = b"(unknown command)".to_vec();
        }
        let kind = |frame: &[u8]| frame.first().copied().unwrap_or(b' ') as char;
        let subject = self.subject.as_ref().map_or('!', |frame| kind(frame));
        format!("{} {}{subject}", String::from_utf8_lossy(&name), kind(&self.oracle))
    }
}

/// Why a stream could not be compared to its end.
#[derive(Debug)]
pub enum Stop {
    /// The replies differ.
    Difference(Box<Difference>),
    /// The oracle failed, or a server could not be started.
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Io(error)
    }
}

/// The oracle and the subject.
#[derive(Debug)]
pub struct Pair {
    oracle: Server,
    subject: Server,
    listeners: [Listener; 2],
    events: &'static str,
    fault: Option<Fault>,
    known: Differences,
}

/// Sets a parameter of a server, if it has one of this name.
fn set(server: &Server, name: &str, value: &str) -> io::Result<()> {
    let command = Command::new(["CONFIG", "SET", name, value]);
    Link::open(server, Resp::Two, None)?.call(&command).map(drop)
}

/// One stream under way.
struct Run<'a> {
    steps: &'a [Step],
    oracle: Link,
    subject: Link,
    requests: Vec<u8>,
    /// Steps that were sent, each with the number of replies to come before its own.
    sent: Vec<(usize, usize)>,
    exchanges: usize,
    /// Whether what is sent now is queued for EXEC.
    is_queueing: bool,
    queue: Queue,
    known: &'a mut Differences,
}

impl Pair {
    /// Starts both servers.
    pub fn start(oracle: &Oracle, subject: &[String], fault: Option<Fault>) -> io::Result<Self> {
        let known = Differences::of(oracle);
        let program = oracle.program.to_string_lossy().into_owned();
        let (product, events) = (oracle.product, listener::events(oracle));
        let (oracle, subject) = (Server::start(&[program])?, Server::start(subject)?);
        // Redis ends waits when it looks at its clients.
        set(&oracle, "hz", "500")?;
        for server in [&oracle, &subject] {
            set(server, STREAM_BLOCK, STREAM_BLOCK_ENTRIES)?;
        }
        if product == Product::Valkey {
            // So that its payloads are such as the oracle reads.
            set(&subject, "rdb-version", "80")?;
        }
        let listeners = [Listener::start(&oracle, events)?, Listener::start(&subject, events)?];
        Ok(Self { oracle, subject, listeners, events, fault, known })
    }

    /// What is known of the oracle, and how often it was met.
    pub fn known(&self) -> &Differences {
        &self.known
    }

    /// The end of the subject's log: what it said before it died.
    pub fn subject_log(&self) -> String {
        self.subject.log_tail()
    }

    /// Whether the oracle has ended by itself. It is started again then.
    pub fn oracle_has_ended(&mut self) -> io::Result<bool> {
        let ping = Command::new(["PING"]);
        let open = Link::open(&self.oracle, Resp::Two, None);
        if open.is_ok_and(|mut link| link.call(&ping).is_ok()) {
            return Ok(false);
        }
        self.oracle.restart()?;
        set(&self.oracle, "hz", "500")?;
        set(&self.oracle, STREAM_BLOCK, STREAM_BLOCK_ENTRIES)?;
        self.listeners[0] = Listener::start(&self.oracle, self.events)?;
        Ok(true)
    }

    /// The oracle's reply to each of `steps`, on an empty server; a sleep's is empty.
    pub fn oracle_replies(&mut self, resp: Resp, steps: &[Step]) -> io::Result<Vec<Vec<u8>>> {
        let mut link = Link::open(&self.oracle, resp, None)?;
        link.call(&Command::new(["FLUSHALL"]))?;
        let reply = |step: &Step| match step {
            Step::Send(command) => link.call(command).map(<[u8]>::to_vec),
            Step::Sleep(ms) => {
                std::thread::sleep(Duration::from_millis(*ms));
                Ok(Vec::new())
            }
        };
        steps.iter().map(reply).collect()
    }

    /// Runs `stream` on empty servers and compares everything. A subject that died is
    /// started again first.
    pub fn run(&mut self, stream: &Stream) -> Result<(), Stop> {
        let subject = match Link::open(&self.subject, stream.resp, self.fault.clone()) {
            Ok(link) => link,
            Err(_) => {
                self.subject.restart()?;
                set(&self.subject, STREAM_BLOCK, STREAM_BLOCK_ENTRIES)?;
                self.listeners[1] = Listener::start(&self.subject, self.events)?;
                Link::open(&self.subject, stream.resp, self.fault.clone())?
            }
        };
        self.oracle_has_ended()?;
        self.known.begin_stream();
        let mut run = Run {
            steps: &stream.steps,
            oracle: Link::open(&self.oracle, stream.resp, None)?,
            subject,
            requests: Vec::new(),
            sent: Vec::new(),
            exchanges: 0,
            is_queueing: false,
            queue: Queue::default(),
            known: &mut self.known,
        };
        let lines = [
            "FLUSHALL",
            "SCRIPT FLUSH",
            "FUNCTION FLUSH",
            // Otherwise the oracle takes payloads by whose values it may end itself.
            "CONFIG SET sanitize-dump-payload yes",
        ];
        for line in lines {
            let command = Command::new(line.split(' '));
            run.oracle.call(&command)?;
            run.subject.call(&command)?;
        }
        let [oracle, subject] = &mut self.listeners;
        oracle.begin(&mut run.oracle)?;
        subject.begin(&mut run.subject)?;
        run.stream()?;
        run.leave_transaction()?;
        let heard = oracle.end(&mut run.oracle)?;
        let heard_too = subject.end(&mut run.subject);
        run.compare_heard(&heard, heard_too)?;
        run.audit()
    }
}

/// What goes before a DBSIZE, so that keys are dropped that have expired: Redis looks at all
/// keys for the one, at the small key space for the other.
fn sweep() -> [Command; 2] {
    let keys = Source::keys().iter().copied();
    let exists = Command::new([b"EXISTS".as_slice()].into_iter().chain(keys));
    [Command::new(["SCAN", "0", "COUNT", "1000000"]), exists]
}

impl Run<'_> {
    fn stream(&mut self) -> Result<(), Stop> {
        let steps = self.steps;
        for (i, step) in steps.iter().enumerate() {
            match step {
                Step::Send(command) => {
                    let rule = Rule::of(command);
                    let sweeps = rule == Rule::Counted && !self.is_queueing;
                    if sweeps {
                        sweep().iter().for_each(|c| c.encode(&mut self.requests));
                    }
                    command.encode(&mut self.requests);
                    self.sent.push((i, if sweeps { sweep().len() } else { 0 }));
                    self.is_queueing = Queue::is_open_after(command, self.is_queueing);
                    let is_full = self.sent.len() >= BATCH_COMMANDS
                        || self.requests.len() >= BATCH_BYTES
                        || rule.is_barrier();
                    if is_full {
                        self.exchange()?;
                    }
                }
                Step::Sleep(ms) => {
                    self.exchange()?;
                    std::thread::sleep(Duration::from_millis(*ms));
                }
            }
        }
        self.exchange()
    }

    /// Sends what is gathered, and compares the replies.
    fn exchange(&mut self) -> Result<(), Stop> {
        self.oracle.send(&self.requests)?;
        // The subject gets them in two parts, cut anywhere. One that hangs up shows it in the
        // reply that is missing.
        self.exchanges += 1;
        let (head, tail) =
            self.requests.split_at(self.exchanges * CUT % self.requests.len().max(1));
        let _ = self.subject.send(head).and_then(|()| self.subject.send(tail));
        self.requests.clear();
        for (i, swept) in std::mem::take(&mut self.sent) {
            let Step::Send(command) = &self.steps[i] else { continue };
            let mut rule = Rule::of(command);
            for _ in 0..swept {
                self.oracle.frame(command)?;
                let _ = self.subject.frame(command);
            }
            let unanswered = |error: io::Error| {
                io::Error::new(error.kind(), format!("{error} to {}", command_line(command)))
            };
            let oracle = self.oracle.frame(command).map_err(unanswered)?;
            let subject = self.subject.frame(command).map_err(|error| error.to_string());
            if self.queue.note(command, oracle) {
                rule = Rule::Exact;
            }
            let known = &mut self.known;
            let is_same = subject.as_ref().is_ok_and(|subject| match command.is("EXEC") {
                true => self.queue.end(oracle, subject, known),
                false => same(rule, oracle, subject),
            });
            if !is_same && subject.as_ref().is_ok_and(|s| known.covers(command, oracle, s)) {
                continue;
            }
            if is_same && (!rule.is_barrier() || rule == Rule::Counted) {
                continue;
            }
            let (oracle, subject) = (oracle.to_vec(), subject.map(<[u8]>::to_vec));
            let follow_up = match (rule, subject) {
                (Rule::Counted, Ok(subject)) => self.recount(command, oracle, subject),
                (Rule::ScanLoop, Ok(subject)) if is_same => {
                    self.scan_loops(command, oracle, subject)
                }
                (Rule::RandomKey, Ok(_)) if is_same => self.random_keys(oracle),
                (_, subject) => Err(different(Vec::new(), oracle, subject)),
            };
            follow_up.map_err(|stop| with_history(stop, &self.steps[..=i]))?;
        }
        Ok(())
    }

    /// Ends a transaction that the stream has left open.
    fn leave_transaction(&mut self) -> Result<(), Stop> {
        if self.is_queueing {
            let discard = Command::new(["DISCARD"]);
            self.oracle.call(&discard)?;
            // A subject that is gone shows it in what follows.
            let _ = self.subject.call(&discard);
        }
        Ok(())
    }

    /// Compares what the listeners heard.
    fn compare_heard(
        &mut self,
        oracle: &[Vec<u8>],
        subject: io::Result<Vec<Vec<u8>>>,
    ) -> Result<(), Stop> {
        let subject = subject.map_err(|error| error.to_string());
        let part = |subject: &Vec<Vec<u8>>| self.known.part(self.steps, oracle, subject);
        let (here, there) = match subject.as_ref().map(part) {
            Ok(None) => return Ok(()),
            Ok(Some(places)) => places,
            Err(_) => (0, 0),
        };
        let nothing = || b"+nothing more\r\n".to_vec();
        let message = |heard: &[Vec<u8>], at| heard.get(at).cloned().unwrap_or_else(nothing);
        let asked = Step::Send(Command::new(["PUBLISH", "(heard)", ""]));
        let steps = self.steps.iter().cloned().chain([asked]).collect();
        Err(different(
            steps,
            message(oracle, here),
            subject.map(|subject| message(&subject, there)),
        ))
    }

    /// Asks the subject again, until it has noticed what has expired.
    fn recount(
        &mut self,
        command: &Command,
        oracle: Vec<u8>,
        mut subject: Vec<u8>,
    ) -> Result<(), Stop> {
        let started = Instant::now();
        while subject.starts_with(b":") && started.elapsed().as_millis() < u128::from(NOTICE_MS) {
            std::thread::sleep(Duration::from_millis(2));
            match self.subject.call(command) {
                Ok(frame) if frame == oracle => return Ok(()),
                Ok(frame) => subject = frame.to_vec(),
                Err(error) => return Err(different(Vec::new(), oracle, Err(error.to_string()))),
            }
        }
        Err(different(Vec::new(), oracle, Ok(subject)))
    }

    fn scan_loops(
        &mut self,
        command: &Command,
        oracle: Vec<u8>,
        subject: Vec<u8>,
    ) -> Result<(), Stop> {
        let expected = scan_loop(&mut self.oracle, command, oracle)?;
        let found = scan_loop(&mut self.subject, command, subject);
        match found.map_err(|error| error.to_string()) {
            Ok(found) if found == expected => Ok(()),
            found => {
                let found = found.map(|items| elements(&items));
                Err(different(Vec::new(), elements(&expected), found))
            }
        }
    }

    /// The same random command again: both must name a key of the oracle's.
    fn random_keys(&mut self, first: Vec<u8>) -> Result<(), Stop> {
        let keys = self.oracle.call(&Command::new(["KEYS", "*"]))?.to_vec();
        let random = Command::new(["RANDOMKEY"]);
        let Ok(Reply::Aggregate(_, keys)) = decode(&keys) else { return Ok(()) };
        let subject = self.subject.call(&random).map(<[u8]>::to_vec);
        let subject = subject.map_err(|error| error.to_string());
        let is_key = |frame: &Vec<u8>| match decode(frame) {
            Ok(key @ Reply::Bulk(_)) => keys.contains(&key),
            Ok(Reply::Null(_)) => keys.is_empty(),
            // A wrong number of arguments; the first replies were the same.
            _ => true,
        };
        let is_fine = subject.as_ref().is_ok_and(is_key);
        if is_fine { Ok(()) } else { Err(different(Vec::new(), first, subject)) }
    }

    /// Compares all keys of all databases, with their types, deadlines and values.
    fn audit(&mut self) -> Result<(), Stop> {
        let select = |database: usize| Command::new(["SELECT", &database.to_string()]);
        let look = |database| [select(database), Command::new(["KEYS", "*"])];
        let seen = self.compare(&(0..DATABASES).flat_map(look).collect::<Vec<_>>())?;
        let (mut facts, mut values, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for (database, listing) in seen.iter().skip(1).step_by(2).enumerate() {
            facts.push(select(database));
            let Ok(Reply::Aggregate(_, listing)) = decode(listing) else { continue };
            for key in listing {
                let Reply::Bulk(key) = key else { continue };
                let ask = |name: &str| Command::new([name.as_bytes(), &key]);
                facts.extend([ask("TYPE"), ask("PEXPIRETIME"), ask("PTTL")]);
                keys.push((database, facts.len() - 3, key));
            }
        }
        let facts = self.compare(&facts)?;
        for (database, at, key) in keys {
            if let Some(ask) = value_command(&facts[at], &key) {
                values.extend([select(database), ask]);
            }
        }
        let shown = self.compare(&values)?;
        self.compare(&stream_commands(&values))?;
        self.compare_field_deadlines(&values, &shown)?;
        if self.steps.iter().any(|step| matches!(step, Step::Send(c) if c.is("DUMP"))) {
            self.exchange_payloads(&values)?;
        }
        Ok(())
    }

    /// Compares the deadlines of the fields of every hash that `values`, the commands that show the
    /// values of keys, have shown.
    fn compare_field_deadlines(
        &mut self,
        values: &[Command],
        shown: &[Vec<u8>],
    ) -> Result<(), Stop> {
        let mut asked = Vec::new();
        for (pair, shown) in values.chunks(2).zip(shown.chunks(2)) {
            let ([select, value], [_, shown]) = (pair, shown) else { continue };
            let Ok(Reply::Aggregate(_, elements)) = decode(shown) else { continue };
            let fields: Vec<Vec<u8>> = elements
                .chunks(2)
                .filter_map(|pair| match pair {
                    [Reply::Bulk(field), _] => Some(field.clone()),
                    _ => None,
                })
                .collect();
            let count = fields.len().to_string().into_bytes();
            let words =
                [b"HPEXPIRETIME".to_vec(), value.args[1].clone(), b"FIELDS".to_vec(), count];
            let ask = Command::new(words.into_iter().chain(fields));
            if value.is("HGETALL") && !self.known.keeps_back(&ask, false) {
                asked.extend([select.clone(), ask]);
            }
        }
        self.compare(&asked).map(drop)
    }

    /// Lets each server restore what the other one dumps, and compares the values then. `values`
    /// are the commands that show them.
    fn exchange_payloads(&mut self, values: &[Command]) -> Result<(), Stop> {
        let values = &values[..values.len().min(2 * EXCHANGED_MAX)];
        for command in values {
            if command.is("SELECT") {
                self.oracle.call(command)?;
                let _ = self.subject.call(command);
                continue;
            }
            let key = &command.args[1];
            let dump = Command::new([&b"DUMP"[..], key]);
            let theirs = self.oracle.call(&dump)?.to_vec();
            let ours = self.subject.call(&dump).map(<[u8]>::to_vec);
            let (Ok(Reply::Bulk(theirs)), Ok(Ok(Reply::Bulk(ours)))) =
                (decode(&theirs), ours.as_deref().map(decode))
            else {
                continue;
            };
            let restore = |payload| Command::new([&b"RESTORE"[..], key, b"0", payload, b"REPLACE"]);
            let there = self.oracle.call(&restore(&ours))?.to_vec();
            let here = self.subject.call(&restore(&theirs)).map(<[u8]>::to_vec);
            let here = here.map_err(|error| error.to_string());
            let ok = b"+OK\r\n";
            let is_known = match &here {
                Ok(here) if there == ok => self.known.covers(&restore(&theirs), &there, here),
                Ok(here) if here == ok => self.known.covers(&restore(&ours), &there, here),
                _ => false,
            };
            if (there != b"+OK\r\n" || here.as_ref() != Ok(&there)) && !is_known {
                let asked = Step::Send(dump);
                let steps = self.steps.iter().cloned().chain([asked]).collect();
                return Err(different(steps, there, here));
            }
        }
        self.compare(values).map(drop)
    }

    /// Asks both the same, after the stream's end; the oracle's replies.
    fn compare(&mut self, commands: &[Command]) -> Result<Vec<Vec<u8>>, Stop> {
        let mut replies = Vec::with_capacity(commands.len());
        let mut select = None;
        for batch in commands.chunks(BATCH_COMMANDS) {
            let mut requests = Vec::new();
            batch.iter().for_each(|command| command.encode(&mut requests));
            self.oracle.send(&requests)?;
            let _ = self.subject.send(&requests);
            for command in batch {
                if command.is("SELECT") {
                    select = Some(command);
                }
                let oracle = self.oracle.frame(command)?.to_vec();
                let subject = self.subject.frame(command).map_err(|error| error.to_string());
                let rule = Rule::of(command);
                let known = &mut self.known;
                if !subject.as_ref().is_ok_and(|subject| {
                    same(rule, &oracle, subject) || known.covers(command, &oracle, subject)
                }) {
                    let asked = select.into_iter().chain([command]).cloned().map(Step::Send);
                    let steps = self.steps.iter().cloned().chain(asked).collect();
                    return Err(different(steps, oracle, subject.map(<[u8]>::to_vec)));
                }
                replies.push(oracle);
            }
        }
        Ok(replies)
    }
}

fn different(steps: Vec<Step>, oracle: Vec<u8>, subject: Result<Vec<u8>, String>) -> Stop {
    Stop::Difference(Box::new(Difference { steps, oracle, subject }))
}

fn with_history(stop: Stop, steps: &[Step]) -> Stop {
    match stop {
        Stop::Difference(difference) => {
            Stop::Difference(Box::new(Difference { steps: steps.to_vec(), ..*difference }))
        }
        other => other,
    }
}

/// A sorted set of elements as the frame of an array.
fn elements(items: &[Reply]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", items.len()).into_bytes();
    for item in items {
        if let Reply::Bulk(text) = item {
            frame.extend_from_slice(format!("${}\r\n", text.len()).as_bytes());
            frame.extend_from_slice(text);
            frame.extend_from_slice(b"\r\n");
        }
    }
    frame
}

/// Follows a SCAN to its end, from its first page: the elements, sorted, each once. A first
/// reply that is an error has no elements.
fn scan_loop(link: &mut Link, command: &Command, first: Vec<u8>) -> io::Result<Vec<Reply>> {
    let (mut page, mut found) = (first, Vec::new());
    for _ in 0..SCAN_CALLS_MAX {
        let reply = decode(&page).map_err(|_| io::Error::other("malformed page"))?;
        let Some((cursor, items)) = scan_page(&reply) else {
            return if found.is_empty() { Ok(found) } else { Err(io::Error::other("no page")) };
        };
        found.extend_from_slice(items);
        if cursor == b"0" {
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
        let mut next = command.clone();
        next.args[1] = cursor.to_vec();
        page = link.call(&next)?.to_vec();
    }
    Err(io::Error::other("the loop has no end"))
}
