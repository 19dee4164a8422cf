//! One step of a build: a program in a sandbox, whose words are kept for the error.

use std::time::Duration;

use snowglobe_sandbox::{Command, Sandbox};

use crate::{Error, Images, Result};

/// What a message shows of a program's output, from its end.
const SHOWN: usize = 4000;

/// What every program of a build sees as its environment.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    // The time that all files of images have: caches that compare times are right then.
    ("SOURCE_DATE_EPOCH", "1"),
    ("PERL_HASH_SEED", "0"),
];

/// Makes a command with the environment of builds.
pub(crate) fn command(sandbox: &Sandbox, program: &str) -> Command {
    let mut command = sandbox.command(program);
    command.envs(ENVIRONMENT);
    command
}

impl Images {
    /// Runs a shell script in a sandbox and returns what it wrote to its standard output.
    pub(crate) fn shell(
        &self,
        sandbox: &Sandbox,
        step: &str,
        script: &str,
        limit: Duration,
    ) -> Result<String> {
        let mut command = command(sandbox, "/bin/sh");
        // The caller's umask must not show in what is made.
        command.args(["-eu", "-c", &format!("umask 022\n{script}")]);
        self.run(&mut command, step, limit)
    }

    /// Runs a prepared command and returns what it wrote to its standard output.
    pub(crate) fn run(&self, command: &mut Command, step: &str, limit: Duration) -> Result<String> {
        let stop = || self.progress().is_cancelled();
        let output = match command.output_unless(limit, &stop) {
            Err(snowglobe_sandbox::Error::Stopped { .. }) => {
                return Err(snowglobe_archive::Error::Cancelled.into());
            }
            other => other?,
        };
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        let text = stdout + &String::from_utf8_lossy(&output.stderr);
        Err(Error::Step {
            step: step.to_owned(),
            status: output.status.to_string(),
            output: tail(&text).to_owned(),
        })
    }
}

/// The end of a text, from the start of a line.
pub(crate) fn tail(text: &str) -> &str {
    let text = text.trim_end();
    let mut start = text.len().saturating_sub(SHOWN);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    match text[start..].find('\n') {
        Some(end) if start > 0 => &text[start + end + 1..],
        _ => &text[start..],
    }
}
