//! `redstart top`: how a server does, in a terminal, over RESP. It looks at Redis and Valkey as at
//! Redstart; what a server does not have is left out, or said.
//!
//! One thread asks (`sampler.rs`), this one draws and reads keys; so keys work while the server
//! does not answer. `model.rs` is what is shown, `view.rs` and its kin are how.

mod listing;
mod model;
mod overview;
mod persistence;
mod sampler;
mod terminal;
mod view;

use super::link::{Silence, Target};
use clap::{ArgAction, CommandFactory, Parser};
use model::{Action, Model, Screen};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::terminal::size;
use sampler::Update;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use terminal::Screens;

/// How long a key waits at most before what has come meanwhile is drawn.
const TURN: Duration = Duration::from_millis(100);

/// Shows how a server does: operations, hits, memory, clients, what commands cost, slow commands.
/// It works with Redis and Valkey, too.
#[derive(Parser)]
#[command(
    name = "redstart top",
    no_binary_name = true,
    disable_help_flag = true,
    after_help = "Keys: 1 to 6 and Tab choose a screen, s sorts, r reverses, p pauses, ? helps, q \
                  quits.\nWithout colours (NO_COLOR) nothing is lost.\n\nExamples:\n  \
                  redstart top\n  redstart top -h cache.example -p 7000 --screen clients\n  \
                  REDISCLI_AUTH=SECRET redstart top --user watcher --tls --cacert ca.crt\n  \
                  redstart top --once --size 120x40 > now.txt\n\nA user needs +info +slowlog \
                  +config|get +client|list +client|setname +prefix.stats; what it may\nnot ask \
                  is not shown."
)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// How often the server is asked, in milliseconds.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..))]
    interval_ms: u64,
    /// The screen to begin with.
    #[arg(long, value_enum, default_value = "overview")]
    screen: Screen,
    /// Print one screen as text, after one interval, and end.
    #[arg(long)]
    once: bool,
    /// With --once: columns and rows; without, the terminal's, or 80x24.
    #[arg(long, value_name = "COLUMNSxROWS", requires = "once", value_parser = columns_and_rows)]
    size: Option<(u16, u16)>,
    /// Print this.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

fn columns_and_rows(text: &str) -> Result<(u16, u16), String> {
    let sides = text
        .split_once('x')
        .and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)));
    let fits =
        |(columns, rows): &(u16, u16)| (20..=500).contains(columns) && (5..=500).contains(rows);
    sides.filter(fits).ok_or_else(|| "not like 120x40, from 20x5 to 500x500".to_owned())
}

