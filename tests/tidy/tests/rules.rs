//! The rules. Each test names every place that breaks its rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::LazyLock;

use tidy::licence::Expression;
use tidy::sources::{self, SourceFile};
use tidy::workspace::{self, Package, Workspace};

/// Which of our crates each of our crates may name. A new crate gets a line.
const EDGES: &[(&str, &[&str])] = &[
    ("downlake-lake", &[]),
    ("downlake-ingest", &["downlake-lake"]),
    ("downlake-query", &["downlake-lake"]),
    ("downlake-simulate", &[]),
    (
        "downlake",
        &[
            "downlake-lake",
            "downlake-ingest",
            "downlake-query",
            "downlake-simulate",
        ],
    ),
    (
        "downlake-benches",
        &["downlake-lake", "downlake-ingest", "downlake-query"],
    ),
    ("tidy", &[]),
];

/// Dependencies (by the start of their names) and the crates that may name them.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("datafusion", &["downlake-query", "downlake-benches"]),
    ("clap", &["downlake"]),
    ("anyhow", &["downlake"]),
    ("delta_kernel", &["downlake-lake"]),
];

/// Crates that build and test without a query engine, whoever brings it.
const WITHOUT_QUERY_ENGINE: &[&str] = &["downlake-lake", "downlake-ingest"];

const PERMITTED_LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Packages (by the start of their names) that nothing may bring, and why.
const BANNED: &[(&str, &str)] = &[
    (
        "deltalake",
        "its conflict check lets two rewrites both land",
    ),
    (
        "openssl-sys",
        "needs the machine's OpenSSL; rustls is there",
    ),
    ("native-tls", "needs the machine's TLS; rustls is there"),
];

/// Packages (by the start of their names) of which two versions would be two
/// incompatible sets of types in one binary.
const ONE_VERSION: &[&str] = &[
    "arrow",
    "parquet",
    "object_store",
    "datafusion",
    "delta_kernel",
    "tokio",
];

fn workspace() -> &'static Workspace {
    static LOADED: LazyLock<Workspace> =
        LazyLock::new(|| Workspace::load().expect("cargo resolves the workspace"));
    &LOADED
}

fn sources() -> &'static [SourceFile] {
    static READ: LazyLock<Vec<SourceFile>> = LazyLock::new(|| {
        sources::read_all(&workspace::root()).expect("the repository can be read")
    });
    &READ
}

