//! What the screens show: the last sample, the one before it, what was in the minutes before, and
//! what the keys have chosen. No terminal and no connection is known here.

use super::sampler::{Sample, Update};
use crate::tools::facts::Info;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::VecDeque;

/// How many points of the past are kept.
const PAST_MAX: usize = 600;

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Screen {
    /// How the server does.
    Overview,
    /// What commands cost.
    Commands,
    /// What keys that begin alike bring and take.
    Prefixes,
    /// The slow log.
    Slow,
    /// The clients.
    Clients,
    /// Snapshots and the log.
    Persistence,
}

impl Screen {
    /// In the order of their numbers.
    pub const ALL: [Screen; 6] = [
        Screen::Overview,
        Screen::Commands,
        Screen::Prefixes,
        Screen::Slow,
        Screen::Clients,
        Screen::Persistence,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Screen::Overview => "Overview",
            Screen::Commands => "Commands",
            Screen::Prefixes => "Prefixes",
            Screen::Slow => "Slow log",
            Screen::Clients => "Clients",
            Screen::Persistence => "Persistence",
        }
    }

    /// What its rows may be sorted by; the first is what they are sorted by at first.
    pub fn orders(self) -> &'static [&'static str] {
        match self {
            Screen::Overview | Screen::Persistence => &[],
            Screen::Commands => &["time taken", "calls", "mean time", "slowest", "name"],
            Screen::Prefixes => &["memory", "keys", "hits", "misses", "name"],
            Screen::Slow => &["newest", "slowest"],
            Screen::Clients => &["memory", "age", "idle", "unread output", "name"],
        }
    }
}

/// What happened between two samples, a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Commands.
    pub operations: f64,
    /// Lookups that found a key.
    pub hits: f64,
    /// Lookups that found none.
    pub misses: f64,
    /// Bytes that came.
    pub input_bytes: f64,
    /// Bytes that went.
    pub output_bytes: f64,
    /// Keys that expired.
    pub expired: f64,
    /// Keys that were evicted.
    pub evicted: f64,
    /// Error replies; servers before Redis 6.2 do not count them.
    pub errors: f64,
    /// Seconds of processor.
    pub processor: f64,
}

impl Rates {
    fn between(before: &Info, now: &Info, seconds: f64) -> Rates {
        // A counter that went back was reset, or the server began anew.
        let rate = |name: &str| {
            let grown = now.number(name).unwrap_or(0.0) - before.number(name).unwrap_or(0.0);
            grown.max(0.0) / seconds
        };
        Rates {
            operations: rate("total_commands_processed"),
            hits: rate("keyspace_hits"),
            misses: rate("keyspace_misses"),
            input_bytes: rate("total_net_input_bytes"),
            output_bytes: rate("total_net_output_bytes"),
            expired: rate("expired_keys"),
            evicted: rate("evicted_keys"),
            errors: rate("total_error_replies"),
            processor: rate("used_cpu_user") + rate("used_cpu_sys"),
        }
    }

    /// The part of the lookups that found a key; none without lookups.
    pub fn hit_ratio(&self) -> Option<f64> {
        let lookups = self.hits + self.misses;
        (lookups > 0.0).then(|| self.hits / lookups)
    }
}

/// A moment of the past: what happened, and what there was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Point {
    /// What happened.
    pub rates: Rates,
    /// Memory in use, in bytes.
    pub used_bytes: f64,
    /// Clients.
    pub clients: f64,
    /// Keys.
    pub keys: f64,
}

/// What a key does that concerns more than the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing more.
    None,
    /// Another screen is looked at.
    Look(Screen),
    /// The end.
    Quit,
    /// The shell has its turn (Ctrl-Z).
    Suspend,
}

