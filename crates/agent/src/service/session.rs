//! Sessions and the requests in them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use snowglobe_agent_protocol::{
    Failure, FailureKind, Hello, HelloReply, Outcome, Phase, RawFrame, ToAgent, ToHost, VERSION,
};

use super::call::{Answer, Call, Input, Mailbox, invalid};
use super::journal::JournalBuffer;
use super::link::Link;
use super::login::LoginState;
use super::{
    Config, clock, copy, exec, facts, files, ports, power, priority, ready, tty, units, until,
};

/// More at once is a mistake of the host.
const MOST_REQUESTS: usize = 512;
/// Threads here call nothing deep; a machine may have little memory.
const STACK: usize = 256 * 1024;

/// What all requests share.
#[derive(Debug)]
pub struct Context {
    pub config: Config,
    pub login: LoginState,
    pub journal: JournalBuffer,
}

#[derive(Debug)]
pub struct Sessions {
    link: Arc<Link>,
    context: Arc<Context>,
    current: Arc<Mutex<Current>>,
    /// Kernel's. Read once: a restored machine's first answer shall not touch a file.
    boot_id: String,
}

#[derive(Debug, Default)]
struct Current {
    session: u64,
    requests: BTreeMap<u32, Arc<Mailbox>>,
}

impl Sessions {
    pub fn new(writer: fs::File, config: Config) -> Self {
        let login = LoginState::new(config.login.clone());
        let journal = JournalBuffer::new();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            boot_id: boot_id.trim_end().to_owned(),
            link: Arc::new(Link::new(writer)),
            context: Arc::new(Context {
                config,
                login,
                journal,
            }),
            current: Arc::default(),
        }
    }

    /// Starts what runs by itself and announces the agent.
    pub fn begin(&self) {
        if let Some(path) = self.context.config.journal.clone() {
            let context = Arc::clone(&self.context);
            spawn("journal", move || context.journal.listen(&path));
        }
        if self.context.config.login != Login::AtOnce {
            // The environment is wanted by the first command; learning it meanwhile costs no time.
            let context = Arc::clone(&self.context);
            spawn("login", move || context.login.prepare());
        }
        // No host may be there yet; it will say hello then.
        let _ = self
            .link
            .send_always(0, &ToHost::Announce(self.reply(0)), &[]);
    }

    /// Ends every request.
    pub fn end(&self) {
        let mut current = self.current();
        for mailbox in std::mem::take(&mut current.requests).into_values() {
            mailbox.cancel();
        }
    }

    pub fn receive(&self, frame: RawFrame) {
        let message = match frame.message::<ToAgent>() {
            Ok(message) => message,
            Err(error) => {
                let failure = invalid(error.to_string());
                let _ = self
                    .link
                    .send_always(frame.id, &ToHost::Failed(failure), &[]);
                return;
            }
        };
        let (id, payload) = (frame.id, frame.payload);
        match message {
            ToAgent::Hello(hello) => self.hello(&hello),
            ToAgent::Ping => self.reply_at_once(id, Outcome::Empty),
            ToAgent::Data { end } => self.pass_on(
                id,
                Input::Data {
                    bytes: payload,
                    end,
                },
            ),
            ToAgent::Entry(entry) => self.pass_on(id, Input::Entry(entry)),
            ToAgent::Signal { signal } => self.pass_on(id, Input::Signal(signal)),
            ToAgent::Resize { rows, columns } => {
                self.pass_on(id, Input::Resize { rows, columns });
            }
            ToAgent::Credit { bytes } => {
                if let Some(mailbox) = self.current().requests.get(&id) {
                    mailbox.grant(bytes);
                }
            }
            ToAgent::Cancel => {
                if let Some(mailbox) = self.current().requests.get(&id) {
                    mailbox.cancel();
                }
            }
            request => self.start(id, request, payload),
        }
    }

    fn hello(&self, hello: &Hello) {
        let mut current = self.current();
        if current.session != hello.session {
            for mailbox in std::mem::take(&mut current.requests).into_values() {
                mailbox.cancel();
            }
            current.session = hello.session;
            self.link.open_session(hello.session);
        }
        drop(current);
        let _ = self
            .link
            .send_always(0, &ToHost::Hello(self.reply(hello.session)), &[]);
    }

    fn reply(&self, session: u64) -> HelloReply {
        let phase = if self.context.login.is_open() {
            Phase::Login
        } else if self.context.config.system_manager.exists() {
            Phase::Booting
        } else {
            Phase::Early
        };
        HelloReply {
            version: VERSION,
            session,
            boot_id: self.boot_id.clone(),
            phase,
        }
    }

    fn reply_at_once(&self, id: u32, outcome: Outcome) {
        let session = self.current().session;
        let _ = self
            .link
            .send(session, id, &ToHost::Done(Box::new(outcome)), &[]);
    }

    fn pass_on(&self, id: u32, input: Input) {
        let mailbox = self.current().requests.get(&id).cloned();
        if let Some(mailbox) = mailbox
            && !mailbox.push(input)
        {
            mailbox.cancel();
        }
    }

    fn start(&self, id: u32, request: ToAgent, payload: Vec<u8>) {
        let received = Instant::now();
        let mut current = self.current();
        let session = current.session;
        let refuse = |message: &str| {
            let failure = ToHost::Failed(invalid(message));
            let _ = self.link.send(session, id, &failure, &[]);
        };
        if id == 0 || current.requests.contains_key(&id) {
            return refuse("a request with an id that is in use");
        }
        if current.requests.len() >= MOST_REQUESTS {
            return refuse("too many requests at once");
        }
        let mailbox = match Mailbox::new() {
            Ok(mailbox) => Arc::new(mailbox),
            Err(error) => return refuse(&format!("cannot wait for events: {error}")),
        };
        current.requests.insert(id, Arc::clone(&mailbox));
        drop(current);
        let call = Call::new(id, session, Arc::clone(&self.link), mailbox);
        let (context, requests) = (Arc::clone(&self.context), Arc::clone(&self.current));
        let started = spawn("request", move || {
            match (context.config.first, is_work(&request)) {
                (false, _) => {}
                (true, false) => priority::lead_alone(),
                (true, true) => priority::follow(),
            }
            let done = Finish {
                requests,
                id,
                session,
            };
            carry_out(&context, call, request, payload, received, done);
        });
        if !started {
            self.current().requests.remove(&id);
            refuse("cannot start a thread");
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a request off the list. To be called before its answer is sent, since the host may use
/// the id again as soon as it has the answer.
pub struct Finish {
    requests: Arc<Mutex<Current>>,
    id: u32,
    session: u64,
}

impl Finish {
    pub fn finish(self) {
        let mut current = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if current.session == self.session {
            current.requests.remove(&self.id);
        }
    }
}

fn carry_out(
    context: &Context,
    call: Call,
    request: ToAgent,
    payload: Vec<u8>,
    received: Instant,
    done: Finish,
) {
    let answer: Result<Answer, Failure> = match request {
        // Lives on after its answer.
        ToAgent::Exec(exec) => return exec::run(context, call, *exec, payload, done),
        ToAgent::Until(until) => until::run(context, &call, *until, &payload),
        ToAgent::WaitUnit {
            unit,
            user,
            timeout_ms,
        } => units::wait(context, &call, &unit, user.as_deref(), timeout_ms),
        ToAgent::UnitProperties {
            unit,
            user,
            properties,
        } => units::properties(context, &call, &unit, user.as_deref(), &properties),
        ToAgent::UnitJob {
            unit,
            user,
            job,
            timeout_ms,
        } => units::job(context, &call, &unit, user.as_deref(), job, timeout_ms),
        ToAgent::WaitFile {
            path,
            exists,
            timeout_ms,
        } => files::wait(context, &call, &path, exists, timeout_ms),
        ToAgent::WaitPort {
            address,
            port,
            open,
            timeout_ms,
        } => ports::wait(&call, &address, port, open, timeout_ms),
        ToAgent::WaitUnixSocket {
            path,
            datagram,
            timeout_ms,
        } => ports::wait_unix(&call, &path, datagram, timeout_ms),
        ToAgent::TtyText {
            tty,
            unlike,
            timeout_ms,
        } => tty::text(&call, &tty, unlike, timeout_ms),
        ToAgent::JournalFollow => context.journal.follow(&call),
        ToAgent::Put { target, name } => copy::put(&call, &target, &name),
        ToAgent::Get { source } => copy::get(&call, &source),
        ToAgent::SetClock { unix_ns } => {
            clock::set(unix_ns, received).map(|()| Outcome::Empty.into())
        }
        ToAgent::AddEntropy => clock::add_entropy(&payload).map(|()| Outcome::Empty.into()),
        ToAgent::Restored { unix_ns } => {
            clock::restored(unix_ns, received, &payload).map(|()| Outcome::Empty.into())
        }
        ToAgent::WaitReady {
            idle_ms,
            timeout_ms,
        } => ready::wait(context, &call, idle_ms, timeout_ms),
        ToAgent::WaitLogin { timeout_ms } => context
            .login
            .wait(&call, timeout_ms)
            .map(|reached| Outcome::Reached(reached).into()),
        ToAgent::Facts => facts::collect(context, &call),
        ToAgent::Power(action) => power::switch(context, action),
        ToAgent::Hello(_)
        | ToAgent::Ping
        | ToAgent::Data { .. }
        | ToAgent::Entry(_)
        | ToAgent::Credit { .. }
        | ToAgent::Signal { .. }
        | ToAgent::Resize { .. }
        | ToAgent::Cancel => Err(Failure::new(FailureKind::Invalid, "no request")),
    };
    done.finish();
    call.answer(answer);
}

/// Whether a request is work for a script, of any length, rather than a question.
fn is_work(request: &ToAgent) -> bool {
    matches!(
        request,
        ToAgent::Exec(_)
            | ToAgent::Until(_)
            | ToAgent::Put { .. }
            | ToAgent::Get { .. }
            | ToAgent::JournalFollow
            | ToAgent::WaitReady { .. }
            | ToAgent::Facts
    )
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> bool {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
        .spawn(body)
        .is_ok()
}

use super::Login;
