//! `builtin:test` and `builtin:driver`: a test is run by building it; its driver is a folder with a
//! program that runs it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use snowglobe_plan::{Derivation, Plan, StorePath, Test};

use crate::builders::{BuilderError, json};
use crate::{Error, Realiser, failed};

/// Where the plan lies in a driver's folder.
const PLAN: &str = "share/snowglobe/plan.json";

impl<'a> Realiser<'a> {
    /// Runs a test. Its object is what the script wrote.
    pub(crate) fn make_test(
        &self,
        path: &StorePath,
        derivation: &'a Derivation,
        out: &Path,
    ) -> Result<(), Error> {
        let plan = self.plan(derivation)?;
        fs::create_dir(out)?;
        self.world.test(plan, out).map_err(|source| Error::World {
            what: format!("'{}'", derivation.name),
            source,
        })?;
        Ok(self.store.add(path, out, BTreeSet::new())?)
    }

    /// Makes the folder of a driver, and everything that the test needs.
    pub(crate) fn make_driver(
        &self,
        path: &StorePath,
        derivation: &'a Derivation,
        out: &Path,
    ) -> Result<(), Error> {
        let plan = self.plan(derivation)?;
        let world = |source| Error::World {
            what: format!("'{}'", derivation.name),
            source,
        };
        self.world.prepare(&plan).map_err(world)?;
        let program = self.world.program().map_err(world)?;
        let interactive = derivation.env.get("interactive").is_some_and(|v| v == "1");
        let file = out.join(PLAN);
        fs::create_dir_all(file.parent().expect("a path below the output"))?;
        let text = serde_json::to_vec(&plan).map_err(|source| {
            failed(derivation)(BuilderError::Parameter {
                name: "plan",
                source,
            })
        })?;
        fs::write(&file, text)?;
        let wrapper = out.join("bin/nixos-test-driver");
        fs::create_dir_all(out.join("bin"))?;
        fs::write(&wrapper, script(&program, interactive))?;
        fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755))?;
        // What the plan mentions is kept as long as the driver is.
        let mut references = BTreeSet::new();
        for (path, object) in &plan.store {
            match object {
                snowglobe_plan::StoreObject::Derivation(derivation) => {
                    references.extend(derivation.outputs.values().map(|o| o.path.clone()));
                }
                _ => {
                    references.insert(path.clone());
                }
            }
        }
        references.retain(|path| self.store.contains(path));
        Ok(self.store.add(path, out, references)?)
    }

    /// The plan of the one test that a derivation holds.
    fn plan(&self, derivation: &'a Derivation) -> Result<Plan, Error> {
        let test: Test = json(derivation, "plan").map_err(failed(derivation))?;
        Ok(Plan {
            format: snowglobe_plan::FORMAT,
            archive: self.world.snapshot(),
            tests: vec![test],
            store: self.graph.below(derivation),
        })
    }
}

/// The program of a driver. It runs on the host, so it names our program where it lies now, and
/// looks for it on PATH if it has moved since.
fn script(program: &Path, interactive: bool) -> String {
    let program = program.display().to_string().replace('\'', r"'\''");
    let flag = if interactive { " --interactive" } else { "" };
    format!(
        "#!/bin/sh\n\
         # Runs the test whose plan lies beside this file; made by `snowglobe build`.\n\
         snowglobe='{program}'\n\
         [ -x \"$snowglobe\" ] || snowglobe=snowglobe\n\
         here=$(dirname \"$(readlink -f \"$0\")\")\n\
         exec \"$snowglobe\" driver --plan \"$here/../{PLAN}\"{flag} \"$@\"\n"
    )
}