/// What the screens show.
pub struct Model {
    /// Where the server is.
    pub place: String,
    /// The screen.
    pub screen: Screen,
    /// The last sample.
    pub sample: Option<Sample>,
    /// INFO of the sample before it, and how many seconds lie between them.
    pub before: Option<(Info, f64)>,
    /// What was, the oldest first.
    pub past: VecDeque<Point>,
    /// Why there is no answer, while there is none.
    pub lost: Option<String>,
    /// Whether what is shown stays as it is.
    pub paused: bool,
    /// Whether the help is shown.
    pub helps: bool,
    /// The rows that are scrolled past.
    pub scroll: usize,
    /// Whether small plots may be made of other characters than ASCII's.
    pub blocks: bool,
    orders: [usize; Screen::ALL.len()],
    reversed: [bool; Screen::ALL.len()],
}

impl Model {
    /// Before the first sample.
    pub fn new(place: String, screen: Screen, blocks: bool) -> Model {
        Model {
            place,
            screen,
            sample: None,
            before: None,
            past: VecDeque::new(),
            lost: None,
            paused: false,
            helps: false,
            scroll: 0,
            blocks,
            orders: [0; Screen::ALL.len()],
            reversed: [false; Screen::ALL.len()],
        }
    }

    /// Takes what the sampler told.
    pub fn update(&mut self, update: Update) {
        match update {
            Update::Lost(silence) => {
                self.lost = Some(format!("no answer from {}: {}", silence.place, silence.reason));
            }
            Update::Sample(sample) => {
                self.lost = None;
                if !self.paused {
                    self.take(*sample);
                }
            }
        }
    }

    fn take(&mut self, mut sample: Sample) {
        let last = self.sample.take();
        // Clients that are not looked at any more stay what they were.
        if let Some(last) = last {
            let seconds = sample.at.duration_since(last.at).as_secs_f64();
            if sample.clients.is_none() {
                sample.clients = last.clients;
            }
            let same = |info: &Info| info.text("run_id").map(str::to_owned);
            match (last.info, &sample.info) {
                (Ok(before), Ok(now)) if seconds > 0.0 && same(&before) == same(now) => {
                    self.note(&before, now, seconds);
                    self.before = Some((before, seconds));
                }
                _ => self.before = None,
            }
        }
        self.sample = Some(sample);
    }

    fn note(&mut self, before: &Info, now: &Info, seconds: f64) {
        if self.past.len() == PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(Point {
            rates: Rates::between(before, now, seconds),
            used_bytes: now.number("used_memory").unwrap_or(0.0),
            clients: now.number("connected_clients").unwrap_or(0.0),
            keys: now.dbs().iter().map(|db| db.keys as f64).sum(),
        });
    }

    /// INFO of the last sample.
    pub fn info(&self) -> Option<&Info> {
        self.sample.as_ref()?.info.as_ref().ok()
    }

    /// What happened last.
    pub fn now(&self) -> Point {
        self.past.back().copied().unwrap_or_default()
    }

    /// The order of this screen's rows: its number, and whether it is turned around.
    pub fn order(&self) -> (usize, bool) {
        (self.orders[self.screen as usize], self.reversed[self.screen as usize])
    }

