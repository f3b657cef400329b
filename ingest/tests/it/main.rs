//! Tests of the public interface, with real telemetry where it is there.

mod columnar;
mod frames;
mod fuzz;
mod int96;
mod job;
mod md5;
mod packet_rows;
mod packets;
mod report;
mod sequence;
mod text;
