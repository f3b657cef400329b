//! Sequence containers, their entries and conditions.

use std::collections::HashSet;

use downlake_lake::Result;

use crate::packet::model::{
    Comparison, Condition, Container, Entry, Item, Location, Meaning, OPERATORS, Operator,
    Parameter,
};

use super::element::Element;
use super::systems::{Named, Systems};
use super::types::whole;
use super::{Findings, Parameters, scalar};

/// Conditions within conditions.
const MAX_EXPRESSION_DEPTH: usize = 16;

/// What names are looked up in.
struct Scope<'a> {
    systems: &'a Systems<'a>,
    system: &'a [String],
    parameters: &'a mut Parameters,
}

/// All containers of a document, without what is refused of them.
pub(super) fn read_all(
    systems: &Systems,
    parameters: &mut Parameters,
    findings: &mut Findings,
) -> Vec<Container> {
    let mut containers = Vec::new();
    for named in &systems.containers {
        let mut scope = Scope {
            systems,
            system: &named.system,
            parameters: &mut *parameters,
        };
        let read = container(&mut scope, named, findings);
        let read = findings.accept(read);
        containers.push(read.unwrap_or_else(|| stand_in(named)));
    }
    containers
}

/// Nothing under the name of a container that is refused, so that others that
/// name it are not refused for that.
fn stand_in(named: &Named) -> Container {
    Container {
        name: named.name.clone(),
        description: None,
        base: None,
        when: None,
        is_abstract: false,
        entries: Vec::new(),
        place: named.element.place.clone(),
    }
}

/// The container that every packet begins with: the one that is asked for, or
/// the only one that others inherit from and that inherits from none, or the
/// only one that none includes.
pub(super) fn root(
    containers: &[Container],
    asked: Option<&str>,
    document: &Element,
    findings: &mut Findings,
) -> Result<String> {
    if let Some(asked) = asked {
        return Ok(asked.to_owned());
    }
    let bases: HashSet<&str> = containers
        .iter()
        .filter_map(|c| c.base.as_deref())
        .collect();
    let included: HashSet<&str> = containers
        .iter()
        .flat_map(|c| &c.entries)
        .filter_map(|entry| match &entry.item {
            Item::Container(name) => Some(name.as_str()),
            Item::Parameter(_) => None,
        })
        .collect();
    let first = |container: &&Container| container.base.is_none();
    let firsts = containers.iter().filter(first);
    let (parents, others): (Vec<_>, Vec<_>) = firsts.partition(|c| bases.contains(c.name.as_str()));
    let alone: Vec<_> = others
        .into_iter()
        .filter(|c| !included.contains(c.name.as_str()))
        .collect();
    match (parents.as_slice(), alone.as_slice()) {
        ([root], rest) => {
            for container in rest {
                findings.note(format!(
                    "{}: container {:?} is not used: it does not inherit from {:?}",
                    container.place, container.name, root.name
                ));
            }
            Ok(root.name.clone())
        }
        ([], [root]) => Ok(root.name.clone()),
        // Containers that go in a circle, or none: the check says which.
        ([], []) => Ok(containers
            .first()
            .map(|c| c.name.clone())
            .unwrap_or_default()),
        (parents, alone) => {
            let names: Vec<_> = parents.iter().chain(alone).map(|c| &*c.name).collect();
            Err(document.refuse(format!(
                "has {} containers that packets could begin with ({}): name the root",
                names.len(),
                names.join(", ")
            )))
        }
    }
}

fn container(scope: &mut Scope, named: &Named, findings: &mut Findings) -> Result<Container> {
    const RATES: &[&str] = &["DefaultRateInStream", "RateInStreamSet"];
    let element = named.element;
    let children = [&["EntryList", "BaseContainer"], RATES].concat();
    element.only(&["name", "abstract"], &children)?;
    for child in &element.children {
        if RATES.contains(&child.name.as_str()) {
            findings.pass_over(child, "it says nothing about bits");
        }
    }
    let base = element.child("BaseContainer")?;
    let base = base.map(|base| base_container(scope, base, findings));
    let (base, when) = base.transpose()?.unwrap_or_default();
    let mut entries = Vec::new();
    for child in &element.need_child("EntryList")?.children {
        let read = entry(scope, child);
        entries.extend(findings.accept(read));
    }
    Ok(Container {
        name: named.name.clone(),
        description: element.description(),
        base,
        when,
        is_abstract: element.flag("abstract", false)?,
        entries,
        place: element.place.clone(),
    })
}

fn base_container(
    scope: &mut Scope,
    element: &Element,
    findings: &mut Findings,
) -> Result<(Option<String>, Option<Condition>)> {
    element.only(&["containerRef"], &["RestrictionCriteria"])?;
    let base = scope.container(element)?;
    let criteria = element.child("RestrictionCriteria")?;
    let when = criteria.and_then(|criteria| {
        let read = match_criteria(scope, criteria);
        findings.accept(read)
    });
    Ok((Some(base), when))
}

