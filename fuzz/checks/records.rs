//! Bytes as records of the log: nothing panics, and what is taken is written and taken again as the same record.
//!
//! The input is a list of records without their frames, each behind its length in two bytes: random bytes would
//! never pass a checksum. It is also read as it stands.

use restante_store::{
    batch::Batch,
    change::{Change, NewMessage},
    change_record::ChangeRecord,
    record::{self, Body, DamagedRecord, FRAME_LEN, MessageRecord, Records},
};

pub(crate) fn check(input: &[u8]) {
    reads_to_the_end(input);
    let mut rest = input;
    let mut batch = Batch::default();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let body = &behind[..usize::from(u16::from_le_bytes(*length)).min(behind.len())];
        rest = &behind[body.len()..];
        let framed = [&[0; FRAME_LEN - 1], body].concat();
        let Some(record) = record::decode(&framed) else {
            continue;
        };
        match &record.body {
            Body::Message(message) => message_again(message, &mut batch),
            Body::Change(change) => _ = batch.change(&borrow(change)),
        }
    }
    whole(&batch);
}

/// Whatever stands there: each record or damage lies behind the one before, and it ends.
fn reads_to_the_end(bytes: &[u8]) {
    let mut records = Records::new(bytes);
    let mut at = 0;
    while let Some(next) = records.next() {
        match next {
            Ok(record) => assert!(record.len > FRAME_LEN),
            Err(DamagedRecord { at: damaged, .. }) => assert_eq!(damaged, at),
        }
        assert!(records.at() > at && records.at() <= bytes.len());
        at = records.at();
    }
}

/// Each record of the batch verifies, is decoded, and encodes to the same bytes again.
fn whole(batch: &Batch) {
    assert_eq!(batch.records().count(), batch.records_len() as usize);
    let mut again = Batch::default();
    for record in Records::new(batch.bytes()) {
        let record = record.expect("what was just written is whole");
        assert_eq!(record.ordinal, again.ordinals());
        match &record.body {
            Body::Message(message) => message_again(message, &mut again),
            Body::Change(change) => _ = again.change(&borrow(change)),
        }
    }
    assert_eq!(again.bytes(), batch.bytes());
    assert_eq!(again.seal(), batch.seal());
}

fn message_again(message: &MessageRecord<'_>, batch: &mut Batch) {
    // The store does not look at these; whoever writes them has text.
    let (Ok(sender), Ok(topic)) = (
        std::str::from_utf8(message.sender),
        std::str::from_utf8(message.topic),
    ) else {
        return;
    };
    let queues: Vec<_> = message.queues.clone().collect();
    let before = batch.bytes_len();
    batch.message(&NewMessage {
        queues: &queues,
        qos: message.qos,
        retain: message.retain,
        set_retained: message.set_retained,
        deadline: message.deadline,
        sender,
        topic,
        properties: message.properties,
        payload: message.payload,
        receipt: message.receipt,
    });
    let written = record::decode(&batch.bytes()[before..]).expect("what was just written is a record");
    let Body::Message(written) = &written.body else {
        panic!("a message became a change")
    };
    assert!(written.queues.clone().eq(queues));
    assert_eq!(
        (written.deadline, written.receipt),
        (message.deadline, message.receipt)
    );
    assert_eq!(
        (written.properties, written.payload),
        (message.properties, message.payload)
    );
}

/// What was read, as what is written.
fn borrow<'a>(read: &'a ChangeRecord<'a>) -> Change<'a> {
    match *read {
        ChangeRecord::QueueOpened { queue, filter } => Change::QueueOpened { queue, filter },
        ChangeRecord::QueueClosed { queue } => Change::QueueClosed { queue },
        ChangeRecord::SessionOpened {
            session,
            client_id,
            version,
            expiry,
            ref will,
            at,
        } => Change::SessionOpened {
            session,
            client_id,
            version,
            expiry,
            will: will.clone(),
            at,
        },
        ChangeRecord::SessionDetached {
            session,
            expiry,
            ref bindings,
            at,
            will_void,
        } => Change::SessionDetached {
            session,
            expiry,
            bindings,
            at,
            will_void,
        },
        ChangeRecord::SessionEnded { session } => Change::SessionEnded { session },
        ChangeRecord::WillCleared { session } => Change::WillCleared { session },
        ChangeRecord::Subscribed {
            session,
            filter,
            queue,
            options,
        } => Change::Subscribed {
            session,
            filter,
            queue,
            options,
        },
        ChangeRecord::Unsubscribed { session, filter } => Change::Unsubscribed { session, filter },
        ChangeRecord::CursorMoved {
            session,
            low,
            ref above,
        } => Change::CursorMoved { session, low, above },
        ChangeRecord::PacketIdsReserved { session, next } => Change::PacketIdsReserved { session, next },
        ChangeRecord::Bound { session, binding } => Change::Bound { session, binding },
        ChangeRecord::BoundHere {
            session,
            back,
            packet_id,
            qos,
            retain,
        } => Change::BoundHere {
            session,
            back,
            packet_id,
            qos,
            retain,
        },
        ChangeRecord::Released { session, packet_id } => Change::Released { session, packet_id },
        ChangeRecord::Unbound { session, packet_id } => Change::Unbound { session, packet_id },
        ChangeRecord::Received { session, packet_id } => Change::Received { session, packet_id },
        ChangeRecord::Completed { session, packet_id } => Change::Completed { session, packet_id },
        ChangeRecord::RetainedCleared { topic } => Change::RetainedCleared { topic },
        ChangeRecord::Noted { key, value } => Change::Noted { key, value },
    }
}
