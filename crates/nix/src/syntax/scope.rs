//! Which variable a name means.

use crate::symbol::Symbol;

/// The scopes around the expression that is being lowered; one for each scope at run time.
#[derive(Default)]
pub struct Scopes {
    frames: Vec<Frame>,
}

enum Frame {
    /// Names in ascending order, each with its slot.
    Names(Vec<(Symbol, u32)>),
    /// The one slot of a `with`.
    With,
}

/// What a name means.
pub enum Resolved {
    /// A slot of a scope.
    Slot {
        /// Scopes to leave.
        depth: u32,
        /// Its number.
        slot: u32,
    },
    /// Nothing that is known here. Depths of the `with`s that may provide it, innermost first.
    Unknown(Vec<u32>),
}

impl Scopes {
    /// Enters a scope of names.
    pub fn enter(&mut self, mut names: Vec<(Symbol, u32)>) {
        names.sort_unstable();
        self.frames.push(Frame::Names(names));
    }

    /// Enters a `with`.
    pub fn enter_with(&mut self) {
        self.frames.push(Frame::With);
    }

    /// Leaves the innermost scope.
    pub fn leave(&mut self) {
        self.frames.pop();
    }

    /// Whether any scope, `with` apart, has a name.
    pub fn shadows(&self, name: Symbol) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: Symbol) -> Option<(u32, u32)> {
        for (depth, frame) in self.frames.iter().rev().enumerate() {
            if let Frame::Names(names) = frame {
                let found = if names.len() <= 8 {
                    names.iter().position(|entry| entry.0 == name)
                } else {
                    names.binary_search_by_key(&name, |entry| entry.0).ok()
                };
                if let Some(index) = found {
                    return Some((depth as u32, names[index].1));
                }
            }
        }
        None
    }

    /// What a name means.
    pub fn resolve(&self, name: Symbol) -> Resolved {
        match self.find(name) {
            Some((depth, slot)) => Resolved::Slot { depth, slot },
            None => Resolved::Unknown(
                self.frames
                    .iter()
                    .rev()
                    .enumerate()
                    .filter(|(_, frame)| matches!(frame, Frame::With))
                    .map(|(depth, _)| depth as u32)
                    .collect(),
            ),
        }
    }
}
