"""One paho client for the scenarios: every wait has a bound, every failure is a sentence."""

import itertools
import queue
import socket
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

# Seconds; only a failure waits so long.
PATIENCE = 60

V311, V5 = mqtt.MQTTv311, mqtt.MQTTv5
NEVER = 0xFFFFFFFF

_markers = itertools.count()


class Failed(Exception):
    """The broker did not do what was expected."""


def check(condition, sentence):
    if not condition:
        raise Failed(sentence)


def equal(got, expected, what):
    check(got == expected, f"{what}: expected {short(expected)}, got {short(got)}")


def short(value):
    text = repr(value)
    return text if len(text) < 2000 else f"{text[:2000]}… ({len(value)} items)"


def properties(packet, **values):
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def about_publish(**values):
    return properties(PacketTypes.PUBLISH, **values)


class Peer:
    """A connection, open from the start. `expiry` is how long its session outlives it, in seconds (5.0)."""

    def __init__(self, place, version, client_id, clean=True, expiry=None, will=None, window=100, **connect):
        self.version, self.client_id = version, client_id
        self.received = queue.Queue()
        self._answers = queue.Queue()
        self._connected = queue.Queue()
        self._gone = queue.Queue()
        self._lock = threading.Lock()
        self._completed = set()
        self._completes = threading.Condition(self._lock)
        old = {} if version == V5 else {"clean_session": clean}
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=version, reconnect_on_failure=False, **old
        )
        client.on_connect = lambda _c, _u, flags, reason, said: self._connected.put((flags, reason, said))
        client.on_message = lambda _c, _u, message: self.received.put(message)
        client.on_subscribe = lambda _c, _u, mid, reasons, said: self._answers.put((mid, reasons))
        client.on_unsubscribe = lambda _c, _u, mid, reasons, said: self._answers.put((mid, reasons))
        client.on_publish = self._on_publish
        client.on_disconnect = lambda _c, _u, flags, reason, said: self._gone.put((flags, reason))
        # Paho sends as many as this before they are acknowledged, whatever the broker says: at most our default.
        client.max_inflight_messages_set(window)
        if will is not None:
            client.will_set(**will)
        self.client = client
        if version == V5:
            if expiry is not None:
                connect["SessionExpiryInterval"] = expiry
            client.connect(*place, clean_start=clean, properties=properties(PacketTypes.CONNECT, **connect))
        else:
            client.connect(*place)
        client.loop_start()
        flags, self.reason, self.said = self._take(self._connected, "CONNACK")
        check(not self.reason.is_failure, f"{client_id} was refused: {self.reason}")
        self.session_present = flags.session_present

    def subscribe(self, topic, qos, identifier=None, **options):
        """Subscribes and returns the reason."""
        if self.version == V5:
            said = properties(PacketTypes.SUBSCRIBE)
            if identifier is not None:
                said.SubscriptionIdentifier = identifier
            _, mid = self.client.subscribe(topic, options=SubscribeOptions(qos=qos, **options), properties=said)
        else:
            _, mid = self.client.subscribe(topic, qos)
        answered, reasons = self._take(self._answers, f"SUBACK for {topic}")
        equal(answered, mid, "the answered packet")
        return reasons[0].value

    def unsubscribe(self, topic):
        _, mid = self.client.unsubscribe(topic)
        answered, reasons = self._take(self._answers, f"UNSUBACK for {topic}")
        equal(answered, mid, "the answered packet")
        return [reason.value for reason in reasons]

    def send(self, topic, payload, qos, retain=False, said=None):
        """Publishes and waits for nothing; returns what `done` takes."""
        return self.client.publish(topic, payload, qos, retain, properties=said).mid

    def publish(self, topic, payload, qos, retain=False, said=None):
        """Publishes and waits until the broker has it."""
        self.done([self.send(topic, payload, qos, retain, said)])

    def done(self, mids):
        """Waits until all of these were completed."""
        with self._completes:
            good = self._completes.wait_for(lambda: self._completed.issuperset(mids), PATIENCE)
            missing = set(mids) - self._completed
            self._completed -= set(mids)
        check(good, f"{self.client_id}: {len(missing)} of {len(mids)} publishes were not completed")

    def take(self, count):
        """The next messages, so many."""
        taken = []
        for number in range(count):
            taken.append(self._take(self.received, f"message {number + 1} of {count} (so far {payloads(taken)})"))
        return taken

    def nothing_more(self):
        """What was sent to it before this call has been taken: it publishes to itself, and that comes next."""
        topic = f"marker/{self.client_id}/{next(_markers)}"
        self.subscribe(topic, 1)
        self.publish(topic, b"", 1)
        came = self._take(self.received, "its own marker")
        check(came.topic == topic, f"{self.client_id} got more: {came.topic} {short(came.payload)}")
        self.unsubscribe(topic)

    def leave(self, **said):
        """Says goodbye."""
        reason = said.pop("reason", None)
        self.client.disconnect(reasoncode=reason, properties=properties(PacketTypes.DISCONNECT, **said) if said else None)
        self.sent_away()
        self.client.loop_stop()

    def vanish(self):
        """Is gone without a word."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.sent_away()
        self.client.loop_stop()

    def sent_away(self):
        """Waits for the end of the connection; returns its reason."""
        return self._take(self._gone, "the end of the connection")[1].value

    def _take(self, source, what):
        try:
            return source.get(timeout=PATIENCE)
        except queue.Empty:
            raise Failed(f"{self.client_id}: {what} did not come") from None

    def _on_publish(self, _client, _userdata, mid, reason, _said):
        with self._completes:
            if not reason.is_failure:
                self._completed.add(mid)
            self._completes.notify_all()


def payloads(messages):
    return [message.payload.decode(errors="replace") for message in messages]


def numbered(count):
    return [str(number) for number in range(count)]


def all_in_order(messages, count, what):
    """Numbers from 0, each once, and those of one quality of service in their order.

    Across qualities the order cannot be seen from here: paho hands a QoS 2 message on when its PUBREL comes.
    """
    equal(sorted(int(message.payload) for message in messages), list(range(count)), what)
    for qos in range(3):
        numbers = [int(message.payload) for message in messages if message.qos == qos]
        equal(numbers, sorted(numbers), f"{what} at QoS {qos}")
