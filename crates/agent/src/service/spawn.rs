//! Starting processes.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use snowglobe_agent_protocol::{Exec, Failure, Pty, Stderr, Stdin};

use super::call::{invalid, system};
use super::login::Environment;
use super::session::Context;
use super::users::User;

/// Linux takes arguments of 128 KiB; a longer command goes through a file.
const LONGEST_ARGUMENT: usize = 100 * 1024;

/// A process and our ends of its streams.
#[derive(Debug)]
pub struct Process {
    pub child: Child,
    pub pidfd: OwnedFd,
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    /// The side of the terminal that we have, if there is one; also in `stdin` and `stdout`.
    pub terminal: Option<OwnedFd>,
    /// Removed when the command has ended.
    pub script: Option<ScriptFile>,
}

impl Process {
    /// Signals everyone in the group. The group may be gone.
    pub fn signal_group(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// A command that was too long for an argument.
#[derive(Debug)]
pub struct ScriptFile(PathBuf);

impl Drop for ScriptFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Starts what an `Exec` asks for.
pub fn start(context: &Context, exec: &Exec, text: &[u8]) -> Result<Process, Failure> {
    let user = match &exec.user {
        None => User::root(),
        Some(name) => User::find(name)?,
    };
    let mut environment = (*context.login.environment(&user)).clone();
    for (name, value) in &exec.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(invalid(format!(
                "an environment variable {name:?}={value:?}"
            )));
        }
        environment.insert(name.into(), value.into());
    }
    let mut script = None;
    let mut words: Vec<OsString> = match &exec.program {
        Some(words) => words.iter().map(OsString::from).collect(),
        None => {
            let (word, file) = shell_word(context, exec, text)?;
            script = file;
            vec!["bash".into(), "-c".into(), word]
        }
    };
    if words.is_empty() {
        return Err(invalid("a program without a name"));
    }
    if let Some(pty) = &exec.pty {
        environment.insert("TERM".into(), (&pty.term).into());
    }
    let name = words.remove(0);
    let program = find_program(&name, &environment)
        .ok_or_else(|| system(&format!("run {}", name.display()), "not found"))?;
    let mut command = self::command(&program, &user, &environment);
    command
        .arg0(&name)
        .args(&words)
        .current_dir(exec.cwd.as_deref().unwrap_or("/tmp"));
    let failed = |error: io::Error| match &exec.cwd {
        Some(cwd) if !Path::new(cwd).is_dir() => system(&format!("change to {cwd}"), error),
        _ => system(&format!("run {}", program.display()), error),
    };
    let mut process = match &exec.pty {
        Some(pty) => start_on_terminal(command, pty).map_err(failed)?,
        None => start_on_pipes(command, exec).map_err(failed)?,
    };
    process.script = script;
    // We are hard to kill when memory is short; what we start is not.
    let _ = fs::write(format!("/proc/{}/oom_score_adj", process.child.id()), "0");
    Ok(process)
}

/// A program that runs as a user with exactly this environment.
pub fn command(program: &Path, user: &User, environment: &Environment) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment);
    // Without this the standard library starts it with vfork, which is much cheaper here.
    if user.uid != 0 {
        let groups: Vec<_> = user
            .groups
            .iter()
            .map(|&id| rustix::process::Gid::from_raw(id))
            .collect();
        let (uid, gid) = (
            rustix::process::Uid::from_raw(user.uid),
            rustix::process::Gid::from_raw(user.gid),
        );
        let change = move || {
            rustix::thread::set_thread_groups(&groups)?;
            rustix::thread::set_thread_gid(gid)?;
            rustix::thread::set_thread_uid(uid)?;
            Ok(())
        };
        // SAFETY: system calls only, no allocation and no lock; the child has this one thread, so
        // that changing the thread's ids changes the process's.
        unsafe { command.pre_exec(change) };
    }
    command
}

