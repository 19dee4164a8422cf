//! Runs real programs. The layers are made of the host's own `/usr` and `/bin`, which every test
//! machine has; what the tests look at is made by them.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use snowglobe_sandbox::{
    Access, Child, Error, ExitStatus, Ids, Limit, Network, Output, Privileges, Sandbox,
};

const LIMIT: Duration = Duration::from_secs(60);

/// A layer with the links of a merged-/usr host, and mount points for its programs.
struct Host {
    directory: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("base");
        fs::create_dir_all(base.join("usr")).unwrap();
        fs::create_dir_all(base.join("etc")).unwrap();
        fs::write(base.join("etc/name"), "base\n").unwrap();
        fs::write(base.join("etc/lower"), "lower\n").unwrap();
        for name in ["bin", "sbin", "lib", "lib64"] {
            let host = Path::new("/").join(name);
            if host.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(host).unwrap(), base.join(name)).unwrap();
            }
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn sandbox(&self) -> Sandbox {
        let mut sandbox = Sandbox::new([self.path("base")]);
        sandbox.bind("/usr", "/usr", Access::ReadOnly);
        if Path::new("/lib64").is_dir() && !Path::new("/lib64").is_symlink() {
            sandbox.bind("/lib64", "/lib64", Access::ReadOnly);
        }
        sandbox
    }
}

/// Both ways of making a sandbox, as far as this host can.
fn both(sandbox: Sandbox) -> Vec<Sandbox> {
    let mut user = sandbox.clone();
    user.always_user_namespace();
    vec![sandbox, user]
}

#[track_caller]
fn shell(sandbox: &Sandbox, script: &str) -> Output {
    sandbox
        .command("/bin/sh")
        .args(["-c", script])
        .env("PATH", "/usr/bin:/bin")
        .output(LIMIT)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn check(sandbox: &Sandbox, script: &str, expected: &str) {
    let output = shell(sandbox, script);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        expected,
        "{script}: {stderr}"
    );
    assert_eq!(output.status, ExitStatus::Exited(0), "{script}: {stderr}");
}

#[test]
fn sees_only_what_it_was_given() {
    let host = Host::new();
    for sandbox in both(host.sandbox()) {
        check(&sandbox, "ls /", &{
            let mut names = vec!["bin", "dev", "etc", "lib", "proc", "sbin", "tmp", "usr"];
            names.extend(Path::new("/lib64").exists().then_some("lib64"));
            names.sort_unstable();
            names.join("\n") + "\n"
        });
        check(&sandbox, "ls /tmp", "");
        check(&sandbox, "env | sort", "PATH=/usr/bin:/bin\nPWD=/\n");
        check(&sandbox, "hostname", "sandbox\n");
        // Process 1 and the shell that expands the pattern; nothing of the host.
        check(
            &sandbox,
            "ls -d /proc/[0-9]* > /tmp/x; wc -l < /tmp/x",
            "2\n",
        );
        check(&sandbox, "id -u; id -g", "0\n0\n");
    }
}

#[test]
fn devices_are_few_and_work() {
    let host = Host::new();
    for sandbox in both(host.sandbox()) {
        check(
            &sandbox,
            "ls /dev",
            "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n",
        );
        check(
            &sandbox,
            "head -c 3 /dev/zero | wc -c; echo x > /dev/null; ls /dev/pts",
            "3\nptmx\n",
        );
    }
}

#[test]
fn the_root_is_read_only() {
    let host = Host::new();
    for sandbox in both(host.sandbox()) {
        check(
            &sandbox,
            "touch /x 2>/dev/null || echo refused",
            "refused\n",
        );
        check(
            &sandbox,
            "touch /usr/x 2>/dev/null || echo refused",
            "refused\n",
        );
        check(
            &sandbox,
            "echo 1 2>/dev/null > /proc/sys/kernel/hostname || echo refused",
            "refused\n",
        );
    }
}

