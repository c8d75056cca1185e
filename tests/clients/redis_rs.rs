//! Redstart through the eyes of the `redis` crate, in both protocol versions, sync and async.
//!
//! The server is the one under test, or what `REDSTART_BIN` names: with
//! `REDSTART_BIN=redis-server` the tests themselves are tested.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::HashSet;
use std::time::Duration;

use redis::{
    AsyncCommands, Commands, Connection, ErrorKind, PushKind, RedisResult, Script, ServerErrorKind,
    SetExpiry, SetOptions,
};
use redstart_differential::server::Server;

/// The program under test.
fn program() -> String {
    let path = std::env::var("REDSTART_BIN");
    path.unwrap_or_else(|_| env!("CARGO_BIN_EXE_redstart").into())
}

fn server() -> Server {
    Server::start(&[program()]).expect("the server answers PING")
}

fn client(server: &Server, parameters: &str) -> redis::Client {
    let url = format!("redis://127.0.0.1:{}/{parameters}", server.port());
    redis::Client::open(url).expect("a good address")
}

/// Runs `test` over RESP2 and over RESP3, each on an empty server.
fn over_both(test: fn(&mut Connection)) {
    let server = server();
    for parameters in ["", "?protocol=resp3"] {
        let mut connection = client(&server, parameters).get_connection().expect("a connection");
        test(&mut connection);
        let _: () = redis::cmd("FLUSHALL").query(&mut connection).expect("an empty server");
    }
}

fn code_of<T: std::fmt::Debug>(result: RedisResult<T>) -> Option<String> {
    result.expect_err("an error").code().map(str::to_owned)
}

#[test]
fn values_of_every_kind() {
    over_both(|c| {
        let _: () = c.set("text", "schlüssel").unwrap();
        let _: () = c.set("number", -42).unwrap();
        let _: () = c.set("binary", b"\x00\xff\r\n".as_slice()).unwrap();
        assert_eq!(c.get("text"), Ok("schlüssel".to_string()));
        assert_eq!(c.get("number"), Ok(-42));
        assert_eq!(c.get("binary"), Ok(b"\x00\xff\r\n".to_vec()));
        assert_eq!(c.get("missing"), Ok(None::<String>));
        assert_eq!(c.strlen("binary"), Ok(4));
        let big = vec![7u8; 3_000_000];
        let _: () = c.set("big", &big).unwrap();
        assert!(c.get::<_, Vec<u8>>("big").unwrap() == big);
    });
}

#[test]
fn several_keys_at_once() {
    over_both(|c| {
        let _: () = c.mset(&[("a", "1"), ("b", "2")]).unwrap();
        assert_eq!(c.mget(&["a", "x", "b"]), Ok((Some(1), None::<i32>, Some(2))));
        assert_eq!(c.mset_nx(&[("b", "3"), ("c", "4")]), Ok(false));
        assert_eq!(c.exists(&["a", "b", "c"]), Ok(2));
        assert_eq!(c.del(&["a", "c"]), Ok(1));
        assert_eq!(c.unlink("b"), Ok(1));
    });
}

#[test]
fn counters_and_parts() {
    over_both(|c| {
        assert_eq!(c.incr("n", 41), Ok(41));
        assert_eq!(c.incr("n", 1), Ok(42));
        assert_eq!(c.decr("n", 50), Ok(-8));
        assert_eq!(c.incr("n", 0.5), Ok(-7.5));
        assert_eq!(c.append("s", "Hello"), Ok(5));
        assert_eq!(c.setrange("s", 5, " World"), Ok(11));
        assert_eq!(c.getrange("s", -5, -1), Ok("World".to_string()));
    });
}

#[test]
fn deadlines() {
    over_both(|c| {
        let options = SetOptions::default().with_expiration(SetExpiry::EX(100));
        let _: () = c.set_options("k", "v", options).unwrap();
        let left: i64 = c.ttl("k").unwrap();
        assert!((98..=100).contains(&left), "{left}");
        assert_eq!(c.persist("k"), Ok(true));
        assert_eq!(c.ttl("k"), Ok(-1));
        assert_eq!(c.expire_at("k", 4_102_444_800), Ok(true));
        assert_eq!(redis::cmd("EXPIRETIME").arg("k").query(c), Ok(4_102_444_800_i64));
        assert_eq!(c.pexpire("k", 20), Ok(true));
        std::thread::sleep(Duration::from_millis(80));
        assert_eq!(c.exists("k"), Ok(false));
        assert_eq!(c.ttl("k"), Ok(-2));
    });
}

