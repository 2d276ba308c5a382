//! Builds a property block.

use crate::encode::put_binary;
use crate::error::TooLarge;
use crate::packet::UserProperties;
use crate::property::Property;
use crate::varint;

/// A property block without its length. An absent value writes nothing.
#[derive(Debug, Default)]
pub(crate) struct Block(Vec<u8>);

impl Block {
    pub(crate) fn flag(&mut self, property: Property, value: Option<bool>) {
        if let Some(value) = value {
            self.0.extend_from_slice(&[property.id(), u8::from(value)]);
        }
    }

    pub(crate) fn two(&mut self, property: Property, value: Option<u16>) {
        if let Some(value) = value {
            self.0.push(property.id());
            self.0.extend_from_slice(&value.to_be_bytes());
        }
    }

    pub(crate) fn four(&mut self, property: Property, value: Option<u32>) {
        if let Some(value) = value {
            self.0.push(property.id());
            self.0.extend_from_slice(&value.to_be_bytes());
        }
    }

    pub(crate) fn varint(&mut self, property: Property, value: Option<u32>) {
        if let Some(value) = value {
            self.0.push(property.id());
            varint::write(value, &mut self.0);
        }
    }

    pub(crate) fn binary(&mut self, property: Property, value: Option<&[u8]>) -> Result<(), TooLarge> {
        let Some(value) = value else { return Ok(()) };
        self.0.push(property.id());
        put_binary(value, &mut self.0)
    }

    pub(crate) fn text(&mut self, property: Property, value: Option<&str>) -> Result<(), TooLarge> {
        self.binary(property, value.map(str::as_bytes))
    }

    pub(crate) fn users(&mut self, properties: UserProperties<'_>) -> Result<(), TooLarge> {
        for (name, value) in properties.iter() {
            self.0.push(Property::UserProperty.id());
            put_binary(name.as_bytes(), &mut self.0)?;
            put_binary(value.as_bytes(), &mut self.0)?;
        }
        Ok(())
    }

    /// Properties that are encoded already.
    pub(crate) fn encoded(&mut self, block: &[u8]) {
        self.0.extend_from_slice(block);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The block behind its length.
    pub(crate) fn with_length(&self) -> Result<Vec<u8>, TooLarge> {
        let length = u32::try_from(self.0.len())
            .ok()
            .filter(|&length| length <= varint::VALUE_MAX);
        let mut out = Vec::with_capacity(self.0.len() + 4);
        varint::write(length.ok_or(TooLarge)?, &mut out);
        out.extend_from_slice(&self.0);
        Ok(out)
    }
}