#[test]
fn later_layers_hide_earlier_ones() {
    let host = Host::new();
    fs::create_dir_all(host.path("top/etc")).unwrap();
    fs::write(host.path("top/etc/name"), "top\n").unwrap();
    let mut sandbox = Sandbox::new([host.path("base"), host.path("top")]);
    sandbox.bind("/usr", "/usr", Access::ReadOnly);
    if Path::new("/lib64").is_dir() && !Path::new("/lib64").is_symlink() {
        sandbox.bind("/lib64", "/lib64", Access::ReadOnly);
    }
    for sandbox in both(sandbox) {
        check(&sandbox, "cat /etc/name /etc/lower", "top\nlower\n");
    }
}

#[test]
fn writes_go_to_the_upper_directory_and_deletions_are_marked_for_users() {
    let host = Host::new();
    for (index, mut sandbox) in both(host.sandbox()).into_iter().enumerate() {
        let upper = host.path(&format!("upper{index}"));
        let work = host.path(&format!("work{index}"));
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&work).unwrap();
        sandbox.writable(&upper, &work);
        check(
            &sandbox,
            "echo new > /etc/new; rm /etc/lower; rm -r /etc/../etc/name; mkdir /made",
            "",
        );
        assert_eq!(fs::read_to_string(upper.join("etc/new")).unwrap(), "new\n");
        let mut names: Vec<_> = fs::read_dir(&upper)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["etc", "made"], "mount points must not appear");
        check(&sandbox, "ls /etc", "new\n");
        assert_eq!(
            fs::read_to_string(host.path("base/etc/lower")).unwrap(),
            "lower\n"
        );
    }
}

#[test]
fn discarded_writes_are_gone() {
    let host = Host::new();
    let mut sandbox = host.sandbox();
    sandbox.discard_writes();
    for sandbox in both(sandbox) {
        check(&sandbox, "echo x > /etc/name; cat /etc/name", "x\n");
        check(&sandbox, "cat /etc/name", "base\n");
    }
}

#[test]
fn binds_are_as_writable_as_asked() {
    let host = Host::new();
    fs::create_dir(host.path("data")).unwrap();
    fs::write(host.path("data/file"), "data\n").unwrap();
    let mut sandbox = host.sandbox();
    sandbox
        .bind(host.path("data"), "/deep/in/rw", Access::ReadWrite)
        .bind(host.path("data"), "/deep/in/ro", Access::ReadOnly)
        .bind(host.path("data/file"), "/etc/some-file", Access::ReadOnly)
        .tmpfs("/run", 0o755)
        .bind(host.path("data/file"), "/run/nested/file", Access::ReadOnly)
        .bind(host.path("data"), "/bin/../tmp", Access::ReadOnly);
    let mut bad = sandbox.clone();
    sandbox = host.sandbox();
    sandbox
        .bind(host.path("data"), "/deep/in/rw", Access::ReadWrite)
        .bind(host.path("data"), "/deep/in/ro", Access::ReadOnly)
        .bind(host.path("data/file"), "/etc/some-file", Access::ReadOnly)
        .tmpfs("/run", 0o755)
        .bind(host.path("data/file"), "/run/nested/file", Access::ReadOnly)
        // Through a link of the layer: /lib is usr/lib on every host that merges /usr.
        .bind(host.path("data/file"), "/tmp/x", Access::ReadOnly);
    for sandbox in both(sandbox) {
        check(
            &sandbox,
            "cat /etc/some-file /run/nested/file /tmp/x",
            "data\ndata\ndata\n",
        );
        check(&sandbox, "echo x > /deep/in/rw/x; cat /deep/in/ro/x", "x\n");
        check(
            &sandbox,
            "touch /deep/in/ro/y 2>/dev/null || echo refused",
            "refused\n",
        );
    }
    bad.hostname("other");
    assert!(matches!(
        bad.command("/bin/true").spawn(),
        Err(Error::Setup { .. }) | Ok(_)
    ));
}

