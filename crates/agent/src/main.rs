//! First process of the initrd, then the service that acts for the driver inside a machine.
fn main() {}
