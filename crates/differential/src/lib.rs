//! The differential fuzzer: seeded random command streams, sent to Redstart and to a real server
//! ([`oracle`]: Redis or Valkey), every reply compared.
//!
//! A run is a sequence of streams. Stream `i` is made from the run's seed plus `i`, RESP2 and
//! RESP3 in turn, so any stream can be had again alone. It goes to both servers after a
//! FLUSHALL ([`pair`]); what may differ is written down in [`normalise`]. The first stream that
//! shows a new difference is shrunk ([`shrink`]) and printed as a transcript.
//!
//! ```text
//!   families/*  --draw-->  deadline::settle  -->  Stream  -->  Pair::run  --Difference-->
//!   shrink::steps  -->  shrink::arguments  -->  transcript
//! ```
//!
//! Commands run alone, in transactions ([`transaction`]) and in scripts; waits are short
//! ([`wait`]); what others would hear of it is compared too ([`listener`]). Deliberately absent:
//! several connections that change something, which no single order of replies describes.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit;
pub mod deadline;
pub mod families;
pub mod known;
pub mod link;
pub mod listener;
pub mod moments;
pub mod normalise;
pub mod oracle;
pub mod pair;
pub mod reply;
pub mod run;
pub mod server;
pub mod shrink;
pub mod source;
pub mod stream;
pub mod transaction;
pub mod transcript;
pub mod wait;
