//! A client that waits in a command: BLPOP and its kind.
//!
//! The client's requests behind it stay in its input until the wait ends. Meanwhile its task
//! sleeps: it is woken by the reply, its own timer, the end of the connection, or pushed messages.
//! A thread that ends the wait claims it first, so that it ends once; see
//! `engine/src/keyspace/waiters.rs`.

use crate::clients::client::ClientInfo;
use crate::metrics::errors::Failed;
use crate::session::{Quiet, Session};
use redstart_engine::keyspace::waiters::{Waiter, Wake};
use redstart_engine::run::command::Serve;
use redstart_engine::spec::{BLOCKING, WAITS_IF_ASKED};
use redstart_engine::stats::Stats;
use redstart_engine::{Command, Engine, Now, Prepared, WorkerState};
use redstart_protocol::{Args, Reply};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// A longer wait is cut to this: thirty years.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

/// A wait.
pub struct Blocked {
    engine: &'static Engine,
    waiter: Arc<Waiter>,
    info: Arc<ClientInfo>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether CLIENT REPLY silences the reply.
    quiet: bool,
}

/// Whether a request may wait.
#[inline]
pub fn may_block(command: &Command, args: Args<'_>) -> bool {
    command.is(BLOCKING) && (!command.is(WAITS_IF_ASKED) || is_asked_to_wait(args))
}

/// Whether one of the arguments asks to wait. One that is there for another reason does no harm: the
/// request is taken for one that may wait.
fn is_asked_to_wait(args: Args<'_>) -> bool {
    args.iter()
        .skip(1)
        .any(|arg| arg.eq_ignore_ascii_case(b"WAIT") || arg.eq_ignore_ascii_case(b"BLOCK"))
}

/// Runs a request that may wait.
pub fn run(
    session: &mut Session,
    local: &mut WorkerState,
    request: Prepared<'_>,
    serve: Serve,
    now: Now,
) {
    let engine = &session.server.engine;
    let info = &session.info;
    let client = || info.clone() as Arc<dyn Wake>;
    let waiter = engine.run_blocking(local, request, serve, now, &mut session.out, client);
    if let Some(waiter) = waiter {
        wait(session, waiter, now);
    }
}

/// Makes a session wait in a command that no key ends, for `timeout_ms` milliseconds (zero is for
/// ever); `late` writes the reply if the time runs out.
pub fn wait_without_keys(
    session: &mut Session,
    timeout_ms: u64,
    now: Now,
    late: impl Fn(&mut Reply) + Send + Sync + 'static,
) -> Arc<Waiter> {
    let (protocol, client) = (session.out.protocol(), session.info.clone());
    let late = Box::new(late);
    let waiter = Waiter::without_keys(timeout_ms, now, protocol, client, late);
    let waiter = Arc::new(waiter);
    wait(session, waiter.clone(), now);
    waiter
}

/// Makes a session wait until there is a reply or its time is up.
fn wait(session: &mut Session, waiter: Arc<Waiter>, now: Now) {
    let (engine, info) = (&session.server.engine, &session.info);
    let timer = (waiter.deadline_ms != 0).then(|| {
        let left = Duration::from_millis(waiter.deadline_ms.saturating_sub(now.mono_ms));
        Box::pin(tokio::time::sleep(left.min(LONGEST)))
    });
    *info.waiter.lock() = Some(waiter.clone());
    let quiet = matches!(session.quiet, Quiet::This | Quiet::Always);
    session.blocked = Some(Blocked { engine, waiter, info: info.clone(), timer, quiet });
}

impl Session {
    /// Waits for the end of the wait, and writes the reply; `stats` are the worker's counters.
    pub fn poll_blocked(&mut self, cx: &mut Context<'_>, stats: &Stats) -> Poll<()> {
        let Some(blocked) = &mut self.blocked else { return Poll::Ready(()) };
        if let Some(timer) = &mut blocked.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            blocked.timer = None;
            blocked.waiter.time_out();
        }
        let Some(answer) = blocked.waiter.answered() else { return Poll::Pending };
        let refused = answer.starts_with(b"-");
        let given = !refused && !blocked.waiter.is_late();
        if refused {
            let failed = Some(Failed::Ran(self.info.last_command.load(Relaxed)));
            self.server.errors.count(stats, failed, &answer);
        }
        if !blocked.quiet {
            self.out.raw(&answer);
        }
        self.blocked = None;
        // An element was taken by another client's worker: its record must be safe first. A client
        // that got nothing is answered even while the log fails.
        if given && self.server.durability.holds_replies() {
            self.log_mark = self.log_mark.max(self.server.durability.last_mark());
        }
        Poll::Ready(())
    }
}

/// Ends a wait with an error, as [`Waiter::time_out`] does without.
pub fn fail(waiter: &Waiter, text: &str) -> bool {
    let claimed = waiter.claim();
    if claimed {
        waiter.answer(waiter.reply(|reply| reply.error(text)));
    }
    claimed
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.waiter.claim();
        *self.info.waiter.lock() = None;
        self.engine.leave_queues(&self.waiter);
    }
}
