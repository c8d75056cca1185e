//! `redstart`: reads its settings and serves.

mod allocator;
mod clients;
mod clock;
mod commands;
mod config;
mod connection;
mod dispatch;
mod random;
mod reclaim;
mod server;
mod session;
mod settings;
mod worker;

#[global_allocator]
static ALLOCATOR: allocator::Mimalloc = allocator::Mimalloc;

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let config = config::Config::stub(&args);
    match server::serve(config) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redstart: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
