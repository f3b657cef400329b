//! Space systems and the names in them.
//!
//! A reference is a name or a path: from the root (`/Root/Sub/name`), or from
//! the system it stands in and then each system around it, as the standard
//! searches.

use std::collections::HashMap;

use downlake_lake::Result;

use super::Findings;
use super::element::Element;

/// The definitions of a document by name.
pub(super) struct Systems<'a> {
    pub(super) parameters: Vec<Named<'a>>,
    pub(super) containers: Vec<Named<'a>>,
    types: HashMap<String, Named<'a>>,
    parameter_names: HashMap<String, ()>,
    container_names: HashMap<String, ()>,
    root: String,
}

/// A definition.
#[derive(Clone)]
pub(super) struct Named<'a> {
    /// Its path from the root system, whose own name is left out.
    pub(super) name: String,
    /// The path of the system that it stands in.
    pub(super) system: Vec<String>,
    pub(super) element: &'a Element,
}

impl<'a> Systems<'a> {
    /// All definitions of a document.
    pub(super) fn collect(document: &'a Element, findings: &mut Findings) -> Result<Systems<'a>> {
        let mut systems = Systems {
            parameters: Vec::new(),
            containers: Vec::new(),
            types: HashMap::new(),
            parameter_names: HashMap::new(),
            container_names: HashMap::new(),
            root: document.need("name")?.to_owned(),
        };
        systems.system(document, &[], findings)?;
        let names = |all: &[Named]| all.iter().map(|n| (n.name.clone(), ())).collect();
        systems.parameter_names = names(&systems.parameters);
        systems.container_names = names(&systems.containers);
        Ok(systems)
    }

    /// The type that a reference means.
    pub(super) fn find_type(&self, from: &[String], reference: &str) -> Option<&Named<'a>> {
        let name = self.search(from, reference, &self.types)?;
        self.types.get(&name)
    }

    /// The name of the parameter that a reference means.
    pub(super) fn parameter_name(&self, from: &[String], reference: &str) -> Option<String> {
        self.search(from, reference, &self.parameter_names)
    }

    /// The name of the container that a reference means.
    pub(super) fn container_name(&self, from: &[String], reference: &str) -> Option<String> {
        self.search(from, reference, &self.container_names)
    }

    fn search<T>(
        &self,
        from: &[String],
        reference: &str,
        known: &HashMap<String, T>,
    ) -> Option<String> {
        if let Some(path) = reference.strip_prefix('/') {
            let path = path.strip_prefix(self.root.as_str())?;
            let name = path.strip_prefix('/')?;
            return known.contains_key(name).then(|| name.to_owned());
        }
        let mut system = from;
        let mut rest = reference;
        while let Some(above) = rest.strip_prefix("../") {
            system = system.split_last()?.1;
            rest = above;
        }
        if rest.len() < reference.len() {
            return Some(join(system, rest)).filter(|name| known.contains_key(name));
        }
        loop {
            let name = join(system, rest);
            if known.contains_key(&name) {
                return Some(name);
            }
            system = system.split_last()?.1;
        }
    }

    fn system(
        &mut self,
        element: &'a Element,
        path: &[String],
        findings: &mut Findings,
    ) -> Result<()> {
        const CHILDREN: &[&str] = &[
            "Header",
            "TelemetryMetaData",
            "CommandMetaData",
            "ServiceSet",
            "SpaceSystem",
        ];
        findings.accept(element.only(&["name", "operationalStatus"], CHILDREN));
        for child in &element.children {
            match child.name.as_str() {
                "TelemetryMetaData" => self.telemetry(child, path, findings)?,
                "CommandMetaData" => findings.pass_over(child, "commands are no telemetry"),
                "ServiceSet" => findings.pass_over(child, "it says nothing about bits"),
                "SpaceSystem" => {
                    let mut inner = path.to_vec();
                    inner.push(child.need("name")?.to_owned());
                    self.system(child, &inner, findings)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn telemetry(
        &mut self,
        element: &'a Element,
        path: &[String],
        findings: &mut Findings,
    ) -> Result<()> {
        const USED: &[&str] = &["ParameterTypeSet", "ParameterSet", "ContainerSet"];
        const UNUSED: &[&str] = &["AlgorithmSet", "MessageSet", "StreamSet"];
        findings.accept(element.only(&[], &[USED, UNUSED].concat()));
        for set in &element.children {
            match set.name.as_str() {
                "ParameterTypeSet" => {
                    for child in &set.children {
                        findings.accept(self.add_type(child, path));
                    }
                }
                "ParameterSet" => {
                    findings.accept(set.only(&[], &["Parameter", "ParameterRef"]));
                    for child in set.children.iter().filter(|c| c.name == "Parameter") {
                        self.parameters.extend(findings.accept(named(child, path)));
                    }
                }
                "ContainerSet" => {
                    findings.accept(set.only(&[], &["SequenceContainer"]));
                    for child in set
                        .children
                        .iter()
                        .filter(|c| c.name == "SequenceContainer")
                    {
                        self.containers.extend(findings.accept(named(child, path)));
                    }
                }
                unused if UNUSED.contains(&unused) => {
                    findings.pass_over(set, "only what containers hold is decoded");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_type(&mut self, element: &'a Element, path: &[String]) -> Result<()> {
        let named = named(element, path)?;
        if let Some(other) = self.types.insert(named.name.clone(), named) {
            return Err(element.refuse(format!(
                "is defined a second time; the first is at {}",
                other.element.place
            )));
        }
        Ok(())
    }
}

fn named<'a>(element: &'a Element, path: &[String]) -> Result<Named<'a>> {
    Ok(Named {
        name: join(path, element.need("name")?),
        system: path.to_vec(),
        element,
    })
}

fn join(system: &[String], name: &str) -> String {
    let mut path = system.join("/");
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(name);
    path
}
