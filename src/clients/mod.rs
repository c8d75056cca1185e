//! Every connected client: the list of them, and what they may take.
//!
//! A client that was killed is no longer listed, found or counted, though its task may need a
//! moment to end.

pub mod address;
pub mod admission;
pub mod client;
pub mod held;
pub mod input_limits;
pub mod kind;
pub mod outbox;
pub mod output_limits;
pub mod pause;
pub mod tracking_mode;

use crate::clients::admission::Admission;
use crate::clients::client::{Arrival, ClientInfo, MASTER, NO_EVICT};
use crate::clients::held::Held;
use crate::clients::input_limits::InputLimits;
use crate::clients::output_limits::OutputLimits;
use crate::system::log;
use crate::system::process::Process;
use parking_lot::Mutex;
use redstart_config::{Config, Setting};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// All connected clients.
#[derive(Default)]
pub struct Clients {
    list: Mutex<BTreeMap<u64, Arc<ClientInfo>>>,
    next_id: AtomicU64,
    /// Which connections become clients.
    pub admission: Admission,
    /// What clients may send.
    pub input_limits: InputLimits,
    /// What clients may leave unread.
    pub output_limits: Arc<OutputLimits>,
    /// What clients leave unread together.
    pub held: Arc<Held>,
    /// Held by the thread that ends clients because all output is too much.
    shedding: Mutex<()>,
    /// The most memory that all clients together may take, in bytes; zero is no limit.
    bytes_max: AtomicUsize,
    /// How long a client may be idle, in milliseconds; zero is for ever.
    timeout_ms: AtomicU64,
    /// Clients that were closed because all of them took too much memory.
    pub evicted: AtomicU64,
    /// Connections taken since the start.
    pub accepted: AtomicU64,
    /// Connections refused because there were too many.
    pub rejected: AtomicU64,
}

impl Clients {
    /// Follows the configuration, and closes clients that take too much now.
    pub fn configure(&self, config: &Config) {
        self.admission.configure(config);
        self.input_limits.configure(config);
        self.output_limits.configure(config.output_limits());
        self.held.configure(config, || Process::now().machine_bytes.unwrap_or(0));
        let timeout_s = config.count(Setting::Timeout) as u64;
        self.timeout_ms.store(timeout_s.saturating_mul(1000), Ordering::Relaxed);
        // A negative number is a percentage.
        let maxmemory = config.count(Setting::Maxmemory);
        let bytes_max = match config.integer(Setting::MaxmemoryClients) {
            percent @ ..0 => maxmemory / 100 * percent.unsigned_abs() as usize,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        };
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        self.evict();
    }

    /// Adds a client, unless there are too many.
    pub fn add(&self, arrival: Arrival) -> Option<Arc<ClientInfo>> {
        let mut list = self.list.lock();
        if arrival.marks & MASTER == 0 && list.len() >= self.admission.clients_max() {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let client =
            Arc::new(ClientInfo::new(id, arrival, self.output_limits.clone(), self.held.clone()));
        list.insert(id, client.clone());
        Some(client)
    }

    /// Removes a client that has gone.
    pub fn remove(&self, id: u64) {
        if let Some(client) = self.list.lock().remove(&id) {
            client.forget_output();
        }
    }

    /// A client by its id.
    pub fn find(&self, id: u64) -> Option<Arc<ClientInfo>> {
        self.list.lock().get(&id).filter(|client| !client.is_ended()).cloned()
    }

    /// All clients, the oldest first.
    pub fn all(&self) -> Vec<Arc<ClientInfo>> {
        self.list.lock().values().filter(|client| !client.is_ended()).cloned().collect()
    }

    /// The number of clients.
    pub fn len(&self) -> usize {
        self.list.lock().values().filter(|client| !client.is_ended()).count()
    }

    /// Closes clients that are idle, leave too much unread or take too much memory. Called a few
    /// times a second.
    pub fn tick(&self, now_ms: u64) {
        self.close_idle(now_ms);
        if self.output_limits.any_beyond_soft() {
            self.all().iter().for_each(|client| client.check_soft_limit(now_ms));
        }
        self.shed_output();
        self.evict();
    }

    /// Ends those clients that leave most unread, until the output of all is not too much.
    #[inline]
    pub fn shed_output(&self) {
        if self.held.output_excess() > 0 {
            self.end_worst();
        }
    }

    #[cold]
    fn end_worst(&self) {
        let _one = self.shedding.lock();
        let mut clients = self.all();
        clients.sort_by_key(|client| client.counted_output());
        while self.held.output_excess() > 0
            && let Some(worst) = clients.pop()
        {
            worst.close_for_output(worst.counted_output());
        }
    }

    /// Closes clients if this one takes more than all may together.
    pub fn evict_if_large(&self, client: &ClientInfo) {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        if bytes_max > 0 && client.memory() > bytes_max {
            self.evict();
        }
    }

    /// Sets the counters that INFO shows back to zero.
    pub fn reset_stats(&self) {
        let closed = [&self.input_limits.closed, &self.output_limits.closed];
        let counters = [&self.evicted, &self.accepted, &self.rejected];
        closed.iter().chain(&counters).for_each(|counter| counter.store(0, Ordering::Relaxed));
    }

    /// Closes clients that have been idle for longer than `timeout`, except those that listen.
    fn close_idle(&self, now_ms: u64) {
        let timeout_ms = self.timeout_ms.load(Ordering::Relaxed);
        if timeout_ms == 0 {
            return;
        }
        for client in self.all() {
            let idle_ms = now_ms.saturating_sub(client.active_ms.load(Ordering::Relaxed));
            if idle_ms > timeout_ms && client.may_time_out() {
                client.kill();
            }
        }
    }

    /// Closes the clients that take most until all together take no more than `maxmemory-clients`.
    /// Clients with CLIENT NO-EVICT stay, and do not count; neither does a master.
    fn evict(&self) {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        if bytes_max == 0 {
            return;
        }
        let mut evictable = self.all();
        evictable.retain(|client| client.marks.load(Ordering::Relaxed) & (NO_EVICT | MASTER) == 0);
        let mut sized: Vec<_> = evictable.iter().map(|client| (client.memory(), client)).collect();
        let mut sum: usize = sized.iter().map(|(bytes, _)| bytes).sum();
        if sum <= bytes_max {
            return;
        }
        sized.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, client) in sized {
            if sum <= bytes_max {
                break;
            }
            sum -= bytes;
            if client.kill() {
                self.evicted.fetch_add(1, Ordering::Relaxed);
                let ClientInfo { id, addr, .. } = &**client;
                log::notice(format_args!(
                    "Evicting client id={id} addr={addr} tot-mem={bytes}: maxmemory-clients"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::address::Address;

    #[test]
    fn a_client_that_was_killed_is_not_listed_found_or_counted() {
        let (clients, nowhere) = (Clients::default(), Address::Unix("".into()));
        clients.configure(&Config::new());
        let add = || {
            let (addr, laddr) = (nowhere.clone(), nowhere.clone());
            clients
                .add(Arrival { addr, laddr, fd: -1, now_ms: 0, marks: 0 })
                .expect("there is room")
        };
        let (one, two) = (add(), add());
        assert!(clients.len() == 2 && clients.find(two.id).is_some());
        assert!(two.kill() && !two.kill());
        assert!(clients.len() == 1 && clients.find(two.id).is_none());
        assert!(clients.all().iter().map(|client| client.id).eq([one.id]));
        // Its task has yet to end.
        clients.remove(two.id);
        assert_eq!(clients.len(), 1);
    }
}
