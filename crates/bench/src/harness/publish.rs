//! PUBLISH to a hundred subscribers.
//!
//! One connection publishes batches to a channel that a hundred others listen to. A batch is over
//! when the publisher has its replies and every subscriber all its messages: none falls behind,
//! and every message is counted. What is compared is the server's CPU time for a PUBLISH and how
//! many a second there are.

use super::outcome::{Failure, Outcome, progress};
use super::plan::{PEER, Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server, thread_cpu};
use super::strip::render;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const SUBSCRIBERS: usize = 100;
const PIPELINES: [usize; 2] = [1, 16];
const CHANNEL: &[u8] = b"news";
const MESSAGE: &[u8] = &[b'm'; 64];
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
/// Publishing over redis-server's that still counts as no slower: the noise of the machine.
const NOISE: f64 = 0.97;

/// What one measurement showed.
#[derive(Clone, Copy)]
struct Figures {
    published_per_second: f64,
    cpu_us: f64,
    load_busy: f64,
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "workload",
        "server",
        "PUBLISH/s",
        "ratio",
        "CPU us",
        "ratio",
        "load busy",
        "bar",
        "met",
    ]);
    let mut complete = true;
    for pipeline in PIPELINES {
        let mut rounds = vec![Vec::new(); plan.servers.len()];
        for _ in 0..plan.rounds {
            for (at, spec) in plan.servers.iter().enumerate() {
                progress(format_args!("publish p{pipeline}: {}", spec.name));
                match measure(plan, spec, cores, pipeline) {
                    Ok(figures) => rounds[at].push(figures),
                    Err(failure) => {
                        progress(format_args!("  {failure}"));
                        complete &= at > REDSTART;
                    }
                }
            }
        }
        let of = |at: usize, field: fn(&Figures) -> f64| {
            median(rounds[at].iter().map(field)).unwrap_or(f64::NAN)
        };
        for (at, spec) in plan.servers.iter().enumerate() {
            let (rate, cpu) = (of(at, |f| f.published_per_second), of(at, |f| f.cpu_us));
            let rate_ratio = ratio(rate, of(PEER, |f| f.published_per_second)).unwrap_or(0.0);
            let cpu_ratio = ratio(cpu, of(PEER, |f| f.cpu_us)).unwrap_or(f64::NAN);
            let mut cells = vec![format!("PUBLISH p{pipeline}"), spec.name.clone()];
            cells.extend([rate, rate_ratio, cpu, cpu_ratio].map(short));
            cells.push(format!("{:.0} %", of(at, |f| f.load_busy) * 100.0));
            if at == REDSTART {
                cells.push("no slower, no dearer".into());
                cells.push(met(rate_ratio >= NOISE && cpu_ratio <= 1.0 / NOISE));
            }
            table.row(cells);
        }
    }
    let text = format!(
        "Messages of {} bytes to {SUBSCRIBERS} subscribers; a batch is over when all of them have \
         all its messages. CPU is the server's for one PUBLISH with its {SUBSCRIBERS} \
         deliveries.\n\n{}",
        MESSAGE.len(),
        table.markdown()
    );
    Section { title: "PUBLISH to a hundred".into(), text, complete }
}

/// A connection, and the bytes that it is yet to receive of the running batch.
struct Listener {
    socket: TcpStream,
    missing: usize,
    per_batch: usize,
}

fn measure(plan: &Plan, spec: &ServerSpec, cores: &Cores, pipeline: usize) -> Outcome<Figures> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let mut message = Vec::new();
    render(&mut message, &[b"message", CHANNEL, MESSAGE]);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut listeners = Vec::new();
    for at in 0..=SUBSCRIBERS {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port))?;
        socket.set_nodelay(true)?;
        let per_batch = if at < SUBSCRIBERS {
            subscribe(&mut socket)?;
            message.len() * pipeline
        } else {
            format!(":{SUBSCRIBERS}\r\n").len() * pipeline
        };
        socket.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(at as u64);
        epoll::add(&epoll, &socket, data, epoll::EventFlags::IN)?;
        listeners.push(Listener { socket, missing: 0, per_batch });
    }
    let mut batch = Vec::new();
    (0..pipeline).for_each(|_| render(&mut batch, &[b"PUBLISH", CHANNEL, MESSAGE]));
    let mut buffer = vec![0; 64 << 10];
    let mut events = Vec::with_capacity(SUBSCRIBERS + 1);
    let mut one_batch = || {
        listeners.iter_mut().for_each(|listener| listener.missing = listener.per_batch);
        listeners[SUBSCRIBERS].socket.write_all(&batch)?;
        let mut busy = listeners.len();
        while busy > 0 {
            if epoll::wait(&epoll, spare_capacity(&mut events), Some(&PATIENCE))? == 0 {
                return Err(Failure("not all messages arrived".into()));
            }
            for event in events.drain(..) {
                let listener = &mut listeners[event.data.u64() as usize];
                let received = listener.socket.read(&mut buffer)?;
                if received == 0 || received > listener.missing {
                    return Err(Failure("a connection closed, or got too much".into()));
                }
                listener.missing -= received;
                busy -= usize::from(listener.missing == 0);
            }
        }
        Ok(())
    };
    let started = Instant::now();
    while started.elapsed() < plan.timing.warm_up {
        one_batch()?;
    }
    let (started, server_cpu, load_cpu) = (Instant::now(), server.cpu.used()?, thread_cpu());
    let mut published = 0.0;
    while started.elapsed() < plan.timing.measured {
        one_batch()?;
        published += pipeline as f64;
    }
    let seconds = started.elapsed().as_secs_f64();
    let used = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64();
    Ok(Figures {
        published_per_second: published / seconds,
        cpu_us: used(server.cpu.used()?, server_cpu) * 1e6 / published,
        load_busy: used(thread_cpu(), load_cpu) / seconds,
    })
}

fn subscribe(socket: &mut TcpStream) -> Outcome<()> {
    let mut request = Vec::new();
    render(&mut request, &[b"SUBSCRIBE", CHANNEL]);
    socket.write_all(&request)?;
    let mut confirmed = Vec::new();
    render(&mut confirmed, &[b"subscribe", CHANNEL]);
    // The same as an array of three, with a number at its end.
    confirmed[1] = b'3';
    confirmed.extend_from_slice(b":1\r\n");
    let mut reply = vec![0; confirmed.len()];
    socket.read_exact(&mut reply)?;
    if reply != confirmed {
        let text = String::from_utf8_lossy(&reply).into_owned();
        return Err(Failure(format!("SUBSCRIBE was answered with {text:?}")));
    }
    Ok(())
}
