//! SUBSCRIBE and UNSUBSCRIBE.

use restante_model::{QoS, RetainHandling, SubscriptionOptions};

use crate::error::Fault;
use crate::packet::{Subscribe, Unsubscribe, Version};
use crate::property::{self, Properties, Property, Value};
use crate::reader::Reader;

pub(super) fn subscribe(body: &[u8], version: Version) -> Result<Subscribe<'_>, Fault> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    let mut identifier = None;
    if version.has_properties() {
        let mut properties = Properties::new(reader.block()?, property::SUBSCRIBE);
        while let Some((property, value)) = properties.next()? {
            if let (Property::SubscriptionIdentifier, Value::Number(number)) = (property, value) {
                identifier = Some(number);
            }
        }
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        let filter = reader.text()?;
        let options = if version.has_properties() {
            options(reader.byte()?, filter)?
        } else {
            requested_qos(reader.byte()?)?
        };
        filters.push((
            filter,
            SubscriptionOptions {
                identifier,
                ..options
            },
        ));
    }
    if filters.is_empty() {
        return Err(Fault::NothingSubscribed);
    }
    Ok(Subscribe { packet_id, filters })
}

/// Subscription options (5.0 section 3.8.3.1).
fn options(byte: u8, filter: &str) -> Result<SubscriptionOptions, Fault> {
    if byte & 0b1100_0000 != 0 {
        return Err(Fault::OptionBits);
    }
    let options = SubscriptionOptions {
        qos: QoS::from_bits(byte & 0b11).ok_or(Fault::OptionQos)?,
        no_local: byte & 0b100 != 0,
        retain_as_published: byte & 0b1000 != 0,
        retain_handling: RetainHandling::from_bits((byte >> 4) & 0b11).ok_or(Fault::OptionRetainHandling)?,
        identifier: None,
    };
    if options.no_local && filter.starts_with("$share/") {
        return Err(Fault::NoLocalShared);
    }
    Ok(options)
}

/// Requested QoS (3.1.1 section 3.8.3.1): the six bits above it are reserved.
fn requested_qos(byte: u8) -> Result<SubscriptionOptions, Fault> {
    if byte & 0b1111_1100 != 0 {
        return Err(Fault::OptionBits);
    }
    let qos = QoS::from_bits(byte).ok_or(Fault::OptionQos)?;
    Ok(SubscriptionOptions {
        qos,
        ..SubscriptionOptions::default()
    })
}

pub(super) fn unsubscribe(body: &[u8], version: Version) -> Result<Unsubscribe<'_>, Fault> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    if version.has_properties() {
        Properties::new(reader.block()?, property::UNSUBSCRIBE).check()?;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        filters.push(reader.text()?);
    }
    if filters.is_empty() {
        return Err(Fault::NothingUnsubscribed);
    }
    Ok(Unsubscribe { packet_id, filters })
}
