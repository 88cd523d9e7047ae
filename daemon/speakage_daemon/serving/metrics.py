"""``GET /metrics``: the hub's counts and measures in Prometheus' text form. It keeps none of its own: it reads them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from speakage_daemon.serving.hub import Hub


class HubCollector(Collector):
    """Reads one hub at every scrape."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    @override
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("speakage_clients", "Clients connected to the stream.", value=self._hub.clients)
        yield CounterMetricFamily(
            "speakage_dropped_previews",
            "Previews that a client never got because a newer one replaced them.",
            value=self._hub.dropped_previews,
        )
        yield CounterMetricFamily(
            "speakage_dropped_clients",
            "Clients whose connection was dropped because they took too little.",
            value=self._hub.dropped_clients,
        )
        events = CounterMetricFamily("speakage_events", "Events published, by type.", labels=["type"])
        for kind, count in sorted(self._hub.published.items()):
            events.add_metric([kind], count)
        yield events
        revisions = CounterMetricFamily("speakage_revisions", "Revisions of pictures, by outcome.", labels=["outcome"])
        for outcome, count in sorted(self._hub.revisions.items()):
            revisions.add_metric([outcome], count)
        yield revisions
        rewritings = CounterMetricFamily("speakage_rewritings", "Prompts to rewrite, by outcome.", labels=["outcome"])
        for outcome, count in sorted(self._hub.rewritings.items()):
            rewritings.add_metric([outcome], count)
        yield rewritings
        yield from self._hub.measures.collect()


def registry(hub: Hub) -> CollectorRegistry:
    """A registry with this hub alone: nothing is shared through the library's global one."""
    metrics = CollectorRegistry(auto_describe=False)
    metrics.register(HubCollector(hub))
    return metrics
