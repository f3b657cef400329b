//! The one binary.

#[cfg_attr(not(test), expect(dead_code, reason = "the demo command calls it"))]
mod demo;

fn main() {}
