//! A small reader of XTCE and of space packets that shares nothing with the
//! writer: definitions are read from the text of the document.

use std::collections::{BTreeMap, HashMap};

/// One element with its children; text of leaves.
#[derive(Debug, Default)]
struct Node {
    name: String,
    attributes: HashMap<String, String>,
    children: Vec<Node>,
    text: String,
}

impl Node {
    fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn find(&self, name: &str) -> Option<&Node> {
        let below = || self.children.iter().find_map(|child| child.find(name));
        if self.name == name {
            Some(self)
        } else {
            below()
        }
    }

    fn take(&mut self, name: &str) -> Option<Node> {
        match self.name == name {
            true => Some(std::mem::take(self)),
            false => self.children.iter_mut().find_map(|child| child.take(name)),
        }
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> f64 {
        self.attribute(name).parse().unwrap()
    }
}

fn parse(xml: &str) -> Node {
    let mut stack = vec![Node::default()];
    for piece in xml.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        if tag.starts_with('?') {
            continue;
        }
        if tag.starts_with('/') {
            let done = stack.pop().unwrap();
            stack.last_mut().unwrap().children.push(done);
            continue;
        }
        let is_leaf = tag.ends_with('/');
        let node = opened(tag.trim_end_matches('/'), text.trim());
        match is_leaf {
            true => stack.last_mut().unwrap().children.push(node),
            false => stack.push(node),
        }
    }
    assert_eq!(stack.len(), 1, "every element is closed");
    stack.pop().unwrap()
}

fn opened(tag: &str, text: &str) -> Node {
    let (name, rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut parts = rest.split('"');
    let mut attributes = HashMap::new();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        let key = key.trim().trim_end_matches('=').to_owned();
        let value = value.replace("&lt;", "<").replace("&gt;", ">");
        attributes.insert(key, value);
    }
    Node {
        name: name.to_owned(),
        attributes,
        children: Vec::new(),
        text: text.to_owned(),
    }
}

/// A definition, ready to decode by: types, types of parameters, containers.
pub(crate) struct Definition {
    types: HashMap<String, Node>,
    parameters: HashMap<String, String>,
    containers: HashMap<String, Node>,
}

/// The values of one packet: raw and engineering, arrays and aggregates with
/// a path such as `bands[3]` and `s1_lox.mass`.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) container: String,
    pub(crate) raw: BTreeMap<String, i64>,
    pub(crate) value: BTreeMap<String, f64>,
    /// Bits that the container describes.
    pub(crate) bits: usize,
}

impl Definition {
    pub(crate) fn read(path: &std::path::Path) -> Definition {
        let text = std::fs::read_to_string(path).unwrap();
        let mut document = parse(&text);
        let mut set = |name| {
            let set = document.take(name).unwrap();
            let named = |node: Node| (node.attribute("name").to_owned(), node);
            set.children
                .into_iter()
                .map(named)
                .collect::<HashMap<_, _>>()
        };
        let of_type = |node: &Node| node.attribute("parameterTypeRef").to_owned();
        Definition {
            types: set("ParameterTypeSet"),
            parameters: set("ParameterSet")
                .into_iter()
                .map(|(name, node)| (name, of_type(&node)))
                .collect(),
            containers: set("ContainerSet"),
        }
    }

    /// Decodes by the one concrete container whose conditions hold.
    pub(crate) fn decode(&self, packet: &[u8]) -> Decoded {
        let mut found: Vec<Decoded> = Vec::new();
        for (name, container) in &self.containers {
            if container.attribute("abstract") != "true" {
                found.extend(self.decode_as(name, packet));
            }
        }
        assert_eq!(found.len(), 1, "containers of a packet");
        found.pop().unwrap()
    }

    /// Decodes by a container, if its conditions hold.
    pub(crate) fn decode_as(&self, container: &str, packet: &[u8]) -> Option<Decoded> {
        let container = &self.containers[container];
        let mut decoded = match container.find("BaseContainer") {
            None => Decoded::default(),
            Some(base) => {
                let decoded = self.decode_as(base.attribute("containerRef"), packet)?;
                let list = base.find("ComparisonList").unwrap();
                let holds = |c: &Node| compare(decoded.raw[c.attribute("parameterRef")], c);
                list.children.iter().all(holds).then_some(decoded)?
            }
        };
        decoded.container = container.attribute("name").to_owned();
        for entry in container.find("EntryList").unwrap().children.iter() {
            let name = entry.attribute("parameterRef");
            self.take(name, &self.parameters[name], packet, &mut decoded);
        }
        Some(decoded)
    }

