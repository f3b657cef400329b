//! Tests that need what a machine may lack say loudly that they did not run.

use std::fs::OpenOptions;
use std::io::Write;

/// Notes that a test does not run. The line is appended to the file that
/// `DOWNLAKE_SKIP_LOG` names, so that it can be counted.
///
/// # Panics
/// With `DOWNLAKE_NO_SKIP=1`, for machines that have everything.
pub(crate) fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}");
    assert_ne!(
        std::env::var("DOWNLAKE_NO_SKIP").as_deref(),
        Ok("1"),
        "{line}"
    );
    println!("{line}");
    if let Some(path) = std::env::var_os("DOWNLAKE_SKIP_LOG") {
        let log = OpenOptions::new().create(true).append(true).open(path);
        writeln!(log.expect("the skip log opens"), "{line}").expect("the skip log takes a line");
    }
}
