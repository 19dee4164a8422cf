//! Derivations.

use std::collections::{BTreeMap, BTreeSet};

use super::{Builtin, JsonMode, json_of};
use crate::error::{Fault, FaultData, Kind};
use crate::eval::{Coerce, Evaluator, R};
use crate::source::Pos;
use crate::store::derivation::{Modulo, method, modulo};
use crate::store::hash::{self, Algorithm};
use crate::store::{Derivation, Output, base32, paths};
use crate::symbol::{Symbol, names};
use crate::value::{Attrs, Context, Slot, Text, Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("derivationStrict", 1, 0b1, derivation_strict),
    Builtin::new("placeholder", 1, 0b1, placeholder),
];

fn placeholder<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let output = ev.as_plain(args[0], pos)?;
    let digest = hash::sha256(&[b"nix-output:", output].concat());
    Ok(ev.text(format!("/{}", base32::encode(&digest)).as_bytes()))
}

fn derivation_strict<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let attrs = ev.as_attrs(args[0], pos)?;
    let Some(name_slot) = attrs.get(names::NAME) else {
        return Err(ev.missing(attrs, names::NAME, pos).while_doing(
            pos,
            "in the attrset passed as argument to builtins.derivationStrict",
        ));
    };
    let name_pos = attrs.position(names::NAME).unwrap_or_default();
    let name = ev.as_plain(share(name_slot), name_pos).map_err(|fault| {
        fault.while_doing(
            pos,
            "while evaluating the `name` attribute passed to builtins.derivationStrict",
        )
    })?;
    let name = String::from_utf8_lossy(name).into_owned();
    Builder::new(ev, attrs, pos, name.clone()).and_then(Builder::finish).map_err(|fault| {
        let place = ev.position_text(name_pos);
        fault.while_doing(name_pos, format!("while evaluating derivation '{name}'\n  whose name attribute is located at {place}"))
    })
}

/// A derivation while its attributes are read.
struct Builder<'e, 'a> {
    ev: &'e Evaluator<'a>,
    pos: Pos,
    drv: Derivation,
    context: Context<'a>,
    json: Option<BTreeMap<Vec<u8>, String>>,
    outputs: Vec<String>,
    output_hash: Option<String>,
    output_hash_algo: Option<Algorithm>,
    recursive: Option<bool>,
}

impl<'e, 'a> Builder<'e, 'a> {
    fn new(
        ev: &'e Evaluator<'a>,
        attrs: &'a Attrs<'a>,
        pos: Pos,
        name: String,
    ) -> Result<Self, Fault> {
        paths::check_name(&name).map_err(|message| {
            ev.fail(
                pos,
                format!("invalid derivation name: {message}. Please pass a different 'name'."),
            )
        })?;
        if name.ends_with(".drv") {
            return Err(ev.fail(pos, "derivation names are not allowed to end in '.drv'"));
        }
        let flag = |flag: Symbol| -> Result<bool, Fault> {
            match attrs.get(flag) {
                Some(slot) => ev.as_bool(share(slot), pos).map_err(|fault| {
                    let text = format!(
                        "while evaluating the `{}` attribute passed to builtins.derivationStrict",
                        ev.symbols.display(flag)
                    );
                    fault.while_doing(pos, text)
                }),
                None => Ok(false),
            }
        };
        let structured = flag(names::STRUCTURED_ATTRS)?;
        let ignore_nulls = flag(names::IGNORE_NULLS)?;
        let mut builder = Self {
            ev,
            pos,
            drv: Derivation {
                name,
                ..Derivation::default()
            },
            context: &[],
            json: structured.then(BTreeMap::new),
            outputs: vec!["out".to_owned()],
            output_hash: None,
            output_hash_algo: None,
            recursive: None,
        };
        for &index in attrs.shape.alphabetical(ev.arena, &ev.symbols) {
            let index = index as usize;
            let key = attrs.shape.names[index];
            if key == names::IGNORE_NULLS {
                continue;
            }
            let slot = &attrs.slots[index];
            if ignore_nulls && matches!(ev.force(slot)?, Value::Null) {
                continue;
            }
            builder.attribute(key, slot).map_err(|fault| {
                let text = format!(
                    "while evaluating attribute '{}' of derivation '{}'",
                    ev.symbols.display(key),
                    builder.drv.name
                );
                fault.while_doing(attrs.shape.position(index), text)
            })?;
        }
        Ok(builder)
    }