    fn take(&self, name: &str, type_name: &str, packet: &[u8], decoded: &mut Decoded) {
        let of = &self.types[type_name];
        match of.name.as_str() {
            "ArrayParameterType" => {
                let last = of.find("EndingIndex").unwrap().find("FixedValue").unwrap();
                for at in 0..=last.text.parse::<usize>().unwrap() {
                    let element = of.attribute("arrayTypeRef");
                    self.take(&format!("{name}[{at}]"), element, packet, decoded);
                }
            }
            "AggregateParameterType" => {
                for member in of.find("MemberList").unwrap().children("Member") {
                    let path = format!("{name}.{}", member.attribute("name"));
                    self.take(&path, member.attribute("typeRef"), packet, decoded);
                }
            }
            _ => scalar(name, of, packet, decoded),
        }
    }

    /// The label of a raw value of an enumeration.
    pub(crate) fn label(&self, parameter: &str, raw: i64) -> &str {
        let of = &self.types[&self.parameters[parameter]];
        let list = of.find("EnumerationList").unwrap();
        let is = |label: &&Node| label.attribute("value") == raw.to_string();
        list.children.iter().find(is).unwrap().attribute("label")
    }
}

fn compare(raw: i64, comparison: &Node) -> bool {
    let value: i64 = comparison.attribute("value").parse().unwrap();
    match comparison.attribute("comparisonOperator") {
        "==" => raw == value,
        "<" => raw < value,
        ">" => raw > value,
        other => panic!("operator {other}"),
    }
}

fn scalar(name: &str, of: &Node, packet: &[u8], decoded: &mut Decoded) {
    let integer = of.find("IntegerDataEncoding");
    let encoding = integer.or_else(|| of.find("FloatDataEncoding")).unwrap();
    let size = encoding.number("sizeInBits") as usize;
    let bits = (decoded.bits..decoded.bits + size).fold(0_u64, |bits, at| {
        bits << 1 | u64::from(packet[at / 8] >> (7 - at % 8) & 1)
    });
    decoded.bits += size;
    if integer.is_none() {
        let value = f32::from_bits(u32::try_from(bits).unwrap());
        decoded.value.insert(name.to_owned(), f64::from(value));
        return;
    }
    let mut raw = i64::try_from(bits).unwrap();
    if encoding.attribute("encoding") == "twosComplement" && bits >> (size - 1) == 1 {
        raw -= 1 << size;
    }
    let terms = encoding.find("PolynomialCalibrator");
    let value = terms.map_or(raw as f64, |terms| {
        let value = |term: &Node| {
            let power = term.number("exponent") as i32;
            term.number("coefficient") * (0..power).map(|_| raw as f64).product::<f64>()
        };
        terms.children("Term").map(value).sum()
    });
    decoded.raw.insert(name.to_owned(), raw);
    decoded.value.insert(name.to_owned(), value);
}

/// The packets of a file, by the lengths in their headers.
pub(crate) fn packets(path: &std::path::Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let length = 7 + usize::from(rest[4]) * 256 + usize::from(rest[5]);
        let (packet, behind) = rest.split_at(length);
        packets.push(packet.to_vec());
        rest = behind;
    }
    packets
}

/// APID and sequence count.
pub(crate) fn counters(packet: &[u8]) -> (u16, u16) {
    let word = |at: usize| u16::from(packet[at]) * 256 + u16::from(packet[at + 1]);
    (word(0) & 0x7FF, word(2) & 0x3FFF)
}

/// CRC-16/CCITT-FALSE bit by bit: a sound packet with its check gives 0.
pub(crate) fn remainder(packet: &[u8]) -> u16 {
    let mut crc = 0xFFFF_u16;
    for byte in packet {
        for bit in (0..8).rev() {
            let is_set = crc >> 15 != u16::from(byte >> bit & 1);
            crc = crc << 1 ^ if is_set { 0x1021 } else { 0 };
        }
    }
    crc
}
