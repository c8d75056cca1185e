//! Clients that wait for keys, under many schedules: no client that could be served goes on
//! waiting, none is served twice, and no element is lost or given to two.

mod clients;
mod explore;

use clients::{Client, client, engine, join};
use explore::explore;
use redstart_model::Engine;
use shuttle::thread;

/// How many elements there are in the three lists.
fn left(engine: &'static Engine) -> Vec<String> {
    ["a", "b", "c"].map(|key| Client::new(engine).run(&format!("LLEN {key}"))).into()
}

#[test]
fn as_many_are_served_as_there_are_elements() {
    explore(|| {
        let engine = engine();
        let waiting = ["BLPOP a b 0", "BRPOP b a 0", "BLMPOP 0 2 c b LEFT"]
            .map(|line| client(engine, move |client| client.wait(line)));
        let pushing = ["RPUSH a one", "RPUSH b two three", "LPUSH b four"]
            .map(|line| client(engine, move |client| client.run(line)));
        pushing.into_iter().for_each(|pushing| drop(join(pushing)));
        let answers = waiting.map(join);
        let mut given = ["one", "two", "three", "four"].to_vec();
        given.retain(|name| answers.iter().any(|answer| answer.contains(name)));
        assert_eq!(given.len(), 3, "{answers:?}");
        let rest = left(engine).iter().filter(|length| *length == ":1 ").count();
        assert_eq!(rest, 1, "{:?}", left(engine));
    });
}

#[test]
fn an_element_goes_to_the_client_or_stays() {
    explore(|| {
        let engine = engine();
        let mut waiting = Client::new(engine);
        let waiter = waiting.start("BLPOP a b 0").expect_err("the lists are empty");
        let timer = {
            let waiter = waiter.clone();
            // As the server's timer does it.
            thread::spawn(move || {
                let claimed = waiter.claim();
                if claimed {
                    waiter.answer(waiter.reply(|reply| reply.null_array()));
                }
                claimed
            })
        };
        let pushing = client(engine, |client| client.run("RPUSH b x"));
        let next = client(engine, |client| client.run("LPOP b"));
        let answer = waiting.finish(&waiter);
        let (timed_out, _, popped) = (join(timer), join(pushing), join(next));
        assert_eq!(timed_out, answer == "*-1 ", "{answer}");
        let places = [!timed_out, popped != "$-1 ", left(engine)[1] == ":1 "];
        assert_eq!(places.iter().filter(|there| **there).count(), 1, "{answer} {popped}");
    });
}

#[test]
fn a_client_that_dies_is_passed_over() {
    explore(|| {
        let engine = engine();
        let dying = client(engine, |client| match client.start("BLPOP a 0") {
            Ok(reply) => !reply.is_empty(),
            Err(waiter) => {
                // As the server does it when the connection has gone.
                let unserved = waiter.claim();
                client.engine.leave_queues(&waiter);
                !unserved
            }
        });
        let waiting = client(engine, |client| client.wait("BLPOP a 0"));
        let pushing = client(engine, |client| client.run("RPUSH a one"));
        let took = join(dying);
        join(pushing);
        if took {
            assert_eq!(left(engine)[0], ":0 ");
            Client::new(engine).run("RPUSH a two");
        }
        let answer = join(waiting);
        assert_eq!(answer.contains("two"), took, "{answer}");
        assert_eq!(left(engine), [":0 ", ":0 ", ":0 "]);
    });
}

#[test]
fn an_element_passes_through_the_clients_that_move_it() {
    explore(|| {
        let engine = engine();
        let links = ["BLMOVE a c LEFT RIGHT 0", "BRPOPLPUSH c b 0", "BLPOP b 0"]
            .map(|line| client(engine, move |client| client.wait(line)));
        let pushing = client(engine, |client| client.run("RPUSH a x"));
        // Others that take the same shards.
        let others = client(engine, |client| client.run("EXISTS a b c"));
        join(pushing);
        links.into_iter().for_each(|link| assert!(join(link).contains('x')));
        join(others);
        assert_eq!(left(engine), [":0 ", ":0 ", ":0 "]);
    });
}

#[test]
fn keys_that_come_by_other_ways_serve_too() {
    explore(|| {
        let engine = engine();
        Client::new(engine).run("RPUSH a one");
        Client::new(engine).run("RPUSH b two");
        let waiting = client(engine, |client| client.wait("BLPOP c 0"));
        let renaming = client(engine, |client| client.run("RENAMENX a c"));
        let copying = client(engine, |client| client.run("COPY b c"));
        let answer = join(waiting);
        join(renaming);
        join(copying);
        assert!(answer.contains("one") || answer.contains("two"), "{answer}");
    });
}

/// The checks can fail: a client that looks for its answer and then goes to sleep, without a look
/// at what happened between, is found.
#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_is_found() {
    explore(|| {
        let engine = engine();
        let waiting = client(engine, |client| {
            let Err(waiter) = client.start("BLPOP a 0") else { return };
            if waiter.answered().is_none() {
                *client.task.is_woken.lock() = false;
                client.task.sleep();
            }
        });
        let pushing = client(engine, |client| client.run("RPUSH a x"));
        join(pushing);
        join(waiting);
    });
}
