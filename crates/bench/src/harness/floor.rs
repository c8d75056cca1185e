//! The floor: what the kernel costs. A server that parses nothing and stores nothing answers the
//! same GETs and SETs: it knows how long they are, and that the value of a key is the key twice.
//! What a server takes more is its own work, and only that can be compared between servers.

use super::load::{self, Laps, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{PEER, Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::strings;
use super::throughput::Figures;
use super::workload::{Action, Order, SET, SMALL, Strips};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// GET or SET at a pipeline.
struct Line {
    name: &'static str,
    action: strings::Action,
    pipeline: usize,
    /// What Redstart adds to the floor over what the peer adds, at most.
    added_max: Option<f64>,
    /// Redstart's CPU time over the floor's, at most.
    over_max: Option<f64>,
}

const LINES: [Line; 6] = [
    alone("GET p1", strings::Action::Get),
    alone("SET p1", strings::Action::Set),
    many("GET p16", strings::Action::Get, 16, 0.50),
    many("SET p16", strings::Action::Set, 16, 0.50),
    many("GET p64", strings::Action::Get, 64, 0.25),
    many("SET p64", strings::Action::Set, 64, 0.16),
];

const fn alone(name: &'static str, action: strings::Action) -> Line {
    Line { name, action, pipeline: 1, added_max: None, over_max: Some(1.10) }
}

const fn many(name: &'static str, action: strings::Action, pipeline: usize, most: f64) -> Line {
    Line { name, action, pipeline, added_max: Some(most), over_max: None }
}

const FILL_PIPELINE: usize = 64;
/// What the floor reads at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// Where the key of a GET or SET begins, and its length.
const KEY_AT: usize = 18;
const KEY_BYTES: usize = 16;

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let (mut complete, mut table) = (
        true,
        Table::new([
            "workload",
            "floor",
            "peer",
            "redstart",
            "over the floor",
            "bar",
            "added",
            "bar",
            "met",
        ]),
    );
    match measure(plan, cores) {
        Ok(rounds) => {
            for (line, row) in LINES.iter().zip(&rounds) {
                table.row(cells(line, row));
            }
        }
        Err(failure) => {
            progress(format_args!("  {failure}"));
            complete = false;
        }
    }
    let text = format!(
        "CPU us per operation of a server that parses and stores nothing (`floor`), of {} (`peer`) \
         and of Redstart. *Over the floor* is Redstart's over the floor's; *added* is what Redstart \
         adds to the floor over what the peer adds.\n\n{}",
        plan.peer(),
        table.markdown()
    );
    Section { title: "Above the floor".into(), text, complete }
}

/// The figures of floor, peer and Redstart, in that order, for each line.
type Rounds = [[Vec<Figures>; 3]; LINES.len()];

fn measure(plan: &Plan, cores: &Cores) -> Outcome<Rounds> {
    let mut rounds = Rounds::default();
    let mut strips = Strips::default();
    let itself = std::env::current_exe()?.to_string_lossy().into_owned();
    let command = vec![itself, "--serve-floor".into(), "{port}".into()];
    let floor = ServerSpec::new("floor", command);
    for round in 1..=plan.rounds {
        let servers = [&floor, &plan.servers[PEER], &plan.servers[REDSTART]];
        for (column, spec) in servers.into_iter().enumerate() {
            progress(format_args!("floor {round}/{}: {}", plan.rounds, spec.name));
            let server = Server::start(spec, cores, Pin::Apart, 1)?;
            let fill = strips.strip(SET, SMALL, Order::Counted);
            let fill = Stream::new(&fill, plan.connections, FILL_PIPELINE, Laps::Once);
            load::run(server.port, &[fill], None, &server.cpu)?;
            for (line, &Line { action, pipeline, .. }) in LINES.iter().enumerate() {
                let strip = strips.strip(Action::String(action), SMALL, Order::Shuffled);
                let stream = Stream::new(&strip, plan.connections, pipeline, Laps::Endless);
                let measured = load::run(server.port, &[stream], Some(plan.timing), &server.cpu)?;
                rounds[line][column].push(Figures::of(&measured));
            }
        }
    }
    Ok(rounds)
}

fn cells(line: &Line, row: &[Vec<Figures>; 3]) -> Vec<String> {
    let &Line { name, added_max, over_max, .. } = line;
    let cpu = |at: usize| Figures::medians(&row[at]).map_or(f64::NAN, |figures| figures.cpu_us);
    let [floor, peer, ours] = [cpu(0), cpu(1), cpu(2)];
    let (over, added) = (ratio(ours, floor), ratio(ours - floor, peer - floor));
    let is_met = |figure: Option<f64>, most: Option<f64>| {
        most.is_none_or(|most| figure.is_some_and(|figure| figure <= most))
    };
    let shown = |figure: Option<f64>| figure.map(short).unwrap_or_default();
    let bar = |most: Option<f64>| most.map(|most| format!("<= {most:.2}")).unwrap_or_default();
    vec![
        name.to_string(),
        short(floor),
        short(peer),
        short(ours),
        shown(over),
        bar(over_max),
        shown(added),
        bar(added_max),
        met(is_met(over, over_max) && is_met(added, added_max)),
    ]
}

/// A connection of the floor, and the beginning of a request that is not whole yet.
struct Connection {
    socket: TcpStream,
    rest: Vec<u8>,
}

/// Serves the floor on a port, for ever.
///
/// # Errors
/// When the port cannot be had, or the system fails.
pub fn serve(port: u16) -> Outcome<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let watch = |socket: &dyn std::os::fd::AsFd, number: u64| {
        epoll::add(&epoll, socket, epoll::EventData::new_u64(number), epoll::EventFlags::IN)
    };
    watch(&listener, 0)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let (mut buffer, mut replies) = (vec![0; READ_BYTES], Vec::new());
    let mut events = Vec::with_capacity(64);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let Some(at) = (event.data.u64() as usize).checked_sub(1) else {
                let (socket, _) = listener.accept()?;
                socket.set_nodelay(true)?;
                connections.push(None);
                watch(&socket, connections.len() as u64)?;
                let last = connections.len() - 1;
                connections[last] = Some(Connection { socket, rest: Vec::new() });
                continue;
            };
            let Some(connection) = &mut connections[at] else { continue };
            if connection.answer(&mut buffer, &mut replies).is_err() {
                connections[at] = None;
            }
        }
    }
}

