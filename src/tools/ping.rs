//! `redstart ping`: asks a server for PONG, for container health checks.
//!
//! This is the client's side, so the redis-protocol crate decodes the reply.

use clap::Parser;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

/// Asks a server for PONG; fails if it does not come.
#[derive(Parser)]
#[command(name = "redstart ping", no_binary_name = true)]
struct Arguments {
    /// Where the server is.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port it serves.
    #[arg(long, short, default_value_t = 6379)]
    port: u16,
    /// The password to authenticate with.
    #[arg(long, short = 'a', env = "REDISCLI_AUTH", hide_env_values = true)]
    password: Option<String>,
    /// How long to wait, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    timeout_ms: u64,
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match ask(&arguments) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("redstart ping: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(arguments: &Arguments) -> io::Result<String> {
    let timeout = Duration::from_millis(arguments.timeout_ms.max(1));
    let mut addresses = (arguments.host.as_str(), arguments.port).to_socket_addrs()?;
    let address = addresses.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    if let Some(password) = &arguments.password {
        expect(&mut stream, &[b"AUTH", password.as_bytes()], "OK")?;
    }
    expect(&mut stream, &[b"PING"], "PONG")
}

/// Sends a command and waits for a simple string.
fn expect(stream: &mut TcpStream, args: &[&[u8]], wanted: &str) -> io::Result<String> {
    let mut request = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        request.extend_from_slice(arg);
        request.extend_from_slice(b"\r\n");
    }
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    loop {
        let mut part = [0u8; 512];
        let read = stream.read(&mut part)?;
        if read == 0 || answer.len() > 1 << 16 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&part[..read]);
        match decode(&answer).map_err(io::Error::other)? {
            Some((OwnedFrame::SimpleString(text), _)) if text == wanted.as_bytes() => {
                return Ok(wanted.to_owned());
            }
            Some((other, _)) => return Err(io::Error::other(format!("the server said {other:?}"))),
            None => {}
        }
    }
}