#[test]
fn there_is_a_loopback_and_nothing_else() {
    let host = Host::new();
    for sandbox in both(host.sandbox()) {
        check(
            &sandbox,
            "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '",
            "lo\n",
        );
        // Up: the kernel has given it its address.
        check(
            &sandbox,
            "grep -c 127.0.0.1 /proc/net/fib_trie | sed 's/[1-9].*/some/'",
            "some\n",
        );
    }
}

#[test]
fn proxies_are_passed_with_the_network_only() {
    let host = Host::new();
    // SAFETY: a single test reads this variable, and it only reads it from here on.
    unsafe { std::env::set_var("no_proxy", "example.invalid") };
    let mut sandbox = host.sandbox();
    check(&sandbox, "echo $no_proxy", "\n");
    sandbox.network(Network::Host);
    check(&sandbox, "echo $no_proxy", "example.invalid\n");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let host = Host::new();
    let error = host.sandbox().command("/no/such").spawn().unwrap_err();
    assert!(
        matches!(&error, Error::Execute { program, .. } if program == "/no/such"),
        "{error}"
    );
    let error = Sandbox::new(["/no/such/layer"])
        .command("/bin/true")
        .spawn()
        .unwrap_err();
    assert!(error.to_string().contains("/no/such/layer"), "{error}");
}

#[test]
fn status_signal_and_time_limit_are_told() {
    let host = Host::new();
    let sandbox = host.sandbox();
    assert_eq!(shell(&sandbox, "exit 7").status, ExitStatus::Exited(7));
    assert_eq!(
        shell(&sandbox, "kill -9 $$").status,
        ExitStatus::Signaled(9)
    );
    let mut child = sandbox
        .command("/usr/bin/sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    child.signal(Signal::TERM).unwrap();
    assert_eq!(
        child.wait_timeout(LIMIT).unwrap(),
        Some(ExitStatus::Signaled(15))
    );
    let result = sandbox
        .command("/usr/bin/sleep")
        .arg("1000")
        .output(Duration::from_millis(50));
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
}

#[test]
fn killing_ends_descendants_too() {
    let host = Host::new();
    for sandbox in both(host.sandbox()) {
        let (mut here, there) = UnixStream::pair().unwrap();
        let mut command = sandbox.command("/bin/bash");
        let number = command.inherit(OwnedFd::from(there));
        command.env("PATH", "/usr/bin");
        command.args([
            "-c",
            &format!("setsid sleep 1000 & echo up >&{number}; wait"),
        ]);
        let mut child = command.spawn().unwrap();
        let mut word = [0; 3];
        here.read_exact(&mut word).unwrap();
        child.kill();
        // The sleeper held the other end as well.
        here.set_read_timeout(Some(LIMIT)).unwrap();
        assert_eq!(here.read(&mut word).unwrap(), 0);
    }
}

#[test]
fn descriptors_keep_their_numbers_and_others_are_closed() {
    let host = Host::new();
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut command = host.sandbox().command("/bin/bash");
    let number = command.inherit(OwnedFd::from(there));
    command.env("PATH", "/usr/bin").args([
        "-c",
        &format!("ls /proc/self/fd | tr '\\n' ' ' >&{number}; read line <&{number}; echo got $line >&{number}"),
    ]);
    let mut child = command.spawn().unwrap();
    here.write_all(b"hello\n").unwrap();
    assert!(child.wait_timeout(LIMIT).unwrap().unwrap().success());
    let mut text = String::new();
    here.read_to_string(&mut text).unwrap();
    // The lowest free number is the directory that ls reads.
    let expected = {
        let numbers = [0, 1, 2, if number == 3 { 4 } else { 3 }, number];
        let mut names = numbers.map(|number| number.to_string());
        names.sort_unstable();
        names
    };
    assert_eq!(text.trim_end(), format!("{} got hello", expected.join(" ")));
}

#[test]
fn privileges_are_dropped() {
    let host = Host::new();
    let mut sandbox = host.sandbox();
    check(
        &sandbox,
        "grep -E 'CapEff|NoNewPrivs' /proc/self/status | cut -f2",
        "0000000000000000\n1\n",
    );
    sandbox.privileges(Privileges::Install);
    // chown, dac_*, fowner, fsetid, kill, setgid, setuid, setpcap, bind, chroot, audit_write, setfcap
    check(
        &sandbox,
        "grep CapEff /proc/self/status | cut -f2",
        "00000000a00405ff\n",
    );
}

#[test]
fn other_users_exist_where_a_range_is_mapped() {
    let host = Host::new();
    let mut sandbox = host.sandbox();
    sandbox.ids(Ids::Range);
    for sandbox in both(sandbox) {
        let output = sandbox
            .command("/usr/bin/id")
            .arg("-u")
            .user(1000, 100)
            .output(LIMIT)
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1000\n");
    }
    let mut single = host.sandbox();
    single.always_user_namespace();
    let output = single
        .command("/usr/bin/id")
        .arg("-g")
        .user(1000, 100)
        .output(LIMIT)
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "100\n");
}