fn holds(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn crates_see_only_the_crates_below_them() {
    let allowed: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let workspace = workspace();
    let ours: BTreeSet<_> = workspace.members().map(|p| p.name.as_str()).collect();
    let mut broken = Vec::new();
    for member in workspace.members() {
        let Some(below) = allowed.get(member.name.as_str()) else {
            broken.push(format!("{} has no line in EDGES", member.name));
            continue;
        };
        let seen = member.direct.iter().filter(|d| ours.contains(d.as_str()));
        broken.extend(
            seen.filter(|d| !below.contains(&d.as_str()))
                .map(|d| format!("{} -> {d}", member.name)),
        );
    }
    holds("cli -> {ingest, query} -> lake", &broken);
}

#[test]
fn heavy_dependencies_stay_in_their_crate() {
    let mut broken = Vec::new();
    for member in workspace().members() {
        for (prefix, crates) in ONLY_IN {
            let named = member.direct.iter().filter(|d| d.starts_with(prefix));
            if !crates.contains(&member.name.as_str()) {
                broken.extend(named.map(|d| format!("{} -> {d}", member.name)));
            }
        }
    }
    holds("a dependency is named outside its crate", &broken);
}

#[test]
fn lake_and_ingest_build_without_a_query_engine() {
    let workspace = workspace();
    let mut broken = Vec::new();
    for member in WITHOUT_QUERY_ENGINE {
        let reached = workspace.reached_from(member);
        assert!(reached.len() > 1, "{member} is not in the workspace");
        let engine = reached.iter().filter(|name| name.starts_with("datafusion"));
        broken.extend(engine.map(|name| format!("{member} reaches {name}")));
    }
    holds("a query engine below the query crate", &broken);
}

#[test]
fn delta_is_known_to_the_log_alone() {
    let mut broken = Vec::new();
    for file in sources()
        .iter()
        .filter(|f| !f.path.starts_with("lake/src/log/"))
    {
        for (number, line) in file.shipped_lines() {
            if line.contains("delta_kernel") && !file.path.starts_with("tests/tidy/") {
                broken.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    holds("delta_kernel outside lake/src/log", &broken);
}

#[test]
fn libraries_read_no_environment() {
    let mut broken = Vec::new();
    for file in sources() {
        let library = ["lake/src/", "ingest/src/", "query/src/", "simulate/src/"];
        if !library.iter().any(|l| file.path.starts_with(l)) {
            continue;
        }
        for (number, line) in file.shipped_lines() {
            if line.contains("env::var") {
                broken.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    holds("settings come from the caller, not from env::var", &broken);
}

#[test]
fn licences_are_permitted() {
    let mut broken = Vec::new();
    for package in workspace().packages() {
        if let Err(why) = licence_of(package) {
            broken.push(format!("{} {}: {why}", package.name, package.version));
        }
    }
    holds("a licence that nobody has agreed to", &broken);
}

fn licence_of(package: &Package) -> Result<(), String> {
    let text = package.licence.as_deref().ok_or("no licence field")?;
    let expression = Expression::parse(text).map_err(|e| e.to_string())?;
    match expression.is_met_by(PERMITTED_LICENCES) {
        true => Ok(()),
        false => Err(text.to_owned()),
    }
}

#[test]
fn our_crates_stand_under_apache_2() {
    let licence = Some("Apache-2.0".to_owned());
    let broken: Vec<_> = workspace()
        .members()
        .filter(|p| p.licence != licence)
        .map(|p| format!("{}: {:?}", p.name, p.licence))
        .collect();
    holds("the licence field of a crate of ours", &broken);
}

#[test]
fn banned_packages_are_absent() {
    let mut broken = Vec::new();
    for package in workspace().packages() {
        let banned = BANNED.iter().filter(|(p, _)| package.name.starts_with(p));
        broken.extend(banned.map(|(_, why)| format!("{}: {why}", package.name)));
    }
    holds("a banned package", &broken);
}

#[test]
fn one_version_of_each_package_whose_types_cross_our_borders() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in workspace().packages() {
        if ONE_VERSION.iter().any(|p| package.name.starts_with(p)) {
            let of = versions.entry(package.name.clone()).or_default();
            of.insert(package.version.clone());
        }
    }
    let broken: Vec<_> = versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| format!("{name}: {versions:?}"))
        .collect();
    holds("two versions in one binary", &broken);
}

#[test]
fn every_direct_dependency_has_its_line() {
    let path = workspace::root().join("docs/decisions/dependencies.md");
    let page = fs::read_to_string(path).expect("the page of dependencies is there");
    let documented: BTreeSet<_> = page.lines().filter_map(first_cell).collect();
    let workspace = workspace();
    let ours: BTreeSet<_> = workspace.members().map(|p| p.name.as_str()).collect();
    let named: BTreeSet<_> = workspace
        .members()
        .flat_map(|p| p.direct.iter().map(String::as_str))
        .filter(|name| !ours.contains(name))
        .collect();
    let mut broken: Vec<_> = named
        .difference(&documented)
        .map(|name| format!("{name} has no line"))
        .collect();
    let manifest = fs::read_to_string(workspace::root().join("Cargo.toml"))
        .expect("the manifest of the workspace is there");
    let gone = documented.difference(&named);
    let gone = gone.filter(|name| !manifest.contains(&format!("\n{name} = ")));
    broken.extend(gone.map(|name| format!("{name} has a line and is used no more")));
    holds("docs/decisions/dependencies.md", &broken);
}

/// The name in a table row "| `name` | ... |".
fn first_cell(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split('`').next()
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    let mut broken = Vec::new();
    for file in sources() {
        for (number, line) in file.lines() {
            for prefix in MACHINE_PATHS {
                if sources::names_path(line, prefix) {
                    broken.push(format!("{}:{number}: {prefix}", file.path));
                }
            }
        }
    }
    holds("an absolute path of somebody's machine", &broken);
}

/// Split so that this file does not break its own rule.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

#[test]
fn nothing_is_put_off() {
    let mut broken = Vec::new();
    for file in sources() {
        for (number, line) in file.lines() {
            for marker in MARKERS {
                if line.contains(marker) {
                    broken.push(format!("{}:{number}: {marker}", file.path));
                }
            }
        }
    }
    holds(
        "finish it, or write it down as a limit in the docs",
        &broken,
    );
}

const MARKERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("#[ig", "nore"),
];

#[test]
fn the_architecture_can_be_read_in_one_sitting() {
    let path = workspace::root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(path).expect("ARCHITECTURE.md is there");
    let lines = text.lines().count();
    assert!(lines < 300, "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn names_in_the_architecture_exist() {
    let root = workspace::root();
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let broken: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.split('`').next())
        .filter(|path| !root.join(path).exists())
        .map(|path| format!("{path} is not there"))
        .collect();
    holds("the code map", &broken);
}
