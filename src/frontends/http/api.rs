//! What `/api/` answers, in JSON. `docs/http.md` documents it.

use super::App;
use super::link::Failure;
use super::reply;
use super::routes::Refusal;
use super::sessions::Session;
use crate::metrics::histogram::Histogram;
use crate::report::history::{COUNTS, Ring, STATES};
use crate::report::usage::Usage;
use crate::server::Server;
use hyper::StatusCode;
use redstart_config::Setting;
use redstart_config::table::{Effect, TABLE};
use redstart_engine::spec::{BLOCKING, CONVERSES};
use redstart_engine::stats::longest_of;
use redstart_protocol::{Args, Span};
use serde_json::{Map, Value, json};

/// Commands of one request at most.
const COMMANDS_MAX: usize = 1000;

/// Makes figures; None where the query asks for what there is not.
pub type Figures = fn(&App, &str) -> Option<Value>;

/// The figures at a path.
pub fn find(path: &str) -> Option<Figures> {
    Some(match path {
        "/api/overview" => overview,
        "/api/history" => history,
        "/api/latency" => latency,
        "/api/commands" => command_costs,
        "/api/parameters" => parameters,
        _ => return None,
    })
}

/// The part of a query that has a name.
pub fn query<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Who is logged in.
pub fn session(session: &Session) -> Value {
    json!({ "user": session.user, "token": session.token })
}

/// How things stand.
fn overview(app: &App, _: &str) -> Option<Value> {
    let server = app.server;
    let past = app.past.lock();
    let last = past.history.last().cloned().unwrap_or_default();
    let memory = past.usage.as_ref().map(memory);
    let databases = past.usage.as_ref().map(databases);
    drop(past);
    let fields = server.durability.info_fields().into_iter();
    let persistence = fields.map(|(name, value)| (name.to_owned(), Value::String(value)));
    let config = server.config.read();
    Some(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "redis_version": String::from_utf8_lossy(config.text(Setting::RedisVersion)),
        "process_id": std::process::id(),
        "port": server.port,
        "workers": server.stats.len(),
        "uptime_s": server.clock.uptime().as_secs(),
        "maxmemory": config.count(Setting::Maxmemory),
        "policy": config.choice(Setting::MaxmemoryPolicy),
        "databases_max": server.engine.options.databases(),
        "maxclients": server.clients.admission.clients_max(),
        "at_s": last.at_s,
        "second": named(&COUNTS, &last.counts),
        "now": named(&STATES, &last.states),
        "memory": memory,
        "databases": databases,
        "persistence": Map::from_iter(persistence),
        "loading": server.durability.is_loading(),
    }))
}

fn named(names: &[&str], values: &[u64]) -> Value {
    let pairs = names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), (*value).into()));
    Value::Object(pairs.collect())
}

fn memory(usage: &Usage) -> Value {
    json!({
        "used": usage.used,
        "peak": usage.peak.0,
        "resident": usage.resident(),
        "dataset": usage.dataset(),
        "overhead": usage.totals.overhead_bytes,
        "clients": usage.clients,
        "scripts": usage.scripts.bytes(),
        "log": usage.log,
        "leaving": usage.leaving,
        "startup": usage.startup,
        "machine": usage.process.machine_bytes,
    })
}

fn databases(usage: &Usage) -> Value {
    let all = usage.totals.dbs.iter().enumerate().filter(|(_, db)| db.keys > 0);
    all.map(|(db, totals)| json!({ "db": db, "keys": totals.keys, "volatile": totals.volatile }))
        .collect()
}

/// What was, in columns: `?range=minutes`, `hour` or `day`.
fn history(app: &App, text: &str) -> Option<Value> {
    let past = app.past.lock();
    let ring = past.history.range(query(text, "range").unwrap_or("hour"))?;
    let mut columns = Map::new();
    for (at, name) in COUNTS.iter().enumerate() {
        let values = ring.samples().map(|sample| Value::from(sample.counts[at]));
        columns.insert((*name).to_owned(), values.collect());
    }
    for (at, name) in STATES.iter().enumerate() {
        let values = ring.samples().map(|sample| Value::from(sample.states[at]));
        columns.insert((*name).to_owned(), values.collect());
    }
    Some(json!({ "step_s": ring.step_s, "at_s": times(ring), "columns": columns }))
}

fn times(ring: &Ring) -> Value {
    ring.samples().map(|sample| Value::from(sample.at_s)).collect()
}

/// How long commands took: for each span of the range the commands of each row. Rows double.
fn latency(app: &App, text: &str) -> Option<Value> {
    let past = app.past.lock();
    let ring = past.history.range(query(text, "range").unwrap_or("hour"))?;
    // Row n ends with the last of its 32 buckets.
    let rows = (0..32).map(|row| longest_of(row * 32 + 31) + 1);
    let counts: Value = ring.samples().map(|sample| Value::from(sample.latency.to_vec())).collect();
    Some(json!({
        "step_s": ring.step_s,
        "at_s": times(ring),
        "below_ns": rows.collect::<Vec<u64>>(),
        "counts": counts,
    }))
}

