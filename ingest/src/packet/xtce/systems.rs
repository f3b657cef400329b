//! Space systems and the names in them.
//!
//! A reference is a name or a path: from the root (`/Root/Sub/name`), or from
//! the system it stands in and then each system around it, as the standard
//! searches. A `ParameterRef` in a system gives it a parameter of another one
//! under the same name.

use std::collections::HashMap;

use downlake_lake::Result;

use super::Findings;
use super::element::Element;

/// The definitions of a document by name.
pub(super) struct Systems<'a> {
    pub(super) parameters: Vec<Named<'a>>,
    pub(super) containers: Vec<Named<'a>>,
    types: HashMap<String, Named<'a>>,
    /// Every name that means a parameter, with the parameter's number.
    parameter_names: HashMap<String, usize>,
    parameter_refs: Vec<(Vec<String>, &'a Element)>,
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
            parameter_refs: Vec::new(),
            container_names: HashMap::new(),
            root: document.need("name")?.to_owned(),
        };
        systems.system(document, &[], findings)?;
        let own = systems.parameters.iter().map(|n| n.name.clone());
        systems.parameter_names = own.zip(0..).collect();
        let containers = systems.containers.iter();
        systems.container_names = containers.map(|n| (n.name.clone(), ())).collect();
        systems.follow_refs(findings);
        Ok(systems)
    }

    /// The type that a reference means.
    pub(super) fn find_type(&self, from: &[String], reference: &str) -> Option<&Named<'a>> {
        let name = self.search(from, reference, &self.types)?;
        self.types.get(&name)
    }

    /// The type of a parameter, by the parameter's own name.
    pub(super) fn type_of(&self, parameter: &str) -> Option<&Named<'a>> {
        let user = &self.parameters[*self.parameter_names.get(parameter)?];
        self.find_type(&user.system, user.element.attribute("parameterTypeRef")?)
    }

    /// The name of the parameter that a reference means.
    pub(super) fn parameter_name(&self, from: &[String], reference: &str) -> Option<String> {
        let number = self.parameter_number(from, reference)?;
        Some(self.parameters[number].name.clone())
    }

    fn parameter_number(&self, from: &[String], reference: &str) -> Option<usize> {
        let name = self.search(from, reference, &self.parameter_names)?;
        self.parameter_names.get(&name).copied()
    }

    /// The name of the container that a reference means.
    pub(super) fn container_name(&self, from: &[String], reference: &str) -> Option<String> {
        self.search(from, reference, &self.container_names)
    }

    /// Adds the names under which systems refer to parameters of others; each
    /// leads to a definition, not to another reference.
    fn follow_refs(&mut self, findings: &mut Findings) {
        let mut names = HashMap::new();
        for (system, element) in &self.parameter_refs {
            if let Some((name, means)) = findings.accept(self.follow(system, element, &names)) {
                names.insert(name, means);
            }
        }
        self.parameter_names.extend(names);
    }

    fn follow(
        &self,
        system: &[String],
        element: &Element,
        others: &HashMap<String, usize>,
    ) -> Result<(String, usize)> {
        element.only(&["parameterRef"], &[])?;
        let reference = element.need("parameterRef")?;
        let means = self
            .parameter_number(system, reference)
            .ok_or_else(|| element.refuse(format!("names {reference:?}, which is no parameter")))?;
        let path = self.parameters[means].name.as_str();
        let last = path.rsplit('/').next().unwrap_or(path);
        let name = join(system, last);
        let taken = self.parameter_names.get(&name).or(others.get(&name));
        match taken {
            Some(other) if *other != means => Err(element.refuse(format!(
                "names {reference:?}, but {last:?} is another parameter in this system"
            ))),
            _ => Ok((name, means)),
        }
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
                    for child in &set.children {
                        match child.name.as_str() {
                            "Parameter" => {
                                self.parameters.extend(findings.accept(named(child, path)));
                            }
                            "ParameterRef" => self.parameter_refs.push((path.to_vec(), child)),
                            _ => {}
                        }
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
