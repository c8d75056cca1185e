//! Scripts over the engine, without a server.

mod calls;
mod functions;
mod limits;
mod support;
mod timing;
