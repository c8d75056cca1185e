//! The table of the functions that run session commands. It is filled where the commands are
//! declared, and a session carries a reference to it.

use crate::session::Context;
use redstart_engine::Error;
use redstart_protocol::Args;

/// A session command's handler.
pub type Handler = fn(&mut Context<'_>, Args<'_>) -> Result<(), Error>;

/// The session commands' handlers, by command id.
pub struct Handlers(Box<[Option<Handler>]>);

impl FromIterator<Option<Handler>> for Handlers {
    fn from_iter<I: IntoIterator<Item = Option<Handler>>>(handlers: I) -> Handlers {
        Handlers(handlers.into_iter().collect())
    }
}

impl Handlers {
    /// Runs the handler of a session command. A container that has none wants a subcommand.
    ///
    /// # Errors
    /// What the handler returns.
    pub fn run(&self, id: u16, context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
        match self.0[id as usize] {
            Some(handler) => handler(context, args),
            None => {
                let registered = context.session.server.registry.at(id);
                Err(Error::wrong_arity(&registered.full_name()))
            }
        }
    }
}
