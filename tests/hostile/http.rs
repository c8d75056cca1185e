//! The same over HTTP (`http-port`): who may ask what, what is refused, and that clients of RESP
//! are served whatever happens there. And, because these need the same tools, what `/metrics` and
//! `/api/` answer to those who may ask.

use super::support::client::Client;
use super::support::resp::Value;
use super::support::server::{Server, free_port};
use super::{assert_served, start};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What a server answered: the status, the head and the body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// A server with a port for HTTP.
struct Web {
    server: Server,
    port: u16,
}

impl Web {
    fn start(args: &[&str]) -> Web {
        let port = free_port();
        let text = port.to_string();
        let mut all = vec!["--http-port", &text];
        all.extend(args);
        Web { server: start(&all), port }
    }

    fn client(&self) -> Client {
        Client::connect(self.server.port()).expect("it connects")
    }

    /// Sends bytes and returns what comes back until the connection ends.
    fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it connects");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout is settable");
        // The server may refuse before it has read all.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text += &format!("Host: 127.0.0.1:{}\r\n", self.port);
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.raw(text.as_bytes())
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    /// Logs in; returns the cookie and the token.
    fn log_in(&self, login: &str) -> Result<(String, String), Answer> {
        let answer = self.ask("POST", "/api/session", &[], login);
        if answer.status != 200 {
            return Err(answer);
        }
        let cookie = answer.head.split("set-cookie: ").nth(1).expect("there is a cookie");
        assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"));
        let cookie = cookie.split(';').next().expect("it has a value").to_owned();
        Ok((cookie, word(&answer.body, "token")))
    }

    /// Runs a command in a session.
    fn command(&self, (cookie, token): &(String, String), body: &str) -> Answer {
        let headers = [("Cookie", &cookie[..]), ("X-Redstart-Token", token)];
        self.ask("POST", "/api/command", &headers, body)
    }
}

/// A text of an object in JSON.
fn word(json: &str, name: &str) -> String {
    let value = json.split(&format!("\"{name}\":\"")).nth(1).unwrap_or_default();
    value.split('"').next().unwrap_or_default().to_owned()
}

#[test]
fn whoever_watches_the_process_is_answered() {
    let web = Web::start(&[]);
    assert_eq!((web.get("/health").status, web.get("/ready").status), (200, 200));
    let named = [("Host", "any.name.at.all")];
    assert_eq!(web.ask("GET", "/health", &named, "").body, "ok\n");
    let page = web.get("/");
    assert_eq!(page.status, 200);
    for header in
        ["content-security-policy: default-src 'none'", "nosniff", "frame-ancestors 'none'"]
    {
        assert!(page.head.contains(header), "{}", page.head);
    }
    assert_eq!(web.get("/app.js").status, 200);
    for path in ["/../Cargo.toml", "//etc/passwd", "/%2e%2e/", "/app.js/", "/page/app.js", "/api/x"]
    {
        assert_eq!(web.get(path).status, 404, "{path}");
    }
    assert_eq!(web.ask("POST", "/", &[], "").status, 405);
    assert_eq!(web.ask("DELETE", "/metrics", &[], "").status, 405);
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let web = Web::start(&["--appendonly", "yes", "--slowlog-log-slower-than", "0"]);
    let mut client = web.client();
    for line in ["SET a 1 EX 100", "GET a", "GET b", "LPUSH a x", "LOCK.ACQUIRE l me TTL 60000"] {
        client.call(&line.split(' ').collect::<Vec<_>>()).expect("it is answered");
    }
    client.call(&["EVAL", "return redis.error_reply('A\"B\\n x')", "0"]).expect("it is answered");
    let text = web.get("/metrics").body;
    let mut families = BTreeSet::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let name = family.split(' ').next().expect("it has a name").to_owned();
            assert!(families.insert(name.clone()), "{name} stands twice");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = name.split('{').next().expect("it has a name");
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let known = families.contains(name) || base.is_some_and(|base| families.contains(base));
            assert!(known, "{line} is of no family");
        }
    }
    // What the common board for redis_exporter asks for.
    let board = [
        "redis_up",
        "redis_uptime_in_seconds",
        "redis_connected_clients",
        "redis_blocked_clients",
        "redis_memory_used_bytes",
        "redis_memory_max_bytes",
        "redis_commands_processed_total",
        "redis_commands_total{cmd=\"get\"} 2",
        "redis_commands_duration_seconds_total{cmd=\"get\"}",
        "redis_keyspace_hits_total 1",
        "redis_keyspace_misses_total 1",
        "redis_net_input_bytes_total",
        "redis_net_output_bytes_total",
        "redis_db_keys{db=\"db0\"} 2",
        "redis_db_keys_expiring{db=\"db0\"} 2",
        "redis_expired_keys_total",
        "redis_evicted_keys_total",
        "redis_instance_info{role=\"master\"",
        "redis_errors_total{err=\"WRONGTYPE\"} 1",
        "redis_slowlog_length",
        "redis_start_time_seconds",
        "redstart_command_duration_seconds_bucket{cmd=\"get\",le=\"+Inf\"} 2",
        "redstart_locks 1",
        "redstart_log_unsynced_records",
        "redstart_snapshot_age_seconds",
    ];
    for line in board {
        assert!(text.lines().any(|have| have.starts_with(line)), "{line} is missing");
    }
}

