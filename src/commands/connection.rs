//! PING, ECHO, SELECT, HELLO, AUTH, QUIT, RESET: what a client says about its connection.

use crate::access::DEFAULT;
use crate::access::guesses::LONGEST;
use crate::access::log::{Place, Refused};
use crate::commands::declare::{SessionCommand, is};
use crate::dispatch::rights::{self, What};
use crate::session::{Context, Session, checked_name};
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, Protocol, parse_i64};
use std::sync::atomic::Ordering::Relaxed;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&PING, &ECHO, &SELECT, &HELLO, &AUTH, &QUIT, &RESET];

/// What may be said before authentication, and at any time.
const ALWAYS: Flags = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY;

/// PING [message]
static PING: SessionCommand = declare("ping", Group::Connection, Arity::AtLeast(1))
    .flags(FAST | HEALTH_CHECK | WHILE_SUBSCRIBED)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Answers PONG, or the given message.")
    .syntax("[message]")
    .run(ping);

/// Whether replies must have the form of messages: in RESP2 a subscriber could not tell them apart.
fn listens_in_resp2(session: &Session) -> bool {
    session.listens() && session.out.protocol() == Protocol::Resp2
}

fn ping(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    match args.len() {
        1 | 2 if listens_in_resp2(context.session) => {
            let out = &mut context.session.out;
            out.array(2);
            out.bulk(b"pong");
            out.bulk(args.get(1).unwrap_or_default());
        }
        1 => context.session.out.simple("PONG"),
        2 => context.session.out.bulk(&args[1]),
        _ => return Err(Error::wrong_arity("ping")),
    }
    Ok(())
}

/// ECHO message
static ECHO: SessionCommand = declare("echo", Group::Connection, Arity::Exactly(2))
    .flags(LOADING | STALE | FAST)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Answers the given message.")
    .syntax("message")
    .run(|context, args| {
        context.session.out.bulk(&args[1]);
        Ok(())
    });

/// SELECT index
static SELECT: SessionCommand = declare("select", Group::Connection, Arity::Exactly(2))
    .databases(Databases::At(&[1]))
    .flags(LOADING | STALE | FAST | CONVERSES)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Selects the database that the connection's commands work in.")
    .syntax("index")
    .run(select);

fn select(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let index = parse_i64(&args[1]).ok_or(Error::NOT_INTEGER)?;
    let index = i32::try_from(index).map_err(|_| Error::NOT_32_BITS)?;
    let databases = context.session.server.engine.options.databases();
    let index = usize::try_from(index).ok().filter(|index| *index < databases);
    context.session.select(index.ok_or(Error::DB_OUT_OF_RANGE)?);
    context.session.out.ok();
    Ok(())
}

/// HELLO [protover [AUTH username password] [SETNAME clientname]]
static HELLO: SessionCommand = declare("hello", Group::Connection, Arity::AtLeast(1))
    .flags(ALWAYS | CONVERSES)
    .since("6.0.0")
    .complexity("O(1)")
    .summary("Negotiates the protocol, and may authenticate and name the connection.")
    .syntax("[protover [AUTH username password] [SETNAME clientname]]")
    .secrets(hello_secrets)
    .run(hello);

/// The user and the password behind AUTH.
fn hello_secrets(args: Args<'_>) -> Vec<usize> {
    let mut at = 2;
    while at + 1 < args.len() && is(args.at(at), "setname") {
        at += 2;
    }
    if at + 2 < args.len() && is(args.at(at), "auth") { vec![at + 1, at + 2] } else { Vec::new() }
}

fn hello(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let protocol = args.get(1).map(protocol).transpose()?;
    let (mut user, mut name) = (None, None);
    let mut at = 2;
    while at < args.len() {
        let left = args.len() - at - 1;
        if is(&args[at], "auth") && left >= 2 {
            user = Some((&args[at + 1], &args[at + 2]));
            at += 3;
        } else if is(&args[at], "setname") && left >= 1 {
            name = Some(checked_name(&args[at + 1])?);
            at += 2;
        } else {
            return Err(Error::quoting("ERR Syntax error in HELLO option '", &args[at], "'"));
        }
    }
    if let Some((user, password)) = user {
        authenticate(session, user, password, &args[0])?;
    }
    if !session.authenticated {
        return Err(Error::text(HELLO_UNAUTHENTICATED));
    }
    if let Some(name) = name {
        session.set_name(name)?;
    }
    if let Some(protocol) = protocol {
        session.speak(protocol);
    }
    greet(session);
    Ok(())
}

const HELLO_UNAUTHENTICATED: &str = "NOAUTH HELLO must be called with the client already \
    authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to \
    authenticate the client and select the RESP protocol version at the same time";