    fn join(&mut self, context: Context<'a>) {
        self.context = self.ev.join_contexts(self.context, context);
    }

    fn text_of(&mut self, slot: &'a Slot<'a>) -> Result<&'a [u8], Fault> {
        let text: &Text<'a> = self.ev.coerce(share(slot), Coerce::ENVIRONMENT, self.pos)?;
        self.join(text.context);
        Ok(text.bytes)
    }

    fn attribute(&mut self, key: Symbol, slot: &'a Slot<'a>) -> Result<(), Fault> {
        let (ev, pos) = (self.ev, self.pos);
        match key {
            names::CONTENT_ADDRESSED | names::IMPURE => {
                if ev.as_bool(share(slot), pos)? {
                    let feature = if key == names::IMPURE {
                        "impure-derivations"
                    } else {
                        "ca-derivations"
                    };
                    let message = format!("experimental Nix feature '{feature}' is not supported");
                    return Err(FaultData::new(Kind::Unsupported, pos, message));
                }
                if self.json.is_none() {
                    let text = self.text_of(slot)?.to_vec();
                    self.drv.env.insert(ev.symbols.text(key).to_vec(), text);
                }
                return Ok(());
            }
            names::ARGS => {
                for item in ev.as_list(share(slot), pos)? {
                    let arg = self.text_of(item)?.to_vec();
                    self.drv.args.push(arg);
                }
                return Ok(());
            }
            _ => {}
        }
        if self.json.is_some() {
            return self.structured(key, slot);
        }
        let text = self.text_of(slot)?;
        self.drv
            .env
            .insert(ev.symbols.text(key).to_vec(), text.to_vec());
        let owned = || String::from_utf8_lossy(text).into_owned();
        match key {
            names::BUILDER => self.drv.builder = text.to_vec(),
            names::SYSTEM => self.drv.system = owned(),
            names::OUTPUT_HASH => self.output_hash = Some(owned()),
            names::OUTPUT_HASH_ALGO => self.hash_algorithm(&owned())?,
            names::OUTPUT_HASH_MODE => self.hash_mode(&owned())?,
            names::OUTPUTS => {
                let outputs = owned()
                    .split_ascii_whitespace()
                    .map(str::to_owned)
                    .collect();
                self.set_outputs(outputs)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn structured(&mut self, key: Symbol, slot: &'a Slot<'a>) -> Result<(), Fault> {
        let (ev, pos) = (self.ev, self.pos);
        if key == names::STRUCTURED_ATTRS {
            return Ok(());
        }
        let (json, context) = json_of(ev, share(slot), JsonMode { copy: true }, pos)?;
        self.join(context);
        if let Some(object) = &mut self.json {
            object.insert(ev.symbols.text(key).to_vec(), json);
        }
        let plain = || -> Result<String, Fault> {
            Ok(String::from_utf8_lossy(ev.as_plain(share(slot), pos)?).into_owned())
        };
        match key {
            names::BUILDER => {
                let text = ev.as_text(share(slot), pos)?;
                self.join(text.context);
                self.drv.builder = text.bytes.to_vec();
            }
            names::SYSTEM => self.drv.system = plain()?,
            names::OUTPUT_HASH => self.output_hash = Some(plain()?),
            names::OUTPUT_HASH_ALGO => self.hash_algorithm(&plain()?)?,
            names::OUTPUT_HASH_MODE => self.hash_mode(&plain()?)?,
            names::OUTPUTS => {
                let mut outputs = Vec::new();
                for item in ev.as_list(share(slot), pos)? {
                    outputs
                        .push(String::from_utf8_lossy(ev.as_plain(share(item), pos)?).into_owned());
                }
                self.set_outputs(outputs)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn hash_algorithm(&mut self, name: &str) -> Result<(), Fault> {
        // An unknown name counts as none; the hash must then say its own.
        self.output_hash_algo = Algorithm::parse(name);
        Ok(())
    }

    fn hash_mode(&mut self, mode: &str) -> Result<(), Fault> {
        self.recursive = Some(match mode {
            "recursive" | "nar" => true,
            "flat" => false,
            other => {
                let message = format!("invalid value '{other}' for 'outputHashMode' attribute");
                return Err(self.ev.fail(self.pos, message));
            }
        });
        Ok(())
    }

    fn set_outputs(&mut self, outputs: Vec<String>) -> Result<(), Fault> {
        let mut seen = BTreeSet::new();
        for output in &outputs {
            if !seen.insert(output) {
                return Err(self
                    .ev
                    .fail(self.pos, format!("duplicate derivation output '{output}'")));
            }
            if output == "drv" || output == "drvPath" {
                let message = format!("invalid derivation output name '{output}'");
                return Err(self.ev.fail(self.pos, message));
            }
        }
        if outputs.is_empty() {
            return Err(self
                .ev
                .fail(self.pos, "derivation cannot have an empty set of outputs"));
        }
        self.outputs = outputs;
        Ok(())
    }

    fn finish(mut self) -> R<'a> {
        let (ev, pos) = (self.ev, self.pos);
        if let Some(object) = &self.json {
            let mut text = String::from("{");
            for (index, (key, value)) in object.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                super::json::quote(&mut text, key);
                text.push(':');
                text.push_str(value);
            }
            text.push('}');
            self.drv.env.insert(b"__json".to_vec(), text.into_bytes());
        }
        self.inputs()?;
        if self.drv.builder.is_empty() {
            return Err(ev.fail(pos, "required attribute 'builder' missing"));
        }
        if self.drv.system.is_empty() {
            return Err(ev.fail(pos, "required attribute 'system' missing"));
        }
        match self.output_hash.take() {
            Some(hash) => self.fixed_output(&hash)?,
            None => self.computed_outputs()?,
        }
        self.register()
    }

    fn inputs(&mut self) -> Result<(), Fault> {
        let ev = self.ev;
        for element in ev.context_texts(self.context) {
            if let Some((output, drv)) = element
                .strip_prefix('!')
                .and_then(|rest| rest.split_once('!'))
            {
                self.drv
                    .input_derivations
                    .entry(drv.to_owned())
                    .or_default()
                    .insert(output.to_owned());
            } else if let Some(drv) = element.strip_prefix('=') {
                for path in ev.store.closure(drv) {
                    if path.ends_with(".drv") {
                        let outputs = ev.store.output_names(&path);
                        self.drv
                            .input_derivations
                            .entry(path.clone())
                            .or_default()
                            .extend(outputs);
                    }
                    self.drv.input_sources.insert(path);
                }
            } else {
                self.drv.input_sources.insert(element);
            }
        }
        Ok(())
    }

    fn fixed_output(&mut self, text: &str) -> Result<(), Fault> {
        let (ev, pos) = (self.ev, self.pos);
        if self.outputs != ["out"] {
            return Err(ev.fail(
                pos,
                "multiple outputs are not supported in fixed-output derivations",
            ));
        }
        let (algorithm, digest) = if text.is_empty() {
            let Some(algorithm) = self.output_hash_algo else {
                return Err(ev.fail(pos, "empty hash requires explicit hash algorithm"));
            };
            let zero = vec![0; algorithm.size()];
            let message = format!(
                "found empty hash, assuming '{}'",
                hash::sri(algorithm, &zero)
            );
            ev.host.message(crate::host::Message::Warning(&message));
            (algorithm, zero)
        } else {
            hash::parse(text, self.output_hash_algo).map_err(|message| ev.fail(pos, message))?
        };
        let recursive = self.recursive.unwrap_or(false);
        let path = paths::fixed(&self.drv.name, recursive, algorithm, &digest);
        self.drv
            .env
            .insert(b"out".to_vec(), path.clone().into_bytes());
        let output = Output {
            path,
            hash_algorithm: method(recursive, algorithm),
            hash: hash::hex(&digest),
        };
        self.drv.outputs.insert("out".to_owned(), output);
        Ok(())
    }

    fn computed_outputs(&mut self) -> Result<(), Fault> {
        let ev = self.ev;
        for output in &self.outputs {
            self.drv.env.insert(output.clone().into_bytes(), Vec::new());
            self.drv.outputs.insert(output.clone(), Output::default());
        }
        let recipe = modulo(&self.drv, true, &mut |path| ev.modulo_of(path, self.pos))?;
        let digest: [u8; 32] = data_encoding::HEXLOWER
            .decode(recipe.hex().as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or_default();
        for output in &self.outputs {
            let name = if output == "out" {
                self.drv.name.clone()
            } else {
                format!("{}-{output}", self.drv.name)
            };
            paths::check_name(&name).map_err(|message| ev.fail(self.pos, message))?;
            let path = paths::make(&format!("output:{output}"), &digest, &name);
            self.drv
                .env
                .insert(output.clone().into_bytes(), path.clone().into_bytes());
            self.drv.outputs.insert(
                output.clone(),
                Output {
                    path,
                    ..Output::default()
                },
            );
        }
        Ok(())
    }

    fn register(self) -> R<'a> {
        let (ev, pos, drv) = (self.ev, self.pos, self.drv);
        let references: BTreeSet<String> = drv
            .input_sources
            .iter()
            .chain(drv.input_derivations.keys())
            .cloned()
            .collect();
        let references: Vec<String> = references.into_iter().collect();
        let path = paths::text(&format!("{}.drv", drv.name), &drv.to_aterm(), &references);
        let hashed = modulo(&drv, false, &mut |path| ev.modulo_of(path, pos))?;
        if ev.store.add_derivation(&path, &drv, references, hashed) {
            ev.host
                .store_derivation(&path, &drv)
                .map_err(|error| ev.host_fault(error, pos))?;
        }
        let drv_path = Value::Text(ev.arena.alloc(Text {
            bytes: ev.arena.alloc_slice_copy(path.as_bytes()),
            context: ev.context(&[&format!("={path}")]),
        }));
        let mut result = vec![(names::DRV_PATH, drv_path)];
        for (name, output) in &drv.outputs {
            let context = ev.context(&[&format!("!{name}!{path}")]);
            result.push((
                ev.symbols.intern(name.as_bytes()),
                ev.text_with(output.path.as_bytes(), context),
            ));
        }
        Ok(ev.attrs_of(&result))
    }
}

impl<'a> Evaluator<'a> {
    /// What stands for a derivation in the hash of one that needs it.
    pub(crate) fn modulo_of(&self, path: &str, pos: Pos) -> Result<Modulo, Fault> {
        if let Some(known) = self.store.modulo.borrow().get(path) {
            return Ok(known.clone());
        }
        // Not made here: a recipe that was in the store before.
        let drv = self.read_derivation(path, pos)?;
        let hashed = modulo(&drv, false, &mut |input| self.modulo_of(input, pos))?;
        self.store
            .modulo
            .borrow_mut()
            .insert(path.to_owned(), hashed.clone());
        Ok(hashed)
    }

    pub(crate) fn read_derivation(&self, path: &str, pos: Pos) -> Result<Derivation, Fault> {
        let text = self.read(path.as_bytes(), pos)?;
        let name = path
            .rsplit('/')
            .next()
            .and_then(|base| base.get(33..))
            .unwrap_or_default();
        Derivation::parse(name.trim_end_matches(".drv"), &text)
            .map_err(|error| self.fail(pos, format!("error parsing derivation '{path}': {error}")))
    }
}
