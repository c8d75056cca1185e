//! Ways around the rules that other servers have, too: names of containers and subcommands, wrong
//! numbers of arguments, targets of STORE, keys that a script does not declare, what another user
//! has loaded. What Redstart says is what Redis 8 says, where that is here.

use crate::REDSTART;
use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::server::Server;
use crate::support::talk::{call, connect, ok};
use redstart_differential::oracle;
use std::path::Path;

/// Rules of a user, what it may run, and what not.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "~* +@all -config",
        &["CONFIG", "CONFIG|GET maxmemory", "CLIENT GETNAME"],
        &["CONFIG GET maxmemory", "config get maxmemory", "CoNfIg SeT maxmemory 0", "CONFIG HELP"],
    ),
    (
        "~* +config|get +acl|whoami +client -client|kill +select|0",
        &["CONFIG GET maxmemory", "CONFIG NOSUCH", "ACL WHOAMI", "CLIENT LIST", "SELECT 0"],
        &[
            "CONFIG SET maxmemory 0",
            "CONFIG RESETSTAT",
            "ACL LIST",
            "CLIENT KILL a",
            "SELECT 1",
            "GET a",
        ],
    ),
    (
        "~* +@all -config|set -@dangerous +keys",
        &["KEYS nothing*", "GET a"],
        &["CONFIG SET maxmemory 0", "CONFIG GET maxmemory", "INFO", "SORT l", "FLUSHALL"],
    ),
    (
        // What names no key in full is refused as such, for all users.
        "~mine:* +@all",
        &[
            "GET",
            "GET other more",
            "SET other",
            "EVAL return(1) 2 other",
            "ZUNION 9 other",
            "XREAD STREAMS other",
        ],
        &[
            "MSET mine:1 v other",
            "MSET other v mine:1",
            "DEL mine:1 other",
            "EVAL return(1) 1 other",
        ],
    ),
    (
        "~mine:* +@all",
        &[
            "SORT mine:l STORE mine:d",
            "ZUNIONSTORE mine:d 2 mine:y mine:z",
            "COPY mine:a mine:b REPLACE",
            "LMOVE mine:l mine:l LEFT RIGHT",
        ],
        &[
            "SORT mine:l STORE other",
            "SORT mine:l BY other_*",
            "SORT mine:l GET other_*",
            "SORT_RO mine:l GET other_*",
            "ZUNIONSTORE other 1 mine:z",
            "ZUNIONSTORE mine:d 2 mine:z other",
            "ZRANGESTORE other mine:z 0 1",
            "ZRANGESTORE mine:d other 0 1",
            "SUNIONSTORE mine:d mine:s other",
            "SINTERCARD 2 mine:s other",
            "BITOP AND other mine:a",
            "LMOVE mine:l other LEFT LEFT",
            "RPOPLPUSH mine:l other",
            "COPY mine:a other",
            "RENAME mine:a other",
            "SMOVE mine:s other m",
            "GEORADIUS mine:g 0 0 1 km STORE other",
            "GEORADIUSBYMEMBER mine:g m 1 km STOREDIST other",
            "GEOSEARCHSTORE other mine:g FROMMEMBER m BYRADIUS 1 km",
            "XREAD STREAMS mine:x other 0 0",
            "XREADGROUP GROUP g c STREAMS other >",
            "LCS mine:a other",
            "PFMERGE mine:h other",
            "PFCOUNT other",
            "BLPOP mine:l other 0.01",
            "BLMPOP 0.01 2 mine:l other LEFT",
            "OBJECT ENCODING other",
            "MEMORY USAGE other",
            "XINFO STREAM other",
            "WATCH other",
            "DUMP other",
        ],
    ),
    (
        "%R~r %W~w ~rw +@all",
        &["GET r", "SET w v", "COPY r w", "EXISTS w", "GETSET rw v", "STRLEN w"],
        &[
            "SET r v",
            "GET w",
            "SET w v GET",
            "COPY w r",
            "GETDEL r",
            "GETDEL w",
            "BITFIELD w GET u8 0",
            "APPEND r v",
        ],
    ),
    (
        "~mine:* +@all -append",
        &[
            "EVAL return(redis.call('GET',KEYS[1])) 1 mine:a",
            "EVAL return(redis.call('GET','mine:a')) 0",
            "FCALL read 1 mine:a",
        ],
        &[
            "EVAL return(redis.call('GET','other')) 0",
            "EVAL_RO return(redis.call('GET','other')) 0",
            "EVAL return(redis.pcall('GET','other')) 0",
            "EVAL return(redis.call('SORT',KEYS[1],'STORE','other')) 1 mine:l",
            "EVAL return(redis.call('append',KEYS[1],'x')) 1 mine:a",
            "FCALL read 1 other",
            "FCALL read 0",
            "FCALL add 1 mine:a",
        ],
    ),
    (
        "~* +@all -eval -fcall",
        &["EVALSHA x 0"],
        &["EVAL return(1) 0", "FCALL read 1 a", "eval return(1) 0"],
    ),
];

