//! The fields of a message that came back.

use crate::messages::KeptMessage;

/// Whether a message is the one that was written. Of its time whole seconds must be left.
pub(crate) fn same(found: &KeptMessage, expected: &KeptMessage) -> Result<(), String> {
    let differs =
        |what: &str, found: String, expected: String| Err(format!("its {what} is {found}, not {expected}"));
    if found.id != expected.id {
        return differs("id", format!("{:?}", found.id), format!("{:?}", expected.id));
    }
    if found.topic != expected.topic {
        return differs(
            "topic",
            format!("{:?}", found.topic),
            format!("{:?}", expected.topic),
        );
    }
    if found.payload != expected.payload {
        let shown =
            |payload: &[u8]| format!("{} bytes {:?}", payload.len(), &payload[..payload.len().min(20)]);
        return differs("payload", shown(&found.payload), shown(&expected.payload));
    }
    if found.sender != expected.sender {
        return differs(
            "sender",
            format!("{:?}", found.sender),
            format!("{:?}", expected.sender),
        );
    }
    if found.qos != expected.qos {
        return differs("qos", format!("{:?}", found.qos), format!("{:?}", expected.qos));
    }
    if found.retain != expected.retain {
        return differs(
            "retain flag",
            found.retain.to_string(),
            expected.retain.to_string(),
        );
    }
    if found.arrived.0 / 1000 != expected.arrived.0 / 1000 {
        return differs(
            "time",
            found.arrived.0.to_string(),
            expected.arrived.0.to_string(),
        );
    }
    Ok(())
}
