//! Who has logged in: a session is a connection of its own to the server, as the user that it
//! authenticated as, a cookie that tells the browser, and a token that only the page can read.

use crate::clients::address::Address;
use crate::frontends::http::link::{Connect, Failure, Link};
use crate::frontends::http::reply;
use crate::system::random;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sessions at a time.
const SESSIONS_MAX: usize = 32;
/// A session that is not used for so long ends, in milliseconds.
const IDLE_MS: u64 = 30 * 60 * 1000;
/// The user that clients are before they say who they are.
const DEFAULT: &str = "default";

/// A session.
pub struct Session {
    /// What a request that changes something must have beside the cookie.
    pub token: String,
    /// The user's name.
    pub user: String,
    /// The connection.
    pub link: Link,
    used_ms: AtomicU64,
}

/// Why there is no session.
pub enum Denied {
    /// The server's own words.
    Refused(String),
    /// There are too many.
    TooMany,
}

/// The sessions, by their cookies.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    /// Logs in, as `default` without a password if no user is named. Returns the cookie.
    ///
    /// # Errors
    /// Why that is refused.
    pub async fn open(
        &self,
        connect: &Connect,
        addr: Address,
        login: Option<(String, String)>,
        now_ms: u64,
    ) -> Result<(String, Arc<Session>), Denied> {
        self.end_idle(now_ms);
        if self.0.lock().len() >= SESSIONS_MAX {
            return Err(Denied::TooMany);
        }
        let user = login.as_ref().map_or(DEFAULT, |(user, _)| user).to_owned();
        let link = log_in(connect, addr, login).await?;
        let secret = || secret().map_err(|error| Denied::Refused(error.to_string()));
        let (cookie, token) = (secret()?, secret()?);
        let session = Arc::new(Session { token, user, link, used_ms: AtomicU64::new(now_ms) });
        let mut sessions = self.0.lock();
        if sessions.len() >= SESSIONS_MAX {
            return Err(Denied::TooMany);
        }
        sessions.insert(cookie.clone(), session.clone());
        Ok((cookie, session))
    }

    /// The session of a cookie.
    pub fn find(&self, cookie: &str, now_ms: u64) -> Option<Arc<Session>> {
        let mut sessions = self.0.lock();
        let session = sessions.get(cookie)?.clone();
        if session.link.is_gone() {
            sessions.remove(cookie);
            return None;
        }
        session.used_ms.store(now_ms, Relaxed);
        Some(session)
    }

    /// Logs out.
    pub fn close(&self, cookie: &str) {
        self.0.lock().remove(cookie);
    }

    /// Ends the sessions that nobody uses.
    pub fn end_idle(&self, now_ms: u64) {
        let used = |session: &Session| now_ms.saturating_sub(session.used_ms.load(Relaxed));
        self.0.lock().retain(|_, session| used(session) < IDLE_MS && !session.link.is_gone());
    }
}

/// A connection that has authenticated.
///
/// # Errors
/// The server's own words.
pub async fn log_in(
    connect: &Connect,
    addr: Address,
    login: Option<(String, String)>,
) -> Result<Link, Denied> {
    let link = Link::open(connect, addr).map_err(|error| Denied::Refused(error.to_string()))?;
    let mut hello = words(&["HELLO", "3"]);
    if let Some((user, password)) = login {
        hello.extend(words(&["AUTH", &user, &password]));
    }
    hello.extend(words(&["SETNAME", "http"]));
    // What the page reads is no use of a key.
    let more = ["CLIENT NO-TOUCH ON", "CLIENT SETINFO LIB-NAME redstart-http"];
    let more = more.map(|line| line.split(' ').map(|word| word.as_bytes().to_vec()).collect());
    let said = match link.run(&[hello]).await {
        Ok(said) => said,
        Err(Failure::Gone) => return Err(Denied::Refused(CLOSED.to_owned())),
        Err(_) => return Err(Denied::TooMany),
    };
    let said = said.first().and_then(|said| reply::to_json(said));
    if let Some(error) = said.as_ref().and_then(|said| said.get("error")).and_then(Value::as_str) {
        return Err(Denied::Refused(error.to_owned()));
    }
    // A user without the right to these can do without.
    let _ = link.run(&more).await;
    Ok(link)
}

const CLOSED: &str = "The server has closed the connection: maxclients, or protected-mode";

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// A word that cannot be guessed.
fn secret() -> io::Result<String> {
    let mut bytes = [0; 24];
    random::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