#[test]
fn pipelines_keep_their_order() {
    over_both(|c| {
        let mut pipe = redis::pipe();
        for i in 0..1000 {
            pipe.set(format!("k{i}"), i).ignore().get(format!("k{i}"));
        }
        let replies: Vec<i32> = pipe.query(c).unwrap();
        assert_eq!(replies, (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn a_scan_finds_every_key() {
    over_both(|c| {
        let mut pipe = redis::pipe();
        for i in 0..5000 {
            pipe.set(format!("key:{i}"), i).ignore();
        }
        let _: () = pipe.set("other", 1).ignore().query(c).unwrap();
        let found: Vec<String> = {
            let keys = c.scan_match("key:*").unwrap();
            keys.collect::<RedisResult<_>>().unwrap()
        };
        assert_eq!(found.iter().collect::<HashSet<_>>().len(), 5000);
        assert!(found.iter().all(|key| key.starts_with("key:")));
    });
}

#[test]
fn errors_are_told_apart() {
    over_both(|c| {
        let _: () = c.set("k", "text").unwrap();
        assert_eq!(code_of(c.incr::<_, _, i64>("k", 1)).as_deref(), Some("ERR"));
        let wrong = redis::cmd("SET").arg("k").query::<()>(c).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
        let said = wrong.detail().unwrap_or_default().to_string();
        assert_eq!(said, "wrong number of arguments for 'set' command");
        let unknown = redis::cmd("NOSUCH").arg("a").query::<()>(c).unwrap_err();
        assert!(unknown.to_string().contains("unknown command"), "{unknown}");
        assert_eq!(redis::cmd("PING").query(c), Ok("PONG".to_string()));
    });
}

#[test]
fn a_connection_has_its_database_and_name() {
    let server = server();
    let mut five = client(&server, "5").get_connection().unwrap();
    let _: () = five.set("k", 1).unwrap();
    let mut zero = client(&server, "").get_connection().unwrap();
    assert_eq!(zero.exists("k"), Ok(false));
    let _: () = redis::cmd("CLIENT").arg("SETNAME").arg("me").query(&mut zero).unwrap();
    assert_eq!(redis::cmd("CLIENT").arg("GETNAME").query(&mut zero), Ok("me".to_string()));
    let wrong = client(&server, "16").get_connection();
    assert!(wrong.is_err(), "there are 16 databases");
}

#[test]
fn one_multiplexed_connection_serves_many_tasks() {
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for parameters in ["", "?protocol=resp3"] {
        let client = client(&server, parameters);
        runtime.block_on(async {
            let connection = client.get_multiplexed_async_connection().await.unwrap();
            let tasks: Vec<_> = (0..50)
                .map(|i| {
                    let mut connection = connection.clone();
                    tokio::spawn(async move {
                        for _ in 0..20 {
                            let key = format!("k{i}");
                            let _: () = connection.set(&key, i).await.unwrap();
                            assert_eq!(connection.get(&key).await, Ok(i));
                            let _: i64 = connection.incr("all", 1).await.unwrap();
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
    let mut connection = client(&server, "").get_connection().unwrap();
    assert_eq!(connection.get("all"), Ok(2000));
}

/// Runs `body` with a client of each protocol, on an empty server, in a runtime of one thread.
fn asynchronously<F: Future<Output = ()>>(body: impl Fn(redis::Client) -> F) {
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for parameters in ["", "?protocol=resp3"] {
        let client = client(&server, parameters);
        runtime.block_on(body(client.clone()));
        let _: () = redis::cmd("FLUSHALL").query(&mut client.get_connection().unwrap()).unwrap();
    }
}

#[test]
fn asynchronous_pipelines_and_transactions() {
    asynchronously(|client| async move {
        let mut c = client.get_multiplexed_async_connection().await.unwrap();
        let mut pipe = redis::pipe();
        for i in 0..500 {
            pipe.rpush("list", i).ignore();
        }
        let (len, last): (i64, i64) =
            pipe.llen("list").lindex("list", -1).query_async(&mut c).await.unwrap();
        assert_eq!((len, last), (500, 499));
        let mut atomic = redis::pipe();
        atomic.atomic().incr("n", 1).hset("h", "f", "v").lrange("list", 0, 2);
        let replies: (i64, i64, Vec<i64>) = atomic.query_async(&mut c).await.unwrap();
        assert_eq!(replies, (1, 1, vec![0, 1, 2]));
        let mut failing = redis::pipe();
        failing.atomic().set("k", "text").incr("k", 1);
        let failed: RedisResult<(String, i64)> = failing.query_async(&mut c).await;
        assert!(failed.unwrap_err().to_string().contains("not an integer"));
        assert_eq!(c.get("k").await, Ok("text".to_string()));
    });
}

#[test]
fn watched_counters_lose_no_update() {
    asynchronously(|client| async move {
        // A connection for each task: what is watched belongs to the connection.
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    let connection = client.get_multiplexed_async_connection().await.unwrap();
                    for _ in 0..20 {
                        let add = |mut c: redis::aio::MultiplexedConnection,
                                   mut pipe: redis::Pipeline| async move {
                            let before: Option<i64> = c.get("n").await?;
                            pipe.set("n", before.unwrap_or(0) + 1).query_async(&mut c).await
                        };
                        let _: (String,) =
                            redis::aio::transaction_async(connection.clone(), &["n"], add)
                                .await
                                .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let mut c = client.get_multiplexed_async_connection().await.unwrap();
        assert_eq!(c.get("n").await, Ok(100));
    });
}

#[test]
fn scripts_are_loaded_when_they_are_missing() {
    asynchronously(|client| async move {
        let mut c = client.get_multiplexed_async_connection().await.unwrap();
        let release = Script::new(
            "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end \
             return 0",
        );
        let _: () = c.set("lock", "mine").await.unwrap();
        for (token, released) in [("another's", 0), ("mine", 1), ("mine", 0)] {
            let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut c).await.unwrap();
            assert_eq!(release.key("lock").arg(token).invoke_async(&mut c).await, Ok(released));
        }
        let wrong = Script::new("return redis.call('INCR', KEYS[1])");
        let _: () = c.rpush("list", 1).await.unwrap();
        let failed: RedisResult<i64> = wrong.key("list").invoke_async(&mut c).await;
        assert_eq!(code_of(failed), Some("WRONGTYPE".into()));
    });
}

#[test]
fn messages_come_to_listeners() {
    let server = server();
    let mut speaker = client(&server, "").get_connection().unwrap();
    let mut connection = client(&server, "").get_connection().unwrap();
    let mut listener = connection.as_pubsub();
    listener.subscribe("news").unwrap();
    listener.psubscribe("sport.*").unwrap();
    assert_eq!(speaker.publish("news", "hello"), Ok(1));
    assert_eq!(speaker.publish("sport.chess", "e4"), Ok(1));
    let heard = |message: redis::Msg| {
        (message.get_channel_name().to_string(), message.get_payload::<String>().unwrap())
    };
    assert_eq!(heard(listener.get_message().unwrap()), ("news".into(), "hello".into()));
    assert_eq!(heard(listener.get_message().unwrap()), ("sport.chess".into(), "e4".into()));
    listener.unsubscribe("news").unwrap();
    assert_eq!(speaker.publish("news", "nobody hears"), Ok(0));
}

#[test]
fn pushed_messages_come_between_replies() {
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (sender, mut pushed) = tokio::sync::mpsc::unbounded_channel();
        let config = redis::AsyncConnectionConfig::new().set_push_sender(sender);
        let resp3 = client(&server, "?protocol=resp3");
        let mut c = resp3.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        c.subscribe("news").await.unwrap();
        for i in 0..10 {
            assert_eq!(c.publish("news", i).await, Ok(1));
            assert_eq!(c.incr("n", 1).await, Ok(i + 1));
        }
        let mut heard = Vec::new();
        while heard.len() < 10 {
            let info = pushed.recv().await.unwrap();
            if info.kind == PushKind::Message {
                heard.push(redis::from_redis_value::<i64>(info.data[1].clone()).unwrap());
            }
        }
        assert_eq!(heard, (0..10).collect::<Vec<i64>>());
    });
}

/// Where the server says that it is Redis 8.6.3, the handshake and a lost connection are the same.
#[test]
fn the_newest_version_is_no_surprise() {
    let program = program();
    if !program.ends_with("redstart") {
        println!("SKIPPED: about the version that Redstart says");
        return;
    }
    let server = Server::start(&[program]).expect("the server answers PING");
    for parameters in ["", "?protocol=resp3"] {
        let client = client(&server, parameters);
        let mut connection = client.get_connection().expect("a connection");
        let info: redis::InfoDict = redis::cmd("INFO").query(&mut connection).unwrap();
        assert_eq!(info.get::<String>("redis_version").as_deref(), Some("8.6.3"));
        let id: i64 = redis::cmd("CLIENT").arg("ID").query(&mut connection).unwrap();
        let mut killer = client.get_connection().expect("a connection");
        let kill = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query(&mut killer);
        assert_eq!(kill, Ok(1));
        let lost: RedisResult<String> = redis::cmd("PING").query(&mut connection);
        assert!(lost.is_err_and(|error| error.is_connection_dropped()));
        let mut again = client.get_connection().expect("a connection");
        assert_eq!(redis::cmd("PING").query(&mut again), Ok("PONG".to_owned()));
    }
}
