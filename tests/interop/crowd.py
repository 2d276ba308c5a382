"""Many at once, and many messages at once."""

from peer import Peer, equal, payloads


def many_clients(place, version):
    """A ring: each publishes to the next, and to all."""
    count, each = 60, 10
    ring = [Peer(place, version, f"ring-{number}") for number in range(count)]
    for number, peer in enumerate(ring):
        peer.subscribe(f"ring/{number}", 2)
        peer.subscribe("all", 1)
    for round_ in range(each):
        for number, peer in enumerate(ring):
            peer.send(f"ring/{(number + 1) % count}", f"{round_}", round_ % 3)
    for number, peer in enumerate(ring):
        came = peer.take(each)
        # Those of QoS 2 are handed to paho's user at their PUBREL: later than they came.
        equal(sorted(payloads(came)), [f"{round_}" for round_ in range(each)], f"what came to {number}")
    ring[0].publish("all", b"everybody", 1)
    for peer in ring:
        equal(payloads(peer.take(1)), ["everybody"], "what came to all")
    for peer in ring:
        peer.nothing_more()
        peer.leave()


def a_flood_of_qos_2_both_ways(place, version):
    count = 2000
    left = Peer(place, version, "left", window=100)
    right = Peer(place, version, "right", window=20)
    left.subscribe("to/left", 2)
    right.subscribe("to/right", 2)
    to_right, to_left = [], []
    for number in range(count):
        to_right.append(left.send("to/right", number, 2))
        to_left.append(right.send("to/left", number, 2))
    for peer, sent in [(left, to_right), (right, to_left)]:
        peer.done(sent)
    for peer in [left, right]:
        came = payloads(peer.take(count))
        equal(came, [str(number) for number in range(count)], f"what came to {peer.client_id}")
        peer.nothing_more()


SCENARIOS = [many_clients, a_flood_of_qos_2_both_ways]
