//! What a SET costs that has to evict: keys that are not there, one after another, into a server at
//! its `maxmemory`. And how far above the limit the server is at the end, by its own account and
//! by the system's.

use super::client::Client;
use super::load::{self, Laps, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{PEER, Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::strip::{Strip, fill_strip};
use super::throughput::Figures;

const POLICIES: [&str; 2] = ["allkeys-lru", "allkeys-lfu"];
/// CPU time of an evicting SET over the peer's at most.
const CPU_MAX: f64 = 0.55;
/// What a server says it uses, and what is resident, over the limit at most.
const USED_MAX: f64 = 1.01;
const RESIDENT_MAX: f64 = 1.15;
const LIMIT_MB: u64 = 200;
/// Keys in turn: several times as many as any server has room for, so that each is gone again
/// before its next turn.
const KEYS: usize = 8_000_000;
const KEYS_QUICK: usize = 4_000_000;
const PIPELINE: usize = 16;
const FILL_PIPELINE: usize = 64;

/// What one measurement showed.
#[derive(Clone, Copy)]
struct Evicting {
    figures: Figures,
    /// Both over the limit.
    used: f64,
    resident: f64,
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "policy",
        "server",
        "kops/s",
        "ratio",
        "CPU us/op",
        "ratio",
        "bar",
        "used",
        "resident",
        "met",
    ]);
    let strip = fill_strip(if plan.quick { KEYS_QUICK } else { KEYS }, &[]);
    let mut complete = true;
    for policy in POLICIES {
        let mut rounds = vec![Vec::new(); plan.servers.len()];
        for _ in 0..plan.rounds {
            for (at, spec) in plan.servers.iter().enumerate() {
                progress(format_args!("eviction, {policy}: {}", spec.name));
                match measure(plan, spec, cores, policy, &strip) {
                    Ok(evicting) => rounds[at].push(evicting),
                    Err(failure) => {
                        progress(format_args!("  {failure}"));
                        complete &= at > REDSTART;
                    }
                }
            }
        }
        rows(plan, policy, &rounds, &mut table);
    }
    let text = format!(
        "SET p{PIPELINE} of keys that are not there, at `maxmemory {LIMIT_MB}mb`. *Used* is \
         `used_memory` and *resident* VmRSS at the end, over the limit: at most {USED_MAX} and \
         {RESIDENT_MAX}.\n\n{}",
        table.markdown()
    );
    Section { title: "Eviction".into(), text, complete }
}

fn rows(plan: &Plan, policy: &str, rounds: &[Vec<Evicting>], table: &mut Table) {
    let medians = |at: usize| {
        let figures: Vec<Figures> = rounds[at].iter().map(|evicting| evicting.figures).collect();
        Some(Evicting {
            figures: Figures::medians(&figures)?,
            used: median(rounds[at].iter().map(|evicting| evicting.used))?,
            resident: median(rounds[at].iter().map(|evicting| evicting.resident))?,
        })
    };
    let theirs = medians(PEER);
    for (at, spec) in plan.servers.iter().enumerate() {
        let Some(ours) = medians(at) else { continue };
        let over = |of: fn(&Figures) -> f64| ratio(of(&ours.figures), of(&theirs?.figures));
        let (kops, cpu) = (over(|figures| figures.kops), over(|figures| figures.cpu_us));
        let (mut bar, mut verdict) = (String::new(), String::new());
        if at == REDSTART {
            bar = format!("<= {CPU_MAX}");
            let in_bounds = ours.used <= USED_MAX && ours.resident <= RESIDENT_MAX;
            verdict = cpu.map(|cpu| met(cpu <= CPU_MAX && in_bounds)).unwrap_or_default();
        }
        table.row([
            policy.to_string(),
            spec.name.clone(),
            format!("{:.0}", ours.figures.kops),
            kops.map(short).unwrap_or_default(),
            short(ours.figures.cpu_us),
            cpu.map(short).unwrap_or_default(),
            bar,
            short(ours.used),
            short(ours.resident),
            verdict,
        ]);
    }
}

fn measure(
    plan: &Plan,
    spec: &ServerSpec,
    cores: &Cores,
    policy: &str,
    strip: &Strip,
) -> Outcome<Evicting> {
    let limit = format!("{LIMIT_MB}mb");
    let spec = spec.with(&["--maxmemory", &limit, "--maxmemory-policy", policy]);
    let server = Server::start(&spec, cores, Pin::Apart, 1)?;
    let fill = Stream::new(strip, plan.connections, FILL_PIPELINE, Laps::Once);
    load::run(server.port, &[fill], None, &server.cpu)?;
    let stream = Stream::new(strip, plan.connections, PIPELINE, Laps::Endless);
    let measured = load::run(server.port, &[stream], Some(plan.timing), &server.cpu)?;
    let mut client = Client::connect(server.port)?;
    let evicted = client.info_number("evicted_keys")?;
    if evicted < strip.len() as f64 / 2.0 {
        return Err(Failure(format!("only {evicted} keys were evicted")));
    }
    let limit = (LIMIT_MB << 20) as f64;
    let used = client.info_number("used_memory")? / limit;
    let resident = server.resident_bytes()? as f64 / limit;
    Ok(Evicting { figures: Figures::of(&measured), used, resident })
}