const LIBRARY: &str = "#!lua name=l\n\
    local function read(keys) return redis.call('GET', keys[1] or 'other') end\n\
    redis.register_function('read', read)\n\
    redis.register_function('add', function(keys) return redis.call('APPEND', keys[1], 'x') end)";

/// Whether a request was refused for its user.
fn is_refusal(reply: &Value) -> bool {
    let Value::Error(said) = reply else { return false };
    let said = String::from_utf8_lossy(said);
    let words = ["NOPERM", "ACL failure in script", "denied due to insufficient ACL permissions"];
    words.iter().any(|words| said.contains(words))
}

/// What a server decides otherwise than the table says.
fn mistakes(server: &Server) -> Vec<String> {
    let mut admin = connect(server);
    let loaded = admin.call(&["FUNCTION", "LOAD", LIBRARY]).expect("it lives");
    assert!(!matches!(loaded, Value::Error(_)), "{loaded:?}");
    for line in ["SET mine:a 1", "SET other 1", "RPUSH mine:l 1 2", "ZADD mine:z 1 m", "SET r 1"] {
        call(&mut admin, line);
    }
    let mut mistakes = Vec::new();
    for (rules, allowed, refused) in CASES {
        assert_eq!(call(&mut admin, &format!("ACL SETUSER u reset on nopass {rules}")), ok());
        let mut client: Client = connect(server);
        assert_eq!(call(&mut client, "AUTH u x"), ok());
        for (lines, is_refused) in [(allowed, false), (refused, true)] {
            for line in *lines {
                let reply = call(&mut client, line);
                if is_refusal(&reply) != is_refused {
                    mistakes.push(format!("{rules}: {line}: {reply:?}"));
                }
            }
        }
    }
    mistakes
}

/// What EXEC still does of what was queued while it was allowed.
fn done_by_exec(server: &Server) -> Vec<Value> {
    let mut admin = connect(server);
    assert_eq!(call(&mut admin, "ACL SETUSER u reset on nopass ~* +@all"), ok());
    let mut client = connect(server);
    assert_eq!(call(&mut client, "AUTH u x"), ok());
    for line in ["MULTI", "GET other", "EVAL return(redis.call('GET','other')) 0", "FCALL read 0"] {
        call(&mut client, line);
    }
    assert_eq!(call(&mut admin, "ACL SETUSER u resetkeys ~mine:*"), ok());
    let Value::Items(_, replies) = call(&mut client, "EXEC") else { panic!("it runs") };
    assert_eq!(replies.len(), 3);
    replies.into_iter().filter(|reply| !is_refusal(reply)).collect()
}

#[test]
fn no_way_leads_around_the_rules() {
    let server = Server::start(Path::new(REDSTART), &["--save", ""]).expect("redstart starts");
    assert_eq!(mistakes(&server), [""; 0]);
    assert_eq!(done_by_exec(&server), []);
    match oracle::find("redis-8") {
        Ok(oracle) => {
            let theirs = Server::start(&oracle.program, &["--save", ""]);
            let mistakes = mistakes(&theirs.expect("the oracle starts"));
            assert!(mistakes.is_empty() || !oracle.is_known, "{mistakes:#?}");
        }
        Err(why) => println!("{why}"),
    }
}
