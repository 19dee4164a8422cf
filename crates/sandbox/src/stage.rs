//! The two processes between ours and the program; see the crate's documentation.
//!
//! Both are this executable, started again. They run before `main`, single-threaded, with an empty
//! environment.

use std::io::{self, Read, Seek};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::{AddressFamily, SendFlags, SocketType, netlink::SocketAddrNetlink};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::child::ExitStatus;
use crate::connector;
use crate::error::Failure;
use crate::privileges;
use crate::protocol::{FromStage, Receiver, ToStage, send};
use crate::root;
use crate::spec::{Limit, Network, Spec, Terminal, UserNamespace};

/// `argv[0]` of stage 1.
pub(crate) const FIRST: &str = "snowglobe-sandbox";
/// `argv[0]` of stage 2.
const SECOND: &str = "snowglobe-sandbox-init";

/// Exit status of a stage that could not do its work. The reason went over the control socket.
const FAILED: i32 = 125;

#[used]
// SAFETY: the section holds pointers to functions that the C library calls before `main`; glibc
// passes `argc`, `argv` and `envp`, which a function without parameters may ignore.
#[unsafe(link_section = ".init_array")]
pub(crate) static HOOK: extern "C" fn() = hook;

/// Runs at every start of a program that holds this library.
extern "C" fn hook() {
    // The standard library has recorded the arguments already: its own entry in this section has
    // a priority, and those come first.
    let mut args = std::env::args_os();
    let Some(name) = args.next() else { return };
    let first = name == FIRST;
    if !first && name != SECOND {
        return;
    }
    let mut number = || args.next()?.to_str()?.parse::<RawFd>().ok();
    let (Some(spec), Some(control)) = (number(), number()) else {
        return;
    };
    let status = if first {
        stage_one(spec, control)
    } else {
        stage_two(spec, control)
    };
    std::process::exit(status);
}

/// Leaves the host's namespaces and starts stage 2.
fn stage_one(spec_number: RawFd, control_number: RawFd) -> i32 {
    let Some((control, spec)) = receive(spec_number, control_number) else {
        return FAILED;
    };
    let run = || -> Result<i32, Failure> {
        let mut known = vec![spec_number, control_number];
        known.extend(spec.connector);
        close_others(&spec, &known)?;
        if spec.terminal == Terminal::Detached {
            rustix::process::setsid().map_err(|errno| Failure::new("setsid", errno))?;
        }
        leave_host(&spec, &control)?;
        // Standard input, output and error, and all that the program inherits, go on to stage 2.
        let mut second = Command::new("/proc/self/exe")
            .arg0(SECOND)
            .args([spec_number.to_string(), control_number.to_string()])
            .current_dir("/")
            .spawn()
            .map_err(|error| Failure::io("execve of stage 2", &error))?;
        let_go(&spec);
        if spec.terminal == Terminal::Shared {
            // Ctrl-C is for the program; this process only waits.
            let _ = rustix::process::setpgid(None, None);
        }
        let status = second.wait().map_err(|error| Failure::io("wait", &error))?;
        Ok(status.code().unwrap_or(FAILED))
    };
    run().unwrap_or_else(|failure| {
        let _ = send(&control, &FromStage::Failed(failure));
        FAILED
    })
}

/// Builds the sandbox's root, runs the program and reaps what is orphaned, as process 1.
fn stage_two(spec_number: RawFd, control_number: RawFd) -> i32 {
    // Should somebody kill stage 1 alone. When our process is gone, the control socket tells.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let Some((control, spec)) = receive(spec_number, control_number) else {
        return FAILED;
    };
    if let Err(failure) = close_others(&spec, &[]) {
        let _ = send(&control, &FromStage::Failed(failure));
        return FAILED;
    }
    let said = match prepare(&spec).and_then(|()| start(&spec)) {
        Ok(Ok(program)) => {
            let_go(&spec);
            if let Some(number) = spec.connector {
                // SAFETY: our process passed it to this one, and nothing else here knows it.
                let socket = unsafe { OwnedFd::from_raw_fd(number) };
                std::thread::spawn(move || connector::serve(&socket));
            }
            return supervise(control, program);
        }
        Ok(Err(error)) => FromStage::NotExecuted {
            errno: error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
        },
        Err(failure) => FromStage::Failed(failure),
    };
    let _ = send(&control, &said);
    FAILED
}

