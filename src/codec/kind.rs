//! What a type is to the codec, and the way from a value to the module of its family.

use rust_i18n::t;

use super::array::Array;
use super::geometry::{Figure, Shape};
use super::network::{self, Network};
use super::range::Range;
use super::{
    LiveOids, Refusal, Unsupported, bits, boolean, bytes, composite, extension, float, integer, interval,
    json, jsonb, numeric, search, temporal, text, uuid,
};
use crate::model::catalog::{DataType, TypeKind};

/// A type under all its domains, with its modifier unpacked.
#[derive(Debug)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Xid8,
    Lsn,
    Float4,
    Float8,
    Numeric(Option<numeric::Modifier>),
    Text,
    Varchar(Option<usize>),
    Bpchar(Option<usize>),
    Name,
    Char,
    Bytea,
    Date,
    Time(Option<u32>),
    TimeTz(Option<u32>),
    Timestamp(Option<u32>),
    TimestampTz(Option<u32>),
    Interval(interval::Modifier),
    Bit(bits::Length),
    Inet,
    Cidr,
    Macaddr,
    Macaddr8,
    Geometry(Shape),
    TsVector,
    Hstore,
    Ltree,
    /// With its number of dimensions.
    Vector(Option<usize>),
    Uuid,
    Json,
    Jsonb,
    Enum(Vec<String>),
    Array(Box<Array>),
    Composite(Vec<Element>),
    Range(Box<Range>),
    Multirange(Box<Range>),
}

/// The type of an array's elements or of a composite's field.
#[derive(Debug)]
pub(super) struct Element {
    pub kind: Kind,
    not_null: bool,
    /// 0 where the OID differs between servers.
    oid: u32,
    schema: String,
    name: String,
}

impl Element {
    fn new(data_type: &DataType) -> Result<Self, Unsupported> {
        Ok(Self {
            kind: Kind::new(data_type)?,
            not_null: is_not_null(data_type),
            oid: data_type.oid,
            schema: data_type.schema.clone(),
            name: data_type.base.clone(),
        })
    }

    /// Refuses NULL if a domain over the type does.
    pub(super) fn check_null(&self) -> Result<(), Refusal> {
        if self.not_null { Err(Refusal::NullNotAllowed) } else { Ok(()) }
    }

    pub(super) fn live_oid(&self, oids: &LiveOids) -> Result<u32, Refusal> {
        match self.oid {
            0 => oids.get(&self.schema, &self.name).ok_or(Refusal::UnknownType),
            core => Ok(core),
        }
    }
}

fn is_not_null(data_type: &DataType) -> bool {
    match &data_type.kind {
        TypeKind::Domain { base, not_null, .. } => *not_null || is_not_null(base),
        _ => false,
    }
}

impl Kind {
    pub(super) fn new(data_type: &DataType) -> Result<Self, Unsupported> {
        let unsupported = |reason| Err(Unsupported::new(&data_type.name, reason));
        if !data_type.binary && !matches!(data_type.kind, TypeKind::Pseudo) {
            return unsupported(t!("codec.no_binary"));
        }
        match &data_type.kind {
            TypeKind::Domain { base, .. } => Self::new(base),
            TypeKind::Enum { labels } => Ok(Kind::Enum(labels.clone())),
            TypeKind::Array { element, delimiter } => Self::array(data_type, element, *delimiter),
            TypeKind::Composite { fields } => fields
                .iter()
                .map(|(_, field)| Element::new(field))
                .collect::<Result<_, _>>()
                .map(Kind::Composite),
            TypeKind::Base if data_type.schema == "pg_catalog" => {
                match Self::core(&data_type.base, data_type.modifier) {
                    Some(kind) => Ok(kind),
                    None if data_type.base == "money" => unsupported(t!("codec.money")),
                    None => unsupported(t!("codec.needs_server")),
                }
            }
            TypeKind::Base => match Self::of_extension(&data_type.base, data_type.modifier) {
                Some(kind) => Ok(kind),
                None => unsupported(t!("codec.unknown_extension")),
            },
            TypeKind::Range { subtype } => Self::range(data_type, subtype).map(Kind::Range),
            TypeKind::Multirange { range } => match &range.kind {
                TypeKind::Range { subtype } => Self::range(range, subtype).map(Kind::Multirange),
                _ => unsupported(t!("codec.no_value")),
            },
            TypeKind::Pseudo => unsupported(t!("codec.no_value")),
        }
    }

