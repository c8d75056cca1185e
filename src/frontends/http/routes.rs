//! Which answer a request gets: who asks (`guard.rs`), what for, and whether it may.
//!
//! ```text
//!   GET    /, /app.js, ...             the page
//!   GET    /health, /ready             for whatever watches the process
//!   GET    /metrics                    for Prometheus
//!   GET    /api/overview, ...          figures (api.rs)
//!   POST   /api/session                log in;  GET: who is it;  DELETE: log out
//!   POST   /api/command, /api/commands commands, as a client
//! ```
//!
//! What changes something wants the session's token in the header `X-Redstart-Token`, which a page
//! of another site cannot know, or a name and a password (`Authorization: Basic`), which no browser
//! is ever asked for here.

use super::api;
use super::assets;
use super::guard;
use super::sessions::{Denied, Session, log_in};
use super::{App, link::Link};
use crate::access::databases::Where;
use crate::access::user::User;
use crate::clients::address::Address;
use crate::report::prometheus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use redstart_protocol::{Args, Span};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A request's body at most, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How long commands may take before the answer is that they go on.
const REPLY_PATIENCE: Duration = Duration::from_secs(30);
/// What the page may load, and that no other page may show it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";
/// Headers of every answer.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];
const TOKEN: HeaderName = HeaderName::from_static("x-redstart-token");

/// An answer.
pub type Answer = Response<Full<Bytes>>;

/// Why a request gets no better answer.
pub type Refusal = (StatusCode, String);

/// Who asks.
enum Caller {
    /// Somebody who has logged in.
    Session(Arc<Session>),
    /// A program that says who it is with each request.
    Once(String, Link),
    /// Anybody.
    Nobody,
}

/// Answers a request.
///
/// # Errors
/// Never.
pub async fn answer(
    app: &'static App,
    addr: SocketAddr,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let mut answer = match route(app, addr, request).await {
        Ok(answer) => answer,
        Err((status, text)) => json_answer(status, &json!({ "error": text })),
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(answer)
}

async fn route(
    app: &'static App,
    addr: SocketAddr,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let (path, get) = (head.uri.path(), head.method == Method::GET);
    // Whatever watches the process may call it by any name.
    match path {
        "/health" if get => return Ok(text_answer(StatusCode::OK, "ok\n")),
        "/ready" if get && app.server.durability.is_loading() => {
            return Ok(text_answer(StatusCode::SERVICE_UNAVAILABLE, "loading\n"));
        }
        "/ready" if get => return Ok(text_answer(StatusCode::OK, "ready\n")),
        _ => {}
    }
    guard::check(&head.headers, &app.hosts, path == "/" && get)
        .map_err(|reason| (StatusCode::FORBIDDEN, reason.to_owned()))?;
    if let Some(assets::Asset(kind, bytes)) = assets::find(path) {
        if !get {
            return Err(not_allowed());
        }
        return Ok(with_type(StatusCode::OK, kind, Bytes::from_static(bytes)));
    }
    let query = head.uri.query().unwrap_or_default();
    let changes = !get;
    match (&head.method, path) {
        (&Method::POST, "/api/session") => return log_on(app, addr, body).await,
        (&Method::DELETE, "/api/session") => {
            let caller = caller(app, addr, &head.headers, changes).await?;
            if let (Caller::Session(_), Some(cookie)) = (&caller, cookie(app, &head.headers)) {
                app.sessions.close(cookie);
            }
            return Ok(json_answer(StatusCode::OK, &json!({})));
        }
        (&Method::POST, "/api/command" | "/api/commands") => {
            let caller = caller(app, addr, &head.headers, changes).await?;
            let body = read(body).await?;
            return run(app, &caller, path == "/api/commands", query, &body).await;
        }
        (&Method::GET, _) => {}
        _ if path.starts_with("/api/") || path == "/metrics" => return Err(not_allowed()),
        _ => return Err(not_found()),
    }
    let caller = caller(app, addr, &head.headers, changes).await?;
    match path {
        "/api/session" => match caller {
            Caller::Session(session) => Ok(json_answer(StatusCode::OK, &api::session(&session))),
            _ => Err((StatusCode::UNAUTHORIZED, "Nobody is logged in".to_owned())),
        },
        "/metrics" => {
            may_see(app, &caller)?;
            let text = aside(|| prometheus::text(app.server)).await?.map_err(busy)?;
            Ok(with_type(StatusCode::OK, prometheus::CONTENT_TYPE, text.into()))
        }
        _ => {
            let figures = api::find(path).ok_or_else(not_found)?;
            may_see(app, &caller)?;
            let query = query.to_owned();
            let found = aside(move || figures(app, &query)).await?;
            Ok(json_answer(StatusCode::OK, &found.ok_or_else(not_found)?))
        }
    }
}

/// Runs what may have to wait for a shard or take a while on another thread.
async fn aside<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    let broken = |_| (StatusCode::INTERNAL_SERVER_ERROR, "The server ends".to_owned());
    tokio::task::spawn_blocking(f).await.map_err(broken)
}