/// Takes over the control socket and reads the specification.
fn receive(spec: RawFd, control: RawFd) -> Option<(UnixStream, Spec)> {
    // SAFETY: our process passed these two descriptors to this one, which has just been executed;
    // nothing else in it knows their numbers. The specification stays open for stage 2.
    let (spec, control) = unsafe {
        (
            BorrowedFd::borrow_raw(spec),
            UnixStream::from(OwnedFd::from_raw_fd(control)),
        )
    };
    let read = || -> io::Result<Spec> {
        let mut file = std::fs::File::from(spec.try_clone_to_owned()?);
        let mut text = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    };
    match read() {
        Ok(spec) => Some((control, spec)),
        Err(error) => {
            let _ = send(
                &control,
                &FromStage::Failed(Failure::io("read the specification", &error)),
            );
            None
        }
    }
}

/// Keeps the next program from having what other code of our process left open across `exec`, and
/// what is not `known`.
fn close_others(spec: &Spec, known: &[RawFd]) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::io("read /proc/self/fd", &error);
    for entry in std::fs::read_dir("/proc/self/fd").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        if number > 2 && !known.contains(&number) && !spec.inherited.contains(&number) {
            // SAFETY: the number was open a moment ago; at worst it is that of the directory
            // being read, which is to be closed on exec anyway.
            let stray = unsafe { BorrowedFd::borrow_raw(number) };
            if fcntl_getfd(stray).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
                let _ = fcntl_setfd(stray, FdFlags::CLOEXEC);
            }
        }
    }
    Ok(())
}

fn leave_host(spec: &Spec, control: &UnixStream) -> Result<(), Failure> {
    let mut flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if spec.network == Network::None {
        flags |= UnshareFlags::NEWNET;
    }
    if spec.user_namespace.is_some() {
        flags |= UnshareFlags::NEWUSER;
    }
    // SAFETY: the table of descriptors is not unshared.
    unsafe { rustix::thread::unshare_unsafe(flags) }
        .map_err(|errno| Failure::new("unshare", errno))?;
    match spec.user_namespace {
        None => Ok(()),
        Some(UserNamespace::Single { uid, gid }) => map_self(0, uid, 0, gid),
        Some(UserNamespace::Range) => {
            let failed = |error: &io::Error| Failure::io("ask for ids", error);
            send(control, &FromStage::MapIds).map_err(|error| failed(&error))?;
            let socket = control.try_clone().map_err(|error| failed(&error))?;
            match Receiver::new(socket)
                .next()
                .map_err(|error| failed(&error))?
            {
                Some(ToStage::IdsMapped) => Ok(()),
                // Our process has an error to report, or is gone.
                _ => std::process::exit(FAILED),
            }
        }
    }
}

/// Maps one id of each kind in the user namespace that this process has just made.
fn map_self(uid: u32, outer_uid: u32, gid: u32, outer_gid: u32) -> Result<(), Failure> {
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {outer_uid} 1")),
        ("gid_map", format!("{gid} {outer_gid} 1")),
    ] {
        let path = format!("/proc/self/{file}");
        std::fs::write(&path, text).map_err(|error| Failure {
            path: Some(path.into()),
            ..Failure::io("write", &error)
        })?;
    }
    Ok(())
}

