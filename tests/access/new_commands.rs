//! Ways past the rules, for the commands that no other server has, and for those that need care:
//! each is refused.

use crate::REDSTART;
use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::server::Server;
use crate::support::talk::{call, connect, field, ok, reply, send, text, until};
use std::path::Path;

fn start() -> Server {
    Server::start(Path::new(REDSTART), &["--save", ""]).expect("redstart starts")
}

/// A client that is this user, by these rules.
fn user(server: &Server, admin: &mut Client, rules: &str) -> Client {
    assert_eq!(call(admin, &format!("ACL SETUSER u reset on nopass {rules}")), ok(), "{rules}");
    let mut client = connect(server);
    assert_eq!(call(&mut client, "AUTH u x"), ok());
    client
}

const NO_KEY: &str = "NOPERM No permissions to access a key";

fn refuses(client: &mut Client, line: &str) {
    let reply = call(client, line);
    let refused = match &reply {
        Value::Error(said) => {
            let said = String::from_utf8_lossy(said);
            said.starts_with("NOPERM ") || said.starts_with("ERR ACL failure in script")
        }
        _ => false,
    };
    assert!(refused, "{line}: {reply:?}");
}

fn allows(client: &mut Client, line: &str) {
    let reply = call(client, line);
    let refused = matches!(&reply, Value::Error(said) if said.starts_with(b"NOPERM"));
    assert!(!refused, "{line}: {reply:?}");
}

#[test]
fn keys_of_leases_and_locks_are_keys() {
    let server = start();
    let mut admin = connect(&server);
    let lines = [
        "LEASE.GET KEY",
        "LEASE.PUT KEY 1 v",
        "LEASE.DROP KEY 1",
        "LOCK.ACQUIRE KEY me TTL 1000",
        "LOCK.RENEW KEY me TTL 1000",
        "LOCK.RELEASE KEY me",
        "LOCK.INFO KEY",
        "lock.fence KEY 7",
        "lease.get KEY LEASE 100 EARLY 1 STALE WAIT 1",
        "Lock.Acquire KEY me TTL 1000 WAIT 1",
        "LEASE.PUT KEY 1 v EX 10 GRACE 5",
    ];
    let mut limited = user(&server, &mut admin, "~mine:* +@all");
    for line in lines {
        allows(&mut limited, &line.replace("KEY", "mine:1"));
        refuses(&mut limited, &line.replace("KEY", "other"));
    }
    // Reading is not writing, nor the other way round.
    let mut reads = user(&server, &mut admin, "%R~a +@all");
    for line in ["LEASE.PUT a 1 v", "LOCK.RENEW a me TTL 1", "LOCK.RELEASE a me", "LOCK.FENCE a 1"]
    {
        refuses(&mut reads, line);
    }
    refuses(&mut reads, "LOCK.ACQUIRE a me TTL 1000");
    allows(&mut reads, "LEASE.GET a");
    allows(&mut reads, "LOCK.INFO a");
    let mut writes = user(&server, &mut admin, "%W~a +@all");
    for line in ["LEASE.GET a", "LOCK.INFO a", "LOCK.ACQUIRE a me TTL 1000"] {
        refuses(&mut writes, line);
    }
    // A command with a dot is a command, and no name of one that it begins with.
    let mut one = user(&server, &mut admin, "~* +lease.get +lock.info");
    allows(&mut one, "LEASE.GET a");
    for line in ["LEASE.PUT a 1 v", "LEASE.DROP a 1", "LOCK.LIST", "LOCK.RELEASE a me", "GET a"] {
        refuses(&mut one, line);
    }
    let wrong = call(&mut admin, "ACL SETUSER u +lease");
    assert!(matches!(wrong, Value::Error(_)), "{wrong:?}");
    let mut not_admin = user(&server, &mut admin, "~* +@all -@admin");
    refuses(&mut not_admin, "LOCK.FENCE a 7");
}

#[test]
fn scripts_transactions_and_functions_have_the_callers_rights() {
    let server = start();
    let mut admin = connect(&server);
    let library = "#!lua name=l\nredis.register_function('take', function(keys) \
        return redis.call('LOCK.ACQUIRE', keys[1] or 'hidden', 'me', 'TTL', '1000') end)";
    let loaded = admin.call(&["FUNCTION", "LOAD", library]).expect("it lives");
    assert!(!matches!(loaded, Value::Error(_)), "{loaded:?}");
    let mut limited = user(&server, &mut admin, "~mine:* +@all");
    refuses(&mut limited, "EVAL return(redis.call('LEASE.GET','other')) 0");
    refuses(&mut limited, "EVAL return(redis.call('LEASE.GET',KEYS[1])) 1 other");
    refuses(&mut limited, "EVAL return(redis.call('LOCK.RELEASE',KEYS[1],'me')) 1 other");
    refuses(&mut limited, "FCALL take 0");
    refuses(&mut limited, "FCALL take 1 other");
    allows(&mut limited, "FCALL take 1 mine:1");
    // At queueing, and at EXEC after the rules have changed.
    assert_eq!(call(&mut limited, "MULTI"), ok());
    refuses(&mut limited, "LEASE.PUT other 1 v");
    call(&mut limited, "DISCARD");
    assert_eq!(call(&mut limited, "MULTI"), ok());
    assert_eq!(call(&mut limited, "LOCK.RELEASE mine:1 me"), Value::Simple("QUEUED".into()));
    assert_eq!(call(&mut admin, "ACL SETUSER u -lock.release"), ok());
    let Value::Items(_, replies) = call(&mut limited, "EXEC") else { panic!("it runs") };
    let said = text(replies.into_iter().next().expect("one command"));
    assert!(said.starts_with("NOPERM ACLs rules changed"), "{said}");
    assert_ne!(call(&mut admin, "GET mine:1"), Value::Nil, "the lock is still held");
    // A wrong number of arguments tells no more than a right one.
    for line in ["LOCK.ACQUIRE other", "LEASE.PUT other"] {
        assert!(text(call(&mut limited, line)).starts_with("ERR wrong number of arguments"));
    }
}

