//! The libraries that a worker has loaded into its Lua state.

use crate::compile::{ScriptCompiler, describe};
use crate::library::{About, Catalogue};
use crate::register::{Registered, Registrar, text_of};
use crate::shebang;
use crate::watchdog::Watchdog;
use mlua::{Function, Lua, Table, Value};
use redstart_engine::Error;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The libraries that a worker has loaded.
pub struct Loaded {
    compiler: Rc<ScriptCompiler>,
    watchdog: Rc<Watchdog>,
    registrar: Registrar,
    runner: Function,
    environment: Table,
    generation: u64,
    codes: HashMap<Vec<u8>, Arc<[u8]>>,
    /// By name in lower case.
    functions: HashMap<Vec<u8>, Callable>,
}

/// A function that can be called.
#[derive(Clone)]
pub struct Callable {
    /// What is known of it.
    pub about: About,
    /// What to call.
    pub function: Function,
    library: Vec<u8>,
}

impl Loaded {
    /// Nothing is loaded; libraries will run in `environment`.
    pub fn new(
        (compiler, watchdog): (Rc<ScriptCompiler>, Rc<Watchdog>),
        registrar: Registrar,
        runner: Function,
        environment: Table,
    ) -> Loaded {
        let (codes, functions) = (HashMap::new(), HashMap::new());
        Loaded {
            compiler,
            watchdog,
            registrar,
            runner,
            environment,
            generation: 0,
            codes,
            functions,
        }
    }

    /// The function of a name, in any case.
    pub fn find(&self, name: &[u8]) -> Option<&Callable> {
        self.functions.get(&name.to_ascii_lowercase())
    }

    /// Runs a library's text and returns what it registers. With a limit, the text may run for so
    /// many milliseconds.
    ///
    /// # Errors
    /// When the text is no Lua, ends in an error, takes too long, or registers nothing.
    pub fn load(
        &self,
        lua: &Lua,
        code: &[u8],
        limit_ms: Option<u64>,
    ) -> Result<Vec<Registered>, Error> {
        let body = shebang::strip(code);
        let compiled = self.compiler.compile(lua, &self.environment, body, "=user_function");
        let function = compiled.map_err(|error| {
            Error::text(format!("ERR Error compiling function: {}", describe(&error)))
        })?;
        *self.registrar.borrow_mut() = Some(Vec::new());
        self.watchdog.start_load(limit_ms);
        let result = self.runner.call::<(Value, Value)>(function);
        self.watchdog.stop_load();
        let registered = self.registrar.borrow_mut().take().unwrap_or_default();
        let failure = match result {
            Ok((_, Value::Nil)) => None,
            Ok((_, Value::Table(table))) => table.raw_get("err").ok().as_ref().and_then(text_of),
            Ok(_) => Some(Vec::new()),
            Err(error) => Some(describe(&error).into_bytes()),
        };
        if let Some(text) = failure {
            return Err(Error::quoting("ERR Error registering functions: ", &text, ""));
        }
        if registered.is_empty() {
            return Err(Error::text("ERR No functions registered"));
        }
        Ok(registered)
    }

    /// Takes over what a library has registered.
    fn take_over(&mut self, library: &[u8], code: Arc<[u8]>, registered: Vec<Registered>) {
        self.functions.retain(|_, callable| callable.library != library);
        self.codes.insert(library.to_vec(), code);
        for Registered { about, function } in registered {
            let key = about.name.to_ascii_lowercase();
            let callable = Callable { about, function, library: library.to_vec() };
            self.functions.insert(key, callable);
        }
    }

    /// Loads what has changed in the catalogue.
    pub fn follow(&mut self, lua: &Lua, catalogue: &Catalogue) {
        let generation = catalogue.generation();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        let libraries = catalogue.libraries.read();
        self.codes.retain(|name, _| libraries.contains_key(name));
        self.functions.retain(|_, callable| libraries.contains_key(&callable.library));
        for (name, library) in &*libraries {
            if self.codes.get(name).is_some_and(|code| Arc::ptr_eq(code, &library.code)) {
                continue;
            }
            // It was loaded once already, so it loads again; without memory it has no functions.
            let mut registered = self.load(lua, &library.code, None).unwrap_or_default();
            for Registered { about, .. } in &mut registered {
                let shared = library.functions.iter().find(|known| known.name == about.name);
                if let Some(shared) = shared {
                    *about = shared.clone();
                }
            }
            self.take_over(name, library.code.clone(), registered);
        }
    }
}
