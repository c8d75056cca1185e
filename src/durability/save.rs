//! Saving: SAVE, the body of BGSAVE, and the last snapshot at the end.

use super::Durability;
use super::disk::directory::remedy;
use super::gate::{IS_STOPPING, SAVE_FAILS};
use crate::system::log;
use redstart_config::Setting;
use redstart_persistence::snapshot::Counts;
use std::io;

/// How the server is to end.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Whether it saves.
    pub save: FinalSave,
    /// Whether it ends even if saving fails.
    pub force: bool,
}

/// Whether the server saves before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalSave {
    /// Whatever the settings say.
    Always,
    /// Whatever the settings say.
    Never,
    /// If there are save points.
    AsConfigured,
}

/// The data could not be saved, and so the server goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSaved;

/// Which client sees that a snapshot failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureSeenBy {
    /// The one that sent SAVE: it gets an error.
    Caller,
    /// None. So writes are refused afterwards, if the settings say so.
    Nobody,
}

impl Durability {
    /// When the last snapshot was finished, in seconds since the Unix epoch.
    pub fn last_save_s(&self) -> i64 {
        self.status.lock().last_save_s
    }

    /// Whether a snapshot is being saved.
    pub fn is_saving(&self) -> bool {
        self.status.lock().save.is_running()
    }

    /// Saves on this thread.
    ///
    /// # Errors
    /// When that fails. The reason stands in the server's log.
    pub fn save_now(&self) -> io::Result<()> {
        self.status.lock().save.begin(self.parts.now_ms());
        self.save(FailureSeenBy::Caller)
    }

    /// Saves a snapshot; the status says already that this goes on. It begins when no other one is
    /// being taken any more; the end of that one set the status back, and so it is set again.
    pub(super) fn save(&self, failure_seen_by: FailureSeenBy) -> io::Result<()> {
        let _turn = self.taking.turn();
        self.taking.uncancel();
        let begun_ms = self.parts.now_ms();
        self.status.lock().save.since_ms = Some(begun_ms);
        let result = self.claim().and_then(|()| {
            let (directory, name) = self.parts.dump_place();
            self.take_snapshot(&directory, |_| name, || ())
        });
        let took_ms = self.parts.now_ms() - begun_ms;
        {
            let mut status = self.status.lock();
            // Under the lock: the tick cancels only what the status says is running.
            let cancelled = self.taking.uncancel();
            status.save.since_ms = None;
            status.save.took_s = Some(took_ms / 1000);
            match &result {
                Ok((_, moment)) => {
                    status.save.failed = false;
                    status.save.failed_in_row = 0;
                    status.changes_saved = moment.changes;
                    status.last_save_s = self.parts.wall_s();
                    status.save.done += 1;
                }
                Err(_) if !cancelled && failure_seen_by == FailureSeenBy::Nobody => {
                    status.save.failed = true;
                    status.save.failed_in_row += 1;
                }
                Err(_) => {}
            }
        }
        match &result {
            Ok((Counts { entries, bytes, .. }, _)) => log::notice(format_args!(
                "DB saved on disk: {}, {bytes} bytes, {:.3} s",
                log::counted(*entries, "key"),
                took_ms as f64 / 1000.0
            )),
            Err(error) => {
                let (directory, name) = self.parts.dump_place();
                let (folder, remedy) = (directory.path().display(), remedy(error.kind()));
                log::warning(format_args!("Saving {folder}/{name} failed: {error}{remedy}"));
            }
        }
        self.follow_failure();
        result.map(drop)
    }

    /// Refuses writes after a snapshot failed, if the settings say so.
    pub(super) fn follow_failure(&self) {
        let failed = self.status.lock().save.failed;
        let config = self.parts.config.read();
        let refuses =
            config.is(Setting::StopWritesOnBgsaveError) && !config.save_points().is_empty();
        self.gate.set_to(SAVE_FAILS, failed && refuses);
    }

    /// Does what has to be done before the process may end. From the snapshot's moment on, no
    /// reply leaves any more.
    ///
    /// # Errors
    /// When saving failed and is not `force`d; replies leave again.
    pub fn shutdown(&self, ending: Ending) -> Result<(), NotSaved> {
        let loading = self.is_loading();
        self.gate.set(IS_STOPPING);
        if self.status.lock().is_working() {
            log::warning("There is a snapshot being saved. It is given up.");
            self.taking.cancel();
        }
        let wanted = match ending.save {
            FinalSave::Always => true,
            FinalSave::Never => false,
            FinalSave::AsConfigured => self.parts.has_save_points(),
        };
        let mut whole = self.sync_log().is_ok();
        if wanted && !loading {
            log::notice("Saving the final snapshot before exiting.");
            whole &= self.save_now().is_ok();
        }
        if !whole && !ending.force {
            log::warning("Error trying to save the DB, can't exit.");
            self.taking.uncancel();
            self.gate.clear(IS_STOPPING);
            return Err(NotSaved);
        }
        Ok(())
    }
}
