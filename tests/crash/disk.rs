//! A small disk for one test: an ext4 image over a loop device, whose power can be cut. Where that
//! is not permitted, tests say so and pass.

use crate::process::scratch;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A mounted disk.
pub struct Disk {
    folder: PathBuf,
}

/// A program that cuts a file system off (`EXT4_IOC_SHUTDOWN`): what is not on the disk by then
/// never gets there, nor what only the journal has. It cuts off mount points only, and waits for a
/// line on its input, so that the moment of the cut is known.
const CUT: &str = "\
import fcntl, os, struct, sys
path = sys.argv[1]
assert os.path.ismount(path)
handle = os.open(path, os.O_RDONLY)
print('ready', flush=True)
sys.stdin.readline()
fcntl.ioctl(handle, 0x8004587D, struct.pack('I', 2))
print('done', flush=True)
";

/// The program, ready to cut a disk's power.
pub struct Plug {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Plug {
    fn says(&mut self, word: &str) -> bool {
        let mut line = String::new();
        self.output.read_line(&mut line).is_ok() && line.trim_end() == word
    }

    /// Cuts the power; returns the moments before and after, None where that is not permitted.
    pub fn pull(mut self) -> Option<(Instant, Instant)> {
        let before = Instant::now();
        let asked = self.child.stdin.take().is_some_and(|mut input| writeln!(input).is_ok());
        let done = asked && self.says("done");
        let after = Instant::now();
        if !done {
            eprintln!("SKIPPED: a file system cannot be cut off here");
        }
        done.then_some((before, after))
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runs(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Disk {
    /// A disk of so many megabytes; None where that is not permitted.
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
        runs("mount", &["-o", "loop,noauto_da_alloc", &self.image(), &self.text()])
    }

    /// Starts the program that can cut the power; None where it cannot run.
    pub fn plug(&self) -> Option<Plug> {
        let mut command = Command::new("python3");
        command.args(["-c", CUT, &self.text()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let output = BufReader::new(child.stdout.take()?);
        let mut plug = Plug { child, output };
        let ready = plug.says("ready");
        if !ready {
            eprintln!("SKIPPED: a file system cannot be cut off here");
        }
        ready.then_some(plug)
    }

    /// Unmounts the disk and mounts it again, as after a power cut. No process may use it.
    pub fn remount(&self) {
        // A daemon that looks at new disks may hold this one for a moment.
        let freed = (0..100).any(|_| {
            let done = runs("umount", &[&self.text()]);
            if !done {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            done
        });
        assert!(freed, "a process uses the disk");
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
