//! Writes a packet again that a server has read, as a client would.

use restante_codec::client;
use restante_codec::encode::{PublishOut, Receiver};
use restante_codec::packet::{Packet, Publish, Version};

pub(crate) fn write(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    let to = Receiver::new(version);
    match packet {
        Packet::Connect(connect) => client::connect(connect, &mut out),
        Packet::Publish(publish) => publish_again(publish, version, &mut out),
        Packet::Ack(ack) => ack.write(&to, &mut out),
        Packet::Subscribe(subscribe) => client::subscribe(version, subscribe, &mut out),
        Packet::Unsubscribe(unsubscribe) => client::unsubscribe(version, unsubscribe, &mut out),
        Packet::PingReq => {
            out.extend_from_slice(&client::PINGREQ);
            Ok(())
        }
        Packet::Disconnect(disconnect) => client::disconnect(version, disconnect, &mut out),
        Packet::Auth(auth) => auth.write(&to, &mut out),
    }
    .unwrap();
    out
}

fn publish_again(
    publish: &Publish<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), restante_codec::TooLarge> {
    let mut properties = Vec::new();
    publish.write_forwarded_properties(&mut properties);
    let again = PublishOut {
        dup: publish.dup,
        qos: publish.qos,
        retain: publish.retain,
        topic: publish.topic,
        packet_id: publish.packet_id,
        topic_alias: publish.topic_alias,
        message_expiry: publish.message_expiry,
        subscription_ids: &[],
        properties: &properties,
        payload: publish.payload,
    };
    again.write(version, out)?;
    assert_eq!(
        again.encoded_len(version),
        out.len(),
        "the length is told before it is written"
    );
    Ok(())
}