fn busy(error: redstart_engine::Error) -> Refusal {
    let mut reply = redstart_protocol::Reply::new(redstart_protocol::Protocol::Resp2);
    error.write(&mut reply);
    let text = String::from_utf8_lossy(&reply.to_vec()).trim().to_owned();
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

fn not_found() -> Refusal {
    (StatusCode::NOT_FOUND, "There is nothing here".to_owned())
}

fn not_allowed() -> Refusal {
    (StatusCode::METHOD_NOT_ALLOWED, "This is not done that way".to_owned())
}

/// Who asks. A request that `changes` something must prove it.
async fn caller(
    app: &'static App,
    addr: SocketAddr,
    headers: &HeaderMap,
    changes: bool,
) -> Result<Caller, Refusal> {
    let refused = |text: &str| (StatusCode::UNAUTHORIZED, text.to_owned());
    if let Some(given) = headers.get(AUTHORIZATION) {
        let login = given.to_str().ok().and_then(basic);
        let login = login.ok_or_else(|| refused("Authorization is not Basic"))?;
        let user = login.0.clone();
        return match log_in(&app.connect, Address::Tcp(addr), Some(login)).await {
            Ok(link) => Ok(Caller::Once(user, link)),
            Err(denied) => Err(refusal(denied)),
        };
    }
    let now_ms = app.server.clock.now().mono_ms;
    match cookie(app, headers).and_then(|cookie| app.sessions.find(cookie, now_ms)) {
        Some(session) => {
            let token = headers.get(TOKEN).map(HeaderValue::as_bytes);
            if changes && token != Some(session.token.as_bytes()) {
                return Err((StatusCode::FORBIDDEN, "The session's token is missing".to_owned()));
            }
            Ok(Caller::Session(session))
        }
        None if changes => Err(refused("Log in first")),
        None => Ok(Caller::Nobody),
    }
}

/// The user and the password of `Basic`; without a user it is `default`.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, coded) = header.split_once(' ')?;
    let decoded = STANDARD.decode(coded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    let user = if user.is_empty() { "default" } else { user };
    scheme.eq_ignore_ascii_case("basic").then(|| (user.to_owned(), password.to_owned()))
}

/// The session's cookie. Its name has the port, because all ports of a host share their cookies.
fn cookie<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = format!("redstart-{}", app.port);
    let all = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut pairs = all.flat_map(|header| header.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(&name)?.strip_prefix('='))
}

/// Whether the caller may see the figures: who may run INFO may.
fn may_see(app: &App, caller: &Caller) -> Result<(), Refusal> {
    let access = app.server.access;
    let user: Option<Arc<User>> = match caller {
        Caller::Session(session) => access.find(session.user.as_bytes()),
        Caller::Once(name, _) => access.find(name.as_bytes()),
        Caller::Nobody => Some(access.default_user()).filter(|user| user.is_open()),
    };
    let Some(user) = user else {
        return Err((StatusCode::UNAUTHORIZED, "Log in first".to_owned()));
    };
    let info = b"info";
    let spans = [Span { start: 0, len: info.len() as u32 }];
    let registered = app.server.registry.get(info).expect("INFO is a command");
    // INFO is about no database.
    user.check(registered, Args::new(info, &spans), Where { db: 0, count: 0 })
        .map_err(|_| (StatusCode::FORBIDDEN, "This user may not run INFO".to_owned()))
}

/// Logs in.
async fn log_on(app: &App, addr: SocketAddr, body: Incoming) -> Result<Answer, Refusal> {
    let body = read(body).await?;
    let given: Value = serde_json::from_slice(&body).map_err(unreadable)?;
    let word = |name: &str| given.get(name).and_then(Value::as_str).filter(|word| !word.is_empty());
    let login = word("password")
        .map(|password| (word("user").unwrap_or("default").to_owned(), password.to_owned()));
    let now_ms = app.server.clock.now().mono_ms;
    let opened = app.sessions.open(&app.connect, Address::Tcp(addr), login, now_ms).await;
    let (cookie, session) = opened.map_err(refusal)?;
    let mut answer = json_answer(StatusCode::OK, &api::session(&session));
    let cookie = format!("redstart-{}={cookie}; Path=/; HttpOnly; SameSite=Strict", app.port);
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(answer)
}

fn refusal(denied: Denied) -> Refusal {
    match denied {
        Denied::Refused(text) => (StatusCode::UNAUTHORIZED, text),
        Denied::TooMany => (StatusCode::SERVICE_UNAVAILABLE, "Too many have logged in".to_owned()),
    }
}

fn unreadable(error: serde_json::Error) -> Refusal {
    (StatusCode::BAD_REQUEST, format!("The body is not the JSON that is wanted: {error}"))
}

/// Runs commands.
async fn run(
    app: &App,
    caller: &Caller,
    many: bool,
    query: &str,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let commands = api::commands(app.server, body, many)?;
    let db = api::query(query, "db").map_or(Ok(0), |db| {
        db.parse::<usize>().map_err(|_| (StatusCode::BAD_REQUEST, "db is a number".to_owned()))
    })?;
    let link = match caller {
        Caller::Session(session) => &session.link,
        Caller::Once(_, link) => link,
        Caller::Nobody => return Err((StatusCode::UNAUTHORIZED, "Log in first".to_owned())),
    };
    let replies = match tokio::time::timeout(REPLY_PATIENCE, link.run_in(db, &commands)).await {
        Ok(replies) => replies.map_err(api::failure)?,
        Err(_) => {
            let text = "The command is not done yet; it goes on".to_owned();
            return Err((StatusCode::GATEWAY_TIMEOUT, text));
        }
    };
    Ok(json_answer(StatusCode::OK, &api::replies(&replies, many)))
}

/// Reads a request's body.
async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_PATIENCE, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "The body is too large".to_owned())),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "The body takes too long".to_owned())),
    }
}

fn with_type(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    answer
}

fn text_answer(status: StatusCode, text: &'static str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn json_answer(status: StatusCode, value: &Value) -> Answer {
    with_type(status, "application/json", value.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password() {
        let read = |header: &str| basic(header);
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(read("Basic YTpiOmM="), pair("a", "b:c"));
        assert_eq!(read("basic OnA="), pair("default", "p"));
        assert!(read("Bearer YTpi").is_none() && read("Basic YQ==").is_none());
        assert!(read("Basic !").is_none() && read("Basic").is_none());
    }
}