impl Connection {
    fn answer(&mut self, buffer: &mut [u8], replies: &mut Vec<u8>) -> Outcome<()> {
        let kept = self.rest.len();
        buffer[..kept].copy_from_slice(&self.rest);
        let count = self.socket.read(&mut buffer[kept..])?;
        if count == 0 {
            return Err(Failure("the client is gone".into()));
        }
        replies.clear();
        let mut bytes = &buffer[..kept + count];
        while let Some((request, rest)) = length(bytes).and_then(|len| bytes.split_at_checked(len))
        {
            match request[1] {
                b'1' => replies.extend_from_slice(b"+PONG\r\n"),
                b'2' => {
                    let key = &request[KEY_AT..KEY_AT + KEY_BYTES];
                    replies.extend_from_slice(b"$32\r\n");
                    replies.extend_from_slice(key);
                    replies.extend_from_slice(key);
                    replies.extend_from_slice(b"\r\n");
                }
                _ => replies.extend_from_slice(b"+OK\r\n"),
            }
            bytes = rest;
        }
        self.rest.clear();
        self.rest.extend_from_slice(bytes);
        self.socket.write_all(replies)?;
        Ok(())
    }
}

/// How long the request is that these bytes begin with, if that can be told.
fn length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'1' => Some(b"*1\r\n$4\r\nPING\r\n".len()),
        b'2' => Some(KEY_AT + KEY_BYTES + 2),
        _ => Some(KEY_AT + KEY_BYTES + 2 + b"$32\r\n".len() + 32 + 2),
    }
}
