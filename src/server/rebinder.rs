//! The way from CONFIG SET to the thread of the listeners, which stands above the server.

use crate::server::settings::Startup;
use parking_lot::Mutex;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long CONFIG SET waits for the thread of the listeners.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request: the new addresses, and where the result is sent.
pub type Request = (Startup, SyncSender<io::Result<()>>);

/// The way to the thread of the listeners.
#[derive(Default)]
pub struct Rebinder(Mutex<Option<UnboundedSender<Request>>>);

impl Rebinder {
    /// Sets the channel that the thread of the listeners reads.
    pub fn connect(&self, requests: UnboundedSender<Request>) {
        *self.0.lock() = Some(requests);
    }

    /// Listens at the addresses of `settings`, and no others.
    ///
    /// # Errors
    /// When an address cannot be bound; the server then listens at the old addresses.
    pub fn rebind(&self, settings: Startup) -> io::Result<()> {
        let (answer, answered) = sync_channel(1);
        let gone = || io::Error::other("the server is about to end");
        let requests = self.0.lock().clone().ok_or_else(gone)?;
        requests.send((settings, answer)).map_err(|_| gone())?;
        answered.recv_timeout(PATIENCE).map_err(|_| gone())?
    }
}
