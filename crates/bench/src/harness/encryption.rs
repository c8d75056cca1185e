//! What it costs that files at rest are encrypted: the log under SETs, and a snapshot. Redstart
//! alone, with a key and without, in interleaved rounds.

use super::client::Client;
use super::load::{self, Laps, Stream};
use super::log;
use super::outcome::{Failure, Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::strip::{Strip, fill_strip};
use super::workload::Strips;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What encryption may cost: CPU time of a SET, wall time of a SAVE.
const LOG_MAX: f64 = 1.10;
const SAVE_MAX: f64 = 1.3;
/// The pipeline of the log's SETs, and of the fill.
const PIPELINE: usize = 16;
const FILL_PIPELINE: usize = 64;
/// A SAVE takes no longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A key file that is removed at the end.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new() -> Outcome<KeyFile> {
        use std::os::unix::fs::PermissionsExt;
        let name = format!("redstart-bench-{}.key", std::process::id());
        let path = std::env::temp_dir().join(name);
        let digits: String = (0..64).map(|_| fastrand::digit(16)).collect();
        std::fs::write(&path, digits)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(KeyFile(path))
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The figures of each way: plain first, then encrypted.
type Rounds = [Vec<f64>; 2];

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let (mut complete, mut set_us, mut save_s) = (true, Rounds::default(), Rounds::default());
    let key = match KeyFile::new() {
        Ok(key) => key,
        Err(failure) => {
            progress(format_args!("  {failure}"));
            return Section { title: TITLE.into(), text: String::new(), complete: false };
        }
    };
    let plain = &plan.servers[REDSTART];
    let encrypted = plain.with(&["--encryption-key-file", &key.0.to_string_lossy()]);
    let (strip, mut strips) = (fill_strip(plan.snapshot_keys, &[]), Strips::default());
    for round in 1..=plan.rounds {
        for (at, spec) in [plain, &encrypted].into_iter().enumerate() {
            progress(format_args!("encryption {round}/{}: {}", plan.rounds, WAYS[at]));
            let logging = log::logging(spec, "everysec");
            let sets = log::measure(plan, &logging, cores, PIPELINE, &mut strips);
            let saved = save(plan, spec, cores, &strip);
            for (figure, into) in
                [(sets.map(|figures| figures.cpu_us), &mut set_us), (saved, &mut save_s)]
            {
                match figure {
                    Ok(figure) => into[at].push(figure),
                    Err(failure) => {
                        progress(format_args!("  {failure}"));
                        complete = false;
                    }
                }
            }
        }
    }
    let mut table = Table::new(["what", WAYS[0], WAYS[1], "ratio", "bar", "met"]);
    let save = format!("SAVE of {}M keys, s", plan.snapshot_keys as f64 / 1e6);
    let set = format!("SET p{PIPELINE}, everysec, CPU us/op");
    for (what, rounds, most) in [(set, set_us, LOG_MAX), (save, save_s, SAVE_MAX)] {
        let [plain, encrypted] = rounds.map(median);
        let shown = |figure: Option<f64>| figure.map(short).unwrap_or_default();
        let cost = encrypted.zip(plain).and_then(|(encrypted, plain)| ratio(encrypted, plain));
        let verdict = cost.map(|cost| met(cost <= most)).unwrap_or_default();
        let bar = format!("<= {most}");
        table.row(vec![what, shown(plain), shown(encrypted), shown(cost), bar, verdict]);
    }
    let text = format!(
        "Redstart with and without `encryption-key-file` (AES-256-GCM).\n\n{}",
        table.markdown()
    );
    Section { title: TITLE.into(), text, complete }
}

const TITLE: &str = "Encryption of files";
const WAYS: [&str; 2] = ["plain", "encrypted"];

/// How long a SAVE takes.
fn save(plan: &Plan, spec: &ServerSpec, cores: &Cores, strip: &Strip) -> Outcome<f64> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let fill = Stream::new(strip, plan.connections, FILL_PIPELINE, Laps::Once);
    load::run(server.port, &[fill], None, &server.cpu)?;
    let mut client = Client::connect(server.port)?;
    client.wait_up_to(PATIENCE)?;
    let began = Instant::now();
    client.ask(&[b"SAVE"])?;
    let took = began.elapsed();
    match client.dbsize()? {
        0 => Err(Failure("there was nothing to save".into())),
        _ => Ok(took.as_secs_f64()),
    }
}
