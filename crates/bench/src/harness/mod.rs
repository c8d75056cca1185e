//! The harness: reads the command line, runs the chosen groups, prints and writes the report.

mod big;
mod bitmaps;
mod chart;
mod cli;
mod client;
mod encryption;
mod eviction;
mod exact;
mod expiry;
mod floor;
mod hashes;
mod histogram;
mod hits;
mod lines;
mod lists;
mod load;
mod log;
mod memcached;
mod memory;
mod outcome;
mod patterns;
mod plan;
mod precedence;
mod publish;
mod release;
mod report;
mod scale;
mod scripts;
mod server;
mod sets;
mod skipper;
mod snapshot;
mod sorted_sets;
mod stall;
mod streams;
mod strings;
mod strip;
mod throughput;
mod tls;
mod toolkit;
mod traces;
mod workers;
mod workload;

use cli::Args;
use outcome::{Outcome, progress};
use plan::{Group, Plan};
use report::Section;
use server::Cores;
use std::process::ExitCode;

pub fn main() -> ExitCode {
    let args = <Args as clap::Parser>::parse();
    let ran = match args.serve_floor {
        Some(port) => floor::serve(port).map(|()| true),
        None => run(&Plan::from(args)),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("redstart-bench: a workload failed, see above");
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("redstart-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// True when every measurement of the two main servers could be made.
fn run(plan: &Plan) -> Outcome<bool> {
    let cores = Cores::find()?;
    if cores.shared() {
        progress("only one core: server and load share it, and the figures mean little");
    }
    let facts = report::facts(plan, &cores)?;
    let mut sections: Vec<Section> = Vec::new();
    if plan.groups.iter().any(Group::is_throughput) {
        sections.extend(throughput::run(plan, &cores)?);
    }
    for group in &plan.groups {
        // What was measured is kept, whatever becomes of the rest.
        write(plan, &facts, &sections)?;
        match group {
            Group::Strings | Group::Commands | Group::Large => {}
            Group::Hashes | Group::Lists | Group::Sets | Group::SortedSets => {}
            Group::Streams | Group::Bitmaps => {}
            Group::Scripts => sections.push(scripts::run(plan, &cores)),
            Group::Patterns => sections.push(patterns::run(plan, &cores)),
            Group::Publish => sections.push(publish::run(plan, &cores)),
            Group::Memory => sections.push(memory::run(plan, &cores)),
            Group::Stall => sections.push(stall::run(plan, &cores)),
            Group::Hits => sections.push(hits::run(plan, &cores)),
            Group::Scale => sections.push(scale::run(plan, &cores)),
            Group::Eviction => sections.push(eviction::run(plan, &cores)),
            Group::Floor => sections.push(floor::run(plan, &cores)),
            Group::Toolkit => sections.push(toolkit::run(plan, &cores)),
            Group::Memcached => sections.push(memcached::run(plan, &cores)),
            Group::Expiry => sections.push(expiry::run(plan, &cores)),
            Group::Workers => sections.push(workers::run(plan, &cores)),
            Group::Big => sections.push(big::run(plan, &cores)),
            Group::Log => sections.push(log::run(plan, &cores)),
            Group::Snapshot => sections.push(snapshot::run(plan, &cores)),
            Group::Tls => sections.push(tls::run(plan, &cores)),
            Group::Encryption => sections.push(encryption::run(plan, &cores)),
        }
    }
    println!("{}", write(plan, &facts, &sections)?);
    if let Some(path) = &plan.write {
        progress(format_args!("written to {}", path.display()));
    }
    Ok(sections.iter().all(|section| section.complete))
}

/// Writes the page with these sections, if it is to be written; returns it.
fn write(plan: &Plan, facts: &str, sections: &[Section]) -> Outcome<String> {
    let page = report::page(plan, facts, sections);
    if let Some(path) = &plan.write {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, &page)?;
    }
    Ok(page)
}
