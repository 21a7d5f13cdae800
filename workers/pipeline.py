"""The system on one screen: every task, in the order in which an article meets them, and what leads to which.

    API · CLI ──► ingest ──► enrich ──► publish ─┬─► feeds ──► (web processes make documents)
                                                 │      └─► push ────┐
                                                 └─► fan out ────────┴─► (senders deliver)

Nobody calls a task but the relay (`workers/relay.py`): a stage commits its result and the event that reports
it, and `ROUTES` says what the event obliges.
"""

from collections.abc import Mapping
from functools import partial

from celery import Task

from feeds.push import load_topics, render_topics, store_pushes
from feeds.refresh import load_articles, render, store_entries
from publisher.enrich.stage import find_out, load_revisions, store_enrichments
from publisher.events import EventType
from publisher.housekeeping import keep_house
from publisher.notify.fan_out.happened import load_happened
from publisher.notify.fan_out.stage import prepare, store_deliveries
from publisher.notify.replaying.replay import store_replays
from publisher.publish import store_publications
from workers.app import app
from workers.batch import handling


@app.stage("enrich")
def enrich_articles(task: Task, event_ids: list[str]) -> None:
    """article.received → article.enriched."""
    with handling(task, event_ids) as batch:
        batch.write(store_enrichments, batch.compute(find_out, batch.load(load_revisions)))


@app.stage("publish")
def publish_articles(task: Task, event_ids: list[str]) -> None:
    """article.enriched → article.published | article.corrected."""
    with handling(task, event_ids) as batch:
        batch.write(store_publications, batch.each())


@app.stage("feeds")
def refresh_feeds(task: Task, event_ids: list[str]) -> None:
    """article.published | corrected | retracted → its fragments, and its places in feeds."""
    with handling(task, event_ids) as batch:
        articles = batch.load(partial(load_articles, archive=app.archive))
        batch.write(store_entries, batch.compute(partial(render, style=app.style), articles))


@app.stage("push")
def push_feeds(task: Task, event_ids: list[str]) -> None:
    """feed.changed → the documents that its subscribers are owed (WebSub)."""
    with handling(task, event_ids) as batch:
        topics = batch.load(partial(load_topics, style=app.style))
        batch.write(store_pushes, batch.compute(partial(render_topics, style=app.style), topics))


@app.stage("fan_out")
def fan_out(task: Task, event_ids: list[str]) -> None:
    """article.published | corrected | retracted, endpoint.test | disabled → a delivery an endpoint."""
    with handling(task, event_ids) as batch:
        happened = batch.load(partial(load_happened, archive=app.archive))
        batch.write(store_deliveries, batch.compute(prepare, happened))


@app.stage("replay")
def replay_past(task: Task, event_ids: list[str]) -> None:
    """replay.requested → the next slice of what an endpoint is sent again."""
    with handling(task, event_ids) as batch:
        batch.write(store_replays, batch.each())


@app.stage("housekeeping")
def housekeeping(task: Task, event_ids: list[str]) -> None:
    """housekeeping.due → room for the coming days, what is old gone, and housekeeping.due."""
    with handling(task, event_ids) as batch:
        batch.write(partial(keep_house, retention=app.retention), batch.each())


__all__ = ["ROUTES", "app"]

ROUTES: Mapping[EventType, tuple[Task, ...]] = {
    EventType.ARTICLE_RECEIVED: (enrich_articles,),
    EventType.ARTICLE_ENRICHED: (publish_articles,),
    EventType.ARTICLE_PUBLISHED: (refresh_feeds, fan_out),
    EventType.ARTICLE_CORRECTED: (refresh_feeds, fan_out),
    EventType.ARTICLE_RETRACTED: (refresh_feeds, fan_out),
    EventType.FEED_CHANGED: (push_feeds,),
    EventType.ENDPOINT_TEST: (fan_out,),
    EventType.ENDPOINT_DISABLED: (fan_out,),
    EventType.REPLAY_REQUESTED: (replay_past,),
    EventType.HOUSEKEEPING_DUE: (housekeeping,),
}

app.routes = {event_type: tuple(task.name for task in tasks) for event_type, tasks in ROUTES.items()}
