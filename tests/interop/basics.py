"""What 3.1.1 and 5.0 share: qualities of service, retained messages, wills, sessions, sizes."""

import os

from peer import NEVER, V5, Peer, all_in_order, check, equal, payloads


def every_qos(place, version):
    receiver = Peer(place, version, "receiver")
    sender = Peer(place, version, "sender")
    equal(receiver.subscribe("full/+", 2), 2, "granted")
    equal(receiver.subscribe("lower/#", 1), 1, "granted")
    for qos in range(3):
        sender.publish(f"full/{qos}", f"{qos}", qos)
        sender.publish(f"lower/a/{qos}", f"{qos}", qos)
        sender.publish("other", b"not for it", qos)
    came = {message.topic: (message.payload, message.qos) for message in receiver.take(6)}
    expected = {f"full/{qos}": (b"%d" % qos, qos) for qos in range(3)}
    expected |= {f"lower/a/{qos}": (b"%d" % qos, min(qos, 1)) for qos in range(3)}
    equal(came, expected, "what came")
    receiver.unsubscribe("full/+")
    sender.publish("full/0", b"unsubscribed", 1)
    receiver.nothing_more()


def retained(place, version):
    before = Peer(place, version, "before")
    before.subscribe("kept/#", 1)
    sender = Peer(place, version, "sender")
    sender.publish("kept/a", b"old", 1, retain=True)
    sender.publish("kept/a", b"new", 1, retain=True)
    sender.publish("kept/b", b"b", 2, retain=True)
    sender.publish("kept/c", b"cleared", 0, retain=True)
    sender.publish("kept/c", b"", 1, retain=True)
    live = [(message.payload, message.retain) for message in before.take(5)]
    equal(live, [(b"old", 0), (b"new", 0), (b"b", 0), (b"cleared", 0), (b"", 0)], "what came live")
    after = Peer(place, version, "after")
    after.subscribe("kept/#", 2)
    kept = sorted((message.topic, message.payload, message.retain) for message in after.take(2))
    equal(kept, [("kept/a", b"new", 1), ("kept/b", b"b", 1)], "what was retained")
    after.nothing_more()


def wills(place, version):
    watcher = Peer(place, version, "watcher")
    watcher.subscribe("gone/#", 2)

    def with_will(name):
        will = {"topic": f"gone/{name}", "payload": name.encode(), "qos": 1, "retain": True}
        return Peer(place, version, name, will=will)

    with_will("polite").leave()
    watcher.nothing_more()
    with_will("cut").vanish()
    will = watcher.take(1)[0]
    equal((will.topic, will.payload, will.qos), ("gone/cut", b"cut", 1), "the will")
    with_will("replaced")
    with_will("replaced")
    equal(payloads(watcher.take(1)), ["replaced"], "the will of the one that was taken over")
    late = Peer(place, version, "late")
    late.subscribe("gone/cut", 1)
    equal([(message.payload, message.retain) for message in late.take(1)], [(b"cut", 1)], "the retained will")
    if version == V5:
        with_will("wants-it").leave(reason=_disconnect_with_will())
        equal(payloads(watcher.take(1)), ["wants-it"], "the will that was asked for")


def a_session_waits(place, version):
    count = 300
    away = Peer(place, version, "away", clean=False, expiry=NEVER)
    equal(away.session_present, False, "session present")
    away.subscribe("wait/#", 2)
    away.leave()
    sender = Peer(place, version, "sender")
    sender.done([sender.send("wait/x", number, 1 + number % 2) for number in range(count)])
    sender.publish("wait/x", b"for the present only", 0)
    back = Peer(place, version, "away", clean=False, expiry=NEVER)
    equal(back.session_present, True, "session present")
    came = back.take(count)
    all_in_order(came, count, "what waited")
    check(all(message.qos == 1 + int(message.payload) % 2 for message in came), "a quality of service has changed")
    sender.publish("wait/x", b"live", 1)
    equal(payloads(back.take(1)), ["live"], "what came then")
    back.nothing_more()
    back.leave()
    fresh = Peer(place, version, "away", clean=True)
    equal(fresh.session_present, False, "session present after a clean start")
    sender.publish("wait/x", b"nobody's", 1)
    fresh.nothing_more()


def large_payloads(place, version):
    receiver = Peer(place, version, "receiver", clean=False, expiry=NEVER)
    receiver.subscribe("large", 2)
    sender = Peer(place, version, "sender")
    sizes = [0, 1, 127, 128, 16_383, 16_384, 65_536, 900_000]
    bodies = [os.urandom(size) for size in sizes]
    for qos in range(3):
        sender.done([sender.send("large", body, qos) for body in bodies])
        came = [message.payload for message in receiver.take(len(bodies))]
        check(came == bodies, f"at QoS {qos} other bytes came, of sizes {[len(body) for body in came]}")
    receiver.leave()
    sender.done([sender.send("large", body, 1) for body in bodies])
    back = Peer(place, version, "receiver", clean=False, expiry=NEVER)
    came = [message.payload for message in back.take(len(bodies))]
    check(came == bodies, f"after absence other bytes came, of sizes {[len(body) for body in came]}")


def _disconnect_with_will():
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.reasoncodes import ReasonCode

    return ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message")


SCENARIOS = [every_qos, retained, wills, a_session_waits, large_payloads]
