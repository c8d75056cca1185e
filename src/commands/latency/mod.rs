//! LATENCY: how long commands take, and what made clients wait.

mod graph;

use crate::commands::declare::{Container, SessionCommand, declare_help, help};
use crate::metrics::histogram::Histogram;
use crate::session::Context;
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_protocol::Args;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] =
    &[&DOCTOR, &GRAPH, &HELP, &HISTOGRAM, &HISTORY, &LATEST, &RESET];

const CONTAINER: Container = Container { name: "latency", group: Group::Server, since: "2.8.13" };

/// LATENCY subcommand
pub static LATENCY: Command = CONTAINER.declare(
    "Holds what is about latency.",
    &[
        &DOCTOR.spec,
        &GRAPH.spec,
        &HELP.spec,
        &HISTOGRAM.spec,
        &HISTORY.spec,
        &LATEST.spec,
        &RESET.spec,
    ],
);

const GUARDED: Flags = ADMIN | NOSCRIPT | LOADING | STALE;

/// LATENCY HISTOGRAM [command [command ...]]
static HISTOGRAM: SessionCommand = declare("histogram", Group::Server, Arity::AtLeast(2))
    .flags(GUARDED)
    .since("7.0.0")
    .complexity("O(N) with N commands told.")
    .summary("Returns how long the calls of commands took.")
    .syntax("[command [command ...]]")
    .run(histogram);

fn histogram(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let registry = &session.server.registry;
    let names: Vec<Vec<u8>> = args.iter().skip(2).map(<[u8]>::to_ascii_lowercase).collect();
    let mut told = Vec::new();
    for registered in registry.iter() {
        let name = registered.full_name();
        let container = name.split('|').next().unwrap_or_default();
        let named = |given: &Vec<u8>| *given == name.as_bytes() || *given == container.as_bytes();
        if names.is_empty() || names.iter().any(named) {
            let histogram = Histogram::of(session.server.stats, registered.id);
            if histogram.calls > 0 {
                told.push((name, histogram));
            }
        }
    }
    let out = &mut session.out;
    out.map(told.len());
    for (name, histogram) in told {
        out.bulk(name.as_bytes());
        out.map(2);
        out.bulk(b"calls");
        out.integer(histogram.calls as i64);
        out.bulk(b"histogram_usec");
        let cumulative = histogram.cumulative();
        out.map(cumulative.len());
        for (us, calls) in cumulative {
            out.integer(us as i64);
            out.integer(calls as i64);
        }
    }
    Ok(())
}

/// LATENCY LATEST
static LATEST: SessionCommand = CONTAINER
    .sub("latest", Arity::Exactly(2), GUARDED, "Returns the newest and the worst of events.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        let events = session.server.latency.all();
        let out = &mut session.out;
        out.array(events.len());
        for (name, event) in events {
            let (unix_s, ms) = event.latest();
            out.array(4);
            out.bulk(name.as_bytes());
            out.integer(unix_s as i64);
            out.integer(ms as i64);
            out.integer(event.worst_ms as i64);
        }
        Ok(())
    });

/// LATENCY HISTORY event
static HISTORY: SessionCommand = CONTAINER
    .sub("history", Arity::Exactly(3), GUARDED, "Returns the samples of an event.", "event")
    .run(|context, args| {
        let session = &mut *context.session;
        let event = session.server.latency.event(&args[2]);
        let samples = event.map(|(_, event)| event.samples).unwrap_or_default();
        let out = &mut session.out;
        out.array(samples.len());
        for (unix_s, ms) in samples {
            out.array(2);
            out.integer(unix_s as i64);
            out.integer(ms as i64);
        }
        Ok(())
    });

/// LATENCY RESET [event [event ...]]
static RESET: SessionCommand = CONTAINER
    .sub(
        "reset",
        Arity::AtLeast(2),
        GUARDED,
        "Forgets the samples of events, or of all.",
        "[event [event ...]]",
    )
    .run(|context, args| {
        let names: Vec<&[u8]> = args.iter().skip(2).collect();
        let count = context.session.server.latency.reset(&names);
        context.session.out.integer(count as i64);
        Ok(())
    });

/// LATENCY GRAPH event
static GRAPH: SessionCommand = CONTAINER
    .sub("graph", Arity::Exactly(3), GUARDED, "Draws the samples of an event.", "event")
    .run(|context, args| {
        let session = &mut *context.session;
        let Some((name, event)) = session.server.latency.event(&args[2]) else {
            let before = "ERR No samples available for event '";
            return Err(Error::quoting(before, &args[2], "'"));
        };
        let text = graph::draw(name, &event, crate::system::clock::wall_us() / 1_000_000);
        session.out.verbatim("txt", text.as_bytes());
        Ok(())
    });

/// LATENCY DOCTOR
static DOCTOR: SessionCommand = CONTAINER
    .sub("doctor", Arity::Exactly(2), GUARDED, "Returns what the events mean.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        let threshold_ms = session.server.thresholds.monitor_ms();
        let text = graph::advise(threshold_ms, &session.server.latency.all());
        session.out.verbatim("txt", text.as_bytes());
        Ok(())
    });

/// LATENCY HELP
static HELP: SessionCommand = declare_help(Group::Server, "2.8.13").run(|context, _| {
    help(&mut context.session.out, "LATENCY", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "DOCTOR",
    "    Tell what the events mean.",
    "GRAPH <event>",
    "    Draw the samples of an event.",
    "HISTOGRAM [<command> ...]",
    "    Tell how many calls of commands took at most how many microseconds.",
    "HISTORY <event>",
    "    Tell the samples of an event: seconds since 1970, milliseconds.",
    "LATEST",
    "    Tell the newest sample and the worst of each event.",
    "RESET [<event> ...]",
    "    Forget the samples of events, or of all.",
];