#[test]
fn limits_hold() {
    let host = Host::new();
    let output = host
        .sandbox()
        .command("/bin/sh")
        .args(["-c", "ulimit -n; ulimit -c"])
        .limit(Limit::OpenFiles(77))
        .limit(Limit::CoreSize(0))
        .output(LIMIT)
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "77\n0\n");
}

#[test]
fn input_is_piped_and_the_working_directory_set() {
    let host = Host::new();
    let mut command = host.sandbox().command("/bin/sh");
    command
        .args(["-c", "pwd; cat"])
        .env("PATH", "/usr/bin")
        .current_dir("/etc");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"text").unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "/etc\ntext");
    assert!(child.wait().unwrap().success());
}

#[test]
fn its_loopback_can_be_reached_from_here_only() {
    let host = Host::new();
    for sandbox in both(host.sandbox()) {
        let mut command = sandbox.command("/usr/bin/perl");
        command
            .stdout(Stdio::piped())
            .connectable()
            .args(["-e", LISTENER]);
        let mut child = command.spawn().unwrap();
        let connector = child.take_connector().unwrap();
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        let port: u16 = line.trim().parse().unwrap();
        let mut text = String::new();
        connector
            .connect(port)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "hello");
        child.kill();
        assert!(connector.connect(port).is_err());
    }
}

/// Listens on a port, says which, and greets who comes.
const LISTENER: &str = r#"use IO::Socket::INET; $| = 1;
my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;
print $s->sockport, "\n"; while (my $c = $s->accept) { print $c "hello"; close $c }"#;

#[test]
fn many_at_once_from_many_threads() {
    let host = Host::new();
    let sandbox = host.sandbox();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    check(&sandbox, "echo hi", "hi\n");
                }
            });
        }
    });
}

/// Runs only in the process that `dies_with_us` starts.
#[test]
fn sleeper_for_the_test_below() {
    let Ok(number) = std::env::var("SNOWGLOBE_SANDBOX_TEST_FD") else {
        return;
    };
    let host = Host::new();
    let mut command = host.sandbox().command("/bin/bash");
    let path = format!("/proc/self/fd/{number}");
    let pipe = OwnedFd::from(fs::OpenOptions::new().write(true).open(path).unwrap());
    let inside = command.inherit(pipe);
    command
        .env("PATH", "/usr/bin")
        .args(["-c", &format!("echo up >&{inside}; sleep 1000")]);
    let _child: Child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1000));
}

#[test]
fn dies_with_us_even_by_sigkill() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut process = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sleeper_for_the_test_below", "--nocapture"])
        .env("SNOWGLOBE_SANDBOX_TEST_FD", "0")
        .stdin(Stdio::from(writer))
        .stdout(Stdio::null())
        .current_dir("/")
        .spawn()
        .unwrap();
    let mut word = [0; 3];
    reader.read_exact(&mut word).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    // Ends only when nobody in the sandbox holds the pipe any more.
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    assert!(reader.as_raw_fd() > 2);
}
