//! Tables and the operations on them.

pub mod conform;