fn entry(scope: &mut Scope, element: &Element) -> Result<Entry> {
    const CHILDREN: &[&str] = &["LocationInContainerInBits", "IncludeCondition"];
    let item = match element.name.as_str() {
        // Without dimensions of its own it is the array as a whole.
        "ParameterRefEntry" | "ArrayParameterRefEntry" => {
            element.only(&["parameterRef"], CHILDREN)?;
            Item::Parameter(scope.parameter(element)?.name.clone())
        }
        "ContainerRefEntry" => {
            element.only(&["containerRef"], CHILDREN)?;
            Item::Container(scope.container(element)?)
        }
        _ => return Err(element.refuse("is not implemented")),
    };
    let location = match element.child("LocationInContainerInBits")? {
        Some(location) => self::location(location)?,
        None => Location::AfterPrevious(0),
    };
    let when = match element.child("IncludeCondition")? {
        Some(condition) => Some(match_criteria(scope, condition)?),
        None => None,
    };
    Ok(Entry {
        item,
        location,
        when,
        place: element.place.clone(),
    })
}

fn location(element: &Element) -> Result<Location> {
    element.only(&["referenceLocation"], &["FixedValue"])?;
    let value = element.need_child("FixedValue")?;
    match element.attribute("referenceLocation") {
        None | Some("previousEntry") => Ok(Location::AfterPrevious(whole(value, value.text())?)),
        Some("containerStart") => Ok(Location::FromStart(whole(value, value.text())?)),
        Some(other) => {
            Err(element.refuse(format!("has referenceLocation={other:?}: not implemented")))
        }
    }
}

/// The one condition in an element.
fn match_criteria(scope: &mut Scope, element: &Element) -> Result<Condition> {
    element.only(&[], &["Comparison", "ComparisonList", "BooleanExpression"])?;
    let [criterion] = element.children.as_slice() else {
        return Err(element.refuse(format!(
            "has {} conditions: expected one",
            element.children.len()
        )));
    };
    match criterion.name.as_str() {
        "Comparison" => comparison(scope, criterion),
        "ComparisonList" => {
            criterion.only(&[], &["Comparison"])?;
            let parts = criterion.children.iter().map(|c| comparison(scope, c));
            Ok(Condition::All(parts.collect::<Result<_>>()?))
        }
        _ => {
            let [expression] = criterion.children.as_slice() else {
                return Err(criterion.refuse("has several parts: expected one"));
            };
            self::expression(scope, expression, 0)
        }
    }
}

fn expression(scope: &mut Scope, element: &Element, depth: usize) -> Result<Condition> {
    if depth > MAX_EXPRESSION_DEPTH {
        return Err(element.refuse("is nested too deeply"));
    }
    let parts = |scope: &mut Scope| {
        let parts = element.children.iter();
        let parts = parts.map(|part| expression(scope, part, depth + 1));
        parts.collect::<Result<Vec<_>>>()
    };
    match element.name.as_str() {
        "Condition" => condition(scope, element),
        "ANDedConditions" => Ok(Condition::All(parts(scope)?)),
        "ORedConditions" => Ok(Condition::Any(parts(scope)?)),
        _ => Err(element.refuse("is not implemented")),
    }
}

fn condition(scope: &mut Scope, element: &Element) -> Result<Condition> {
    element.only(
        &[],
        &["ParameterInstanceRef", "ComparisonOperator", "Value"],
    )?;
    let reference = element.need_child("ParameterInstanceRef")?;
    reference.only(&["parameterRef", "instance", "useCalibratedValue"], &[])?;
    let operator = element.need_child("ComparisonOperator")?;
    let value = element.need_child("Value")?;
    compare(scope, reference, operator.text(), value.text())
}

fn comparison(scope: &mut Scope, element: &Element) -> Result<Condition> {
    element.only(
        &[
            "parameterRef",
            "value",
            "comparisonOperator",
            "useCalibratedValue",
            "instance",
        ],
        &[],
    )?;
    let operator = element.attribute("comparisonOperator").unwrap_or("==");
    compare(scope, element, operator, element.need("value")?)
}

