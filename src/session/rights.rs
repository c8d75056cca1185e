//! Who a client is, and what of its conversation ends when its rights are taken away.

use crate::access::selector::{Name, allows_channel};
use crate::access::user::User;
use crate::notify::pubsub::Kind;
use crate::replication::link::stream::Master;
use crate::session::Session;
use std::sync::Arc;

impl Session {
    /// The client has proved to be this user.
    pub fn become_user(&mut self, user: Arc<User>) {
        self.info.names.lock().user = user.name.to_vec();
        self.user = user;
        self.authenticated = true;
        // What it may do is looked up at its next request.
        (self.user_version, self.free_version) = (0, 0);
    }

    /// What runs is no client's, but was allowed when it first ran.
    pub fn trust(&mut self) {
        self.become_user(self.access.unlimited());
    }

    /// What is sent here is what this server's master does.
    pub fn follow(&mut self, mut master: Box<Master>) {
        self.trust();
        self.out.allow_rest(false);
        self.select(master.db());
        master.belongs_to(self.info.clone());
        self.input.extend_from_slice(&std::mem::take(&mut master.first));
        self.input_waits = !self.input.is_empty();
        self.master = Some(master);
    }

    /// The client is again who it was when it connected.
    pub fn forget_user(&mut self) {
        let default = self.access.default_user();
        let is_open = default.is_open();
        self.become_user(default);
        self.authenticated = is_open;
    }

    /// Looks the client's user up again if any has changed since the last time. The connection ends
    /// if its user is gone.
    pub fn follow_user(&mut self) {
        let version = self.access.version();
        if self.user_version == version {
            return;
        }
        if self.master.is_some() {
            // It may do everything, as no user of this server's.
            self.user_version = version;
            return;
        }
        match self.access.find(&self.user.name).filter(|user| user.id == self.user.id) {
            // While anybody may be `default`, everybody is.
            Some(user) => {
                self.authenticated |= user.id == 0 && user.is_open();
                self.user = user;
            }
            None => {
                self.forget_user();
                self.authenticated = false;
                self.closing = true;
                self.info.kill();
            }
        }
        self.user_version = version;
    }

    /// Ends the connection if it listens to what it may not: its rights may have been taken away
    /// while it began.
    pub fn check_listening(&mut self) {
        if self.user_version == self.access.version() {
            return;
        }
        self.follow_user();
        let may_listen = |kind: Kind, name: &[u8]| may_listen(&self.user, kind, name);
        let denied = Kind::ALL
            .iter()
            .any(|kind| self.listening[*kind as usize].iter().any(|name| !may_listen(*kind, name)));
        if denied {
            self.closing = true;
            self.info.kill();
        }
    }
}

/// Whether a user may listen to a channel, or to those of a pattern.
pub fn may_listen(user: &User, kind: Kind, name: &[u8]) -> bool {
    let kind = if kind == Kind::Pattern { Name::Pattern } else { Name::Channel };
    user.all_selectors().any(|selector| {
        selector.has_all_channels() || allows_channel(selector.channels(), name, kind)
    })
}
