//! A small disk of our own: an ext4 image over a loop device, which can be cut off from its power.
//! Where that is not permitted, tests say so and pass.

use crate::process::scratch;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mounted disk.
pub struct Disk {
    folder: PathBuf,
}

/// Cuts a file system off (`EXT4_IOC_SHUTDOWN`): what is not on the disk by now never gets there,
/// the journal's part included. Nothing else than a mount point is ever cut off.
const CUT: &str = "\
import fcntl, os, struct, sys
path = sys.argv[1]
assert os.path.ismount(path)
handle = os.open(path, os.O_RDONLY)
fcntl.ioctl(handle, 0x8004587D, struct.pack('I', 2))
";

fn runs(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Disk {
    /// A disk of so many megabytes; None where there can be none.
    pub fn new(name: &str, megabytes: u32) -> Option<Disk> {
        let folder = scratch(name);
        std::fs::create_dir(folder.join("disk")).expect("the directory is ours");
        let disk = Disk { folder };
        let (image, size) = (disk.image(), format!("{megabytes}M"));
        let made = runs("truncate", &["-s", &size, &image])
            && runs("mkfs.ext4", &["-q", "-F", &image])
            && disk.mount();
        if !made {
            eprintln!("SKIPPED: an image cannot be made or mounted here");
            return None;
        }
        Some(disk)
    }

    fn image(&self) -> String {
        self.folder.join("image").to_string_lossy().into_owned()
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.join("disk")
    }

    fn text(&self) -> String {
        self.path().to_string_lossy().into_owned()
    }

    fn mount(&self) -> bool {
        runs("mount", &["-o", "loop", &self.image(), &self.text()])
    }

    /// Cuts the power; false where that is not permitted.
    pub fn cut(&self) -> bool {
        let done = runs("python3", &["-c", CUT, &self.text()]);
        if !done {
            eprintln!("SKIPPED: a file system cannot be cut off here");
        }
        done
    }

    /// Takes the disk off and mounts it again, as after a power cut. Nobody may use it.
    pub fn remount(&self) {
        // Whoever looks at new disks may look at this one for a moment.
        let freed = (0..100).any(|_| {
            let done = runs("umount", &[&self.text()]);
            if !done {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            done
        });
        assert!(freed, "somebody uses the disk");
        assert!(self.mount(), "it was mounted before");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if runs("mountpoint", &["-q", &self.text()]) {
            runs("umount", &["-l", &self.text()]);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
