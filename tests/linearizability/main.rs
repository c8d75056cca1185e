//! Linearizability: sixteen clients on two workers record what they asked for and were answered,
//! and a checker looks whether all of it could have happened in one order.
//!
//! `REDSTART_HISTORIES=2000` runs the long form. The checker is shown to find what it is there for:
//! clients that make a server's mistakes are caught.

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "../support/mod.rs"]
mod support;

mod checker;
mod clients;
mod group;

use checker::is_linearizable;
use clients::{Fault, Recorded, Recorder};
use group::Group;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::thread;
use support::client::Client;
use support::server::Server;

const CLIENTS: usize = 16;
const GROUPS: usize = 4;
/// Operations of a client in a history.
const OPERATIONS: usize = 15;
const HISTORIES: usize = 50;
/// A mistake has to be found in so many histories; mostly it is in the first few.
const HISTORIES_WITH_FAULT: usize = 100;
const SEED: u64 = 4711;

fn histories() -> usize {
    let given = std::env::var("REDSTART_HISTORIES").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(HISTORIES)
}

fn start() -> (Server, Vec<Client>) {
    let args = ["--save", "", "--threads", "2"];
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args);
    let server = server.expect("redstart starts");
    let connect = |_| Client::connect(server.port()).expect("the server takes connections");
    let clients = (0..CLIENTS).map(connect).collect();
    (server, clients)
}

/// Records a history: all clients at once, and in the end one that reads everything.
fn record(connections: &mut [Client], history: usize, fault: Fault) -> Vec<Recorded> {
    let clock = AtomicU64::new(0);
    let mut recorded: Vec<Recorded> = thread::scope(|scope| {
        let clients = connections.iter_mut().enumerate().map(|(client, connection)| {
            let clock = &clock;
            scope.spawn(move || {
                Recorder::new(connection, clock, (client, history, SEED), fault)
                    .record(OPERATIONS, GROUPS)
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().expect("the client ends")).collect()
    });
    let (last, who) = (&mut connections[0], (CLIENTS, history, SEED));
    let mut last = Recorder::new(last, &clock, who, Fault::None);
    recorded.extend((0..GROUPS).map(|group| last.read(group)));
    recorded
}

/// The group whose part of a history could not have happened.
fn violation(recorded: &[Recorded]) -> Option<String> {
    (0..GROUPS).find_map(|group| {
        let calls = recorded.iter().filter(|(of, _)| *of == group);
        let mut calls: Vec<_> = calls.map(|(_, call)| call.clone()).collect();
        if is_linearizable(&Group::default(), &calls) {
            return None;
        }
        calls.sort_by_key(|call| call.called);
        let lines: Vec<String> = calls.iter().map(|call| format!("{call:?}")).collect();
        Some(lines.join("\n"))
    })
}

#[test]
fn every_history_could_have_happened_in_one_order() {
    let (_server, mut clients) = start();
    for history in 0..histories() {
        let recorded = record(&mut clients, history, Fault::None);
        if let Some(lines) = violation(&recorded) {
            panic!("history {history} is not linearizable:\n{lines}");
        }
    }
    println!("{} histories", histories());
}

fn assert_found(fault: Fault) {
    let (_server, mut clients) = start();
    let mut histories = 0..HISTORIES_WITH_FAULT;
    let found = histories.find(|n| violation(&record(&mut clients, *n, fault)).is_some());
    println!("{fault:?} was found in history {found:?}");
    assert!(found.is_some(), "{fault:?} was not found");
}

#[test]
fn a_stale_read_is_found() {
    assert_found(Fault::StaleRead);
}

#[test]
fn a_lost_update_is_found() {
    assert_found(Fault::LostUpdate);
}

#[test]
fn a_transaction_that_others_see_half_done_is_found() {
    assert_found(Fault::OpenTransaction);
}
