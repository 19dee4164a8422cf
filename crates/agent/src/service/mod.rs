//! The service: one thread reads, one thread per request.

mod call;
mod clock;
mod copy;
mod exec;
mod facts;
mod files;
mod journal;
mod link;
mod login;
mod output;
mod ports;
mod power;
mod priority;
mod ready;
mod session;
mod spawn;
mod tty;
mod units;
mod until;
mod users;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use snowglobe_agent_protocol::{Decoder, PORT_NAME};

pub use login::Login;
use session::Sessions;

/// Where the service finds the machine's things. Tests point it elsewhere.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the end of the stream means: in a machine, that no host is connected just now.
    pub end_of_stream: EndOfStream,
    /// Whether what it answers itself goes before all else in the machine.
    pub first: bool,
    /// A directory of the service's own.
    pub state: PathBuf,
    /// When commands may run.
    pub login: Login,
    /// systemd's own D-Bus socket.
    pub system_manager: PathBuf,
    /// Holds `UID/systemd/private` of the users' managers.
    pub runtime_directories: PathBuf,
    /// Where journald sends its messages, if at all.
    pub journal: Option<PathBuf>,
}

/// Meaning of the end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfStream {
    /// Nobody is connected: look again soon.
    Wait,
    /// The service ends.
    Stop,
}

impl Config {
    /// Of a machine that [`crate::init`] has set up.
    pub fn machine() -> Self {
        Self {
            end_of_stream: EndOfStream::Wait,
            first: true,
            state: "/run/snowglobe".into(),
            login: Login::Unit("/sys/fs/cgroup/snowglobe.slice".into()),
            system_manager: "/run/systemd/private".into(),
            runtime_directories: "/run/user".into(),
            journal: Some("/run/snowglobe/journal".into()),
        }
    }
}

/// Serves on the machine's port; returns only if there is none.
pub fn serve_machine() -> ExitCode {
    let port = match open_port() {
        Ok(port) => port,
        Err(error) => {
            kernel_log(&format!("no port {PORT_NAME}: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match serve(port, Config::machine()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            kernel_log(&format!("the agent ends: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Serves on a stream, to its end.
pub fn serve(stream: impl Into<OwnedFd>, config: Config) -> io::Result<()> {
    let mut reader = File::from(stream.into());
    let writer = reader.try_clone()?;
    let (end_of_stream, first) = (config.end_of_stream, config.first);
    // A state directory that cannot be made is missed only by very long commands.
    let _ = fs::create_dir_all(&config.state);
    let sessions = Arc::new(Sessions::new(writer, config));
    sessions.begin();
    // After what runs by itself was started: that goes with everybody else.
    if first {
        priority::lead();
    }
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; 32 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) if end_of_stream == EndOfStream::Stop => break,
            Ok(0) => {
                // The host is not there. The port says so at once and again, and has nothing to
                // wait for, since poll reports the same hang-up.
                decoder.reset();
                thread::sleep(Duration::from_millis(10));
            }
            Ok(count) => decoder.push(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                sessions.end();
                return Err(error);
            }
        }
        while let Some(frame) = decoder.next_frame() {
            // A damaged frame has no id that could be answered.
            if let Ok(frame) = frame {
                sessions.receive(frame);
            }
        }
    }
    sessions.end();
    Ok(())
}

/// Finds the port by its name: there is no udev yet that would make a link. It may be a while until
/// the device shows up.
fn open_port() -> io::Result<File> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for _ in 0..500 {
        match find_port() {
            Ok(Some(port)) => {
                return OpenOptions::new().read(true).write(true).open(port);
            }
            Ok(None) => {}
            Err(error) => last = error,
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(last)
}

fn find_port() -> io::Result<Option<PathBuf>> {
    for port in fs::read_dir("/sys/class/virtio-ports")? {
        let port = port?;
        let name = fs::read_to_string(port.path().join("name"))?;
        if name.trim_end() == PORT_NAME {
            return Ok(Some(PathBuf::from("/dev").join(port.file_name())));
        }
    }
    Ok(None)
}

/// A line in the kernel's log, and so on the console.
pub(crate) fn kernel_log(text: &str) {
    use std::io::Write;
    // Without a kernel log there is nobody to tell.
    if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // One message is what one call writes.
        let _ = log.write_all(format!("<4>snowglobe: {text}\n").as_bytes());
    }
}
