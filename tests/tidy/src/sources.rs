//! The text of the repository, file by file.
//!
//! Build output, what is hidden (`.ci` aside) and files that are not UTF-8
//! are not source text.

use std::fs;
use std::io;
use std::path::Path;

/// One text file of the repository.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path from the root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Build output and what the demonstration and trials leave.
const SKIPPED_AT_ROOT: &[&str] = &["target", "demo", "lake-scratch"];
const SKIPPED_ANYWHERE: &[&str] = &["node_modules", "__pycache__"];

/// All text files below a folder, ordered by path.
///
/// # Errors
///
/// Those of the disk.
pub fn read_all(root: &Path) -> io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    read_folder(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if !is_source(&path, &name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push(SourceFile { path, text });
        }
    }
    Ok(())
}

/// What is skipped is skipped by its path from the root, or by its name where
/// tools leave it anywhere.
fn is_source(path: &str, name: &str) -> bool {
    let hidden = name.starts_with('.') && name != ".ci";
    !(hidden || SKIPPED_AT_ROOT.contains(&path) || SKIPPED_ANYWHERE.contains(&name))
}

impl SourceFile {
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Number (from 1) and text of every line.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The lines of a Rust file that are shipped, without line comments:
    /// nothing of a test file, nothing from `mod tests` on.
    pub fn shipped_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let shipped = self.is_rust() && !self.path.split('/').any(is_test_part);
        self.lines()
            .take_while(move |(_, line)| shipped && !line.starts_with("mod tests"))
            .map(|(number, line)| (number, without_comment(line)))
    }
}

fn is_test_part(part: &str) -> bool {
    part == "tests" || part == "tests.rs"
}

/// Cuts a `//` comment off; one inside a string literal is cut too, which
/// may hide a word but never invents one.
fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Whether a line names an absolute path of somebody's machine: `prefix` at
/// the start of a word, not inside a longer path or behind a variable.
pub fn names_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "_-./~$}{*:".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn shipped_lines_end_where_tests_begin() {
        let file = rust("lake/src/a.rs", "one // two\nthree\nmod tests {\nfour");
        let lines: Vec<_> = file.shipped_lines().collect();
        assert_eq!(lines, [(1, "one "), (2, "three")]);
        for path in ["lake/src/a/tests.rs", "lake/tests/it/a.rs", "README.md"] {
            assert_eq!(rust(path, "one").shipped_lines().count(), 0, "{path}");
        }
    }

    #[test]
    fn paths_of_machines_are_told_from_other_paths() {
        for (line, found) in [
            ("cd /srv/x", true),
            ("\"/srv/x\"", true),
            ("/srv/x", true),
            ("$HOME/srv/x", false),
            ("a/srv/x", false),
            ("~/srv/x", false),
            ("https://host/srv/x", false),
        ] {
            assert_eq!(names_path(line, "/srv/"), found, "{line}");
        }
    }
}