    /// A range type of the user's over whole numbers may have a canonical function of its own, so only those over
    /// continuous types are taken.
    fn range(data_type: &DataType, subtype: &DataType) -> Result<Box<Range>, Unsupported> {
        let core = data_type.schema == "pg_catalog";
        let kind = Self::new(subtype)?;
        let discrete = matches!(kind, Kind::Int4 | Kind::Int8 | Kind::Date);
        let continuous = matches!(
            kind,
            Kind::Float4
                | Kind::Float8
                | Kind::Numeric(_)
                | Kind::Time(_)
                | Kind::Timestamp(_)
                | Kind::TimestampTz(_)
        );
        if continuous || core && discrete {
            Ok(Box::new(Range { subtype: kind, discrete }))
        } else {
            Err(Unsupported::new(&data_type.name, t!("codec.own_range")))
        }
    }

    fn of_extension(name: &str, modifier: i32) -> Option<Self> {
        Some(match name {
            "citext" => Kind::Text,
            "hstore" => Kind::Hstore,
            "ltree" => Kind::Ltree,
            "vector" => Kind::Vector(usize::try_from(modifier).ok()),
            _ => return None,
        })
    }

    /// An array's modifier is its elements'.
    fn array(data_type: &DataType, element: &DataType, delimiter: char) -> Result<Self, Unsupported> {
        let mut element = element.clone();
        if element.modifier == -1 && matches!(element.kind, TypeKind::Base) {
            element.modifier = data_type.modifier;
        }
        let delimiter = u8::try_from(delimiter).unwrap_or(b',');
        Ok(Kind::Array(Box::new(Array { element: Element::new(&element)?, delimiter })))
    }

    fn core(name: &str, modifier: i32) -> Option<Self> {
        Some(match name {
            "bool" => Kind::Bool,
            "int2" => Kind::Int2,
            "int4" => Kind::Int4,
            "int8" => Kind::Int8,
            "oid" => Kind::Oid,
            "xid8" => Kind::Xid8,
            "pg_lsn" => Kind::Lsn,
            "float4" => Kind::Float4,
            "float8" => Kind::Float8,
            "numeric" => Kind::Numeric(numeric::Modifier::new(modifier)),
            "text" | "refcursor" => Kind::Text,
            "varchar" => Kind::Varchar(text::length(modifier)),
            "bpchar" => Kind::Bpchar(text::length(modifier)),
            "name" => Kind::Name,
            "char" => Kind::Char,
            "bytea" => Kind::Bytea,
            "date" => Kind::Date,
            "time" => Kind::Time(temporal::precision(modifier)),
            "timetz" => Kind::TimeTz(temporal::precision(modifier)),
            "timestamp" => Kind::Timestamp(temporal::precision(modifier)),
            "timestamptz" => Kind::TimestampTz(temporal::precision(modifier)),
            "interval" => Kind::Interval(interval::Modifier::new(modifier)),
            "bit" => Kind::Bit(bits::Length::new(modifier, false)),
            "varbit" => Kind::Bit(bits::Length::new(modifier, true)),
            "inet" => Kind::Inet,
            "cidr" => Kind::Cidr,
            "macaddr" => Kind::Macaddr,
            "macaddr8" => Kind::Macaddr8,
            "point" => Kind::Geometry(Shape::Point),
            "lseg" => Kind::Geometry(Shape::Segment),
            "box" => Kind::Geometry(Shape::Box),
            "path" => Kind::Geometry(Shape::Path),
            "polygon" => Kind::Geometry(Shape::Polygon),
            "line" => Kind::Geometry(Shape::Line),
            "circle" => Kind::Geometry(Shape::Circle),
            "tsvector" => Kind::TsVector,
            "uuid" => Kind::Uuid,
            "json" => Kind::Json,
            "jsonb" => Kind::Jsonb,
            _ => return None,
        })
    }

    /// A quick look whether the text is valid and canonical already. `false` says nothing.
    pub(super) fn is_canonical(&self, text: &str) -> bool {
        match self {
            Kind::Text => true,
            Kind::Varchar(length) => text::fits(text, *length),
            Kind::Bpchar(length) => text::is_padded(text, *length),
            Kind::Name => text::is_name(text),
            Kind::Bool => matches!(text, "t" | "f"),
            Kind::Int2 => integer::is_plain(text, 4),
            Kind::Int4 => integer::is_plain(text, 9),
            Kind::Int8 => integer::is_plain(text, 18),
            Kind::Numeric(modifier) => numeric::is_canonical(text, *modifier),
            Kind::Date => temporal::plain_date(text.as_bytes()).is_some(),
            Kind::Timestamp(precision) => temporal::plain_timestamp(text, "", *precision).is_some(),
            Kind::TimestampTz(precision) => {
                temporal::plain_timestamp(text, temporal::UTC, *precision).is_some()
            }
            Kind::Bytea => bytes::is_canonical(text),
            Kind::Json => json::check(text).is_ok(),
            Kind::Jsonb => jsonb::is_canonical(text),
            Kind::Enum(labels) => labels.iter().any(|label| label == text),
            _ => false,
        }
    }

