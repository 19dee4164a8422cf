//! Waits, units, clock, facts: requests with one answer.

use std::time::{Duration, Instant, SystemTime};

use snowglobe_agent_protocol::{
    Facts, JournalEntry, Outcome, PowerAction, Ready, ToAgent, UnitJob, UnitVerdict,
};

use crate::exec::millis;
use crate::request::{Event, Request};
use crate::{Agent, Error};

/// For requests that only compute.
const SHORT: Option<Duration> = Some(Duration::from_secs(120));

fn unexpected<T>(outcome: &Outcome) -> Result<T, Error> {
    Err(Error::Unexpected(format!("{outcome:?}")))
}

impl Agent {
    fn ask(
        &self,
        message: &ToAgent,
        payload: &[u8],
        limit: Option<Duration>,
    ) -> Result<(Outcome, Vec<u8>), Error> {
        self.request(message, payload)?.finish(limit)
    }

    fn reached(&self, message: &ToAgent, limit: Option<Duration>) -> Result<bool, Error> {
        match self.ask(message, &[], limit)?.0 {
            Outcome::Reached(reached) => Ok(reached),
            outcome => unexpected(&outcome),
        }
    }

    fn empty(&self, message: &ToAgent, payload: &[u8]) -> Result<(), Error> {
        match self.ask(message, payload, SHORT)?.0 {
            Outcome::Empty => Ok(()),
            outcome => unexpected(&outcome),
        }
    }

    /// Asks for a sign of life and says how long it took.
    pub fn ping(&self) -> Result<Duration, Error> {
        let begin = Instant::now();
        self.empty(&ToAgent::Ping, &[]).map(|()| begin.elapsed())
    }

    /// Waits for a unit, by upstream's rules. `user`: in that user's manager, which is waited for
    /// as well.
    pub fn wait_for_unit(
        &self,
        unit: &str,
        user: Option<&str>,
        timeout: Option<Duration>,
    ) -> Result<UnitVerdict, Error> {
        let message = ToAgent::WaitUnit {
            unit: unit.to_owned(),
            user: user.map(str::to_owned),
            timeout_ms: timeout.map(millis),
        };
        match self.ask(&message, &[], timeout)?.0 {
            Outcome::Unit(verdict) => Ok(verdict),
            outcome => unexpected(&outcome),
        }
    }

    /// Properties of a unit, as `systemctl show` prints them; no names: all.
    pub fn unit_properties(
        &self,
        unit: &str,
        user: Option<&str>,
        properties: &[&str],
    ) -> Result<Vec<(String, String)>, Error> {
        let message = ToAgent::UnitProperties {
            unit: unit.to_owned(),
            user: user.map(str::to_owned),
            properties: properties.iter().map(|&name| name.to_owned()).collect(),
        };
        match self.ask(&message, &[], SHORT)?.0 {
            Outcome::Properties(properties) => Ok(properties),
            outcome => unexpected(&outcome),
        }
    }

    /// Starts or stops a unit; returns what `systemctl` would exit with and say.
    pub fn unit_job(
        &self,
        unit: &str,
        user: Option<&str>,
        job: UnitJob,
        timeout: Option<Duration>,
    ) -> Result<(i32, String), Error> {
        let message = ToAgent::UnitJob {
            unit: unit.to_owned(),
            user: user.map(str::to_owned),
            job,
            timeout_ms: timeout.map(millis),
        };
        match self.ask(&message, &[], timeout)?.0 {
            Outcome::Job { status, message } => Ok((status, message)),
            outcome => unexpected(&outcome),
        }
    }

    /// Waits until `test -e PATH` holds (`exists`) or fails; false: time is over.
    pub fn wait_for_file(
        &self,
        path: &str,
        exists: bool,
        timeout: Option<Duration>,
    ) -> Result<bool, Error> {
        let message = ToAgent::WaitFile {
            path: path.to_owned(),
            exists,
            timeout_ms: timeout.map(millis),
        };
        self.reached(&message, timeout)
    }

