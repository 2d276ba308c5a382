//! Packets byte by byte, for what the test kit's client does not say.

/// A packet: first byte, length, parts.
pub(crate) fn frame(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[first], &varint(body.len())[..], &body].concat()
}

/// A variable byte integer.
pub(crate) fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push((value % 128) as u8 | 128);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

/// A text or binary field.
pub(crate) fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// A property block with its length.
pub(crate) fn block(properties: &[&[u8]]) -> Vec<u8> {
    let all = properties.concat();
    [varint(all.len()), all].concat()
}

/// A property that is a text or binary field.
pub(crate) fn property(id: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![id], field(value)].concat()
}

/// A user property.
pub(crate) fn user(key: &str, value: &str) -> Vec<u8> {
    [vec![0x26], field(key), field(value)].concat()
}

/// A clean 5.0 CONNECT with these properties.
pub(crate) fn connect_5(client_id: &str, properties: &[&[u8]]) -> Vec<u8> {
    frame(
        0x10,
        &[b"\0\x04MQTT\x05\x02\0\0", &block(properties), &field(client_id)],
    )
}

/// A CONNECT of any protocol name, level and flags; the payload follows the flags and a keep-alive of 0.
pub(crate) fn connect(name: &str, level: u8, flags: u8, payload: &[&[u8]]) -> Vec<u8> {
    let properties: &[u8] = if level == 5 { &[0] } else { &[] };
    frame(
        0x10,
        &[&field(name), &[level, flags, 0, 0], properties, &payload.concat()],
    )
}

/// A 5.0 SUBSCRIBE of filters with option bytes.
pub(crate) fn subscribe_5(packet_id: u16, properties: &[&[u8]], filters: &[(&str, u8)]) -> Vec<u8> {
    let filters: Vec<u8> = filters
        .iter()
        .flat_map(|(filter, options)| [field(filter), vec![*options]].concat())
        .collect();
    frame(0x82, &[&packet_id.to_be_bytes(), &block(properties), &filters])
}