    /// Appends the canonical text of an input text, and tells whether something was lost.
    pub(super) fn rewrite(&self, text: &str, out: &mut String) -> Result<bool, Refusal> {
        match self {
            Kind::Bool => out.push(if boolean::parse(text)? { 't' } else { 'f' }),
            Kind::Int2 | Kind::Int4 | Kind::Int8 => integer::write(self.integer(text)?, out),
            Kind::Oid => integer::write(integer::parse_oid(text)?, out),
            Kind::Xid8 => integer::write(integer::parse_xid8(text)?, out),
            Kind::Lsn => integer::write_lsn(integer::parse_lsn(text)?, out),
            Kind::Float4 => float::write4(float::parse4(text)?, out),
            Kind::Float8 => float::write8(float::parse8(text)?, out),
            Kind::Numeric(modifier) => return numeric::rewrite(text, *modifier, out),
            Kind::Text => out.push_str(text),
            Kind::Varchar(length) => return text::varchar(text, *length, out),
            Kind::Bpchar(length) => return text::bpchar(text, *length, out),
            Kind::Name => return Ok(text::name(text, out)),
            Kind::Char => {
                let (byte, lossy) = text::char_byte(text);
                text::write_char(byte, out);
                return Ok(lossy);
            }
            Kind::Bytea => bytes::rewrite(text, out)?,
            Kind::Uuid => uuid::write(&uuid::parse(text)?, out),
            Kind::Json => {
                json::check(text)?;
                out.push_str(text);
            }
            Kind::Jsonb => jsonb::rewrite(text, out)?,
            Kind::Enum(labels) => {
                out.push_str(labels.iter().find(|label| *label == text).ok_or(Refusal::NotInEnum)?);
            }
            Kind::Array(array) => return array.rewrite(text, out),
            Kind::Range(range) => return range.rewrite(text, out),
            Kind::Multirange(range) => return range.rewrite_many(text, out),
            Kind::Interval(modifier) => {
                let (interval, lossy) = interval::parse(text, *modifier)?;
                interval.write(out);
                return Ok(lossy);
            }
            Kind::Bit(length) => bits::rewrite(text, *length, out)?,
            Kind::Inet => Network::parse(text, false)?.write(false, out),
            Kind::Cidr => Network::parse(text, true)?.write(true, out),
            Kind::Macaddr => network::write_mac(&network::parse_mac(text)?, out),
            Kind::Macaddr8 => network::write_mac(&network::parse_mac8(text)?, out),
            Kind::Geometry(shape) => Figure::parse(*shape, text)?.write(out),
            Kind::TsVector => search::write(&search::parse(text)?, out),
            Kind::Hstore => extension::write_hstore(&extension::parse_hstore(text)?, out),
            Kind::Ltree => {
                extension::check_ltree(text)?;
                out.push_str(text);
            }
            Kind::Vector(dimensions) => {
                extension::write_vector(&extension::parse_vector(text, *dimensions)?, out);
            }
            Kind::Composite(fields) => return composite::rewrite(fields, text, out),
            Kind::Date | Kind::Time(_) | Kind::TimeTz(_) | Kind::Timestamp(_) | Kind::TimestampTz(_) => {
                return self.rewrite_temporal(text, out);
            }
        }
        Ok(false)
    }

    fn rewrite_temporal(&self, text: &str, out: &mut String) -> Result<bool, Refusal> {
        match self {
            Kind::Date => {
                let (days, lossy) = temporal::parse_date(text)?;
                temporal::write_date(days, out);
                Ok(lossy)
            }
            Kind::Time(precision) => {
                let (time, lossy) = temporal::parse_time(text, *precision)?;
                temporal::write_time(time, out);
                Ok(lossy)
            }
            Kind::TimeTz(precision) => {
                let ((time, west), lossy) = temporal::parse_timetz(text, *precision)?;
                temporal::write_timetz(time, west, out);
                Ok(lossy)
            }
            Kind::Timestamp(precision) => {
                let (instant, lossy) = temporal::parse_timestamp(text, *precision)?;
                temporal::write_timestamp(instant, "", out);
                Ok(lossy)
            }
            Kind::TimestampTz(precision) => {
                let (instant, lossy) = temporal::parse_timestamptz(text, *precision)?;
                temporal::write_timestamp(instant, temporal::UTC, out);
                Ok(lossy)
            }
            _ => Err(Refusal::InvalidSyntax),
        }
    }

