//! The packages of the workspace and of everything it builds on, as
//! `cargo metadata` resolves them.
//!
//! Kinds of dependencies (normal, build, test) are not told apart: an edge
//! that only tests have is an edge.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The resolved workspace.
#[derive(Debug)]
pub struct Workspace {
    packages: BTreeMap<String, Package>,
}

/// One version of one package.
#[derive(Debug, Clone)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The licence field, as written.
    pub licence: Option<String>,
    /// Whether it is ours.
    pub is_member: bool,
    /// Names of the packages that its manifest names, of every kind.
    pub direct: BTreeSet<String>,
    /// Identifiers of the packages that it was resolved to use.
    resolved: Vec<String>,
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2);
    root.expect("the crate lives two folders below the root")
        .to_owned()
}

impl Workspace {
    /// Asks cargo, with the lock file as it stands.
    ///
    /// # Errors
    ///
    /// If cargo cannot be run or refuses (a stale lock file, say).
    pub fn load() -> io::Result<Workspace> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked"])
            .current_dir(root())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("cargo metadata: {said}")));
        }
        Workspace::from_metadata(&serde_json::from_slice(&output.stdout)?)
    }

    fn from_metadata(metadata: &Value) -> io::Result<Workspace> {
        let mut packages = BTreeMap::new();
        for package in array(&metadata["packages"]) {
            packages.insert(text(&package["id"])?, Package::from_metadata(package)?);
        }
        for node in array(&metadata["resolve"]["nodes"]) {
            if let Some(package) = packages.get_mut(&text(&node["id"])?) {
                package.resolved = array(&node["dependencies"])
                    .map(text)
                    .collect::<io::Result<_>>()?;
            }
        }
        Ok(Workspace { packages })
    }

    /// Every package, ours and others'.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// Our packages.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages().filter(|p| p.is_member)
    }

    /// Names of all packages that a member needs, directly or not.
    pub fn reached_from(&self, member: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<&Package> = self.members().filter(|p| p.name == member).collect();
        while let Some(package) = open.pop() {
            reached.insert(package.name.as_str());
            for id in &package.resolved {
                if seen.insert(id) {
                    open.extend(self.packages.get(id));
                }
            }
        }
        reached
    }
}

impl Package {
    fn from_metadata(package: &Value) -> io::Result<Package> {
        Ok(Package {
            name: text(&package["name"])?,
            version: text(&package["version"])?,
            licence: package["license"].as_str().map(str::to_owned),
            is_member: package["source"].is_null(),
            direct: array(&package["dependencies"])
                .map(|d| text(&d["name"]))
                .collect::<io::Result<_>>()?,
            resolved: Vec::new(),
        })
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> io::Result<String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| io::Error::other(format!("cargo metadata: {value} is no text")))
}
