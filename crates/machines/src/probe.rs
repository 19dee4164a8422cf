//! Finds out whether hardware virtualisation works, not merely whether it exists.
//!
//! `/dev/kvm` can be there and yet hang every guest. So a kernel is started without a root file
//! system: it must print its first lines and give up looking for a root within seconds. The answer is
//! remembered for this boot of the host.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::fs::{Access as Accessible, access};
use serde::{Deserialize, Serialize};
use snowglobe_sandbox::Access;

use crate::accel::{Accelerator, Choice, Request};
use crate::error::Error;
use crate::host::Tools;
use crate::remembered;

/// A working KVM needs less than a second for the probe.
const LIMIT: Duration = Duration::from_secs(5);
const DEVICE: &str = "/dev/kvm";
/// The first line of a kernel.
const BEGIN: &str = "Linux version";
/// Printed by a kernel that has come to its end: it found no root.
const END: &str = "Kernel panic";

/// What the probe needs.
#[derive(Clone, Debug)]
pub struct ProbeInput<'a> {
    /// Where QEMU is.
    pub tools: &'a Tools,
    /// Any kernel for machines.
    pub kernel: &'a Path,
    /// Where the answer is remembered.
    pub cache: &'a Path,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    /// What the answer depends on.
    host: String,
    choice: Choice,
}

/// Chooses the accelerator.
///
/// # Errors
///
/// When KVM is required and does not work.
pub fn choose(request: Request, input: &ProbeInput<'_>) -> Result<Choice, Error> {
    if request == Request::Tcg {
        return Ok(Choice {
            accelerator: Accelerator::Tcg,
            reason: "asked for".into(),
        });
    }
    let choice = remembered_or_probed(input);
    match (request, choice.accelerator) {
        (Request::Kvm, Accelerator::Tcg) => Err(Error::Accelerator(format!(
            "KVM is required but cannot be used: {}",
            choice.reason
        ))),
        _ => Ok(choice),
    }
}

fn remembered_or_probed(input: &ProbeInput<'_>) -> Choice {
    let tcg = |reason: String| Choice {
        accelerator: Accelerator::Tcg,
        reason,
    };
    if !Path::new(DEVICE).exists() {
        return tcg(format!("the host has no {DEVICE}"));
    }
    if access(DEVICE, Accessible::READ_OK | Accessible::WRITE_OK).is_err() {
        return tcg(format!(
            "you may not open {DEVICE}; members of the group 'kvm' may"
        ));
    }
    let host = host_identity(input);
    let file = input.cache.join("kvm-probe.json");
    if let Some(known) = recall(&file, &host) {
        return known;
    }
    let choice = match probe(input) {
        Ok(time) => Choice {
            accelerator: Accelerator::Kvm,
            reason: format!("a probe came up in {} ms", time.as_millis()),
        },
        Err(reason) => tcg(format!("{DEVICE} is there but does not work: {reason}")),
    };
    // Without a place to remember, it is found out again next time.
    let _ = remembered::remember(
        &file,
        &Remembered {
            host,
            choice: choice.clone(),
        },
    );
    choice
}

/// Whatever may change the answer: the host's boot and kernel, QEMU, the guest's kernel.
fn host_identity(input: &ProbeInput<'_>) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let name = rustix::system::uname();
    format!(
        "{} {} {} {:?} {}",
        boot.trim(),
        name.release().to_string_lossy(),
        name.version().to_string_lossy(),
        input.tools,
        input.kernel.display()
    )
}

fn recall(file: &Path, host: &str) -> Option<Choice> {
    let known: Remembered = remembered::recall(file)?;
    (known.host == host).then_some(known.choice)
}

/// Boots a kernel under KVM; gives the time it took, or why it does not work.
fn probe(input: &ProbeInput<'_>) -> Result<Duration, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let mut world = input.tools.sandbox();
    world
        .device(DEVICE)
        .bind(input.kernel, input.kernel, Access::ReadOnly);
    let mut command = world.command(input.tools.program());
    let (console, theirs) = UnixStream::pair().map_err(|error| words(&error))?;
    let number = command.inherit(theirs);
    command.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "q35",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-m",
        "128M",
        "-chardev",
        &format!("socket,id=console,fd={number}"),
        "-serial",
        "chardev:console",
        "-kernel",
        &input.kernel.to_string_lossy(),
        "-append",
        "console=ttyS0 earlyprintk=ttyS0 panic=-1 root=/dev/none",
    ]);
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| words(&error))?;
    let (sender, output) = channel();
    std::thread::spawn(move || {
        let (mut console, mut buffer) = (console, [0; 4096]);
        while let Ok(length @ 1..) = console.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut text = String::new();
    let result = loop {
        match output.recv_timeout(LIMIT.saturating_sub(start.elapsed())) {
            Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            // The firmware may have said something.
            Err(RecvTimeoutError::Timeout) if !text.contains(BEGIN) => {
                break Err(format!(
                    "a kernel printed nothing within {} s",
                    LIMIT.as_secs()
                ));
            }
            Err(RecvTimeoutError::Timeout) => {
                break Err(format!(
                    "a kernel did not come up within {} s",
                    LIMIT.as_secs()
                ));
            }
            Err(RecvTimeoutError::Disconnected) => break Err("QEMU ended at once".to_owned()),
        }
        if text.contains(END) {
            break Ok(start.elapsed());
        }
    };
    child.kill();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_remembered_for_the_same_host_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("deep/kvm-probe.json");
        let choice = Choice {
            accelerator: Accelerator::Tcg,
            reason: "it hangs".into(),
        };
        remembered::remember(
            &file,
            &Remembered {
                host: "a".into(),
                choice: choice.clone(),
            },
        )
        .unwrap();
        assert_eq!(recall(&file, "a"), Some(choice));
        assert_eq!(recall(&file, "b"), None);
        fs::write(&file, b"{").unwrap();
        assert_eq!(recall(&file, "a"), None);
    }

    #[test]
    fn emulation_needs_no_probe() {
        let tools = Tools::Program("/nonexistent".into());
        let nowhere = Path::new("/nonexistent");
        let input = ProbeInput {
            tools: &tools,
            kernel: nowhere,
            cache: nowhere,
        };
        assert_eq!(
            choose(Request::Tcg, &input).unwrap().accelerator,
            Accelerator::Tcg
        );
    }
}
