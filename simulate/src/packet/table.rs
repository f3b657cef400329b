//! What packets hold, as tables: parameters, containers, dictionaries.

/// The parameters and containers of one kind of vehicle.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// The name of the space system.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) description: &'static str,
    /// The first is the root; bases stand before what inherits from them.
    pub(crate) containers: &'static [Container],
}

impl Dictionary {
    /// The container of that name.
    pub(crate) fn container(&self, name: &str) -> Option<&'static Container> {
        self.containers.iter().find(|c| c.name == name)
    }

    /// The containers from the root to one of them.
    pub(crate) fn lineage(&self, name: &str) -> Vec<&'static Container> {
        let mut lineage = Vec::new();
        let mut next = self.container(name);
        while let Some(container) = next {
            lineage.push(container);
            next = container.base.and_then(|base| self.container(base));
        }
        lineage.reverse();
        lineage
    }
}

/// A sequence of fields behind those of its base.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) base: Option<&'static str>,
    /// Whether packets are of a container that inherits from it.
    pub(crate) is_abstract: bool,
    /// What must hold of raw values of the base: name, operator, value.
    pub(crate) when: &'static [(&'static str, &'static str, u16)],
    pub(crate) fields: &'static [Field],
}

/// A named parameter.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) shape: Shape,
}

/// The structure of a parameter.
#[derive(Debug)]
pub(crate) enum Shape {
    One(Scalar),
    /// So many of one type.
    Array(Scalar, u16),
    /// Named parts of an aggregate.
    Group(&'static [(&'static str, Scalar)]),
}

/// One value: its bits, its unit, and what the raw value means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar {
    pub(crate) bits: Bits,
    pub(crate) unit: &'static str,
    pub(crate) meaning: Meaning,
}

/// How a raw value is written, most significant bit first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bits {
    Unsigned(u8),
    Signed(u8),
    /// IEEE 754, 32 bits.
    Float,
}

/// What a raw value means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meaning {
    /// Itself.
    Plain,
    /// The engineering value is `c[0] + c[1] raw + c[2] raw^2`.
    Polynomial([f64; 3]),
    /// The label at the raw value's place.
    Labels(&'static [&'static str]),
    /// Parts of 2^-16 s since the epoch of GPS time.
    GpsTime,
}

impl Scalar {
    /// The bits that it takes.
    pub(crate) fn size_in_bits(&self) -> u32 {
        match self.bits {
            Bits::Unsigned(bits) | Bits::Signed(bits) => u32::from(bits),
            Bits::Float => 32,
        }
    }
}

/// A field of one value.
pub(crate) const fn one(name: &'static str, scalar: Scalar, description: &'static str) -> Field {
    Field {
        name,
        description,
        shape: Shape::One(scalar),
    }
}

/// A whole number without sign.
pub(crate) const fn count(bits: u8, unit: &'static str) -> Scalar {
    Scalar {
        bits: Bits::Unsigned(bits),
        unit,
        meaning: Meaning::Plain,
    }
}

/// A whole number with a sign.
pub(crate) const fn whole(bits: u8, unit: &'static str) -> Scalar {
    Scalar {
        bits: Bits::Signed(bits),
        unit,
        meaning: Meaning::Plain,
    }
}

/// An IEEE number of 32 bits.
pub(crate) const fn float(unit: &'static str) -> Scalar {
    Scalar {
        bits: Bits::Float,
        unit,
        meaning: Meaning::Plain,
    }
}

/// A reading: `offset + slope raw`, raw without sign.
pub(crate) const fn reading(bits: u8, offset: f64, slope: f64, unit: &'static str) -> Scalar {
    Scalar {
        bits: Bits::Unsigned(bits),
        unit,
        meaning: Meaning::Polynomial([offset, slope, 0.0]),
    }
}

/// A reading: `slope raw`, raw with a sign.
pub(crate) const fn signed(bits: u8, slope: f64, unit: &'static str) -> Scalar {
    Scalar {
        bits: Bits::Signed(bits),
        unit,
        meaning: Meaning::Polynomial([0.0, slope, 0.0]),
    }
}

/// A reading with a curve: the response of a thermistor.
pub(crate) const fn curved(bits: u8, coefficients: [f64; 3], unit: &'static str) -> Scalar {
    Scalar {
        bits: Bits::Unsigned(bits),
        unit,
        meaning: Meaning::Polynomial(coefficients),
    }
}

/// An enumeration, from 0 on.
pub(crate) const fn labels(bits: u8, labels: &'static [&'static str]) -> Scalar {
    Scalar {
        bits: Bits::Unsigned(bits),
        unit: "",
        meaning: Meaning::Labels(labels),
    }
}

/// The primary header (CCSDS 133.0-B, 4.1.3), the root of both dictionaries.
pub(crate) const PRIMARY_HEADER: Container = Container {
    name: "space_packet",
    description: "Primary header of a space packet, CCSDS 133.0-B",
    base: None,
    is_abstract: true,
    when: &[],
    fields: &[
        one("VERSION", count(3, ""), "Packet version number"),
        one("TYPE", count(1, ""), "0: telemetry, 1: telecommand"),
        one(
            "SEC_HDR_FLAG",
            count(1, ""),
            "1: a secondary header follows",
        ),
        one("APID", count(11, ""), "Application process identifier"),
        one("SEQ_FLAGS", count(2, ""), "3: not segmented"),
        one("SEQ_COUNT", count(14, ""), "Sequence count of the APID"),
        one(
            "DATA_LENGTH",
            count(16, "B"),
            "Bytes behind the header, less one",
        ),
    ],
};
