//! Boots a machine from images, saves it and restores copies of it, and says how long each took.
//!
//!     boot TOOLS-TREE KERNEL INITRD COPIES LAYER...

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use snowglobe_agent_client::{Agent, ExecRequest};
use snowglobe_machines::snapshot::{After, Snapshot};
use snowglobe_machines::{
    Accelerator, Boot, Choice, Ended, Host, Machine, MachineSpec, Observer, Start, Tools,
};
use snowglobe_plan::{Hardware, Resolution, UserNetwork};

/// Prints the console when asked to.
struct Console(bool);

impl Observer for Console {
    fn console(&self, machine: &str, line: &[u8]) {
        if self.0 {
            eprintln!("{machine}: {}", String::from_utf8_lossy(line));
        }
    }

    fn ended(&self, machine: &str, ended: &Ended) {
        eprintln!("{machine}: {ended} {}", ended.messages);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let mut next = || args.next().ok_or("too few arguments");
    let (tools, kernel, initrd, copies) = (next()?, next()?, next()?, next()?);
    let copies: usize = copies.to_string_lossy().parse()?;
    let spec = MachineSpec {
        name: "m".into(),
        hardware: Hardware {
            memory_mib: 1024,
            cores: 1,
            disk_mib: 1024,
            empty_disks: vec![],
            graphics: std::env::var_os("GRAPHICS").is_some(),
            resolution: Resolution { x: 1024, y: 768 },
            qemu_options: vec![],
            user_network: Some(UserNetwork::default()),
            shared_directories: vec![],
        },
        cards: vec![],
        boot: Boot {
            kernel,
            initrd: Some(initrd),
            command_line: "console=ttyS0,115200n8 mitigations=off nokaslr audit=0 \
                           lsm=landlock,lockdown,yama,integrity,apparmor"
                .into(),
            layers: args.collect(),
            disk_template: None,
        },
        internet: false,
    };
    let choice = Choice {
        accelerator: Accelerator::Tcg,
        reason: "asked for".into(),
    };
    let host = Arc::new(Host::new(Tools::Layers(vec![tools]), choice)?);
    let directory = tempfile::tempdir()?;
    let console = Arc::new(Console(std::env::var_os("CONSOLE").is_some()));
    let machine = |name: &str| {
        let path = directory.path().join(name);
        Machine::new(spec.clone(), host.clone(), &path, vec![], console.clone())
    };

    let first = machine("first")?;
    let start = Instant::now();
    let say =
        |what: &str, start: Instant| eprintln!("{what}: {:.3} s", start.elapsed().as_secs_f64());
    first.start(Start::default())?;
    say("QEMU runs", start);
    let agent = Agent::connect(first.take_agent().ok_or("no agent port")?)?;
    agent.hello(Some(Duration::from_secs(120)))?;
    say("agent says hello", start);
    let result = agent.exec(&ExecRequest::shell("true"))?;
    say("first command", start);
    eprintln!("  {result:?}");
    let ready = agent.wait_for_ready(Duration::from_secs(1), Duration::from_secs(120))?;
    say("ready point", start);
    eprintln!("  {ready:?}");
    for _ in 0..3 {
        eprintln!("  ping {:?}", agent.ping()?);
    }
    for _ in 0..3 {
        let start = Instant::now();
        agent.exec(&ExecRequest::shell("true"))?;
        say("  true", start);
    }
    let path = directory.path().join("snapshot");
    eprintln!("{:?}", first.save(&path, After::End)?);

    for round in 0..2 {
        let machines: Vec<Machine> = (0..copies)
            .map(|n| machine(&format!("copy{round}-{n}")))
            .collect::<Result<_, _>>()?;
        let start = Instant::now();
        let restore = |machine: &Machine| -> Result<Duration, Box<dyn Error + Send + Sync>> {
            machine.restore(&Snapshot::open(&path)?)?;
            let agent = Agent::connect(machine.take_agent().ok_or("no agent port")?)?;
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            agent.restored(now.as_nanos() as u64, &[7; 64])?;
            let answered = start.elapsed();
            agent.exec(&ExecRequest::shell("true"))?;
            Ok(answered)
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = machines
                .iter()
                .map(|machine| scope.spawn(move || restore(machine)))
                .collect();
            for thread in threads {
                match thread.join() {
                    Ok(Ok(time)) => eprintln!("restored and answered: {time:?}"),
                    Ok(Err(error)) => eprintln!("failed: {error}"),
                    Err(_) => eprintln!("failed"),
                }
            }
        });
        say("all have run a command", start);
    }
    Ok(())
}
