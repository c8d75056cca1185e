//! How many scripts and functions there are, and what they take of memory, for INFO.

use crate::script::Script;
use crate::store::Store;
use std::mem::size_of;
use std::sync::atomic::Ordering::Relaxed;

/// See the module. Sizes are in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Scripts that EVALSHA finds.
    pub scripts: usize,
    /// What they take, texts above all.
    pub scripts_bytes: usize,
    /// Libraries.
    pub libraries: usize,
    /// Their functions.
    pub functions: usize,
    /// What the libraries take, texts above all.
    pub functions_bytes: usize,
    /// What the workers' Lua states take: scripts and functions run in the same ones.
    pub states_bytes: usize,
}

impl Usage {
    /// What scripts and functions take beside the Lua states.
    pub fn kept_bytes(&self) -> usize {
        self.scripts_bytes + self.functions_bytes
    }

    /// All that they take.
    pub fn bytes(&self) -> usize {
        self.kept_bytes() + self.states_bytes
    }
}

impl Store {
    /// What is here.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for script in self.scripts.read().values() {
            usage.scripts += 1;
            usage.scripts_bytes += size_of::<Script>() + script.text.len() + script.name.len();
        }
        for (name, library) in &*self.functions.libraries.read() {
            usage.libraries += 1;
            usage.functions += library.functions.len();
            usage.functions_bytes += name.len() + library.code.len();
            for function in &library.functions {
                let description = function.description.as_ref().map_or(0, Vec::len);
                usage.functions_bytes += size_of::<Script>() + function.name.len() + description;
            }
        }
        let running = self.running.lock();
        usage.states_bytes = running.iter().map(|one| one.state_bytes.load(Relaxed)).sum();
        usage
    }
}
