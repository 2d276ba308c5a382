//! Nanoseconds per decode and encode of the packets that count, one core, best of several rounds.
//!
//! `cargo run --release -p restante-codec --example codec_speed`

use std::hint::black_box;
use std::time::Instant;

use restante_codec::encode::{EncodedPublish, PublishOut, Receiver};
use restante_codec::packet::{Ack, AckKind, PacketId, Version};
use restante_codec::{DecodeLimits, Decoded, decode};
use restante_model::QoS;

/// Read buffers of this size, as a connection has them.
const BATCH_BYTES: usize = 16 * 1024;
const ROUNDS: usize = 15;
const PER_ROUND: usize = 400_000;

fn main() {
    println!("QoS 1 PUBLISH, topic of 24 bytes, payload of 256 bytes; ns each, best of {ROUNDS} rounds");
    for (name, version, properties) in [
        ("3.1.1", Version::V311, &b""[..]),
        ("5.0", Version::V5, &b""[..]),
        (
            "5.0 with content type and user property",
            Version::V5,
            b"\x03\0\x0atext/plain\x26\0\x04unit\0\x07celsius",
        ),
    ] {
        publish(name, version, properties);
    }
    let mut puback = Vec::new();
    write_ack(&mut puback, Version::V5);
    println!(
        "{:45} decode {:6.1}",
        "PUBACK 5.0",
        decode_batch(&puback, Version::V5)
    );
}

fn publish(name: &str, version: Version, properties: &[u8]) {
    let payload = [0x5a; 256];
    let publish = PublishOut {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: "site/north/boiler/7/temp",
        packet_id: PacketId::new(7),
        topic_alias: None,
        message_expiry: None,
        subscription_ids: &[],
        properties,
        payload: &payload,
    };
    let mut frame = Vec::new();
    if publish.write(version, &mut frame).is_err() {
        return;
    }
    let decoded = decode_batch(&frame, version);
    let whole = encode_batch(frame.len(), |out, _| publish.write(version, out).is_ok());
    let patched = EncodedPublish::new(version, &publish).map_or(0.0, |template| {
        encode_batch(frame.len(), |out, index| {
            template.write_with(out, PacketId::new(index as u16 | 1), false);
            true
        })
    });
    println!("{name:45} decode {decoded:6.1}  encode {whole:6.1}  copy and patch {patched:6.1}");
}

/// Decodes a buffer full of the frame, packet after packet.
fn decode_batch(frame: &[u8], version: Version) -> f64 {
    let buffer = frame.repeat(BATCH_BYTES / frame.len());
    let limits = DecodeLimits {
        packet_size_max: 1 << 20,
    };
    best(|| {
        let mut count = 0;
        while count < PER_ROUND {
            let mut rest = black_box(&buffer[..]);
            while let Ok(Decoded::Packet { packet, consumed }) = decode(rest, Some(version), &limits) {
                black_box(&packet);
                rest = &rest[consumed..];
                count += 1;
            }
        }
        count
    })
}

fn encode_batch(frame_bytes: usize, mut write: impl FnMut(&mut Vec<u8>, usize) -> bool) -> f64 {
    let mut out = Vec::with_capacity(BATCH_BYTES + frame_bytes);
    best(|| {
        for index in 0..PER_ROUND {
            if out.len() > BATCH_BYTES - frame_bytes {
                black_box(&out);
                out.clear();
            }
            black_box(write(&mut out, index));
        }
        PER_ROUND
    })
}

fn best(mut round: impl FnMut() -> usize) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        let count = round();
        begin.elapsed().as_nanos() as f64 / count as f64
    });
    times.fold(f64::INFINITY, f64::min)
}

fn write_ack(out: &mut Vec<u8>, version: Version) {
    // Four bytes always fit what a new receiver takes.
    let written = Ack::success(AckKind::PubAck, PacketId::MIN).write(&Receiver::new(version), out);
    debug_assert!(written.is_ok());
}