/// A comparison as one of raw whole numbers. The engineering value is
/// compared where it is the raw one, a label or a boolean.
fn compare(
    scope: &mut Scope,
    reference: &Element,
    operator: &str,
    value: &str,
) -> Result<Condition> {
    if !matches!(reference.attribute("instance"), None | Some("0")) {
        return Err(reference.refuse("looks at another instance: not implemented"));
    }
    let known = OPERATORS.iter().find(|(text, _)| *text == operator);
    let Some((_, operator)) = known else {
        return Err(reference.refuse(format!("has the operator {operator:?}: not implemented")));
    };
    let use_calibrated = reference.flag("useCalibratedValue", true)?;
    let systems = scope.systems;
    let parameter = scope.parameter(reference)?;
    let raw = |value| {
        Condition::Compare(Comparison {
            parameter: parameter.name.clone(),
            operator: *operator,
            value,
        })
    };
    match scalar(parameter).map(|scalar| &scalar.meaning) {
        Some(Meaning::Labels(_)) if use_calibrated => {
            labelled(reference, parameter, *operator, value)
        }
        Some(Meaning::Boolean) if use_calibrated => {
            let strings = Strings::of(systems, parameter);
            truth(reference, parameter, *operator, strings.truth(value))
        }
        Some(Meaning::Polynomial(_) | Meaning::Instant(_)) if use_calibrated => Err(reference
            .refuse(format!(
                "compares the calibrated value of {:?}: not implemented",
                parameter.name
            ))),
        Some(_) => Ok(raw(whole(reference, value)?)),
        None => Err(reference.refuse(format!(
            "compares {:?}, which is not one value: not implemented",
            parameter.name
        ))),
    }
}

/// Equal to a label: within the ends of one of its ranges.
fn labelled(
    reference: &Element,
    parameter: &Parameter,
    operator: Operator,
    value: &str,
) -> Result<Condition> {
    let Some(Meaning::Labels(labels)) = scalar(parameter).map(|s| &s.meaning) else {
        return Err(reference.refuse("compares a label"));
    };
    let compare = |operator, value: i64| {
        Condition::Compare(Comparison {
            parameter: parameter.name.clone(),
            operator,
            value: value.into(),
        })
    };
    let named: Vec<_> = labels.iter().filter(|label| label.text == value).collect();
    if named.is_empty() {
        return Err(reference.refuse(format!(
            "compares {:?} with {value:?}, which is none of its labels",
            parameter.name
        )));
    }
    match operator {
        Operator::Equal => Ok(Condition::Any(
            named
                .iter()
                .map(|label| {
                    Condition::All(vec![
                        compare(Operator::GreaterOrEqual, label.low),
                        compare(Operator::LessOrEqual, label.high),
                    ])
                })
                .collect(),
        )),
        Operator::NotEqual => Ok(Condition::All(
            named
                .iter()
                .map(|label| {
                    Condition::Any(vec![
                        compare(Operator::Less, label.low),
                        compare(Operator::Greater, label.high),
                    ])
                })
                .collect(),
        )),
        _ => Err(reference.refuse("orders labels: not implemented")),
    }
}

/// What the values of a boolean are called.
struct Strings<'a> {
    one: &'a str,
    zero: &'a str,
}

impl<'a> Strings<'a> {
    fn of(systems: &'a Systems, parameter: &Parameter) -> Strings<'a> {
        let named = systems.type_of(&parameter.name);
        let attribute = |name| named.and_then(|named| named.element.attribute(name));
        Strings {
            one: attribute("oneStringValue").unwrap_or("True"),
            zero: attribute("zeroStringValue").unwrap_or("False"),
        }
    }

    /// Which value is called so. True, false, 1 and 0 mean themselves unless
    /// the strings say the opposite.
    fn truth(&self, text: &str) -> std::result::Result<bool, String> {
        let spelled = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        let is_turned = spelled(self.one) == Some(false) || spelled(self.zero) == Some(true);
        let truth = match (text == self.one, text == self.zero) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            (true, true) => None,
            (false, false) => spelled(text).filter(|_| !is_turned),
        };
        let (one, zero) = (self.one, self.zero);
        truth.ok_or_else(|| match one == zero {
            true => format!("with {text:?}, but both its values are called {one:?}"),
            false => format!("with {text:?}: expected {one:?} or {zero:?}"),
        })
    }
}

fn truth(
    reference: &Element,
    parameter: &Parameter,
    operator: Operator,
    value: std::result::Result<bool, String>,
) -> Result<Condition> {
    let name = &parameter.name;
    let wanted = value.map_err(|why| reference.refuse(format!("compares {name:?} {why}")))?;
    let operator = match (operator, wanted) {
        (Operator::Equal, true) | (Operator::NotEqual, false) => Operator::NotEqual,
        (Operator::Equal, false) | (Operator::NotEqual, true) => Operator::Equal,
        _ => return Err(reference.refuse("orders booleans: not implemented")),
    };
    Ok(Condition::Compare(Comparison {
        parameter: name.clone(),
        operator,
        value: 0,
    }))
}

impl Scope<'_> {
    fn parameter(&mut self, element: &Element) -> Result<&Parameter> {
        let reference = element.need("parameterRef")?;
        let name = self.systems.parameter_name(self.system, reference);
        self.parameters.find(name.as_deref(), reference, element)
    }

    fn container(&self, element: &Element) -> Result<String> {
        let reference = element.need("containerRef")?;
        self.systems
            .container_name(self.system, reference)
            .ok_or_else(|| element.refuse(format!("names {reference:?}, which is no container")))
    }
}
