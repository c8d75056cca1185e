//! CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: copies of keys that the client keeps.

use super::{CONTAINER, OWN};
use crate::clients::tracking_mode::TrackingMode;
use crate::commands::declare::{SessionCommand, is};
use crate::session::{Context, Session};
use bytes::Bytes;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

/// CLIENT TRACKING <ON | OFF> [REDIRECT client-id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT]
/// [NOLOOP]
pub static TRACKING: SessionCommand = declare("tracking", Group::Connection, Arity::AtLeast(3))
    .flags(OWN | CONVERSES)
    .since("6.0.0")
    .complexity("O(1). Some options may introduce additional complexity.")
    .summary("Sends the connection which of the keys that it has read become stale.")
    .syntax(
        "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] \
                     [OPTIN] [OPTOUT] [NOLOOP]",
    )
    .run(tracking);

fn tracking(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let mode = options(session, args)?;
    if is(&args[2], "on") {
        check(&mode, &session.info.tracking.lock())?;
        let everything = mode.broadcast && mode.prefixes.is_empty();
        let prefixes = if everything { vec![Bytes::new()] } else { mode.prefixes };
        session.track(TrackingMode { prefixes, ..mode });
    } else if is(&args[2], "off") {
        session.stop_tracking();
    } else {
        return Err(Error::SYNTAX);
    }
    session.out.ok();
    Ok(())
}

fn options(session: &Session, args: Args<'_>) -> Result<TrackingMode, Error> {
    let mut mode = TrackingMode::default();
    let mut at = 3;
    while at < args.len() {
        let more = at + 1 < args.len();
        if is(&args[at], "redirect") && more {
            at += 1;
            if mode.redirect != 0 {
                let text = "ERR A client can only redirect to a single other client";
                return Err(Error::text(text));
            }
            let id = parse_i64(&args[at]).ok_or(Error::NOT_INTEGER)?;
            let id = u64::try_from(id).ok().filter(|id| session.server.clients.find(*id).is_some());
            let text = "ERR The client ID you want redirect to does not exist";
            mode.redirect = id.ok_or_else(|| Error::text(text))?;
        } else if is(&args[at], "prefix") && more {
            at += 1;
            mode.prefixes.push(Bytes::copy_from_slice(&args[at]));
        } else if is(&args[at], "bcast") {
            mode.broadcast = true;
        } else if is(&args[at], "optin") {
            mode.opt_in = true;
        } else if is(&args[at], "optout") {
            mode.opt_out = true;
        } else if is(&args[at], "noloop") {
            mode.no_loop = true;
        } else {
            return Err(Error::SYNTAX);
        }
        at += 1;
    }
    Ok(mode)
}

/// Whether the options go together, and with how the client tracks already.
fn check(mode: &TrackingMode, current: &TrackingMode) -> Result<(), Error> {
    let problem = if !mode.broadcast && !mode.prefixes.is_empty() {
        "ERR PREFIX option requires BCAST mode to be enabled"
    } else if current.on && current.broadcast != mode.broadcast {
        "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and \
         then re-enabling it with a different mode."
    } else if mode.broadcast && (mode.opt_in || mode.opt_out) {
        "ERR OPTIN and OPTOUT are not compatible with BCAST"
    } else if mode.opt_in && mode.opt_out {
        "ERR You can't specify both OPTIN mode and OPTOUT mode"
    } else if mode.opt_in && current.opt_out || mode.opt_out && current.opt_in {
        "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and \
         then re-enabling it with a different mode."
    } else {
        return check_prefixes(&mode.prefixes, &current.prefixes);
    };
    Err(Error::text(problem))
}

/// Checks that no prefix is the beginning of another: each change is to be sent once.
fn check_prefixes(prefixes: &[Bytes], current: &[Bytes]) -> Result<(), Error> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let collision = |prefix: &[u8], with: &str, other: &[u8]| {
        let mut text = b"ERR Prefix '".to_vec();
        let end = b"'. Prefixes for a single client must not overlap.";
        for part in [prefix, b"' overlaps with ", with.as_bytes(), b" prefix '", other, end] {
            text.extend_from_slice(part);
        }
        Err(Error::bytes(text))
    };
    for (at, prefix) in prefixes.iter().enumerate() {
        if let Some(other) = current.iter().find(|other| overlap(prefix, other)) {
            return collision(prefix, "an existing", other);
        }
        if let Some(other) = prefixes[at + 1..].iter().find(|other| overlap(prefix, other)) {
            return collision(prefix, "another provided", other);
        }
    }
    Ok(())
}

/// CLIENT CACHING <YES | NO>
pub static CACHING: SessionCommand = CONTAINER
    .since("6.0.0")
    .sub(
        "caching",
        Arity::Exactly(3),
        OWN | CONVERSES,
        "Says whether the connection keeps what the next command reads.",
        "<YES | NO>",
    )
    .run(caching);

fn caching(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let mode = session.info.tracking.lock().clone();
    if !mode.on {
        return Err(Error::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN \
             or OPTOUT mode enabled",
        ));
    }
    let (allowed, problem) = if is(&args[2], "yes") {
        let problem =
            "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
        (mode.opt_in, problem)
    } else if is(&args[2], "no") {
        let problem =
            "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
        (mode.opt_out, problem)
    } else {
        return Err(Error::SYNTAX);
    };
    if !allowed {
        return Err(Error::text(problem));
    }
    session.caching = true;
    session.out.ok();
    Ok(())
}

/// CLIENT GETREDIR
pub static GETREDIR: SessionCommand = CONTAINER
    .since("6.0.0")
    .sub(
        "getredir",
        Arity::Exactly(2),
        OWN,
        "Returns which connection the messages of CLIENT TRACKING go to.",
        "",
    )
    .run(|context, _| {
        let redirect = context.session.info.redirect();
        context.session.out.integer(redirect);
        Ok(())
    });

/// CLIENT TRACKINGINFO
pub static TRACKINGINFO: SessionCommand = CONTAINER
    .since("6.2.0")
    .sub(
        "trackinginfo",
        Arity::Exactly(2),
        OWN,
        "Returns how the connection uses CLIENT TRACKING.",
        "",
    )
    .run(|context, _| {
        let session = &mut *context.session;
        let mode = session.info.tracking.lock().clone();
        let flags = [
            (if mode.on { "on" } else { "off" }, true),
            ("bcast", mode.broadcast),
            ("optin", mode.opt_in),
            ("caching-yes", mode.opt_in && session.caching),
            ("optout", mode.opt_out),
            ("caching-no", mode.opt_out && session.caching),
            ("noloop", mode.no_loop),
            ("broken_redirect", mode.is_broken),
        ];
        let flags: Vec<_> = flags.iter().filter(|(_, set)| *set).collect();
        let redirect = session.info.redirect();
        let out = &mut session.out;
        out.map(3);
        out.bulk(b"flags");
        out.set(flags.len());
        flags.iter().for_each(|(name, _)| out.bulk(name.as_bytes()));
        out.bulk(b"redirect");
        out.integer(redirect);
        out.bulk(b"prefixes");
        out.array(mode.prefixes.len());
        mode.prefixes.iter().for_each(|prefix| out.bulk(prefix));
        Ok(())
    });