/// What clap knows of the subcommand.
pub fn declared() -> clap::Command {
    Arguments::command()
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    let shown = match arguments.once {
        true => once(&arguments),
        false => live(arguments),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redstart top: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the terminal shows more than ASCII, as far as its language says.
fn has_blocks() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let language = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
    let language = language.to_ascii_lowercase();
    language.contains("utf-8") || language.contains("utf8")
}

/// Prints one screen.
fn once(arguments: &Arguments) -> io::Result<()> {
    let silent =
        |Silence { place, reason }| io::Error::other(format!("no answer from {place}: {reason}"));
    let mut link = sampler::connect(&arguments.target).map_err(silent)?;
    let mut model = Model::new(link.place().to_owned(), arguments.screen, has_blocks());
    for turn in 0..2 {
        if turn > 0 {
            thread::sleep(Duration::from_millis(arguments.interval_ms));
        }
        let sample = sampler::sample(&mut link, arguments.screen);
        let sample = sample.map_err(|error| io::Error::other(link.plain(&error)))?;
        model.update(Update::Sample(Box::new(sample)));
    }
    let terminal = || io::stdout().is_terminal().then(|| size().ok()).flatten();
    let (columns, rows) = arguments.size.or_else(terminal).unwrap_or((80, 24));
    let text = text_of(&model, columns, rows);
    match io::stdout().write_all(text.as_bytes()) {
        // Who reads no more has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A screen as text, without blanks at the ends of lines and without empty lines at its end.
fn text_of(model: &Model, columns: u16, rows: u16) -> String {
    // Drawing into memory does not fail.
    let Ok(mut terminal) = Terminal::new(TestBackend::new(columns, rows));
    let Ok(drawn) = terminal.draw(|frame| view::draw(frame, model));
    let cells = drawn.buffer.content().chunks(columns.into());
    let lines = cells.take(usize::from(rows) - 1).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    });
    let text: String = lines.collect();
    text.trim_end().to_owned() + "\n"
}

/// Shows the screens until a key or a signal ends it.
fn live(arguments: Arguments) -> io::Result<()> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(io::Error::other("this is no terminal; --once prints one screen as text"));
    }
    let (asks, wanted) = mpsc::channel();
    let (tells, updates) = mpsc::channel();
    let mut model = Model::new(arguments.target.place(), arguments.screen, has_blocks());
    // Nobody is there any more to hear it where sending fails.
    let _ = asks.send(arguments.screen);
    terminal::end_on_signals()?;
    let interval = Duration::from_millis(arguments.interval_ms);
    thread::Builder::new()
        .name("sampler".to_owned())
        .spawn(move || sampler::run(&arguments.target, interval, &wanted, &tells))?;
    let mut screens = Screens::take()?;
    loop {
        updates.try_iter().for_each(|update| model.update(update));
        let drawn = screens.terminal.draw(|frame| view::draw(frame, &model))?;
        let page = usize::from(drawn.area.height.saturating_sub(view::FRAME_ROWS + 2));
        if !event::poll(TURN)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => match model.key(key, page) {
                Action::None => {}
                Action::Look(screen) => {
                    let _ = asks.send(screen);
                }
                Action::Quit => return Ok(()),
                Action::Suspend => screens.suspend()?,
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::facts::{Client, Info, Slow};
    use sampler::Sample;
    use std::time::Instant;

    /// What a server of 2012 tells, more or less: little.
    const OLD: &str = "redis_version:2.6.0\r\nused_memory:1000000\r\nconnected_clients:3\r\n\
        total_commands_processed:50\r\ndb0:keys=7,expires=0\r\n";

    fn model(info: Result<Info, String>, screen: Screen) -> Model {
        let mut model = Model::new("127.0.0.1:6379".into(), screen, false);
        for second in 0..2 {
            let clients = "id=1 addr=127.0.0.1:5 name=a\x1b[31m age=9 tot-mem=70000 cmd=get\n\
                id=2 addr=127.0.0.1:6 name=b age=5 idle=0 tot-mem=9 cmd=blpop flags=b\n";
            let words = vec![b"KEYS".to_vec(), b"<*>\n".to_vec()];
            model.update(Update::Sample(Box::new(Sample {
                at: Instant::now() + Duration::from_secs(second),
                wall_s: 1000,
                info: info.clone(),
                slow: Ok(vec![Slow { id: 1, at_s: 700, us: 15_000, words, client: vec![] }]),
                slow_from_us: Some(10_000),
                prefixes: Err("ERR unknown command 'PREFIX.STATS'".into()),
                clients: Some(Ok(Client::read_all(clients.as_bytes()))),
            })));
        }
        model
    }

    fn shown(screen: Screen, columns: u16, rows: u16) -> String {
        text_of(&model(Ok(Info::read(OLD.as_bytes())), screen), columns, rows)
    }

    #[test]
    fn screens_show_what_there_is_and_say_what_is_not() {
        for (columns, rows) in [(80, 24), (40, 10), (200, 60), (20, 5)] {
            for screen in Screen::ALL {
                let text = shown(screen, columns, rows);
                assert!(text.lines().all(|line| line.chars().count() <= columns.into()), "{text}");
            }
        }
        let overview = shown(Screen::Overview, 80, 24);
        for word in ["Redis 2.6.0", "[1 Overview]", "977 kB", "no limit", "no reads"] {
            assert!(overview.contains(word), "{word} is not in\n{overview}");
        }
        let clients = shown(Screen::Clients, 130, 24);
        assert!(clients.contains("a\\x1b[31m") && clients.contains("waits"), "{clients}");
        let (first, second) = (clients.find("68 kB"), clients.find("9 B"));
        assert!(first < second && first.is_some(), "{clients}");
        let slow = shown(Screen::Slow, 80, 24);
        assert!(slow.contains("KEYS <*>\\x0a") && slow.contains("5 min ago"), "{slow}");
        let prefixes = shown(Screen::Prefixes, 80, 24);
        assert!(prefixes.contains("PREFIX.STATS is Redstart's"), "{prefixes}");
    }

    #[test]
    fn a_server_that_refuses_and_one_that_is_gone_are_told() {
        let refused = model(Err("NOPERM no".into()), Screen::Overview);
        let text = text_of(&refused, 80, 24);
        assert!(
            text.contains("! The server does not tell how it does (INFO): NOPERM no"),
            "{text}"
        );
        let mut lost = model(Ok(Info::read(OLD.as_bytes())), Screen::Overview);
        lost.update(Update::Lost(Silence { place: "here".into(), reason: "it went".into() }));
        lost.helps = true;
        let Ok(mut terminal) = Terminal::new(TestBackend::new(80, 24));
        let Ok(drawn) = terminal.draw(|frame| view::draw(frame, &lost));
        let text = format!("{:?}", drawn.buffer);
        assert!(text.contains("! no answer from here: it went"), "{text}");
        assert!(text.contains("sort the rows"), "{text}");
    }
}
