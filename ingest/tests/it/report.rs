//! What became of the files of a suite: one line each, and one that sums up.

#![expect(clippy::print_stdout, reason = "a suite says what it ran")]

/// What became of one file.
pub(crate) enum Verdict {
    Passed(String),
    Refused(String),
    Failed(String),
}

/// The verdicts of a suite.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    passed: usize,
    refused: usize,
    failed: usize,
}

impl Report {
    pub(crate) fn add(&mut self, name: impl Into<String>, verdict: Verdict) {
        let (count, word, what) = match verdict {
            Verdict::Passed(what) => (&mut self.passed, "passed", what),
            Verdict::Refused(why) => (&mut self.refused, "refused", why),
            Verdict::Failed(why) => (&mut self.failed, "FAILED", why),
        };
        *count += 1;
        self.lines.push(format!("{} {word}: {what}\n", name.into()));
    }

    /// The sum of a suite of which nothing may fail.
    pub(crate) fn sum(&self, suite: &str) -> String {
        let (passed, refused, failed) = (self.passed, self.refused, self.failed);
        let sum = format!("{suite}: {passed} passed, {refused} refused, {failed} failed\n");
        println!("{sum}");
        assert_eq!(failed, 0, "{sum}{}", self.lines.concat());
        sum
    }

    /// Every file, and the sum.
    pub(crate) fn whole(&self, suite: &str) -> String {
        self.sum(suite) + &self.lines.concat()
    }
}