    /// What a key does. `page` is how many rows are seen.
    pub fn key(&mut self, key: KeyEvent, page: usize) -> Action {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Action::Quit,
                KeyCode::Char('z') => Action::Suspend,
                _ => Action::None,
            };
        }
        if std::mem::take(&mut self.helps) {
            return if key.code == KeyCode::Char('q') { Action::Quit } else { Action::None };
        }
        let step =
            |screen: Screen, by: usize| Screen::ALL[(screen as usize + by) % Screen::ALL.len()];
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Action::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.helps = true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Tab | KeyCode::Right => return self.look(step(self.screen, 1)),
            KeyCode::BackTab | KeyCode::Left => {
                return self.look(step(self.screen, Screen::ALL.len() - 1));
            }
            KeyCode::Char(digit @ '1'..='6') => {
                return self.look(Screen::ALL[digit as usize - '1' as usize]);
            }
            KeyCode::Char('s') => self.sort_by(1),
            KeyCode::Char('S') => self.sort_by(self.screen.orders().len().saturating_sub(1)),
            KeyCode::Char('r') => {
                self.reversed[self.screen as usize] ^= true;
                self.scroll = 0;
            }
            KeyCode::Down | KeyCode::Char('j') => self.scroll += 1,
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll += page.max(1),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(page.max(1)),
            KeyCode::Home | KeyCode::Char('g') => self.scroll = 0,
            KeyCode::End | KeyCode::Char('G') => self.scroll = usize::MAX / 2,
            _ => {}
        }
        Action::None
    }

    fn look(&mut self, screen: Screen) -> Action {
        (self.screen, self.scroll) = (screen, 0);
        Action::Look(screen)
    }

    fn sort_by(&mut self, by: usize) {
        let all = self.screen.orders().len();
        let order = &mut self.orders[self.screen as usize];
        *order = (*order + by) % all.max(1);
        self.scroll = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::link::Silence;
    use std::time::{Duration, Instant};

    fn sample(began: Instant, second: u64, run: &str, commands: u64) -> Update {
        let text = format!("run_id:{run}\r\ntotal_commands_processed:{commands}\r\n");
        Update::Sample(Box::new(Sample {
            at: began + Duration::from_secs(second),
            wall_s: 0,
            info: Ok(Info::read(text.as_bytes())),
            slow: Ok(vec![]),
            slow_from_us: None,
            prefixes: Ok(vec![]),
            clients: None,
        }))
    }

    #[test]
    fn rates_are_between_samples_of_one_server() {
        let (began, mut model) = (Instant::now(), Model::new("p".into(), Screen::Overview, true));
        model.update(sample(began, 0, "a", 100));
        assert!(model.past.is_empty());
        model.update(sample(began, 2, "a", 300));
        assert_eq!(model.now().rates.operations, 100.0);
        model.update(Update::Lost(Silence { place: "p".into(), reason: "gone".into() }));
        assert_eq!(model.lost.as_deref(), Some("no answer from p: gone"));
        // Another server has counters of its own.
        model.update(sample(began, 3, "b", 5000));
        assert_eq!(
            (model.past.len(), model.lost.is_none(), model.before.is_none()),
            (1, true, true)
        );
        // Counters that were reset.
        model.update(sample(began, 4, "b", 10));
        assert_eq!(model.now().rates.operations, 0.0);
        model.paused = true;
        model.update(sample(began, 5, "b", 20));
        assert_eq!(model.past.len(), 2);
    }

    #[test]
    fn keys_choose_screens_and_orders() {
        let mut model = Model::new("p".into(), Screen::Overview, true);
        let mut press = |code: KeyCode| model.key(KeyEvent::new(code, KeyModifiers::NONE), 10);
        assert_eq!(press(KeyCode::Char('5')), Action::Look(Screen::Clients));
        assert_eq!(press(KeyCode::Char('s')), Action::None);
        assert_eq!(press(KeyCode::PageDown), Action::None);
        assert_eq!((model.order(), model.scroll), ((1, false), 10));
        let mut press = |code: KeyCode| model.key(KeyEvent::new(code, KeyModifiers::NONE), 10);
        press(KeyCode::Char('S'));
        press(KeyCode::Char('S'));
        press(KeyCode::Char('r'));
        assert_eq!((model.order(), model.scroll), ((4, true), 0));
        let mut press = |code: KeyCode| model.key(KeyEvent::new(code, KeyModifiers::NONE), 10);
        assert_eq!(press(KeyCode::Left), Action::Look(Screen::Slow));
        // The key that closes the help does nothing else.
        press(KeyCode::Char('?'));
        assert_eq!(press(KeyCode::Esc), Action::None);
        assert_eq!(press(KeyCode::Esc), Action::Quit);
        let control = |key| KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL);
        assert_eq!(model.key(control('c'), 1), Action::Quit);
        assert_eq!(model.key(control('z'), 1), Action::Suspend);
    }
}
