//! ACL LIST, USERS and GETUSER: the users and their rules.

use super::{CONTAINER, GUARDED, all_secrets};
use crate::access::selector::Selector;
use crate::commands::declare::SessionCommand;
use redstart_engine::spec::*;
use redstart_protocol::Reply;

/// ACL USERS
pub static USERS: SessionCommand = CONTAINER
    .sub("users", Arity::Exactly(2), GUARDED, "Returns the users' names.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        let users = session.access.all();
        session.out.array(users.len());
        users.iter().for_each(|user| session.out.bulk(&user.name));
        Ok(())
    });

/// ACL LIST
pub static LIST: SessionCommand = CONTAINER
    .sub("list", Arity::Exactly(2), GUARDED, "Returns the users with their rules.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        let users = session.access.all();
        session.out.array(users.len());
        users.iter().for_each(|user| session.out.bulk(&user.line()));
        Ok(())
    });

/// ACL GETUSER username
pub static GETUSER: SessionCommand = CONTAINER
    .sub("getuser", Arity::Exactly(3), GUARDED, "Returns a user's rules.", "username")
    .secrets(all_secrets)
    .run(|context, args| {
        let session = &mut *context.session;
        let out = &mut session.out;
        let Some(user) = session.access.find(&args[2]) else {
            out.null();
            return Ok(());
        };
        // A field that Redis has not is there only where there is something to tell.
        let databases = user.all_selectors().any(Selector::limits_databases);
        out.map(6 + usize::from(databases));
        out.bulk(b"flags");
        let flags = user.flags();
        out.set(flags.len());
        flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
        out.bulk(b"passwords");
        let hashes: Vec<String> = user.hashes().collect();
        out.array(hashes.len());
        hashes.iter().for_each(|hash| out.bulk(hash.as_bytes()));
        show(out, user.root(), databases);
        out.bulk(b"selectors");
        out.array(user.selectors().len());
        for selector in user.selectors() {
            out.map(3 + usize::from(databases));
            show(out, selector, databases);
        }
        Ok(())
    });

fn show(out: &mut Reply, selector: &Selector, databases: bool) {
    out.bulk(b"commands");
    out.bulk(selector.command_rules().as_bytes());
    out.bulk(b"keys");
    out.bulk(&selector.key_rules());
    out.bulk(b"channels");
    out.bulk(&selector.channel_rules());
    if databases {
        out.bulk(b"databases");
        out.bulk(selector.database_rules().as_bytes());
    }
}