    /// Waits until a TCP port is open (or closed), seen from the machine.
    pub fn wait_for_port(
        &self,
        address: &str,
        port: u16,
        open: bool,
        timeout: Option<Duration>,
    ) -> Result<bool, Error> {
        let message = ToAgent::WaitPort {
            address: address.to_owned(),
            port,
            open,
            timeout_ms: timeout.map(millis),
        };
        self.reached(&message, timeout)
    }

    /// Waits until a unix socket accepts.
    pub fn wait_for_unix_socket(
        &self,
        path: &str,
        datagram: bool,
        timeout: Option<Duration>,
    ) -> Result<bool, Error> {
        let message = ToAgent::WaitUnixSocket {
            path: path.to_owned(),
            datagram,
            timeout_ms: timeout.map(millis),
        };
        self.reached(&message, timeout)
    }

    /// Waits until commands may run.
    pub fn wait_for_login(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        self.reached(
            &ToAgent::WaitLogin {
                timeout_ms: timeout.map(millis),
            },
            timeout,
        )
    }

    /// Waits for the ready point, at most `timeout`.
    pub fn wait_for_ready(&self, idle: Duration, timeout: Duration) -> Result<Ready, Error> {
        let message = ToAgent::WaitReady {
            idle_ms: millis(idle),
            timeout_ms: millis(timeout),
        };
        match self.ask(&message, &[], Some(timeout))?.0 {
            Outcome::Ready(ready) => Ok(ready),
            outcome => unexpected(&outcome),
        }
    }

    /// Text of a virtual terminal, and a stamp of it. With `unlike`, waits up to `timeout` until
    /// the text has another stamp.
    pub fn tty_text(
        &self,
        tty: &str,
        unlike: Option<u64>,
        timeout: Option<Duration>,
    ) -> Result<(String, u64), Error> {
        let message = ToAgent::TtyText {
            tty: tty.to_owned(),
            unlike,
            timeout_ms: timeout.map(millis),
        };
        match self.ask(&message, &[], timeout.or(SHORT))? {
            (Outcome::Text { stamp }, text) => {
                Ok((String::from_utf8_lossy(&text).into_owned(), stamp))
            }
            (outcome, _) => unexpected(&outcome),
        }
    }

    /// For the report of a failure.
    pub fn facts(&self) -> Result<Facts, Error> {
        match self.ask(&ToAgent::Facts, &[], SHORT)?.0 {
            Outcome::Facts(facts) => Ok(*facts),
            outcome => unexpected(&outcome),
        }
    }

    /// Sets the machine's clock to nanoseconds since 1970.
    pub fn set_clock(&self, unix_ns: u64) -> Result<(), Error> {
        self.empty(&ToAgent::SetClock { unix_ns }, &[])
    }

    /// Reseeds the kernel's random pool.
    pub fn add_entropy(&self, entropy: &[u8]) -> Result<(), Error> {
        self.empty(&ToAgent::AddEntropy, entropy)
    }

    /// Tells a restored machine the present time and gives it randomness of its own. Waits for the
    /// agent first, so that the time is not old when it arrives.
    pub fn renew(&self, entropy: &[u8]) -> Result<(), Error> {
        self.hello(SHORT)?;
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.restored(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), entropy)
    }

    /// Tells a restored machine a time and gives it randomness of its own; see [`Agent::renew`].
    pub fn restored(&self, unix_ns: u64, entropy: &[u8]) -> Result<(), Error> {
        self.empty(&ToAgent::Restored { unix_ns }, entropy)
    }

    /// Asks the machine to switch itself off or to restart.
    pub fn power(&self, action: PowerAction) -> Result<(), Error> {
        self.empty(&ToAgent::Power(action), &[])
    }

    /// The journal from its first message on.
    pub fn journal(&self) -> Result<Journal, Error> {
        self.request(&ToAgent::JournalFollow, &[]).map(Journal)
    }
}

/// Messages of a machine's journal.
#[derive(Debug)]
pub struct Journal(Request);

impl Journal {
    /// The next message; `None`: none came until `deadline`. Ends with an error when the machine does.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Option<JournalEntry>, Error> {
        loop {
            match self.0.next(deadline)? {
                None => return Ok(None),
                Some(Event::Journal(entry)) => return Ok(Some(*entry)),
                Some(Event::Done(outcome, _)) => return unexpected(&outcome),
                Some(_) => {}
            }
        }
    }
}
