//! Writes a run folder with many machines and events, to look at its page:
//! `cargo run -p snowglobe-report --example big -- DIRECTORY [MACHINES] [EVENTS]`.

use std::path::PathBuf;

use snowglobe_events::{
    Accelerator, Address, Command, Frame, Kind, Level, Location, MachineInfo, MachineState,
    Outcome, Phase, Sink, Text,
};
use snowglobe_report::{RunFolder, View};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("give a directory")?);
    let machines: usize = args.next().map_or(Ok(10), |n| n.parse())?;
    let events: usize = args.next().map_or(Ok(10_000), |n| n.parse())?;
    std::fs::create_dir_all(&folder)?;
    let sink = Sink::new();
    let queue = sink.subscribe();
    let root = sink.scope();
    let names: Vec<String> = (1..=machines).map(|n| format!("node{n}")).collect();
    root.emit(Kind::RunStarted {
        format: 1,
        version: "0.1.0".into(),
        title: "big".into(),
        file: Some("/tests/big.nix".into()),
        attended: false,
    });
    let script: Vec<String> = (1..=200)
        .map(|n| format!("node{}.succeed(\"step {n}\")", n % machines + 1))
        .collect();
    root.emit(Kind::Planned {
        test: "big".into(),
        machines: names
            .iter()
            .map(|name| MachineInfo {
                name: name.clone(),
                memory_mib: 512,
                cores: 1,
                graphical: false,
                addresses: vec![
                    Address {
                        interface: "eth1".into(),
                        vlan: 1,
                        mac: String::new(),
                    },
                    Address {
                        interface: "eth2".into(),
                        vlan: 2,
                        mac: String::new(),
                    },
                ],
            })
            .collect(),
        vlans: vec![1, 2],
        script: script.join("\n"),
        limit: None,
    });
    root.emit(Kind::Accelerator {
        accelerator: Accelerator::Tcg,
        why: "no /dev/kvm".into(),
    });
    let phase = root.open(Kind::PhaseStarted {
        phase: Phase::Script,
    });
    let inside = root.within(Some(phase));
    for name in &names {
        inside.machine(name).emit(Kind::MachineState {
            state: MachineState::Booting,
            why: None,
        });
        for unit in 0..30 {
            for word in ["Starting", "Started"] {
                let end = if word == "Starting" { "..." } else { "." };
                inside.machine(name).emit(Kind::Journal {
                    guest_wall: None,
                    unit: None,
                    identifier: Some("systemd".into()),
                    priority: 6,
                    pid: Some(1),
                    message: format!("{word} unit{unit}.service - Unit {unit}{end}"),
                });
            }
        }
        let why = Some("cold boot".into());
        inside.machine(name).emit(Kind::MachineState {
            state: MachineState::Ready,
            why,
        });
    }
    let mut count = machines * 62;
    let mut step = 0_u32;
    let mut subtest = None;
    while count < events {
        step += 1;
        if step % 40 == 1 {
            if let Some((span, name)) = subtest.take() {
                inside.on(
                    span,
                    Kind::SubtestFinished {
                        name,
                        ok: true,
                        error: None,
                        duration: 1,
                    },
                );
            }
            let name = format!("part {}", step / 40 + 1);
            let span = inside.open(Kind::SubtestStarted { name: name.clone() });
            subtest = Some((span, name));
        }
        let name = &names[step as usize % machines];
        let around = inside
            .within(subtest.as_ref().map(|(span, _)| *span))
            .machine(name);
        let line = step % 200 + 1;
        let call = around.open(Kind::CallStarted {
            method: "succeed".into(),
            arguments: format!("\"step {step}\""),
            location: Some(place(line)),
        });
        let command = around.within(Some(call));
        let span = command.open(Kind::CommandStarted {
            command: format!("step {step}"),
            limit: None,
        });
        std::thread::sleep(std::time::Duration::from_micros(u64::from(
            step * 7919 % 900,
        )));
        command.on(
            span,
            Kind::CommandFinished {
                status: Some(0),
                stdout: Text::new("some output\nof a command\n"),
                stderr: Text::default(),
                duration: 5,
            },
        );
        around.on(
            call,
            Kind::CallFinished {
                ok: true,
                error: None,
                duration: 5,
            },
        );
        if step.is_multiple_of(50) {
            around.emit(Kind::Log {
                level: Level::Warning,
                message: format!("at step {step}"),
            });
        }
        around.emit(Kind::Journal {
            guest_wall: None,
            unit: Some("demo.service".into()),
            identifier: Some("demo".into()),
            priority: if step.is_multiple_of(97) { 3 } else { 6 },
            pid: Some(step),
            message: format!("did step {step}"),
        });
        count += 5;
    }
    inside.emit(Kind::LinkChanged {
        vlan: 2,
        from: Some(names[0].clone()),
        to: names.get(1).cloned(),
        change: "cut".into(),
        up: false,
    });
    if let Some((span, name)) = subtest.take() {
        let error = Some("it failed".into());
        inside.on(
            span,
            Kind::SubtestFinished {
                name,
                ok: false,
                error,
                duration: 1,
            },
        );
    }
    root.on(
        phase,
        Kind::PhaseFinished {
            phase: Phase::Script,
            ok: false,
            note: None,
        },
    );
    root.emit(Kind::Failure {
        class: "RequestedAssertionFailed".into(),
        message: "command `curl --fail http://node2/` failed (exit code 7)".into(),
        location: Some(place(7)),
        frames: vec![Frame {
            function: "<module>".into(),
            location: place(7),
        }],
        command: Some(Box::new(Command {
            machine: names[0].clone(),
            command: "curl --fail http://node2/".into(),
            status: Some(7),
            stdout: Text::default(),
            stderr: Text::new("curl: (7) Failed to connect to node2 port 80: Connection refused\n"),
        })),
        subtests: vec![format!("part {}", step / 40 + 1)],
        hints: Vec::new(),
        details: None,
    });
    root.emit(Kind::RunFinished {
        outcome: Outcome::Failed,
        duration: sink.elapsed(),
    });
    sink.close();
    let mut keeper = RunFolder::new(&folder)?;
    queue.iter().for_each(|event| keeper.event(&event));
    keeper.end();
    Ok(())
}

fn place(line: u32) -> Location {
    Location {
        file: "/tests/big.nix".into(),
        line: line + 20,
        script_line: line,
        source: format!("step {line}"),
    }
}
