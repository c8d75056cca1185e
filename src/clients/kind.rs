//! The kinds of clients, as CLIENT LIST and `client-output-buffer-limit` tell them apart.

use redstart_engine::Error;

/// What a client uses its connection for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// It sends commands.
    Normal,
    /// The server that this one follows.
    Master,
    /// A server that follows this one.
    Replica,
    /// It listens to channels.
    PubSub,
}

impl ClientKind {
    /// Reads a kind as CLIENT LIST and KILL name it.
    ///
    /// # Errors
    /// When there is no such kind.
    pub fn parse(name: &[u8]) -> Result<ClientKind, Error> {
        match &name.to_ascii_lowercase()[..] {
            b"normal" => Ok(ClientKind::Normal),
            b"master" => Ok(ClientKind::Master),
            b"slave" | b"replica" => Ok(ClientKind::Replica),
            b"pubsub" => Ok(ClientKind::PubSub),
            _ => Err(Error::quoting("ERR Unknown client type '", name, "'")),
        }
    }
}
