//! What is known to be wrong, as a table.

use crate::instant::Instant;

/// One anomaly.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    /// What it is, one word.
    pub(crate) what: &'static str,
    /// Flight or satellite.
    pub(crate) vehicle: String,
    /// Table, and column or part, where it shows best.
    pub(crate) channel: String,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) description: String,
}

/// Labels as CSV.
pub(crate) fn csv(labels: &[Label]) -> String {
    let mut text = String::from("label,vehicle,channel,from_time,to_time,description\n");
    for label in labels {
        text.push_str(&format!(
            "{},{},{},{},{},\"{}\"\n",
            label.what, label.vehicle, label.channel, label.from, label.to, label.description
        ));
    }
    text
}
