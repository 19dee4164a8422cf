//! Strings and their contexts.

use crate::symbol::Symbol;

/// A string: any bytes, and the store objects that it was made from.
pub struct Text<'a> {
    /// The bytes; nearly always UTF-8.
    pub bytes: &'a [u8],
    /// The context.
    pub context: Context<'a>,
}

/// A set of context elements: ascending symbols of their encoded form, which is
/// `/nix/store/…` (a path), `!out!/nix/store/….drv` (an output) or `=/nix/store/….drv` (a
/// derivation with everything it needs).
pub type Context<'a> = &'a [Symbol];

impl<'a> Text<'a> {
    /// The bytes as text, with replacement characters where they are no UTF-8.
    pub fn lossy(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.bytes)
    }
}
