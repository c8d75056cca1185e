//! `redstart top` as a person sees it: one screen as text, against Redstart and real servers, and
//! the live screens in a terminal, which tmux lends where it is installed.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use support::oracles::all;
use support::server::{Server, free_port};
use support::talk::{call, connect, until};

const REDSTART: &str = env!("CARGO_BIN_EXE_redstart");

fn run(args: &[&str]) -> (Output, String, String) {
    let mut command = Command::new(REDSTART);
    let output = command.args(args).env("LC_ALL", "C.UTF-8").output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// What `redstart top --once` prints about a server.
fn once(server: &Server, args: &[&str]) -> String {
    let port = server.port().to_string();
    let first = ["top", "--once", "--interval-ms", "200", "--port", &port];
    let (output, out, err) = run(&[&first, args].concat());
    assert!(output.status.success() && err.is_empty(), "{err}");
    out
}

#[test]
fn one_screen_is_printed_of_each_server() {
    for asked in all(REDSTART, &["--slowlog-log-slower-than", "0"]) {
        let (name, server) = (asked.name, &asked.server);
        let mut client = connect(server);
        call(&mut client, "MSET user:1 a user:2 b");
        call(&mut client, "SET cart:1 a EX 100");
        call(&mut client, "GET missing");
        for _ in 0..3 {
            call(&mut client, "GET user:1");
        }
        let overview = once(server, &[]);
        let product = if name == "redstart" { "Redstart 0.1.0" } else { &name[..name.len() - 2] };
        assert!(overview.to_lowercase().contains(&product.to_lowercase()), "{name}:\n{overview}");
        for line in ["75.0 % since the start", "1 with a deadline", "Busiest commands"] {
            assert!(overview.contains(line), "{name}: {line} is not in\n{overview}");
        }
        let fits = |text: &str, columns: usize, rows: usize| {
            let lines = text.lines().collect::<Vec<_>>();
            lines.len() <= rows && lines.iter().all(|line| line.chars().count() <= columns)
        };
        assert!(fits(&overview, 80, 24), "{name}:\n{overview}");
        let wide = once(server, &["--size", "200x50", "--screen", "commands"]);
        assert!(fits(&wide, 200, 50) && wide.contains("p99.9"), "{name}:\n{wide}");
        assert!(wide.lines().any(|line| line.contains(" get ") && line.contains(" 4 ")), "{wide}");
        let slow = once(server, &["--screen", "slow", "--size", "80x200"]);
        assert!(slow.contains("GET user:1") && slow.contains("MSET user:1 a"), "{name}:\n{slow}");
        let clients = once(server, &["--screen", "clients"]);
        assert!(clients.contains("127.0.0.1:") && clients.contains("Clients: 2"), "{clients}");
        let persistence = once(server, &["--screen", "persistence"]);
        assert!(persistence.contains("Changes since then"), "{name}:\n{persistence}");
        let prefixes = once(server, &["--screen", "prefixes"]);
        let told = match name {
            "redstart" => "CONFIG SET stats-prefixes",
            _ => "PREFIX.STATS is Redstart's",
        };
        assert!(prefixes.contains(told), "{name}:\n{prefixes}");
    }
}

#[test]
fn prefixes_are_shown_where_they_are_counted() {
    let server = Server::start(REDSTART.as_ref(), &["--stats-prefixes", ":"]).expect("it starts");
    let mut client = connect(&server);
    call(&mut client, "MSET user:1 a user:2 b");
    call(&mut client, "GET user:1");
    call(&mut client, "GET cart:1");
    let shown = once(&server, &["--screen", "prefixes", "--size", "100x24"]);
    let line = |name: &str| shown.lines().find(|line| line.trim_start().starts_with(name));
    assert!(line("user:").is_some_and(|line| line.contains("100.0 %")), "{shown}");
    assert!(line("cart:").is_some_and(|line| line.contains("0.0 %")), "{shown}");
}

#[test]
fn what_a_user_may_not_ask_and_what_is_not_there_is_said() {
    let server = Server::start(REDSTART.as_ref(), &[]).expect("it starts");
    let eve = "ACL SETUSER eve on >secret ~* +ping +client|setname +slowlog";
    call(&mut connect(&server), eve);
    let port = server.port().to_string();
    let as_eve = ["top", "--once", "--interval-ms", "100", "--user", "eve", "--pass", "secret"];
    let (_, out, err) = run(&[&as_eve[..], &["--port", &port]].concat());
    assert!(out.contains("! The server does not tell how it does (INFO): NOPERM"), "{out}{err}");
    let (output, out, err) = run(&["top", "--once", "--port", &free_port().to_string()]);
    assert!(!output.status.success() && out.is_empty());
    assert!(err.ends_with("nothing listens there\n") && err.lines().count() == 1, "{err}");
    let (output, _, err) = run(&["top", "--port", &port]);
    assert!(!output.status.success() && err.contains("--once"), "{err}");
    let (output, _, err) = run(&["top", "--once", "--size", "7x7"]);
    assert!(!output.status.success() && err.contains("not like 120x40"), "{err}");
    let (output, help, _) = run(&["top", "--help"]);
    assert!(output.status.success() && help.contains("Examples"), "{help}");
}

/// A terminal of 80 columns and 24 rows, in which a shell has started `redstart top`.
struct Terminal {
    name: String,
    folder: PathBuf,
}

impl Terminal {
    /// None without tmux.
    fn start(args: &str) -> Option<Terminal> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("redstart-top-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).expect("a folder is made");
        let terminal = Terminal { name, folder };
        let shell = format!("{REDSTART} top {args}; echo ended with $?; exec cat");
        let args = ["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &shell];
        match terminal.command(&args).output() {
            Ok(output) if output.status.success() => Some(terminal),
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => {
                println!("SKIPPED: no tmux to show redstart top in (Debian: tmux)");
                None
            }
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.name]).args(args).env_remove("TMUX");
        command.env("TMUX_TMPDIR", &self.folder).env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1");
        command
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn shown(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn until_shown(&self, text: &str) -> String {
        let mut shown = String::new();
        until(text, || {
            shown = self.shown();
            shown.contains(text)
        });
        shown
    }

    /// The process of `redstart top`.
    fn process(&self) -> String {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let output = Command::new("pgrep").args(["-P", shell.trim()]).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_screens_live_in_a_terminal() {
    let server = Server::start(REDSTART.as_ref(), &[]).expect("it starts");
    call(&mut connect(&server), "SET a 1");
    let Some(terminal) = Terminal::start(&format!("--port {} --interval-ms 100", server.port()))
    else {
        return;
    };
    let shown = terminal.until_shown("at most");
    for text in ["[1 Overview]", "Redstart 0.1.0", "Memory used", "Database", "q quit"] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
    // Figures move: the commands of this program count.
    terminal.until_shown("info ");
    terminal.press("5");
    let shown = terminal.until_shown("redstart-top");
    assert!(shown.contains("by memory"), "{shown}");
    terminal.press("s");
    terminal.until_shown("by age");
    terminal.press("r");
    terminal.until_shown("by age, reversed");
    terminal.press("?");
    terminal.until_shown("any key closes it");
    terminal.press("x");
    terminal.press("p");
    terminal.until_shown("[PAUSED");
    terminal.press("p");
    terminal.tmux(&["resize-window", "-x", "160", "-y", "40"]);
    terminal.press("2");
    terminal.until_shown("p99.9");
    terminal.tmux(&["resize-window", "-x", "30", "-y", "8"]);
    terminal.until_shown("[2 Commands]");
    terminal.press("q");
    // What stood in the terminal before is there again.
    let shown = terminal.until_shown("ended with 0");
    assert!(!shown.contains("Commands"), "{shown}");
}

#[test]
fn the_terminal_is_given_back_at_a_signal_and_at_ctrl_c() {
    let server = Server::start(REDSTART.as_ref(), &[]).expect("it starts");
    for (signal, ended) in
        [("TERM", "ended with 143"), ("INT", "ended with 130"), ("", "ended with 0")]
    {
        let Some(terminal) = Terminal::start(&format!("--port {}", server.port())) else { return };
        terminal.until_shown("[1 Overview]");
        match signal {
            "" => terminal.press("C-c"),
            signal => {
                let process = terminal.process();
                let sent = Command::new("kill").args([&format!("-{signal}"), &process]).status();
                assert!(sent.is_ok_and(|status| status.success()), "{process}");
            }
        }
        let shown = terminal.until_shown(ended);
        assert!(!shown.contains("Overview"), "{shown}");
        // The terminal is no longer raw: what is typed is shown.
        terminal.press("typed");
        terminal.until_shown("typed");
    }
}

/// A server on a port that is known, ended when dropped.
struct Served(Child);

impl Served {
    fn new(port: &str) -> Served {
        let mut command = Command::new(REDSTART);
        command.args(["--port", port, "--bind", "127.0.0.1", "--save", ""]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Served(command.spawn().expect("it starts"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_that_went_is_found_again() {
    let port = free_port().to_string();
    let Some(terminal) = Terminal::start(&format!("--port {port} --interval-ms 100")) else {
        return;
    };
    terminal.until_shown("nothing listens there; trying again");
    for _ in 0..2 {
        let server = Served::new(&port);
        until("it is found", || {
            let shown = terminal.shown();
            shown.contains("q quit") && shown.contains("Memory used")
        });
        drop(server);
        terminal.until_shown("! no answer");
    }
}
