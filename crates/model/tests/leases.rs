//! Leases and locks with fences, under many schedules: a lease that is free finds the client that
//! waits for it, whoever dies meanwhile; two clients never hold one; a lock has one owner.

mod clients;
mod explore;

use clients::{Client, client, engine, join};
use explore::explore;

/// The token in a reply of LEASE.GET.
fn token(reply: &str) -> String {
    let words: Vec<&str> = reply.split(' ').collect();
    assert_eq!(words[2], "miss", "{reply}");
    words[5].to_owned()
}

#[test]
fn a_lease_whose_holder_dies_goes_to_the_next() {
    explore(|| {
        let engine = engine();
        // It waits, is perhaps given the lease, and dies at any moment.
        let mut first = Client::new(engine);
        let held = token(&first.run("LEASE.GET a"));
        let dying = client(engine, |client| match client.start("LEASE.GET a WAIT 5000") {
            Ok(_) => client.die(None),
            Err(waiter) => client.die(Some(&waiter)),
        });
        let waiting = client(engine, |client| client.wait("LEASE.GET a WAIT 5000"));
        let giving = client(engine, move |client| client.run(&format!("LEASE.DROP a {held}")));
        join(dying);
        join(giving);
        // What ended with its connection is looked at by the tick.
        first.tick();
        token(&join(waiting));
        assert_eq!(first.task.holder.len(), 0);
    });
}

#[test]
fn one_of_several_gets_a_lease_and_the_others_its_value() {
    explore(|| {
        let engine = engine();
        let clients = [0, 1, 2].map(|_| {
            client(engine, |client| {
                let reply = client.wait("LEASE.GET a WAIT 5000");
                if !reply.contains("miss") {
                    return reply;
                }
                assert_eq!(client.run(&format!("LEASE.PUT a {} new", token(&reply))), ":1 ");
                "computed".to_owned()
            })
        });
        let answers = clients.map(join);
        let computed = answers.iter().filter(|answer| *answer == "computed").count();
        assert_eq!(computed, 1, "{answers:?}");
        assert!(
            answers.iter().all(|answer| answer == "computed" || answer.contains("$3 hit $3 new"))
        );
    });
}

#[test]
fn a_token_is_void_once_the_key_was_written_to() {
    explore(|| {
        let engine = engine();
        let held = token(&Client::new(engine).run("LEASE.GET a"));
        let writing = client(engine, |client| client.run("SET a new"));
        let putting = client(engine, move |client| client.run(&format!("LEASE.PUT a {held} old")));
        let reading = client(engine, |client| {
            let first = client.run("GET a");
            (first, client.run("GET a"))
        });
        join(writing);
        join(putting);
        let (first, second) = join(reading);
        assert!(!(first.contains("new") && second.contains("old")), "{first} then {second}");
        assert!(Client::new(engine).run("GET a").contains("new"));
    });
}

#[test]
fn a_lock_passes_through_all_that_wait() {
    explore(|| {
        let engine = engine();
        let mut first = Client::new(engine);
        first.run("LOCK.ACQUIRE a first TTL 900000");
        let dying = client(engine, |client| {
            let Err(waiter) = client.start("LOCK.ACQUIRE a dying TTL 900000 WAIT 5000") else {
                return true;
            };
            let holds = !waiter.claim();
            client.engine.leave_queues(&waiter);
            holds
        });
        let waiting = ["second", "third"].map(|owner| {
            client(engine, move |client| {
                let fence = client.wait(&format!("LOCK.ACQUIRE a {owner} TTL 900000 WAIT 5000"));
                assert!(client.run("GET a").contains(owner));
                assert_eq!(client.run(&format!("LOCK.RELEASE a {owner}")), ":1 ");
                fence
            })
        });
        first.run("LOCK.RELEASE a first");
        if join(dying) {
            // It was given the lock at its end: its time would be over once.
            first.run("LOCK.RELEASE a dying");
        }
        let fences = waiting.map(join);
        assert_ne!(fences[0], fences[1]);
        assert!(fences.iter().all(|fence| fence.starts_with(':')), "{fences:?}");
    });
}