    fn integer(&self, text: &str) -> Result<i64, Refusal> {
        match self {
            Kind::Int2 => integer::parse(text, i64::from(i16::MIN), i64::from(i16::MAX)),
            Kind::Int4 => integer::parse(text, i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => integer::parse(text, i64::MIN, i64::MAX),
        }
    }

    /// Appends the binary body of a text: what the type's send function writes.
    pub(super) fn send(&self, text: &str, oids: &LiveOids, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self {
            Kind::Bool => out.push(u8::from(boolean::parse(text)?)),
            Kind::Int2 => out.extend_from_slice(&(self.integer(text)? as i16).to_be_bytes()),
            Kind::Int4 => out.extend_from_slice(&(self.integer(text)? as i32).to_be_bytes()),
            Kind::Int8 => out.extend_from_slice(&self.integer(text)?.to_be_bytes()),
            Kind::Oid => out.extend_from_slice(&integer::parse_oid(text)?.to_be_bytes()),
            Kind::Xid8 => out.extend_from_slice(&integer::parse_xid8(text)?.to_be_bytes()),
            Kind::Lsn => out.extend_from_slice(&integer::parse_lsn(text)?.to_be_bytes()),
            Kind::Float4 => out.extend_from_slice(&float::parse4(text)?.to_be_bytes()),
            Kind::Float8 => out.extend_from_slice(&float::parse8(text)?.to_be_bytes()),
            Kind::Numeric(modifier) => numeric::send(text, *modifier, out)?,
            Kind::Bytea => bytes::parse(text, out)?,
            Kind::Uuid => out.extend_from_slice(&uuid::parse(text)?),
            Kind::Char => out.push(text::char_byte(text).0),
            Kind::Jsonb => jsonb::send(text, out)?,
            Kind::Array(array) => array.send(text, oids, out)?,
            Kind::Range(range) => range.send(text, oids, out)?,
            Kind::Multirange(range) => range.send_many(text, oids, out)?,
            Kind::Interval(modifier) => interval::parse(text, *modifier)?.0.send(out),
            Kind::Bit(length) => bits::send(text, *length, out)?,
            Kind::Inet => Network::parse(text, false)?.send(false, out),
            Kind::Cidr => Network::parse(text, true)?.send(true, out),
            Kind::Macaddr => out.extend_from_slice(&network::parse_mac(text)?),
            Kind::Macaddr8 => out.extend_from_slice(&network::parse_mac8(text)?),
            Kind::Geometry(shape) => Figure::parse(*shape, text)?.send(out),
            Kind::TsVector => search::send(&search::parse(text)?, out),
            Kind::Hstore => extension::send_hstore(&extension::parse_hstore(text)?, out),
            Kind::Ltree => {
                extension::check_ltree(text)?;
                out.push(extension::LTREE_VERSION);
                out.extend_from_slice(text.as_bytes());
            }
            Kind::Vector(dimensions) => {
                extension::send_vector(&extension::parse_vector(text, *dimensions)?, out);
            }
            Kind::Composite(fields) => composite::send(fields, text, oids, out)?,
            Kind::Text | Kind::Varchar(_) | Kind::Bpchar(_) | Kind::Name | Kind::Json | Kind::Enum(_) => {
                self.send_text(text, out)?;
            }
            Kind::Date | Kind::Time(_) | Kind::TimeTz(_) | Kind::Timestamp(_) | Kind::TimestampTz(_) => {
                self.send_temporal(text, out)?;
            }
        }
        Ok(())
    }

    /// Types whose binary form is their text.
    fn send_text(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if self.is_canonical(text) {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        let mut canonical = String::new();
        self.rewrite(text, &mut canonical)?;
        out.extend_from_slice(canonical.as_bytes());
        Ok(())
    }

    fn send_temporal(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self {
            Kind::Date => out.extend_from_slice(&temporal::parse_date(text)?.0.to_be_bytes()),
            Kind::Time(precision) => {
                out.extend_from_slice(&temporal::parse_time(text, *precision)?.0.to_be_bytes());
            }
            Kind::Timestamp(precision) => {
                out.extend_from_slice(&temporal::parse_timestamp(text, *precision)?.0.to_be_bytes());
            }
            Kind::TimeTz(precision) => {
                let (time, west) = temporal::parse_timetz(text, *precision)?.0;
                out.extend_from_slice(&time.to_be_bytes());
                out.extend_from_slice(&west.to_be_bytes());
            }
            Kind::TimestampTz(precision) => {
                out.extend_from_slice(&temporal::parse_timestamptz(text, *precision)?.0.to_be_bytes());
            }
            _ => return Err(Refusal::InvalidSyntax),
        }
        Ok(())
    }
}