#[test]
fn who_waits_for_a_lease_or_a_lock_loses_it_with_the_right() {
    let server = start();
    let mut admin = connect(&server);
    assert!(matches!(call(&mut admin, "LEASE.GET lease LEASE 60000"), Value::Items(..)));
    call(&mut admin, "LOCK.ACQUIRE lock admin TTL 60000");
    for line in ["LEASE.GET lease WAIT 60000", "LOCK.ACQUIRE lock me TTL 1000 WAIT 60000"] {
        let mut waits = user(&server, &mut admin, "~* +@all");
        send(&mut waits, line);
        until("the client waits", || field(&mut admin, "blocked_clients") == "1");
        assert_eq!(call(&mut admin, "ACL SETUSER u resetkeys ~mine:*"), ok());
        assert_eq!(text(reply(&mut waits)), NO_KEY, "{line}");
        // Nor with the database.
        let mut waits = user(&server, &mut admin, "~* +@all");
        send(&mut waits, line);
        until("the client waits", || field(&mut admin, "blocked_clients") == "1");
        assert_eq!(call(&mut admin, "ACL SETUSER u db=3"), ok());
        let said = text(reply(&mut waits));
        assert_eq!(said, "NOPERM No permissions to access database", "{line}");
    }
}

/// The names in a list of lists, or of maps, that begin with a name.
fn names(reply: Value, nth: usize) -> Vec<String> {
    let Value::Items(_, items) = reply else { panic!("{reply:?} is no list") };
    let name = |item: Value| match item {
        Value::Items(_, mut parts) => text(parts.swap_remove(nth)),
        other => panic!("{other:?} has no name"),
    };
    let mut names: Vec<String> = items.into_iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn lists_have_the_names_that_a_user_may_read() {
    let server = start();
    let mut admin = connect(&server);
    assert_eq!(call(&mut admin, "CONFIG SET stats-prefixes :"), ok());
    for name in ["mine:1", "mine:2", "other:1"] {
        assert!(matches!(
            call(&mut admin, &format!("LOCK.ACQUIRE {name} me TTL 60000")),
            Value::Int(_)
        ));
    }
    let prefixes = |client: &mut Client| {
        let told = text(call(client, "INFO prefixes"));
        let names = told.lines().filter_map(|line| line.strip_prefix("prefix_"));
        let mut names: Vec<String> =
            names.filter_map(|line| line.split_once(':')).map(|(name, _)| name.into()).collect();
        names.sort();
        names
    };
    assert_eq!(names(call(&mut admin, "LOCK.LIST"), 0), ["mine:1", "mine:2", "other:1"]);
    assert_eq!(names(call(&mut admin, "PREFIX.STATS"), 1), ["mine:", "other:"]);
    assert_eq!(prefixes(&mut admin), ["mine_", "other_"]);
    // A pattern that may only be written shows nothing, nor does one of a selector that does not
    // allow the command.
    let rules = "~mine:* %W~other:* +@all (~other:* +get)";
    let mut limited = user(&server, &mut admin, rules);
    assert_eq!(names(call(&mut limited, "LOCK.LIST"), 0), ["mine:1", "mine:2"]);
    assert_eq!(names(call(&mut limited, "LOCK.LIST MATCH *1"), 0), ["mine:1"]);
    assert_eq!(names(call(&mut limited, "LOCK.LIST COUNT 1"), 0).len(), 1);
    assert_eq!(names(call(&mut limited, "EVAL return(redis.call('LOCK.LIST')) 0"), 0).len(), 2);
    assert_eq!(names(call(&mut limited, "PREFIX.STATS"), 1), ["mine:"]);
    assert_eq!(call(&mut limited, "PREFIX.STATS other:"), Value::Nil);
    assert_eq!(prefixes(&mut limited), ["mine_"]);
    call(&mut limited, "MULTI");
    call(&mut limited, "LOCK.LIST");
    let Value::Items(_, mut replies) = call(&mut limited, "EXEC") else { panic!("it runs") };
    assert_eq!(names(replies.remove(0), 0), ["mine:1", "mine:2"]);
    // Another client of the same worker sees all.
    assert_eq!(names(call(&mut admin, "LOCK.LIST"), 0).len(), 3);
    // A tag is a name like a key's.
    refuses(&mut limited, "TAG.INFO hidden:tag");
    refuses(&mut limited, "TAG.DROP hidden:tag");
    refuses(&mut limited, "TAG.OF other:1");
    refuses(&mut limited, "TAG.ADD hidden:1 mine:tag");
    allows(&mut limited, "TAG.INFO mine:tag");
    // Nobody sees names by a selector that allows another database.
    let mut elsewhere = user(&server, &mut admin, "+@all ~mine:1 (db=3 ~* +@all)");
    assert_eq!(names(call(&mut elsewhere, "LOCK.LIST"), 0), ["mine:1"]);
}