#[test]
fn commands_run_as_a_client_with_the_users_rights() {
    let web = Web::start(&[]);
    let mut client = web.client();
    client.call(&["ACL", "SETUSER", "ann", "on", ">pw", "~a:*", "+get", "+set"]).expect("made");
    let session = web.log_in("{}").ok().expect("no password is wanted");
    let reply = |body: &str| web.command(&session, body).body;
    assert_eq!(reply(r#"["SET","k",1]"#), r#"{"reply":"OK"}"#);
    assert_eq!(reply(r#"["INCR","k"]"#), r#"{"reply":2}"#);
    assert_eq!(reply(r#"["LPUSH","k","x"]"#).split(' ').next(), Some(r#"{"error":"WRONGTYPE"#));
    assert_eq!(reply(r#"["SET","b",{"base64":"//4="}]"#), r#"{"reply":"OK"}"#);
    assert_eq!(reply(r#"["GET","b"]"#), r#"{"reply":{"base64":"//4="}}"#);
    assert_eq!(
        reply(r#"["CONFIG","GET","port"]"#).split(',').next(),
        Some(r#"{"reply":{"map":[["port""#)
    );
    let list = client.call(&["CLIENT", "LIST"]).expect("it is answered");
    let Value::Bulk(list) = list else { panic!("{list:?}") };
    assert!(String::from_utf8_lossy(&list).contains("name=http "));
    for refused in ["BLPOP", "XREAD", "SUBSCRIBE", "MONITOR", "MULTI", "SELECT", "AUTH", "QUIT"] {
        let answer = web.command(&session, &format!("[\"{refused}\",\"a\",\"b\"]"));
        assert_eq!(answer.status, 400, "{refused}: {}", answer.body);
    }
    for wrong in ["", "{}", "[]", "[null]", "[[]]", "[\"GET\"", "\"PING\"", "[true]"] {
        assert_eq!(web.command(&session, wrong).status, 400, "{wrong}");
    }
    // A program says who it is with each request; ann:pw.
    let basic = [("Authorization", "Basic YW5uOnB3")];
    let run = |body: &str| web.ask("POST", "/api/command?db=0", &basic, body).body;
    assert_eq!(run(r#"["SET","a:1","x"]"#), r#"{"reply":"OK"}"#);
    assert!(run(r#"["GET","k"]"#).starts_with(r#"{"error":"NOPERM"#));
    assert_eq!(web.ask("GET", "/api/overview", &basic, "").status, 403);
    // A session ends with its connection.
    client.call(&["CLIENT", "KILL", "TYPE", "normal"]).expect("it is answered");
    assert_eq!(web.command(&session, r#"["PING"]"#).status, 401);
}

#[test]
fn nothing_changes_without_a_token_or_from_another_page() {
    let web = Web::start(&[]);
    let (cookie, token) = web.log_in("{}").ok().expect("no password is wanted");
    let both = [("Cookie", &cookie[..]), ("X-Redstart-Token", &token[..])];
    let post = |headers: &[(&str, &str)]| {
        web.ask("POST", "/api/command", headers, r#"["SET","k","v"]"#).status
    };
    assert_eq!(post(&[]), 401);
    assert_eq!(post(&both[..1]), 403);
    assert_eq!(post(&both[1..]), 401);
    assert_eq!(post(&[both[0], ("X-Redstart-Token", "0")]), 403);
    let with = |header: (&'static str, &'static str)| post(&[both[0], both[1], header]);
    assert_eq!(with(("Origin", "http://evil.example")), 403);
    assert_eq!(with(("Origin", "null")), 403);
    assert_eq!(with(("Sec-Fetch-Site", "cross-site")), 403);
    assert_eq!(with(("Host", "evil.example")), 403);
    let mut client = web.client();
    let none = client.call(&["EXISTS", "k"]).expect("it is answered");
    assert!(matches!(none, Value::Int(0)), "{none:?}");
    assert_eq!(post(&both), 200);
    let foreign = [("Host", "evil.example")];
    for path in ["/", "/metrics", "/api/overview", "/api/session"] {
        assert_eq!(web.ask("GET", path, &foreign, "").status, 403, "{path}");
    }
    let from_elsewhere = [("Sec-Fetch-Site", "cross-site")];
    assert_eq!(web.ask("GET", "/metrics", &from_elsewhere, "").status, 403);
    assert_eq!(web.ask("GET", "/", &from_elsewhere, "").status, 200);
    assert_eq!(web.ask("DELETE", "/api/session", &both, "").status, 200);
    assert_eq!(post(&both), 401);
}

#[test]
fn with_a_password_nothing_is_shown_without_it() {
    let web = Web::start(&[]);
    let set = web.client().call(&["CONFIG", "SET", "requirepass", "secret"]);
    assert!(matches!(set, Ok(Value::Simple(_))), "{set:?}");
    for path in ["/metrics", "/api/overview", "/api/history", "/api/parameters"] {
        assert_eq!(web.get(path).status, 401, "{path}");
    }
    assert_eq!((web.get("/").status, web.get("/health").status), (200, 200));
    for wrong in ["{}", r#"{"password":"x"}"#, r#"{"user":"ann","password":"secret"}"#] {
        assert_eq!(web.log_in(wrong).err().map(|answer| answer.status), Some(401), "{wrong}");
    }
    let session = web.log_in(r#"{"password":"secret"}"#).ok().expect("that is it");
    assert_eq!(web.command(&session, r#"["PING"]"#).body, r#"{"reply":"PONG"}"#);
    let shown = web.ask("GET", "/api/parameters", &[("Cookie", &session.0)], "");
    assert!(shown.status == 200 && !shown.body.contains(":\"secret\""), "{}", shown.body.len());
    // default:secret
    let basic = [("Authorization", "Basic ZGVmYXVsdDpzZWNyZXQ=")];
    assert_eq!(web.ask("GET", "/metrics", &basic, "").status, 200);
}

#[test]
fn what_is_too_much_or_too_slow_is_refused() {
    let web = Web::start(&[]);
    let mut client = web.client();
    let long = "x".repeat(64 * 1024);
    let refused = web.ask("GET", "/", &[("X-Long", &long)], "").status;
    assert!(matches!(refused, 0 | 400 | 431), "{refused}");
    let many: Vec<(&str, &str)> = (0..200).map(|_| ("X-Many", "1")).collect();
    assert!(matches!(web.ask("GET", "/", &many, "").status, 0 | 400 | 431));
    let session = web.log_in("{}").ok().expect("no password is wanted");
    let large = format!("[\"SET\",\"k\",\"{}\"]", "v".repeat(2 << 20));
    assert!(matches!(web.command(&session, &large).status, 413 | 0));
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(web.command(&session, &deep).status, 400);
    // A reply that is too large is thrown away, and the next one is the right one.
    client.call(&["SETRANGE", "big", "9000000", "x"]).expect("it is answered");
    assert_eq!(web.command(&session, r#"["GET","big"]"#).status, 507);
    assert_eq!(web.command(&session, r#"["PING"]"#).body, r#"{"reply":"PONG"}"#);
    // More connections than there is room for, all of them idle.
    let began = Instant::now();
    let connect = || TcpStream::connect(("127.0.0.1", web.port));
    let idle: Vec<TcpStream> = (0..300).filter_map(|_| connect().ok()).collect();
    assert_served(&mut client);
    // They are closed after a while, and so are those whose heads never end.
    let mut slow = idle;
    let ends = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nX: ");
        let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).is_ok() || rest.is_empty()
    };
    assert!(slow.iter_mut().all(ends));
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    assert_eq!(web.get("/health").status, 200);
    assert_served(&mut client);
}