/// Everything before the program starts.
fn prepare(spec: &Spec) -> Result<(), Failure> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    if spec.network == Network::None {
        raise_loopback().map_err(|errno| Failure::new("netlink: raise lo", errno))?;
    }
    rustix::system::sethostname(spec.hostname.as_bytes())
        .map_err(|errno| Failure::new("sethostname", errno))?;
    root::enter(spec)?;
    rustix::process::chdir(&spec.cwd).map_err(|errno| Failure::at("chdir", &spec.cwd, errno))?;
    if let Some(UserNamespace::Single { .. }) = spec.user_namespace
        && (spec.uid, spec.gid) != (0, 0)
    {
        // Only one id exists, and that was root's until here.
        // SAFETY: the table of descriptors is not unshared.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }
            .map_err(|errno| Failure::new("unshare", errno))?;
        map_self(spec.uid, 0, spec.gid, 0)?;
    }
    privileges::restrict(spec.privileges)?;
    for limit in &spec.limits {
        let (resource, value) = match *limit {
            Limit::AddressSpace(bytes) => (Resource::As, bytes),
            Limit::CpuSeconds(seconds) => (Resource::Cpu, seconds),
            Limit::FileSize(bytes) => (Resource::Fsize, bytes),
            Limit::OpenFiles(count) => (Resource::Nofile, count),
            Limit::Processes(count) => (Resource::Nproc, count),
            Limit::CoreSize(bytes) => (Resource::Core, bytes),
        };
        let both = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        rustix::process::setrlimit(resource, both)
            .map_err(|errno| Failure::new(format!("setrlimit {limit:?}"), errno))?;
    }
    Ok(())
}

/// Sets the loopback interface up: one `RTM_NEWLINK` message.
fn raise_loopback() -> Result<(), Errno> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 1 | 4;
    const LENGTH: u32 = 32;
    const LOOPBACK: i32 = 1;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(LENGTH as usize);
    message.extend(LENGTH.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]); // sequence, sender
    message.extend([0; 4]); // family, padding, type of hardware
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes()); // value
    message.extend(IFF_UP.to_ne_bytes()); // mask
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    rustix::net::sendto(
        &socket,
        &message,
        SendFlags::empty(),
        &SocketAddrNetlink::new(0, 0),
    )?;
    let mut reply = [0; 512];
    let (length, _) = rustix::net::recv(&socket, &mut reply, rustix::net::RecvFlags::empty())?;
    // An acknowledgement carries the negated error number after its header of 16 bytes.
    let error: Option<[u8; 4]> = reply[..length]
        .get(16..20)
        .and_then(|bytes| bytes.try_into().ok());
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(negated) => Err(Errno::from_raw_os_error(negated.saturating_neg())),
        None => Err(Errno::PROTO),
    }
}

/// Starts the program. The outer error is ours, the inner one that of executing it.
fn start(spec: &Spec) -> Result<io::Result<Pid>, Failure> {
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)));
    let single = matches!(spec.user_namespace, Some(UserNamespace::Single { .. }));
    if !single && (spec.uid, spec.gid) != (0, 0) {
        command.gid(spec.gid).uid(spec.uid);
    }
    Ok(command.spawn().map(|child| Pid::from_child(&child)))
}

/// Closes the descriptors that are the program's alone, so that their other ends see when it has
/// closed them.
fn let_go(spec: &Spec) {
    for number in &spec.inherited {
        // SAFETY: the descriptors were passed to this process for the program, and nothing else
        // in it uses them.
        drop(unsafe { OwnedFd::from_raw_fd(*number) });
    }
    if let Ok(null) = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
    {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// Waits for the program and for orphans; leaves when the program has ended or our process is gone.
fn supervise(control: UnixStream, program: Pid) -> i32 {
    let _ = send(&control, &FromStage::Started);
    let listener = control.try_clone().and_then(|socket| {
        std::thread::Builder::new().spawn(move || {
            let mut receiver = Receiver::new(socket);
            while let Ok(Some(message)) = receiver.next() {
                if let ToStage::Signal(number) = message
                    && let Some(signal) = Signal::from_named_raw(number)
                {
                    let _ = rustix::process::kill_process(program, signal);
                }
            }
            // The end of process 1 is the end of all.
            std::process::exit(FAILED);
        })
    });
    if listener.is_err() {
        return FAILED;
    }
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                let ended = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => ExitStatus::Exited(code),
                    (None, Some(signal)) => ExitStatus::Signaled(signal),
                    (None, None) => continue,
                };
                let _ = send(&control, &FromStage::Ended(ended));
                return 0;
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return FAILED,
        }
    }
}
