//! Tests of the public interface, with real telemetry where it is there.

mod columnar;
mod fuzz;
mod packets;
mod text;