fn protocol(version: &[u8]) -> Result<Protocol, Error> {
    match parse_i64(version) {
        Some(2) => Ok(Protocol::Resp2),
        Some(3) => Ok(Protocol::Resp3),
        Some(_) => Err(Error::text("NOPROTO unsupported protocol version")),
        None => Err(Error::text("ERR Protocol version is not an integer or out of range")),
    }
}

fn greet(session: &mut Session) {
    let version = session.server.redis_version();
    let (resp, id) = (session.info.resp.load(Relaxed), session.info.id);
    let out = &mut session.out;
    out.map(7);
    out.bulk(b"server");
    out.bulk(b"redis");
    out.bulk(b"version");
    out.bulk(version.as_bytes());
    out.bulk(b"proto");
    out.integer(resp as i64);
    out.bulk(b"id");
    out.integer(id as i64);
    out.bulk(b"mode");
    out.bulk(b"standalone");
    out.bulk(b"role");
    out.bulk(b"master");
    out.bulk(b"modules");
    out.array(0);
}

/// AUTH [username] password
static AUTH: SessionCommand = declare("auth", Group::Connection, Arity::AtLeast(2))
    .flags(ALWAYS | CONVERSES)
    .since("1.0.0")
    .complexity("O(N) with a password of N bytes.")
    .summary("Says who the client is.")
    .syntax("[username] password")
    .secrets(auth_secrets)
    .run(auth);

/// Everything, unless there is too much.
fn auth_secrets(args: Args<'_>) -> Vec<usize> {
    if args.len() <= 3 { (1..args.len()).collect() } else { Vec::new() }
}

fn auth(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    match args.len() {
        2 if session.server.clients.admission.has_no_password() => {
            return Err(Error::text(NO_PASSWORD));
        }
        2 => authenticate(session, DEFAULT, &args[1], &args[0])?,
        3 => authenticate(session, &args[1], &args[2], &args[0])?,
        _ => return Err(Error::SYNTAX),
    }
    session.out.ok();
    Ok(())
}

const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the \
    default user. Are you sure your configuration is correct?";

/// Checks a user's password; what the client was before a wrong one, it stays. `word` is the
/// command as the client wrote it, which ACL LOG shows.
pub fn authenticate(
    session: &mut Session,
    user: &[u8],
    password: &[u8],
    word: &[u8],
) -> Result<(), Error> {
    match session.access.authenticate(user, password) {
        Some(user) => {
            session.become_user(user);
            Ok(())
        }
        None => {
            if let Some(command) = session.server.registry.get(word) {
                session.info.last_command.store(command.id, Relaxed);
            }
            let queues = session.queue.is_some();
            let place = if queues { Place::Transaction } else { Place::Request };
            let what = What { refused: Refused::Login, place, object: word.to_vec() };
            rights::note(session.server, &session.info, what, user);
            slow_down(session);
            let text = "WRONGPASS invalid username-password pair or user is disabled.";
            Err(Error::text(text))
        }
    }
}

/// Lets the reply to a login that has failed wait, if there were many. Who does not read such
/// replies, and goes on to guess, is not listened to any more.
fn slow_down(session: &mut Session) {
    let now_ms = session.server.clock.now().mono_ms;
    let wait = session.access.guesses.failed(&session.info.addr, now_ms);
    session.wait = session.wait.max(wait);
    session.closing |= wait >= LONGEST;
}

/// QUIT
static QUIT: SessionCommand = declare("quit", Group::Connection, Arity::AtLeast(1))
    .flags(ALWAYS | UNSEEN | WHILE_SUBSCRIBED | IN_MULTI_AT_ONCE | CONVERSES)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Closes the connection.")
    .run(|context, _| {
        context.session.out.ok();
        context.session.closing = true;
        Ok(())
    });

/// RESET
static RESET: SessionCommand = declare("reset", Group::Connection, Arity::Exactly(1))
    .flags(ALWAYS | WHILE_SUBSCRIBED | IN_MULTI_AT_ONCE | CONVERSES)
    .since("6.2.0")
    .complexity("O(1)")
    .summary("Brings the connection back to the state that a new one is in.")
    .run(|context, _| {
        context.session.reset();
        context.session.out.simple("RESET");
        Ok(())
    });

#[cfg(test)]
mod tests {
    use super::*;
    use redstart_protocol::OwnedArgs;

    #[test]
    fn passwords_are_not_shown() {
        let places = |command: &SessionCommand, line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let args = OwnedArgs::from_slices(&words);
            command.spec.secrets.expect("it has passwords")(args.as_args())
        };
        assert_eq!(places(&AUTH, "auth secret"), [1]);
        assert_eq!(places(&AUTH, "auth me secret"), [1, 2]);
        assert_eq!(places(&HELLO, "hello 3 auth me secret setname x"), [3, 4]);
        assert_eq!(places(&HELLO, "hello 3 setname auth auth me secret"), [5, 6]);
        assert_eq!(places(&HELLO, "hello 3 setname x"), [0usize; 0]);
    }
}
