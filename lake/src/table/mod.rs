//! Tables and the operations on them.
