//! Tests of archives with a mirror of our own making, signed by a key of our own.

mod http;
mod mirror;
mod tampering;
mod unpacking;