/// What each command has cost since the start.
fn command_costs(app: &App, _: &str) -> Option<Value> {
    let mut all = Vec::new();
    for registered in app.server.registry.iter() {
        let id = usize::from(registered.id);
        let sum = |count: fn(&redstart_engine::stats::Stats, usize) -> u64| -> u64 {
            app.server.stats.iter().map(|stats| count(stats, id)).sum()
        };
        let calls = sum(|stats, id| stats.calls[id].value());
        let failed = sum(|stats, id| stats.times[id].failed.value());
        let rejected = sum(|stats, id| stats.times[id].rejected.value());
        if calls + rejected == 0 {
            continue;
        }
        let histogram = Histogram::of(app.server.stats, registered.id);
        let us = |percentage: f64| histogram.percentile(percentage) as f64 / 1000.0;
        all.push(json!({
            "name": registered.full_name(),
            "calls": calls,
            "us": sum(|stats, id| stats.times[id].ns.value()) / 1000,
            "failed": failed,
            "rejected": rejected,
            "p50_us": us(50.0),
            "p99_us": us(99.0),
            "p999_us": us(99.9),
        }));
    }
    Some(Value::Array(all))
}

/// Every parameter: what it is, what it means, and whether it was changed. A password is not shown.
fn parameters(app: &App, _: &str) -> Option<Value> {
    let config = app.server.config.read();
    let shown = TABLE.iter().filter(|(_, param)| !param.hidden);
    let each = shown.map(|(setting, param)| {
        let value = if param.sensitive {
            String::new()
        } else {
            String::from_utf8_lossy(&config.format(*setting)).into_owned()
        };
        let effect = match param.effect {
            Effect::Honoured => "honoured",
            Effect::None => "none",
            Effect::Refused(_) => "refused",
        };
        json!({
            "name": param.name,
            "value": value,
            "default": param.default,
            "secret": param.sensitive,
            "set": config.was_set(*setting),
            "immutable": param.immutable,
            "effect": effect,
            "choices": param.kind.choices(),
            "meaning": redstart_config::meaning::of(*setting),
        })
    });
    Some(each.collect())
}

/// Reads the commands of a body: one, or an array of them.
///
/// # Errors
/// When the body is none, or a command cannot run over HTTP.
pub fn commands(server: &Server, body: &[u8], many: bool) -> Result<Vec<Vec<Vec<u8>>>, Refusal> {
    let wrong = |text: String| (StatusCode::BAD_REQUEST, text);
    let given: Value = serde_json::from_slice(body)
        .map_err(|error| wrong(format!("The body is no JSON: {error}")))?;
    let given = if many { given } else { Value::Array(vec![given]) };
    let Value::Array(given) = given else { return Err(wrong(WANTED_MANY.to_owned())) };
    if given.is_empty() || given.len() > COMMANDS_MAX {
        return Err(wrong(WANTED_MANY.to_owned()));
    }
    let mut commands = Vec::with_capacity(given.len());
    for command in &given {
        let args = command.as_array().filter(|args| !args.is_empty());
        let args = args.and_then(|args| args.iter().map(reply::argument).collect());
        let args: Vec<Vec<u8>> = args.ok_or_else(|| wrong(WANTED.to_owned()))?;
        if let Some(reason) = refuses(server, &args) {
            return Err(wrong(reason));
        }
        commands.push(args);
    }
    Ok(commands)
}

const WANTED: &str = "A command is an array of strings, numbers and {\"base64\": \"...\"}";
const WANTED_MANY: &str = "The body is an array of 1 to 1000 commands";

/// Why a command cannot run over HTTP, if so: it would wait, or change what the connection is.
fn refuses(server: &Server, args: &[Vec<u8>]) -> Option<String> {
    let bytes = args.concat();
    let mut start = 0;
    let span = |arg: &Vec<u8>| {
        let span = Span { start, len: arg.len() as u32 };
        start += span.len;
        span
    };
    let spans: Vec<Span> = args.iter().map(span).collect();
    let registered = server.registry.resolve(Args::new(&bytes, &spans)).ok().flatten()?;
    let name = registered.full_name().to_uppercase();
    if registered.command.is(BLOCKING) {
        return Some(format!("{name} may wait, which no command over HTTP does"));
    }
    let converses = registered.command.is(CONVERSES);
    converses.then(|| format!("{name} is about a connection, and HTTP has none of its own"))
}

/// Replies in JSON: `{"reply": ...}` or `{"error": "..."}`; of many commands an array of these.
pub fn replies(replies: &[Vec<u8>], many: bool) -> Value {
    let each = |bytes: &Vec<u8>| match reply::to_json(bytes) {
        Some(Value::Object(map)) if map.len() == 1 && map.contains_key("error") => {
            Value::Object(map)
        }
        Some(value) => json!({ "reply": value }),
        None => json!({ "error": "The reply is not understood" }),
    };
    if many {
        replies.iter().map(each).collect()
    } else {
        replies.first().map_or(Value::Null, each)
    }
}

/// What it means that there are no replies.
pub fn failure(failure: Failure) -> Refusal {
    let (status, text) = match failure {
        Failure::Gone => (StatusCode::UNAUTHORIZED, "The session's connection has ended"),
        Failure::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "Too many requests wait"),
        Failure::TooLarge => (StatusCode::INSUFFICIENT_STORAGE, "The reply is larger than 8 MB"),
        Failure::NoDatabase => (StatusCode::BAD_REQUEST, "The database cannot be selected"),
    };
    (status, text.to_owned())
}
