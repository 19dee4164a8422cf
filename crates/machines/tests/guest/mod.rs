//! A guest for tests: Debian's kernel and busybox, with a shell on the agent's port.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Modules that the guest needs, in order.
const MODULES: &[&str] = &[
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
    "button",
];

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for m in /modules/*; do insmod $m; done
ip link set lo up
echo guest is up
port=$(grep -l snowglobe.agent /sys/class/virtio-ports/*/name | head -n 1); port=${port%/name}
exec 3<>/dev/${port##*/}
# The port reads as ended while nobody is connected.
while :; do
  if read -r line <&3; then
    ( eval "$line" ) > /out 2>&1 3>&-; echo $? > /status
    cat /out >&3; echo "=== $(cat /status)" >&3
  else sleep 0.01 2>/dev/null || usleep 10000; fi
done
"#;

/// Files of the guest.
pub struct Guest {
    pub kernel: PathBuf,
    pub initrd: PathBuf,
}

impl Guest {
    /// From `tree`, a directory in which Debian's kernel is installed.
    pub fn build(tree: &Path, directory: &Path) -> Self {
        let version = std::fs::read_dir(tree.join("lib/modules"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .next()
            .unwrap();
        let mut archive = Vec::new();
        for directory in ["bin", "dev", "proc", "sys", "modules"] {
            entry(&mut archive, directory, 0o040_755, b"");
        }
        let busybox = std::fs::read(tree.join("bin/busybox")).unwrap();
        entry(&mut archive, "bin/busybox", 0o100_755, &busybox);
        entry(&mut archive, "init", 0o100_755, INIT.as_bytes());
        for (index, name) in MODULES.iter().enumerate() {
            let base = tree.join("lib/modules").join(&version).join("kernel");
            let Some(path) = find(&base, &format!("{name}.ko.xz")) else {
                continue;
            };
            let output = Command::new("xz")
                .args(["-dc"])
                .arg(path)
                .current_dir("/")
                .stderr(Stdio::inherit())
                .output()
                .unwrap();
            entry(
                &mut archive,
                &format!("modules/{index}-{name}"),
                0o100_644,
                &output.stdout,
            );
        }
        entry(&mut archive, "TRAILER!!!", 0, b"");
        let initrd = directory.join("initrd");
        std::fs::write(&initrd, archive).unwrap();
        Self {
            kernel: tree.join("boot").join(format!("vmlinuz-{version}")),
            initrd,
        }
    }
}

fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(directory).ok()? {
        let path = entry.ok()?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|file| file == name) {
            return Some(path);
        }
    }
    None
}

/// One entry of a cpio archive in the "newc" format.
fn entry(archive: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let fields = [
        archive.len() as u32 + 1,
        mode,
        0,
        0,
        1,
        0,
        content.len() as u32,
        0,
        0,
        0,
        0,
        name.len() as u32 + 1,
        0,
    ];
    archive.extend(b"070701");
    for field in fields {
        archive.extend(format!("{field:08x}").bytes());
    }
    archive.extend(name.bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

/// The shell on the agent's port.
pub struct Shell(BufReader<UnixStream>);

impl Shell {
    pub fn new(stream: UnixStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_secs(40)))
            .unwrap();
        Self(BufReader::new(stream))
    }

    /// Runs a command; gives its status and what it printed.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> (i32, String) {
        self.0
            .get_mut()
            .write_all(format!("{command}\n").as_bytes())
            .unwrap();
        let mut text = String::new();
        loop {
            let mut line = String::new();
            assert!(
                self.0.read_line(&mut line).unwrap() > 0,
                "the guest is gone: {text}"
            );
            if let Some(status) = line.strip_prefix("=== ") {
                let number = status.trim().parse();
                return (
                    number.unwrap_or_else(|_| panic!("{status:?} after {text}")),
                    text,
                );
            }
            text.push_str(&line);
        }
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn succeed(&mut self, command: &str) -> String {
        let (status, text) = self.run(command);
        assert_eq!(status, 0, "{command}: {text}");
        text
    }

    /// Runs a command without waiting for its end.
    pub fn send(&mut self, command: &str) {
        self.0
            .get_mut()
            .write_all(format!("{command}\n").as_bytes())
            .unwrap();
    }
}

/// Prints how long something took.
pub fn timed<T>(what: &str, action: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = action();
    eprintln!("{what}: {:.3} s", start.elapsed().as_secs_f64());
    value
}
