"""What Prometheus reads: one registry for the process, filled by the parts of the daemon."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The measures of one edge; every cabinet's carry its name as a label."""

    def __init__(self, edge: str, version: str) -> None:
        self._registry = registry = CollectorRegistry()
        build = Gauge("greenband_build", "What runs.", ("edge", "version"), registry=registry)
        build.labels(edge, version).set(1)
        self.tick_late_s = Histogram(
            "greenband_tick_late_seconds",
            "How late the control loop woke.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.tick_s = Histogram(
            "greenband_tick_seconds", "What a tick took.", buckets=_SECONDS, registry=registry
        )
        self.overruns = Counter(
            "greenband_tick_overruns", "Ticks longer than a period.", registry=registry
        )
        self.missed = Counter("greenband_ticks_missed", "Ticks left out.", registry=registry)
        self.round_trip_s = Histogram(
            "greenband_link_round_trip_seconds",
            "Request and answer of one cabinet.",
            ("cabinet",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.rung = self._gauge("greenband_rung", "0 flash to 3 adaptive.", "cabinet")
        self.link_age_s = self._gauge(
            "greenband_link_age_seconds", "Since the cabinet last answered.", "cabinet"
        )
        self.detection = self._gauge(
            "greenband_detection_ratio", "Part of the detectors that work.", "cabinet"
        )
        self.decide_s = self._gauge("greenband_decide_seconds", "The last decision.", "cabinet")
        self.mqtt_up = self._gauge("greenband_mqtt_connected", "1 while connected.")
        self.unconfirmed = self._gauge("greenband_outbox_messages", "Waiting for confirmation.")
        self.outbox_bytes = self._gauge("greenband_outbox_bytes", "Their size.")
        self.store_lost = self._gauge(
            "greenband_store_lost", "Records that could not be kept.", "kind"
        )
        self.alarms = self._gauge("greenband_alarm", "1 while it stands.", "kind")
        self.orders = Counter(
            "greenband_orders",
            "Orders by what became of them.",
            ("kind", "result"),
            registry=registry,
        )

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def text(self) -> bytes:
        """All of it in the text format of Prometheus."""
        return generate_latest(self._registry)
