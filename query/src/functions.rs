//! SQL functions that differ from the engine's.

mod extremes;

use std::sync::Arc;

use datafusion::logical_expr::AggregateUDF;

/// Aggregates that take the place of the engine's of the same name.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    extremes::both()
}
