//! Tests of the evaluator as a whole.

mod lang;
mod laws;
mod oracle;
mod support;