/// Looks a program up in the `PATH` of the environment, as a shell would.
pub fn find_program(name: impl AsRef<OsStr>, environment: &Environment) -> Option<PathBuf> {
    let name = name.as_ref();
    if name.as_bytes().contains(&b'/') {
        return Some(name.into());
    }
    let path = environment.get(OsStr::new("PATH"))?;
    let fallback = ["/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(path)
        .chain(fallback)
        .map(|place| place.join(name))
        .find(|candidate| {
            candidate.metadata().is_ok_and(|metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            })
        })
}

fn shell_word(
    context: &Context,
    exec: &Exec,
    text: &[u8],
) -> Result<(OsString, Option<ScriptFile>), Failure> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    if text.contains(&0) {
        return Err(invalid("a command with a zero byte"));
    }
    let strict: &[u8] = if exec.strict {
        b"set -euo pipefail; "
    } else {
        b""
    };
    if text.len() <= LONGEST_ARGUMENT {
        return Ok((OsStr::from_bytes(&[strict, text].concat()).to_owned(), None));
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = context
        .config
        .state
        .join(format!("command-{}-{number}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&path)?;
        file.write_all(text)
    };
    write().map_err(|error| system(&format!("write {}", path.display()), error))?;
    let word = [strict, b". ", path.as_os_str().as_bytes()].concat();
    Ok((OsStr::from_bytes(&word).to_owned(), Some(ScriptFile(path))))
}

fn start_on_pipes(mut command: Command, exec: &Exec) -> io::Result<Process> {
    let mut merged = None;
    match exec.stderr {
        Stderr::Separate => drop(command.stdout(Stdio::piped()).stderr(Stdio::piped())),
        Stderr::Discarded => drop(command.stdout(Stdio::piped()).stderr(Stdio::null())),
        Stderr::Merged => {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            merged = Some(OwnedFd::from(reader));
        }
    }
    command.stdin(match exec.stdin {
        Stdin::Null => Stdio::null(),
        Stdin::Stream => Stdio::piped(),
    });
    let mut child = command.process_group(0).spawn()?;
    // Holds our copies of the child's ends: with them open the output would never end.
    drop(command);
    let pidfd = open_pidfd(&child)?;
    let streams = (
        child.stdin.take().map(OwnedFd::from),
        child.stdout.take().map(OwnedFd::from).or(merged),
        child.stderr.take().map(OwnedFd::from),
    );
    for stream in [&streams.0, &streams.1, &streams.2].into_iter().flatten() {
        rustix::io::ioctl_fionbio(stream, true)?;
    }
    let (stdin, stdout, stderr) = streams;
    Ok(Process {
        child,
        pidfd,
        stdin,
        stdout,
        stderr,
        terminal: None,
        script: None,
    })
}

fn start_on_terminal(mut command: Command, pty: &Pty) -> io::Result<Process> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    set_size(&ours, pty.rows, pty.columns);
    let theirs = File::from(ioctl_tiocgptpeer(
        &ours,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY,
    )?);
    command
        .stdin(theirs.try_clone()?)
        .stdout(theirs.try_clone()?)
        .stderr(theirs);
    let lead = || {
        rustix::process::setsid()?;
        // Descriptor 0 is the terminal by now.
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        Ok(())
    };
    // SAFETY: two system calls, no allocation and no lock.
    unsafe { command.pre_exec(lead) };
    let child = command.spawn()?;
    drop(command);
    let pidfd = open_pidfd(&child)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    let copy = || ours.as_fd().try_clone_to_owned();
    Ok(Process {
        child,
        pidfd,
        stdin: Some(copy()?),
        stdout: Some(copy()?),
        stderr: None,
        terminal: Some(ours),
        script: None,
    })
}

/// Tells a terminal its size. One that is gone does not mind.
pub fn set_size(terminal: &OwnedFd, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let _ = tcsetwinsize(terminal, size);
}

fn open_pidfd(child: &Child) -> io::Result<OwnedFd> {
    // Not waited for yet, so the number is still its own.
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
